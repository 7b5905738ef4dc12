from __future__ import annotations

import os
import pty
import termios

import pytest

from comfytui.cli.output import CommandOutput, Table, write_output

ANSWER = CommandOutput(
    document={"runners": [{"id": "r1"}], "total": 1},
    items=[{"id": "r1"}, {"id": "r2"}],
    rows=lambda: [{"id": "r1", "name": "a,b"}],
    fields=("id",),
    table=lambda: Table(("id", "name"), (("r1", "gpu"), ("r2", "a long name"))),
)


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("json", '{\n  "schema": 1,\n  "runners": [\n    {\n      "id": "r1"\n    }\n  ],\n  "total": 1\n}\n'),
        ("ndjson", '{"id":"r1"}\n{"id":"r2"}\n'),
        ("csv", 'id,name\nr1,"a,b"\n'),
        (None, "r1\tgpu\nr2\ta long name\n"),
    ],
)
def test_each_form(capsys: pytest.CaptureFixture[str], form: str | None, text: str) -> None:
    write_output(ANSWER, form)
    assert capsys.readouterr() == (text, "")


def test_a_table_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "10")
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (24, 10))
    with os.fdopen(slave, "w", encoding="utf-8") as stream:
        monkeypatch.setattr("sys.stdout", stream)
        write_output(ANSWER, None)
        told = os.read(master, 4096).decode()
    os.close(master)
    assert told == "ID  NAME\r\nr1  gpu\r\nr2  a lon…\r\n"


def test_csv_of_nothing_has_its_names(capsys: pytest.CaptureFixture[str]) -> None:
    write_output(CommandOutput({}, [], list, ("id", "name"), lambda: Table((), ())), "csv")
    assert capsys.readouterr().out == "id,name\n"
