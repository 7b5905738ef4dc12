"""httpx client of a session: address, token, certificates, proxies."""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Generator
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from comfytui import __version__
from comfytui.api.errors import InvalidArgumentError
from comfytui.api.proxies import proxy_url, proxy_variable, unusable_proxy
from comfytui.config.credentials import is_header_safe
from comfytui.hosts import is_loopback
from comfytui.text import sanitize

if TYPE_CHECKING:
    from pydantic import SecretStr


_CONNECTIONS = 10
# All three: leaving one out lifts the limit on the others.
_LIMITS = httpx.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=_CONNECTIONS, keepalive_expiry=60.0)
_HEADERS = {"User-Agent": f"comfytui/{__version__}", "Accept": "application/json", "Accept-Encoding": "gzip"}
_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
_HOST = re.compile(r"[A-Za-z0-9._:-]+")


def build_http_client(
    base_url: str,
    token: SecretStr,
    transport: httpx.AsyncBaseTransport | None,
    timeout: float,
    ca_bundle: Path | None,
    insecure_http: bool,
) -> httpx.AsyncClient | InvalidArgumentError:
    """Return an httpx client for an address, or the error that prevents it; requests bring a `Bearer`.

    Proxies of the environment are used, except for this machine. The arguments are those of
    `comfytui.api.session.Session`.
    """
    if not is_header_safe(token.get_secret_value()):
        return InvalidArgumentError("the API token is empty, or holds blanks or characters that no token has")
    address = _validate_base_url(base_url)
    if isinstance(address, InvalidArgumentError):
        return address
    if transport is None and _sends_token_in_clear(address) and not insecure_http:
        return InvalidArgumentError(
            f"http:// would show the API token to everybody on the way to {address.host}: "
            "use https://, or --insecure-http where that does not matter"
        )
    trust = True if transport is not None else _ssl_context(address, ca_bundle)
    if isinstance(trust, InvalidArgumentError):
        return trust
    variable = "" if transport is not None else proxy_variable(str(address), os.environ)
    proxy = proxy_url(variable, os.environ) if variable else None
    if variable and proxy is None:
        return InvalidArgumentError(unusable_proxy(variable))
    try:
        return httpx.AsyncClient(
            base_url=address,
            headers=_HEADERS,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
            timeout=httpx.Timeout(timeout, connect=timeout / 2),
            limits=_LIMITS,
            follow_redirects=False,
            transport=transport,
            proxy=proxy,
            # httpx reads NO_PROXY differently and would use the proxy for excepted hosts.
            trust_env=False,
            verify=trust,
        )
    except (ImportError, ValueError, httpx.InvalidURL):
        return InvalidArgumentError(unusable_proxy(variable))


class Bearer(httpx.Auth):
    """Puts the token into each request as it leaves, so that no client, header set or repr holds it before."""

    def __init__(self, token: SecretStr) -> None:
        self._token = token

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Add the header."""
        request.headers["Authorization"] = f"Bearer {self._token.get_secret_value()}"
        yield request


def _validate_base_url(base_url: str) -> httpx.URL | InvalidArgumentError:
    """Return the address as a URL, or the error; the message omits the address and its password."""
    try:
        url = httpx.URL(base_url)
        host = url.raw_host.decode("ascii")
        is_host = bool(_HOST.fullmatch(host)) and bool(url.host and host.encode("idna"))
    except (ValueError, httpx.InvalidURL):
        return InvalidArgumentError("the API address is no URL")
    if url.scheme not in ("http", "https"):
        return InvalidArgumentError("the API address must begin with http:// or https://")
    if not is_host or not 1 <= (url.port or 80) <= 65535 or url.port == 0:
        return InvalidArgumentError("the API address must name a host, and a port from 1 to 65535 if any")
    if url.userinfo:
        return InvalidArgumentError("the API address must not hold a user name or password")
    if "?" in base_url or "#" in base_url:
        return InvalidArgumentError("the API address must end before any ? or #")
    return url


def _sends_token_in_clear(address: httpx.URL) -> bool:
    return address.scheme == "http" and not is_loopback(address.host)


def _ssl_context(address: httpx.URL, ca_bundle: Path | None) -> ssl.SSLContext | InvalidArgumentError:
    """Return the TLS context: certificates of the setting, the environment, or public authorities."""
    for name, path in (("ca_bundle", str(ca_bundle or "")), *((name, os.environ.get(name)) for name in _VARIABLES)):
        if path:
            return _load_ca(name, path, is_read=address.scheme == "https")
    return _no_verification() if address.scheme == "http" else httpx.create_ssl_context(trust_env=False)


def _no_verification() -> ssl.SSLContext:
    """Return a context without authorities for http, since reading them takes long."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _load_ca(name: str, path: str, *, is_read: bool) -> ssl.SSLContext | InvalidArgumentError:
    try:
        # OpenSSL takes a directory that is not there for an empty one.
        if any(Path(each).is_dir() for each in path.split(os.pathsep)):
            return ssl.create_default_context(capath=path) if is_read else _no_verification()
        if not is_read and Path(path).is_file():
            return _no_verification()
        return ssl.create_default_context(cafile=path)
    except (OSError, ValueError):
        return InvalidArgumentError(sanitize(f"{name} names no certificates that can be read: {path}"))
