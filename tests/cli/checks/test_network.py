from __future__ import annotations

import socket
import threading
from collections.abc import Sequence

import pytest

from comfytui.api.proxies import proxy_variable
from comfytui.cli.checks.check import Result
from comfytui.cli.checks.network import Address, Resolver, address_of, look_up, no_proxy_flaw, proxy, resolve
from comfytui.cli.exit_codes import ExitStatus
from comfytui.redaction import MASK
from tests.support.clock import FakeClock

API = Address("https", "api.example.com", 443)
URL = "https://api.example.com"


@pytest.mark.parametrize(
    ("url", "address"),
    [
        (URL, API),
        ("https://me:secret@API.example.com:8443/prefix", Address("https", "api.example.com", 8443)),
        ("http://[::1]", Address("http", "::1", 80)),
    ],
)
def test_the_address_of_an_api(url: str, address: Address) -> None:
    assert address_of(url) == address


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
async def test_a_host_that_is_found(addresses: tuple[str, ...], found: str) -> None:
    lookup = await look_up(API, FakeClock(), 5.0, resolver=finding(*addresses))
    assert lookup.addresses == addresses
    assert (lookup.check.result, lookup.check.found) == (Result.OK, found)


async def test_an_address_needs_no_looking_up() -> None:
    lookup = await look_up(Address("http", "127.0.0.1", 80), FakeClock(), 5.0, resolver=resolve)
    assert lookup.addresses == ("127.0.0.1",)
    assert lookup.check.found == "127.0.0.1 needs no looking up"


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
async def test_a_host_that_is_not_found(resolver: Resolver, words: str) -> None:
    lookup = await look_up(API, FakeClock(), 5.0, resolver=resolver)
    assert lookup.addresses == ()
    assert (lookup.check.result, lookup.check.status) == (Result.FAIL, ExitStatus.UNREACHABLE)
    assert words in lookup.check.found
    by_proxy = await look_up(API, FakeClock(), 5.0, resolver=resolver, by_proxy=True)
    assert by_proxy.check.result is Result.OK


async def test_a_resolver_that_hangs_holds_nobody_up() -> None:
    release = threading.Event()

    def hanging(_host: str, _port: int) -> Sequence[str]:
        release.wait()
        return ()

    try:
        lookup = await look_up(API, FakeClock(), 0.05, resolver=hanging)
    finally:
        release.set()
    assert lookup.check.result is Result.FAIL
    assert lookup.check.found == "api.example.com: no answer within 0.05 s"


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
def test_which_proxy_applies(url: str, variables: dict[str, str], name: str) -> None:
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
def test_what_is_told_of_proxies(variables: dict[str, str], found: str) -> None:
    check = proxy(URL, variables)
    assert (check.result, check.found) == (Result.OK, found)


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
def test_a_proxy_that_cannot_be_used(name: str, value: str) -> None:
    check = proxy(URL, {name: value})
    assert (check.result, check.found) == (Result.FAIL, f"{name} names no proxy that can be used")
    assert check.remedy == f"set it to http://HOST:PORT, or unset {name}"
    assert proxy("http://127.0.0.1:1", {name: value}).result is Result.OK


def test_unusable_proxy_for_other_addresses_is_a_warning() -> None:
    check = proxy(URL, {"http_proxy": "ftp://proxy", "HTTPS_PROXY": "http://proxy", "NO_PROXY": "b.example.org"})
    assert (check.result, check.found) == (Result.OK, "HTTPS_PROXY applies: http://proxy")
    check = proxy(URL, {"http_proxy": "ftp://proxy"})
    assert check.result is Result.WARN
    assert (
        check.found == "none for this address; set for others: http_proxy; http_proxy names no proxy that can be used"
    )


def test_unusable_entries_of_no_proxy_are_named() -> None:
    check = proxy(URL, {"HTTPS_PROXY": "http://proxy", "NO_PROXY": "10.0.0.0/33 me:s3cret@host, 10.0.0.0/8"})
    assert check.result is Result.WARN
    assert check.found == (
        f"HTTPS_PROXY applies: http://proxy; NO_PROXY: cannot use '10.0.0.0/33', '{MASK}@host'; the other entries count"
    )
    assert "s3cret" not in check.found
    assert check.remedy.startswith("correct or remove")


def test_many_long_unusable_entries_are_told_in_short() -> None:
    check = no_proxy_flaw({"no_proxy": ",".join(f"{'$' * 100}{place}" for place in range(8))})
    assert check is not None
    assert check.found.endswith("and 3 more; the other entries count")
    assert len(check.found) < 450
    assert no_proxy_flaw({"no_proxy": "10.0.0.0/8, [::1]"}) is None
