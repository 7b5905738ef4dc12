"""The certificate that the API shows, and whether it is trusted."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from comfytui.api.response import why_not_connected
from comfytui.cli.checks.check import Check, fail, ok, warn
from comfytui.cli.exit_codes import ExitStatus
from comfytui.config.paths import shown
from comfytui.hosts import is_loopback

if TYPE_CHECKING:
    from comfytui.cli.checks.network import Address


SOON = 14
"""Days before its end from which on a certificate is worth a warning."""

PROBE_SECONDS = 1.0
"""How long whoever does not shake hands may take to answer in plain http, if a handshake may not take less."""

_DAY = 86_400.0
_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
_NO_HANDSHAKE = "is the address right, does it speak https, and does no firewall stand in between?"
_NOT_RUNNING = "is it running, and is the port right?"
_REMEDY_OF_TRUST = "name a file of certificates there that can be read, or none"
_OTHER_HOST = "is the address right, and does nothing stand in between that answers for it?"
_EXPIRED = "renew it on the server"
_UNTRUSTED = "name who vouches for it: ca_bundle in the configuration, or SSL_CERT_FILE"

_HTTP = b"HTTP/"


class Certificate(NamedTuple):
    """Whose it is, who vouches for it, and until when, in seconds since 1970, it is good."""

    subject: str
    issuer: str
    until: float


async def look_at_certificate(
    address: Address,
    addresses: Sequence[str],
    ca_bundle: Path | None,
    environ: Mapping[str, str],
    seconds: float,
    now: float,
) -> Check:
    """Shake hands as the client does, and tell of the certificate.

    Nothing is sent, but where there is no handshake: then a question without a token, to tell plain http from nothing.

    Args:
        address: Where the API is, by https.
        addresses: What its host's name stands for.
        ca_bundle: Certificates to trust instead of the usual ones; they can be read.
        environ: Tells of others, which can be read too.
        seconds: How long the handshake may take.
        now: Seconds since 1970.
    """
    # Of all ways to make one, this is what a connection to any address of ours goes by.
    from comfytui.gateway.comfyui.transport import tls_context

    try:
        context = await tls_context("https:", ca_bundle)
        async with asyncio.timeout(seconds):
            writer = await _connect(address, addresses, context, seconds)
    except (OSError, UnicodeError) as error:
        is_plain = _may_be_plain(error) and await _speaks_plainly(address, addresses, min(seconds, PROBE_SECONDS))
        return fail("tls", *_without_handshake(error, seconds, is_plain=is_plain), ExitStatus.UNREACHABLE)
    tls = writer.get_extra_info("ssl_object")
    writer.transport.abort()
    return tell(read_certificate(tls.getpeercert()), str(tls.version()), _source(ca_bundle, environ), now)


def distrust(ca_bundle: Path | None, environ: Mapping[str, str]) -> Check | None:
    """What to say where the certificates that somebody named cannot be read, for then nobody is asked."""
    if not unreadable(ca_bundle, environ):
        return None
    source = _source(ca_bundle, environ)
    return fail("tls", f"{source} names no certificates that can be read", _REMEDY_OF_TRUST)


def unreadable(ca_bundle: Path | None, environ: Mapping[str, str]) -> str:
    """Where certificates are named that cannot be read: `ca_bundle`, or a variable of the environment; else empty."""
    named = (("ca_bundle", str(ca_bundle or "")), *((name, environ.get(name, "")) for name in _VARIABLES))
    name, path = next(((name, path) for name, path in named if path), ("", ""))
    return "" if not path or _can_be_read(path) else name


def unusable_directories(ca_bundle: Path | None, environ: Mapping[str, str]) -> Check | None:
    """Return a warning that names entries of SSL_CERT_DIR which are no directories, or None if all are.

    The others count; if there are none, `distrust` says so.
    """
    named = [] if ca_bundle or environ.get("SSL_CERT_FILE") else environ.get("SSL_CERT_DIR", "").split(os.pathsep)
    missing = [each for each in named if not Path(each).is_dir()]
    if not missing or len(missing) == len(named):
        return None
    words = ", ".join(shown(Path(each)) if each else "an empty entry" for each in missing)
    return warn(
        "tls", f"SSL_CERT_DIR: cannot use {words}; the other entries count", "correct or remove: expected directories"
    )


def no_certificate(address: Address) -> Check:
    """What to say of plain http."""
    if is_loopback(address.host):
        return ok("tls", "none: plain http, which does not leave this machine")
    return warn("tls", "none: over plain http everybody on the way can read the token", "use https://")


def read_certificate(said: Mapping[str, object]) -> Certificate:
    """A certificate out of what the ssl module makes of one."""
    until = ssl.cert_time_to_seconds(str(said["notAfter"]))
    return Certificate(_name(said.get("subject")), _name(said.get("issuer")), until)


def tell(certificate: Certificate, version: str, source: str, now: float) -> Check:
    """What to say of a certificate that is trusted.

    Args:
        certificate: The certificate.
        version: The version of TLS that was agreed on.
        source: Where the certificates are from that it is trusted by.
        now: Seconds since 1970.
    """
    days = int((certificate.until - now) // _DAY)
    words = f"{version}, certificate of {certificate.subject}, by {certificate.issuer}, good for {days} days"
    words = f"{words}; trusted by {source}"
    if days < SOON:
        return warn("tls", words, "whoever runs the API has to renew it")
    return ok("tls", words)


def trust_remedy(words: str) -> str:
    """Return what helps if a certificate is not trusted, by the reason that OpenSSL gives in these words."""
    if "mismatch" in words:
        return _OTHER_HOST
    return _EXPIRED if "has expired" in words else _UNTRUSTED


def _source(ca_bundle: Path | None, environ: Mapping[str, str]) -> str:
    """Where the certificates are from that count."""
    if ca_bundle:
        return f"ca_bundle, {shown(ca_bundle)}"
    return next((name for name in _VARIABLES if environ.get(name)), "the public authorities")


def _can_be_read(path: str) -> bool:
    """Whether there are certificates; in a directory they are read when they are needed."""
    if any(Path(each).is_dir() for each in path.split(os.pathsep)):
        return True
    try:
        ssl.create_default_context(cafile=path)
    except (OSError, ValueError):
        return False
    return True


def _may_be_plain(error: Exception) -> bool:
    """Whether somebody is there who did not shake hands."""
    is_untrusted = isinstance(error, ssl.SSLCertVerificationError)
    return isinstance(error, TimeoutError | ssl.SSLError | ConnectionResetError) and not is_untrusted


async def _speaks_plainly(address: Address, addresses: Sequence[str], seconds: float) -> bool:
    """Whether HTTP without TLS is answered there."""
    with contextlib.suppress(OSError):
        async with asyncio.timeout(seconds):
            reader, writer = await asyncio.open_connection(addresses[0], address.port)
            try:
                writer.write(b"HEAD / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                return await reader.read(len(_HTTP)) == _HTTP
            finally:
                writer.transport.abort()
    return False


def _without_handshake(error: Exception, seconds: float, *, is_plain: bool) -> tuple[str, str]:
    """What was found instead of a handshake, and what helps."""
    match error:
        case _ if is_plain:
            return "it speaks plain http there, not https", "put http:// into the address, or the port of https"
        case TimeoutError():
            return f"no handshake within {seconds:g} s", _NO_HANDSHAKE
        case ConnectionRefusedError():
            return why_not_connected(error), _NOT_RUNNING
        case ssl.SSLCertVerificationError():
            words = why_not_connected(error)
            return words, trust_remedy(words)
        case _:
            return why_not_connected(error), _NO_HANDSHAKE


async def _connect(
    address: Address, addresses: Sequence[str], context: ssl.SSLContext, seconds: float
) -> asyncio.StreamWriter:
    """A connection by the first address that gives one: asyncio's own looking for them could not be given up."""
    *others, last = _one_of_each_family(addresses)
    for each in others:
        try:
            async with asyncio.timeout(seconds / 2):
                return await _open(each, address, context)
        except ssl.SSLError:
            raise
        except OSError:
            continue
    return await _open(last, address, context)


async def _open(place: str, address: Address, context: ssl.SSLContext) -> asyncio.StreamWriter:
    _, writer = await asyncio.open_connection(place, address.port, ssl=context, server_hostname=address.host)
    return writer


def _one_of_each_family(addresses: Sequence[str]) -> list[str]:
    """The first of IPv4 and the first of IPv6, in order."""
    first: dict[int, str] = {}
    for each in addresses:
        first.setdefault(ipaddress.ip_address(each.partition("%")[0]).version, each)
    return list(first.values())


def _name(names: object) -> str:
    """The name in a subject as the ssl module has it: a tuple of tuples of pairs."""
    said = {kind: value for group in names for kind, value in group} if isinstance(names, tuple) else {}
    return str(said.get("commonName") or said.get("organizationName") or "no name")
