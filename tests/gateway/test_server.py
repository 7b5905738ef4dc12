"""The gateway on a real socket of the loopback interface, in a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from comfytui.gateway.demo.fleet import DemoFleet
from comfytui.gateway.server import GRACE_SECONDS, ListenError, ServeError, ServeExtraMissingError, serve
from tests.support.clock import FakeClock

TOKEN = "cfc_only_for_tests"

PROGRAM = """
import sys
from pydantic import SecretStr
from comfytui.clock import SystemClock
from comfytui.gateway.server import serve
from comfytui.gateway.demo.fleet import DemoFleet

class Fleet(DemoFleet):
    async def aclose(self):
        print("closed", flush=True)

def announce(line):
    print(line, flush=True)

def main():
    serve(Fleet(SystemClock(), 3), sys.argv[1], 0, SecretStr("cfc_only_for_tests"), announce)

"""
UNTIL_STOPPED = 'main(); print("stopped")'
ON_A_THREAD = "import threading; threading.Thread(target=main, daemon=True).start(); sys.stdin.read()"


@contextlib.asynccontextmanager
async def serving(
    host: str = "127.0.0.1", how: str = UNTIL_STOPPED
) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """A serving process and the URL that it announced."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        PROGRAM + how,
        host,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        line = (await process.stdout.readline()).decode()
        assert line.startswith("Serving on http://")
        yield process, line.removeprefix("Serving on ").strip()
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@pytest.fixture
def taken() -> Iterator[int]:
    """A port of the loopback interface that somebody else listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def serve_on(host: str, port: int) -> None:
    def announce(line: str) -> None:
        pytest.fail(f"{line}, though it should not")

    serve(DemoFleet(FakeClock(), 1), host, port, SecretStr(TOKEN), announce)


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
async def test_server_listens_where_announced_and_closes_the_fleet(stop: signal.Signals) -> None:
    async with serving() as (process, url), httpx.AsyncClient(base_url=url) as client:
        refused = await client.get("/v1/runner")
        assert (refused.status_code, refused.json()["status"]) == (401, 401)
        answer = await client.get("/v1/runner", headers={"Authorization": f"Bearer {TOKEN}"})
        assert answer.json()["total"] == 3
        # The client's connection is still open: stopping does not wait for it.
        process.send_signal(stop)
        printed, complained = await process.communicate()
        assert (process.returncode, printed, complained) == (0, b"closed\nstopped\n", b"")


async def test_open_event_streams_do_not_delay_the_end() -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with serving() as (process, url), httpx.AsyncClient(base_url=url, headers=headers, timeout=30) as client:
        async with client.stream("GET", "/v1/events") as first, client.stream("GET", "/v1/events") as second:
            for stream in (first, second):
                assert await anext(stream.aiter_text())
            began = asyncio.get_running_loop().time()
            process.send_signal(signal.SIGTERM)
            printed, complained = await process.communicate()
            # uvicorn gives open responses five seconds, and then complains.
            assert asyncio.get_running_loop().time() - began < GRACE_SECONDS
        assert (process.returncode, printed, complained) == (0, b"closed\nstopped\n", b"")


async def test_a_signal_right_after_the_announcement_is_not_lost() -> None:
    async with serving("localhost") as (process, url):
        assert url.startswith("http://localhost:")
        process.send_signal(signal.SIGINT)
        _, complained = await process.communicate()
        assert (process.returncode, complained) == (0, b"")


async def test_a_connection_is_kept_for_the_next_poll() -> None:
    async with serving() as (_, url):
        host, port = url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        for _ in range(2):
            writer.write(b"GET /v1/runner HTTP/1.1\r\nHost: gateway\r\n\r\n")
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 401 ")
            length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            await reader.readexactly(int(length.split(b":")[1]))
        writer.close()
        await writer.wait_closed()


async def test_on_a_thread_it_serves_as_well() -> None:
    """Only the main thread has signals; elsewhere somebody else stops the process."""
    async with serving(how=ON_A_THREAD) as (process, url), httpx.AsyncClient(base_url=url) as client:
        assert (await client.get("/v1/runner")).status_code == 401
        await process.communicate(b"")
        assert process.returncode == 0


def test_a_port_in_use_is_one_sentence(taken: int) -> None:
    with pytest.raises(ListenError) as caught:
        serve_on("127.0.0.1", taken)
    assert str(caught.value) == f"Cannot listen on 127.0.0.1:{taken}: Address already in use"
    assert isinstance(caught.value, ServeError)


@pytest.mark.parametrize(
    ("host", "port"),
    [("127.0.0.1", 65_536), ("127.0.0.1", -1), ("192.0.2.1", 0), ("a" * 70 + ".b", 0), ("", 0)],
)
def test_an_address_that_cannot_be_had_is_one_sentence(host: str, port: int) -> None:
    with pytest.raises(ListenError) as caught:
        serve_on(host, port)
    assert str(caught.value).startswith("Cannot listen on ")
    assert "\n" not in str(caught.value)


def test_without_the_extra_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(ServeExtraMissingError) as caught:
        serve_on("127.0.0.1", 0)
    assert "pip install 'comfytui[serve]'" in str(caught.value)
    assert isinstance(caught.value, ServeError)


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
async def test_standard_streams_may_be_closed(closed: str, free_port: int) -> None:
    program = Path(sys.executable).parent / "comfytui"
    command = f'exec "{program}" serve --demo --runners 3 --port {free_port} {closed}'
    process = await asyncio.create_subprocess_exec(
        "/bin/sh", "-c", command, env={**os.environ, "COMFYCONTROL_API_TOKEN": TOKEN}, stderr=asyncio.subprocess.PIPE
    )
    try:
        transport = httpx.AsyncHTTPTransport(retries=12)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{free_port}", transport=transport) as client:
            answer = await client.get("/v1/runner", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30)
        assert answer.json()["total"] == 3
    finally:
        process.terminate()
        _, complained = await process.communicate()
    assert process.returncode == 0
    assert b"Traceback" not in complained


@pytest.fixture
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
