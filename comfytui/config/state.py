"""Saved state: the view of each fleet and the appearance, kept between starts.

It is read before the first frame, so it is cheap to import. A value of a wrong type counts as missing; the code that
uses a value checks its meaning.
"""

from __future__ import annotations

import os
import stat
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple, TypeVar

from comfytui.config.paths import display_path, state_dir
from comfytui.files import os_error_message, write_atomic

_T = TypeVar("_T")
_Default = TypeVar("_Default")

MAX_VIEWS = 32
"""Number of fleets whose view is kept."""

MAX_BYTES = 64 * 1024

# Terminals act on control characters, and half of a surrogate pair cannot be encoded.
_UNSHOWN = {"Cc", "Cs"}


class ViewState(NamedTuple):
    """View of one fleet.

    Attributes:
        filter: Text of the filter.
        status: Status of the runners, or None for all.
        sort: Column that the runners are sorted by, or None for the API's order.
        descending: True if sorted from the greatest to the least.
        columns: Chosen columns of the list in their order; empty for the default.
        history_sort: As `sort`, of the history.
        history_descending: As `descending`, of the history.
        history_columns: As `columns`, of the history.
        per_page: Runners per page, or None for the default.
    """

    filter: str = ""
    status: str | None = None
    sort: str | None = None
    descending: bool = False
    columns: tuple[str, ...] = ()
    history_sort: str | None = None
    history_descending: bool = False
    history_columns: tuple[str, ...] = ()
    per_page: int | None = None


class State(NamedTuple):
    """All saved state.

    Attributes:
        profile: Last profile in use, or None.
        time_style: Style of times.
        theme: Name of the theme.
        views: View of each fleet by its key, the last used at the end.
    """

    profile: str | None = None
    time_style: str | None = None
    theme: str | None = None
    views: Mapping[str, ViewState] = MappingProxyType({})

    def with_view(self, key: str, view: ViewState) -> State:
        """Return the state with this view as the last used, without the least recently used beyond MAX_VIEWS."""
        others = [(other, kept) for other, kept in self.views.items() if other != key]
        return self._replace(views=dict([*others, (key, view)][-MAX_VIEWS:]))


class LoadResult(NamedTuple):
    """State that was loaded, and a warning about it, or None."""

    state: State
    warning: str | None


class StateFile:
    """File of the saved state, readable by this user alone.

    Args:
        path: Path of the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> LoadResult:
        """Return the saved state; a file without a JSON object is renamed, which the warning tells."""
        try:
            data = _read_bounded(self._path)
        except FileNotFoundError:
            return LoadResult(State(), None)
        except OSError as error:
            return LoadResult(
                State(), f"The last view cannot be restored from {display_path(self._path)}: {os_error_message(error)}."
            )
        try:
            return LoadResult(_decode(data), None)
        except (ValueError, RecursionError):
            return LoadResult(State(), self._set_aside())

    def save(self, state: State) -> str | None:
        """Save a state; return the reason if it cannot be saved, else None."""
        try:
            write_atomic(self._path, _encode(state))
        except OSError as error:
            return f"This view cannot be kept in {display_path(self._path)}: {os_error_message(error)}."
        return None

    def _set_aside(self) -> str:
        aside = self._path.with_name(f"{self._path.name}.broken")
        words = f"The last view cannot be restored: {display_path(self._path)} is broken"
        try:
            self._path.replace(aside)
        except OSError as error:
            return f"{words}, and it cannot be set aside: {os_error_message(error)}."
        return f"{words}; it was set aside as {aside.name}."


class StateStore:
    """State in use, and the file it is saved to.

    Attributes:
        state: Current state.
        warning: Message that the state could not be restored or saved, or None.

    Args:
        file: File of the state.
    """

    def __init__(self, file: StateFile) -> None:
        self._file = file
        self.state, self.warning = file.load()
        self._kept = self.state

    def save(self, state: State) -> None:
        """Set the state, and write it if it differs from the file; blocks on the disk."""
        self.state = state
        if _encode(state) == _encode(self._kept):
            return
        # Another dashboard may have saved the view of another fleet meanwhile.
        self.warning = self._file.save(_merge(self._file.load().state, self._kept, state))
        if self.warning is None:
            self._kept = state


class InMemoryStateStore:
    """State in memory only, for `--fresh`; attributes as of `StateStore`."""

    def __init__(self) -> None:
        self.state = State()
        self.warning: str | None = None

    def save(self, state: State) -> None:
        """Set the state."""
        self.state = state


def state_path() -> Path:
    """Return the path of the state file, which need not exist."""
    return state_dir() / "state.json"


def _merge(others: State, before: State, after: State) -> State:
    """Return the state that others saved, with the changes from `before` to `after`."""
    merged = others._replace(
        profile=others.profile if after.profile == before.profile else after.profile,
        time_style=others.time_style if after.time_style == before.time_style else after.time_style,
        theme=others.theme if after.theme == before.theme else after.theme,
    )
    used_last = [*after.views][-1:]
    for key, view in after.views.items():
        if key in used_last or view != before.views.get(key):
            merged = merged.with_view(key, view)
    return merged


def _read_bounded(path: Path) -> bytes:
    """Return the file's first bytes, one more than the limit; empty if it is a directory or pipe."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        return os.read(descriptor, MAX_BYTES + 1) if stat.S_ISREG(os.fstat(descriptor).st_mode) else b""
    finally:
        os.close(descriptor)


def _encode(state: State) -> str:
    """Return the state as JSON, without the least recently used views if it would be too large."""
    import json

    views = [(key, view._asdict()) for key, view in state.views.items()][-MAX_VIEWS:]
    looks = {"profile": state.profile, "time_style": state.time_style, "theme": state.theme}
    while True:
        text = json.dumps({**looks, "views": dict(views)}, indent=1) + "\n"
        if len(text) <= MAX_BYTES or not views:
            return text
        del views[0]


def _decode(data: bytes) -> State:
    """Parse a state; values of a wrong type count as missing.

    Raises:
        ValueError: The file is too large, or no JSON object.
        RecursionError: The JSON is nested too deeply.
    """
    import json

    if len(data) > MAX_BYTES:
        raise ValueError("too big")
    fields = json.loads(data.decode("utf-8-sig"))
    if not isinstance(fields, dict):
        raise ValueError("no object")
    views = _get(fields, "views", dict, {})
    return State(
        profile=_text(fields, "profile"),
        time_style=_text(fields, "time_style"),
        theme=_text(fields, "theme"),
        views={_shown(key): _view(_get(views, key, dict, {})) for key in [*views][-MAX_VIEWS:]},
    )


def _view(fields: Mapping[str, object]) -> ViewState:
    return ViewState(
        filter=_text(fields, "filter") or "",
        status=_text(fields, "status"),
        sort=_text(fields, "sort"),
        descending=_get(fields, "descending", bool, False),
        columns=_texts(fields, "columns"),
        history_sort=_text(fields, "history_sort"),
        history_descending=_get(fields, "history_descending", bool, False),
        history_columns=_texts(fields, "history_columns"),
        per_page=_get(fields, "per_page", int, None),
    )


def _get(fields: Mapping[str, object], key: str, kind: type[_T], default: _Default) -> _T | _Default:
    """Return a field if its type is exactly `kind`, else the default: True is no int."""
    value = fields.get(key)
    return value if isinstance(value, kind) and type(value) is kind else default


def _text(fields: Mapping[str, object], key: str) -> str | None:
    text = _get(fields, key, str, None)
    return None if text is None else _shown(text)


def _texts(fields: Mapping[str, object], key: str) -> tuple[str, ...]:
    return tuple(_shown(text) for text in _get(fields, key, list, []) if isinstance(text, str))


def _shown(text: str) -> str:
    return "".join(each for each in text if unicodedata.category(each) not in _UNSHOWN)
