"""The command `comfytui doctor`: runs all checks within 10 seconds and prints them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from comfytui.api.proxies import proxy_variable
from comfytui.cli.config_sources import cli_options, load_sources
from comfytui.cli.doctor import local, network, service
from comfytui.cli.doctor.check import Check, Result, exit_code, ok, to_json, to_lines, warn
from comfytui.cli.doctor.service import ApiCheckResult
from comfytui.cli.output import write_json, write_lines
from comfytui.clock import SystemClock
from comfytui.config import precedence
from comfytui.config.credentials import kill_token_commands
from comfytui.config.paths import locate_config_file, rate_limit_files
from comfytui.config.settings import API_URL_VARIABLE, Settings, SettingsError, TokenSources
from comfytui.threads import LooseThreads
from comfytui.wiring import load_keymap

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from pydantic import SecretStr

    from comfytui.cli.doctor.network import DnsResult, Endpoint, Resolver
    from comfytui.clock import Clock

RATE_LIMIT_RESERVE_S = 1.0
"""Seconds of the total that are left for the rate limit, which is read after the request to the API was sent."""

_ADDRESS_UNCERTAIN = "skipped: the configuration may name another address, and the token goes to no wrong one"


@dataclass(frozen=True, slots=True)
class CheckTimeouts:
    """Seconds that each check may take, and all of them together."""

    total: float = 10.0
    dns: float = 3.0
    token: float = 8.0
    handshake: float = 4.0
    api: float = 4.5
    rate_limit: float = 2.0
    servers: float = 9.0
    tmux: float = 2.0


@dataclass(frozen=True, slots=True)
class DoctorInput:
    """Settings to check, as far as they can be used.

    Attributes:
        config_file: Configuration file in use, or None.
        problem: Sentence that says why the configuration cannot be used; empty if it can.
        settings: Settings without what cannot be used, or None if they give no address.
        is_address_certain: False if an unusable configuration may name another address.
    """

    config_file: Path | None
    problem: str
    settings: Settings | None
    is_address_certain: bool


def run(args: argparse.Namespace) -> int:
    """Run all checks, print them, and return the exit status of the worst failure."""
    checks = asyncio.run(_run_on_system(args))
    if args.json:
        write_json(to_json(checks))
    else:
        write_lines(to_lines(checks))
    return exit_code(checks)


def load_input(args: argparse.Namespace) -> DoctorInput:
    """Load the settings; if they cannot be used, those of flags and environment without a profile."""
    flags = cli_options(args)
    file = locate_config_file(flags.config)
    try:
        settings = precedence.resolve_settings(load_sources(args))
        load_keymap(settings)
    except SettingsError as error:
        choices = precedence.ConfigSources(flags._replace(profile=None), os.environ)
        is_named = bool(flags.url or os.environ.get(API_URL_VARIABLE, "").strip())
        return DoctorInput(file, str(error), _resolve_or_none(choices), is_named)
    return DoctorInput(file, "", settings, is_address_certain=True)


async def run_checks(
    given: DoctorInput,
    environ: Mapping[str, str],
    clock: Clock,
    timeouts: CheckTimeouts | None = None,
    resolver: Resolver = network.resolve_host,
) -> list[Check]:
    """Run all checks and return them in the order of the output.

    Args:
        given: Settings to check.
        environ: Environment variables.
        clock: Clock for dates and durations.
        timeouts: Seconds that each check may take.
        resolver: Resolver for the host of the API.
    """
    timeouts, settings = timeouts or CheckTimeouts(), given.settings
    fleet, clipboard = await asyncio.gather(
        check_fleet(given, environ, clock, timeouts, resolver), local.check_clipboard(environ, timeouts.tmux)
    )
    tokens = TokenSources() if settings is None else settings.tokens
    color, only_ascii = ("auto", False) if settings is None else (settings.color_depth, settings.ascii)
    return [
        local.check_versions(),
        local.check_configuration(given.config_file, given.problem),
        *local.check_permissions(tokens, given.config_file),
        *fleet,
        local.check_terminal(local.current_terminal(), environ, color, only_ascii),
        clipboard,
    ]


async def check_fleet(
    given: DoctorInput,
    environ: Mapping[str, str],
    clock: Clock,
    timeouts: CheckTimeouts,
    resolver: Resolver = network.resolve_host,
) -> list[Check]:
    """Return a check for each step on the way to the runners, in order; the arguments are those of `run_checks`."""
    settings = given.settings
    if settings is None:
        return []
    if settings.servers:
        exceptions = network.check_no_proxy(environ)
        checks = await service.check_servers(settings.servers, settings.ca_bundle, clock, timeouts.servers)
        return checks if exceptions is None else [exceptions, *checks]
    if not settings.url:
        return [ok("api", "simulated fleet in this process: it needs neither token nor network")]
    return await _ApiChecks(settings, given.is_address_certain, environ, clock, timeouts, resolver).run()


@dataclass(frozen=True, slots=True)
class _ApiChecks:
    """Checks of the way to the API; for the attributes see `DoctorInput` and `run_checks`."""

    settings: Settings
    is_address_certain: bool
    environ: Mapping[str, str]
    clock: Clock
    timeouts: CheckTimeouts
    resolver: Resolver

    async def run(self) -> list[Check]:
        settings, environ, timeouts = self.settings, self.environ, self.timeouts
        endpoint, start = network.parse_endpoint(settings.url), self.clock.monotonic()
        proxy, proxied = network.check_proxy(settings.url, environ), proxy_variable(settings.url, environ)
        async with asyncio.TaskGroup() as group:
            # A token command may be slow, and only the request to the API needs its token.
            looking = group.create_task(
                service.check_token(environ, settings.tokens, timeouts.token, is_complete=self.is_address_certain)
            )
            dns = await network.check_dns(
                endpoint, self.clock, timeouts.dns, via_proxy=bool(proxied), resolver=self.resolver
            )
            cause = _find_cause(proxy, dns, proxied)
            tls = group.create_task(self._check_tls(endpoint, dns, proxied, cause))
            token = await looking
            left = start + timeouts.total - self.clock.monotonic()
            api = await self._check_api(token.secret, proxied, cause, min(timeouts.api, left - RATE_LIMIT_RESERVE_S))
        left = start + timeouts.total - self.clock.monotonic()
        rate_limit = await service.check_rate_limit(
            rate_limit_files(), settings.url, self.clock, min(timeouts.rate_limit, left)
        )
        directories = network.check_certificate_directories(settings.ca_bundle, environ)
        trust = [tls.result()] if directories is None else [directories, tls.result()]
        clocks = service.check_clock_skew(api.clock_skew)
        return [token.check, dns.check, proxy, *trust, api.check, clocks, rate_limit]

    async def _check_tls(self, endpoint: Endpoint, dns: DnsResult, proxied: str, cause: _Cause) -> Check:
        ca_bundle = self.settings.ca_bundle
        if unreadable := network.check_ca_bundle(ca_bundle, self.environ):
            return unreadable
        if endpoint.scheme == "http":
            return network.check_plain_http(endpoint)
        if cause.check:
            return _skip("tls", cause)
        if proxied:
            return ok("tls", "through the proxy: the api check tells whether the certificate is trusted")
        now, seconds = self.clock.now().timestamp(), self.timeouts.handshake
        return await network.check_certificate(endpoint, dns.addresses, ca_bundle, self.environ, seconds, now)

    async def _check_api(self, secret: SecretStr | None, proxied: str, cause: _Cause, seconds: float) -> ApiCheckResult:
        if cause.check != "proxy" and network.check_ca_bundle(self.settings.ca_bundle, self.environ):
            cause = _Cause("tls", "the certificates to trust cannot be read")
        if cause.check or secret is None:
            return ApiCheckResult(_skip("api", cause if cause.check else _Cause("token", "there is no token")))
        if not self.is_address_certain:
            hint = "correct the configuration, or name the address with --url"
            return ApiCheckResult(warn("api", _ADDRESS_UNCERTAIN, hint))
        return await service.check_api(self.settings, secret, self.clock, seconds, proxied)


class _Cause(NamedTuple):
    """Check whose failure keeps others from being run, empty if there is none, and the reason in words."""

    check: str = ""
    reason: str = ""


def _find_cause(proxy: Check, dns: DnsResult, proxied: str) -> _Cause:
    if proxy.result is Result.FAIL:
        return _Cause("proxy", "the proxy cannot be used")
    return _Cause() if dns.addresses or proxied else _Cause("dns", "the host was not found")


def _skip(name: str, cause: _Cause) -> Check:
    return warn(name, f"skipped: {cause.reason}", f"fix {cause.check} first")


async def _run_on_system(args: argparse.Namespace) -> list[Check]:
    # A name server or a disk that does not answer would delay the end of the process.
    asyncio.get_running_loop().set_default_executor(LooseThreads())
    try:
        return await run_checks(load_input(args), os.environ, SystemClock())
    finally:
        kill_token_commands()


def _resolve_or_none(choices: precedence.ConfigSources) -> Settings | None:
    try:
        return precedence.resolve_settings(choices)
    except SettingsError:
        return None
