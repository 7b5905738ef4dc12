"""What a person left behind: the view of each fleet and the looks, kept from one start to the next.

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
"""Of so many fleets the view is kept."""

MAX_BYTES = 64 * 1024

# A terminal acts on control characters, and nothing can write half of a surrogate pair.
_UNSHOWN = {"Cc", "Cs"}


class ViewState(NamedTuple):
    """How one fleet was looked at.

    Attributes:
        filter: The filter's text.
        status: The status that was asked for, None for all.
        sort: The column that the runners were sorted by, None for the API's order.
        descending: Whether from the greatest to the least.
        columns: The chosen columns of the list in their order; none for the usual ones.
        history_sort: As `sort`, of the history.
        history_descending: As `descending`, of the history.
        history_columns: As `columns`, of the history.
        per_page: Runners on a page, None for the usual number.
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
    """All that is kept.

    Attributes:
        profile: The profile that was watched last, None for none.
        time_style: How times were told.
        theme: The theme's name.
        views: How each fleet was looked at, by its key, the one used last at the end.
    """

    profile: str | None = None
    time_style: str | None = None
    theme: str | None = None
    views: Mapping[str, ViewState] = MappingProxyType({})

    def with_view(self, key: str, view: ViewState) -> State:
        """The same with this view of a fleet as the one used last; of too many, those used longest ago go."""
        others = [(other, kept) for other, kept in self.views.items() if other != key]
        return self._replace(views=dict([*others, (key, view)][-MAX_VIEWS:]))


class LoadResult(NamedTuple):
    """What was read, and what there is to tell of it: one sentence, or None."""

    state: State
    warning: str | None


class StateFile:
    """The file that the state is kept in, for this user alone.

    Args:
        path: Where.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> LoadResult:
        """Return what is kept; a file that holds no JSON object is renamed, which the note says."""
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
        """Keep this instead; the sentence that says why it cannot be kept, else None."""
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
    """The state in use, and the file behind it.

    Attributes:
        state: What is remembered now.
        note: What to tell the person about it: that it could not be restored, or since then not be kept.

    Args:
        file: Where it is kept.
    """

    def __init__(self, file: StateFile) -> None:
        self._file = file
        self.state, self.warning = file.load()
        self._kept = self.state

    def save(self, state: State) -> None:
        """Remember this; it is written where it is not what is in the file already. It may wait for the disk."""
        self.state = state
        if _encode(state) == _encode(self._kept):
            return
        # Another dashboard may have kept something meanwhile, of another fleet say.
        self.warning = self._file.save(_merge(self._file.load().state, self._kept, state))
        if self.warning is None:
            self._kept = state


class InMemoryStateStore:
    """Remembers as long as it lasts, and neither reads nor writes a file; attributes as of `Memory`."""

    def __init__(self) -> None:
        self.state = State()
        self.warning: str | None = None

    def save(self, state: State) -> None:
        """Remember this until the end."""
        self.state = state


def state_path() -> Path:
    """Where the state is kept unless a person wants to start afresh; it need not exist."""
    return state_dir() / "state.json"


def _merge(others: State, before: State, after: State) -> State:
    """What others have kept, with what is another now than it was before."""
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
    """The file's first bytes, one more than it may have; none where it is no file at all, but a directory or pipe."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        return os.read(descriptor, MAX_BYTES + 1) if stat.S_ISREG(os.fstat(descriptor).st_mode) else b""
    finally:
        os.close(descriptor)


def _encode(state: State) -> str:
    """The state as text that can be read back, without the views used longest ago where they are too much."""
    import json

    views = [(key, view._asdict()) for key, view in state.views.items()][-MAX_VIEWS:]
    looks = {"profile": state.profile, "time_style": state.time_style, "theme": state.theme}
    while True:
        text = json.dumps({**looks, "views": dict(views)}, indent=1) + "\n"
        if len(text) <= MAX_BYTES or not views:
            return text
        del views[0]


def _decode(data: bytes) -> State:
    """Parse a state; values of a wrong type are as if they were missing.

    Raises:
        ValueError: The file is too big, or no JSON object.
        RecursionError: Its JSON is nested too deeply.
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
