from __future__ import annotations

import pytest

from comfytui.api.proxies import parse_no_proxy, read_no_proxy

USUAL = {"http": 80, "https": 443}


@pytest.mark.parametrize(
    ("entry", "host", "port"),
    [
        ("*", "example.com", None),
        ("*:8188", "example.com", 8188),
        ("example.com", "example.com", None),
        ("example.com", "API.Example.COM", None),
        (".Example.com", "example.com", None),
        ("*.example.com", "a.b.example.com", None),
        ("example.com.", "example.com", None),
        ("example.com", "example.com.", None),
        ("example.com:443", "example.com", None),
        ("example.com:*", "example.com", 8443),
        ("example.com:", "example.com", 8443),
        ("https://example.com:443/path", "example.com", None),
        ("all://example.com", "example.com", None),
        ('"example.com"', "example.com", None),
        ("bücher.de", "xn--bcher-kva.de", None),
        ("gpu-*", "gpu-7", None),
        ("my_box", "my_box", None),
        ("10.0.0.7", "10.0.0.7", None),
        ("10.0.0.7:8443", "10.0.0.7", 8443),
        ("10.0.0.0/8", "10.1.2.3", None),
        ("10.1.2.3/8", "10.9.9.9", None),
        ("10.0.0.0/255.0.0.0", "10.1.2.3", None),
        ("10.0.0.0/8:8188", "10.1.2.3", 8188),
        ("10/8", "10.1.2.3", None),
        ("192.168.", "192.168.5.6", None),
        ("192.168.*", "192.168.5.6", None),
        ("0.0.0.0/0", "203.0.113.9", None),
        ("10.0.0.1", "10.1", None),
        ("::1", "::1", None),
        ("[::1]", "[::1]", None),
        ("[FD00::A]", "fd00:0:0:0:0:0:0:a", None),
        ("[fd00::1]:8443", "fd00::1", 8443),
        ("fd00::/8", "fd12:3456::7", None),
        ("[fd00::]/8", "fd12:3456::7", None),
        ("[fd00::/8]", "fd12:3456::7", None),
        ("[fd00::]/8:443", "fd12:3456::7", None),
        ("fd00:1:2:3:4:5:6:7:8443", "fd00:1:2:3:4:5:6:7", 8443),
        ("fe80::1%eth0", "fe80::1%25eth0", None),
        ("::ffff:10.0.0.0/104", "10.1.2.3", None),
        ("10.0.0.0/8", "::ffff:10.1.2.3", None),
    ],
)
def test_entry_covers_host(entry: str, host: str, port: int | None) -> None:
    excepted = parse_no_proxy(entry)
    assert excepted.covers("https", host, port)
    assert excepted.unusable == ()


@pytest.mark.parametrize(
    ("entry", "host", "port"),
    [
        ("", "example.com", None),
        ("example.com", "notexample.com", None),
        ("api.example.com", "example.com", None),
        ("example.com:8443", "example.com", None),
        ("http://example.com", "example.com", None),
        ("192.168.*", "10.192.168.1", None),
        ("10.0.0.0/8", "11.0.0.1", None),
        ("10.0.0.0/8", "a10.0.0.1.example.com", None),
        ("10.0.0.0/8:8188", "10.1.2.3", None),
        ("[fd00::1]:8443", "fd00::1", None),
        ("fd00::/8", "fe80::1", None),
        ("::/0", "10.0.0.1", None),
        ("a.example.com", "axexample.com", None),
    ],
)
def test_entry_does_not_cover_host(entry: str, host: str, port: int | None) -> None:
    assert not parse_no_proxy(entry).covers("https", host, port)


@pytest.mark.parametrize(
    "entry",
    [
        "10.0.0.256",
        "10.0.0.0/33",
        "fd00::/129",
        "::g",
        "[::1",
        "[]",
        "[name]",
        "host:0",
        "host:65536",
        "host:http",
        "me@host",
        "ftp://host",
        "exa$mple",
        "a..b",
        "name/8",
        "/8",
        ":",
    ],
)
def test_unusable_entry_costs_itself_alone(entry: str) -> None:
    excepted = parse_no_proxy(f"one.example.com,{entry} two.example.com")
    assert excepted.unusable == (entry,)
    assert excepted.covers("http", "one.example.com")
    assert excepted.covers("http", "two.example.com")


@pytest.mark.parametrize("separator", [",", " , ", " ", ";", "\t", ",\n ", ",,"])
def test_entries_are_separated_as_people_write_them(separator: str) -> None:
    excepted = parse_no_proxy(f" 10.0.0.0/8{separator}[::1]{separator}.example.com ")
    assert all(excepted.covers("https", host) for host in ("10.1.2.3", "::1", "api.example.com"))
    assert excepted.unusable == ()


@pytest.mark.parametrize(
    ("environ", "variable", "host"),
    [
        ({"no_proxy": "a", "NO_PROXY": "b"}, "no_proxy", "a"),
        ({"no_proxy": " ", "NO_PROXY": "b"}, "NO_PROXY", "b"),
        ({}, "", ""),
    ],
)
def test_lower_case_variable_counts_first(environ: dict[str, str], variable: str, host: str) -> None:
    excepted = read_no_proxy(environ)
    assert excepted.variable == variable
    assert excepted.covers("https", host) is bool(host)
