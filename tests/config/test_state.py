from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from comfytui.config.state import (
    MAX_VIEWS,
    InMemoryStateStore,
    LoadResult,
    State,
    StateFile,
    StateStore,
    ViewState,
    state_path,
)

FULL = ViewState(
    filter='tag:"zwei wörter" 🚀',
    status="active",
    sort="when",
    descending=True,
    columns=("name", "last"),
    history_sort="took",
    history_descending=True,
    history_columns=("name",),
    per_page=50,
)
STATE = State("prod", "UTC", "light", {"prod": FULL, "host:8787": ViewState()})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the state is kept, in a directory that is not there yet."""
    return tmp_path / "state" / "comfytui" / "state.json"


def written(path: Path, text: str | bytes) -> StateFile:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return StateFile(path)


def test_saved_state_is_restored(path: Path) -> None:
    assert StateFile(path).load() == LoadResult(State(), None)
    assert StateFile(path).save(STATE) is None
    state, note = StateFile(path).load()
    assert (state, note) == (STATE, None)
    assert list(state.views) == ["prod", "host:8787"]


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_state_file_is_private_with_any_umask(path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        assert StateFile(path).save(State()) is None
        path.chmod(0o644)
        path.parent.chmod(0o755)
        assert StateFile(path).save(STATE) is None
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert list(path.parent.iterdir()) == [path]


def test_state_file_is_private_and_atomic(path: Path) -> None:
    # Every file that ever was there is watched: its mode, and what whoever reads at that moment would get.
    code = f"""
import json, os, sys
from pathlib import Path
from comfytui.config.state import State, StateFile
place = Path("{path}")
modes, texts = [], set()
def look(event, args):
    if event in ("open", "os.chmod", "os.rename", "os.remove") and "{path.parent.name}" in str(args[0]):
        modes.extend(each.stat().st_mode & 0o077 for each in place.parent.glob("*"))
        texts.add(place.read_bytes() if event != "open" and place.exists() else None)
os.umask(0)
StateFile(place).save(State(theme="before"))
sys.addaudithook(look)
StateFile(place).save(State(theme="after"))
print(len(modes) > 1, any(modes), sorted(json.loads(text)["theme"] for text in texts if text))
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout
    assert said in {"True False ['before']\n", "True False ['after', 'before']\n"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '"prod"',
        "null",
        b"\xff\xfe{}",
        "[" * 30_000,
        '{"a":' * 10_000,
        " " * 65_536 + "{}",
        '{"views": {"prod": {"per_page": ' + "9" * 5000 + "}}}",
    ],
    ids=range(10),
)
def test_broken_state_is_quarantined_with_a_warning(path: Path, text: str | bytes) -> None:
    file = written(path, text)
    aside = path.with_name("state.json.broken")
    aside.write_text("an older one")
    state, note = file.load()
    assert state == State()
    assert note == f"The last view cannot be restored: {path} is broken; it was set aside as state.json.broken."
    assert [each.name for each in path.parent.iterdir()] == [aside.name]
    assert aside.read_bytes() == (text if isinstance(text, bytes) else text.encode())
    assert file.load() == LoadResult(State(), None)


@pytest.mark.parametrize(
    ("said", "state"),
    [
        ({}, State()),
        ({"theme": None, "views": {}}, State()),
        ({"theme": "dark", "later": [1], "views": {"a": {"later": {}}}}, State(theme="dark", views={"a": ViewState()})),
        ({"views": {"a": {"filter": None}}}, State(views={"a": ViewState()})),
        ({"profile": "\x1b[31mp\ud800\n"}, State(profile="[31mp")),
        (
            {"views": {"a\x07": {"filter": "\x9bx", "columns": ["\x00n"]}}},
            State(views={"a": ViewState("x", columns=("n",))}),
        ),
    ],
)
def test_unknown_state_values_fall_back_one_by_one(path: Path, said: Mapping[str, object], state: State) -> None:
    assert written(path, json.dumps(said)).load() == LoadResult(state, None)


@pytest.mark.parametrize(
    ("broken", "view"),
    [
        ({"filter": 1}, FULL._replace(filter="")),
        ({"status": {}}, FULL._replace(status=None)),
        ({"descending": 1}, FULL._replace(descending=False)),
        ({"columns": "name"}, FULL._replace(columns=())),
        ({"history_columns": ["took", 1]}, FULL._replace(history_columns=("took",))),
        ({"per_page": True}, FULL._replace(per_page=None)),
        ({"per_page": 2.5}, FULL._replace(per_page=None)),
    ],
)
def test_broken_value_of_a_view_loses_that_value_alone(
    path: Path, broken: Mapping[str, object], view: ViewState
) -> None:
    file = written(path, json.dumps({"theme": "dark", "views": {"prod": {**FULL._asdict(), **broken}}}))
    assert file.load() == LoadResult(State(theme="dark", views={"prod": view}), None)
    assert path.exists()


@pytest.mark.parametrize("broken", [{"profile": 1}, {"time_style": True}, {"views": []}, {"views": {"prod": []}}])
def test_broken_value_beside_the_views_loses_that_value_alone(path: Path, broken: Mapping[str, object]) -> None:
    state, note = written(path, json.dumps({"theme": "dark", **broken})).load()
    assert (state.theme, state.profile, state.time_style, note) == ("dark", None, None, None)
    assert all(view == ViewState() for view in state.views.values())


def test_unreadable_state_is_reported(path: Path) -> None:
    path.mkdir(parents=True)
    assert "set aside as state.json.broken" in str(StateFile(path).load().warning)
    (path.parent / "state.json.broken" / "full").mkdir()
    written(path, "{")
    assert StateFile(path).load() == LoadResult(
        State(), f"The last view cannot be restored: {path} is broken, and it cannot be set aside: is a directory."
    )
    below = path / "below.json"
    words = f"The last view cannot be restored from {below}: not a directory."
    assert StateFile(below).load() == LoadResult(State(), words)


def test_a_pipe_in_its_place_is_not_waited_for(path: Path) -> None:
    path.parent.mkdir(parents=True)
    os.mkfifo(path)
    assert "set aside" in str(StateFile(path).load().warning)


def test_failed_save_is_reported_and_keeps_the_file(path: Path) -> None:
    file = written(path, "{}")
    said = StateFile(path / "below.json").save(STATE)
    assert said == f"This view cannot be kept in {path / 'below.json'}: not a directory."
    assert file.load() == LoadResult(State(), None)


def test_the_views_used_last_are_kept() -> None:
    state = State()
    for number in range(MAX_VIEWS + 3):
        state = state.with_view(f"host{number}", ViewState(filter=str(number)))
    assert list(state.views) == [f"host{number}" for number in range(3, MAX_VIEWS + 3)]
    used = state.with_view("host3", FULL)
    assert list(used.views)[-1] == "host3"
    assert used.views["host3"] == FULL
    assert len(used.views) == MAX_VIEWS
    assert state.views["host3"] == ViewState(filter="3")


def test_too_large_state_drops_least_recent_views(path: Path) -> None:
    long = {f"host{number}": ViewState(filter="f" * 10_000) for number in range(20)}
    many = {f"host{number}": ViewState() for number in range(40)}
    for views, kept in ((long, 6), (many, MAX_VIEWS)):
        assert StateFile(path).save(State(theme="dark", views=views)) is None
        state, note = StateFile(path).load()
        assert (state.theme, note) == ("dark", None)
        assert list(state.views) == list(views)[-kept:]


def test_a_memory_writes_only_what_differs(path: Path) -> None:
    memory = StateStore(StateFile(path))
    assert (memory.state, memory.warning) == (State(), None)
    memory.save(State())
    assert not path.exists()
    memory.save(STATE)
    inode = path.stat().st_ino
    memory.save(State("prod", "UTC", "light", dict(STATE.views)))
    assert path.stat().st_ino == inode
    memory.save(STATE.with_view("prod", FULL))
    assert list(StateStore(StateFile(path)).state.views) == ["host:8787", "prod"]


def test_two_that_remember_side_by_side_keep_what_each_has_changed(path: Path) -> None:
    one, other = StateStore(StateFile(path)), StateStore(StateFile(path))
    one.save(State(theme="light").with_view("a", FULL))
    other.save(State(time_style="UTC").with_view("b", ViewState(filter="gpu")))
    kept = StateStore(StateFile(path)).state
    assert (kept.theme, kept.time_style) == ("light", "UTC")
    assert kept.views == {"a": FULL, "b": ViewState(filter="gpu")}


def test_a_memory_that_cannot_be_kept_says_so_remembers_and_tries_again(path: Path) -> None:
    written(path.parent, "in the way")
    memory = StateStore(StateFile(path))
    assert str(memory.warning).startswith("The last view cannot be restored from ")
    memory.save(STATE)
    assert memory.state == STATE
    assert str(memory.warning).startswith("This view cannot be kept in ")
    path.parent.unlink()
    memory.save(STATE)
    assert memory.warning is None
    assert StateStore(StateFile(path)).state == STATE


def test_a_forgetful_one_remembers_while_it_lasts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    forgetful = InMemoryStateStore()
    assert (forgetful.state, forgetful.warning) == (State(), None)
    forgetful.save(STATE)
    assert forgetful.state == STATE
    assert InMemoryStateStore().state == State()
    assert list(tmp_path.iterdir()) == []


def test_state_path_is_in_the_state_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert state_path() == tmp_path / "comfytui" / "state.json"


def test_state_module_imports_fast() -> None:
    heavy = ("asyncio", "textual", "rich", "httpx", "pydantic")
    code = f"import sys, comfytui.config.state; print(sorted(set({heavy}) & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout == b"[]\n"
