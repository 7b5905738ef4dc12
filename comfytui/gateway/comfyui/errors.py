"""Errors of a ComfyUI server's client, with messages for users.

    ComfyUIError
    ├── ServerUnreachableError     no connection: refused, unknown host, TLS
    │   └── ConnectionDroppedError the connection ended before a whole answer
    ├── ResponseTimeoutError       connected, but no whole answer in time
    ├── TLSRequiredError           http:// was used, and the server speaks only TLS
    ├── TLSNotSupportedError       https:// was used, and the server does not speak TLS
    ├── AuthRequiredError          a login or proxy in front of the server refused
    ├── ResponseTooLargeError      the answer exceeds the limit of size
    ├── HTTPStatusError            an HTTP error; carries the status
    └── UnparsableResponseError    the answer is not one of ComfyUI's

Messages do not contain the server's address, headers, query or body.
"""

from __future__ import annotations

from typing import ClassVar

HANGS = "accepts connections and does not answer"
"""Reason of a server that hangs."""

NOT_TLS = ("wrong version number", "record layer failure")
"""Messages of OpenSSL about a server that speaks no TLS."""


class ComfyUIError(Exception):
    """The server gave no usable answer; the message follows the server's name.

    Attributes:
        is_answer: True if there was an answer, though an unusable one: other routes may work.
    """

    is_answer: ClassVar[bool] = False


class ServerUnreachableError(ComfyUIError):
    """The server could not be reached, or the connection ended without an answer."""


class ConnectionDroppedError(ServerUnreachableError):
    """The connection ended before a whole answer, maybe for one route only."""


class ResponseTimeoutError(ComfyUIError):
    """The server is connected but hangs: no whole answer in time."""


class TLSRequiredError(ComfyUIError):
    """Plain HTTP was used, and the server speaks only TLS."""

    def __init__(self) -> None:
        super().__init__("it speaks TLS only: use https://")


class TLSNotSupportedError(ComfyUIError):
    """TLS was used, and the server does not speak it."""

    def __init__(self) -> None:
        super().__init__("it speaks plain http: use http://")


class AuthRequiredError(ComfyUIError):
    """A login is needed: 401, 403 or a login page, none of which ComfyUI itself sends."""

    is_answer = True

    def __init__(self) -> None:
        super().__init__("asks for a password: give its headers in the configuration")


class ResponseTooLargeError(ComfyUIError):
    """The answer exceeds the limit of size; the rest was not read.

    Args:
        path: Requested path.
        limit: Limit in bytes.
        beginning: Requested part of its beginning; not in the message.
    """

    is_answer = True

    def __init__(self, path: str, limit: int, beginning: bytes = b"") -> None:
        super().__init__(f"the answer to {path} is larger than {limit // 1_000_000} MB and was cut off")
        self.beginning = beginning


class HTTPStatusError(ComfyUIError):
    """The server answered with an HTTP error.

    Args:
        path: Requested path.
        status: HTTP status.
        more: Rest of the message.
    """

    is_answer = True

    def __init__(self, path: str, status: int, more: str = "") -> None:
        super().__init__(f"it answered {status} to {path}{more}")
        self.status = status


class UnparsableResponseError(ComfyUIError):
    """The answer is not JSON, or not HTTP."""

    is_answer = True

    def __init__(self) -> None:
        super().__init__("answers, but not as ComfyUI does")
