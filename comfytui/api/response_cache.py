"""From what an answer holds to what it says; one that is the same as the time before is known at once."""

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
    """Reads bodies of one kind, and remembers what the last of each address was read as.

    Most of what is asked every few seconds is answered with the same bytes, and to decode and check them is a good part
    of what a request costs. Digests of bodies are kept, and not these: they hold secrets.

    Args:
        read: Makes of a decoded JSON body what it says; ValueError with words where it is something else.
    """

    def __init__(self, read: Callable[[object], T]) -> None:
        self._read = read
        self._known: dict[bytes, tuple[bytes, T]] = {}

    def get(self, address: bytes, raw: bytes | bytearray, coding: str) -> T | None:
        """What this body was read as, where it is the one that came from that address last.

        Args:
            address: Path and query.
            raw: The body as it was sent.
            coding: How it is compressed.
        """
        known = self._known.get(address)
        is_known = known is not None and len(raw) <= _LARGEST and known[0] == _digest(raw, coding)
        return known[1] if known is not None and is_known else None

    def parse(self, body: object) -> T:
        """Return what a decoded JSON value says, in any thread; ValueError with words if it is something else."""
        try:
            return self._read(body)
        except ValidationError:
            raise ValueError("expected an object with an id") from None

    def keep(self, address: bytes, raw: bytes | bytearray, coding: str, said: T) -> None:
        """Remember what a body was read as; the arguments are those of `recall`."""
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
