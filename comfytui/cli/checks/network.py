"""The way to the API: its host's name, and proxies."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias
from urllib.parse import urlsplit

from comfytui.api.proxies import (
    PROXY_VARIABLES,
    describe_proxy,
    is_excepted,
    proxy_variable,
    read_no_proxy,
    unusable_proxy,
)
from comfytui.api.response import why_not_connected
from comfytui.cli.checks.check import Check, Result, fail, ok, warn
from comfytui.cli.exit_codes import ExitStatus
from comfytui.redaction import MASK
from comfytui.threads import Worker

if TYPE_CHECKING:
    from comfytui.clock import Clock


Resolver: TypeAlias = Callable[[str, int], Sequence[str]]
"""Finds the addresses of a host and a port; raises OSError or UnicodeError where there are none. It may block."""

_PORTS = {"http": 80, "https": 443}
_MOST_NAMED = 5
_LONGEST_ENTRY = 60


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


def proxy(url: str, environ: Mapping[str, str]) -> Check:
    """Check the proxy that requests to this address go through, and the hosts excepted from it."""
    check = _applying_proxy(url, environ)
    flaw = no_proxy_flaw(environ)
    if flaw is None or check.result is Result.FAIL:
        return check
    return warn("proxy", f"{check.found}; {flaw.found}", flaw.remedy)


def no_proxy_flaw(environ: Mapping[str, str]) -> Check | None:
    """Return a warning that names the entries of NO_PROXY that cannot be used, or None if all can."""
    excepted = read_no_proxy(environ)
    if not excepted.unusable:
        return None
    named = ", ".join(map(_shown_entry, excepted.unusable[:_MOST_NAMED]))
    more = len(excepted.unusable) - _MOST_NAMED
    found = f"{excepted.variable}: cannot use {named}{f' and {more} more' if more > 0 else ''}; the other entries count"
    return warn("proxy", found, "correct or remove: expected a host, an address or a network, with a port if need be")


def _applying_proxy(url: str, environ: Mapping[str, str]) -> Check:
    if name := proxy_variable(url, environ):
        if described := describe_proxy(environ[name], MASK):
            return ok("proxy", f"{name} applies: {described}")
        return fail("proxy", unusable_proxy(name), _remedy_of_proxy(name))
    others = sorted(name for name, value in environ.items() if name.lower() in PROXY_VARIABLES and value.strip())
    found = f"none for this address; set for others: {', '.join(others)}" if others else "none"
    unusable = next((name for name in others if not describe_proxy(environ[name])), "")
    if unusable and not is_excepted(url, environ):
        return warn("proxy", f"{found}; {unusable_proxy(unusable)}", _remedy_of_proxy(unusable))
    return ok("proxy", found)


def _remedy_of_proxy(name: str) -> str:
    return f"set it to http://HOST:PORT, or unset {name}"


def _shown_entry(entry: str) -> str:
    """Return an entry for people to read: short, and without a login."""
    _, at, rest = entry.rpartition("@")
    text = f"{MASK}@{rest}" if at else entry
    return repr(text if len(text) <= _LONGEST_ENTRY else f"{text[:_LONGEST_ENTRY]}…")


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
