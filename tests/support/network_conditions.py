"""Gateway behind a strict rate limiter and an unreliable network."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

import httpx
from pydantic import SecretStr

from comfytui.api.client import ComfyControlClient
from comfytui.api.session import Session
from comfytui.gateway.app import create_app
from comfytui.gateway.demo.fleet import DemoFleet

if TYPE_CHECKING:
    from comfytui.ratelimit.local import LocalRateLimiter
    from tests.support.clock import FakeClock

__all__ = ["LIST", "RUNNERS", "Weather"]

LIST = "/v1/runner"
RUNNERS = 600

_TOKEN = SecretStr("cfc_of_a_long_hour")
_HANGS_FOR = 10.0
_BODIES = ("", "<html><h1>Error 1015</h1></html>", '{"status": 429, "message": "slow down"}')
_RETRY_AFTERS = ("", "1", "12", "30", "soon")


@dataclass
class Weather(httpx.AsyncBaseTransport):
    """Carries requests to the application, or not.

    Attributes:
        rough: How likely a request is to fail.
        sent: Every request: its moment on the monotonic clock, and its path.
        trespasses: Moments of requests that came while nothing was to be asked.
        cooling_until: Until when nothing is to be asked.
        under_way: Requests for the list that are not answered yet.
    """

    clock: FakeClock
    dice: Random
    rough: float = 0.08
    sent: list[tuple[float, str]] = field(default_factory=list)
    trespasses: list[float] = field(default_factory=list)
    cooling_until: float = 0.0
    under_way: int = 0

    def __post_init__(self) -> None:
        fleet = DemoFleet(self.clock, runners=RUNNERS, seed=1)
        self._app = httpx.ASGITransport(create_app(fleet, _TOKEN), raise_app_exceptions=False)

    async def connect(self, rate_limiter: LocalRateLimiter) -> ComfyControlClient:
        """A client of the real kind, which spends this allowance."""
        return ComfyControlClient(
            Session("http://localhost", _TOKEN, transport=self, rate_limiter=rate_limiter, clock=self.clock)
        )

    def most_in(self, seconds: float) -> int:
        """The most requests within any so many seconds, both ends counted."""
        moments = [at for at, _ in self.sent]
        return max(number + 1 - bisect_left(moments, at - seconds) for number, at in enumerate(moments))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Carry one request."""
        now, path = self.clock.monotonic(), request.url.path
        self.sent.append((now, path))
        if now < self.cooling_until:
            self.trespasses.append(now)
        self.under_way += path == LIST
        try:
            return await self._carry(request)
        finally:
            self.under_way -= path == LIST

    async def _carry(self, request: httpx.Request) -> httpx.Response:
        await self.clock.sleep(self.dice.uniform(0.01, 0.4))
        if self.dice.random() >= self.rough:
            return await self._app.handle_async_request(request)
        match self.dice.randrange(5):
            case 0:
                return self._refusal()
            case 1:
                await self.clock.sleep(_HANGS_FOR)
                raise httpx.ReadTimeout("", request=request)
            case 2:
                raise httpx.ConnectError("", request=request)
            case _:
                return httpx.Response(self.dice.choice([500, 502, 503]), text=self.dice.choice(_BODIES))

    def _refusal(self) -> httpx.Response:
        retry_after = self.dice.choice(_RETRY_AFTERS)
        seconds = max(10.0, float(retry_after)) if retry_after.isdecimal() else 10.0
        self.cooling_until = max(self.cooling_until, self.clock.monotonic() + seconds)
        headers = {"Retry-After": retry_after} if retry_after else {}
        return httpx.Response(429, headers=headers, text=self.dice.choice(_BODIES))
