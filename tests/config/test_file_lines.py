from __future__ import annotations

import tomllib

import pytest

from comfytui.config.file import KeyPath, key_lines, line_for

DOCUMENT = '''\
# url = "a comment"
url = "https://host"

"token_command" = [ # a list
  "url = 1",
  "b",
]
profiles.short.url = """
[keys]
interval = 5
"""
profiles.short.interval = 5

[ profiles . prod ]  # a table
url = 'https://prod'
   interval = 1
[profiles."o d d".deep]
[keys]
preset = "vim"
quit = [
  "q", # "="
  'x',
]
"next page" = "n"
[[many]]
a = {b = 1, c = {d = 2}}
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("url",), 2),
        (("token_command",), 4),
        (("profiles",), 8),
        (("profiles", "short"), 8),
        (("profiles", "short", "url"), 8),
        (("profiles", "short", "interval"), 12),
        (("profiles", "prod"), 14),
        (("profiles", "prod", "url"), 15),
        (("profiles", "prod", "interval"), 16),
        (("profiles", "o d d", "deep"), 17),
        (("keys",), 18),
        (("keys", "preset"), 19),
        (("keys", "quit"), 20),
        (("keys", "next page"), 24),
        (("many",), 25),
        (("many", "a"), 26),
        (("many", "a", "c", "d"), 26),
    ],
)
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_the_line_of_each_key(path: KeyPath, line: int, ending: str) -> None:
    assert key_lines(DOCUMENT.replace("\n", ending))[path] == line


def test_nothing_else_is_taken_for_a_key() -> None:
    assert {path for path in key_lines(DOCUMENT) if path[0] not in {"profiles", "keys", "many"}} == {
        ("url",),
        ("token_command",),
    }
    assert key_lines("") == {}
    assert key_lines("# only this") == {}


def test_key_without_a_line_has_that_of_its_table() -> None:
    lines = key_lines(DOCUMENT)
    assert line_for(("keys", "quit", "1"), lines) == 20
    assert line_for(("profiles", "prod", "missing"), lines) == 14
    assert line_for(("missing", "a"), lines) is None
    assert line_for((), lines) is None


@pytest.mark.parametrize(
    "value",
    [
        '"""\nx = 1 \\""" [ { # "" \n\\\\"""""',
        "'''\nx = 1\n\\''''",
        "'''\n\\\n'''''",
        '"]\\"\\\\"',
        "'[\\'",
        '[ # [ "\n  "]", \'[\', # \'\n  [1, 2], {a = "}"},\n]',
        "[\n\n[\n],\n\n]",
        "{a = [1,\n2], \"b]\" = '{'}",
    ],
)
def test_end_of_a_value_is_found(value: str) -> None:
    text = f"first = 1\n\nvalue = {value} # [ ''' \"\n  last = 2"
    tomllib.loads(text)
    lines = key_lines(text)
    assert (lines["first",], lines["value",]) == (1, 3)
    assert lines["last",] == text.count("\n") + 1
    assert {path[0] for path in lines} == {"first", "value", "last"}


@pytest.mark.parametrize(
    "value", ['"""\n{}"""'.format('" [\\t\n' * 120_000), "[\n{}]".format('"q",\n' * 120_000)], ids=["string", "list"]
)
def test_a_value_over_very_many_lines_takes_no_longer_than_others(value: str) -> None:
    """Looking anew with each line whether it ends there took minutes."""
    assert key_lines(f"value = {value}\nlast = 1")["last",] == 120_003
