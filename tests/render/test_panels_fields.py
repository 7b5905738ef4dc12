from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from comfytui.render.cells import EMPTY, Line, Role, Span, cell_width, line
from comfytui.render.panels import Field, field, layout_fields
from tests.render.test_cells import LINES, TEXT
from tests.support.lines import plain_text

FIELDS = st.lists(st.builds(Field, TEXT, LINES), max_size=4)


def shown(fields: list[Field], width: int) -> list[str]:
    return [plain_text(each).rstrip() for each in layout_fields(fields, width)]


def test_a_field_without_text_shows_a_dash() -> None:
    assert field("Name", "x", Role.ACCENT) == Field("Name", (Span("x", Role.ACCENT),))
    assert field("Name", None, Role.ACCENT) == field("Name", "") == Field("Name", (Span("–", Role.MUTED),))


def test_labels_stand_in_one_column() -> None:
    assert shown([field("Name", "a"), field("Endpoint", "b"), field("", "c")], 40) == [
        "Name      a",
        "Endpoint  b",
        "          c",
    ]
    assert layout_fields([], 40) == []


def test_long_values_are_wrapped_beside_their_label() -> None:
    assert shown([field("Id", "one two three four"), field("Tags", "x")], 16) == [
        "Id    one two",
        "      three four",
        "Tags  x",
    ]


def test_each_span_that_does_not_fit_in_one_line_begins_a_new_one() -> None:
    header = Field("Headers", line("X-Very-Long-Header-Name", Span("  ••••", Role.MUTED)))
    assert shown([header], 20) == [
        "Header  X-Very-Long-".replace("Header", "Heade…"),
        "        Header-Name",
        "        ••••",
    ]


def test_long_labels_are_cut_and_leave_room_for_values() -> None:
    assert shown([field("x" * 100, "value")], 60) == [f"{'x' * 19}…  value"]
    assert shown([field("x" * 100, "value")], 120) == [f"{'x' * 23}…  value"]


def test_a_value_of_nothing_but_spaces_keeps_its_label() -> None:
    assert shown([field("Endpoint", " " * 100), Field("Tags", EMPTY)], 40) == ["Endpoint", "Tags"]


@given(FIELDS, st.integers(6, 80))
def test_every_field_is_there_and_no_line_is_too_wide(fields: list[Field], width: int) -> None:
    lines: list[Line] = layout_fields(fields, width)
    assert len(lines) >= len(fields)
    assert all(cell_width(each) <= width for each in lines)


@given(st.lists(TEXT, min_size=1, max_size=3), st.integers(20, 80))
def test_no_part_of_a_value_is_lost(texts: list[str], width: int) -> None:
    laid_out = layout_fields([Field("L", tuple(Span(text, Role.ACCENT) for text in texts))], width)
    values = "".join(text for each in laid_out for text, role in each if role is Role.ACCENT)
    assert "".join(values.split()) == "".join("".join(texts).split())
