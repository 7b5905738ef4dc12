"""The gateway's socket among clients that send half of a request, nothing, or no HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import resource
from collections.abc import AsyncIterator

import pytest
import uvicorn
from pydantic import SecretStr

from comfytui.gateway import guard
from comfytui.gateway.app import create_app
from comfytui.gateway.demo.fleet import DemoFleet
from comfytui.gateway.guard import Connections, guarded, report_errors
from tests.support.clock import FakeClock

TOKEN = "cfc_only_for_tests"
WHOLE = f"GET /v1/runner HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode()
HALF = WHOLE[:-2]


class Door:
    """A gateway on a socket, and connections to it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._writers: list[asyncio.StreamWriter] = []

    async def connect(self, sent: bytes = b"", address: str = "127.0.0.1") -> asyncio.StreamReader:
        """Connect from an address of this machine and send this."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port, local_addr=(address, 0))
        self._writers.append(writer)
        writer.write(sent)
        return reader

    def send(self, sent: bytes) -> None:
        """Send more over the first connection."""
        self._writers[0].write(sent)

    def close(self) -> None:
        for writer in self._writers:
            writer.close()


@contextlib.asynccontextmanager
async def authenticator(most: int | None = None) -> AsyncIterator[Door]:
    app = create_app(DemoFleet(FakeClock(), 3), SecretStr(TOKEN))
    http = guarded(Connections(most))
    config = uvicorn.Config(app, port=0, http=http, ws="none", log_config=None, log_level="error", lifespan="off")
    server = uvicorn.Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    opened = Door(server.servers[0].sockets[0].getsockname()[1])
    try:
        yield opened
    finally:
        opened.close()
        await server.shutdown()


async def status_of(reader: asyncio.StreamReader) -> bytes:
    return (await asyncio.wait_for(reader.readline(), 30))[9:12]


async def is_closed(reader: asyncio.StreamReader) -> bool:
    try:
        return await asyncio.wait_for(reader.read(), 30) == b""
    except ConnectionError:
        return True


async def test_half_sent_requests_leave_room_for_others() -> None:
    async with authenticator(most=16) as opened:
        for _ in range(100):
            await opened.connect(HALF)
        assert await status_of(await opened.connect(WHOLE)) == b"200"
        assert await status_of(await opened.connect(WHOLE, "127.0.0.2")) == b"200"


async def test_address_is_limited_to_a_quarter_of_connections() -> None:
    async with authenticator(most=16) as opened:
        client = await opened.connect(WHOLE)
        assert await status_of(client) == b"200"
        half = [await opened.connect(HALF) for _ in range(3)]
        other = await opened.connect(HALF, "127.0.0.2")
        await opened.connect(HALF)
        assert await is_closed(half[0])
        assert not client.at_eof()
        assert not other.at_eof()


async def test_request_that_does_not_arrive_in_time_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "REQUEST_SECONDS", 0.2)
    async with authenticator() as opened:
        for sent in (b"", HALF, b"POST /v1/runner HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf"):
            reader = await opened.connect(sent)
            with contextlib.suppress(ConnectionError):
                await asyncio.wait_for(reader.read(), 30)


async def test_idle_connection_that_was_answered_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "REQUEST_SECONDS", 0.1)
    async with authenticator() as opened:
        reader = await opened.connect(WHOLE)
        assert await status_of(reader) == b"200"
        # Others begin after it, and are dropped before it would be.
        assert await is_closed(await opened.connect())
        assert await is_closed(await opened.connect())
        opened.send(HALF)
        await asyncio.wait_for(reader.read(), 30)


@pytest.mark.parametrize(
    "sent",
    [
        b"\xff\xfe\x00\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20_000 + b"\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    ],
    ids=["bytes", "path", "TLS", "length", "chunk", "headers", "websocket"],
)
async def test_malformed_request_is_refused_without_a_word(
    sent: bytes, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    async with authenticator() as opened:
        reader = await opened.connect(sent)
        with contextlib.suppress(ConnectionError):
            assert (await asyncio.wait_for(reader.readline(), 30))[9:10] in (b"4", b"")
        assert await status_of(await opened.connect(WHOLE)) == b"200"
    assert [record for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")] == []
    assert capfd.readouterr().err == ""


async def test_errors_of_the_loop_are_said_once_a_minute() -> None:
    said: list[str] = []
    loop = asyncio.get_running_loop()
    handle = report_errors(loop, said.append)
    for _ in range(1000):
        handle(loop, {"message": "socket.accept() out of system resource", "exception": OSError(errno.EMFILE, "many")})
    assert said == ["Too many open files: new connections wait. A larger ulimit -n helps."]


@pytest.mark.parametrize(("files", "most"), [(1024, 512), (256, 96), (20, 4), (resource.RLIM_INFINITY, 512)])
def test_fewer_descriptors_mean_fewer_connections(files: int, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _kind: (files, files))
    assert Connections()._most == most
