"""One declaration a command."""

from __future__ import annotations

import subprocess
import sys

import pytest

from comfytui.tui.keys.bindings import bindings_for
from comfytui.tui.keys.commands import COMMANDS, DASHBOARD_HINTS, LOG_HINTS, WORKFLOW_HINTS, Scope
from comfytui.tui.keys.keymap import placeholder_key


def keys(where: Scope) -> list[str]:
    return [key for each in COMMANDS if each.scope is where and each.keys for key in each.keys.split(",")]


def test_ids_are_unique() -> None:
    assert len({each.id for each in COMMANDS}) == len(COMMANDS)


def test_every_place_has_commands() -> None:
    assert {each.scope for each in COMMANDS} == {*Scope}


def test_no_key_means_two_things_in_one_place() -> None:
    for where in Scope:
        assert len(set(keys(where))) == len(keys(where))
    for inner in (Scope.TABLE, Scope.PANEL):
        assert not set(keys(inner)) & {*keys(Scope.DASHBOARD), *keys(Scope.ITEM), *keys(Scope.ANYWHERE)}
    for screen in (Scope.DASHBOARD, Scope.WORKFLOW):
        assert not set(keys(screen)) & {*keys(Scope.ITEM), *keys(Scope.ANYWHERE)}
    assert not set(keys(Scope.ITEM)) & set(keys(Scope.ANYWHERE))


def test_bindings_carry_the_command_as_id_and_action() -> None:
    made = bindings_for(Scope.TABLE, Scope.ANYWHERE)
    assert {binding.id for binding in made} == {
        each.id for each in COMMANDS if each.scope in {Scope.TABLE, Scope.ANYWHERE}
    }
    assert all(binding.id == binding.action for binding in made)


def test_a_command_without_a_key_has_a_binding_that_no_key_gives() -> None:
    (made,) = (binding for binding in bindings_for(Scope.ANYWHERE) if binding.id == "switch_profile")
    assert made.key == placeholder_key("switch_profile")


def test_every_hint_names_commands() -> None:
    known = {each.id for each in COMMANDS}
    hints = (*DASHBOARD_HINTS, *WORKFLOW_HINTS, *LOG_HINTS)
    assert all(each in known for hint in hints for each in hint.commands)


@pytest.mark.parametrize("module", ["commands", "keymap", "names"])
def test_declarations_and_keymaps_are_known_without_textual(module: str) -> None:
    code = f"import sys, comfytui.tui.keys.{module}; sys.exit('textual' in sys.modules or 'pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
