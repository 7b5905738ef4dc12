"""Screen of the request log."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from comfytui.render.cells import Role, Span
from comfytui.render.panels import REQUEST_COLUMNS, request_rows
from comfytui.render.times import TimeStyle, zone_name
from comfytui.tui.keys.bindings import bindings_for
from comfytui.tui.keys.commands import LOG_HINTS, Scope
from comfytui.tui.screens.base import SnapshotScreen
from comfytui.tui.widgets.keyed_table import KeyedTable
from comfytui.tui.widgets.timers import TICK_S

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.binding import BindingType

    from comfytui.api.request_log import RequestLog
    from comfytui.clock import Clock
    from comfytui.engine.snapshot import Snapshot
    from comfytui.render.freshness import RenderContext


class RequestsScreen(SnapshotScreen):
    """The request log, newest first, as it grows."""

    CSS_PATH = "requests.tcss"
    AUTO_FOCUS = "#requests"
    HINTS = LOG_HINTS
    BINDINGS: ClassVar[list[BindingType]] = [*bindings_for(Scope.LOG)]

    def __init__(self, clock: Clock, requests: RequestLog) -> None:
        super().__init__(clock)
        self._requests = requests
        self._table = KeyedTable(REQUEST_COLUMNS, id="requests")

    def compose(self) -> ComposeResult:
        """Compose header, log and footer."""
        yield self.header
        yield self._table
        yield self.footer

    def render_snapshot(self, _snapshot: Snapshot, now: RenderContext) -> None:
        """Show the requests up to now."""
        entries = self._requests.entries
        # Always times of day, for ages of requests would change every second.
        style = TimeStyle.LOCAL if now.style is TimeStyle.RELATIVE else now.style
        title = (Span("Requests", Role.STRONG), Span(f"  times in {zone_name(style, now.now)}", Role.MUTED))
        self._table.set_title(title, (Span(f"the last {len(entries)}", Role.MUTED),))
        self._table.set_rows(request_rows(entries, style))

    def valid_for_s(self, _snapshot: Snapshot, _now: RenderContext) -> tuple[float, ...]:
        """Return one second, for the log does not announce new entries."""
        return (TICK_S,)

    def breadcrumb(self) -> tuple[str, ...]:
        """Return the name of the log."""
        return ("requests",)

    def action_close_log(self) -> None:
        """Close the screen."""
        self.dismiss()
