"""Requests to a ComfyUI server with secret headers, which no error may contain."""

from __future__ import annotations

import asyncio
import contextlib
import traceback
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from comfytui.config.settings import Server
from comfytui.gateway.comfyui.client import ComfyUIClient
from comfytui.gateway.comfyui.errors import ComfyUIError
from tests.support.listener import Listener

__all__ = ["PROMPT", "SECRET", "answering_at_once", "client_of", "problem_at"]

SECRET = "Basic aHVudGVyMg=="
PROMPT = {"exec_info": {"queue_remaining": 0}}


def server_at(url: str) -> Server:
    return Server(url, "gpu", {"Authorization": SecretStr(SECRET), "X-Door": SecretStr(SECRET)})


@contextlib.asynccontextmanager
async def client_of(url: str, seconds: float = 5.0, ca_bundle: Path | None = None) -> AsyncIterator[ComfyUIClient]:
    async with contextlib.aclosing(ComfyUIClient(server_at(url), timeout=seconds, ca_bundle=ca_bundle)) as client:
        yield client


async def problem_at(
    url: str, path: str = "/prompt", seconds: float = 5.0, ca_bundle: Path | None = None
) -> ComfyUIError:
    async with client_of(url, seconds, ca_bundle) as client:
        with pytest.raises(ComfyUIError) as caught:
            await client.get(path)
    shown = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
    assert SECRET not in shown
    assert caught.value.__context__ is None
    return caught.value


@contextlib.asynccontextmanager
async def answering_at_once(data: bytes, heard: list[bytes] | None = None) -> AsyncIterator[str]:
    """The host and port of a server that sends these bytes, whatever it is asked, and closes the connection.

    Args:
        data: What it sends.
        heard: Gets what it is sent.
    """

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.read(1024)
        if heard is not None:
            heard.append(asked)
        writer.write(data)
        await writer.drain()

    async with Listener(answer) as server:
        yield f"127.0.0.1:{server.port}"
