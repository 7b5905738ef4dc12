from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from comfytui.cli.checks.certificate import (
    Certificate,
    distrust,
    look_at_certificate,
    no_certificate,
    read_certificate,
    tell,
    unreadable,
    unusable_directories,
)
from comfytui.cli.checks.check import Check, Result
from comfytui.cli.checks.network import Address, address_of
from comfytui.cli.exit_codes import ExitStatus
from comfytui.config.paths import shown
from tests.support.clock import START
from tests.support.listener import Listener
from tests.support.scripted import ScriptedServer

TLS = Path(__file__).parents[2] / "fixtures" / "tls"
AUTHORITY = TLS / "authority.pem"
NOW = START.timestamp()
DAY = 86_400


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
async def secure() -> AsyncIterator[ScriptedServer]:
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(TLS / "localhost.pem")
    async with ScriptedServer(tls) as server:
        yield server


async def look(address: Address, ca_bundle: Path | None = AUTHORITY, seconds: float = 5.0, *more: str) -> Check:
    addresses = (*more, "127.0.0.1")
    return await look_at_certificate(address, addresses, ca_bundle, {}, seconds, NOW)


async def test_one_that_is_trusted(secure: ScriptedServer) -> None:
    check = await look(address_of(secure.url))
    assert check.result is Result.OK
    assert check.found.startswith("TLSv1.3, certificate of localhost, by comfytui tests, good for 36")
    assert check.found.endswith(f"; trusted by ca_bundle, {AUTHORITY}")
    assert secure.requests == []


async def test_the_next_address_is_tried_where_the_first_gives_no_connection(secure: ScriptedServer) -> None:
    assert (await look(address_of(secure.url), AUTHORITY, 5.0, "::1")).result is Result.OK


async def test_one_that_is_not_trusted(secure: ScriptedServer) -> None:
    check = await look(address_of(secure.url), None)
    assert (check.result, check.status) == (Result.FAIL, ExitStatus.UNREACHABLE)
    assert check.found.startswith("TLS: the server's certificate is not trusted")
    assert "ca_bundle" in check.remedy


async def test_one_of_another_host(secure: ScriptedServer) -> None:
    check = await look(replace(address_of(secure.url), host="127.0.0.1"))
    assert check.result is Result.FAIL
    assert "IP address mismatch" in check.found
    assert "is the address right" in check.remedy


@pytest.mark.parametrize(
    ("ca_bundle", "environ", "source"),
    [
        (Path("/nowhere.pem"), {}, "ca_bundle, /nowhere.pem"),
        (Path(__file__), {"SSL_CERT_FILE": str(AUTHORITY)}, f"ca_bundle, {__file__}"),
        (None, {"SSL_CERT_FILE": "/nowhere.pem"}, "SSL_CERT_FILE"),
        (None, {"SSL_CERT_DIR": "/nowhere"}, "SSL_CERT_DIR"),
    ],
    ids=["no file", "no certificates", "SSL_CERT_FILE", "SSL_CERT_DIR"],
)
def test_certificates_that_cannot_be_read(ca_bundle: Path | None, environ: dict[str, str], source: str) -> None:
    check = distrust(ca_bundle, environ)
    assert check is not None
    assert (check.result, check.found) == (Result.FAIL, f"{source} names no certificates that can be read")
    assert check.remedy


@pytest.mark.parametrize(
    ("ca_bundle", "environ"),
    [
        (None, {}),
        (AUTHORITY, {"SSL_CERT_FILE": "/nowhere.pem"}),
        (None, {"SSL_CERT_FILE": str(AUTHORITY)}),
        (None, {"SSL_CERT_DIR": str(TLS)}),
    ],
)
def test_certificates_that_can_be_read(ca_bundle: Path | None, environ: dict[str, str]) -> None:
    assert distrust(ca_bundle, environ) is None
    assert unreadable(ca_bundle, environ) == ""


async def plain_http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """As servers do that take the greeting of TLS for a bad request."""
    await reader.read(1)
    writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")


async def test_a_server_that_speaks_plain_http() -> None:
    async with Listener(plain_http) as server:
        check = await look(Address("https", "localhost", server.port))
    assert (check.result, check.status) == (Result.FAIL, ExitStatus.UNREACHABLE)
    assert check.found == "it speaks plain http there, not https"
    assert "http://" in check.remedy


async def test_one_that_waits_for_the_rest_of_a_request() -> None:
    async with ScriptedServer() as plain:
        check = await look(replace(address_of(plain.url), scheme="https"), AUTHORITY, 0.2)
        assert [request.headers.get("authorization") for request in plain.requests] == [None]
    assert check.found == "it speaks plain http there, not https"


async def test_one_that_says_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        check = await look(Address("https", "localhost", silent.getsockname()[1]), AUTHORITY, 0.05)
    assert (check.result, check.status) == (Result.FAIL, ExitStatus.UNREACHABLE)
    assert check.found == "no handshake within 0.05 s"


async def test_nothing_that_listens() -> None:
    async with ScriptedServer() as gone:
        address = replace(address_of(gone.url), scheme="https")
    check = await look(address)
    assert (check.result, check.status) == (Result.FAIL, ExitStatus.UNREACHABLE)
    assert check.found == "connection refused: nothing listens there"
    assert check.remedy == "is it running, and is the port right?"


@pytest.mark.parametrize(
    ("days", "result"), [(400, Result.OK), (14, Result.OK), (13.9, Result.WARN), (0.5, Result.WARN)]
)
def test_one_that_ends_soon(days: float, result: Result) -> None:
    check = tell(Certificate("host", "authority", NOW + days * DAY), "TLSv1.3", "the public authorities", NOW)
    assert check.result is result
    assert f"good for {int(days)} days; trusted by the public authorities" in check.found


@pytest.mark.parametrize(
    ("names", "name"),
    [
        (((("commonName", "a.example"),), (("organizationName", "A"),)), "a.example"),
        (((("organizationName", "A"),),), "A"),
        ((), "no name"),
        (None, "no name"),
    ],
)
def test_names_of_certificates(names: object, name: str) -> None:
    said = {"subject": names, "issuer": names, "notAfter": "Nov 21 14:00:00 2026 GMT"}
    assert read_certificate(said) == Certificate(name, name, NOW)


@pytest.mark.parametrize(("host", "result"), [("127.0.0.1", Result.OK), ("192.0.2.1", Result.WARN)])
def test_plain_http(host: str, result: Result) -> None:
    assert no_certificate(Address("http", host, 80)).result is result


def test_unusable_entries_of_a_list_of_directories_are_named_and_the_others_count(tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    check = unusable_directories(None, {"SSL_CERT_DIR": f"{tmp_path}:{nowhere}"})
    assert check is not None
    assert check.result is Result.WARN
    assert check.found == f"SSL_CERT_DIR: cannot use {shown(nowhere)}; the other entries count"
    for environ in ({}, {"SSL_CERT_DIR": str(tmp_path)}, {"SSL_CERT_DIR": str(nowhere)}):
        assert unusable_directories(None, environ) is None
    assert unusable_directories(tmp_path, {"SSL_CERT_DIR": f"{tmp_path}:{nowhere}"}) is None
