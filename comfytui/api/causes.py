"""Words for what keeps a client from a server. Knows no HTTP library."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from urllib.parse import urlsplit

__all__ = ["target_of", "why_not_connected"]


def why_not_connected(error: BaseException) -> str:
    """Why no connection came about, as the operating system or TLS said it somewhere beneath this error."""
    for cause in _causes(error):
        match cause:
            case ssl.SSLCertVerificationError(verify_message=str(words)):
                return f"TLS: the server's certificate is not trusted ({words})"
            case ssl.SSLError(reason=str(words)):
                return f"TLS: no secure connection ({words.replace('_', ' ').lower()})"
            case ssl.SSLError():
                return "TLS: no secure connection"
            case socket.gaierror(errno=socket.EAI_AGAIN):
                return "the host's name cannot be looked up now"
            case socket.gaierror():
                return "no such host"
            case ConnectionRefusedError():
                return "connection refused: nothing listens there"
            case OSError(strerror=str(words)) if words:
                return words.lower()
    return "no connection could be made"


def target_of(location: str) -> str:
    """Where a redirect leads: its host alone, for the rest may hold secrets."""
    try:
        return urlsplit(location).hostname or "another path"
    except ValueError:
        return "no address"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and everything it was raised from, groups unfolded."""
    yield error
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _causes(each)
    cause = error.__cause__ or error.__context__
    if cause is not None:
        yield from _causes(cause)
