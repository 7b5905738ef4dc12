"""The composition root: joins client, engine and dashboard. It knows every room and decides nothing."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from comfytui.clock import Clock, SystemClock

if TYPE_CHECKING:
    from comfytui.api.allowance import Allowance
    from comfytui.api.request_log import RequestLog
    from comfytui.config.settings import Settings
    from comfytui.sources import Connect
    from comfytui.tui.app import ComfyTUI
    from comfytui.tui.door import Door

__all__ = ["build_dashboard", "demo_dashboard", "hosted_dashboard"]


def hosted_dashboard(settings: Settings, url: str) -> ComfyTUI:
    """The dashboard of the API at this address, which shares its allowance with others of this user."""
    from comfytui.api.request_log import RequestLog
    from comfytui.api.shared_allowance import SharedAllowance
    from comfytui.config.paths import runtime_dir, state_dir
    from comfytui.config.settings import host_of
    from comfytui.sources import Entrance

    clock = SystemClock()
    requests = RequestLog(clock, settings.log_file or state_dir() / "requests.log")
    budget = runtime_dir(os.environ) / "allowance.sqlite"
    allowance = SharedAllowance(clock, budget, host_of(url), log=requests)
    entrance = Entrance(settings, url, clock, allowance, requests)
    app = build_dashboard(settings, entrance.connect, clock, entrance, allowance, requests)
    app.at_end(allowance.close)
    return app


def demo_dashboard(settings: Settings, runners: int, seed: int, clock: Clock | None = None) -> ComfyTUI:
    """The dashboard of a simulated fleet in this very process."""
    from comfytui.api.allowance import LocalAllowance
    from comfytui.api.request_log import RequestLog
    from comfytui.sources import demo_source
    from comfytui.tui.door import OpenDoor

    clock = clock or SystemClock()
    requests, allowance = RequestLog(clock, settings.log_file), LocalAllowance(clock)
    connect = demo_source(runners, seed, clock, allowance, requests)
    return build_dashboard(settings, connect, clock, OpenDoor(settings.source), allowance, requests)


def build_dashboard(
    settings: Settings,
    connect: Connect,
    clock: Clock,
    door: Door,
    allowance: Allowance,
    requests: RequestLog,
) -> ComfyTUI:
    """The dashboard, ready to run; nothing has been started."""
    from comfytui.engine.engine import Engine
    from comfytui.engine.resources import PageKey
    from comfytui.engine.snapshot import Attention
    from comfytui.tui.app import ComfyTUI

    attention = Attention(page=PageKey(per_page=settings.per_page), wallboard=settings.wallboard)
    engine = Engine(connect, clock, attention=attention, interval=settings.interval, allowance=allowance)
    app = ComfyTUI(engine, clock, door, requests)
    app.at_end(requests.close)
    return app
