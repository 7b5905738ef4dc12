"""Plain ComfyUI servers: whether they answer, and as what."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from comfytui.cli.checks.certificate import trust_remedy
from comfytui.cli.checks.check import Check, fail, ok, warn
from comfytui.cli.exit_codes import ExitStatus

if TYPE_CHECKING:
    from comfytui.clock import Clock
    from comfytui.config.settings import Server
    from comfytui.gateway.comfyui.errors import BoxProblem


_LOCAL = {
    "certificates to trust": "name a file of certificates there that can be read, or none",
    "names no proxy": "set it to http://HOST:PORT, or unset it",
}
"""What helps where nobody was asked, by what is said then."""


async def look_at_servers(
    servers: Sequence[Server], ca_bundle: Path | None, clock: Clock, seconds: float
) -> list[Check]:
    """A check for each server, all asked at once, each within so many seconds."""
    return await asyncio.gather(*(_look(server, ca_bundle, clock, seconds) for server in servers))


async def _look(server: Server, ca_bundle: Path | None, clock: Clock, seconds: float) -> Check:
    from comfytui.gateway.comfyui.client import BoxClient
    from comfytui.gateway.comfyui.errors import BoxProblem, Garbled
    from comfytui.gateway.comfyui.models import read_stats
    from comfytui.render.freshness import clock_skew_text as skew_text

    name, start = f"comfyui {server.name}", clock.monotonic()
    async with contextlib.aclosing(BoxClient(server, ca_bundle=ca_bundle, timeout=seconds, clock=clock)) as client:
        try:
            stats = read_stats(await client.get("/system_stats"))
        except BoxProblem as problem:
            return _trouble(name, problem)
        except ValueError:
            return _trouble(name, Garbled())
    took = (clock.monotonic() - start) * 1000
    if stats.system.comfyui_version is None:
        return warn(name, f"answered in {took:.0f} ms, without a version", "is it a ComfyUI?")
    if ahead := client.server_clock.ahead:
        found = f"ComfyUI {stats.system.comfyui_version} answered in {took:.0f} ms; its clock is {skew_text(ahead)}"
        return warn(name, found, "set its clock, best by NTP; meanwhile its times are corrected")
    password = " and took the headers of the configuration" if server.headers else ""
    return ok(name, f"ComfyUI {stats.system.comfyui_version} answered in {took:.0f} ms{password}")


def _trouble(name: str, problem: BoxProblem) -> Check:
    from comfytui.gateway.comfyui.errors import NeedsPassword, NotAnswering, NotThere

    match problem:
        case NeedsPassword():
            remedy = "give it headers below [comfyui.NAME] in the configuration"
            return fail(name, "asks for a password", remedy, ExitStatus.NO_TOKEN)
        case NotThere() if remedy := next((_LOCAL[words] for words in _LOCAL if words in str(problem)), ""):
            return fail(name, str(problem), remedy)
        case NotThere() if "certificate is not trusted" in str(problem):
            return fail(name, str(problem), trust_remedy(str(problem)), ExitStatus.UNREACHABLE)
        case NotThere() | NotAnswering():
            remedy = "does it run, and listen for others? (--listen)"
            return fail(name, str(problem), remedy, ExitStatus.UNREACHABLE)
        case _:
            found, _, remedy = str(problem).partition(": ")
            return fail(name, found, remedy)
