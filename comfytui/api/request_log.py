"""Log of requests to the API, in memory and in a file."""

from __future__ import annotations

from collections import deque
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from comfytui.files import RotatingAppendFile
from comfytui.redaction import redact_text
from comfytui.text import sanitize
from comfytui.threads import DaemonWorker

if TYPE_CHECKING:
    from comfytui.clock import Clock


MAX_ENTRIES = 500

_MAX_BACKLOG = 1000
# Seconds of delay of the file, so that requests of one cycle are written together.
_BEHIND = 0.2


class RequestRecord(NamedTuple):
    """Record of a request and its outcome.

    Attributes:
        at: When it was sent, in UTC.
        method: The HTTP method.
        path: Path and query, without host and without secrets.
        status: HTTP status, or None without a response.
        words: Error message, sanitized and without secrets, or an empty string.
        ms: Milliseconds until the whole answer was there, or until it was given up.
        size: Bytes of the body as they came, compressed or not.
        server: Name of the ComfyUI server, or empty for the API.
    """

    at: datetime
    method: str
    path: str
    status: int | None
    error: str
    ms: int
    size: int
    server: str = ""

    @property
    def target(self) -> str:
        """Server, if it is none of the API's, and path."""
        return f"{self.server} {self.path}" if self.server else self.path

    def __str__(self) -> str:
        status = "–" if self.status is None else self.status
        return (
            f"{_stamp(self.at)} {self.method} {self.target} {status} {self.ms} ms {self.size} B {self.error}".rstrip()
        )


class LogNote(NamedTuple):
    """Note of the dashboard itself; `at` is in UTC."""

    at: datetime
    text: str

    def __str__(self) -> str:
        return f"{_stamp(self.at)} {self.text}"


Entry: TypeAlias = RequestRecord | LogNote


class RequestLog:
    """Log with the last MAX_ENTRIES entries in memory, and a bounded file if configured.

    The file is written by a thread. That it cannot be written is noted once and disturbs nothing else.

    Args:
        clock: Its wall clock dates the notes.
        path: The file, None for none; see `comfytui.files`.
    """

    def __init__(self, clock: Clock, path: Path | None = None) -> None:
        self._clock = clock
        self._entries: deque[Entry] = deque(maxlen=MAX_ENTRIES)
        self._file = None if path is None else RotatingAppendFile(path)
        self._unwritten: deque[Entry] = deque()
        self._worker = DaemonWorker("request log", _BEHIND)
        self._trouble = ""

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Entries, newest last."""
        return tuple(self._entries)

    @property
    def write_error(self) -> str:
        """Message that the file cannot be written, or empty."""
        return self._trouble

    def add(self, record: RequestRecord) -> None:
        """Keep a request."""
        self._keep(record)

    def note(self, text: str) -> None:
        """Keep a sentence, dated now."""
        self._keep(LogNote(self._clock.now(), redact_text(sanitize(text))))

    def close(self) -> None:
        """Let the file be written to its end, as far as that goes at once; nothing may be kept afterwards."""
        self._worker.close()

    def _keep(self, entry: Entry) -> None:
        self._entries.append(entry)
        file = self._file
        if file is not None and len(self._unwritten) < _MAX_BACKLOG:
            self._unwritten.append(entry)
            # Looked at afterwards: an entry that the thread has just missed is then known to be the first again.
            if len(self._unwritten) == 1:
                self._worker.submit(lambda: self._write(file))

    def _write(self, file: RotatingAppendFile) -> None:
        lines: list[str] = []
        # Until nothing is left, and not as many as there are: one more may come while they are taken.
        while self._unwritten:
            lines.append(str(self._unwritten.popleft()))
        try:
            file.append(*lines)
        except OSError as error:
            if not self._trouble:
                words = f"the request log cannot be written to {file.path}: {error.strerror or 'no reason given'}"
                self._trouble = sanitize(words)
                self._entries.append(LogNote(self._clock.now(), self._trouble))


def _stamp(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds")
