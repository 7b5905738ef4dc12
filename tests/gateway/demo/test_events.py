"""Changes of simulated runners, announced as the clock's time passes."""

from __future__ import annotations

from comfytui.gateway.demo.events import LINGER_SECONDS
from comfytui.gateway.demo.fleet import DemoFleet
from tests.gateway.test_events import reading
from tests.support.clock import FakeClock

RUNNERS = 25


async def test_revision_changes_exactly_when_the_history_does() -> None:
    clock = FakeClock()
    fleet = DemoFleet(clock, RUNNERS)
    ids = [runner.id for runner in (await fleet.list_runners(1, RUNNERS, None)).runners]
    before = {id: await fleet.get_history(id) for id in ids}
    async with reading(fleet.events) as client:
        told = {each.id: each for event in client.events for each in event}
        assert set(told) == set(ids)
        assert all(each.is_live for each in told.values())
        client.events.clear()
        changes = 0
        for _ in range(50):
            await clock.advance(1)
            changed = {id for id in ids if await fleet.get_history(id) != before[id]}
            before = {id: await fleet.get_history(id) for id in ids}
            assert {each.id for event in client.events for each in event} == changed
            changes += len(changed)
            client.events.clear()
        assert changes > 10
    await fleet.aclose()


async def test_unrequested_demo_runner_is_not_followed() -> None:
    clock = FakeClock()
    fleet = DemoFleet(clock, RUNNERS)
    await fleet.list_runners(1, 2, None)
    async with reading(fleet.events) as client:
        await fleet.list_runners(2, 2, None)
        await clock.advance(LINGER_SECONDS / 2)
        assert len({each.id for event in client.events for each in event}) == 4
        await fleet.list_runners(1, 2, None)
        client.events.clear()
        await clock.advance(2 * LINGER_SECONDS)
        assert len({each.id for event in client.events for each in event if not each.is_live}) == 4
    await fleet.aclose()


async def test_revisions_are_the_same_in_every_process() -> None:
    told = []
    for _ in range(2):
        fleet = DemoFleet(FakeClock(), 3)
        await fleet.list_runners(1, 3, None)
        async with reading(fleet.events) as client:
            told.append(client.events)
        await fleet.aclose()
    assert told[0] == told[1]
    assert told[0] != [()]
