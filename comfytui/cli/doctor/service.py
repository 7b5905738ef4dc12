"""Checks of what answers: token, API, clocks, shared rate limit and ComfyUI servers."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from comfytui.api import errors
from comfytui.cli.doctor.check import Check, fail, ok, warn
from comfytui.cli.doctor.network import CA_HINT, NOT_RUNNING_HINT, PROXY_HINT, trust_hint
from comfytui.cli.exit_codes import ExitCode
from comfytui.config.credentials import (
    TOKEN_COMMAND,
    TOKEN_COMMAND_SECONDS,
    TOKEN_PREFIX,
    find_token,
    kill_token_commands,
    missing_token_message,
)
from comfytui.config.paths import config_dir, display_path, rate_limit_files, request_log
from comfytui.config.settings import SettingsError, TokenSources
from comfytui.ratelimit.store import RateLimitStore, StoreUnavailable
from comfytui.ratelimit.window import API_LIMIT, SHARED_LIMIT, WINDOW_S, Priority
from comfytui.render.freshness import clock_skew_text
from comfytui.render.times import format_duration

if TYPE_CHECKING:
    from pydantic import SecretStr

    from comfytui.api.client import ComfyControlClient
    from comfytui.api.models import RunnerPage
    from comfytui.clock import Clock
    from comfytui.config.settings import Server, Settings
    from comfytui.gateway.comfyui.errors import ComfyUIError
    from comfytui.ratelimit.window import RateLimiter

_SLOW_TOKEN_HINT = (
    f"run {TOKEN_COMMAND} in a terminal to see what it waits for: it has {TOKEN_COMMAND_SECONDS:g} s in all, "
    "and no terminal for questions"
)
_WRONG_API_HINT = "check that this is the address of a ComfyControl API: --url and comfytui config print"
_ADDRESS_HINT = "correct the address: comfytui config print shows its source"
_HINTS: dict[type[errors.ComfyControlError], str] = {
    errors.RateLimitedError: "send fewer requests: all clients behind this IP address share the limit",
    errors.UnauthorizedError: "create another token in ComfyControl's web app (account settings, API Tokens)",
    errors.ForbiddenError: "the account's tier or permissions do not allow it: ask its owner",
    errors.ConnectionFailedError: "see dns, proxy and tls above",
    errors.RequestTimeoutError: "see dns, proxy and tls above, and check firewalls on the way",
    errors.ServerError: "the API reports an error of its own: try again later",
}
_NOT_SENT_HINTS = {"certificates to trust": CA_HINT, "names no proxy": PROXY_HINT}
"""Remedies for requests to a ComfyUI server that were not sent, by words of the problem."""


class TokenCheck(NamedTuple):
    """Check of the token, and the token, or None if there is none to send."""

    check: Check
    secret: SecretStr | None = None


class ApiCheckResult(NamedTuple):
    """Check of the API, and seconds that its clock is ahead, or None if it did not answer."""

    check: Check
    clock_skew: float | None = None


async def check_token(
    environ: Mapping[str, str], sources: TokenSources, timeout_s: float, *, is_complete: bool = True
) -> TokenCheck:
    """Find the token as the dashboard does, and check its shape.

    Args:
        environ: Environment variables.
        sources: Sources of the token.
        timeout_s: Timeout; a token command is ended then.
        is_complete: False if an unusable configuration may name other sources.
    """
    try:
        async with asyncio.timeout(timeout_s):
            found = await asyncio.to_thread(find_token, environ, sources)
    except TimeoutError:
        kill_token_commands()
        return TokenCheck(fail("token", f"none within {timeout_s:g} s", _SLOW_TOKEN_HINT, ExitCode.NO_TOKEN))
    except SettingsError as error:
        hint = "correct that, or put the token into COMFYCONTROL_API_TOKEN"
        return TokenCheck(fail("token", str(error), hint, ExitCode.NO_TOKEN))
    if found is None and not is_complete:
        return TokenCheck(warn("token", "none known without the configuration", "fix config first"))
    problem, _, hint = missing_token_message(sources).rpartition(": ")
    if found is None:
        return TokenCheck(fail("token", problem, hint.rstrip("."), ExitCode.NO_TOKEN))
    check = _check_shape(found.secret.get_secret_value(), found.source)
    if found.source in {display_path(config_dir() / name) for name in sources.saved_names} and (
        sources.file or sources.env_var
    ):
        check = warn("token", f"{check.detail}; {problem.removeprefix('No token, for ')}", hint.rstrip("."))
    return TokenCheck(check, found.secret)


async def check_api(
    settings: Settings, secret: SecretStr, clock: Clock, timeout_s: float, proxied: str = ""
) -> ApiCheckResult:
    """Send one request to the API, with the client and rate limit of the dashboard; see `request_page`."""
    from comfytui.api.client import ComfyControlClient
    from comfytui.api.request_log import RequestLog
    from comfytui.api.session import Session
    from comfytui.ratelimit.shared import SharedRateLimiter

    log = RequestLog(clock, settings.log_file or request_log())
    rate_limiter = SharedRateLimiter(clock, rate_limit_files(), settings.url, note=log.note)
    with contextlib.closing(log), contextlib.closing(rate_limiter):
        try:
            session = Session(
                settings.url,
                secret,
                timeout=timeout_s,
                rate_limiter=rate_limiter,
                log=log,
                clock=clock,
                ca_bundle=settings.ca_bundle,
                insecure_http=settings.insecure_http,
            )
        except errors.InvalidArgumentError as error:
            return ApiCheckResult(check_from_outcome(error, 0.0))
        async with contextlib.aclosing(ComfyControlClient(session)) as client:
            return await request_page(client, rate_limiter, clock, timeout_s, proxied)


async def request_page(
    client: ComfyControlClient, rate_limiter: RateLimiter, clock: Clock, timeout_s: float, proxied: str = ""
) -> ApiCheckResult:
    """Request one runner and check the answer.

    Args:
        client: Client of the API.
        rate_limiter: Rate limiter of the client.
        clock: Clock that measures the duration.
        timeout_s: Timeout, time to wait for the rate limit included.
        proxied: Variable with the proxy in use, empty if there is none.
    """
    sent_monotonic = clock.monotonic()
    outcome: RunnerPage | errors.ComfyControlError

    def on_sent() -> None:
        nonlocal sent_monotonic
        sent_monotonic = clock.monotonic()

    try:
        async with asyncio.timeout(timeout_s):
            outcome = await client.list_runners(per_page=1, priority=Priority.USER, on_sent=on_sent)
    except TimeoutError:
        if rate_limiter.delay(Priority.USER) > 0:
            return ApiCheckResult(_skip_rate_limited(rate_limiter.usage.cooldown_left(clock.monotonic())))
        outcome = errors.RequestTimeoutError("GET", "/v1/runner", f"no whole answer within {timeout_s:g} seconds")
    except errors.ComfyControlError as error:
        outcome = error
    is_answer = not isinstance(
        outcome, errors.InvalidArgumentError | errors.ConnectionFailedError | errors.RequestTimeoutError
    )
    took_ms = (clock.monotonic() - sent_monotonic) * 1000
    return ApiCheckResult(check_from_outcome(outcome, took_ms, proxied), client.clock_skew if is_answer else None)


def check_from_outcome(outcome: RunnerPage | errors.ComfyControlError, took_ms: float, proxied: str = "") -> Check:
    """Return the check of an answer or error of the API; see `request_page`."""
    match outcome:
        case errors.InvalidArgumentError():
            detail, _, hint = str(outcome).partition(": ")
            return fail("api", f"skipped: {detail}", hint or _ADDRESS_HINT)
        case errors.ConnectionFailedError() | errors.RequestTimeoutError():
            return _check_connection(outcome, proxied)
        case errors.ComfyControlError():
            hint = _HINTS.get(type(outcome), _WRONG_API_HINT)
            if isinstance(outcome, errors.RateLimitedError):
                return warn("api", _describe_error(outcome), hint)
            status = ExitCode.NO_TOKEN if isinstance(outcome, errors.UnauthorizedError) else ExitCode.FAILED
            return fail("api", _describe_error(outcome), hint, status)
        case _:
            count = "an unknown number of" if outcome.total is None else outcome.total
            runners = f"{count} runner{'' if count == 1 else 's'}"
            return ok("api", f"answered in {took_ms:.0f} ms and accepted the token; {runners}")


def check_clock_skew(skew: float | None) -> Check:
    """Return the check of the API's clock, given its skew in seconds, or None if it did not answer."""
    if skew is None:
        return warn("clock", "unknown: the API did not answer", "fix api first")
    if not skew:
        return ok("clock", "the clocks of the API and of this machine agree")
    side = "ahead of" if skew > 0 else "behind"
    detail = f"the API's clock is {format_duration(abs(skew))} {side} this machine's"
    return warn("clock", detail, "set the wrong one, best by NTP")


async def check_rate_limit(paths: Sequence[Path], api: str, clock: Clock, timeout_s: float) -> Check:
    """Check the file by which all processes of a user share the rate limit, without using any of it.

    Args:
        paths: Locations of the file, best first.
        api: URL of the API that the limit is for.
        clock: Its monotonic clock is shared by all processes.
        timeout_s: Timeout, as the file may be on a disk that hangs.
    """
    ledger = RateLimitStore(clock, paths, api, SHARED_LIMIT, WINDOW_S)
    try:
        async with asyncio.timeout(timeout_s):
            outcome = await asyncio.to_thread(_read_usage, ledger)
    except TimeoutError:
        outcome = StoreUnavailable("it does not answer")
    if isinstance(outcome, StoreUnavailable):
        hint = "remove it, or make it a file and a directory that only you can access"
        return warn("budget", f"not shared: {display_path(ledger.path)} cannot be used: {outcome.message}", hint)
    count, spent = outcome
    processes = f"{count or 'no'} process{'' if count == 1 else 'es'}"
    usage = f"{spent} of {API_LIMIT} requests in {WINDOW_S:g} s used, {SHARED_LIMIT} may be"
    return ok("budget", f"shared through {display_path(ledger.path)}: {processes} sent requests lately; {usage}")


async def check_servers(
    servers: Sequence[Server], ca_bundle: Path | None, clock: Clock, timeout_s: float
) -> list[Check]:
    """Return a check of each ComfyUI server; all are requested at once."""
    return await asyncio.gather(*(_check_server(server, ca_bundle, clock, timeout_s) for server in servers))


def _check_shape(token: str, source: str) -> Check:
    detail = f"from {source}, {len(token)} characters"
    if token.startswith(TOKEN_PREFIX) and len(token) > len(TOKEN_PREFIX):
        return ok("token", f"{detail}, begins with {TOKEN_PREFIX}")
    hint = f"check that it is a token of ComfyControl, which begins with {TOKEN_PREFIX}"
    return warn("token", f"{detail}, does not look like a token of ComfyControl", hint)


def _skip_rate_limited(cooldown: float) -> Check:
    if cooldown > 0:
        return warn("api", f"skipped: rate limited for {math.ceil(cooldown)} s", "retry later")
    return warn("api", "skipped: the request budget is used up", "close other dashboards of this API")


def _check_connection(error: errors.ConnectionFailedError | errors.RequestTimeoutError, proxied: str) -> Check:
    """Return the check of a request without answer; behind a proxy it is the proxy that failed."""
    detail, hint = error.message, _HINTS[type(error)]
    if proxied and detail.startswith("TLS"):
        hint = "if the proxy has a certificate of its own, name that of its issuer: ca_bundle, or SSL_CERT_FILE"
    elif proxied:
        detail = f"through the proxy of {proxied}: {detail}"
        hint = f"check that the proxy runs; else correct or unset {proxied}, or name the host in NO_PROXY"
    elif "nothing listens there" in detail:
        hint = NOT_RUNNING_HINT
    return fail("api", detail, hint, ExitCode.UNREACHABLE)


def _describe_error(error: errors.ComfyControlError) -> str:
    match error:
        case errors.StatusError():
            # A message without words of the API begins with the status, too.
            return f"answered {error.status}: {error.message.removeprefix(f'{error.status}: ')}"
        case errors.InvalidResponseError():
            return f"not an answer of ComfyControl: {error.message}"
        case errors.RequestError():
            return error.message
        case _:
            return str(error)


def _read_usage(ledger: RateLimitStore) -> tuple[int, int] | StoreUnavailable:
    with contextlib.closing(ledger):
        return ledger.recent_usage()


async def _check_server(server: Server, ca_bundle: Path | None, clock: Clock, timeout_s: float) -> Check:
    from comfytui.gateway.comfyui.client import ComfyUIClient
    from comfytui.gateway.comfyui.errors import ComfyUIError, UnparsableResponseError
    from comfytui.gateway.comfyui.models import parse_stats

    name, start = f"comfyui {server.name}", clock.monotonic()
    async with contextlib.aclosing(
        ComfyUIClient(server, ca_bundle=ca_bundle, timeout=timeout_s, clock=clock)
    ) as client:
        try:
            stats = parse_stats(await client.get("/system_stats"))
        except ComfyUIError as problem:
            return _check_problem(name, problem)
        except ValueError:
            return _check_problem(name, UnparsableResponseError())
    took = f"answered in {(clock.monotonic() - start) * 1000:.0f} ms"
    version = stats.system.comfyui_version
    if version is None:
        return warn(name, f"{took}, without a version", "check that it is a ComfyUI")
    if skew := client.server_clock.skew:
        detail = f"ComfyUI {version} {took}; its clock is {clock_skew_text(skew)}"
        return warn(name, detail, "set its clock, best by NTP; meanwhile its times are corrected")
    headers = " and accepted the configured headers" if server.headers else ""
    return ok(name, f"ComfyUI {version} {took}{headers}")


def _check_problem(name: str, problem: ComfyUIError) -> Check:
    from comfytui.gateway.comfyui.errors import AuthRequiredError, ResponseTimeoutError, ServerUnreachableError

    message = str(problem)
    match problem:
        case AuthRequiredError():
            hint = "set its headers below [comfyui.NAME] in the configuration"
            return fail(name, "asks for a password", hint, ExitCode.NO_TOKEN)
        case ServerUnreachableError() if hint := next(
            (hint for words, hint in _NOT_SENT_HINTS.items() if words in message), ""
        ):
            return fail(name, message, hint)
        case ServerUnreachableError() if "certificate is not trusted" in message:
            return fail(name, message, trust_hint(message), ExitCode.UNREACHABLE)
        case ServerUnreachableError() | ResponseTimeoutError():
            hint = "check that it runs and listens for other hosts (--listen)"
            return fail(name, message, hint, ExitCode.UNREACHABLE)
        case _:
            detail, _, hint = message.partition(": ")
            return fail(name, detail, hint)
