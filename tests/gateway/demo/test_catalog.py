"""What the simulation counts on in its own tables."""

from __future__ import annotations

import pytest

from comfytui.gateway.demo.catalog import A100, CARDS, CPU, PURPOSES, Purpose


@pytest.mark.parametrize("purpose", PURPOSES, ids=lambda purpose: purpose.tag)
def test_ten_workflows_show_each_kind_of_a_purpose(purpose: Purpose) -> None:
    assert len({kind.name for kind in purpose.kinds}) == len(purpose.kinds) <= 5
    assert all(kind.tags and kind.seconds > 0 for kind in purpose.kinds)


def test_the_processor_is_slowest_by_far() -> None:
    assert max(CARDS, key=lambda card: card.speed).model == "h100"
    assert all(card.speed > 4 * CPU.speed for card in CARDS)
    assert A100.speed == 1


def test_tags_name_the_card() -> None:
    assert (A100.tag, CPU.tag) == ("gpu-a100", "cpu")
