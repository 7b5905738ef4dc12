"""Random input in packets of up to eight keys, clicks, pastes and resizes, as slow links deliver them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Final, TypeAlias

from comfytui.tui.keys.commands import COMMANDS

__all__ = ["SIZES", "Packet", "Size", "packet"]

Size: TypeAlias = tuple[int, int]

SIZES: Final[tuple[Size, ...]] = (
    (200, 60),
    (120, 40),
    (80, 24),
    (60, 15),
    (39, 12),
    (30, 8),
    (20, 5),
    (10, 3),
    (3, 2),
    (1, 1),
)

Packet: TypeAlias = tuple[bytes, Size | None]
"""What is sent at once, and the size that the terminal gets before, if any."""

_BYTES: Final[Mapping[str, bytes]] = {
    "up": b"\x1b[A",
    "down": b"\x1b[B",
    "right": b"\x1b[C",
    "left": b"\x1b[D",
    "home": b"\x1b[H",
    "end": b"\x1b[F",
    "pageup": b"\x1b[5~",
    "pagedown": b"\x1b[6~",
    "delete": b"\x1b[3~",
    "backspace": b"\x7f",
    "enter": b"\r",
    "escape": b"\x1b",
    "tab": b"\t",
    "space": b" ",
    "slash": b"/",
    "shift+tab": b"\x1b[Z",
    "shift+up": b"\x1b[1;2A",
    "shift+down": b"\x1b[1;2B",
    "ctrl+p": b"\x10",
    "ctrl+l": b"\x0c",
}

# What ends or suspends the program does so by right.
_LEFT_OUT = {"quit", "quit_at_once", "suspend_process"}
_KEYS = tuple(
    _BYTES.get(key) or key.encode()
    for command in COMMANDS
    if command.id not in _LEFT_OUT
    for key in command.keys.split(",")
    if key
)
_OPENERS = tuple(_BYTES.get(key) or key.encode() for key in ("ctrl+p", ":", "/", "P", "S", "L", "?", "c", "enter"))
_WORDS = ("gpu", "tag:cpu", "last:failed", "!x", "next page", "theme", "12", "view.svg", "\x1b]52;c;aGk=\x07", "é漢🏳️‍🌈")
_RAW = (b"\x00", b"\xff\xfe", b"\x9b\x35n", b"\x1b[", b"\x1b[<0;1", b"\x1bO", b"\x05", b"\x0e", b"\xe2\x80\xae")


def packet(random: Random, size: Size) -> Packet:
    """Return up to eight random keys, clicks and pastes, and now and then another size."""
    new = random.choice(SIZES) if random.random() < 0.08 else None
    columns, rows = new or size
    kinds: list[tuple[Callable[[], bytes], int]] = [
        (lambda: random.choice(_KEYS), 50),
        (lambda: random.choice(_OPENERS), 25),
        (lambda: random.choice((b"\r", b"\x1b[A", b"\x1b[5~", b"\x1b[6~", b"\x7f")), 15),
        (lambda: random.choice(_WORDS).encode(), 6),
        (lambda: b"\x1b[200~" + random.choice(_WORDS).encode() * random.randint(0, 9) + b"\x1b[201~", 4),
        (lambda: _mouse(random, columns, rows), 30),
        (lambda: random.choice((b"\x1b[I", b"\x1b[O")), 2),
        (lambda: random.choice(_RAW), 3),
    ]
    makers, weights = [make for make, _ in kinds], [weight for _, weight in kinds]
    chosen = random.choices(makers, weights, k=random.randint(1, 8))
    return b"".join(make() for make in chosen), new


def _mouse(random: Random, columns: int, rows: int) -> bytes:
    """Return clicks, a turn of the wheel, or moves, mostly where boxes and notes are."""
    x, y = random.randint(1, columns), random.choice((random.randint(1, rows), rows, 2, max(1, rows - 3)))
    if random.random() < 0.2:
        x = max(1, columns - random.randint(0, 20))
    match random.randint(0, 5):
        case 0:
            return f"\x1b[<64;{x};{y}M".encode()
        case 1:
            return f"\x1b[<35;{x};{y}M\x1b[<32;{x + 1};{y}M".encode()
        case 2:
            return f"\x1b[<0;{x};{y}M".encode()
        case 3:
            return f"\x1b[<0;{x};{y}M\x1b[<0;{x};{y}m".encode() * 2
        case _:
            return f"\x1b[<0;{x};{y}M\x1b[<0;{x};{y}m".encode()
