from __future__ import annotations

import asyncio
import socket
import ssl

import pytest

from tests.support.comfyui_wire import TLS
from tests.support.listener import Listener


async def wait_for_end(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await reader.read()


def server_context() -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(TLS / "localhost.pem")
    return context


@pytest.mark.parametrize("is_tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("steps", range(6))
async def test_close_at_any_step_of_an_accept_closes_the_connection(is_tls: bool, steps: int) -> None:
    listener = Listener(wait_for_end, server_context() if is_tls else None)
    async with listener:
        client = socket.create_connection(("127.0.0.1", listener.port))
        client.settimeout(10)
        for _ in range(steps):
            await asyncio.sleep(0)
    with client:
        try:
            assert client.recv(1) == b""
        except ConnectionResetError:
            assert steps < 2


async def test_bytes_sent_before_the_handler_returns_arrive() -> None:
    async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello" * 100_000)

    async with Listener(greet) as listener:
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        assert len(await reader.read()) == 500_000
        writer.close()
        await writer.wait_closed()
