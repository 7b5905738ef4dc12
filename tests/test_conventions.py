"""The language of the code and the tree of its modules hold for every file of the package."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import TypeAlias

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "comfytui"

MAX_FIRST_LINE = 110
MAX_LINES = 500

RIDDLES = re.compile(r"(What|Whether|Who|Whose|Where|When|How|Which|That|Of|From|It|Those|One|Nobody)\b")
"""First words of a docstring that ask, or point at something, rather than say what the thing is."""

RETIRED = frozenset((Path(__file__).parent / "fixtures" / "retired_names.txt").read_text(encoding="utf-8").split())
"""Class names that said nothing to a reader, or two things; see the words of CONTRIBUTING."""

Documented: TypeAlias = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@cache
def modules() -> Mapping[str, ast.Module]:
    """Return all modules of the package by their dotted name."""
    return {_name(path): ast.parse(path.read_text(encoding="utf-8")) for path in sorted(PACKAGE.rglob("*.py"))}


def _name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def documented(node: ast.AST, name: str, *, is_public: bool = True) -> Iterator[tuple[str, Documented, bool]]:
    """Yield a module and all classes and functions in it: dotted name, node, and True if it is public."""
    if not isinstance(node, Documented):
        return
    yield name, node, is_public
    for inner in node.body:
        if isinstance(inner, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            is_seen = (
                is_public
                and not inner.name.startswith("_")
                and not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
            )
            yield from documented(inner, f"{name}.{inner.name}", is_public=is_seen)


def everything() -> Iterator[tuple[str, str, Documented, bool]]:
    """Yield all that can have a docstring: module, dotted name, node, and True if it is public."""
    for module, tree in modules().items():
        for name, node, is_public in documented(tree, module):
            yield module, name, node, is_public


def imported(module: str, tree: ast.Module) -> set[str]:
    """Return the modules of the package that a module imports, wherever it does so."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            whole = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= whole & modules().keys() or {node.module}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return (found & modules().keys()) - {module, "comfytui"}


def circle(graph: Mapping[str, set[str]]) -> list[str]:
    """Return what is left of a graph of imports once everything that reaches no circle is taken away."""
    left = dict(graph)
    while free := {module for module, targets in left.items() if not targets & left.keys()}:
        left = {module: targets for module, targets in left.items() if module not in free}
    return sorted(left)


def classes() -> Iterator[tuple[str, ast.ClassDef]]:
    """Yield all classes of the package with their modules."""
    for module, _, node, _ in everything():
        if isinstance(node, ast.ClassDef):
            yield module, node


def test_docstrings_say_what_a_thing_is() -> None:
    found = {
        f"{name}: {first}"
        for module, name, node, _ in everything()
        for first in (ast.get_docstring(node) or "").splitlines()[:1]
        if RIDDLES.match(first)
    }
    assert found == set()


def test_constants_are_explained_in_the_same_language() -> None:
    found = {
        f"{module}:{node.lineno}: {node.value.value.splitlines()[0]}"
        for module, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        if RIDDLES.match(node.value.value)
    }
    assert found == set()


def test_first_lines_are_short() -> None:
    found = {
        name
        for module, name, node, _ in everything()
        for first in (ast.get_docstring(node) or "").splitlines()[:1]
        if len(first) > MAX_FIRST_LINE
    }
    assert found == set()


def test_everything_public_is_documented() -> None:
    missing = {name for module, name, node, is_public in everything() if is_public and not ast.get_docstring(node)}
    assert missing == set()


def test_public_class_names_are_unique() -> None:
    names = Counter(node.name for module, node in classes() if not node.name.startswith("_"))
    assert {name for name, count in names.items() if count > 1} == set()


def test_retired_names_are_gone() -> None:
    found = {f"{module}.{node.name}" for module, node in classes() if node.name in RETIRED}
    assert found == set()


def test_no_module_imports_itself_by_way_of_others() -> None:
    assert circle({module: imported(module, tree) for module, tree in modules().items()}) == []


def test_a_circle_of_imports_is_found() -> None:
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"e"}, "e": set()}) == ["a", "b", "c"]


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_is_no_longer_than_a_reader_can_hold(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_LINES


def test_no_class_is_sliced_by_inheritance() -> None:
    """A class with one subclass and no other use is half a class."""
    bases: Counter[str] = Counter()
    used: Counter[str] = Counter()
    for tree in modules().values():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                bases.update(base.id for base in map(_unsubscripted, node.bases) if isinstance(base, ast.Name))
            if isinstance(node, ast.Name):
                used[node.id] += 1
            elif isinstance(node, ast.Attribute):
                used[node.attr] += 1
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                used.update(re.findall(r"\w+", node.value) if len(node.value) < MAX_FIRST_LINE else ())
    sliced = {f"{module}.{node.name}" for module, node in classes() if bases[node.name] == 1 and used[node.name] == 1}
    assert sliced == set()


def _unsubscripted(base: ast.expr) -> ast.expr:
    return base.value if isinstance(base, ast.Subscript) else base


VAGUE_TEST = re.compile(
    r"test_(what|it|its|who|whoever|whose|nobody|somebody|that|those|of|these|whether|where|when|how|which|they)(_|$)"
)
"""Beginnings of test names that hide the subject."""


def test_names_of_tests_begin_with_their_subject() -> None:
    vague = {
        f"{path.relative_to(ROOT)}::{node.name}"
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and VAGUE_TEST.match(node.name)
    }
    assert vague == set()
