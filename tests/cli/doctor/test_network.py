from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from comfytui.api.proxies import proxy_variable
from comfytui.cli.doctor.check import Check, Result
from comfytui.cli.doctor.network import (
    Certificate,
    Endpoint,
    Resolver,
    check_ca_bundle,
    check_certificate,
    check_certificate_directories,
    check_dns,
    check_no_proxy,
    check_plain_http,
    check_proxy,
    describe_certificate,
    parse_certificate,
    parse_endpoint,
    resolve_host,
    unreadable_ca_source,
)
from comfytui.cli.exit_codes import ExitCode
from comfytui.config.paths import display_path
from comfytui.redaction import MASK
from tests.support.clock import START, FakeClock
from tests.support.listener import Listener
from tests.support.scripted import ScriptedServer

ENDPOINT = Endpoint("https", "api.example.com", 443)
URL = "https://api.example.com"


@pytest.mark.parametrize(
    ("url", "address"),
    [
        (URL, ENDPOINT),
        ("https://me:secret@API.example.com:8443/prefix", Endpoint("https", "api.example.com", 8443)),
        ("http://[::1]", Endpoint("http", "::1", 80)),
    ],
)
def test_endpoint_is_parsed(url: str, address: Endpoint) -> None:
    assert parse_endpoint(url) == address


def finding(*addresses: str) -> Resolver:
    return lambda _host, _port: addresses


def failing(error: Exception) -> Resolver:
    def resolver(_host: str, _port: int) -> Sequence[str]:
        raise error

    return resolver


@pytest.mark.parametrize(
    ("addresses", "found"),
    [
        (("192.0.2.1",), "api.example.com is 192.0.2.1, found in 0 ms"),
        (("2001:db8::1", "192.0.2.1", "192.0.2.2"), "api.example.com is 2001:db8::1 and 2 more, found in 0 ms"),
    ],
)
async def test_dns_found_host_is_ok(addresses: tuple[str, ...], found: str) -> None:
    lookup = await check_dns(ENDPOINT, FakeClock(), 5.0, resolver=finding(*addresses))
    assert lookup.addresses == addresses
    assert (lookup.check.result, lookup.check.detail) == (Result.OK, found)


async def test_dns_address_needs_no_lookup() -> None:
    lookup = await check_dns(Endpoint("http", "127.0.0.1", 80), FakeClock(), 5.0, resolver=resolve_host)
    assert lookup.addresses == ("127.0.0.1",)
    assert lookup.check.detail == "127.0.0.1 is an address and needs no lookup"


@pytest.mark.parametrize(
    ("resolver", "words"),
    [
        (failing(socket.gaierror(socket.EAI_NONAME, "unknown")), "no such host"),
        (failing(socket.gaierror(socket.EAI_AGAIN, "again")), "cannot be looked up now"),
        (failing(UnicodeError("label too long")), "no such host"),
        (finding(), "no such host"),
    ],
    ids=["unknown", "again", "unspeakable", "nowhere"],
)
async def test_dns_unknown_host_fails_unless_proxied(resolver: Resolver, words: str) -> None:
    lookup = await check_dns(ENDPOINT, FakeClock(), 5.0, resolver=resolver)
    assert lookup.addresses == ()
    assert (lookup.check.result, lookup.check.status) == (Result.FAIL, ExitCode.UNREACHABLE)
    assert words in lookup.check.detail
    by_proxy = await check_dns(ENDPOINT, FakeClock(), 5.0, resolver=resolver, via_proxy=True)
    assert by_proxy.check.result is Result.OK


async def test_dns_hanging_resolver_times_out() -> None:
    release = threading.Event()

    def hanging(_host: str, _port: int) -> Sequence[str]:
        release.wait()
        return ()

    try:
        lookup = await check_dns(ENDPOINT, FakeClock(), 0.05, resolver=hanging)
    finally:
        release.set()
    assert lookup.check.result is Result.FAIL
    assert lookup.check.detail == "api.example.com: no answer within 0.05 s"


@pytest.mark.parametrize(
    ("url", "variables", "name"),
    [
        (URL, {}, ""),
        (URL, {"HTTPS_PROXY": "http://proxy:3128"}, "HTTPS_PROXY"),
        (URL, {"HTTPS_PROXY": "http://proxy:3128", "https_proxy": "http://proxy:3128"}, "https_proxy"),
        (URL, {"HTTPS_PROXY": " ", "ALL_PROXY": "socks5://proxy"}, "ALL_PROXY"),
        (URL, {"HTTP_PROXY": "http://proxy:3128"}, ""),
        ("http://api.example.com", {"HTTP_PROXY": "http://proxy:3128"}, "HTTP_PROXY"),
        (URL, {"HTTPS_PROXY": "http://proxy", "NO_PROXY": "other.com, .example.com"}, ""),
        (URL, {"HTTPS_PROXY": "http://proxy", "no_proxy": "API.example.com"}, ""),
        (URL, {"HTTPS_PROXY": "http://proxy", "no_proxy": "*"}, ""),
        (URL, {"HTTPS_PROXY": "http://proxy", "NO_PROXY": "::bad, [fd00::1] .EXAMPLE.com"}, ""),
        ("https://[fd00::7]", {"HTTPS_PROXY": "http://proxy", "NO_PROXY": "fd00::/8"}, ""),
        ("https://10.1.2.3", {"ALL_PROXY": "http://proxy", "NO_PROXY": "10.0.0.0/8"}, ""),
        (URL, {"HTTPS_PROXY": "http://proxy", "no_proxy": "xample.com,"}, "HTTPS_PROXY"),
        ("https://api.example.com:8443", {"HTTPS_PROXY": "x", "no_proxy": "api.example.com:8443"}, ""),
        ("http://127.0.0.1:8787", {"HTTP_PROXY": "http://proxy"}, ""),
        ("http://api.localhost:8787", {"HTTP_PROXY": "http://proxy"}, ""),
    ],
)
def test_proxy_variable_in_use_is_chosen(url: str, variables: dict[str, str], name: str) -> None:
    assert proxy_variable(url, variables) == name


@pytest.mark.parametrize(
    ("variables", "found"),
    [
        ({}, "none"),
        ({"HTTP_PROXY": "http://proxy"}, "none for this address; set for others: HTTP_PROXY"),
        ({"HTTPS_PROXY": "http://me:s3cret@proxy:3128"}, "HTTPS_PROXY applies: http://••••••••@proxy:3128"),
        ({"HTTPS_PROXY": "me:s3cret@proxy:3128"}, "HTTPS_PROXY applies: http://••••••••@proxy:3128"),
        ({"https_proxy": "https://[::1]:3128/s3cret?s3cret"}, "https_proxy applies: https://[::1]:3128"),
        ({"HTTPS_PROXY": "ftp://proxy", "NO_PROXY": "*"}, "none for this address; set for others: HTTPS_PROXY"),
    ],
)
def test_proxy_in_use_is_described_without_login(variables: dict[str, str], found: str) -> None:
    check = check_proxy(URL, variables)
    assert (check.result, check.detail) == (Result.OK, found)


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
@pytest.mark.parametrize(
    "value",
    [
        "socks5://me:s3cret@proxy:1080",
        "ftp://proxy",
        "//me:s3cret@proxy:1",
        "http://me:s3cret@[bad",
        "http://me:s3/cret@proxy",
        "http://a b:1",
        "http://proxy:0",
        "http://",
    ],
)
def test_proxy_unusable_fails(name: str, value: str) -> None:
    check = check_proxy(URL, {name: value})
    assert (check.result, check.detail) == (Result.FAIL, f"{name} names no proxy that can be used")
    assert check.hint == "set it to http://HOST:PORT, or unset it"
    assert check_proxy("http://127.0.0.1:1", {name: value}).result is Result.OK


def test_proxy_unusable_for_other_addresses_warns() -> None:
    check = check_proxy(URL, {"http_proxy": "ftp://proxy", "HTTPS_PROXY": "http://proxy", "NO_PROXY": "b.example.org"})
    assert (check.result, check.detail) == (Result.OK, "HTTPS_PROXY applies: http://proxy")
    check = check_proxy(URL, {"http_proxy": "ftp://proxy"})
    assert check.result is Result.WARN
    assert (
        check.detail == "none for this address; set for others: http_proxy; http_proxy names no proxy that can be used"
    )


def test_no_proxy_unusable_entries_are_named() -> None:
    check = check_proxy(URL, {"HTTPS_PROXY": "http://proxy", "NO_PROXY": "10.0.0.0/33 me:s3cret@host, 10.0.0.0/8"})
    assert check.result is Result.WARN
    assert check.detail == (
        f"HTTPS_PROXY applies: http://proxy; NO_PROXY: cannot use '10.0.0.0/33', '{MASK}@host'; the other entries count"
    )
    assert "s3cret" not in check.detail
    assert check.hint.startswith("correct or remove")


def test_no_proxy_long_entries_are_shortened() -> None:
    check = check_no_proxy({"no_proxy": ",".join(f"{'$' * 100}{index}" for index in range(8))})
    assert check is not None
    assert check.detail.endswith("and 3 more; the other entries count")
    assert len(check.detail) < 450
    assert check_no_proxy({"no_proxy": "10.0.0.0/8, [::1]"}) is None


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


async def check_tls(address: Endpoint, ca_bundle: Path | None = AUTHORITY, timeout_s: float = 5.0, *more: str) -> Check:
    addresses = (*more, "127.0.0.1")
    return await check_certificate(address, addresses, ca_bundle, {}, timeout_s, NOW)


async def test_certificate_trusted_is_described(secure: ScriptedServer) -> None:
    check = await check_tls(parse_endpoint(secure.url))
    assert check.result is Result.OK
    assert check.detail.startswith("TLSv1.3, certificate of localhost, issued by comfytui tests, valid for 36")
    assert check.detail.endswith(f"; trusted by ca_bundle, {AUTHORITY}")
    assert secure.requests == []


async def test_certificate_other_family_is_tried(secure: ScriptedServer) -> None:
    assert (await check_tls(parse_endpoint(secure.url), AUTHORITY, 5.0, "::1")).result is Result.OK


async def test_certificate_untrusted_fails(secure: ScriptedServer) -> None:
    check = await check_tls(parse_endpoint(secure.url), None)
    assert (check.result, check.status) == (Result.FAIL, ExitCode.UNREACHABLE)
    assert check.detail.startswith("TLS: the server's certificate is not trusted")
    assert "ca_bundle" in check.hint


async def test_certificate_of_another_host_fails(secure: ScriptedServer) -> None:
    check = await check_tls(replace(parse_endpoint(secure.url), host="127.0.0.1"))
    assert check.result is Result.FAIL
    assert "IP address mismatch" in check.detail
    assert "check the address" in check.hint


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
def test_ca_bundle_unreadable_fails(ca_bundle: Path | None, environ: dict[str, str], source: str) -> None:
    check = check_ca_bundle(ca_bundle, environ)
    assert check is not None
    assert (check.result, check.detail) == (Result.FAIL, f"{source} names no certificates that can be read")
    assert check.hint


@pytest.mark.parametrize(
    ("ca_bundle", "environ"),
    [
        (None, {}),
        (AUTHORITY, {"SSL_CERT_FILE": "/nowhere.pem"}),
        (None, {"SSL_CERT_FILE": str(AUTHORITY)}),
        (None, {"SSL_CERT_DIR": str(TLS)}),
    ],
)
def test_ca_bundle_readable_is_ok(ca_bundle: Path | None, environ: dict[str, str]) -> None:
    assert check_ca_bundle(ca_bundle, environ) is None
    assert unreadable_ca_source(ca_bundle, environ) == ""


async def plain_http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Refuse a TLS handshake as servers without TLS do."""
    await reader.read(1)
    writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")


async def test_certificate_of_plain_http_server_fails() -> None:
    async with Listener(plain_http) as server:
        check = await check_tls(Endpoint("https", "localhost", server.port))
    assert (check.result, check.status) == (Result.FAIL, ExitCode.UNREACHABLE)
    assert check.detail == "the server speaks plain http, not https"
    assert "http://" in check.hint


async def test_certificate_silent_server_times_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        check = await check_tls(Endpoint("https", "localhost", silent.getsockname()[1]), AUTHORITY, 0.05)
    assert (check.result, check.status) == (Result.FAIL, ExitCode.UNREACHABLE)
    assert check.detail == "no handshake within 0.05 s"


async def test_certificate_refused_connection_fails() -> None:
    async with ScriptedServer() as gone:
        address = replace(parse_endpoint(gone.url), scheme="https")
    check = await check_tls(address)
    assert (check.result, check.status) == (Result.FAIL, ExitCode.UNREACHABLE)
    assert check.detail == "connection refused: nothing listens there"
    assert check.hint == "is it running, and is the port right?"


@pytest.mark.parametrize(
    ("days", "result"), [(400, Result.OK), (14, Result.OK), (13.9, Result.WARN), (0.5, Result.WARN)]
)
def test_certificate_expiring_soon_warns(days: float, result: Result) -> None:
    check = describe_certificate(
        Certificate("host", "authority", NOW + days * DAY), "TLSv1.3", "the public authorities", NOW
    )
    assert check.result is result
    assert f"valid for {int(days)} days; trusted by the public authorities" in check.detail


@pytest.mark.parametrize(
    ("names", "name"),
    [
        (((("commonName", "a.example"),), (("organizationName", "A"),)), "a.example"),
        (((("organizationName", "A"),),), "A"),
        ((), "no name"),
        (None, "no name"),
    ],
)
def test_certificate_names_are_parsed(names: object, name: str) -> None:
    said = {"subject": names, "issuer": names, "notAfter": "Nov 21 14:00:00 2026 GMT"}
    assert parse_certificate(said) == Certificate(name, name, NOW)


@pytest.mark.parametrize(("host", "result"), [("127.0.0.1", Result.OK), ("192.0.2.1", Result.WARN)])
def test_plain_http_warns_beyond_this_machine(host: str, result: Result) -> None:
    assert check_plain_http(Endpoint("http", host, 80)).result is result


def test_certificate_directories_unusable_entries_are_named(tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    check = check_certificate_directories(None, {"SSL_CERT_DIR": f"{tmp_path}:{nowhere}"})
    assert check is not None
    assert check.result is Result.WARN
    assert check.detail == f"SSL_CERT_DIR: cannot use {display_path(nowhere)}; the other entries count"
    for environ in ({}, {"SSL_CERT_DIR": str(tmp_path)}, {"SSL_CERT_DIR": str(nowhere)}):
        assert check_certificate_directories(None, environ) is None
    assert check_certificate_directories(tmp_path, {"SSL_CERT_DIR": f"{tmp_path}:{nowhere}"}) is None
