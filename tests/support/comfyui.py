"""A plain ComfyUI server on a loopback socket: answers like the real one, and can be made to fail like it.

    async with ScriptedComfyUI() as box:                   # or version="0.3.64", without /api/jobs; or replay(...)
        box.put(job("a", "in_progress", number=1), job("b", "pending", number=2))
        ...  # ask Server(box.url, "gpu"); look at box.requests, box.bytes_out, box.sockets
        box.put(job("a", number=1))                         # it is finished now
        await box.changed()                                 # what every socket is told at each change of the queue

- `jobs` are all it has, in the order of finishing; change them at will, silently, as clearing the history does.
- `hang()` keeps it from answering anything, as SIGSTOP does, `hang("/api/jobs")` only that; `resume()` lets it go on.
- `stop()` and `start()` end and begin it on the same port; `restart()` does both, and everything is forgotten.
- `jobs_status = 500` breaks /api/jobs, and a job with `is_poison` does so as a real one would.
- `knows_cancelled = False`: as before 0.9, where the state is refused.
- `authorization = "Basic …"`: whoever does not send exactly that is answered 401.
- `wall = response(...)`: those bytes instead of any answer, as a proxy's login page.
- `walls["/api/jobs"] = response(...)`: the same for one path alone.
- `date = lambda: …`: what its clock says; without one its answers have no Date.
- `files` are the saved workflows: their contents and when they were changed, by path.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from tests.support.comfyui_jobs import (
    JOB_STATES,
    ScriptedJob,
    history_of,
    is_poisoned,
    job,
    jobs_page,
    jobs_refusal,
    queue_of,
    recorded_jobs,
    recording,
    wanted_states,
)
from tests.support.comfyui_wire import AUTHORITY, Asked, WireServer
from tests.support.scripted import response

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["AUTHORITY", "ScriptedComfyUI", "job", "replay"]

_TROUBLE = b"500 Internal Server Error\n\nServer got itself in trouble"


class ScriptedComfyUI(WireServer):
    """The server: see the head of this module.

    Args:
        version: 0.33.0 or 0.3.64.
        tls: Whether it speaks TLS alone, as `localhost`.
        prefix: A path below which everything is, as behind a proxy.
    """

    def __init__(self, version: str = "0.33.0", *, tls: bool = False, prefix: str = "") -> None:
        super().__init__(tls)
        self.version = version
        self.jobs: list[ScriptedJob] = []
        self.stats: Any = recording(version, "idle-system_stats")
        self.files: dict[str, tuple[Any, float]] = {}
        self.jobs_status = 200
        self.knows_cancelled = True
        self.authorization = ""
        self.wall = b""
        self.date: Callable[[], datetime] | None = None
        self.walls: dict[str, bytes] = {}
        self._prefix = prefix

    @property
    def url(self) -> str:
        """Its address, as in a Server."""
        return super().url + self._prefix

    @property
    def remaining(self) -> int:
        """How many jobs wait or run."""
        return sum(not each.is_finished for each in self.jobs)

    def put(self, *jobs: ScriptedJob) -> None:
        """Add jobs at the end, in place of those with the same ids."""
        ids = {each.id for each in jobs}
        self.jobs = [each for each in self.jobs if each.id not in ids] + list(jobs)

    async def changed(self) -> None:
        """Tell every socket that the queue changed."""
        await self.say({"type": "status", "data": self._status()})

    async def restart(self) -> None:
        """Stop, forget all jobs, start."""
        await self.stop()
        self.jobs = []
        await self.start()

    def greeting(self, asked: Asked) -> object:
        return {"type": "status", "data": {**self._status(), "sid": asked.query.get("clientId", "made-up")}}

    @property
    def _is_new(self) -> bool:
        return self.version != "0.3.64"

    def _status(self) -> dict[str, Any]:
        return {"status": {"exec_info": {"queue_remaining": self.remaining}}}

    def refusal(self, asked: Asked) -> bytes:
        if wall := self.wall or self.walls.get(asked.path.removeprefix(self._prefix)):
            return wall
        if "origin" in asked.headers or asked.headers.get("sec-fetch-site") == "cross-site":
            return response(status=403)
        if self.authorization and asked.headers.get("authorization") != self.authorization:
            return response(b"401: Unauthorized", 401, {"WWW-Authenticate": 'Basic realm="ComfyUI"'})
        return b""

    def answer_to(self, asked: Asked) -> bytes:
        answer = self._answer_to(asked)
        if self.date is None:
            return answer
        head, _, body = answer.partition(b"\r\n")
        return head + f"\r\nDate: {format_datetime(self.date(), usegmt=True)}\r\n".encode() + body

    def _answer_to(self, asked: Asked) -> bytes:
        path = asked.path.removeprefix(self._prefix) if asked.path.startswith(self._prefix) else ""
        if path == "/api/jobs":
            return self._jobs(asked.query) if self._is_new else response(status=404)
        path = path.removeprefix("/api")
        answers: dict[str, Callable[[], bytes]] = {
            "/prompt": lambda: _json(self._status()["status"]),
            "/system_stats": lambda: _json(self.stats),
            "/queue": lambda: _json(queue_of(self.jobs, self._is_new)),
            "/history": lambda: self._history(asked.query),
            "/userdata": self._file_list,
        }
        if path in answers:
            return answers[path]()
        kind, _, name = path.removeprefix("/").partition("/")
        if kind == "history":
            told = history_of(self.jobs, {}, self._is_new)
            return _json({id: entry for id, entry in told.items() if id == unquote(name)})
        found = self.files.get(unquote(name).removeprefix("workflows/")) if kind == "userdata" else None
        return _json(found[0]) if found else response(status=404)

    def _history(self, query: Mapping[str, str]) -> bytes:
        try:
            return _json(history_of(self.jobs, query, self._is_new))
        except ValueError:
            return response(_TROUBLE, 500)

    def _file_list(self) -> bytes:
        if not self.files:
            return response(b"Directory not found", 404, {"Content-Type": "text/plain; charset=utf-8"})
        return _json(
            [
                {"path": path, "size": len(json.dumps(body)), "modified": modified, "created": modified}
                for path, (body, modified) in self.files.items()
            ]
        )

    def _jobs(self, query: Mapping[str, str]) -> bytes:
        known = JOB_STATES if self.knows_cancelled else JOB_STATES[:-1]
        wanted = wanted_states(query)
        if refusal := jobs_refusal(query, wanted, known):
            return _json({"error": refusal}, 400)
        if self.jobs_status != 200 or is_poisoned(self.jobs, wanted):
            return response(_TROUBLE, 500 if self.jobs_status == 200 else self.jobs_status)
        jobs = self.jobs if self.knows_cancelled else [_as_failed(each) for each in self.jobs]
        return _json(jobs_page(jobs, query, wanted or set(known)))


def replay(version: str, *, is_running: bool = False, tls: bool = False) -> ScriptedComfyUI:
    """A server as it was recorded: at the end, or in the middle, with one running and two waiting; files included."""
    box = ScriptedComfyUI(version, tls=tls)
    box.jobs = recorded_jobs(version, is_running)
    body = recording(version, "userdata-get")
    box.files = {each["path"]: (body, each["modified"]) for each in recording(version, "userdata-list")}
    return box


def _as_failed(job: ScriptedJob) -> ScriptedJob:
    """An interrupted job as /api/jobs called it before 0.9."""
    return replace(job, state="failed", listed=job.listed | {"status": "failed"}) if job.state == "cancelled" else job


def _json(value: object, status: int = 200) -> bytes:
    return response(json.dumps(value).encode(), status, {"Content-Type": "application/json; charset=utf-8"})
