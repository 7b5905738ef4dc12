from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from ipaddress import IPv4Address

import pytest

from comfytui import hosts
from comfytui.hosts import budget_key, is_loopback, resolve_host


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.10", "::1", "localhost", "LocalHost", "api.localhost"])
def test_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    [
        str(IPv4Address(0)),
        "::",
        "192.168.1.100",
        "example.com",
        "127.0.0.1.example.com",
        "localhost.example.com",
        "notlocalhost",
        "",
    ],
)
def test_not_loopback(host: str) -> None:
    assert not is_loopback(host)


def found(*addresses: str) -> Callable[..., tuple[str, ...]]:
    """A resolver that knows these addresses for every name."""

    def resolve(host: str, *, numeric: bool = False) -> tuple[str, ...]:
        return resolve_host(host, numeric=True) if numeric else addresses

    return resolve


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8188",
        "http://127.9.8.7:8188",
        "HTTP://LOCALHOST:8188/",
        "http://localhost.:8188",
        "http://fleet.localhost:8188/v2",
        "http://[::1]:8188",
        "http://[0:0:0:0:0:0:0:1]:8188",
        "http://[::ffff:127.0.0.1]:8188",
        "http://[::1%25lo]:8188",
        "http://127.1:8188",
        "http://2130706433:8188",
        "http://0x7f.1:8188",
        f"http://{IPv4Address(0)}:8188",
        "http://[::]:8188",
        "http://１２７.0.0.1:8188",
        "https://localhost:8188",
    ],
)
def test_budget_key_loopback_in_any_spelling_is_one(url: str) -> None:
    assert budget_key(url, found()) == "localhost:8188"


@pytest.mark.parametrize(
    "url",
    [
        "https://api.example.com",
        "https://API.Example.COM",
        "https://api.example.com./",
        "https://api.example.com:443/prefix/",
        "http://api.example.com:80",
        "http://api.example.com",
    ],
)
def test_budget_key_of_a_host_is_one(url: str) -> None:
    assert budget_key(url, found("203.0.113.7")) == "api.example.com"


def test_budget_key_of_names_beyond_ascii_is_one() -> None:
    keys = {
        budget_key(f"https://{host}", found()) for host in ("bücher.example", "BÜCHER.example", "xn--bcher-kva.example")
    }
    assert keys == {"xn--bcher-kva.example"}


@pytest.mark.parametrize(
    ("addresses", "key"),
    [
        (("127.0.1.1",), "localhost:81"),
        (("::1", "127.0.0.1"), "localhost:81"),
        (("127.0.0.1", "203.0.113.7"), "workstation:81"),
        (("203.0.113.7",), "workstation:81"),
        ((), "workstation:81"),
    ],
)
def test_budget_key_of_a_name_that_leads_here_is_loopback(addresses: tuple[str, ...], key: str) -> None:
    assert budget_key("http://workstation:81", found(*addresses)) == key


def test_budget_key_of_hosted_api_needs_no_lookup() -> None:
    def resolve(_host: str, *, numeric: bool = False) -> tuple[str, ...]:
        assert numeric
        return ()

    assert budget_key("https://api.example.com", resolve) == "api.example.com"


def test_ports_are_kept_apart() -> None:
    assert budget_key("http://localhost:8189", found()) == "localhost:8189"
    assert budget_key("http://localhost", found()) == budget_key("https://localhost", found()) == "localhost"


def test_lookup_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()

    def hang(*_args: object, **_kwargs: object) -> list[object]:
        over.wait(10)
        return []

    monkeypatch.setattr(hosts, "_LOOKUP_SECONDS", 0.01)
    monkeypatch.setattr(socket, "getaddrinfo", hang)
    assert resolve_host("workstation") == ()
    over.set()
