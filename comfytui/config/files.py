"""Small files of ours, written whole or not at all."""

from __future__ import annotations

import codecs
import os
from pathlib import Path
from typing import Literal

from comfytui.config.paths import make_private

__all__ = ["cause", "decode_text", "replace_file"]


def replace_file(path: Path, text: str) -> None:
    """Put this text in place of what the file holds; both it and its directory are this user's alone from the start.

    Raises:
        OSError: It cannot be written; what was there before is still there then.
    """
    import tempfile

    make_private(path.parent)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    written = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        written.replace(path)
    finally:
        written.unlink(missing_ok=True)


def decode_text(data: bytes, errors: Literal["strict", "replace"] = "strict") -> str:
    """Return text in UTF-8, or in UTF-16 with a byte order mark; the mark is left out.

    Args:
        data: The content of a file, or the output of a program.
        errors: Handling of bytes that are neither: `replace` makes them characters that nothing expects.

    Raises:
        UnicodeDecodeError: The data is neither, and `errors` is `strict`.
    """
    is_utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return data.decode("utf-16" if is_utf16 else "utf-8-sig", errors)


def cause(error: OSError) -> str:
    """Why it cannot be read or written, to put behind a colon."""
    return (error.strerror or "unknown cause").lower()
