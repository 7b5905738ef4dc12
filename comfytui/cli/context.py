"""Context of a command: backend, settings, rate limiter and request log as the dashboard's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from comfytui.api.request_log import RequestLog
from comfytui.backends import HostedBackend, connect_comfyui, connect_demo
from comfytui.cli.config_sources import demo_options, load_sources
from comfytui.cli.deadlines import InteractiveRateLimiter
from comfytui.config.paths import rate_limit_files, request_log
from comfytui.config.precedence import resolve_settings
from comfytui.config.settings import DEFAULT_TIMEOUT
from comfytui.ratelimit.unlimited import UnlimitedRateLimiter

if TYPE_CHECKING:
    import argparse

    from comfytui.backends import Connect
    from comfytui.cli.progress import Progress
    from comfytui.clock import Clock
    from comfytui.config.settings import Settings
    from comfytui.ratelimit.window import RateLimiter


@dataclass(frozen=True, slots=True)
class CommandContext:
    """Backend of a command and its services.

    Attributes:
        settings: Resolved settings.
        connect: Connects to the backend.
        clock: Clock of all waits.
        rate_limiter: Rate limiter of the requests.
        renew: Looks for a newer token after a rejection, or None if there cannot be one.
    """

    settings: Settings
    connect: Connect
    clock: Clock
    rate_limiter: RateLimiter
    renew: Callable[[], Awaitable[bool]] | None = None


@contextmanager
def open_context(
    args: argparse.Namespace,
    clock: Clock,
    progress: Progress,
    *,
    no_wait: bool = False,
    timeout: float = DEFAULT_TIMEOUT,
) -> Iterator[CommandContext]:
    """Open the context of a command line; saved state does not count.

    Raises:
        SettingsError: A setting cannot be used.
    """
    settings = resolve_settings(load_sources(args))
    with ExitStack() as ending:
        requests = RequestLog(clock, settings.log_file or (None if args.demo else request_log()))
        if settings.log_file is not None:
            ending.callback(_report_log_error, requests, progress)
        ending.callback(requests.close)

        def make(waiting: Clock) -> RateLimiter:
            if not settings.url:
                return UnlimitedRateLimiter(waiting)
            from comfytui.ratelimit.shared import SharedRateLimiter

            shared = SharedRateLimiter(waiting, rate_limit_files(), settings.url, note=requests.note)
            ending.callback(shared.close)
            return shared

        gate = InteractiveRateLimiter(make, clock, progress, no_wait=no_wait)
        if settings.url and not args.demo:
            entrance = HostedBackend(settings, clock, gate, requests, timeout=timeout)
            renew = entrance.renew if entrance.is_renewable else None
            yield CommandContext(settings, entrance.connect, clock, gate, renew)
        else:
            yield CommandContext(settings, _build_gateway(args, settings, clock, gate, requests, timeout), clock, gate)


def _report_log_error(requests: RequestLog, progress: Progress) -> None:
    """Report that the request log could not be written."""
    if requests.write_error:
        progress.print(requests.write_error)


def _build_gateway(
    args: argparse.Namespace,
    settings: Settings,
    clock: Clock,
    rate_limiter: RateLimiter,
    requests: RequestLog,
    timeout: float,
) -> Connect:
    if args.demo:
        return connect_demo(*demo_options(args), clock, rate_limiter, requests)
    return connect_comfyui(settings.servers, settings.ca_bundle, clock, rate_limiter, requests, timeout)
