"""README and documentation against the code that they describe."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from pydantic import SecretStr

from comfytui.cli.commands.keys import bound_commands
from comfytui.cli.exit_codes import ExitCode
from comfytui.cli.parser import build_parser
from comfytui.config.file import load_config
from comfytui.config.schema import ConfigSchema, KeysSchema, ProfileSchema, ServerSchema
from comfytui.gateway.app import create_app
from comfytui.gateway.demo.fleet import DemoFleet
from comfytui.gateway.serializers import EXTENSION_FIELDS
from comfytui.query.filter import SYNTAX_EXAMPLES
from comfytui.tui.keys.keymap import PRESETS, Keymap, build_keymap
from tests.reference import FOLDER, ROOT, render
from tests.support.clock import FakeClock

PAGES = [ROOT / "README.md", *sorted((ROOT / ".github").rglob("*.md"))]

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\]\(([^)\s]+)\)")


def read(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def blocks(language: str) -> Iterator[str]:
    """Yield the code blocks of a language on all pages."""
    for page in PAGES:
        yield from (text for name, text in _BLOCK.findall(page.read_text(encoding="utf-8")) if name == language)


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub makes of the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


def example_commands() -> Iterator[list[str]]:
    """Yield the arguments of every `comfytui` in the examples."""
    for line in "".join((*blocks("console"), *blocks("sh"))).splitlines():
        words = shlex.split(re.sub(r"[|>].*", "", line), comments=True)
        names = [index for index, word in enumerate(words) if word.rpartition("/")[2] == "comfytui"]
        if names:
            yield words[names[-1] + 1 :]


@pytest.mark.parametrize("page", sorted(FOLDER.glob("*.md")), ids=lambda page: page.name)
def test_generated_tables_match_the_declarations(page: Path) -> None:
    written = page.read_text(encoding="utf-8")
    assert written == render(written), "python -m tests.reference rewrites them"


def test_generated_tables_exist() -> None:
    for name in ("options", "commands", "presets"):
        assert sum(f"<!-- generated: {name} -->" in page.read_text(encoding="utf-8") for page in PAGES) == 1


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in _LINK.findall(page.read_text(encoding="utf-8")):
        if not link.startswith("https://"):
            path, _, anchor = link.partition("#")
            target = page.parent / path if path else page
            assert target.exists(), link
            assert not anchor or anchor in anchors(target), link


def test_readme_links_to_every_page() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for page in PAGES[1:]:
        assert f"]({page.relative_to(ROOT).as_posix()})" in readme


def test_readme_keys_are_default_keys() -> None:
    section = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Keys\n")[2].partition("\n## ")[0]
    bound = {key for command in bound_commands(Keymap()) for key in command.keys}
    named = {key for line in section.splitlines() for key in re.findall(r"`(\S+)`", line.partition(" | ")[0])}
    assert len(named) > 15
    assert {key.lower() if len(key) > 1 else key for key in named} <= bound


def test_example_commands_are_accepted() -> None:
    commands = [build_parser().parse_args(argv).command for argv in example_commands()]
    assert len(commands) > 15
    assert {"runners", "runner", "history", "stats", "serve"} < set(commands)


@pytest.mark.parametrize("text", [*blocks("toml")])
def test_example_configurations_are_accepted(text: str, tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(text, encoding="utf-8")
    keys = load_config(file).keys
    build_keymap(keys.preset, keys.overrides)


def test_configuration_lists_every_setting() -> None:
    page = read("configuration.md")
    for name in ConfigSchema.model_fields:
        assert f"\n| `{name}` |" in page
    for name in (*ProfileSchema.model_fields, *ServerSchema.model_fields, *KeysSchema.model_fields, *PRESETS):
        assert f"`{name}`" in page


def test_exit_codes_are_listed() -> None:
    table = read("options.md").partition("## Exit codes\n")[2]
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)} == {*map(int, ExitCode), 129, 143}


def test_filter_terms_are_listed() -> None:
    page = read("dashboard.md")
    for example, _ in SYNTAX_EXAMPLES:
        assert all(f"`{term}`" in page for term in re.findall(r'"[^"]*"|\S+', example))


def test_scripts_lists_every_json_document() -> None:
    page = read("scripts.md")
    for path in sorted((ROOT / "tests" / "schema").glob("*.json")):
        title = re.search(r'"title": "comfytui (.+?)(?: --json)?"', path.read_text(encoding="utf-8"))
        assert title is None or f"| `{title[1]}` |" in page


def test_gateway_lists_every_endpoint_and_extension_field() -> None:
    page = read("gateway.md")
    app = create_app(DemoFleet(FakeClock(), 1), SecretStr("cfc_only_for_tests"))
    paths = {getattr(route, "path", "") for route in app.routes}
    assert set(re.findall(r"^\| `GET (\S+)` \|", page, re.MULTILINE)) == paths
    for name in EXTENSION_FIELDS:
        assert f"`{name}`" in page


def test_source_distribution_contains_the_documentation() -> None:
    assert '"/.github"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_paths_in_the_repository_exist() -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES if page.name != "CHANGELOG.md")
    paths = set(re.findall(r"`((?:comfytui|tests|screenshots|\.ci)/[^`*…]*)`", text))
    assert len(paths) > 30
    assert {path for path in paths if not (ROOT / path).exists()} == set()


def test_modules_to_run_exist() -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    modules = set(re.findall(r"python -m ((?:comfytui|tests)[\w.]*)", text))
    assert len(modules) > 5
    assert [module for module in sorted(modules) if find_spec(module) is None] == []


def test_architecture_lists_every_package_and_module() -> None:
    table = (FOLDER / "architecture.md").read_text(encoding="utf-8").partition("## Packages\n")[2].partition("\n## ")[0]
    listed = {name for row in re.findall(r"^\| (`.*?`) \|", table, re.MULTILINE) for name in re.findall(r"[\w.]+", row)}
    package = ROOT / "comfytui"
    modules = {path.name for path in package.glob("*.py")} - {"__init__.py", "__main__.py"}
    assert listed == modules | {path.parent.name for path in package.glob("*/__init__.py")}
