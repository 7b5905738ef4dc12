"""Several processes with real sessions, counted by the server that they ask."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from comfytui.ratelimit.window import SOLO_LIMIT

WINDOW = 2.0

ASK = """
import asyncio, random, socket, sys, time
from pathlib import Path
from pydantic import SecretStr
from comfytui.api.request_log import RequestLog
from comfytui.api.session import Session
from comfytui.ratelimit.shared import SharedRateLimiter
from comfytui.clock import SystemClock
from tests.support.reading import as_sent

look_up = socket.getaddrinfo

def slowly(host, *args, **kwargs):
    # A busy machine, or a network: connections take up to half a window.
    time.sleep(random.Random(time.monotonic()).uniform(0, float(slowness)))
    return look_up(host, *args, **kwargs)

async def main(path, window, count, url):
    clock = SystemClock()
    log = RequestLog(clock)
    rate_limiter = SharedRateLimiter(clock, [Path(path)], url, note=log.note, window=float(window))
    token = SecretStr("cfc_0123456789abcdef")
    session = Session(url, token, timeout=30, rate_limiter=rate_limiter, log=log, clock=clock)
    async def keep_asking():
        for _ in range(int(count)):
            await session.get("/v1/runner", as_sent())
    await asyncio.gather(keep_asking(), keep_asking())
    await session.aclose()
    rate_limiter.close()

*rest, slowness = sys.argv[1:]
socket.getaddrinfo = slowly
asyncio.run(main(*rest))
"""


class Server:
    """Notes when requests arrive; every answer ends its connection."""

    def __init__(self) -> None:
        self.arrivals: list[float] = []
        arrivals = self.arrivals

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                arrivals.append(time.monotonic())
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_args: object) -> None:
                """Say nothing."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def port(self) -> int:
        return self.http.server_address[1]

    def busiest(self) -> int:
        """The most that a window held."""
        return max(sum(0 <= at - first <= WINDOW for at in self.arrivals) for first in self.arrivals)


@contextmanager
def counting() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.http.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.http.shutdown()
        thread.join()
        server.http.server_close()


def ask(path: Path, server: Server, hosts: list[str], count: int, slowness: float) -> None:
    """Ask from a process for each host, twice as often as `count` each."""
    started = [
        subprocess.Popen(
            [
                sys.executable,
                "-c",
                ASK,
                str(path),
                str(WINDOW),
                str(count),
                f"http://{host}:{server.port}",
                str(slowness),
            ]
        )
        for host in hosts
    ]
    try:
        assert [process.wait(50) for process in started] == [0] * len(hosts)
    finally:
        for process in started:
            process.kill()
            process.wait()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "budget.sqlite"


def test_processes_that_connect_slowly_stay_within_the_share(path: Path) -> None:
    with counting() as server:
        ask(path, server, ["localhost", "LOCALHOST", "127.0.0.1"], count=8, slowness=0.5 * WINDOW)
        assert len(server.arrivals) == 48
        assert server.busiest() <= 20


def test_processes_whose_file_is_removed_again_and_again_spend_little(path: Path) -> None:
    over = threading.Event()

    def remove() -> None:
        while not over.wait(0.01):
            path.unlink(missing_ok=True)

    remover = threading.Thread(target=remove)
    remover.start()
    try:
        with counting() as server:
            ask(path, server, ["localhost"] * 4, count=5, slowness=0.0)
            assert len(server.arrivals) == 40
            assert server.busiest() <= 4 * SOLO_LIMIT
    finally:
        over.set()
        remover.join()
