from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfytui.config.settings import ACCENT_COLORS
from comfytui.render.cells import Role, Span, cell_width
from comfytui.render.chrome import Header, header_line, interval_text, source_text
from tests.render.test_cells import TEXT
from tests.support.lines import plain_text

HEADER = Header(
    source=source_text("api.comfycontrol.app", None, None),
    state=(Span("● live", Role.GOOD),),
    usage="api ≤ 15/40",
    total=120,
    status=None,
    interval_s=5.0,
    breadcrumb=("runners", "gpu-07"),
)

WHOLE = "api.comfycontrol.app │ ● live │ api ≤ 15/40 │ 120 runners │ every 5 s │ runners / gpu-07"


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (200, WHOLE),
        (len(WHOLE), WHOLE),
        (len(WHOLE) - 1, "api.comfycontrol.app │ ● live │ api ≤ 15/40 │ 120 runners │ runners / gpu-07"),
        (70, "api.comfycontrol.app │ ● live │ 120 runners │ runners / gpu-07"),
        (60, "api.comfycontrol.app │ ● live │ runners / gpu-07"),
        (40, "● live │ runners / gpu-07"),
        (20, "● live │ runners /…"),
        (0, ""),
    ],
)
def test_the_least_telling_parts_go_where_it_is_narrow(width: int, shown: str) -> None:
    assert plain_text(header_line(HEADER, width)) == shown


def test_the_zone_of_times_of_day_stays_longer_than_what_can_be_seen_elsewhere() -> None:
    header = HEADER._replace(zone="CEST")
    assert plain_text(header_line(header, 200)) == WHOLE.replace("│ runners", "│ CEST │ runners")
    assert plain_text(header_line(header, 60)) == "api.comfycontrol.app │ ● live │ CEST │ runners / gpu-07"


@pytest.mark.parametrize(
    ("total", "status", "said"),
    [
        (0, None, "0 runners"),
        (1, None, "1 runner"),
        (2, None, "2 runners"),
        (7, "active", "7 active runners"),
        (1, "disabled", "1 disabled runner"),
    ],
)
def test_header_tells_the_number_of_runners(total: int, status: str | None, said: str) -> None:
    header = HEADER._replace(total=total, status=status)
    assert plain_text(header_line(header, 200)).split(" │ ")[3] == said


def test_unknown_total_is_not_shown() -> None:
    assert plain_text(header_line(HEADER._replace(total=None), 200)).split(" │ ")[3] == "every 5 s"


@pytest.mark.parametrize(("seconds", "words"), [(5.0, "every 5 s"), (2.5, "every 2.5 s"), (60.0, "every 60 s")])
def test_the_interval_in_words(seconds: float, words: str) -> None:
    assert interval_text(seconds) == words


@given(TEXT, TEXT, st.integers(0, 120))
def test_header_never_exceeds_the_width(source: str, name: str, width: int) -> None:
    header = HEADER._replace(source=(Span(source),), breadcrumb=("runners", name))
    assert cell_width(header_line(header, width)) <= width


def test_a_profile_is_named_in_its_colour_before_the_host() -> None:
    assert source_text("demo", None, None) == (Span("demo", Role.STRONG),)
    prod = source_text("api.example.com", "prod", "red")
    assert plain_text(prod) == "prod · api.example.com"
    assert prod[0].role is Role.TINT_RED
    assert source_text("api.example.com", "prod", None)[0].role is Role.STRONG


def test_every_colour_of_the_configuration_is_a_role() -> None:
    assert all(source_text("host", "p", colour)[0].role == f"tint-{colour}" for colour in ACCENT_COLORS)
