"""Hosts that are this very machine, and one name for an API however its address is spelled."""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeAlias
from urllib.parse import urlsplit

_Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

_LOCAL = "localhost"
DEFAULT_PORTS = {"http": 80, "https": 443}
"""Default port of each scheme."""

# A name that is not found by then cannot be asked either.
_LOOKUP_SECONDS = 1.0


def is_loopback(host: str) -> bool:
    """Return True if a host is this machine and nothing else: 127.0.0.0/8, ::1, localhost and names below it."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        name = host.lower()
        return name == _LOCAL or name.endswith(f".{_LOCAL}")


def resolve_host(host: str, *, numeric: bool = False) -> tuple[str, ...]:
    """Return the addresses of a host, empty if it is not found within a second.

    Args:
        host: Name or address.
        numeric: Read an address in any notation (127.1, 0x7f000001) and look no name up.
    """
    found: list[str] = []

    def look_up() -> None:
        with suppress(OSError, UnicodeError):
            flags = socket.AI_NUMERICHOST if numeric else 0
            answers = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=flags)
            found.extend(str(answer[4][0]) for answer in answers)

    if numeric:
        look_up()
    else:
        # The resolver cannot be interrupted, and a process need not wait for it to end.
        thread = threading.Thread(target=look_up, name="host lookup", daemon=True)
        thread.start()
        thread.join(_LOOKUP_SECONDS)
    return tuple(found)


def budget_key(url: str, resolve: Callable[..., tuple[str, ...]] = resolve_host) -> str:
    """Return the key that all requests to an API are counted under, however its address is spelled.

    It is in lower case, without default port, trailing dot and path. Everything that leads to this machine is
    `localhost`: ::1, 127.0.0.0/8 in any notation, and names with such an address alone.

    Args:
        url: Address of the API.
        resolve: Looks up the addresses of a host.
    """
    parts = urlsplit(url)
    port = "" if parts.port in (None, DEFAULT_PORTS.get(parts.scheme)) else f":{parts.port}"
    # https without a port is a hosted API: a lookup would delay its first request for nothing.
    is_looked_up = bool(port) or parts.scheme != "https"
    return f"{_canonical(_plain_name(parts.hostname or ''), resolve, is_looked_up=is_looked_up)}{port}"


def _canonical(host: str, resolve: Callable[..., tuple[str, ...]], *, is_looked_up: bool) -> str:
    if is_loopback(host):
        return _LOCAL
    if address := _parse(host) or _parse(next(iter(resolve(host, numeric=True)), "")):
        return _LOCAL if _is_here(address) else str(address)
    addresses = [_parse(text) for text in resolve(host)] if is_looked_up else []
    is_here = bool(addresses) and all(address is not None and _is_here(address) for address in addresses)
    return _LOCAL if is_here else host


def _plain_name(host: str) -> str:
    """Return a host name in ASCII and without a trailing dot."""
    if not host.isascii():
        with suppress(UnicodeError):
            host = host.encode("idna").decode("ascii")
    return host.lower().rstrip(".")


def _parse(text: str) -> _Address | None:
    """Return the address that a text is, without its zone and out of IPv6 if it is IPv4, or None if it is a name."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _is_here(address: _Address) -> bool:
    """Return True if requests to an address stay on this machine: 0.0.0.0 and :: lead to the loopback, too."""
    return address.is_loopback or address.is_unspecified
