"""The composition root: joins client, engine and dashboard. It knows every room and decides nothing."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeAlias

from comfytui.clock import Clock, SystemClock

if TYPE_CHECKING:
    from pydantic import SecretStr

    from comfytui.api.client import ComfyControlClient
    from comfytui.config.settings import Settings
    from comfytui.engine.resources import RunnerSource
    from comfytui.gateway.simulated import SimulatedFleet
    from comfytui.tui.app import ComfyTUI

__all__ = ["Connect", "build_dashboard", "demo_source", "hosted_source", "made_token", "simulated_fleet"]

Connect: TypeAlias = Callable[[], Awaitable["RunnerSource"]]
"""Makes who answers once it is needed. What it imports is heavy, so it does so behind the first frame."""


def hosted_source(url: str) -> Connect:
    """A client of the API at this address, with the environment's token."""

    def connect() -> ComfyControlClient:
        from comfytui.api.client import ComfyControlClient
        from comfytui.api.session import Session
        from comfytui.config.secrets import token_from

        return ComfyControlClient(Session(url, token_from(os.environ)))

    return lambda: asyncio.to_thread(connect)


def demo_source(runners: int, seed: int, clock: Clock | None = None) -> Connect:
    """A client of the gateway in this very process, over a simulated fleet: no port, no network."""

    def connect() -> ComfyControlClient:
        from httpx import ASGITransport

        from comfytui.api.client import ComfyControlClient
        from comfytui.api.session import Session
        from comfytui.gateway.app import create_app

        token = made_token()
        app = create_app(simulated_fleet(runners, seed, clock), token)
        return ComfyControlClient(
            Session("http://demo", token, transport=ASGITransport(app, raise_app_exceptions=False))
        )

    return lambda: asyncio.to_thread(connect)


def simulated_fleet(runners: int, seed: int, clock: Clock | None = None) -> SimulatedFleet:
    """The believable fleet, driven by the machine's clock unless another is given."""
    from comfytui.gateway.simulated import SimulatedFleet

    return SimulatedFleet(clock or SystemClock(), runners=runners, seed=seed)


def build_dashboard(settings: Settings, connect: Connect, clock: Clock | None = None) -> ComfyTUI:
    """The dashboard, ready to run."""
    from comfytui.engine.engine import Engine
    from comfytui.engine.resources import PageKey
    from comfytui.engine.snapshot import Attention
    from comfytui.tui.app import ComfyTUI

    clock = clock or SystemClock()
    attention = Attention(page=PageKey(per_page=settings.per_page))
    engine = Engine(connect, clock, attention=attention, interval=settings.interval)
    return ComfyTUI(engine, clock, settings.source)


def made_token() -> SecretStr:
    """A token nobody else has."""
    import secrets

    from pydantic import SecretStr

    return SecretStr(f"cfc_{secrets.token_urlsafe(24)}")
