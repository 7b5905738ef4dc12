"""Composition root: builds backend, engine and dashboard from the settings."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

from comfytui.config.precedence import resolve_profile
from comfytui.config.settings import DEFAULT_PER_PAGE, MAX_PER_PAGE, SettingsError

if TYPE_CHECKING:
    from comfytui.api.request_log import RequestLog
    from comfytui.backends import Connect
    from comfytui.clock import Clock
    from comfytui.config.precedence import ConfigSources
    from comfytui.config.settings import Settings
    from comfytui.engine.engine import Engine
    from comfytui.engine.protocol import Viewport
    from comfytui.engine.snapshot import Snapshot
    from comfytui.login import Authenticator
    from comfytui.ratelimit.window import RateLimiter
    from comfytui.tui.app import ComfyTUI
    from comfytui.tui.keys.keymap import Keymap
    from comfytui.tui.services import AppServices, FleetResources, OpenFleet, StateStoreProtocol
    from comfytui.tui.terminal.capabilities import TerminalCapabilities


class ProfileFleets:
    """Fleets by profile; the `comfytui.tui.services.FleetDirectory` of the dashboard.

    Args:
        sources: Sources of the settings, profiles among them.
        clock: Clock of all fleets.
        requests: Log of the requests to all fleets.
        state_store: Saved views of the fleets.
    """

    def __init__(
        self, sources: ConfigSources, clock: Clock, requests: RequestLog, state_store: StateStoreProtocol
    ) -> None:
        self._choices = sources
        self._clock = clock
        self._requests = requests
        self._memory = state_store

    @property
    def profiles(self) -> tuple[str, ...]:
        """Names of the profiles, in the order of the configuration."""
        return self._choices.profiles

    def open(self, profile: str) -> OpenFleet:
        """Open the fleet of a profile, whose settings precede those of the environment.

        Raises:
            SettingsError: It cannot be used; the message tells why.
        """
        return self.open_settings(resolve_profile(self._choices, profile))

    def open_settings(self, settings: Settings) -> OpenFleet:
        """Open the fleet of settings; other dashboards of this user share its rate limit."""
        from comfytui.tui.services import OpenFleet

        key = settings.profile or settings.source_name
        first = _initial_snapshot(settings, key, self._memory)
        return OpenFleet(
            key, settings.source_name, first, partial(self._watch, settings), settings.profile, settings.accent_color
        )

    def _watch(self, settings: Settings, viewport: Viewport) -> FleetResources:
        from comfytui.backends import HostedBackend
        from comfytui.config.paths import rate_limit_files
        from comfytui.ratelimit.shared import SharedRateLimiter
        from comfytui.tui.services import FleetResources

        rate_limiter = SharedRateLimiter(self._clock, rate_limit_files(), settings.url, note=self._requests.note)
        entrance = HostedBackend(settings, self._clock, rate_limiter, self._requests)
        engine = _engine(settings, entrance.connect, self._clock, entrance.rate_limiter, viewport)
        return FleetResources(engine, entrance, rate_limiter.close, entrance.renew if entrance.is_renewable else None)


def build_hosted_app(sources: ConfigSources, settings: Settings, services: AppServices) -> ComfyTUI:
    """Build the dashboard of the hosted API, which starts with the fleet of the settings."""
    from comfytui.api.request_log import RequestLog
    from comfytui.clock import SystemClock
    from comfytui.config.paths import request_log
    from comfytui.tui.app import ComfyTUI

    clock = SystemClock()
    requests = RequestLog(clock, settings.log_file or request_log())
    fleets = ProfileFleets(sources, clock, requests, services.state_store)
    app = ComfyTUI(fleets.open_settings(settings), clock, requests, services._replace(fleets=fleets))
    app.session.add_cleanup(requests.close)
    return app


def build_demo_app(
    settings: Settings, runners: int, seed: int, clock: Clock | None = None, services: AppServices | None = None
) -> ComfyTUI:
    """Build the dashboard of a demo fleet in this process."""
    from comfytui.api.request_log import RequestLog
    from comfytui.backends import connect_demo
    from comfytui.clock import SystemClock
    from comfytui.login import NoAuthentication
    from comfytui.ratelimit.unlimited import UnlimitedRateLimiter

    clock = clock or SystemClock()
    requests, rate_limiter = RequestLog(clock, settings.log_file), UnlimitedRateLimiter(clock)
    connect = connect_demo(runners, seed, clock, rate_limiter, requests)
    return build_app(settings, connect, clock, NoAuthentication(settings.source_name), rate_limiter, requests, services)


def build_comfyui_app(settings: Settings, services: AppServices) -> ComfyTUI:
    """Build the dashboard of plain ComfyUI servers, through a gateway in this process."""
    from comfytui.api.request_log import RequestLog
    from comfytui.backends import connect_comfyui
    from comfytui.clock import SystemClock
    from comfytui.config.paths import request_log
    from comfytui.login import NoAuthentication
    from comfytui.ratelimit.unlimited import UnlimitedRateLimiter

    clock = SystemClock()
    requests = RequestLog(clock, settings.log_file or request_log())
    rate_limiter = UnlimitedRateLimiter(clock)
    connect = connect_comfyui(settings.servers, settings.ca_bundle, clock, rate_limiter, requests)
    return build_app(settings, connect, clock, NoAuthentication(settings.source_name), rate_limiter, requests, services)


def build_app(
    settings: Settings,
    connect: Connect,
    clock: Clock,
    authenticator: Authenticator,
    rate_limiter: RateLimiter,
    requests: RequestLog,
    services: AppServices | None = None,
) -> ComfyTUI:
    """Build the dashboard of one fleet; nothing is started yet."""
    from comfytui.config.state import InMemoryStateStore
    from comfytui.tui.app import ComfyTUI
    from comfytui.tui.services import AppServices, FleetResources, OpenFleet

    services = services or AppServices(InMemoryStateStore())
    key = " ".join(server.url for server in settings.servers) or settings.source_name

    def watch(viewport: Viewport) -> FleetResources:
        return FleetResources(_engine(settings, connect, clock, rate_limiter, viewport), authenticator)

    app = ComfyTUI(
        OpenFleet(key, authenticator.source, _initial_snapshot(settings, key, services.state_store), watch),
        clock,
        requests,
        services,
    )
    app.session.add_cleanup(requests.close)
    return app


def build_services(settings: Settings, terminal: TerminalCapabilities, state_store: StateStoreProtocol) -> AppServices:
    """Build the services of the dashboard, except the fleets.

    Raises:
        SettingsError: The keys of the configuration are invalid; the message names file and line.
    """
    from comfytui.config.paths import state_dir
    from comfytui.render.times import TimeStyle
    from comfytui.tui.services import AppServices

    return AppServices(
        keymap=load_keymap(settings),
        state_store=state_store,
        color_depth=terminal.colors,
        ascii=terminal.ascii,
        mouse=terminal.mouse,
        time_style=TimeStyle.UTC if settings.utc else None,
        environ=os.environ,
        clipboard_dir=state_dir(),
    )


def load_keymap(settings: Settings) -> Keymap:
    """Load the keymap of the settings; imports nothing heavy.

    Raises:
        SettingsError: Keys are invalid; the message has a line for each, with file and line.
    """
    from comfytui.tui.keys.keymap import KeymapError, build_keymap

    keys = settings.keys
    try:
        return build_keymap(keys.preset, keys.overrides)
    except KeymapError as error:
        flaws = (error, *error.others)
        named = [each.command if each.command.isprintable() else ascii(each.command) for each in flaws]
        told = [f"{keys.location(flaw.command)}: keys.{name}: {flaw}." for flaw, name in zip(flaws, named, strict=True)]
        raise SettingsError("\n".join(told)) from None


def _engine(
    settings: Settings, connect: Connect, clock: Clock, rate_limiter: RateLimiter, viewport: Viewport
) -> Engine:
    from comfytui.engine.engine import Engine

    return Engine(connect, clock, viewport=viewport, interval=settings.interval, rate_limiter=rate_limiter)


def _initial_snapshot(settings: Settings, key: str, state_store: StateStoreProtocol) -> Snapshot:
    """Return the snapshot of a fleet before the first request: viewport and interval."""
    from comfytui.engine.protocol import PageKey, Viewport
    from comfytui.engine.snapshot import Snapshot

    page = PageKey(per_page=_per_page(settings, key, state_store))
    return Snapshot(viewport=Viewport(page=page, full_rate_unfocused=settings.wallboard), interval=settings.interval)


def _per_page(settings: Settings, key: str, state_store: StateStoreProtocol) -> int:
    """Return the runners per page: of the settings, else of the saved view, else the default."""
    view = state_store.state.views.get(key)
    remembered = None if view is None else view.per_page
    usable = remembered if remembered is not None and 1 <= remembered <= MAX_PER_PAGE else DEFAULT_PER_PAGE
    return settings.per_page or usable
