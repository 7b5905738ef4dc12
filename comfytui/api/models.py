"""Models of the API: frozen, tolerant of missing, unknown, mistyped and hostile values.

Only `id` is required. Other fields that are missing or null are None (or empty), undocumented statuses are
kept as sent, times that cannot be parsed stay text, undocumented fields are
kept in `extras`, and all text but ids is clean (`comfytui.text`) and without secrets (`comfytui.redaction`)
from here on.
Sources: the API's pages list-runners, get-runner and get-runner-history; those of get-runner-stats are in `stats`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Annotated, NamedTuple, Self, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, PlainValidator, SecretStr, ValidationError, model_validator

from comfytui.api.bounds import Budget
from comfytui.api.histories import MAX_HISTORY, CutHistory
from comfytui.api.statuses import RunnerStatus, WorkflowStatus
from comfytui.api.trimming import CUT
from comfytui.redaction import redact_fields, redact_name, redact_text, redact_url, redact_value
from comfytui.text import sanitize_json

MAX_PAGE = 100
"""Runners of a page at most (page list-runners)."""

Timestamp: TypeAlias = datetime | str
"""Aware time in UTC, or the text as sent if it is not a time."""


_ZERO_YEAR = 1
# Databases have it where a time was never set.
_ZERO_DATE = "0000-00-00"


def _as_id(value: object) -> str:
    text = sanitize_json(value) if isinstance(value, (str, int)) and not isinstance(value, bool) else ""
    if not text:
        raise ValueError("no usable id")
    return text


def _as_text(value: object) -> str | None:
    return None if value is None else redact_value(value)


def _as_endpoint(value: object) -> str | None:
    return redact_url(sanitize_json(value)) if isinstance(value, str) else _as_text(value)


def _as_moment(value: object) -> Timestamp | None:
    if value is None:
        return None
    if isinstance(value, datetime):
        return _in_utc(value)
    if not isinstance(value, str):
        return redact_value(value)
    text = sanitize_json(value)
    if text.startswith(_ZERO_DATE):
        return None
    try:
        moment = datetime.fromisoformat(text)
        # Servers written in Go send the year 1 for a time that was never set.
        return None if moment.year == _ZERO_YEAR else _in_utc(moment)
    except (ValueError, OverflowError):
        return redact_text(text)


def _in_utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _as_runner_status(value: object) -> RunnerStatus | None:
    return None if value is None else RunnerStatus(redact_value(value))


def _as_workflow_status(value: object) -> WorkflowStatus | None:
    return None if value is None else WorkflowStatus(redact_value(value))


def _as_tags(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    return tuple(_shared(redact_value(tag)) for tag in (value if isinstance(value, (list, tuple)) else (value,)))


def _as_headers(value: object) -> Mapping[str, SecretStr]:
    if value is None:
        return {}
    pairs = value.items() if isinstance(value, Mapping) else [("?", value)]
    return {redact_value(name): _as_secret(secret) for name, secret in pairs}


def _as_secret(value: object) -> SecretStr:
    return value if isinstance(value, SecretStr) else SecretStr(sanitize_json(value))


def _as_owner(value: object) -> str | None:
    return None if value is None else _shared(redact_value(value))


_SHARED: dict[str, str] = {}
_MOST_SHARED = 4096


def _shared(text: str) -> str:
    """Return one object for equal texts: many runners have the same tags and owner.

    Interned strings are never freed by CPython 3.12, so a bounded table does it.
    """
    if len(_SHARED) >= _MOST_SHARED:
        _SHARED.clear()
    return _SHARED.setdefault(text, text)


def _as_count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST_COUNTED else None


def _as_seconds(value: object) -> float | None:
    """Return seconds, or None for an impossible difference of two clocks."""
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not abs(value) <= _MOST_SECONDS:
        return None
    return float(value)


_MOST_COUNTED = 10**9
_MOST_SECONDS = 100 * 366 * 86_400
_Count: TypeAlias = Annotated[int | None, PlainValidator(_as_count)]
_Id: TypeAlias = Annotated[str, PlainValidator(_as_id)]
_Text: TypeAlias = Annotated[str | None, PlainValidator(_as_text)]
_Endpoint: TypeAlias = Annotated[str | None, PlainValidator(_as_endpoint)]
_Time: TypeAlias = Annotated[Timestamp | None, PlainValidator(_as_moment)]
_Tags: TypeAlias = Annotated[tuple[str, ...], PlainValidator(_as_tags)]


class _ApiModel(BaseModel):
    """Something the API sent."""

    model_config = ConfigDict(frozen=True, extra="allow", defer_build=True)

    __pydantic_extra__: dict[str, Annotated[str, PlainValidator(sanitize_json)]]

    id: _Id

    @model_validator(mode="before")
    @classmethod
    def _with_whole_names(cls, value: object) -> object:
        """JSON can spell half a character, which pydantic does not take for a field's name."""
        if not isinstance(value, dict):
            return value
        known = cls.model_fields
        if value.keys() <= known.keys():
            return value
        extras = {
            redact_name(name.encode("utf-8", "replace").decode()): redact_fields(name, field)
            for name, field in value.items()
            if name not in known
        }
        return {**{name: field for name, field in value.items() if name in known}, **extras}

    @property
    def extras(self) -> tuple[tuple[str, str], ...]:
        """Fields that the API's pages do not name: (name, value as clean text), in the order they came.

        Secrets are masked: fields, also nested ones, by their names, and secrets in texts.
        """
        return tuple((redact_value(name), sanitize_json(value)) for name, value in (self.model_extra or {}).items())


class Runner(_ApiModel):
    """ComfyUI instance registered with the control plane (get-runner).

    The last three are extension fields of comfytui's gateway, None for other APIs.

    Attributes:
        queue_running: Number of running workflows.
        queue_pending: Number of waiting workflows.
        clock_skew: Seconds by which the instance's clock is ahead of the gateway's, if they are more than 5 s apart.
    """

    user_id: Annotated[str | None, PlainValidator(_as_owner)] = None
    name: _Text = None
    status: Annotated[RunnerStatus | None, PlainValidator(_as_runner_status)] = None
    endpoint: _Endpoint = None
    tags: _Tags = ()
    headers: Annotated[Mapping[str, SecretStr], PlainValidator(_as_headers)] = {}
    created_at: _Time = None
    updated_at: _Time = None
    queue_running: _Count = None
    queue_pending: _Count = None
    clock_skew: Annotated[float | None, PlainValidator(_as_seconds)] = None

    @property
    def tells_queue(self) -> bool:
        """True if the API has queue lengths, though perhaps not yet for this runner."""
        return "queue_pending" in self.model_fields_set


class Workflow(_ApiModel):
    """Execution of a workflow on a runner (get-runner-history)."""

    name: _Text = None
    status: Annotated[WorkflowStatus | None, PlainValidator(_as_workflow_status)] = None
    tags: _Tags = ()
    created_at: _Time = None
    updated_at: _Time = None
    started_at: _Time = None
    completed_at: _Time = None


class RunnerPage(BaseModel):
    """Page of List Runners (list-runners).

    Attributes:
        runners: The page's runners in the order sent, each id once.
        total: Number of runners on all pages, or None if not sent.
        unreadable: Number of entries without an id.
        is_cut: True if more entries were sent than requested; the rest was left out.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

    runners: tuple[Runner, ...]
    total: int | None
    invalid_count: int = 0
    is_cut: bool = False

    @classmethod
    def parse(cls, body: object, most: int = MAX_PAGE) -> Self:
        """Parse a decoded JSON body, at most a number of runners; ValueError with a message otherwise."""
        entries = _as_list(body.get("runners", _MISSING)) if isinstance(body, dict) else None
        if not isinstance(body, dict) or entries is None:
            raise ValueError("expected an object with a list of runners")
        entries, is_cut = _first(entries, most)
        runners, unreadable = _parse_items(Runner, entries)
        total = _as_count(body.get("total"))
        return cls(runners=runners, total=total, invalid_count=unreadable, is_cut=is_cut)


def read_runner(body: object) -> Runner:
    """Read the decoded JSON body of Get Runner; ValidationError if it is no object with an id."""
    return Runner.model_validate(Budget().bounded(body, Runner.model_fields))


def parse_history(body: object) -> tuple[Workflow, ...]:
    """Read the decoded JSON body of Get Runner History; ValueError with words where it is no list.

    Entries without an id are left out. Of more entries than a history has, the first are read: a CutHistory.
    """
    entries = _as_list(body)
    if entries is None:
        raise ValueError("expected a list of workflows")
    entries, is_cut = _first(entries, MAX_HISTORY)
    history = _parse_items(Workflow, entries)[0]
    return CutHistory(history) if is_cut else history


_MISSING = object()


def _as_list(value: object) -> list[object] | None:
    """Return the list, empty for null, as some servers send empty lists; None if it is anything else."""
    if value is None:
        return []
    return value if isinstance(value, list) else None


def _first(entries: list[object], most: int) -> tuple[list[object], bool]:
    """Return the first entries, and True if there were more."""
    is_cut = len(entries) > most or entries[-1:] == [CUT]
    return [entry for entry in entries[:most] if entry != CUT], is_cut


_SentT = TypeVar("_SentT", bound=_ApiModel)


def _parse_items(kind: type[_SentT], entries: list[object]) -> tuple[tuple[_SentT, ...], int]:
    """Return each readable entry once by id, in order, and the number of unreadable ones."""
    read: dict[str, _SentT] = {}
    unreadable, budget, known = 0, Budget(), kind.model_fields
    for entry in entries:
        try:
            item = kind.model_validate(budget.bounded(entry, known))
        except ValidationError:
            unreadable += 1
        else:
            read.setdefault(item.id, item)
    return tuple(_share_field_sets(read.values())), unreadable


def _share_field_sets(items: Iterable[_SentT]) -> Iterator[_SentT]:
    """Yield the items with shared sets of field names, which saves a third of the memory."""
    names: set[str] = set()
    for item in items:
        if item.model_fields_set != names:
            names = item.model_fields_set
        object.__setattr__(item, "__pydantic_fields_set__", names)
        yield item


_MOST_BYTES = 2**63
_MOST_ENTRIES = 256


class SystemStats(NamedTuple):
    """Machine and software of a runner; unknown values are None.

    Attributes:
        os: Operating system, e.g. `posix`.
        ram_total: Its memory, in bytes.
        ram_free: Free memory in bytes.
        comfyui_version: For example `0.3.77`.
        python_version: For example `3.12.12 (main, …) [GCC …]`.
    """

    os: str | None = None
    ram_total: int | None = None
    ram_free: int | None = None
    comfyui_version: str | None = None
    python_version: str | None = None


class Device(NamedTuple):
    """Computing device; unknown values are None.

    Attributes:
        name: For example `cuda:0 NVIDIA GeForce RTX 4090`.
        type: For example `cuda`, `cpu` or `mps`.
        vram_total: Its memory, in bytes.
        vram_free: Free memory in bytes.
    """

    name: str | None = None
    type: str | None = None
    vram_total: int | None = None
    vram_free: int | None = None


class RunnerStats(NamedTuple):
    """Stats of a runner's machine (get-runner-stats).

    Attributes:
        system: The machine.
        devices: Its devices, in the order sent.
        dev_mode: True in development mode, or None if unknown.
        extensions: Names of installed extensions.
    """

    system: SystemStats = SystemStats()
    devices: tuple[Device, ...] = ()
    dev_mode: bool | None = None
    extensions: tuple[str, ...] = ()


def parse_stats(body: object) -> RunnerStats:
    """Read the decoded JSON body of Get Runner Stats; ValueError with words where it is no object.

    Missing and mistyped values are None; entries that are not devices are left out.
    """
    if not isinstance(body, Mapping):
        raise ValueError("expected an object with system and devices")
    system, dev_mode = body.get("system"), body.get("dev_mode")
    return RunnerStats(
        system=_system(system) if isinstance(system, Mapping) else SystemStats(),
        devices=tuple(_device(entry) for entry in _entries(body.get("devices")) if isinstance(entry, Mapping)),
        dev_mode=dev_mode if isinstance(dev_mode, bool) else None,
        extensions=tuple(redact_value(entry) for entry in _entries(body.get("extensions"))),
    )


def _system(sent: Mapping[str, object]) -> SystemStats:
    return SystemStats(
        os=_text(sent.get("os")),
        ram_total=_size(sent.get("ram_total")),
        ram_free=_size(sent.get("ram_free")),
        comfyui_version=_text(sent.get("comfyui_version")),
        python_version=_text(sent.get("python_version")),
    )


def _device(sent: Mapping[str, object]) -> Device:
    return Device(
        name=_text(sent.get("name")),
        type=_text(sent.get("type")),
        vram_total=_size(sent.get("vram_total")),
        vram_free=_size(sent.get("vram_free")),
    )


def _entries(sent: object) -> list[object]:
    if not isinstance(sent, list):
        return []
    return sent if len(sent) <= _MOST_ENTRIES else [*sent[:_MOST_ENTRIES], f"… more than {_MOST_ENTRIES}"]


def _text(sent: object) -> str | None:
    return redact_value(sent) if isinstance(sent, str) and sent else None


def _size(sent: object) -> int | None:
    """Return bytes, or None for impossible sizes such as 0."""
    if not isinstance(sent, (int, float)) or isinstance(sent, bool):
        return None
    return int(sent) if 0 <= sent < _MOST_BYTES else None
