"""Choice of the proxy that an address is asked through, from the environment. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from urllib.parse import SplitResult, urlsplit

from comfytui.api.hosts import is_loopback
from comfytui.api.no_proxy import read_no_proxy

__all__ = ["PROXY_VARIABLES", "describe_proxy", "is_excepted", "proxy_url", "proxy_variable", "unusable_proxy"]

PROXY_VARIABLES = ("http_proxy", "https_proxy", "all_proxy")
"""Names of the variables that hold proxies, in lower case."""

_HTTP_SCHEMES = ("http", "https")
_SOCKS_SCHEMES = ("socks5", "socks5h")


def is_excepted(url: str, environ: Mapping[str, str]) -> bool:
    """Return True if this address is never asked through a proxy: this machine, and what NO_PROXY lists."""
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
    """Return the words for a variable whose proxy cannot be used."""
    return f"{variable} names no proxy that can be used"


def describe_proxy(text: str, mask: str = "***") -> str:
    """Return a proxy without what is secret of it, or an empty text if it cannot be used."""
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
