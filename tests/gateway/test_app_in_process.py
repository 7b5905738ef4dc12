"""The gateway without a socket: the same answers, and the fleet ends with the client."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING

import httpx
import pytest
from pydantic import SecretStr

from comfytui.api.session import Session
from comfytui.gateway.app import InProcessTransport
from comfytui.gateway.demo.fleet import DemoFleet
from comfytui.ratelimit.local import LocalRateLimiter
from comfytui.ratelimit.window import Priority
from tests.support.clock import FakeClock, settle

if TYPE_CHECKING:
    from comfytui.gateway.events import EventHub

TOKEN = SecretStr("cfc_only_for_tests")
EVENTS = "/v1/events"
HEADERS = {"Authorization": f"Bearer {TOKEN.get_secret_value()}"}


class _Fleet(DemoFleet):
    closed = 0

    async def aclose(self) -> None:
        self.closed += 1


async def test_in_process_app_answers_and_closes_the_fleet() -> None:
    fleet = _Fleet(FakeClock(), 3)
    async with httpx.AsyncClient(base_url="http://fleet", transport=InProcessTransport(fleet, TOKEN)) as client:
        assert (await client.get("/v1/runner", headers=HEADERS)).json()["total"] == 3
        assert (await client.get("/v1/runner")).status_code == 401
        assert fleet.closed == 0
    assert fleet.closed == 1


async def test_a_fault_of_the_fleet_is_an_answer() -> None:
    class _Faulty(_Fleet):
        async def get_history(self, runner_id: str) -> tuple[()]:
            raise ZeroDivisionError

    fleet = _Faulty(FakeClock(), 1)
    async with httpx.AsyncClient(base_url="http://fleet", transport=InProcessTransport(fleet, TOKEN)) as client:
        path = "/v1/runner/550e8400-e29b-41d4-a716-446655440000/history"
        assert (await client.get(path, headers=HEADERS)).status_code == 500


async def test_event_stream_arrives_while_it_lasts_and_ends_with_its_reader() -> None:
    fleet = _Fleet(FakeClock(), 3)
    async with httpx.AsyncClient(base_url="http://fleet", transport=InProcessTransport(fleet, TOKEN)) as client:
        async with client.stream("GET", EVENTS, headers=HEADERS) as response:
            assert response.headers["content-type"].startswith("text/event-stream")
            assert await anext(response.aiter_bytes()) == b"event: heartbeat\ndata: {}\n\n"
            assert fleet.events.has_streams
        assert not fleet.events.has_streams


async def test_refused_event_stream_is_an_error() -> None:
    async with httpx.AsyncClient(
        base_url="http://x", transport=InProcessTransport(_Fleet(FakeClock()), TOKEN)
    ) as client:
        assert (await client.get(EVENTS)).json()["status"] == 401
        assert (await client.head(EVENTS, headers=HEADERS)).status_code == 200
        assert (await client.post(EVENTS, headers=HEADERS)).status_code == 405


async def test_reader_that_is_cancelled_closes_the_stream() -> None:
    fleet = _Fleet(FakeClock(), 3)

    async def read(client: httpx.AsyncClient) -> None:
        async with client.stream("GET", EVENTS, headers=HEADERS) as response:
            async for _ in response.aiter_bytes():
                pass

    async with httpx.AsyncClient(base_url="http://fleet", transport=InProcessTransport(fleet, TOKEN)) as client:
        reading = asyncio.create_task(read(client))
        await settle()
        assert fleet.events.has_streams
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        assert not fleet.events.has_streams


async def test_fault_before_the_stream_begins_is_an_answer() -> None:
    class _NoEvents(_Fleet):
        @property
        def events(self) -> EventHub:
            raise ZeroDivisionError

    async with httpx.AsyncClient(
        base_url="http://x", transport=InProcessTransport(_NoEvents(FakeClock()), TOKEN)
    ) as client:
        assert (await client.get(EVENTS, headers=HEADERS)).status_code == 500


async def test_event_stream_in_this_process_counts_as_one_request() -> None:
    clock = FakeClock()
    rate_limiter = LocalRateLimiter(clock)
    session = Session(
        "http://fleet", TOKEN, InProcessTransport(_Fleet(clock), TOKEN), rate_limiter=rate_limiter, clock=clock
    )
    async with aclosing(session), aclosing(session.events(EVENTS, Priority.POLL)) as stream:
        await anext(stream)
        assert len(rate_limiter.usage.sent_monotonic) == 1
