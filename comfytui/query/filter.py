"""Filter language for runners: parsing a filter, and matching runners against it. Pure.

A bare word matches a runner's name, tags or endpoint; `tag:`, `status:`, `last:` and `is:` match one property. `!`
negates the term after it, quotes keep spaces together, and all terms must match. Case is ignored. Unknown data matches
neither a term nor its negation.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from comfytui.query.collation import fold_case
from comfytui.query.columns import Requirement
from comfytui.query.workflows import display_name, last_run, queue_counts
from comfytui.text import sanitize

if TYPE_CHECKING:
    from comfytui.api.models import Runner, Workflow


SYNTAX_EXAMPLES = (
    ("gpu", "name, a tag or the endpoint contains gpu"),
    ('"two words"', "spaces are part of the quoted text"),
    ("tag:a100", "a tag contains a100"),
    ("status:active", "the status starts with: active, disabled"),
    ("last:failed", "status of the last run; last:none: no workflows"),
    ("is:busy", "a workflow runs or waits; is:idle: none does"),
    ("is:unreachable", "the last health check failed; is:reachable: it passed"),
    ("!tag:cpu", "negation; unknown data never matches"),
    ("gpu !last:failed", "both terms must match"),
)
"""Examples of filters and their meanings, for help texts."""


class RunnerData(NamedTuple):
    """Known data of a runner.

    Attributes:
        runner: Entry of the list.
        history: Newest workflows, newest first; None if unknown.
        reachable: Result of the last health check; None if unchecked.
    """

    runner: Runner
    history: tuple[Workflow, ...] | None = None
    reachable: bool | None = None


class QueryError(ValueError):
    """Invalid filter text; the message is shown to the user.

    Attributes:
        index: Position of the error in the text, 0 for its first character.
    """

    def __init__(self, message: str, index: int) -> None:
        super().__init__(message)
        self.index = index


class Term(NamedTuple):
    """Condition of a filter.

    Attributes:
        field: `tag`, `status`, `last` or `is`; empty for a bare word.
        value: Case-folded text to match, never empty.
        negated: True if the condition must not hold.
    """

    field: str
    value: str
    negated: bool = False

    @property
    def requirement(self) -> Requirement | None:
        """Data needed beyond the list, or None."""
        if self.field == _LAST:
            return Requirement.HISTORY
        return _STATES[self.value] if self.field == _IS else None

    def matches(self, data: RunnerData) -> bool:
        """Return True if the condition is known to hold, or known not to hold if it is negated."""
        result = _PREDICATES[self.field](data, self.value)
        return result is not None and result is not self.negated


class Query(NamedTuple):
    """Parsed filter; without terms it is false and matches every runner.

    Attributes:
        text: Text that was typed.
        terms: Conditions, all of which must match.
    """

    text: str = ""
    terms: tuple[Term, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.terms)

    @property
    def requirements(self) -> frozenset[Requirement]:
        """Data needed beyond the list."""
        return frozenset(term.requirement for term in self.terms if term.requirement is not None)

    def matches(self, data: RunnerData) -> bool:
        """Return True if every term matches."""
        return all(term.matches(data) for term in self.terms)

    def is_decidable(self, data: RunnerData) -> bool:
        """Return True if all data that the filter needs is known."""
        return has_requirements(self.requirements, data)


def has_requirements(requirements: frozenset[Requirement], data: RunnerData) -> bool:
    """Return True if all required data of a runner is known."""
    known = {Requirement.HISTORY: data.history is not None, Requirement.REACHABILITY: data.reachable is not None}
    return all(known[requirement] for requirement in requirements)


def parse(text: str) -> Query:
    """Parse a filter text.

    Raises:
        QueryError: The text is invalid.
    """
    if text.count('"') % 2:
        raise QueryError('close the quotes: "two words"', text.rindex('"'))
    return Query(text, tuple(_parse_term(match[0], match.start()) for match in _WORDS.finditer(text)))


def _parse_term(typed: str, index: int) -> Term:
    negated = typed.startswith("!")
    word = typed[1:] if negated else typed
    if not word:
        raise QueryError('expected a term after "!", e.g. !tag:cpu', index)
    field, typed_value = _split_field(word, index)
    # Names are sanitized, so the value is too: copied emoji contain invisible characters that names have lost.
    value = fold_case(sanitize(typed_value.replace('"', "")))
    if not value:
        raise QueryError(f"expected a value, e.g. {_EXAMPLES[field]}" if field else _EMPTY_QUOTES, index)
    if field == _IS and value not in _STATES:
        raise QueryError(f"is: accepts {', '.join(_STATES)}", index)
    return Term(field, value, negated)


def _split_field(word: str, index: int) -> tuple[str, str]:
    """Return field and value of a word; the field is empty for a bare word, such as an address with a port."""
    match = _FIELD.fullmatch(word)
    if match is None:
        return "", word
    field, value = fold_case(match[1]), match[2]
    if field in _EXAMPLES:
        return field, value
    if value[:1].isdecimal():
        return "", word
    raise QueryError(f'unknown field; use tag, status, last or is, or quotes "{word[:_CLIP]}"', index)


def _contains(data: RunnerData, value: str) -> bool:
    runner = data.runner
    if value in fold_case(display_name(runner.name, runner.id)) or value in fold_case(runner.endpoint or ""):
        return True
    return _has_tag(data, value)


def _has_tag(data: RunnerData, value: str) -> bool:
    return any(value in fold_case(tag) for tag in data.runner.tags)


def _has_status(data: RunnerData, value: str) -> bool | None:
    status = data.runner.status
    return None if status is None else fold_case(status).startswith(value)


def _last_status_is(data: RunnerData, value: str) -> bool | None:
    if data.history is None:
        return None
    last = last_run(data.history)
    status = last.status if last else NO_WORKFLOWS
    return None if status is None else fold_case(status).startswith(value)


def _is_in_state(data: RunnerData, value: str) -> bool | None:
    if _STATES[value] is Requirement.REACHABILITY:
        return None if data.reachable is None else data.reachable is (value == "reachable")
    counts = queue_counts(data.runner, data.history)
    return None if counts is None else any(counts) is (value == "busy")


_LAST, _IS = "last", "is"
NO_WORKFLOWS = "none"
_STATES: Mapping[str, Requirement] = {
    "reachable": Requirement.REACHABILITY,
    "unreachable": Requirement.REACHABILITY,
    "busy": Requirement.HISTORY,
    "idle": Requirement.HISTORY,
}
_EXAMPLES = {"tag": "tag:a100", "status": "status:active", _LAST: "last:failed", _IS: "is:busy"}
_PREDICATES: Mapping[str, Callable[[RunnerData, str], bool | None]] = {
    "": _contains,
    "tag": _has_tag,
    "status": _has_status,
    _LAST: _last_status_is,
    _IS: _is_in_state,
}
_EMPTY_QUOTES = "expected a text between the quotes"
_CLIP = 20
_WORDS = re.compile(r'(?:[^\s"]|"[^"]*")+')
_FIELD = re.compile(r"([^\W\d_]+):(?!//)(.*)", re.DOTALL)
