"""Decoding of response bodies: decompression, JSON, error messages. Independent of any HTTP library."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote

from comfytui.api.trimming import trim_json
from comfytui.files import UTF16_MARKS, decode_text
from comfytui.redaction import MASK, redact_text
from comfytui.text import MAX_TEXT, sanitize

if TYPE_CHECKING:
    from pydantic import SecretStr


_T = TypeVar("_T")

MAX_BODY = 8_000_000
"""Bytes, before and after unpacking; the API's largest page is far below a hundredth of it."""

LARGE = 256 * 1024
"""Bytes of an unpacked body up to which it is decoded at once, without being trimmed and without a thread."""

MAX_MESSAGE = 300
"""Characters of a message that are kept."""

BODY_TOO_LARGE = f"more than {MAX_BODY // 1_000_000} MB"
BODY_TRUNCATED = "the answer ended early"

_GZIP = 16 + zlib.MAX_WBITS
_GZIP_NAMES = ("gzip", "x-gzip")
"""RFC 9110, 8.4.1.3: a recipient treats x-gzip as gzip."""
_MAX_MEMBERS = 256
_GZIP_MAGIC = b"\x1f\x8b"


class TooLargeError(ValueError):
    """The body exceeds the limit of size."""

    def __init__(self) -> None:
        super().__init__(BODY_TOO_LARGE)


def decode(raw: bytes | bytearray, coding: str, read: Callable[[object], _T], room: int = MAX_BODY) -> _T | ValueError:
    """Return the parsed value of a body, or the error with a message; large bodies are trimmed first.

    Args:
        raw: The body as it was sent.
        coding: Content-Encoding of the body.
        read: Parser of the decoded JSON value; raises ValueError with a message.
        room: Bytes that the unpacked body may have; TooLargeError if it has more.
    """
    try:
        body = decompress(raw, coding, room)
        return read(decode_json(trim_json(_in_utf8(body)) if len(body) > LARGE else body))
    except ValueError as error:
        return error


def decompress(raw: bytes | bytearray, coding: str, room: int = MAX_BODY) -> bytes | bytearray:
    """Return a decompressed body; Content-Encoding is gzip or none, since nothing else is requested.

    Raises:
        TooLargeError: It holds more bytes than there is room for.
        ValueError: The encoding is another one, or the body is damaged; with words.
    """
    if len(raw) > room:
        raise TooLargeError
    if coding in ("", "identity"):
        return raw
    if coding not in _GZIP_NAMES:
        raise ValueError("the answer is compressed in a way that was not asked for")
    # Unpacked by hand: a library's chain of decoders has no limit that a few hostile bytes cannot pass.
    members: list[bytes] = []
    while True:
        member, raw = _unpack_member(raw, room)
        members.append(member)
        room -= len(member)
        # Other bytes behind a member, such as padding, are ignored.
        if not raw.startswith(_GZIP_MAGIC):
            return b"".join(members)
        # Each member costs a copy of the rest, so thousands of them in one body would take seconds.
        if len(members) == _MAX_MEMBERS:
            raise TooLargeError


def _unpack_member(raw: bytes | bytearray, room: int) -> tuple[bytes, bytes]:
    """Return the content of one gzip member, and the bytes behind it."""
    unpacker = zlib.decompressobj(_GZIP)
    try:
        member = unpacker.decompress(raw, room + 1)
    except zlib.error:
        raise ValueError("the answer is damaged: it is not the gzip it claims to be") from None
    if len(member) > room:
        raise TooLargeError
    if not unpacker.eof:
        raise ValueError(BODY_TRUNCATED)
    return member, unpacker.unused_data


def decode_json(body: bytes | bytearray) -> object:
    """Decode a JSON value from UTF-8, with or without a byte order mark, or from UTF-16 with one.

    Bytes that are neither become U+FFFD. `NaN` and the infinities, which JSON does not know, become text, and so
    does a whole number of more digits than Python reads.

    Raises:
        ValueError: The body is not JSON; the message says what it is.
    """
    text = decode_text(body, "replace")
    try:
        value: object = json.loads(text, parse_constant=str, parse_int=_whole_number)
    except (ValueError, RecursionError) as error:
        raise ValueError(_describe_non_json(text, error)) from None
    return value


def _in_utf8(body: bytes | bytearray) -> bytes | bytearray:
    """Return the body in UTF-8, converted if it begins with a byte order mark of UTF-16."""
    return decode_text(body, "replace").encode() if body.startswith(UTF16_MARKS) else body


def error_message(value: object) -> str:
    """Return the `message` of a decoded error body (page api/errors), or an empty string."""
    message = value.get("message") if isinstance(value, dict) else None
    return message[:MAX_TEXT] if isinstance(message, str) else ""


def silence_in(value: object) -> tuple[str, str] | None:
    """Return state and reason of a runner without a usable answer from a gateway's error body, or None if missing."""
    runner = value.get("runner") if isinstance(value, dict) else None
    state, reason = (runner.get("state"), runner.get("reason")) if isinstance(runner, dict) else (None, None)
    return (state, reason) if isinstance(state, str) and isinstance(reason, str) else None


def clean_message(text: str, token: SecretStr) -> str:
    """Return a server's words as one sanitize line of at most MAX_MESSAGE characters without secrets."""
    # A truncated secret cannot be recognized, so the text is cut far behind the shown part.
    return _cut(redact_text(redact_token(_one_line(text[:MAX_TEXT]), token)))


def as_path(text: str, token: SecretStr) -> str:
    """Return a path and query of our own making as `clean_message` does; only the token can be secret in it."""
    return _cut(redact_token(_one_line(text), token))


def _one_line(text: str) -> str:
    return sanitize(" ".join(text.split())).strip()


def _cut(line: str) -> str:
    return line if len(line) <= MAX_MESSAGE else line[: MAX_MESSAGE - 1].rstrip() + "…"


def redact_token(text: str, token: SecretStr) -> str:
    """Return the text with the token masked, plain and percent-encoded."""
    secret = token.get_secret_value()
    return text.replace(secret, MASK).replace(quote(secret, safe=""), MASK)


def _whole_number(digits: str) -> int | str:
    try:
        return int(digits)
    except ValueError:
        return digits


def _describe_non_json(text: str, error: ValueError | RecursionError) -> str:
    text = text.rstrip()
    if not text:
        return "an empty answer"
    if text.lstrip().startswith("<"):
        return "HTML instead of JSON, perhaps from a proxy or a login page"
    if isinstance(error, RecursionError):
        return "JSON that is nested too deeply"
    if isinstance(error, json.JSONDecodeError) and (
        error.pos >= len(text) or error.msg.startswith("Unterminated string")
    ):
        return BODY_TRUNCATED
    return "the answer is not JSON"
