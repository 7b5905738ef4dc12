"""Proxies of the environment, and hosts that NO_PROXY excepts. Pure."""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from importlib.util import find_spec
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import NamedTuple, TypeAlias
from urllib.parse import SplitResult, urlsplit

from comfytui.hosts import DEFAULT_PORTS, is_loopback

_Address: TypeAlias = IPv4Address | IPv6Address
_Network: TypeAlias = IPv4Network | IPv6Network

_ANY_SCHEME = ("", "all")
_BETWEEN = re.compile(r"[\s,;]+")
_BRACKETED = re.compile(r"\[([^\]]*)\](/\d+)?(?::([^:]*))?")
_SHORT_IPV4 = re.compile(r"\d+(?:\.\d+){0,3}\.?")
_NAME = re.compile(r"[a-z0-9_*-]+(?:\.[a-z0-9_*-]+)*")
_MAPPED = IPv6Network("::ffff:0:0/96")
_VARIABLES = ("no_proxy", "NO_PROXY")


class _Entry(NamedTuple):
    """Exception from the proxy; `network` is set for addresses, `name` for names, `port` is None for any."""

    scheme: str
    port: int | None
    network: _Network | None
    name: re.Pattern[str] | None

    def covers(self, scheme: str, host: str, address: _Address | None, port: int) -> bool:
        if self.scheme not in (*_ANY_SCHEME, scheme) or self.port not in (None, port):
            return False
        if self.network is not None:
            return address is not None and address in self.network
        return self.name is not None and bool(self.name.fullmatch(host))


class NoProxy(NamedTuple):
    """Exceptions from proxies.

    Attributes:
        variable: The environment variable that lists them, empty if none does.
        entries: The exceptions that can be used.
        unusable: Entries that cannot be parsed; they may hold secrets.
    """

    variable: str = ""
    entries: tuple[_Entry, ...] = ()
    unusable: tuple[str, ...] = ()

    def covers(self, scheme: str, host: str, port: int | None = None) -> bool:
        """Return True if a host is excepted from proxies.

        Args:
            scheme: "http" or "https".
            host: A name or an address, in brackets or not.
            port: The port, None for the usual one of the scheme.
        """
        name = _ascii(host.strip("[]").partition("%")[0].lower().rstrip("."))
        address = _address(name)
        port = DEFAULT_PORTS.get(scheme, 0) if port is None else port
        return any(entry.covers(scheme, name, address, port) for entry in self.entries)


def read_no_proxy(environ: Mapping[str, str]) -> NoProxy:
    """Return the exceptions of the environment; `no_proxy` counts before `NO_PROXY`, as in other programs."""
    variable = next((name for name in _VARIABLES if environ.get(name, "").strip()), "")
    return parse_no_proxy(environ.get(variable, ""))._replace(variable=variable)


def parse_no_proxy(text: str) -> NoProxy:
    """Parse a list of exceptions; an entry that cannot be used costs itself alone.

    Entries stand between commas, semicolons or blanks. Each is a name that stands for all below it too (`example.com`,
    `.example.com`, `*.example.com`), a pattern with stars, an address, or a network (`10.0.0.0/8`, `fd00::/8`,
    `192.168.`), IPv6 in brackets or not; with a scheme before it and a port behind it if need be.
    """
    parsed = [(entry, _parse(entry)) for raw in _BETWEEN.split(text) if (entry := raw.strip("\"'"))]
    return NoProxy(
        entries=tuple(entry for _, entry in parsed if entry is not None),
        unusable=tuple(text for text, entry in parsed if entry is None),
    )


def _parse(text: str) -> _Entry | None:
    scheme, separator, rest = text.lower().rpartition("://")
    if scheme not in (*_ANY_SCHEME, *DEFAULT_PORTS):
        return None
    if separator and not _is_network(rest):
        rest = rest.partition("/")[0]
    for host, port in _hosts_and_ports(rest):
        if port is not None and not 0 < port < 1 << 16:
            continue
        if (network := _network(host)) is not None:
            return _Entry(scheme, port, network, None)
        if (name := _name(host)) is not None:
            return _Entry(scheme, port, None, name)
    return None


def _is_network(text: str) -> bool:
    return any(_network(host) is not None for host, _ in _hosts_and_ports(text))


def _hosts_and_ports(text: str) -> list[tuple[str, int | None]]:
    """Return the ways to read a host and a port out of a text, the likeliest first."""
    if bracketed := _BRACKETED.fullmatch(text):
        inner, prefix, port = bracketed.groups()
        return [(f"{inner}{prefix or ''}", _port(port or "*"))] if ":" in inner else []
    host, colon, port = text.rpartition(":")
    # All of an IPv6 address looks like a host and a port, too.
    return [(text, None), (host, _port(port))] if colon else [(text, None)]


def _port(text: str) -> int | None:
    """Return the port, None for any, or 0 if it is no port."""
    if text in ("", "*"):
        return None
    return int(text) if text.isascii() and text.isdigit() and len(text) <= len("65535") else 0


def _network(text: str) -> _Network | None:
    """Return the network, that of a single address if there is no prefix, or None if it is neither."""
    address, slash, prefix = text.partition("/")
    address = address.partition("%")[0]
    if _SHORT_IPV4.fullmatch(address) and (slash or address.endswith(".")):
        octets = address.rstrip(".").split(".")
        address, prefix = ".".join([*octets, *["0"] * (4 - len(octets))]), prefix or str(8 * len(octets))
    try:
        network = ip_network(f"{address}/{prefix}" if slash or prefix else address, strict=False)
    except ValueError:
        return None
    if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
        mapped = IPv4Address(int(network.network_address) & 0xFFFFFFFF)
        return IPv4Network((mapped, network.prefixlen - _MAPPED.prefixlen))
    return network


def _name(text: str) -> re.Pattern[str] | None:
    """Return a pattern of the names that an entry stands for, or None if it is no name."""
    name = _ascii(text.removeprefix("*.").strip("."))
    if not _NAME.fullmatch(name) or name.rpartition(".")[2].isdigit():
        return None
    if "*" in name:
        return re.compile(".*".join(map(re.escape, re.split(r"\*+", name))))
    return re.compile(rf"(?:.*\.)?{re.escape(name)}")


def _ascii(name: str) -> str:
    """Return a name as it is looked up: international ones in their ASCII form."""
    if name.isascii():
        return name
    try:
        return name.encode("idna").decode("ascii")
    except UnicodeError:
        return name


def _address(host: str) -> _Address | None:
    """Return the address that a host is, as the system reads it (`10.1` is 10.0.0.1), or None if it is a name."""
    try:
        address = ip_address(host)
    except ValueError:
        try:
            return IPv4Address(socket.inet_aton(host)) if _SHORT_IPV4.fullmatch(host) else None
        except OSError:
            return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


PROXY_VARIABLES = ("http_proxy", "https_proxy", "all_proxy")
"""Names of the variables that hold proxies, in lower case."""

_HTTP_SCHEMES = ("http", "https")
_SOCKS_SCHEMES = ("socks5", "socks5h")


def is_excepted(url: str, environ: Mapping[str, str]) -> bool:
    """Return True if an address needs no proxy: this machine, or listed in NO_PROXY."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    return is_loopback(host) or read_no_proxy(environ).covers(parts.scheme, host, parts.port)


def proxy_variable(url: str, environ: Mapping[str, str]) -> str:
    """Return the variable with the proxy for requests to this address, or an empty text if none applies."""
    if is_excepted(url, environ):
        return ""
    names = (f"{urlsplit(url).scheme}_proxy", "all_proxy")
    spellings = [spelling for name in names for spelling in (name, name.upper())]
    return next((name for name in spellings if environ.get(name, "").strip()), "")


def proxy_url(variable: str, environ: Mapping[str, str]) -> str | None:
    """Return the URL of the proxy in a variable, login and all, or None if it cannot be used."""
    text = environ.get(variable, "").strip()
    return _with_scheme(text) if describe_proxy(text) else None


def unusable_proxy(variable: str) -> str:
    """Return the message for a variable with an unusable proxy."""
    return f"{variable} names no proxy that can be used"


def describe_proxy(text: str, mask: str = "***") -> str:
    """Return a proxy without its secrets, or an empty string if it is unusable."""
    parts = _split(_with_scheme(text))
    if parts is None:
        return ""
    host = parts.hostname or ""
    # The package that httpx speaks SOCKS with need not be there.
    schemes = (*_HTTP_SCHEMES, *(_SOCKS_SCHEMES if find_spec("socksio") else ()))
    if parts.scheme not in schemes or not host or not host.isprintable() or " " in host or parts.port == 0:
        return ""
    login = f"{mask}@" if "@" in parts.netloc else ""
    port = "" if parts.port is None else f":{parts.port}"
    return f"{parts.scheme}://{login}{f'[{host}]' if ':' in host else host}{port}"


def _with_scheme(text: str) -> str:
    return text if "://" in text else f"http://{text}"


def _split(url: str) -> SplitResult | None:
    """Return the parts of a URL, or None if it is none."""
    try:
        parts = urlsplit(url)
        # It is looked at only here.
        _ = parts.port
    except ValueError:
        return None
    return parts
