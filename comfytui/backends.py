"""Backends: the hosted API, or a gateway in this process to a demo fleet or ComfyUI servers."""

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
"""Connects to a backend. Its imports are heavy, so they are made behind the first frame."""

_NOTHING_FOUND = "no token yet"
_RESERVE_S = 1.0
"""Seconds of a caller's timeout that are reserved for an answer with what is known by then."""


class UnusableTokenError(InvalidArgumentError):
    """The source of the token failed or returned an unusable one; the message tells which."""


def connect_demo(runners: int, seed: int, clock: Clock, rate_limiter: RateLimiter, requests: RequestLog) -> Connect:
    """Return a connector to a demo fleet in this process, without port or network."""
    return _connect_in_process(lambda: build_demo_fleet(runners, seed, clock), "demo", clock, rate_limiter, requests)


def connect_comfyui(
    servers: Sequence[Server],
    ca_bundle: Path | None,
    clock: Clock,
    rate_limiter: RateLimiter,
    requests: RequestLog,
    timeout: float | None = None,
) -> Connect:
    """Return a connector to plain ComfyUI servers; for `timeout` see `build_comfyui_fleet`."""
    return _connect_in_process(
        lambda: build_comfyui_fleet(servers, ca_bundle, clock, requests, timeout),
        "comfyui",
        clock,
        rate_limiter,
        requests,
        timeout or DEFAULT_TIMEOUT,
    )


def build_demo_fleet(runners: int, seed: int, clock: Clock) -> Fleet:
    """Return a demo fleet, driven by a clock."""
    from comfytui.gateway.demo.fleet import DemoFleet

    return DemoFleet(clock, runners=runners, seed=seed)


def build_comfyui_fleet(
    servers: Sequence[Server],
    ca_bundle: Path | None,
    clock: Clock,
    requests: RequestLog | None = None,
    timeout: float | None = None,
) -> Fleet:
    """Return plain ComfyUI servers as a fleet; nothing is requested before a client asks.

    Args:
        servers: The servers.
        ca_bundle: Certificates to trust besides the system's.
        clock: Clock of all times and waits.
        requests: Log of the requests to the servers.
        timeout: Seconds that a caller waits who requests only once, or None for callers that poll.
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
    """Return a new random token."""
    import secrets

    from pydantic import SecretStr

    return SecretStr(f"{TOKEN_PREFIX}{secrets.token_urlsafe(24)}")


class HostedBackend:
    """Backend of the hosted API; the `comfytui.login.Authenticator` of the dashboard.

    Attributes:
        rate_limiter: Rate limiter of the backend in use.

    Args:
        settings: Address of the API, sources of tokens, and connection options.
        clock: Clock of requests and the rate limiter.
        rate_limiter: Rate limiter of the API, whichever token is used.
        requests: Log of requests.
        timeout: Seconds that a response may take.
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
        """Name of the data source, for display."""
        return self._settings.source_name if self._instead is None else self._instead[0]

    @property
    def token_path(self) -> str:
        """Path where a token would be saved, for display."""
        return display_path(token_file(self._settings.tokens))

    async def connect(self) -> RunnerSource:
        """Return a client with the current token.

        Raises:
            UnauthorizedError: There is no token.
            InvalidArgumentError: A token or a setting cannot be used; the message tells why.
        """
        if self._instead is not None:
            return await self._instead[1]()
        return await asyncio.to_thread(self._client)

    @property
    def is_renewable(self) -> bool:
        """True if the token's source may have a newer one later, which `renew` looks for."""
        return self._renewal is not None

    async def renew(self) -> bool:
        """Look for a newer token after a rejection; return True if `connect` uses it from now on."""
        if self._renewal is None or self._instead is not None:
            return False
        return await self._renewal.newer_than(self._at_hand) is not None

    async def login(self, token: SecretStr, *, save: bool) -> LoginResult:
        """Check a token with the API; if accepted, use it and save it if `save`."""
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
        """Switch to the demo fleet."""
        self._use_local_limiter()
        self._instead = "demo", connect_demo(DEFAULT_RUNNERS, 0, self._clock, self.rate_limiter, self._requests)

    async def detect_comfyui(self) -> str:
        """Return the address of a ComfyUI on this machine, for display; empty if none answers."""
        from comfytui.gateway.comfyui.client import is_comfyui

        return self._local.name if await is_comfyui(self._local) else ""

    def use_comfyui(self) -> None:
        """Switch to the ComfyUI on this machine."""
        self._use_local_limiter()
        ca_bundle = self._settings.ca_bundle
        source = connect_comfyui([self._local], ca_bundle, self._clock, self.rate_limiter, self._requests)
        self._instead = self._local.name, source

    @property
    def _local(self) -> Server:
        (server,) = parse_servers([LOCAL_SERVER], self._settings.configured_servers)
        return server

    def _use_local_limiter(self) -> None:
        """Use a local rate limiter: limit and cooldown of the API do not apply any more."""
        self.rate_limiter.switch_to(UnlimitedRateLimiter(self._clock))

    def _client(self, token: SecretStr | None = None) -> ComfyControlClient:
        """Return a client with the current token, or with one that is only tried."""
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
        """Return the token that its source has now, or None if it fails; the request log tells why."""
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
        """Save the token for the next start and return a message about that."""
        try:
            return f"The token is kept in {display_path(save_token(token, self._settings.tokens))}."
        except SettingsError as error:
            return f"It works, but is not kept: {error}"


class SwitchableRateLimiter:
    """Rate limiter that delegates to one of two.

    Args:
        default: Rate limiter to start with.
    """

    def __init__(self, default: RateLimiter) -> None:
        self._usual = default
        self._counts = default

    def switch_to(self, other: RateLimiter | None) -> None:
        """Delegate to another rate limiter from now on; None for the default."""
        self._counts = self._usual if other is None else other

    @property
    def usage(self) -> Usage:
        """Last known use of the limit; no I/O."""
        return self._counts.usage

    def delay(self, priority: Priority) -> float:
        """Return the seconds until a request may be sent, as far as known; no I/O."""
        return self._counts.delay(priority)

    async def acquire(self, priority: Priority) -> Permit:
        """Return once one request may be sent, which is recorded as sent by then."""
        return await self._counts.acquire(priority)

    def block_for(self, seconds: float) -> None:
        """Block all requests for these seconds; the longer of two cooldowns counts."""
        self._counts.block_for(seconds)
