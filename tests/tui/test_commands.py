"""One declaration a command."""

from __future__ import annotations

from pathlib import Path

from comfytui.tui.commands import COMMANDS, DASHBOARD_HINTS, WORKFLOW_HINTS, Where, bindings

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def keys(where: Where) -> list[str]:
    return [key for each in COMMANDS if each.where is where for key in each.keys.split(",")]


def test_ids_are_unique() -> None:
    assert len({each.id for each in COMMANDS}) == len(COMMANDS)


def test_no_key_means_two_things_in_one_place() -> None:
    for where in Where:
        assert len(set(keys(where))) == len(keys(where))
    for inner in (Where.TABLE, Where.PANEL):
        assert not set(keys(inner)) & {*keys(Where.DASHBOARD), *keys(Where.ANYWHERE)}
    for screen in (Where.DASHBOARD, Where.WORKFLOW):
        assert not set(keys(screen)) & set(keys(Where.ANYWHERE))


def test_bindings_carry_the_command_as_id_and_action() -> None:
    made = bindings(Where.TABLE, Where.ANYWHERE)
    assert {binding.id for binding in made} == {
        each.id for each in COMMANDS if each.where in {Where.TABLE, Where.ANYWHERE}
    }
    assert all(binding.id == binding.action for binding in made)


def test_every_hint_names_commands() -> None:
    known = {each.id for each in COMMANDS}
    assert all(each in known for hint in (*DASHBOARD_HINTS, *WORKFLOW_HINTS) for each in hint.commands)


def test_the_readme_names_every_key_that_does_something() -> None:
    spelt = {"space": "Space", "tab": "Tab", "shift+tab": "Shift+Tab", "ctrl+p": "Ctrl+P", "ctrl+c": "Ctrl+C"}
    spelt |= {"ctrl+z": "Ctrl+Z", "enter": "Enter", "escape": "Escape", "pageup": "PgUp", "pagedown": "PgDn"}
    arrows = {"up", "down", "left", "right", "home", "end"}
    for each in COMMANDS:
        for key in set(each.keys.split(",")) - arrows:
            wanted = spelt.get(key, f"`{key}`")
            assert wanted in README, f"{each.id}: {wanted}"
