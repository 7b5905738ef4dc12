"""Who answers for the API: the API itself with whichever token there is, or a gateway in this process."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

from comfytui.api.credentials import Renewal
from comfytui.api.errors import ComfyControlError, InvalidArgumentError, UnauthorizedError
from comfytui.api.library_imports import trim_library_imports
from comfytui.config.credentials import (
    TOKEN_PREFIX,
    find_token,
    is_renewable,
    permission_warnings,
    save_token,
    token_file,
)
from comfytui.config.paths import display_path
from comfytui.config.servers import LOCAL_SERVER, parse_servers
from comfytui.config.settings import DEFAULT_RUNNERS, DEFAULT_TIMEOUT, SettingsError
from comfytui.login import LoginResult
from comfytui.ratelimit.unlimited import UnlimitedRateLimiter
from comfytui.ratelimit.window import Priority

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import SecretStr

    from comfytui.api.client import ComfyControlClient
    from comfytui.api.request_log import RequestLog
    from comfytui.clock import Clock
    from comfytui.config.settings import Server, Settings
    from comfytui.engine.protocol import RunnerSource
    from comfytui.gateway.fleet import Fleet
    from comfytui.ratelimit.window import Permit, RateLimiter, Usage


Connect: TypeAlias = Callable[[], Awaitable["RunnerSource"]]
"""Makes who answers once it is needed. What it imports is heavy, so it does so behind the first frame."""

_NOTHING_FOUND = "no token yet"
_RESERVE_S = 1.0
"""Seconds of a caller's patience that are left for an answer with what is known by then."""


class UnusableTokenError(InvalidArgumentError):
    """What should give the token fails, or what it gives is none; the message says which."""


def connect_demo(runners: int, seed: int, clock: Clock, rate_limiter: RateLimiter, requests: RequestLog) -> Connect:
    """A client of the gateway in this very process, over a simulated fleet: no port, no network."""
    return _connect_in_process(lambda: build_demo_fleet(runners, seed, clock), "demo", clock, rate_limiter, requests)


def connect_comfyui(
    servers: Sequence[Server],
    ca_bundle: Path | None,
    clock: Clock,
    rate_limiter: RateLimiter,
    requests: RequestLog,
    timeout: float | None = None,
) -> Connect:
    """Return what makes a client of plain ComfyUI servers, in this process; for `timeout` see `comfyui_fleet`."""
    return _connect_in_process(
        lambda: build_comfyui_fleet(servers, ca_bundle, clock, requests, timeout),
        "comfyui",
        clock,
        rate_limiter,
        requests,
        timeout or DEFAULT_TIMEOUT,
    )


def build_demo_fleet(runners: int, seed: int, clock: Clock) -> Fleet:
    """The believable fleet, driven by a clock."""
    from comfytui.gateway.demo.fleet import DemoFleet

    return DemoFleet(clock, runners=runners, seed=seed)


def build_comfyui_fleet(
    servers: Sequence[Server],
    ca_bundle: Path | None,
    clock: Clock,
    requests: RequestLog | None = None,
    timeout: float | None = None,
) -> Fleet:
    """Return plain ComfyUI servers as a fleet; nothing is requested of them before a client asks for it.

    Args:
        servers: The servers.
        ca_bundle: Certificates to trust beside the system's.
        clock: All times and waits.
        requests: Keeps a record of each request to a server.
        timeout: Seconds that a caller waits who asks but once; None if what comes later is shown, too.
    """
    from comfytui.gateway.comfyui.fleet import INTRODUCTION_SECONDS, ComfyUIFleet

    patience = timeout or 0.0
    return ComfyUIFleet(
        servers,
        clock,
        ca_bundle=ca_bundle,
        introduction=max(INTRODUCTION_SECONDS, patience - _RESERVE_S),
        log=requests,
    )


def _connect_in_process(
    make_fleet: Callable[[], Fleet],
    name: str,
    clock: Clock,
    rate_limiter: RateLimiter,
    requests: RequestLog,
    timeout: float = DEFAULT_TIMEOUT,
) -> Connect:
    def connect() -> RunnerSource:
        trim_library_imports()
        from comfytui.api.client import ComfyControlClient
        from comfytui.api.session import Session
        from comfytui.gateway.app import InProcessTransport

        token = generate_token()
        transport = InProcessTransport(make_fleet(), token)
        session = Session(
            f"http://{name}", token, transport, rate_limiter=rate_limiter, log=requests, clock=clock, timeout=timeout
        )
        return ComfyControlClient(session)

    return lambda: asyncio.to_thread(connect)


def generate_token() -> SecretStr:
    """A token nobody else has."""
    import secrets

    from pydantic import SecretStr

    return SecretStr(f"{TOKEN_PREFIX}{secrets.token_urlsafe(24)}")


class HostedBackend:
    """Makes clients of the API with the token at hand, and takes new ones; `comfytui.login.Door` for the dashboard.

    Attributes:
        rate_limiter: What may be sent to whoever answers now.

    Args:
        settings: The API's address, where tokens may come from, and how to connect.
        clock: Dates requests and the allowance.
        rate_limiter: What may be sent to the API, whichever token is used.
        requests: Where requests are kept.
        timeout: Seconds that the API has for an answer.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        rate_limiter: RateLimiter,
        requests: RequestLog,
        *,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> None:
        self._settings = settings
        self._timeout = timeout
        self._clock = clock
        self.rate_limiter = SwitchableRateLimiter(rate_limiter)
        self._requests = requests
        self._token: SecretStr | None = None
        self._renewal = Renewal(self._find_renewed_token, clock) if is_renewable(os.environ, settings.tokens) else None
        self._instead: tuple[str, Connect] | None = None

    @property
    def source(self) -> str:
        """Where the runners come from, for people to read."""
        return self._settings.source_name if self._instead is None else self._instead[0]

    @property
    def token_path(self) -> str:
        """Where a token would be saved, for people to read."""
        return display_path(token_file(self._settings.tokens))

    async def connect(self) -> RunnerSource:
        """A client with the token at hand.

        Raises:
            UnauthorizedError: There is no token anywhere; the message says so.
            InvalidArgumentError: A token or a setting cannot be used; the message says why.
        """
        if self._instead is not None:
            return await self._instead[1]()
        return await asyncio.to_thread(self._client)

    @property
    def is_renewable(self) -> bool:
        """True if the token's source may have a newer one later, which `renew` looks for."""
        return self._renewal is not None

    async def renew(self) -> bool:
        """Look for a newer token once the one at hand is refused; return True if `connect` uses it from now on."""
        if self._renewal is None or self._instead is not None:
            return False
        return await self._renewal.newer_than(self._at_hand) is not None

    async def login(self, token: SecretStr, *, save: bool) -> LoginResult:
        """Ask the API whether it takes this token; use and, if wished, save it then."""
        try:
            client = await asyncio.to_thread(self._client, token)
        except InvalidArgumentError as error:
            return LoginResult(accepted=False, message=str(error))
        try:
            await client.list_runners(per_page=1, priority=Priority.USER)
        except UnauthorizedError as error:
            return LoginResult(accepted=False, message=f"The API does not take it: {error.message}")
        except ComfyControlError as error:
            return LoginResult(accepted=False, message=f"It could not be checked: {error}")
        finally:
            await client.aclose()
        self._token, self._instead = token, None
        if self._renewal is not None:
            self._renewal.replace(token)
        self.rate_limiter.switch_to(None)
        return LoginResult(accepted=True, message=await asyncio.to_thread(self._save_token, token) if save else "")

    def use_demo(self) -> None:
        """Use the simulated fleet from now on."""
        self._use_local_limiter()
        self._instead = "demo", connect_demo(DEFAULT_RUNNERS, 0, self._clock, self.rate_limiter, self._requests)

    async def detect_comfyui(self) -> str:
        """What the ComfyUI on this machine is called, for people to read; empty where none answers."""
        from comfytui.gateway.comfyui.client import is_comfyui

        return self._local.name if await is_comfyui(self._local) else ""

    def use_comfyui(self) -> None:
        """Watch the ComfyUI on this machine from now on."""
        self._use_local_limiter()
        ca_bundle = self._settings.ca_bundle
        source = connect_comfyui([self._local], ca_bundle, self._clock, self.rate_limiter, self._requests)
        self._instead = self._local.name, source

    @property
    def _local(self) -> Server:
        (server,) = parse_servers([LOCAL_SERVER], self._settings.configured_servers)
        return server

    def _use_local_limiter(self) -> None:
        """What the API may be asked, and whether it wants to be left alone, does not count any more."""
        self.rate_limiter.switch_to(UnlimitedRateLimiter(self._clock))

    def _client(self, token: SecretStr | None = None) -> ComfyControlClient:
        """Return a client with the token at hand, or with one that is only tried."""
        trim_library_imports()
        from comfytui.api.client import ComfyControlClient
        from comfytui.api.session import Session

        return ComfyControlClient(
            Session(
                self._settings.url,
                token or self._at_hand or self._found(),
                timeout=self._timeout,
                rate_limiter=self.rate_limiter,
                log=self._requests,
                clock=self._clock,
                ca_bundle=self._settings.ca_bundle,
                insecure_http=self._settings.insecure_http,
                renewal=self._renewal if token is None else None,
            )
        )

    @property
    def _at_hand(self) -> SecretStr | None:
        newest = None if self._renewal is None else self._renewal.newest
        return newest or self._token

    async def _find_renewed_token(self) -> SecretStr | None:
        """Return what the source of the token has now, or None if it fails; the request log says why."""
        try:
            found = await asyncio.to_thread(find_token, os.environ, self._settings.tokens)
        except SettingsError as error:
            self._requests.note(f"No newer token: {error}")
            return None
        if self._at_hand is not None:
            self._requests.note(f"The token was refused; {found.source if found else 'its source'} was asked again.")
        return None if found is None else found.secret

    def _found(self) -> SecretStr:
        for warning in permission_warnings(self._settings.tokens, self._settings.config_file):
            self._requests.note(warning)
        try:
            found = find_token(os.environ, self._settings.tokens)
        except SettingsError as error:
            raise UnusableTokenError(str(error)) from None
        if found is None:
            raise UnauthorizedError("GET", "/v1/runner", _NOTHING_FOUND, 401)
        self._token = found.secret
        return found.secret

    def _save_token(self, token: SecretStr) -> str:
        """Keep the token for the next start, and say what became of it."""
        try:
            return f"The token is kept in {display_path(save_token(token, self._settings.tokens))}."
        except SettingsError as error:
            return f"It works, but is not kept: {error}"


class SwitchableRateLimiter:
    """What one allowance says, until another is to count.

    Args:
        usual: Which counts at first.
    """

    def __init__(self, default: RateLimiter) -> None:
        self._usual = default
        self._counts = default

    def switch_to(self, other: RateLimiter | None) -> None:
        """Have this one count from now on; None for the usual one."""
        self._counts = self._usual if other is None else other

    @property
    def usage(self) -> Usage:
        """What was spent, as last known; asks nobody."""
        return self._counts.usage

    def delay(self, priority: Priority) -> float:
        """Seconds until a request for this use may be sent, as far as known; 0.0 is now; asks nobody."""
        return self._counts.delay(priority)

    async def acquire(self, priority: Priority) -> Permit:
        """Return once one request may be sent, which is recorded as sent by then."""
        return await self._counts.acquire(priority)

    def block_for(self, seconds: float) -> None:
        """Send nothing for so long; of two, the longer one wins."""
        self._counts.block_for(seconds)
