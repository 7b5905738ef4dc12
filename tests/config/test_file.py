from __future__ import annotations

from pathlib import Path

import pytest

from comfytui.config.file import ConfigFile, read_config
from comfytui.config.settings import SettingsError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


def reads(file: Path, text: str) -> ConfigFile:
    file.write_text(text, encoding="utf-8")
    return read_config(file)


def refuses(file: Path, text: str | bytes) -> str:
    """The sentence that an unusable file is refused with, without the file's name."""
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(SettingsError) as caught:
        read_config(file)
    assert caught.value.__cause__ is None
    sentence = str(caught.value)
    assert sentence.startswith(str(file))
    assert sentence.endswith(".")
    assert "\n" not in sentence
    return sentence.removeprefix(str(file))


def test_nothing_is_needed(file: Path) -> None:
    config = reads(file, "# nothing\n")
    assert (config.token_command, config.ca_bundle, config.wallboard) == ((), None, False)


def test_everything_it_may_say(file: Path) -> None:
    config = reads(file, 'token_command = "pass show \'my token\'"\nca_bundle = "/etc/ca.pem"\nwallboard = true\n')
    assert config.token_command == ("pass", "show", "my token")
    assert config.ca_bundle == Path("/etc/ca.pem")
    assert config.wallboard is True


def test_a_command_in_words_is_taken_as_it_is(file: Path) -> None:
    assert reads(file, "token_command = ['op', 'read', '$HOME *', '']").token_command == ("op", "read", "$HOME *", "")


def test_paths_begin_at_home_or_at_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    assert reads(file, "ca_bundle = '~/ca.pem'").ca_bundle == Path("/home/somebody/ca.pem")
    assert reads(file, "ca_bundle = 'ca.pem'").ca_bundle == file.parent / "ca.pem"


@pytest.mark.parametrize(
    "value", ["''", "'  '", "[]", "['']", "'\"unbalanced'", "1", "true", "[1]", "['a', 2]", "{a = 1}", '"a\\u0000b"']
)
def test_what_is_no_command(file: Path, value: str) -> None:
    said = refuses(file, f"wallboard = true\ntoken_command = {value}\n")
    assert said == ", line 2: token_command: expected a command: one string, or a list of strings."


@pytest.mark.parametrize("value", ["''", "1", "['a']", "true", '"a\\u0000b"', "'~nobody-has-this-name/a'"])
def test_what_is_no_path(file: Path, value: str) -> None:
    assert refuses(file, f"\n\nca_bundle = {value}") == ", line 3: ca_bundle: expected the path of a file, in quotes."


@pytest.mark.parametrize("value", ["'true'", "1", "0", "[]", "'yes'", "1.0"])
def test_what_is_neither_true_nor_false(file: Path, value: str) -> None:
    assert refuses(file, f"wallboard = {value}") == ", line 1: wallboard: expected true or false."


@pytest.mark.parametrize(
    "text", ["wallbord = true", "[wallbord]\na = 1", "[[wallbord]]", '"wallbord" = 1', "wallbord.a = 1"]
)
def test_an_unknown_key_is_told_with_those_there_are(file: Path, text: str) -> None:
    said = refuses(file, f"# wallboard\n{text}\n")
    assert said == ", line 2: there is no setting named 'wallbord'; there are ca_bundle, token_command, wallboard."


def test_no_value_is_repeated(file: Path) -> None:
    for text in (
        "token_command = {a = 'sekret'}",
        "ca_bundle = ['sekret']",
        "wallboard = 'sekret'",
        "other = 'sekret'",
    ):
        assert "sekret" not in refuses(file, text)


def test_hostile_keys_do_not_reach_the_terminal(file: Path) -> None:
    assert "\x1b" not in refuses(file, '"\\u001b[31m" = 1')


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("wallboard = true\nwallboard\n", ", line 2: "),
        ("wallboard = true\nwallboard = false\n", ", line 2: "),
        ("token_command = 'unfinished", ": "),
        ("token_command = [", ": "),
        ("wallboard = True", ", line 1: "),
        (b"wallboard = tr\xffue", " is no text: expected TOML in UTF-8."),
        ("\x00", ", line 1: "),
        (f"wallboard = {'[' * 100_000}", ": it is nested too deeply."),
    ],
    ids=range(8),
)
def test_what_is_no_toml(file: Path, text: str | bytes, words: str) -> None:
    said = refuses(file, text)
    assert said.startswith(words)
    assert "(at " not in said


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"cannot be read: No such file or directory\.$"):
        read_config(tmp_path / "missing.toml")
    with pytest.raises(SettingsError, match=r"cannot be read: Is a directory\.$"):
        read_config(tmp_path)
