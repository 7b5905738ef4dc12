"""Checks of the way to the API: name resolution, proxy, and the certificate of the server."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
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
from comfytui.cli.doctor.check import Check, Result, fail, ok, warn
from comfytui.cli.exit_codes import ExitCode
from comfytui.config.paths import display_path
from comfytui.gateway.comfyui.errors import NOT_TLS
from comfytui.hosts import DEFAULT_PORTS, is_loopback
from comfytui.redaction import MASK

if TYPE_CHECKING:
    from comfytui.clock import Clock

EXPIRY_WARNING_DAYS = 14
"""Days before its end at which a certificate gets a warning."""

Resolver: TypeAlias = Callable[[str, int], Sequence[str]]
"""Return the addresses of a host and port, or raise OSError or UnicodeError. It may block."""

_DAY_S = 86_400.0
_MAX_ENTRIES = 5
_MAX_ENTRY_LENGTH = 60
_CA_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR")

CA_HINT = "set it to a file of certificates that can be read, or unset it"
"""Remedy if the certificates to trust cannot be read."""

PROXY_HINT = "set it to http://HOST:PORT, or unset it"
"""Remedy if a variable names no proxy that can be used."""

NOT_RUNNING_HINT = "is it running, and is the port right?"
"""Remedy if a connection is refused."""

_NO_HANDSHAKE_HINT = "check the address, that the server speaks https, and firewalls on the way"
_OTHER_HOST_HINT = "check the address, and that no firewall answers in the server's place"
_EXPIRED_HINT = "renew it on the server"
_UNTRUSTED_HINT = "name the certificate of its issuer: ca_bundle in the configuration, or SSL_CERT_FILE"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Scheme, host and port of the API."""

    scheme: str
    host: str
    port: int


class DnsResult(NamedTuple):
    """Check of the name resolution, and the addresses of the host, empty if it was not found."""

    check: Check
    addresses: tuple[str, ...] = ()


class Certificate(NamedTuple):
    """Names of a server certificate's subject and issuer, and its expiry in seconds since 1970."""

    subject: str
    issuer: str
    expires_at: float


def parse_endpoint(url: str) -> Endpoint:
    """Parse the URL of an API; the port defaults to that of the scheme."""
    parts = urlsplit(url)
    return Endpoint(parts.scheme, parts.hostname or "", parts.port or DEFAULT_PORTS[parts.scheme])


def resolve_host(host: str, port: int) -> Sequence[str]:
    """Return the addresses of a host as the operating system resolves it, each once; see `Resolver`."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


async def check_dns(
    endpoint: Endpoint, clock: Clock, timeout_s: float, *, via_proxy: bool = False, resolver: Resolver = resolve_host
) -> DnsResult:
    """Resolve the host of the API; if a proxy resolves it, it need not be found here."""
    start = clock.monotonic()
    try:
        async with asyncio.timeout(timeout_s):
            outcome = await asyncio.to_thread(_resolve, resolver, endpoint)
    except TimeoutError:
        outcome = f"no answer within {timeout_s:g} s"
    if isinstance(outcome, str):
        return DnsResult(_not_found(f"{endpoint.host}: {outcome}", via_proxy=via_proxy))
    if outcome == (endpoint.host,):
        return DnsResult(ok("dns", f"{endpoint.host} is an address and needs no lookup"), outcome)
    more = f" and {len(outcome) - 1} more" if len(outcome) > 1 else ""
    took_ms = (clock.monotonic() - start) * 1000
    return DnsResult(ok("dns", f"{endpoint.host} is {outcome[0]}{more}, found in {took_ms:.0f} ms"), outcome)


def check_proxy(url: str, environ: Mapping[str, str]) -> Check:
    """Check the proxy for requests to this URL, and the hosts excepted from proxies."""
    check = _check_proxy_variables(url, environ)
    exceptions = check_no_proxy(environ)
    if exceptions is None or check.result is Result.FAIL:
        return check
    return warn("proxy", f"{check.detail}; {exceptions.detail}", exceptions.hint)


def check_no_proxy(environ: Mapping[str, str]) -> Check | None:
    """Return a warning that names the entries of NO_PROXY that cannot be used, or None if all can."""
    excepted = read_no_proxy(environ)
    if not excepted.unusable:
        return None
    entries = ", ".join(map(_shorten_entry, excepted.unusable[:_MAX_ENTRIES]))
    more = len(excepted.unusable) - _MAX_ENTRIES
    detail = f"{excepted.variable}: cannot use {entries}{f' and {more} more' if more > 0 else ''}"
    hint = "correct or remove: expected a host, an address or a network, with a port if need be"
    return warn("proxy", f"{detail}; the other entries count", hint)


async def check_certificate(
    endpoint: Endpoint,
    addresses: Sequence[str],
    ca_bundle: Path | None,
    environ: Mapping[str, str],
    timeout_s: float,
    now: float,
) -> Check:
    """Make a TLS handshake as the client does, send nothing, and check the certificate of the server.

    Args:
        endpoint: Endpoint of the API; its scheme is https.
        addresses: Addresses of its host.
        ca_bundle: Certificates to trust instead of the usual ones, or None; they can be read.
        environ: Environment variables, which may name such certificates.
        timeout_s: Timeout of the handshake.
        now: Seconds since 1970.
    """
    from comfytui.gateway.comfyui.transport import ssl_context

    try:
        context = await ssl_context("https:", ca_bundle)
        writer = await _connect(endpoint, addresses, context, timeout_s)
    except (OSError, UnicodeError) as error:
        return fail("tls", *_explain(error, timeout_s), ExitCode.UNREACHABLE)
    tls = writer.get_extra_info("ssl_object")
    writer.transport.abort()
    source = _describe_ca_source(ca_bundle, environ)
    return describe_certificate(parse_certificate(tls.getpeercert()), str(tls.version()), source, now)


def check_ca_bundle(ca_bundle: Path | None, environ: Mapping[str, str]) -> Check | None:
    """Return a failed check if the certificates to trust cannot be read, or None if they can."""
    if not unreadable_ca_source(ca_bundle, environ):
        return None
    return fail("tls", f"{_describe_ca_source(ca_bundle, environ)} names no certificates that can be read", CA_HINT)


def unreadable_ca_source(ca_bundle: Path | None, environ: Mapping[str, str]) -> str:
    """Return the setting or variable whose certificates cannot be read, empty if they can."""
    sources = (("ca_bundle", str(ca_bundle or "")), *((name, environ.get(name, "")) for name in _CA_VARIABLES))
    name, path = next(((name, path) for name, path in sources if path), ("", ""))
    # The certificates of a directory are read when they are needed.
    if not path or any(Path(entry).is_dir() for entry in path.split(os.pathsep)):
        return ""
    try:
        ssl.create_default_context(cafile=path)
    except (OSError, ValueError):
        return name
    return ""


def check_certificate_directories(ca_bundle: Path | None, environ: Mapping[str, str]) -> Check | None:
    """Return a warning that names the entries of SSL_CERT_DIR that are no directories, or None if all are.

    If none is a directory, `check_ca_bundle` fails.
    """
    is_used = not ca_bundle and not environ.get("SSL_CERT_FILE")
    entries = environ.get("SSL_CERT_DIR", "").split(os.pathsep) if is_used else []
    missing = [entry for entry in entries if not Path(entry).is_dir()]
    if not missing or len(missing) == len(entries):
        return None
    names = ", ".join(display_path(Path(entry)) if entry else "an empty entry" for entry in missing)
    detail = f"SSL_CERT_DIR: cannot use {names}; the other entries count"
    return warn("tls", detail, "correct or remove: expected directories")


def check_plain_http(endpoint: Endpoint) -> Check:
    """Return the check of an API without TLS."""
    if is_loopback(endpoint.host):
        return ok("tls", "none: plain http, which does not leave this machine")
    return warn("tls", "none: plain http shows the token to everybody on the way", "use https://")


def parse_certificate(fields: Mapping[str, object]) -> Certificate:
    """Parse what `ssl.SSLSocket.getpeercert` returns."""
    expires_at = ssl.cert_time_to_seconds(str(fields["notAfter"]))
    return Certificate(_common_name(fields.get("subject")), _common_name(fields.get("issuer")), expires_at)


def describe_certificate(certificate: Certificate, version: str, source: str, now: float) -> Check:
    """Return the check of a trusted certificate, a warning if it expires soon; `now` is in seconds since 1970."""
    days = int((certificate.expires_at - now) // _DAY_S)
    names = f"certificate of {certificate.subject}, issued by {certificate.issuer}"
    detail = f"{version}, {names}, valid for {days} days; trusted by {source}"
    if days < EXPIRY_WARNING_DAYS:
        return warn("tls", detail, "have the operator of the API renew it")
    return ok("tls", detail)


def trust_hint(message: str) -> str:
    """Return the remedy for a certificate that is not trusted, by the reason in OpenSSL's message."""
    if "mismatch" in message:
        return _OTHER_HOST_HINT
    return _EXPIRED_HINT if "has expired" in message else _UNTRUSTED_HINT


def _resolve(resolver: Resolver, endpoint: Endpoint) -> tuple[str, ...] | str:
    """Return the addresses, or the reason why there are none."""
    from comfytui.api.response import describe_connect_error

    try:
        return tuple(resolver(endpoint.host, endpoint.port)) or "no such host"
    except OSError as error:
        return describe_connect_error(error)
    except UnicodeError:
        return "no such host"


def _not_found(detail: str, *, via_proxy: bool) -> Check:
    if via_proxy:
        return ok("dns", f"{detail}; the proxy resolves it")
    return fail("dns", detail, "check the address, the network and the name server", ExitCode.UNREACHABLE)


def _check_proxy_variables(url: str, environ: Mapping[str, str]) -> Check:
    if name := proxy_variable(url, environ):
        if described := describe_proxy(environ[name], MASK):
            return ok("proxy", f"{name} applies: {described}")
        return fail("proxy", unusable_proxy(name), PROXY_HINT)
    others = sorted(name for name, value in environ.items() if name.lower() in PROXY_VARIABLES and value.strip())
    detail = f"none for this address; set for others: {', '.join(others)}" if others else "none"
    unusable = next((name for name in others if not describe_proxy(environ[name])), "")
    if unusable and not is_excepted(url, environ):
        return warn("proxy", f"{detail}; {unusable_proxy(unusable)}", PROXY_HINT)
    return ok("proxy", detail)


def _shorten_entry(entry: str) -> str:
    """Return an entry of NO_PROXY, cut if long, and with its login masked."""
    _, at, rest = entry.rpartition("@")
    text = f"{MASK}@{rest}" if at else entry
    return repr(text if len(text) <= _MAX_ENTRY_LENGTH else f"{text[:_MAX_ENTRY_LENGTH]}…")


def _describe_ca_source(ca_bundle: Path | None, environ: Mapping[str, str]) -> str:
    if ca_bundle:
        return f"ca_bundle, {display_path(ca_bundle)}"
    return next((name for name in _CA_VARIABLES if environ.get(name)), "the public authorities")


async def _connect(
    endpoint: Endpoint, addresses: Sequence[str], context: ssl.SSLContext, timeout_s: float
) -> asyncio.StreamWriter:
    """Connect to one IPv4 or one IPv6 address, as a network may lack either."""
    candidates = {":" in address: address for address in addresses}.values()
    last_error = OSError()
    for address in candidates:
        try:
            async with asyncio.timeout(timeout_s / len(candidates)):
                _, writer = await asyncio.open_connection(
                    address, endpoint.port, ssl=context, server_hostname=endpoint.host
                )
                return writer
        except ssl.SSLError:
            raise
        except OSError as error:
            last_error = error
    raise last_error


def _explain(error: Exception, timeout_s: float) -> tuple[str, str]:
    """Return the reason why there is no handshake, and a remedy."""
    from comfytui.api.response import describe_connect_error

    reason = describe_connect_error(error)
    match error:
        case TimeoutError():
            return f"no handshake within {timeout_s:g} s", _NO_HANDSHAKE_HINT
        case ConnectionRefusedError():
            return reason, NOT_RUNNING_HINT
        case ssl.SSLCertVerificationError():
            return reason, trust_hint(reason)
        case _ if any(words in reason for words in NOT_TLS):
            return "the server speaks plain http, not https", "use http:// in the address, or the port of https"
        case _:
            return reason, _NO_HANDSHAKE_HINT


def _common_name(names: object) -> str:
    """Return the name in a subject as the ssl module gives it, a tuple of tuples of pairs."""
    fields = {kind: value for group in names for kind, value in group} if isinstance(names, tuple) else {}
    return str(fields.get("commonName") or fields.get("organizationName") or "no name")
