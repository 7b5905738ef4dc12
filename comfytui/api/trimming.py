"""Trimming of large JSON before decoding: long lists, texts and deep nesting are cut.

Decoding builds an object for each value, so a few megabytes of tiny values would take a gigabyte and hold the
interpreter for seconds. This walks over the bytes instead, keeps what is within the limits and marks each cut with "…".
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

CUT = "…"
"""Mark of a cut: at the end of a list or text, as last field of an object, or for a nested value."""

MAX_ENTRIES = 1_000
MAX_DEPTH = 32
MAX_STRING = 16_384
MAX_VALUES = 50_000
MAX_KEPT = 2_000_000

_MARK = f'"{CUT}"'.encode()
# Quantifiers are possessive and bounded: a match must neither need memory nor hold the interpreter for long.
_STRING = rb'"(?:[^"\\]{1,8192}+|\\.){0,8192}+("?)'
_TOKEN = re.compile(_STRING + rb"|[\[\]{},]|[^\s\"\[\]{},:]++", re.DOTALL)
_SKIPPED = re.compile(_STRING + rb"|[\[\]{}]", re.DOTALL)
# Whole strings and the bytes between them: skipped parts are searched in such spans.
_SPAN = re.compile(rb'(?:[^"]{1,1024}+|"(?:[^"\\]{1,4096}+|\\.){0,64}+"){1,64}+', re.DOTALL)
_STRINGS = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_PAIRS = 4
_REST = re.compile(rb'(?:[^"\\]{1,8192}+|\\.){0,8192}+("?)', re.DOTALL)
_BEGINNING = re.compile(rb'"(?:[^"\\]|\\u[0-9a-fA-F]{4}|\\[^u]){0,%d}+' % MAX_STRING, re.DOTALL)
_OPENING, _CLOSING, _QUOTE, _COMMA, _BRACE = b"[{", b"]}", ord('"'), ord(","), ord("{")


def trim_json(body: bytes | bytearray) -> bytes:
    """Return JSON of bounded size with the same beginning; other text stays as it is."""
    return _Trimmer(body).trim()


@dataclass(slots=True)
class _Trimmer:
    """Walk over a body.

    Attributes:
        body: The JSON to be trimmed.
        kept: Bytes copied so far.
        begin: Index in the body of the next bytes to copy.
        at: Where the walk is.
        values: Number of kept values.
        open: Entries so far and opening sign of each container that the walk is in, outermost first.
    """

    body: bytes | bytearray
    kept: bytearray = field(default_factory=bytearray)
    begin: int = 0
    at: int = 0
    values: int = 0
    open: list[tuple[int, int]] = field(default_factory=list)

    def trim(self) -> bytes:
        body, search = self.body, _TOKEN.search
        while (token := search(body, self.at)) is not None:
            sign = body[token.start()]
            self.at = token.end()
            if sign == _QUOTE:
                self._string(token)
            elif sign == _COMMA:
                self._comma(token.start())
            elif sign in _OPENING:
                self._enter(token.start(), sign)
            elif sign in _CLOSING:
                if self.open:
                    self.open.pop()
            elif token.end() - token.start() > MAX_STRING:
                self._cut(token.start(), token.end())
        self._copy(len(body))
        return bytes(self.kept)

    def _copy(self, end: int) -> None:
        self.kept += memoryview(self.body)[self.begin : end]

    def _cut(self, start: int, end: int) -> None:
        """Replace a part of the body with a mark."""
        self._copy(start)
        self.kept += _MARK
        self.begin = self.at = end

    def _string(self, token: re.Match[bytes]) -> None:
        is_closed = bool(token[1])
        while not is_closed and self.at < len(self.body):
            rest = _REST.match(self.body, self.at)
            if rest is None or rest.end() == self.at:
                return
            self.at, is_closed = rest.end(), bool(rest[1])
        if is_closed and self.at - token.start() > MAX_STRING:
            beginning = _BEGINNING.match(self.body, token.start())
            self._copy(beginning.end() if beginning else token.start())
            self.kept += f'{CUT}"'.encode()
            self.begin = self.at

    def _comma(self, at: int) -> None:
        if not self.open:
            return
        entries, sign = self.open[-1]
        self.open[-1] = entries + 1, sign
        self.values += 1
        is_full = self.values >= MAX_VALUES or len(self.kept) + at - self.begin >= MAX_KEPT
        if entries + 1 < MAX_ENTRIES and not is_full:
            return
        self._copy(at + 1)
        self.kept += _MARK + b":" + _MARK if sign == _BRACE else _MARK
        self.begin = self._skip() - 1
        self.open.pop()

    def _enter(self, at: int, sign: int) -> None:
        if len(self.open) < MAX_DEPTH:
            self.open.append((0, sign))
        else:
            self._cut(at, self._skip())

    def _skip(self) -> int:
        """Go on behind the end of the innermost container, and return where that is."""
        body, depth = self.body, 1
        while depth and self.at < len(body):
            span = _SPAN.match(body, self.at)
            end = span.end() if span else self.at + 1
            change = _change(span[0], depth) if span else None
            if change is not None:
                depth += change
                self.at = end
            else:
                depth = self._step(end, depth)
        return self.at if not depth else len(body) + 1

    def _step(self, end: int, depth: int) -> int:
        """Go on up to there, sign by sign, or behind the container's end, and return the depth."""
        while depth and self.at < end:
            token = _SKIPPED.search(self.body, self.at)
            if token is None:
                self.at = len(self.body)
                break
            sign = self.body[token.start()]
            self.at = token.end()
            if sign in _OPENING:
                depth += 1
            elif sign in _CLOSING:
                depth -= 1
            elif not token[1]:
                self._string_end()
        return depth

    def _string_end(self) -> None:
        while (rest := _REST.match(self.body, self.at)) is not None and rest.end() > self.at:
            self.at = rest.end()
            if rest[1]:
                return


def _change(span: bytes, depth: int) -> int | None:
    """Return the change of depth by a part of JSON, or None if the depth may reach 0 within."""
    signs = _STRINGS.sub(b"", span).translate(None, _NO_BRACKETS)
    for _ in range(_PAIRS):
        signs = signs.replace(b"{}", b"").replace(b"[]", b"")
    closing = signs.count(b"]") + signs.count(b"}")
    return len(signs) - 2 * closing if closing < depth else None
