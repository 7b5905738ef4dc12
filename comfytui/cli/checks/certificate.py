"""The certificate that the API shows, and whether it is trusted."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from comfytui.api.causes import why_not_connected
from comfytui.cli.checks.check import Check, fail, ok, warn
from comfytui.cli.status import ExitStatus
from comfytui.config.paths import shown

if TYPE_CHECKING:
    from comfytui.cli.checks.network import Address

__all__ = ["Certificate", "Trust", "look_at_certificate", "no_certificate", "read_certificate", "tell"]

SOON = 14
"""Days before its end from which on a certificate is worth a warning."""

_DAY = 86_400.0
_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
_NO_HANDSHAKE = "is the address right, does it speak https, and does no firewall stand in between?"
_OTHER_HOST = "is the address right, and does nothing stand in between that answers for it?"
_UNTRUSTED = "name who vouches for it: ca_bundle in the configuration, or SSL_CERT_FILE"

# What OpenSSL calls X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH.
_MISMATCHES = {62, 64}


class Certificate(NamedTuple):
    """Whose it is, who vouches for it, and until when, in seconds since 1970, it is good."""

    subject: str
    issuer: str
    until: float


class Trust(NamedTuple):
    """Whose certificates count: a context, or None where they cannot be read; and where they are from."""

    context: ssl.SSLContext | None
    source: str


async def look_at_certificate(
    address: Address,
    addresses: Sequence[str],
    ca_bundle: Path | None,
    environ: Mapping[str, str],
    seconds: float,
    now: float,
) -> Check:
    """Shake hands as the client does, send nothing, and tell of the certificate.

    Args:
        address: Where the API is, by https.
        addresses: What its host's name stands for.
        ca_bundle: Certificates to trust instead of the usual ones.
        environ: Tells of others.
        seconds: How long it may take.
        now: Seconds since 1970.
    """
    trust = await _trust(ca_bundle, environ)
    if trust.context is None:
        return fail("tls", f"{trust.source} holds no certificates that can be read", "name another file there")
    try:
        async with asyncio.timeout(seconds):
            writer = await _connect(address, addresses, trust.context, seconds)
    except TimeoutError:
        return fail("tls", f"no handshake within {seconds:g} s", _NO_HANDSHAKE, ExitStatus.UNREACHABLE)
    except (OSError, UnicodeError) as error:
        return fail("tls", why_not_connected(error), _remedy(error), ExitStatus.UNREACHABLE)
    tls = writer.get_extra_info("ssl_object")
    writer.transport.abort()
    return tell(read_certificate(tls.getpeercert()), str(tls.version()), trust.source, now)


def no_certificate(address: Address) -> Check:
    """What to say of plain http."""
    from comfytui.gateway.serve import is_loopback

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


async def _trust(ca_bundle: Path | None, environ: Mapping[str, str]) -> Trust:
    # Of all ways to make one, this is what a connection to any address of ours goes by.
    from comfytui.gateway.comfyui.connection import tls_context

    named = next((name for name in _VARIABLES if environ.get(name)), "")
    source = f"ca_bundle, {shown(ca_bundle)}" if ca_bundle else named or "the public authorities"
    try:
        return Trust(await tls_context("https:", ca_bundle), source)
    except OSError:
        return Trust(None, source)


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


def _remedy(error: Exception) -> str:
    if not isinstance(error, ssl.SSLCertVerificationError):
        return _NO_HANDSHAKE
    return _OTHER_HOST if error.verify_code in _MISMATCHES else _UNTRUSTED


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
