from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from comfytui.api.hosts import is_loopback


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
