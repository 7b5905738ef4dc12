"""Cache of parsed responses: a body equal to the last one of its URL is not parsed again."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from typing import Generic, TypeVar

from pydantic import ValidationError

T = TypeVar("T")

_MOST = 64
# Bytes: a page of a whole list is hardly ever the same, and there are many.
_LARGEST = 32 * 1024


class ParsedResponseCache(Generic[T]):
    """Parser of one kind of body with the last result of each URL.

    Most polls get the same bytes, and decoding and validation are a good part of the cost of a request. Digests are
    kept instead of bodies, which hold secrets.

    Args:
        read: Parser of a decoded JSON body; raises ValueError with a message.
    """

    def __init__(self, read: Callable[[object], T]) -> None:
        self._read = read
        self._known: dict[bytes, tuple[bytes, T]] = {}

    def get(self, address: bytes, raw: bytes | bytearray, coding: str) -> T | None:
        """Return the result for a body if it equals the last one of the URL, or None.

        Args:
            address: Path and query.
            raw: The body as it was sent.
            coding: Content-Encoding of the body.
        """
        known = self._known.get(address)
        is_known = known is not None and len(raw) <= _LARGEST and known[0] == _digest(raw, coding)
        return known[1] if known is not None and is_known else None

    def parse(self, body: object) -> T:
        """Parse a decoded JSON value, in any thread; ValueError with a message."""
        try:
            return self._read(body)
        except ValidationError:
            raise ValueError("expected an object with an id") from None

    def keep(self, address: bytes, raw: bytes | bytearray, coding: str, said: T) -> None:
        """Store the result of a body; arguments as for `get`."""
        if len(raw) > _LARGEST:
            return
        if address not in self._known and len(self._known) >= _MOST:
            del self._known[next(iter(self._known))]
        self._known[address] = _digest(raw, coding), said


def _digest(raw: bytes | bytearray, coding: str) -> bytes:
    digest = blake2b(coding.encode(), digest_size=16)
    digest.update(b"\0")
    digest.update(raw)
    return digest.digest()
