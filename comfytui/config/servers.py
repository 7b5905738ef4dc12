"""Parser of ComfyUI server addresses from command line and configuration."""

from __future__ import annotations

import ipaddress
import re
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, unquote, urlsplit

from comfytui.config.settings import Server, SettingsError, is_number
from comfytui.hosts import DEFAULT_PORTS

if TYPE_CHECKING:
    from pydantic import SecretStr


LOCAL_SERVER = "http://127.0.0.1:8188"
"""Default address of ComfyUI."""

_PORT = 8188
_LOOPBACK = "127.0.0.1"
_PORT_ALONE = re.compile(r":?[0-9]+")
_HOST = re.compile(r"[A-Za-z0-9._-]+")
_EXPECTED = "expected http:// or https:// and a host, with a port if need be, such as http://gpu2:8188"


def split_addresses(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the addresses in texts of comma-separated addresses."""
    return tuple(address for text in texts for each in text.split(",") if (address := each.strip()))


def parse_servers(addresses: Iterable[str], configured: Sequence[Server] = ()) -> tuple[Server, ...]:
    """Return the servers at addresses, each once, in order, with configured names and headers.

    The name of a configured one stands for its address. A user and a password in an address become a header, unless
    the configuration has that one.

    Raises:
        SettingsError: One of them is no address; the sentence does not repeat it, for it may hold a password.
    """
    known = {server.url: server for server in configured}
    named = {server.name: server.url for server in configured}
    found: dict[str, Server] = {}
    for address in addresses:
        parts = _parts(named.get(address, address))
        url = _url(parts)
        server = known.get(url) or Server(url, _name(url))
        found.setdefault(url, Server(server.url, server.name, _merged(_login(parts), server.headers)))
    return tuple(found.values())


def build_server(name: str, address: str, headers: Mapping[str, SecretStr]) -> Server:
    """Return a server; user and password in its address become a header unless one is given.

    Raises:
        SettingsError: It is no address of a server.
    """
    parts = _parts(address)
    return Server(_url(parts), name, _merged(_login(parts), headers))


def normalize_url(text: str) -> str:
    """Return an address as all are compared: lower case, no usual port, no user or password, no last slash.

    Without a scheme it is http, and then without a port it is ComfyUI's usual one. A port alone is one of this machine.

    Raises:
        SettingsError: It is no address of a server.
    """
    return _url(_parts(text))


def _parts(text: str) -> SplitResult:
    if _PORT_ALONE.fullmatch(text):
        text = f"{_LOOPBACK}:{text.lstrip(':')}"
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        port = parts.port
    except ValueError:
        raise SettingsError(f"--comfyui: {_EXPECTED}.") from None
    if is_number(parts.hostname or ""):
        raise SettingsError(f"--comfyui: a host cannot be a number; a port alone, such as 8188, means {_LOOPBACK}.")
    is_plain = text.isprintable() and " " not in text and not parts.query and not parts.fragment
    if parts.scheme not in DEFAULT_PORTS or port == 0 or not is_plain or not _is_host(parts.hostname or ""):
        raise SettingsError(f"--comfyui: {_EXPECTED}.")
    return parts if port or "://" in text else parts._replace(netloc=f"{parts.netloc.removesuffix(':')}:{_PORT}")


def _is_host(host: str) -> bool:
    if ":" not in host:
        return bool(_HOST.fullmatch(host))
    try:
        return ipaddress.ip_address(host).version > 0
    except ValueError:
        return False


def _url(parts: SplitResult) -> str:
    host = parts.hostname or ""
    authority = f"[{host}]" if ":" in host else host
    port = "" if parts.port in (None, DEFAULT_PORTS[parts.scheme]) else f":{parts.port}"
    return f"{parts.scheme}://{authority}{port}{parts.path.rstrip('/')}"


def _name(url: str) -> str:
    return url.partition("://")[2]


def _merged(headers: Mapping[str, SecretStr], before_them: Mapping[str, SecretStr]) -> dict[str, SecretStr]:
    """Return merged headers; later ones replace earlier ones of the same name in any case."""
    taken = {name.lower() for name in before_them}
    return {**{name: value for name, value in headers.items() if name.lower() not in taken}, **before_them}


def _login(parts: SplitResult) -> dict[str, SecretStr]:
    """Return the Authorization header of a user and password."""
    if parts.username is None:
        return {}
    from pydantic import SecretStr

    login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return {"Authorization": SecretStr(f"Basic {b64encode(login.encode()).decode()}")}
