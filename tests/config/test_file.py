from __future__ import annotations

import os
from pathlib import Path

import pytest
from pydantic import SecretStr

from comfytui.config.file import load_config
from comfytui.config.precedence import ConfigFile, Profile
from comfytui.config.settings import ACCENT_COLORS, KeySettings, Server, SettingsError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


def reads(file: Path, text: str) -> ConfigFile:
    file.write_text(text, encoding="utf-8")
    return load_config(file)


def refuses(file: Path, text: str | bytes) -> str:
    """The sentence that an unusable file is refused with, without the file's name."""
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(SettingsError) as caught:
        load_config(file)
    assert caught.value.__cause__ is None
    sentence = str(caught.value)
    assert sentence.startswith(str(file))
    assert sentence.endswith(".")
    assert "\n" not in sentence
    return sentence.removeprefix(str(file))


def test_nothing_is_needed(file: Path) -> None:
    assert reads(file, "# nothing\n") == ConfigFile(keys=KeySettings(locations={"preset": str(file)}, file=str(file)))


EVERYTHING = """\
token_command = "pass show 'my token'"
ca_bundle = "/etc/ca.pem"
wallboard = true
url = "https://somebody:sekret@one.example"
interval = 2
profile = "stage-2"

[profiles.prod]
url = "http://127.0.0.1:8787/prefix"
token_env = "PROD_TOKEN"
colour = "red"
interval = 2.5
[profiles.stage-2]
token_file = "stage.token"
ca_bundle = "stage.pem"
[profiles]
none_of_it = {}
with_command.token_command = ["op", "read"]

[comfyui.studio]
url = "GPU2"
[comfyui."big box"]
url = "https://gpu3/comfy/"
headers = { X-Key = "sekret" }

[keys]
preset = "tmux-safe"
quit = "x"
refresh = ["F5", "r"]
suspend = []
"""


def test_everything_it_may_say(file: Path) -> None:
    config = reads(file, EVERYTHING)
    assert config == ConfigFile(
        url="https://somebody:sekret@one.example",
        interval=2.0,
        token_command=("pass", "show", "my token"),
        ca_bundle=Path("/etc/ca.pem"),
        wallboard=True,
        profile="stage-2",
        profiles={
            "prod": Profile("http://127.0.0.1:8787/prefix", token_env="PROD_TOKEN", accent_color="red", interval=2.5),
            "stage-2": Profile(token_file=file.parent / "stage.token", ca_bundle=file.parent / "stage.pem"),
            "none_of_it": Profile(),
            "with_command": Profile(token_command=("op", "read")),
        },
        comfyui=(
            Server("http://gpu2:8188", "studio"),
            Server("https://gpu3/comfy", "big box", {"X-Key": SecretStr("sekret")}),
        ),
        keys=KeySettings(
            "tmux-safe",
            {"quit": ("x",), "refresh": ("F5", "r"), "suspend": ()},
            {name: f"{file}, line {line}" for name, line in KEY_LINES.items()},
            str(file),
        ),
    )
    assert list(config.profiles) == ["prod", "stage-2", "none_of_it", "with_command"]
    assert "sekret" not in repr(config)


KEY_LINES = {"preset": 27, "quit": 28, "refresh": 29, "suspend": 30}


@pytest.mark.parametrize("key", sorted(KEY_LINES))
def test_the_place_of_an_entry_of_keys(file: Path, key: str) -> None:
    keys = reads(file, EVERYTHING).keys
    assert keys.location(key) == f"{file}, line {KEY_LINES[key]}"
    assert keys.location("another") == str(file)


def test_a_command_in_words_is_taken_as_it_is(file: Path) -> None:
    assert reads(file, "token_command = ['op', 'read', '$HOME *', '']").token_command == ("op", "read", "$HOME *", "")


def test_paths_begin_at_home_or_at_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    assert reads(file, "ca_bundle = '~/ca.pem'").ca_bundle == Path("/home/somebody/ca.pem")
    assert reads(file, "ca_bundle = 'ca.pem'").ca_bundle == file.parent / "ca.pem"


@pytest.mark.parametrize(
    "value", ["''", "'  '", "[]", "['']", "'\"unbalanced'", "1", "true", "[1]", "['a', 2]", "{a = 1}", '"a\\u0000b"']
)
def test_invalid_commands_are_refused(file: Path, value: str) -> None:
    said = refuses(file, f"wallboard = true\ntoken_command = {value}\n")
    assert said == ", line 2: token_command: expected a command: one string, or a list of strings."


@pytest.mark.parametrize("value", ["''", "1", "['a']", "true", '"a\\u0000b"', "'~nobody-has-this-name/a'"])
def test_invalid_paths_are_refused(file: Path, value: str) -> None:
    assert refuses(file, f"\n\nca_bundle = {value}") == ", line 3: ca_bundle: expected the path of a file, in quotes."


@pytest.mark.parametrize("value", ["'true'", "1", "0", "[]", "'yes'", "1.0"])
def test_flags_must_be_boolean(file: Path, value: str) -> None:
    assert refuses(file, f"wallboard = {value}") == ", line 1: wallboard: expected true or false."


@pytest.mark.parametrize(
    "text", ["wallbord = true", "[wallbord]\na = 1", "[[wallbord]]", '"wallbord" = 1', "wallbord.a = 1"]
)
def test_an_unknown_key_is_told_with_those_there_are(file: Path, text: str) -> None:
    said = refuses(file, f"# wallboard\n{text}\n")
    there = "ca_bundle, comfyui, interval, keys, profile, profiles, token_command, url, wallboard"
    assert said == f", line 2: there is no setting named 'wallbord'; there are {there}."


@pytest.mark.parametrize("value", ["'api.example.com'", "'ftp://host'", "''", "'http://'", "1", "['https://host']"])
@pytest.mark.parametrize("table", ["", "[profiles.prod]\n"])
def test_invalid_addresses_are_refused(file: Path, table: str, value: str) -> None:
    name = "profiles.prod.url" if table else "url"
    said = refuses(file, f"{table}url = {value}")
    assert said == f", line {1 + bool(table)}: {name}: expected http:// or https:// and a host, in quotes."


@pytest.mark.parametrize("value", ["0", "0.99", "-5", "'5'", "true", "nan", "inf", "[5]", "1e999", f"-1{'0' * 400}"])
def test_invalid_intervals_are_refused(file: Path, value: str) -> None:
    assert refuses(file, f"interval = {value}") == ", line 1: interval: expected seconds, 1 or more."


SOURCES = "token_command, token_env, token_file"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[profiles.prod]\n\ncolr = 'red'", ", line 3: there is no setting named 'profiles.prod.colr'; there are "),
        (
            "[profiles.prod]\ntoken = 'sekret'",
            f"'profiles.prod.token'; there are ca_bundle, colour, interval, {SOURCES}, url.",
        ),
        ("profiles.prod.wallboard = true", ", line 1: there is no setting named 'profiles.prod.wallboard'"),
        (
            "[profiles.prod]\ncolour = 'pink'",
            f", line 2: profiles.prod.colour: expected one of {', '.join(ACCENT_COLORS)}, in quotes.",
        ),
        ("[profiles.prod]\ncolour = 1", ", line 2: profiles.prod.colour: expected one of red, "),
        ("[profiles.prod]\ninterval = 0", ", line 2: profiles.prod.interval: expected seconds, 1 or more."),
        (
            "[profiles.prod]\ntoken_env = 'a b'",
            ", line 2: profiles.prod.token_env: expected the name of an environment",
        ),
        ("[profiles.prod]\ntoken_env = ''", ", line 2: profiles.prod.token_env: expected the name of an environment"),
        ("[profiles.prod]\ntoken_env = 'a\\n'", ", line 2: "),
        (
            '[profiles.prod]\ntoken_env = "A\\n"',
            ", line 2: profiles.prod.token_env: expected the name of an environment",
        ),
        (
            "[profiles.prod]\ntoken_file = ''",
            ", line 2: profiles.prod.token_file: expected the path of a file, in quotes.",
        ),
        ("[profiles.prod]\ntoken_command = []", ", line 2: profiles.prod.token_command: expected a command: "),
        ("[profiles.prod]\n[profiles.test]\ntoken_command = [\n'a',\n1]", ", line 3: profiles.test.token_command: "),
        ("profiles = {prod = {colour = 'red', interval = 'sekret'}}", ", line 1: profiles.prod.interval: "),
        ("\n[profiles.'a b']", ", line 2: profiles: expected tables [profiles.NAME], each NAME of letters, digits, "),
        ("[profiles]\n'\u00fc'.interval = 5", ", line 2: profiles: expected tables [profiles.NAME]"),
        (f"[profiles.{'a' * 65}]", ", line 1: profiles: expected tables [profiles.NAME]"),
        ('[profiles."a\\n"]', ", line 1: profiles: expected tables [profiles.NAME]"),
        ("[profiles]\nprod = 'sekret'", ", line 2: profiles: expected tables [profiles.NAME]"),
        ("profiles = 'sekret'", ", line 1: profiles: expected tables [profiles.NAME]"),
        ("[[profiles]]", ", line 1: profiles: expected tables [profiles.NAME]"),
        (
            "[profiles.prod]\n\n[profiles.test]\n[keys]\nquit = 1",
            ", line 5: keys.quit: expected a key, or a list of keys.",
        ),
        ("keys.quit = ['q',\n  1]", ", line 1: keys.quit: expected a key, or a list of keys."),
        ("[keys.quit]\nkey = 'q'", ", line 1: keys.quit: expected a key, or a list of keys."),
        ('[keys]\n"\\u001b" = 1', ", line 2: 'keys.\\x1b': expected a key, or a list of keys."),
        (
            "[keys]\nquit = 'q'\npreset = 'sekret'",
            ", line 3: keys.preset: expected one of default, vim, emacs, tmux-safe,",
        ),
        ("[comfyui.a]", ", line 1: comfyui.a.url: expected the server's address in quotes"),
        ("[comfyui.a]\nurl = 'ftp://sekret'", ", line 2: comfyui.a.url: expected the server's address in quotes"),
        ("[comfyui.a]\nurl = 'a'\nname = 'sekret'", ", line 3: there is no setting named 'comfyui.a.name'"),
        ("comfyui = 'sekret'", ", line 1: comfyui: expected tables [comfyui.NAME], each with a url"),
        ("[comfyui]\n'a,b' = {url = 'a'}", ", line 2: comfyui: expected tables [comfyui.NAME], each with a url"),
        ("[comfyui.a]\nurl = 'a'\nheaders = 'sekret'", ", line 3: comfyui.a.headers: expected a table of HTTP headers"),
        (
            "[comfyui.a]\nurl = 'a'\n[comfyui.a.headers]\nX-Key = \"sekret\\n\"",
            ", line 4: comfyui.a.headers: expected a table of HTTP headers",
        ),
        ("[comfyui.a]\nurl = 'a'\nheaders = {'a b' = 'x'}", ", line 3: comfyui.a.headers: expected a table of HTTP"),
        (
            "[comfyui.a]\nurl = 'g'\n[comfyui.b]\nurl = 'G:8188'",
            ", line 4: comfyui.b: expected another url than that of a.",
        ),
        ("keys = 'vim'", ", line 1: keys: expected a table [keys] of commands with their keys."),
        ("profile = 1", ", line 1: profile: expected the name of a profile, in quotes."),
        ("profile = 'sekret'", ", line 1: profile: expected the name of a profile, and there is none."),
        ("profile = 'sekret'\n[profiles.b]\n[profiles.a]", ", line 1: profile: expected one of b, a."),
        (
            "[profiles.prod]\ntoken_file = 'a'\nurl = 'https://host'\ntoken_env = 'A'",
            ", line 4: profiles.prod: expected one of token_env, token_file, not several.",
        ),
    ],
    ids=range(40),
)
def test_unknown_keys_of_tables_are_refused(file: Path, text: str, words: str) -> None:
    said = refuses(file, text)
    assert words in said
    assert "sekret" not in said


def test_no_value_is_repeated(file: Path) -> None:
    for text in (
        "token_command = {a = 'sekret'}",
        "ca_bundle = ['sekret']",
        "wallboard = 'sekret'",
        "other = 'sekret'",
        "url = 'sekret'",
        "url = 'ftp://sekret@host'",
        "interval = 'sekret'",
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
        (f"keys.{'a.' * 2_000}a = 1", ": it is nested too deeply."),
        (f"interval = {'1' * 5_000}", ": a number in it is too long."),
    ],
    ids=range(10),
)
def test_invalid_toml_is_refused_with_its_line(file: Path, text: str | bytes, words: str) -> None:
    said = refuses(file, text)
    assert said.startswith(words)
    assert "(at " not in said


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"cannot be read: No such file or directory\.$"):
        load_config(tmp_path / "missing.toml")
    for no_file in (tmp_path, Path("/dev/zero")):
        with pytest.raises(SettingsError, match=r"cannot be read: it is no regular file\.$"):
            load_config(no_file)


def test_pipe_as_configuration_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.toml")
    with pytest.raises(SettingsError, match="no regular file"):
        load_config(tmp_path / "pipe.toml")


def test_a_file_that_is_too_large(file: Path) -> None:
    line = "# nothing\n"
    assert reads(file, line * (1_000_000 // len(line))).interval is None
    assert refuses(file, line * (1_000_000 // len(line) + 1)) == " is too large: a configuration has 1 MB at most."


def test_all_errors_are_reported_in_file_order(file: Path) -> None:
    file.write_text('wallboard = 3\ninterval = "fast"\n[profiles.prod]\nurll = "x"\n[keys]\nquit = 5\n')
    with pytest.raises(SettingsError) as caught:
        load_config(file)
    begun = [line.removeprefix(f"{file}, ")[:26] for line in str(caught.value).split("\n")]
    assert begun == [
        "line 1: wallboard: expecte",
        "line 2: interval: expected",
        "line 4: there is no settin",
        "line 6: keys.quit: expecte",
    ]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_config_with_byte_order_mark_is_read(file: Path, encoding: str) -> None:
    file.write_bytes("interval = 9\r\n".encode(encoding))
    assert load_config(file).interval == 9
