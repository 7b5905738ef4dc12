from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from comfytui.config.settings import Server
from comfytui.gateway.comfyui.client import ComfyUIClient
from comfytui.gateway.comfyui.errors import (
    ResponseTimeoutError,
    ServerUnreachableError,
    TLSNotSupportedError,
    TLSRequiredError,
)
from comfytui.gateway.comfyui.transport import probe_tls, server_headers
from tests.support.comfyui import AUTHORITY, ScriptedComfyUI
from tests.support.comfyui_requests import PROMPT, SECRET, answering_at_once, client_of, problem_at
from tests.support.listener import Listener
from tests.support.scripted import ScriptedServer, json_reply, response

# What OpenSSL calls the authority's file in a directory.
SUBJECT_HASH = "dc676bcb"


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
async def box() -> AsyncIterator[ScriptedComfyUI]:
    async with ScriptedComfyUI() as box:
        yield box


@pytest.fixture
async def scripted() -> AsyncIterator[ScriptedServer]:
    async with ScriptedServer() as scripted:
        yield scripted


@pytest.mark.parametrize("host", ["a..b", f"{'a' * 64}.invalid"])
async def test_no_such_host(host: str) -> None:
    problem = await problem_at(f"http://{host}:8188")
    assert isinstance(problem, ServerUnreachableError)
    assert host not in str(problem)


async def test_a_header_goes_out_once_however_it_is_written() -> None:
    headers = {"Authorization": SecretStr("Basic first"), "authorization": SecretStr(SECRET), "X": SecretStr("1")}
    assert server_headers(Server("http://gpu", "gpu", headers)) == {"authorization": SECRET, "X": "1"}
    heard: list[bytes] = []
    async with (
        answering_at_once(response(b"{}"), heard) as address,
        contextlib.aclosing(ComfyUIClient(Server(f"http://{address}", "gpu", headers))) as client,
    ):
        await client.get("/prompt")
    (request,) = heard
    assert request.lower().count(b"authorization:") == 1
    assert SECRET.encode() in request


class TestProxies:
    async def test_a_proxy_is_not_asked_for_the_neighbourhood(
        self, box: ScriptedComfyUI, scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HTTP_PROXY", scripted.url)
        async with client_of(box.url) as client:
            await client.get("/prompt")
        assert scripted.connections == 0

    async def test_a_proxy_is_asked_for_other_hosts(
        self, scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HTTP_PROXY", scripted.url)
        scripted.on("http://gpu.example.com:8188/prompt", json_reply(PROMPT))
        async with client_of("http://gpu.example.com:8188") as client:
            assert await client.get("/prompt") == PROMPT

    async def test_excepted_network_is_not_asked_through_the_proxy(
        self, scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HTTP_PROXY", scripted.url)
        monkeypatch.setenv("NO_PROXY", "[::1 ,.Example.com:9")
        assert str(await problem_at("http://gpu.example.com:9"))
        assert scripted.connections == 0

    async def test_one_that_is_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HTTP_PROXY", "gopher://someone:hunter2@proxy")
        problem = await problem_at("http://gpu.example.com:8188")
        assert str(problem) == "HTTP_PROXY names no proxy that can be used"


class TestTLS:
    async def test_tls_with_certificates_of_ones_own(self) -> None:
        async with ScriptedComfyUI(tls=True) as box, client_of(box.url, ca_bundle=AUTHORITY) as client:
            assert await client.get("/prompt") == PROMPT

    async def test_plain_http_to_a_server_that_speaks_tls_only(self) -> None:
        async with ScriptedComfyUI(tls=True) as box:
            problem = await problem_at(box.url.replace("https://localhost", "http://127.0.0.1"))
            assert box.requests == []
        assert (type(problem), str(problem)) == (TLSRequiredError, "it speaks TLS only: use https://")

    async def test_a_redirect_to_https(self, box: ScriptedComfyUI) -> None:
        box.wall = response(b"", 308, {"Location": box.url.replace("http:", "https:")})
        assert isinstance(await problem_at(box.url), TLSRequiredError)

    async def test_tls_to_a_server_that_does_not_speak_it(self) -> None:
        async with answering_at_once(response(b"", 400)) as address:
            problem = await problem_at(f"https://{address}")
        assert (type(problem), str(problem)) == (TLSNotSupportedError, "it speaks plain http: use http://")

    async def test_a_certificate_that_is_not_trusted(self) -> None:
        async with ScriptedComfyUI(tls=True) as box:
            problem = await problem_at(box.url)
        assert isinstance(problem, ServerUnreachableError)
        assert str(problem).startswith("TLS: the server's certificate is not trusted")

    async def test_certificates_that_cannot_be_read(self, tmp_path: Path) -> None:
        problem = await problem_at("https://127.0.0.1:1", ca_bundle=tmp_path / "none.pem")
        assert "ca_bundle" in str(problem)

    async def test_a_directory_of_certificates(self, tmp_path: Path) -> None:
        shutil.copy(AUTHORITY, tmp_path / f"{SUBJECT_HASH}.0")
        async with ScriptedComfyUI(tls=True) as box, client_of(box.url, ca_bundle=tmp_path) as client:
            assert await client.get("/prompt") == PROMPT

    async def test_certificates_of_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(AUTHORITY))
        async with ScriptedComfyUI(tls=True) as box, client_of(box.url) as client:
            assert await client.get("/prompt") == PROMPT

    async def test_a_server_that_never_ends_the_handshake_hangs(self) -> None:
        async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()

        async with Listener(swallow) as server:
            problem = await problem_at(f"https://127.0.0.1:{server.port}", seconds=0.2)
        assert (type(problem), str(problem)) == (ResponseTimeoutError, "accepts connections and does not answer")

    async def test_tls_is_probed_without_a_request(self, box: ScriptedComfyUI) -> None:
        async with ScriptedComfyUI(tls=True) as secure, answering_at_once(b"") as plain:
            ports = [int(url.rpartition(":")[2]) for url in (secure.url, plain)]
            assert [await probe_tls("127.0.0.1", port) for port in (*ports, 1)] == [True, False, False]
            assert secure.requests == []
