"""Acting once a moment has come."""

from __future__ import annotations

import asyncio

from textual.app import App

from comfytui.tui.widgets.timers import DeferredCall


class AlarmApp(App[None]):
    def __init__(self) -> None:
        super().__init__()
        self.rung = asyncio.Event()
        self.times = 0
        self.alarm = DeferredCall(self, self._ring)

    def _ring(self) -> None:
        self.times += 1
        self.rung.set()

    @property
    def handle(self) -> asyncio.TimerHandle | None:
        return self.alarm._handle


async def test_deferred_call_runs_once_on_time() -> None:
    async with AlarmApp().run_test() as pilot:
        app = pilot.app
        assert isinstance(app, AlarmApp)
        app.alarm.schedule(0.001)
        await asyncio.wait_for(app.rung.wait(), 5.0)
        assert (app.times, app.handle) == (1, None)


async def test_deferred_call_is_rescheduled() -> None:
    async with AlarmApp().run_test() as pilot:
        app = pilot.app
        assert isinstance(app, AlarmApp)
        app.alarm.schedule(3600.0)
        first = app.handle
        app.alarm.schedule(1800.0)
        sooner = app.handle
        assert first is not sooner
        assert first is not None
        assert first.cancelled()
        app.alarm.schedule(3600.0)
        assert app.handle is sooner, "it finds out when it rings"
        app.alarm._call()
        await pilot.pause()
        assert app.times == 0
        assert app.handle is not None


async def test_once_stopped_it_does_nothing() -> None:
    async with AlarmApp().run_test() as pilot:
        app = pilot.app
        assert isinstance(app, AlarmApp)
        app.alarm.stop()
        app.alarm.schedule(3600.0)
        handle = app.handle
        app.alarm.stop()
        assert handle is not None
        assert handle.cancelled()
        assert app.handle is None
