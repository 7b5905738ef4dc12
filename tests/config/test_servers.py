from __future__ import annotations

from base64 import b64decode

import pytest
from pydantic import SecretStr

from comfytui.config.servers import build_server, normalize_url, parse_servers, split_addresses
from comfytui.config.settings import Server, SettingsError


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("http://127.0.0.1:8188", "http://127.0.0.1:8188"),
        ("http://127.0.0.1:8188/", "http://127.0.0.1:8188"),
        ("HTTP://GPU2:8188", "http://gpu2:8188"),
        ("gpu2", "http://gpu2:8188"),
        ("8188", "http://127.0.0.1:8188"),
        ("gpu2:", "http://gpu2:8188"),
        ("me:secret@gpu2:/comfy", "http://gpu2:8188/comfy"),
        (":8189", "http://127.0.0.1:8189"),
        ("127.1:8188", "http://127.1:8188"),
        ("gpu2:9000", "http://gpu2:9000"),
        ("http://gpu2", "http://gpu2"),
        ("http://gpu2:80", "http://gpu2"),
        ("https://gpu2:443/comfy/", "https://gpu2/comfy"),
        ("http://[::1]:8188", "http://[::1]:8188"),
        ("http://user:pass@gpu2:8188", "http://gpu2:8188"),
    ],
)
def test_addresses_are_compared_in_one_form(text: str, address: str) -> None:
    assert normalize_url(text) == address


@pytest.mark.parametrize(
    "text",
    ["ftp://gpu2", "http://", "http://gpu2:0", "http://gpu2:99999", "http://a b", "http://gpu2?x=1", "http://[z]"],
)
def test_invalid_url_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(SettingsError, match="--comfyui: expected http://") as refused:
        normalize_url(text)
    assert text == "http://" or text not in str(refused.value)


@pytest.mark.parametrize(
    "text", ["http://8188:8188", "8188:8188", "http://8188", "http://0x1FFC:8188", "http://8188./"]
)
def test_host_that_is_a_number_is_refused(text: str) -> None:
    with pytest.raises(
        SettingsError, match=r"a host cannot be a number; a port alone, such as 8188, means 127\.0\.0\.1"
    ):
        normalize_url(text)


@pytest.mark.parametrize("text", ["0", ":0", "99999", ":", "::8188"])
def test_port_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="expected http://"):
        normalize_url(text)


def test_configured_name_of_digits_comes_before_a_port() -> None:
    (server,) = parse_servers(["8188"], [Server("http://gpu2:9000", "8188")])
    assert server.url == "http://gpu2:9000"


def test_lists_with_commas_and_repeats() -> None:
    assert split_addresses(["a,b", " c , "]) == ("a", "b", "c")


def test_each_server_once_in_order_and_named_by_host_and_port() -> None:
    servers = parse_servers(["http://b:8188", "http://a:8188/", "http://B:8188/"])
    assert [(server.url, server.name) for server in servers] == [
        ("http://b:8188", "b:8188"),
        ("http://a:8188", "a:8188"),
    ]


def test_names_and_headers_come_from_the_configuration() -> None:
    configured = [Server("http://a:8188", "big box", {"X-Key": SecretStr("sesame")})]
    (server,) = parse_servers(["a", "big box"], configured)
    assert server.name == "big box"
    assert server.headers["X-Key"].get_secret_value() == "sesame"
    assert "sesame" not in repr(server)


def test_a_header_of_the_configuration_goes_before_the_password_of_an_address_whatever_its_case() -> None:
    configured = [build_server("studio", "http://me:safe@gpu2", {"authorization": SecretStr("Bearer x")})]
    for servers in (configured, parse_servers(["http://you:there@gpu2"], configured)):
        assert [(name, value.get_secret_value()) for name, value in servers[0].headers.items()] == [
            ("authorization", "Bearer x")
        ]


def test_a_password_of_the_configuration_becomes_a_header() -> None:
    server = build_server("studio", "http://me:safe@gpu2", {})
    assert (server.url, list(server.headers)) == ("http://gpu2", ["Authorization"])


def test_a_password_becomes_a_header_and_stays_out_of_the_address() -> None:
    (server,) = parse_servers(["http://me:s%40fe@gpu2:8188"])
    assert server.url == "http://gpu2:8188"
    scheme, _, login = server.headers["Authorization"].get_secret_value().partition(" ")
    assert (scheme, b64decode(login)) == ("Basic", b"me:s@fe")
    assert "fe" not in repr(server)
