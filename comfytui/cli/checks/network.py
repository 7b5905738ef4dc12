"""The way to the API: its host's name, and proxies."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, NamedTuple, TypeAlias
from urllib.parse import urlsplit

from comfytui.api.causes import why_not_connected
from comfytui.api.hosts import is_loopback
from comfytui.api.worker import Worker
from comfytui.cli.checks.check import Check, fail, ok
from comfytui.cli.status import ExitStatus
from comfytui.tui.present.urls import MASK

if TYPE_CHECKING:
    from comfytui.clock import Clock

__all__ = ["Address", "Lookup", "Resolver", "address_of", "look_up", "proxy", "proxy_variable", "resolve"]

Resolver: TypeAlias = Callable[[str, int], Sequence[str]]
"""Finds the addresses of a host and a port; raises OSError or UnicodeError where there are none. It may block."""

_PORTS = {"http": 80, "https": 443}
_PROXIES = ("http_proxy", "https_proxy", "all_proxy")
_PROXY_SCHEMES = ("http", "https")
_SOCKS_SCHEMES = ("socks5", "socks5h")


@dataclass(frozen=True, slots=True)
class Address:
    """Where the API is."""

    scheme: str
    host: str
    port: int


class Lookup(NamedTuple):
    """What came of looking for a host, and its addresses, none where it was not found."""

    check: Check
    addresses: tuple[str, ...] = ()


def address_of(url: str) -> Address:
    """Scheme, host and port of the address of an API."""
    parts = urlsplit(url)
    return Address(parts.scheme, parts.hostname or "", parts.port or _PORTS[parts.scheme])


def resolve(host: str, port: int) -> Sequence[str]:
    """The addresses as the operating system finds them, each once; see `Resolver`."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


async def look_up(
    address: Address, clock: Clock, seconds: float, *, by_proxy: bool = False, resolver: Resolver = resolve
) -> Lookup:
    """Find the host, within so many seconds.

    Args:
        address: Where the API is.
        clock: Tells how long it took.
        seconds: How long it may take.
        by_proxy: Whether a proxy finds it itself, so that it does not matter whether it is found here.
        resolver: Who finds it.
    """
    start = clock.monotonic()
    # A resolver can be stuck for longer than anybody waits: nobody must have to wait for its thread.
    worker = Worker("resolver")
    try:
        async with asyncio.timeout(seconds):
            outcome = await asyncio.wrap_future(worker.submit(lambda: _addresses(resolver, address)))
    except TimeoutError:
        outcome = f"no answer within {seconds:g} s"
    worker.close(0)
    if isinstance(outcome, str):
        return Lookup(_not_found(address, outcome, by_proxy=by_proxy))
    if outcome == (address.host,):
        return Lookup(ok("dns", f"{address.host} needs no looking up"), outcome)
    more = f" and {len(outcome) - 1} more" if len(outcome) > 1 else ""
    took = (clock.monotonic() - start) * 1000
    return Lookup(ok("dns", f"{address.host} is {outcome[0]}{more}, found in {took:.0f} ms"), outcome)


def proxy_variable(url: str, environ: Mapping[str, str]) -> str:
    """The environment variable with the proxy that requests to this address go through; empty where none applies."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if is_loopback(host) or _is_excepted(parts.netloc.rpartition("@")[2], host, environ):
        return ""
    names = (f"{parts.scheme}_proxy", f"{parts.scheme}_proxy".upper(), "all_proxy", "ALL_PROXY")
    return next((name for name in names if environ.get(name, "").strip()), "")


def proxy(url: str, environ: Mapping[str, str]) -> Check:
    """Which proxy requests to this address go through; user and password in it masked.

    One that cannot be used is a failure whatever address it is for: no client is made then.
    """
    if name := _unusable_proxy(url, environ):
        return fail("proxy", f"{name} names no proxy that can be used", f"set it to http://HOST:PORT, or unset {name}")
    if name := proxy_variable(url, environ):
        return ok("proxy", f"{name} applies: {_place(environ[name].strip())}")
    others = sorted(name for name, value in environ.items() if name.lower() in _PROXIES and value.strip())
    return ok("proxy", f"none for this address; set for others: {', '.join(others)}" if others else "none")


def _unusable_proxy(url: str, environ: Mapping[str, str]) -> str:
    """The first variable with a proxy that cannot be used; none where nothing is looked for in them."""
    if is_loopback(urlsplit(url).hostname or "") or "*" in _exceptions(environ):
        return ""
    named = (next((name for name in (each, each.upper()) if environ.get(name)), "") for each in _PROXIES)
    return next((name for name in named if name and not _place(environ[name].strip())), "")


def _place(text: str) -> str:
    """A proxy without what is secret of it; empty where no such proxy can be used."""
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        port = "" if parts.port is None else f":{parts.port}"
    except ValueError:
        return ""
    host = parts.hostname or ""
    # The package that httpx speaks SOCKS with need not be there.
    schemes = (*_PROXY_SCHEMES, *(_SOCKS_SCHEMES if find_spec("socksio") else ()))
    if parts.scheme not in schemes or not host or not host.isprintable() or " " in host or port == ":0":
        return ""
    login = f"{MASK}@" if "@" in parts.netloc else ""
    return f"{parts.scheme}://{login}{f'[{host}]' if ':' in host else host}{port}"


def _exceptions(environ: Mapping[str, str]) -> list[str]:
    said = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    return [name.strip().lower().lstrip(".") for name in said.split(",")]


def _is_excepted(place: str, host: str, environ: Mapping[str, str]) -> bool:
    """Whether NO_PROXY names the host, with its port or without, or a domain that it is in."""
    names = _exceptions(environ)
    return any(name == "*" or name in {place, host} or (name and host.endswith(f".{name}")) for name in names)


def _addresses(resolver: Resolver, address: Address) -> tuple[str, ...] | str:
    """The addresses, or why there are none."""
    try:
        return tuple(resolver(address.host, address.port)) or "no such host"
    except OSError as error:
        return why_not_connected(error)
    except UnicodeError:
        return "no such host"


def _not_found(address: Address, words: str, *, by_proxy: bool) -> Check:
    found = f"{address.host}: {words}"
    if by_proxy:
        return ok("dns", f"{found}; the proxy looks for it itself")
    return fail("dns", found, "is the address right, and is there a network and a name server?", ExitStatus.UNREACHABLE)
