"""httpx client of a ComfyUI server: headers, certificates, proxies."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import ssl
from collections.abc import Generator, Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx

from comfytui import __version__
from comfytui.api.proxies import proxy_url, proxy_variable, unusable_proxy
from comfytui.gateway.comfyui.errors import ComfyUIError, ServerUnreachableError

if TYPE_CHECKING:
    from comfytui.config.settings import Server


# ComfyUI compresses only if told to, and then in the process that computes.
_HEADERS = {"User-Agent": f"comfytui/{__version__}", "Accept": "application/json", "Accept-Encoding": "identity"}
_CONNECTIONS = 6
# Longer than between two heartbeats. All three: leaving one out lifts the limit on the others.
_LIMITS = httpx.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=_CONNECTIONS, keepalive_expiry=60.0)
_NEAR = (".localhost", ".local", ".lan", ".internal", ".home.arpa")
_PROBE_SECONDS = 1.0


async def build_http_client(
    server: Server, ca_bundle: Path | None, seconds: float, transport: httpx.AsyncBaseTransport | None
) -> httpx.AsyncClient | ComfyUIError:
    """Return an httpx client for a server, or the error that prevents it.

    Args:
        server: Whom it asks; the headers are put into each request as it leaves.
        ca_bundle: As for BoxClient.
        seconds: Time limit of a connection and of a TLS handshake, each; nothing else of a request is limited here.
        transport: Who carries requests instead of the network.
    """
    try:
        tls = await ssl_context(server.url, ca_bundle)
    except OSError:
        return ServerUnreachableError(
            "the certificates to trust (ca_bundle, SSL_CERT_FILE or SSL_CERT_DIR) cannot be read"
        )
    is_near = transport is not None or _is_local_network(urlsplit(server.url).hostname or "")
    variable = "" if is_near else proxy_variable(server.url, os.environ)
    proxy = proxy_url(variable, os.environ) if variable else None
    if variable and proxy is None:
        return ServerUnreachableError(unusable_proxy(variable))
    try:
        return httpx.AsyncClient(
            base_url=server.url,
            auth=_ServerHeadersAuth(server),
            headers=_HEADERS,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
            timeout=httpx.Timeout(None, connect=seconds),
            limits=_LIMITS,
            follow_redirects=False,
            transport=transport,
            proxy=proxy,
            # It reads NO_PROXY in its own way, by which excepted hosts are asked through the proxy.
            trust_env=False,
            verify=tls,
        )
    except (ImportError, ValueError, httpx.InvalidURL):
        return ServerUnreachableError(unusable_proxy(variable))


async def ssl_context(url: str, ca_bundle: Path | None) -> ssl.SSLContext:
    """Return the TLS context of an address: given certificates, the environment's, or public ones.

    Raises:
        OSError: They cannot be read.
    """
    if not url.startswith("https:"):
        # Loading certificates takes long, and http needs none.
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return await asyncio.to_thread(_trusting, ca_bundle)


def _trusting(ca_bundle: Path | None) -> ssl.SSLContext:
    if ca_bundle is None:
        return httpx.create_ssl_context()
    if ca_bundle.is_dir():
        return ssl.create_default_context(capath=ca_bundle)
    return ssl.create_default_context(cafile=ca_bundle)


class _ServerHeadersAuth(httpx.Auth):
    """Auth that adds the server's headers as a request leaves, so that no repr holds them."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers.update(server_headers(self._server))
        yield request


def server_headers(server: Server) -> Mapping[str, str]:
    """Return the headers of a server in clear, each name once, whatever its case.

    Of names that differ only in case the last counts.
    """
    named = {name.lower(): (name, value) for name, value in server.headers.items()}
    return {name: value.get_secret_value() for name, value in named.values()}


async def probe_tls(host: str, port: int) -> bool:
    """Return True if a TLS handshake succeeds; certificates are not checked and nothing is sent."""
    anybody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anybody.check_hostname = False
    anybody.verify_mode = ssl.CERT_NONE
    try:
        async with asyncio.timeout(_PROBE_SECONDS):
            _, writer = await asyncio.open_connection(host, port, ssl=anybody)
    except (OSError, UnicodeError):
        return False
    writer.transport.abort()
    return True


def _is_local_network(host: str) -> bool:
    """Return True if a host is this machine or one of its network, where proxies do not lead."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return "." not in host or host.endswith(_NEAR)
    return address.is_loopback or address.is_private or address.is_link_local
