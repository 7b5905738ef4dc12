"""Monitors of scripted ComfyUI servers, with a fake clock and real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING

from pydantic import SecretStr

from comfytui.api.client import ComfyControlClient
from comfytui.api.session import Session
from comfytui.clock import SystemClock
from comfytui.config.settings import Server
from comfytui.gateway.app import InProcessTransport
from comfytui.gateway.comfyui.fleet import INTRODUCTION_SECONDS, ComfyUIFleet
from comfytui.gateway.comfyui.monitor import ServerMonitor
from comfytui.gateway.events import EventHub
from comfytui.ratelimit.local import LocalRateLimiter
from tests.support.clock import FakeClock, settle
from tests.support.comfyui import AUTHORITY, ScriptedComfyUI

if TYPE_CHECKING:
    from comfytui.api.request_log import RequestLog
    from comfytui.api.statuses import WorkflowStatus
    from comfytui.gateway.fleet import Fleet

__all__ = ["beat", "beats", "dashboard", "listening", "readings", "runner_ids", "seen", "until", "watched", "watching"]

TOKEN = SecretStr("cfc_only_for_tests")


async def until(condition: Callable[[], bool]) -> None:
    """Let the sockets work until this holds."""
    async with asyncio.timeout(10):
        while not condition():
            await settle(1)


@asynccontextmanager
async def watched(server: ScriptedComfyUI, clock: FakeClock, *, within: float = 30.0) -> AsyncIterator[ServerMonitor]:
    """One server, called gpu."""
    watched = ServerMonitor(
        Server(server.url, "gpu"), clock, clock.now(), EventHub(clock), ca_bundle=AUTHORITY, timeout=within
    )
    async with aclosing(watched) as box:
        yield box


@asynccontextmanager
async def watching(
    *servers: Server,
    clock: FakeClock,
    within: float = 5.0,
    introduction: float = INTRODUCTION_SECONDS,
    log: RequestLog | None = None,
) -> AsyncIterator[ComfyUIFleet]:
    """A fleet of servers."""
    made = ComfyUIFleet(servers, clock, ca_bundle=AUTHORITY, timeout=within, introduction=introduction, log=log)
    async with aclosing(made) as fleet:
        yield fleet


def dashboard(fleet: Fleet) -> ComfyControlClient:
    """A client of the gateway over a fleet; closing it closes the fleet."""
    # The limit is not the gateway's, and waiting is not what is tested.
    rate_limiter = LocalRateLimiter(SystemClock(), limit=10_000)
    return ComfyControlClient(
        Session("http://fleet", TOKEN, InProcessTransport(fleet, TOKEN), rate_limiter=rate_limiter)
    )


async def runner_ids(fleet: Fleet) -> list[str]:
    """The ids of a small fleet's runners."""
    return [runner.id for runner in (await fleet.list_runners(1, 100, None)).runners]


def beats(server: ScriptedComfyUI) -> int:
    """How many heartbeats a server got."""
    return server.paths.count("/prompt")


async def beat(clock: FakeClock, times: int = 1) -> None:
    """Let that many heartbeats of a box pass, each until the next is waited for."""
    for _ in range(times):
        await clock.advance(5)
        await until(lambda: _is_waited_for(clock))


def _is_waited_for(clock: FakeClock) -> bool:
    """Whether somebody sleeps until the next heartbeat, and not just until the next change may be told."""
    return any(0.5 < wakes - clock.monotonic() <= 5 and not woken.done() for wakes, _, woken in clock._sleepers)


def readings(server: ScriptedComfyUI) -> int:
    """How often its jobs were read: by the list's first question, or the queue."""
    return max(sum("status=pending" in target for _, target in server.requests), server.paths.count("/queue"))


async def listening(server: ScriptedComfyUI, box: ServerMonitor, clock: FakeClock) -> None:
    """Watch a server until its changes are heard of, and its jobs were read since; forget what that took."""
    await box.history()
    await until(lambda: box._signals.is_open)
    await clock.advance(1)
    await box.history()
    server.requests.clear()


async def seen(box: ServerMonitor) -> list[tuple[str | None, WorkflowStatus | None]]:
    """Its jobs, with where they stand."""
    return [(workflow.id, workflow.status) for workflow in await box.history()]
