"""What watching costs a ComfyUI server, and what a dashboard costs the gateway: `python -m tests.benchmarks.boxes`.

Counted on a scripted server that answers like the real one, with bodies as large: the requests that reach it in a
minute and the bytes it has to send, for one dashboard and for five behind one gateway. Time runs ten times as fast as
it should, which changes no count. The gateway's own cost is its processor time for what a dashboard asks in a minute.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from subprocess import PIPE, Popen
from typing import TYPE_CHECKING

import httpx
from pydantic import SecretStr

from comfytui.api.client import ComfyControlClient
from comfytui.api.session import Session
from comfytui.config.servers import parse_servers
from comfytui.engine.engine import Engine
from comfytui.engine.protocol import Viewport
from comfytui.gateway.app import StreamingASGITransport, create_app
from comfytui.gateway.comfyui.fleet import ComfyUIFleet
from comfytui.gateway.comfyui.mapping import runner_id_for
from comfytui.ratelimit.local import LocalRateLimiter
from tests.benchmarks.processes import cpu_seconds
from tests.support.comfyui import ScriptedComfyUI, job

if TYPE_CHECKING:
    from comfytui.engine.protocol import RunnerSource

SPEED = 10.0
TOKEN = SecretStr("cfc_benchmark")
DASHBOARDS = (1, 5)
PENDING = 370
JOB_BYTES = 58_000
MINUTES_ASKED = 25


class SwiftClock:
    """A clock that runs SPEED times as fast as the machine's."""

    def __init__(self) -> None:
        self._began = datetime.now(UTC)
        self._start = asyncio.get_running_loop().time()

    def now(self) -> datetime:
        return self._began + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        return (asyncio.get_running_loop().time() - self._start) * SPEED

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds / SPEED))


@dataclass(frozen=True, slots=True)
class Cost:
    """What reached the server within a minute, by path without its query; and what it sent in its answers."""

    requests: Counter[str]
    sent: int


@asynccontextmanager
async def dashboards(number: int, box: ScriptedComfyUI, clock: SwiftClock) -> AsyncIterator[None]:
    """So many dashboards that look at this server, behind one gateway."""
    fleet = ComfyUIFleet(parse_servers([box.url]), clock)
    app = create_app(fleet, TOKEN)

    async def connect() -> RunnerSource:
        transport = StreamingASGITransport(app)
        session = Session("http://gateway", TOKEN, transport, rate_limiter=LocalRateLimiter(clock), clock=clock)
        return ComfyControlClient(session)

    viewport = Viewport(runner_id=runner_id_for(box.url), visible_ids=(runner_id_for(box.url),))
    engines = [Engine(connect, clock, viewport=viewport, interval=5.0) for _ in range(number)]
    tasks = [asyncio.create_task(engine.run()) for engine in engines]
    async with aclosing(fleet):
        yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def cost_of(number: int, box: ScriptedComfyUI) -> Cost:
    """What so many dashboards cost the server in a minute, once they have all they need."""
    clock = SwiftClock()
    async with dashboards(number, box, clock):
        await clock.sleep(20)
        box.requests.clear()
        before = box.bytes_out
        await clock.sleep(60)
        paths = Counter(path.partition("?")[0] for _, path in box.requests)
        return Cost(paths, box.bytes_out - before)


async def print_boxes() -> None:
    """The table of what a server receives and sends in a minute."""
    print(f"{'server':34} {'dashboards':>10} {'requests/min':>12} {'bytes/min':>10}  of them")
    for version in ("0.33.0", "0.3.64"):
        for waiting in (0, PENDING):
            async with ScriptedComfyUI(version) as box:
                fill(box, waiting)
                for number in DASHBOARDS:
                    cost = await cost_of(number, box)
                    paths = ", ".join(f"{count} {path}" for path, count in cost.requests.most_common())
                    name = f"ComfyUI {version}, {waiting or 'none'} waiting"
                    print(f"{name:34} {number:10} {cost.requests.total():12} {cost.sent:10,}  {paths}")


def fill(box: ScriptedComfyUI, waiting: int) -> None:
    """Give a server twenty finished jobs, and so many that wait behind one that runs, all as large as the web UI's."""
    box.put(*(job(f"done-{number}", number=number, size=JOB_BYTES) for number in range(20)))
    if waiting:
        box.put(job("running", "in_progress", number=20, size=JOB_BYTES))
        box.put(*(job(f"pending-{number}", "pending", number=21 + number, size=JOB_BYTES) for number in range(waiting)))


@contextmanager
def gateway(*boxes: ScriptedComfyUI) -> Iterator[tuple[Popen[bytes], str]]:
    """`comfytui serve` for these servers as a process of its own, and its address."""
    urls = ",".join(box.url for box in boxes)
    command = [sys.executable, "-m", "comfytui", "serve", "--comfyui", urls, "--port", "0"]
    environ = {**os.environ, "COMFYCONTROL_API_TOKEN": TOKEN.get_secret_value()}
    with Popen(command, env=environ, stderr=PIPE) as process:
        assert process.stderr is not None
        try:
            yield process, process.stderr.readline().decode().split()[-1]
        finally:
            process.terminate()


async def print_gateway() -> None:
    """What one dashboard costs the gateway in a minute."""
    async with ScriptedComfyUI() as box:
        fill(box, 0)
        with gateway(box) as (process, url):
            headers = {"Authorization": f"Bearer {TOKEN.get_secret_value()}"}
            async with httpx.AsyncClient(base_url=url, headers=headers, trust_env=False) as http:
                await ask_a_minute(http, box)
                before = cpu_seconds(process.pid)
                for _ in range(MINUTES_ASKED):
                    await ask_a_minute(http, box)
                spent = (cpu_seconds(process.pid) - before) / MINUTES_ASKED
    print(f"\ncomfytui serve: {1000 * spent:.0f} ms of a processor's minute for each dashboard")


async def ask_a_minute(http: httpx.AsyncClient, box: ScriptedComfyUI) -> None:
    """What a dashboard asks in a minute: list, runner and history every five seconds, stats every fifteen."""
    runner = f"/v1/runner/{runner_id_for(box.url)}"
    for beat in range(12):
        for path in ("/v1/runner", runner, f"{runner}/history", *([f"{runner}/stats"] if beat % 3 == 0 else [])):
            (await http.get(path)).raise_for_status()


async def main() -> None:
    """Print both tables."""
    await print_boxes()
    await print_gateway()


if __name__ == "__main__":
    asyncio.run(main())
