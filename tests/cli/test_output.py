from __future__ import annotations

import io
import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from comfytui.cli.output import (
    OutputError,
    PipeClosedError,
    flush,
    is_terminal,
    require_stdout,
    write_json,
    write_line,
    write_lines,
    write_text,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def closed_pipe(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Standard output is a pipe that nobody reads; its descriptor."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w", encoding="utf-8") as stream:
        monkeypatch.setattr("sys.stdout", stream)
        yield writer


def test_a_document_over_several_lines_and_an_object_on_one(capsys: pytest.CaptureFixture[str]) -> None:
    write_json({"a": ["ü", None]})
    write_line({"a": ["ü", None]})
    write_lines(["one", "two"])
    out = capsys.readouterr().out
    assert out == '{\n  "a": [\n    "ü",\n    null\n  ]\n}\n{"a":["ü",null]}\none\ntwo\n'


def test_data_is_utf_8_wherever_it_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(raw, encoding="ascii"))
    write_text("▶ ü\n")
    assert raw.getvalue() == "▶ ü\n".encode()


def test_a_closed_standard_output_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    require_stdout()
    monkeypatch.setattr("sys.stdout", None)
    for write in (require_stdout, lambda: write_text("nobody reads this"), lambda: write_line({})):
        with pytest.raises(OutputError, match="standard output is closed"):
            write()
    flush()
    assert not is_terminal()


@pytest.mark.parametrize("text", ["short", "long" * 100_000])
def test_a_closed_pipe_is_told_once_and_swallows_the_rest(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    with closed_pipe(monkeypatch) as descriptor:
        with pytest.raises(PipeClosedError):
            write_text(text)
        write_text("more")
        assert os.fstat(descriptor).st_rdev == Path(os.devnull).stat().st_rdev


def test_buffered_output_meets_a_closed_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    with closed_pipe(monkeypatch):
        sys.stdout.write("as argparse does")
        with pytest.raises(PipeClosedError):
            flush()
        flush()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no such device here")
def test_a_full_disk_is_no_closed_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        monkeypatch.setattr("sys.stdout", full)
        with pytest.raises(OutputError, match="cannot be written: no space left"):
            write_text("much")
        write_text("more")
