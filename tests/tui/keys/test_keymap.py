"""Keymaps: read, refused, and live."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.app import App
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Input

from comfytui.tui.keys.bindings import active_keys, bindings_for
from comfytui.tui.keys.commands import COMMANDS, Scope
from comfytui.tui.keys.keymap import PRESETS, Keymap, KeymapError, build_keymap, placeholder_key
from comfytui.tui.keys.names import parse_key

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.binding import BindingType
    from textual.pilot import Pilot

IDS = [each.id for each in COMMANDS]


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_has_no_clash_and_only_what_differs(preset: str) -> None:
    keymap = build_keymap(preset, {})
    assert set(keymap.overrides) == set(PRESETS[preset])
    assert not any(keymap.overrides[each] == Keymap().keys(each) for each in keymap.overrides)


def test_tmux_safe_has_no_modifier_but_shift_and_a_way_to_quit() -> None:
    keymap = build_keymap("tmux-safe", {})
    found = {key for each in IDS for key in keymap.keys(each) if key.startswith(("ctrl+", "alt+"))}
    assert found == {"ctrl+c"}
    assert "backspace" in keymap.keys("back")


def test_the_default_without_keys_changes_nothing() -> None:
    assert build_keymap("default", {}) == Keymap()


def test_keys_are_spelled_as_textual_spells_them() -> None:
    keymap = build_keymap("default", {"filter": ("F", "ctrl+f"), "copy_id": (",", "f5"), "toggle_mouse": ()})
    assert keymap.as_textual == {
        "filter": "F,ctrl+f",
        "copy_id": "comma,f5",
        "toggle_mouse": placeholder_key("toggle_mouse"),
    }


def test_the_first_key_is_told_as_people_read_it() -> None:
    keymap = build_keymap("emacs", {"toggle_mouse": ()})
    firsts = [
        keymap.primary_key(each) for each in ("filter", "go_to_page", "close_prompt", "toggle_mouse", "first_row")
    ]
    assert firsts == ["ctrl+s", "P", "ctrl+g", None, "alt+<"]
    assert Keymap().primary_key("filter") == "/"


@pytest.mark.parametrize(
    ("preset", "keys", "command", "words"),
    [
        ("vi", {}, "preset", "unknown preset; use one of default, vim, emacs, tmux-safe"),
        ("default", {"filtre": ("f",)}, "filtre", "unknown command; similar: filter"),
        ("default", {"zzzzzzz": ("f",)}, "zzzzzzz", "unknown command"),
        ("default", {"filter": ("f", "ctrl-f")}, "filter", "key 2 of filter is unknown"),
        ("default", {"filter": ("q",)}, "filter", "filter and quit have the same key q"),
        ("default", {"quit": ("n",)}, "quit", "next_page and quit have the same key n"),
        ("default", {"toggle_pause": ("enter",)}, "toggle_pause", "open_item and toggle_pause have the same"),
        ("default", {"copy_id": ("ctrl+c",)}, "copy_id", "copy_id and quit_at_once have the same key ctrl+c"),
        ("default", {"palette_up": ("ctrl+c",)}, "palette_up", "palette_up and quit_at_once have the same"),
        ("default", {"toggle_mouse": ("W",), "sort_column": ("W",)}, "sort_column", "sort_column and toggle_mouse"),
        ("default", {"copy_id": ("ctrl+i",)}, "copy_id", "next_pane and copy_id have the same key tab"),
        ("default", {"copy_id": ("alt+/",)}, "copy_id", "filter and copy_id have the same key /"),
        ("vim", {"copy_id": ("ctrl+f",)}, "copy_id", "page_down and copy_id have the same key ctrl+f"),
        ("default", {"column_up": ("c",)}, "column_up", "column_up and close_chooser have the same key c"),
        (
            "default",
            {"close_prompt": ("x",)},
            "close_prompt",
            "x types a character in a text box: use another key for close_prompt",
        ),
        (
            "default",
            {"leave_token": ("space",)},
            "leave_token",
            "space types a character in a text box: use another key for leave_token",
        ),
        (
            "default",
            {"quit_at_once": ("Q",)},
            "quit_at_once",
            "Q types a character in a text box: use another key for quit_at_once",
        ),
        ("default", {"back": ()}, "back", "back needs a key, or its screen cannot be left"),
        ("default", {"close_chooser": ()}, "close_chooser", "close_chooser needs a key"),
        ("default", {"quit": (), "quit_at_once": ()}, "quit", "or the dashboard cannot be left"),
        ("tmux-safe", {"quit_at_once": (), "quit": ()}, "quit", "or the dashboard cannot be left"),
    ],
)
def test_invalid_keys_are_refused_with_command_and_reason(
    preset: str, keys: dict[str, tuple[str, ...]], command: str, words: str
) -> None:
    with pytest.raises(KeymapError) as refused:
        build_keymap(preset, keys)
    assert refused.value.command == command
    assert str(refused.value).startswith(words) or words in str(refused.value)


def test_all_invalid_keys_are_reported_at_once() -> None:
    keys = {"nosuch": ("x",), "refresh_now": ("q",), "copy_id": ("ctrl+", "y"), "close_help": (), "sort_column": ("T",)}
    with pytest.raises(KeymapError) as refused:
        build_keymap("default", {**keys, "cycle_theme": ("T",)})
    told = [(each.command, str(each).split(";")[0]) for each in (refused.value, *refused.value.others)]
    assert told == [
        ("nosuch", "unknown command"),
        ("refresh_now", "refresh_now and quit have the same key q"),
        ("copy_id", "key 1 of copy_id is unknown"),
        ("close_help", "close_help needs a key, or its screen cannot be left"),
        ("cycle_theme", "sort_column and cycle_theme have the same key T"),
    ]


def test_invalid_key_is_not_repeated() -> None:
    with pytest.raises(KeymapError) as refused:
        build_keymap("default", {"copy_id": ("cfc_secret",)})
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "keys",
    [
        {"quit": ("Y",), "copy_json": ("q",)},
        {"quit": ()},
        {"close_help": ("f1", "escape"), "show_help": ("f1",)},
        {"choose": ("i",), "toggle_pause": ("i",)},
        {"column_up": ("p",)},
        {"explain_filter": ("f1",)},
        {"filter": ("ctrl+/",)},
    ],
)
def test_keys_of_disjoint_scopes_may_coincide(keys: dict[str, tuple[str, ...]]) -> None:
    keymap = build_keymap("default", keys)
    for command, wanted in keys.items():
        assert set(keymap.keys(command)) >= {parse_key(each) for each in wanted}


@given(
    st.sampled_from([*PRESETS]),
    st.dictionaries(st.sampled_from(IDS) | st.text(max_size=4), st.lists(st.text(max_size=7), max_size=3).map(tuple)),
)
def test_whatever_is_written_there_is_a_keymap_or_a_sentence(preset: str, keys: dict[str, tuple[str, ...]]) -> None:
    refusals: list[str] = []
    keymap = Keymap()
    try:
        keymap = build_keymap(preset, keys)
    except KeymapError as refused:
        refusals.append(refused.command)
    assert all(command in keys for command in refusals)
    assert all(keymap.as_textual.values())


class Part(Widget, can_focus=True):
    """Does nothing but say what it was told to do, as all parts of the app below."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings_for(Scope.TABLE)]


class Line(Input):
    """A line one types a filter into."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings_for(Scope.PROMPT, Scope.FILTER)]


class Whole(Screen[None]):
    """A table, and a line to type into."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings_for(Scope.DASHBOARD, Scope.ITEM)]

    def compose(self) -> ComposeResult:
        yield Part()
        yield Line()


class KeyApp(App[None], inherit_bindings=False):
    """Every action of the commands, told in `given`."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings_for(Scope.ANYWHERE)]
    ENABLE_COMMAND_PALETTE = False

    def __init__(self, keymap: Keymap) -> None:
        super().__init__()
        self.set_keymap(keymap.as_textual)
        self.given: list[str] = []

    def get_default_screen(self) -> Whole:
        return Whole()

    async def run_action(self, action: object, default_namespace: object = None, namespaces: object = None) -> bool:
        self.given.append(str(action))
        return True


@asynccontextmanager
async def keyed(keymap: Keymap) -> AsyncIterator[tuple[KeyApp, Pilot[None]]]:
    app = KeyApp(keymap)
    async with app.run_test(size=(40, 5)) as pilot:
        app.screen.query_one(Part).focus()
        await pilot.pause()
        yield app, pilot


async def given_by(preset: str, keys: dict[str, tuple[str, ...]], pressed: Sequence[str]) -> list[str]:
    async with keyed(build_keymap(preset, keys)) as (app, pilot):
        await pilot.press(*pressed)
        return app.given


HERE = {Scope.TABLE, Scope.DASHBOARD, Scope.ITEM, Scope.ANYWHERE}


@pytest.mark.parametrize("preset", PRESETS)
async def test_every_key_of_a_preset_gives_its_command(preset: str) -> None:
    keymap = build_keymap(preset, {})
    changed = [
        each.id for each in COMMANDS if each.scope in HERE and (each.id in keymap.overrides or preset == "default")
    ]
    wanted = [(key, command) for command in changed for key in keymap.keys(command)]
    assert await given_by(preset, {}, [key for key, _ in wanted]) == [command for _, command in wanted]


@pytest.mark.parametrize(
    ("keys", "pressed", "given"),
    [
        ({"filter": ("f",)}, ["f", "slash"], ["filter"]),
        ({"filter": ("f", "/")}, ["f", "slash"], ["filter", "filter"]),
        ({"filter": ()}, ["slash"], []),
        ({"next_page": ("p",), "previous_page": ("n",)}, ["n", "p", "]", "["], ["previous_page", "next_page"]),
        ({"quit": ("Y",), "copy_json": ("q",)}, ["q", "Y"], ["copy_json", "quit"]),
        ({"next_page": (",",), "poll_faster": ("ctrl++",)}, ["comma", "n", "ctrl+plus", "plus"], ["next_page"]),
        ({"switch_profile": ("w",)}, ["w"], ["switch_profile"]),
        ({"quit_at_once": ("ctrl+x",)}, ["ctrl+x", "ctrl+q"], ["quit_at_once"]),
        ({"first_row": ("alt+<",)}, ["less_than_sign", "alt+less_than_sign", "g"], ["first_row", "first_row"]),
        ({"toggle_mouse": (), "cycle_theme": ()}, ["m", "t"], []),
    ],
)
async def test_keys_are_taken_away_and_given(
    keys: dict[str, tuple[str, ...]], pressed: list[str], given: list[str]
) -> None:
    assert [each for each in await given_by("default", keys, pressed) if each != "poll_faster"] == given


async def test_active_keys_are_displayed() -> None:
    keys = {"toggle_mouse": (), "filter": ("ctrl+s", "F")}
    async with keyed(build_keymap("default", keys)) as (app, _):
        live = active_keys(app.screen)
        assert live["filter"] == ["^s", "F"]
        assert live["toggle_mouse"] == live["switch_profile"] == []
        assert live["next_page"] == ["n", "]"]
        assert "explain_filter" not in live


async def test_only_filter_help_precedes_typed_text() -> None:
    async with keyed(Keymap()) as (app, pilot):
        line = app.screen.query_one(Line)
        line.focus()
        await pilot.pause()
        await pilot.press("q", "question_mark", "slash", "space", "n", "ctrl+c")
        assert (line.value, app.given) == ("q/ n", ["explain_filter", "quit_at_once"])


async def test_filter_help_can_be_rebound() -> None:
    async with keyed(build_keymap("default", {"explain_filter": ("f1",)})) as (app, pilot):
        line = app.screen.query_one(Line)
        line.focus()
        await pilot.pause()
        await pilot.press("question_mark", "f1")
        assert (line.value, app.given) == ("?", ["explain_filter"])
