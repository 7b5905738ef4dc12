"""Revisions of runners, as a gateway announces them in an event stream: an extension of the API. Pure.

A gateway announces the extension by the header `EXTENSIONS_HEADER` of its lists of runners, so that an API without
it never gets a request for it. `GET /v1/events` then answers server-sent events:

    event: runners
    data: [{"id": "…", "revision": 8, "runner": 3, "history": 8, "stats": 3, "live": true}]

    event: heartbeat
    data: {}

The first event holds all known revisions, later ones changes. A number is the revision at which that part of a
runner last changed; two equal ones, even of two streams, mean that nothing changed in between. `live` tells that
changes of the history are announced as they happen; while it is false the history has to be polled.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from comfytui.api.body import decode_json

EVENTS_PATH = "/v1/events"
EXTENSIONS_HEADER = "Comfytui-Extensions"
EXTENSION_NAME = "events"
RUNNERS_EVENT = "runners"

HEARTBEAT_SECONDS = 5.0
"""Seconds of silence after which a gateway sends a heartbeat."""

MAX_RUNNERS_PER_EVENT = 100
"""Runners in one event; a gateway with more changes sends several."""

_ID = re.compile(r"[!-~]{1,200}")
_MAX_REVISION = 2**63


class RunnerRevisions(NamedTuple):
    """Revisions at which the parts of one runner last changed.

    Attributes:
        id: The runner's id.
        runner: Revision of Get Runner.
        history: Revision of Get Runner History.
        stats: Revision of the runner's reachability; its changing figures are not announced.
        is_live: True while changes of the history are announced as they happen.
    """

    id: str
    runner: int
    history: int
    stats: int
    is_live: bool

    @property
    def revision(self) -> int:
        """The newest revision."""
        return max(self.runner, self.history, self.stats)


def revisions_body(revisions: RunnerRevisions) -> dict[str, object]:
    """Return the revisions of a runner as a JSON object."""
    return {
        "id": revisions.id,
        "revision": revisions.revision,
        "runner": revisions.runner,
        "history": revisions.history,
        "stats": revisions.stats,
        "live": revisions.is_live,
    }


def parse_revisions(data: str) -> tuple[RunnerRevisions, ...]:
    """Parse the data of a `runners` event; entries of another form are left out.

    Raises:
        ValueError: The data is no JSON list, or longer than a gateway may make it.
    """
    entries = decode_json(data.encode("utf-8", "replace"))
    if not isinstance(entries, list) or len(entries) > MAX_RUNNERS_PER_EVENT:
        raise ValueError(f"expected a list of at most {MAX_RUNNERS_PER_EVENT} runners")
    return tuple(parsed for entry in entries if (parsed := _parse_entry(entry)) is not None)


def _parse_entry(entry: object) -> RunnerRevisions | None:
    if not isinstance(entry, dict) or not isinstance(id := entry.get("id"), str) or not _ID.fullmatch(id):
        return None
    runner, history, stats = (_parse_revision(entry.get(part)) for part in ("runner", "history", "stats"))
    if runner is None or history is None or stats is None:
        return None
    return RunnerRevisions(id, runner, history, stats, is_live=entry.get("live") is True)


def _parse_revision(value: object) -> int | None:
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 0 <= value < _MAX_REVISION else None
