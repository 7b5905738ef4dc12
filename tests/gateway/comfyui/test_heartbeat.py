"""The heartbeat: while somebody wants it, every five seconds, and never else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from comfytui.gateway.comfyui.contact import Contact
from comfytui.gateway.comfyui.errors import ResponseTimeoutError
from comfytui.gateway.comfyui.heartbeat import Heartbeat
from tests.support.clock import FakeClock, settle


class _Wire:
    opened = 0
    is_open = False

    async def run(self) -> None:
        self.opened += 1
        self.is_open = True
        try:
            await asyncio.Event().wait()
        finally:
            self.is_open = False


class _Box:
    """What a pulse asks, and a pulse that asks it."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.wire = _Wire()
        self.contact = Contact(self.clock)
        self.remaining = 0
        self.is_there = True
        self.answers = asyncio.Event()
        self.answers.set()
        self.beats = 0
        self.told: list[str] = []
        self.pulse = Heartbeat(
            self.ask,
            self.contact,
            self.wire,
            self.clock,
            on_contact=lambda: self.told.append("contact"),
            on_change=lambda: self.told.append("change"),
        )

    @property
    def silence(self) -> str:
        return self.contact.silence.reason if self.contact.silence else ""

    async def ask(self) -> int:
        self.beats += 1
        await self.answers.wait()
        if not self.is_there:
            raise ResponseTimeoutError("does not answer")
        return self.remaining


@pytest.fixture
async def box() -> AsyncIterator[_Box]:
    box = _Box()
    yield box
    await box.pulse.aclose()
    assert not box.wire.is_open


async def test_heartbeat_waits_for_the_first_request(box: _Box) -> None:
    await box.clock.advance(1000)
    assert (box.beats, box.contact.answered_monotonic) == (0, None)


async def test_heartbeat_stops_a_minute_after_the_last_request(box: _Box) -> None:
    await box.pulse.wait_contact()
    await box.clock.advance(30)
    assert (box.beats, box.wire.is_open) == (7, True)
    box.pulse.touch()
    await box.clock.advance(59)
    assert (box.beats, box.wire.is_open) == (18, True)
    await box.clock.advance(600)
    assert (box.beats, box.wire.opened, box.wire.is_open) == (18, 1, False)
    await box.pulse.wait_contact()
    await settle()
    assert (box.beats, box.wire.opened, box.wire.is_open) == (19, 2, True)


async def test_many_who_want_it_cost_as_much_as_one(box: _Box) -> None:
    await asyncio.gather(*(box.pulse.wait_contact() for _ in range(20)))
    for _ in range(10):
        await asyncio.gather(*(box.pulse.wait_contact() for _ in range(20)))
        await box.clock.advance(1)
    assert (box.beats, box.wire.opened) == (3, 1)


async def test_changes_are_told_once_each(box: _Box) -> None:
    await box.pulse.wait_contact()
    assert box.told == ["contact", "change"]
    await box.clock.advance(20)
    assert len(box.told) == 2
    box.remaining = 3
    await box.clock.advance(20)
    assert box.told[2:] == ["change"]
    assert box.pulse.remaining == 3


async def test_failure_is_kept_until_the_next_contact(box: _Box) -> None:
    began = box.clock.monotonic()
    await box.pulse.wait_contact()
    assert (box.silence, box.contact.answered_monotonic) == ("", began)
    box.is_there = False
    await box.clock.advance(17)
    assert box.silence == "does not answer"
    assert box.contact.answered_monotonic == began
    box.is_there = True
    await box.clock.advance(5)
    assert box.silence == ""
    assert box.contact.answered_monotonic == began + 20
    assert box.told == ["contact", "change"] * 2


async def test_the_first_contact_is_waited_for_and_later_ones_are_not(box: _Box) -> None:
    box.answers.clear()
    met = asyncio.create_task(box.pulse.wait_contact())
    await settle()
    assert not met.done()
    box.answers.set()
    await met
    box.answers.clear()
    await box.clock.advance(5)
    assert box.beats == 2
    await box.pulse.wait_contact()


async def test_the_first_contact_may_be_waited_for_in_part(box: _Box) -> None:
    box.answers.clear()
    met = asyncio.create_task(box.pulse.wait_contact_for(1))
    await box.clock.advance(0.9)
    assert not met.done()
    await box.clock.advance(0.1)
    assert (await met, box.pulse.has_contact, box.beats) == (False, False, 1)
    # The second is over, whoever asks next.
    assert not await box.pulse.wait_contact_for(1)
    met = asyncio.create_task(box.pulse.wait_contact_for(2))
    await settle()
    box.answers.set()
    assert await met
    box.answers.clear()
    await box.clock.advance(5)
    assert await box.pulse.wait_contact_for(1)


async def test_closing_releases_waiters(box: _Box) -> None:
    box.answers.clear()
    met = asyncio.create_task(box.pulse.wait_contact())
    await settle()
    await box.pulse.aclose()
    await met
    assert box.silence == "is not watched any more"
    await box.pulse.wait_contact()
    assert box.beats == 1


async def test_touch_while_closing_restarts_the_heartbeat(box: _Box) -> None:
    class _Slow(_Wire):
        async def run(self) -> None:
            try:
                await super().run()
            finally:
                await closing.wait()

    closing = asyncio.Event()
    box.wire = box.pulse._wire = _Slow()
    await box.pulse.wait_contact()
    await box.clock.advance(60)
    box.pulse.touch()
    await settle()
    assert (box.beats, box.wire.opened) == (12, 1)
    closing.set()
    await settle()
    assert (box.beats, box.wire.opened, box.wire.is_open) == (13, 2, True)
