from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import shutil
import ssl
import traceback
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from comfytui.api import errors
from comfytui.api.session import Session
from tests.support.listener import Listener
from tests.support.reading import as_sent
from tests.support.scripted import ScriptedServer, error_reply, json_reply, response

TOKEN = "cfc_t0ken0123456789"
PATH = "/v1/runner"
OK = json_reply({"ok": True})

TLS = Path(__file__).parent.parent / "fixtures" / "tls"
AUTHORITY = TLS / "authority.pem"
# What OpenSSL calls the authority's file in a directory.
SUBJECT_HASH = "dc676bcb"
HOSTED = "https://api.example.com"
# The address of none, by which this machine answers too, though it is no loopback address.
NOWHERE = str(ipaddress.IPv4Address(0))
NETWORK = f"{NOWHERE}/8"
ELSEWHERE = "http://runners.example.invalid"


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with ScriptedServer() as server:
        server.on(PATH, OK)
        yield server


@pytest.fixture
async def secure() -> AsyncIterator[ScriptedServer]:
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(TLS / "localhost.pem")
    async with ScriptedServer(tls) as server:
        server.on(PATH, OK)
        yield server


def session_to(url: str, ca_bundle: Path | None = None, insecure_http: bool = False) -> Session:
    return Session(url, SecretStr(TOKEN), timeout=5.0, ca_bundle=ca_bundle, insecure_http=insecure_http)


async def ask(session: Session) -> object:
    async with contextlib.aclosing(session):
        return await session.get(PATH, as_sent())


async def failure(session: Session) -> str:
    with pytest.raises(errors.ConnectionFailedError) as caught:
        await ask(session)
    assert_nothing_is_given_away(caught.value)
    return caught.value.message


def refusal(url: str, ca_bundle: Path | None = None) -> str:
    with pytest.raises(errors.InvalidArgumentError) as caught:
        session_to(url, ca_bundle)
    assert_nothing_is_given_away(caught.value)
    return str(caught.value)


def assert_nothing_is_given_away(error: BaseException) -> None:
    shown = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    assert TOKEN not in shown
    assert "hunter2" not in repr(error)
    assert error.__context__ is None


class TestAddresses:
    @pytest.mark.parametrize(
        "url",
        [
            "",
            "api.example.com",
            "//api.example.com",
            "ftp://api.example.com",
            "http://",
            "https:///v1",
            "http://two words",
            "http://.example.com",
            f"http://{'a' * 64}.example.com",
            "http://xn--a",
            "http://[::1",
            "http://host:port",
            "http://host:0",
            "http://host:65536",
            "http://host\n",
            "http://host/?page=1",
            "http://host/#top",
            "https://someone:hunter2@host",
            "https://hunter2@host",
        ],
    )
    def test_unusable_base_urls_are_refused(self, url: str) -> None:
        assert refusal(url).startswith("the API address ")

    @pytest.mark.parametrize(
        "url", [HOSTED, "https://Host:8787/prefix/", "http://[::1]:8787", "https://my_box.", "https://bücher.de"]
    )
    async def test_usable_base_urls_are_accepted(self, url: str) -> None:
        await session_to(url).aclose()


class TestTokens:
    @pytest.mark.parametrize("token", ["", " ", "two words", "cfc_x\n", "cfc_x\r\nX-Evil: 1", "cfc_ü", "cfc_\x00"])
    def test_token_that_no_header_can_carry_is_refused(self, token: str) -> None:
        with pytest.raises(errors.InvalidArgumentError, match="API token") as caught:
            Session(HOSTED, SecretStr(token))
        assert not token.strip() or token not in str(caught.value)

    @pytest.mark.parametrize(
        "url", ["http://api.example.com", "HTTP://10.0.0.7:8787", "http://localhost.example.com", "http://[fe80::1]"]
    )
    def test_token_is_not_sent_unencrypted(self, url: str) -> None:
        words = refusal(url)
        assert "--insecure-http" in words
        assert httpx.URL(url).host in words

    async def test_token_is_sent_unencrypted_with_insecure_http(
        self, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HTTP_PROXY", server.url)
        server.on(f"{ELSEWHERE}{PATH}", OK)
        await ask(session_to(ELSEWHERE, insecure_http=True))
        assert server.requests[0].headers["authorization"] == f"Bearer {TOKEN}"

    @pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://127.9.9.9", "http://[::1]", "http://localhost"])
    async def test_token_may_be_sent_unencrypted_to_loopback(self, url: str) -> None:
        await session_to(url).aclose()


class TestProxies:
    async def test_other_machines_are_asked_through_it(
        self, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HTTP_PROXY", server.url)
        server.on(f"{ELSEWHERE}{PATH}", OK)
        assert await ask(session_to(ELSEWHERE, insecure_http=True)) == {"ok": True}
        assert server.requests[0].headers["host"] == "runners.example.invalid"

    async def test_hosts_of_no_proxy_bypass_the_proxy(
        self, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with ScriptedServer() as proxy:
            monkeypatch.setenv("HTTP_PROXY", proxy.url)
            monkeypatch.setenv("NO_PROXY", NOWHERE)
            unproxied = server.url.replace("127.0.0.1", NOWHERE)
            assert await ask(session_to(unproxied, insecure_http=True)) == {"ok": True}
            assert proxy.connections == 0

    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
    async def test_this_machine_is_never_asked_through_it(
        self, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, host: str
    ) -> None:
        async with ScriptedServer() as proxy:
            monkeypatch.setenv("HTTP_PROXY", proxy.url)
            monkeypatch.setenv("ALL_PROXY", proxy.url)
            assert await ask(session_to(server.url.replace("127.0.0.1", host))) == {"ok": True}
            assert proxy.connections == 0

    async def test_refusing_proxy_is_reported(self, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HTTPS_PROXY", server.url)
        server.on("api.example.com:443", error_reply(403, "no"))
        assert await failure(session_to(HOSTED)) == "the proxy did not let the request through"
        assert (server.requests[0].method, server.requests[0].path) == ("CONNECT", "api.example.com:443")
        assert "authorization" not in server.requests[0].headers

    def test_one_that_is_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HTTPS_PROXY", "gopher://someone:hunter2@proxy")
        assert refusal(HOSTED) == "HTTPS_PROXY names no proxy that can be used"

    async def test_unusable_proxy_for_other_addresses_is_not_in_the_way(
        self, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HTTP_PROXY", server.url)
        monkeypatch.setenv("ALL_PROXY", "gopher://proxy")
        server.on(f"{ELSEWHERE}{PATH}", OK)
        assert await ask(session_to(ELSEWHERE, insecure_http=True)) == {"ok": True}

    @pytest.mark.parametrize(
        "excepted",
        [NETWORK, f"not/usable [::1 {NETWORK}", f"{NOWHERE}:{{port}}", f"fd00::/8, {NETWORK}:{{port}} ", "0.*"],
    )
    async def test_token_never_goes_to_the_proxy_for_an_excepted_host(
        self, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, excepted: str
    ) -> None:
        async with ScriptedServer() as proxy:
            for name in ("HTTP_PROXY", "ALL_PROXY"):
                monkeypatch.setenv(name, proxy.url)
            monkeypatch.setenv("NO_PROXY", excepted.format(port=server.url.rpartition(":")[2]))
            unproxied = server.url.replace("127.0.0.1", NOWHERE)
            assert await ask(session_to(unproxied, insecure_http=True)) == {"ok": True}
            assert proxy.connections == 0

    async def test_entry_for_another_port_excepts_nothing(
        self, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HTTP_PROXY", server.url)
        monkeypatch.setenv("NO_PROXY", "runners.example.invalid:8443")
        server.on(f"{ELSEWHERE}{PATH}", OK)
        assert await ask(session_to(ELSEWHERE, insecure_http=True)) == {"ok": True}


class TestCertificates:
    async def test_a_bundle_is_trusted(self, secure: ScriptedServer) -> None:
        assert await ask(session_to(secure.url, AUTHORITY)) == {"ok": True}

    async def test_a_directory_of_them_is_trusted(self, secure: ScriptedServer, tmp_path: Path) -> None:
        shutil.copy(AUTHORITY, tmp_path / f"{SUBJECT_HASH}.0")
        assert await ask(session_to(secure.url, tmp_path)) == {"ok": True}

    @pytest.mark.parametrize("name", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
    async def test_certificates_of_the_environment_apply_to_loopback(
        self, secure: ScriptedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        shutil.copy(AUTHORITY, tmp_path / f"{SUBJECT_HASH}.0")
        monkeypatch.setenv(name, str(AUTHORITY if name == "SSL_CERT_FILE" else tmp_path))
        assert await ask(session_to(secure.url)) == {"ok": True}

    async def test_a_bundle_comes_before_the_environment(
        self, secure: ScriptedServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", "/nonexistent.pem")
        assert await ask(session_to(secure.url, AUTHORITY)) == {"ok": True}

    async def test_unknown_authority_is_refused(self, secure: ScriptedServer) -> None:
        words = await failure(session_to(secure.url))
        assert words == "TLS: the server's certificate is not trusted (unable to get local issuer certificate)"
        assert secure.requests == []

    async def test_a_certificate_of_another_host(self, secure: ScriptedServer) -> None:
        words = await failure(session_to(secure.url.replace("localhost", "127.0.0.1"), AUTHORITY))
        assert words.startswith("TLS: the server's certificate is not trusted (IP address mismatch")
        assert secure.requests == []

    async def test_no_tls_where_it_is_expected(self) -> None:
        async def answer_plainly(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(response(b"", 400))

        async with Listener(answer_plainly) as plain:
            words = await failure(session_to(f"https://127.0.0.1:{plain.port}"))
        assert words.startswith("TLS: no secure connection")

    @pytest.mark.parametrize("url", [HOSTED, "http://127.0.0.1"])
    @pytest.mark.parametrize("name", ["SSL_CERT_FILE", "SSL_CERT_DIR", "ca_bundle"])
    def test_a_wrong_path_is_a_sentence(self, monkeypatch: pytest.MonkeyPatch, url: str, name: str) -> None:
        wrong = Path("/nonexistent/certificates.pem")
        if name != "ca_bundle":
            monkeypatch.setenv(name, str(wrong))
        words = refusal(url, wrong if name == "ca_bundle" else None)
        assert words == f"{name} names no certificates that can be read: /nonexistent/certificates.pem"

    @pytest.mark.parametrize("content", ["", "no certificate"])
    def test_a_file_without_certificates_is_a_sentence(self, tmp_path: Path, content: str) -> None:
        file = tmp_path / "\x1b[2J.pem"
        file.write_text(content)
        assert refusal(HOSTED, ca_bundle=file).endswith("/␛[2J.pem")
