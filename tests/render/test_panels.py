from __future__ import annotations

import pytest

from comfytui.api.statuses import WorkflowStatus
from comfytui.render.cells import cell_width
from comfytui.render.icons import workflow_icon
from comfytui.render.panels import SHAPES, help_lines
from tests.support.lines import plain_text

SECTIONS = {
    "In a table": [("↑ k", "Cursor up"), ("⏎", "Go in: runner, its history, workflow")],
    "Anywhere": [("q", "Quit"), ("alt+< < home g alt+shift+,", "First row")],
}


def shown(width: int) -> list[str]:
    return [plain_text(line).rstrip() for line in help_lines(SECTIONS, width)]


def test_each_place_has_a_section_and_the_shapes_come_last() -> None:
    lines = shown(80)
    titles = [line for line in lines if line and not line.startswith(" ")]
    assert titles == ["In a table", "Anywhere", "Shapes"]
    assert lines[1] == "  ↑ k                         Cursor up"
    assert lines[3] == ""


def test_every_shape_of_a_workflow_is_explained_by_its_word() -> None:
    explained = [(glyph, words) for glyph, words in SHAPES]
    for status in WorkflowStatus:
        assert (workflow_icon(status), f"workflow {status}") in explained


@pytest.mark.parametrize("width", [20, 36, 76, 200])
def test_nothing_is_cut_off_and_nothing_is_wider(width: int) -> None:
    lines = help_lines(SECTIONS, width)
    assert max(map(cell_width, lines)) <= width
    words = " ".join(plain_text(line) for line in lines).split()
    for _, what in (*SECTIONS["In a table"], *SECTIONS["Anywhere"], *SHAPES):
        assert set(what.split()) <= set(words) or width < 36
    for keys, _ in SECTIONS["Anywhere"]:
        assert set(keys.split()) <= set(words) or width < 40


def test_the_tiniest_width_breaks_nothing() -> None:
    assert help_lines(SECTIONS, 0)
