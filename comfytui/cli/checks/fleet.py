"""Everything between this machine and the runners, looked at in as little time as it takes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from comfytui.api.errors import InvalidArgument
from comfytui.api.proxies import proxy_variable
from comfytui.cli.checks.api import Asked, ask, clock_skew, verdict
from comfytui.cli.checks.budget import look_at_budget
from comfytui.cli.checks.certificate import (
    distrust,
    look_at_certificate,
    no_certificate,
    unreadable,
    unusable_directories,
)
from comfytui.cli.checks.check import Check, Result, ok, warn
from comfytui.cli.checks.network import Address, Lookup, Resolver, address_of, look_up, no_proxy_flaw, proxy, resolve
from comfytui.cli.checks.servers import look_at_servers
from comfytui.cli.checks.token import TokenAtHand, look_for_token
from comfytui.config.paths import budget_files, request_log

if TYPE_CHECKING:
    from pydantic import SecretStr

    from comfytui.api.client import ComfyControlClient
    from comfytui.clock import Clock
    from comfytui.config.settings import Settings
    from comfytui.ratelimit.window import Allowance


_SEE = "what {} needs, above, comes first"
_UNSURE = "not asked: the configuration may name another address, and no token goes to the wrong one"


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds that each look may take; none but the budget's begins or goes on after the whole."""

    whole: float = 9.0
    name: float = 3.0
    token: float = 8.0
    handshake: float = 4.0
    api: float = 4.5
    budget: float = 1.0
    servers: float = 9.0
    tmux: float = 2.0


async def look_at_fleet(
    settings: Settings,
    environ: Mapping[str, str],
    clock: Clock,
    patience: Patience,
    *,
    is_sure: bool = True,
    resolver: Resolver = resolve,
) -> list[Check]:
    """A check for each step on the way to the runners, in order.

    Args:
        settings: Where they are.
        environ: The environment.
        clock: Dates and measures.
        patience: How long each may take.
        is_sure: Whether the address and the sources of the token are those that were meant.
        resolver: Finds the API's host.
    """
    if settings.servers:
        flaw = no_proxy_flaw(environ)
        found = await look_at_servers(settings.servers, settings.ca_bundle, clock, patience.servers)
        return [*([] if flaw is None else [flaw]), *found]
    if not settings.url:
        return [ok("api", "the simulated fleet is in this process: it needs neither token nor network")]
    return await _Way(settings, environ, clock, patience, is_sure, resolver).look()


@dataclass(frozen=True, slots=True)
class _Way:
    """The way to the API; the attributes are those of `look_at_fleet`."""

    settings: Settings
    environ: Mapping[str, str]
    clock: Clock
    patience: Patience
    is_sure: bool
    resolver: Resolver

    async def look(self) -> list[Check]:
        address = address_of(self.settings.url)
        way, start = self._way, self.clock.monotonic()
        async with asyncio.TaskGroup() as group:
            # A command may take long to print it: nothing but the question waits for that.
            looked = group.create_task(self._look_for_token())
            lookup = await look_up(
                address, self.clock, self.patience.name, by_proxy=bool(self._proxy), resolver=self.resolver
            )
            tls = group.create_task(self._certificate(address, lookup))
            token = await looked
            seconds = self.patience.whole - (self.clock.monotonic() - start)
            asked = await self._ask(token.secret, lookup, min(self.patience.api, seconds))
        budget = await look_at_budget(budget_files(), self.settings.url, self.clock, self.patience.budget)
        directories = unusable_directories(self.settings.ca_bundle, self.environ)
        trust = [tls.result()] if directories is None else [directories, tls.result()]
        return [token.check, lookup.check, way, *trust, asked.check, clock_skew(asked.ahead), budget]

    @property
    def _way(self) -> Check:
        return proxy(self.settings.url, self.environ)

    @property
    def _proxy(self) -> str:
        return proxy_variable(self.settings.url, self.environ)

    async def _look_for_token(self) -> TokenAtHand:
        return await look_for_token(self.environ, self.settings.tokens, self.patience.token, is_whole=self.is_sure)

    async def _certificate(self, address: Address, lookup: Lookup) -> Check:
        if flaw := distrust(self.settings.ca_bundle, self.environ):
            return flaw
        if address.scheme == "http":
            return no_certificate(address)
        if self._way.result is Result.FAIL:
            return warn("tls", "not looked at: the proxy cannot be used", _SEE.format("proxy"))
        if self._proxy:
            return ok("tls", "by way of the proxy: what the API is asked tells whether its certificate is trusted")
        if not lookup.addresses:
            return warn("tls", "not looked at: the host was not found", _SEE.format("dns"))
        now, seconds = self.clock.now().timestamp(), self.patience.handshake
        return await look_at_certificate(address, lookup.addresses, self.settings.ca_bundle, self.environ, seconds, now)

    async def _ask(self, secret: SecretStr | None, lookup: Lookup, seconds: float) -> Asked:
        if self._way.result is Result.FAIL:
            return Asked(warn("api", "not asked: the proxy cannot be used", _SEE.format("proxy")))
        if unreadable(self.settings.ca_bundle, self.environ):
            return Asked(warn("api", "not asked: the certificates to trust cannot be read", _SEE.format("tls")))
        if not lookup.addresses and not self._proxy:
            return Asked(warn("api", "not asked: the host was not found", _SEE.format("dns")))
        if secret is None:
            return Asked(warn("api", "not asked: there is no token", _SEE.format("token")))
        if not self.is_sure:
            return Asked(warn("api", _UNSURE, "put the configuration right, or name the address with --url"))
        try:
            async with self._client(secret, seconds) as (client, allowance):
                return await ask(client, allowance, self.clock, seconds, self._proxy)
        except InvalidArgument as error:
            return Asked(verdict(error, 0.0))

    @contextlib.asynccontextmanager
    async def _client(self, secret: SecretStr, seconds: float) -> AsyncIterator[tuple[ComfyControlClient, Allowance]]:
        """A client as the dashboard has it, and what it may spend."""
        from comfytui.api.client import ComfyControlClient
        from comfytui.api.request_log import RequestLog
        from comfytui.api.session import Session
        from comfytui.ratelimit.shared import SharedAllowance

        log = RequestLog(self.clock, self.settings.log_file or request_log())
        allowance = SharedAllowance(self.clock, budget_files(), self.settings.url, note=log.note)
        session = Session(
            self.settings.url,
            secret,
            timeout=seconds,
            allowance=allowance,
            log=log,
            clock=self.clock,
            ca_bundle=self.settings.ca_bundle,
            insecure_http=self.settings.insecure_http,
        )
        client = ComfyControlClient(session)
        try:
            yield client, allowance
        finally:
            await client.aclose()
            allowance.close()
            log.close()
