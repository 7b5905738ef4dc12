"""A ComfyControl that answers what the API promises, until it is told to misbehave; over a real loopback socket.

In an asynchronous test:

    async with MisbehavingServer(runners=12) as server:
        ...  # ask server.url with server.token
        server.mood = always(error_reply(503, "maintenance"))
        ...  # ask again
        server.mood = None

In a synchronous one, say one that drives a terminal, it runs in a thread:

    with MisbehavingServer().in_a_thread() as server:
        server.expire_after(3)
        server.run(server.refuse())  # nothing listens any more ...
        server.run(server.listen())  # ... and again, on the same port

Each request passes the limiter, the mood, the token's check, and then is answered from the fleet:

- `limiter` counts as the API says it does: 40 requests in any 10 seconds, then 10 seconds in which every answer is 429,
  with HTML, JSON or nothing in it, with or without Retry-After, in turn. `limiter.busiest` is the most that any window
  held, `limiter.refused` how many were answered 429.
- `mood` makes something else of the usual answer, which it is given as bytes: `always` (an outage: any answer of
  `tests.support.scripted`, as error_reply(500, ...), html_reply(503), hang(), reset()), `slow`, `dripping`, `cut`,
  `reset_within`, `echoing` (an error whose message holds the token, escape sequences and markup), `in_turn` (flaky),
  `only_on` (one path). None is good behaviour.
- `token` may be changed, `expire_after` makes it expire; `forbid` answers 403 with a message.
- `be_still` leaves nothing in the fleet that shows time passing.
- `vanish` removes a runner, which is 404 from then on, `shrink` leaves only some: totals shrink. `turn_hostile` puts
  hostile and null values into every field, and entries into the list that are no runners.

What is asked is in `requests`, and when in `limiter.arrivals`. All of it may be read and changed from any thread.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, Self, TypeAlias, TypeVar

from tests.support.hostile import Json, decent_history, decent_runner, decent_stats, hostile_copy, hostile_stats
from tests.support.scripted import (
    Answer,
    Exchange,
    Request,
    ScriptedServer,
    drip,
    error_reply,
    hang_up,
    raw,
    reset,
    response,
)

__all__ = [
    "TOKEN",
    "Limiter",
    "MisbehavingServer",
    "Mood",
    "always",
    "cut",
    "dripping",
    "echoing",
    "in_turn",
    "only_on",
    "reset_within",
    "slow",
]

TOKEN = "cfc_misbehaving0123456789"

Mood: TypeAlias = Callable[[Exchange, bytes], Awaitable[None]]
"""What to do in place of the usual answer, which comes along as a whole response in bytes."""

_T = TypeVar("_T")

_HTML = b"<!doctype html><title>Error 1015</title><p>You are being rate limited"
_JSON = b'{"status": 429, "message": "too many requests"}'
_TOO_MANY = [
    response(body, 429, {"Content-Type": kind, **later})
    for later in ({}, {"Retry-After": "10"})
    for body, kind in ((_HTML, "text/html"), (_JSON, "application/json"), (b"", "text/plain"))
]


def always(answer: Answer) -> Mood:
    """This answer, whatever is asked."""
    return lambda exchange, _usual: answer(exchange)


def slow(seconds: float) -> Mood:
    """The usual answer after so many seconds."""

    async def mood(exchange: Exchange, usual: bytes) -> None:
        await asyncio.sleep(seconds)
        await exchange.send(usual)

    return mood


async def dripping(exchange: Exchange, usual: bytes) -> None:
    """The usual answer, a byte at a time."""
    await drip(usual)(exchange)


async def cut(exchange: Exchange, usual: bytes) -> None:
    """Half of the usual answer, then the connection is closed."""
    await hang_up(usual[: len(usual) // 2])(exchange)


async def reset_within(exchange: Exchange, usual: bytes) -> None:
    """Half of the usual answer, then the connection is torn down with a TCP reset."""
    await reset(usual[: len(usual) // 2])(exchange)


def echoing(status: int = 500) -> Mood:
    """An error whose message repeats the token, and holds escape sequences and markup."""

    async def mood(exchange: Exchange, _usual: bytes) -> None:
        token = exchange.request.headers.get("authorization", "no token")
        message = f"\x1b]0;owned\x07\x1b[2J\x9b31m{token} [/x][bold]{token.split(' ')[-1]}[/bold]\u202e\u200b"
        await error_reply(status, message)(exchange)

    return mood


def in_turn(*moods: Mood | None) -> Mood:
    """One mood for each request, again and again; None is good behaviour."""
    turns = itertools.cycle(moods)

    async def mood(exchange: Exchange, usual: bytes) -> None:
        turn = next(turns)
        await (turn(exchange, usual) if turn else exchange.send(usual))

    return mood


def only_on(path: str, mood: Mood) -> Mood:
    """This mood for one quoted path, good behaviour for all others."""

    async def chosen(exchange: Exchange, usual: bytes) -> None:
        await (mood(exchange, usual) if exchange.request.path == path else exchange.send(usual))

    return chosen


class Limiter:
    """Counts strictly: who asks more than `limit` within any `window` seconds is refused for `cool_down` seconds."""

    def __init__(self, limit: int = 40, window: float = 10.0, cool_down: float = 10.0) -> None:
        self.arrivals: list[float] = []
        self.refused = 0
        self._limit = limit
        self._window = window
        self._cool_down = cool_down
        self._cooling_until = 0.0
        self._answers = itertools.cycle(_TOO_MANY)

    @property
    def busiest(self) -> int:
        """The most requests that any window held, refused ones among them."""
        return self.busiest_after(0)

    def busiest_after(self, seen: int) -> int:
        """The same of what has arrived after so many."""
        most, first, arrivals = 0, 0, self.arrivals[seen:]
        for last, at in enumerate(arrivals):
            while at - arrivals[first] > self._window:
                first += 1
            most = max(most, last - first + 1)
        return most

    def refuse(self, now: float) -> bytes | None:
        """Count a request; the response that refuses it, if it is too many."""
        self.arrivals.append(now)
        recent = sum(now - at <= self._window for at in self.arrivals[-self._limit - 1 :])
        if now >= self._cooling_until and recent > self._limit:
            self._cooling_until = now + self._cool_down
        if now >= self._cooling_until:
            return None
        self.refused += 1
        return next(self._answers)


class MisbehavingServer(ScriptedServer):
    """The server: see the head of this module.

    Args:
        runners: How many decent runners the fleet has, each with ten workflows.
        token: The one token that it takes.
        limiter: Another one than the API's, for tests that have less time.
    """

    def __init__(self, runners: int = 12, token: str = TOKEN, limiter: Limiter | None = None) -> None:
        super().__init__()
        self.token = token
        self.limiter = limiter or Limiter()
        self.mood: Mood | None = None
        self.fleet: list[Any] = [decent_runner(number) for number in range(runners)]
        self.histories: dict[str, list[Any]] = {runner["id"]: decent_history(runner) for runner in self.fleet}
        self.stats: dict[str, Any] = {runner["id"]: decent_stats() for runner in self.fleet}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._expires_in: int | None = None

    @contextmanager
    def in_a_thread(self) -> Iterator[Self]:
        """Serve from a thread until the block ends."""
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, name="misbehaving", daemon=True)
        thread.start()
        self._loop = loop
        try:
            self.run(self.listen())
            yield self
        finally:
            self.run(self.refuse())
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()

    def run(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        """Wait for something asynchronous to be done in the server's thread."""
        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)

    def expire_after(self, requests: int) -> None:
        """Let the token expire once that many more requests were answered; a change of `token` is a new one."""
        self._expires_in = requests

    def renew(self, token: str) -> None:
        """Take another token from now on, which does not expire."""
        self.token, self._expires_in = token, None

    def forbid(self, message: str) -> None:
        """Answer everything with 403 and this message."""
        self.mood = always(error_reply(403, message))

    def be_still(self) -> None:
        """Leave nothing that is told otherwise as time passes: no running workflow, no stats and how long they took."""
        self.stats.clear()
        for runner_id, history in self.histories.items():
            self.histories[runner_id] = [each for each in history if each["completed_at"] is not None]

    def vanish(self, runner_id: str) -> None:
        """Delete a runner."""
        self.fleet = [runner for runner in self.fleet if _id_of(runner) != runner_id]

    def shrink(self, count: int) -> None:
        """Delete all but the newest runners."""
        self.fleet = self.fleet[:count]

    def turn_hostile(self) -> None:
        """Put hostile values into every field of everything, and what is no runner among the runners."""
        for runner_id, history in self.histories.items():
            workflows = [hostile_copy(workflow, number) for number, workflow in enumerate(history)]
            self.histories[runner_id] = [*workflows, None, "workflow", {"id": None}]
        self.stats = {runner_id: hostile_stats(number) for number, runner_id in enumerate(self.stats)}
        hostile = [hostile_copy(runner, number) for number, runner in enumerate(self.fleet)]
        self.fleet = [*hostile[:2], None, *hostile[2:], {"name": "no id"}, {"id": ""}, {"id": ["r"]}, 7]

    def answer_to(self, request: Request) -> Answer:
        refusal = self.limiter.refuse(time.monotonic())
        if refusal is not None:
            return raw(refusal)
        usual, mood = self._usual(request), self.mood
        return raw(usual) if mood is None else lambda exchange: mood(exchange, usual)

    def _usual(self, request: Request) -> bytes:
        if request.headers.get("authorization") != f"Bearer {self.token}":
            return _error(401, "Invalid token")
        if self._expires_in is not None:
            if self._expires_in <= 0:
                return _error(401, "Token has expired")
            self._expires_in -= 1
        match request.path.split("/"):
            case ["", "v1", "runner"]:
                return _json(self._page(request))
            case ["", "v1", "runner", runner_id, *rest] if rest in ([], ["history"], ["stats"]):
                runner = next((runner for runner in self.fleet if _id_of(runner) == runner_id), None)
                known = {"history": self.histories, "stats": self.stats}
                found = known[rest[0]].get(runner_id) if runner is not None and rest else runner
                if found is not None:
                    return _json(found)
        return _error(404, "requested entity not found")

    def _page(self, request: Request) -> Json:
        page, per_page = int(request.query.get("page", 1)), int(request.query.get("per_page", 10))
        status = request.query.get("status")
        runners = [runner for runner in self.fleet if status is None or _status_of(runner) == status]
        return {"runners": runners[(page - 1) * per_page : page * per_page], "total": len(runners)}


def _id_of(runner: object) -> object:
    return runner.get("id") if isinstance(runner, dict) else None


def _status_of(runner: object) -> object:
    return runner.get("status") if isinstance(runner, dict) else None


def _json(value: object, status: int = 200) -> bytes:
    return response(json.dumps(value).encode(), status, {"Content-Type": "application/json"})


def _error(status: int, message: str) -> bytes:
    return _json({"status": status, "message": message}, status)
