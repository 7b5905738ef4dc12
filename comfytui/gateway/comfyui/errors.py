"""What keeps a ComfyUI server from giving a usable answer, in words for people.

    BoxProblem
    ├── NotThere         no connection: refused, no such host, TLS
    │   └── Dropped      a connection that ended without a whole answer
    ├── NotAnswering     it accepts connections and lets them wait
    ├── SpeaksTLS        asked over http:// where it speaks TLS alone
    ├── SpeaksPlain      asked over https:// where it does not speak TLS
    ├── NeedsPassword    something in front of it asks who is there
    ├── TooLarge         an answer too large to be taken
    ├── Refused          an answer that says no: carries status
    └── Garbled          an answer that is none of ComfyUI's

The words leave the server's address to whoever shows them, and hold no header, query or body.
"""

from __future__ import annotations

from typing import ClassVar


class ComfyUIError(Exception):
    """The server gave no usable answer; its text says why, to follow the server's name in a sentence.

    Attributes:
        is_answer: True if something was answered, though nothing usable: another route may well be answered.
    """

    is_answer: ClassVar[bool] = False


class ServerUnreachableError(ComfyUIError):
    """There is no connection, or it ended without an answer."""


class Dropped(ServerUnreachableError):
    """The connection ended without a whole answer, which may be so for one route alone."""


class ResponseTimeoutError(ComfyUIError):
    """There is a connection, and no whole answer in time: it hangs, is stopped or overloaded."""


class TLSRequiredError(ComfyUIError):
    """It was asked in plain http and speaks TLS alone."""

    def __init__(self) -> None:
        super().__init__("it speaks TLS only: use https://")


class TLSNotSupportedError(ComfyUIError):
    """It was asked over TLS and does not speak it."""

    def __init__(self) -> None:
        super().__init__("it speaks plain http: use http://")


class AuthRequiredError(ComfyUIError):
    """It answered 401 or 403, or sent us to a login page: ComfyUI itself does neither."""

    is_answer = True

    def __init__(self) -> None:
        super().__init__("asks for a password: give its headers in the configuration")


class ResponseTooLargeError(ComfyUIError):
    """The answer is larger than what is taken of one; the rest was not read.

    Args:
        path: What was asked for.
        limit: Bytes that would have been taken.
        beginning: As much of its beginning as was asked for; in no words.
    """

    is_answer = True

    def __init__(self, path: str, limit: int, beginning: bytes = b"") -> None:
        super().__init__(f"the answer to {path} is larger than {limit // 1_000_000} MB and was cut off")
        self.beginning = beginning


class HTTPStatusError(ComfyUIError):
    """It answered with a status that is no success.

    Args:
        path: What was asked for.
        status: The HTTP status.
        more: What else there is to say about it.
    """

    is_answer = True

    def __init__(self, path: str, status: int, more: str = "") -> None:
        super().__init__(f"it answered {status} to {path}{more}")
        self.status = status


class UnparsableResponseError(ComfyUIError):
    """It answered something else than JSON, or than HTTP."""

    is_answer = True

    def __init__(self) -> None:
        super().__init__("answers, but not as ComfyUI does")
