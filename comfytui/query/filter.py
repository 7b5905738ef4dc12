"""What a person looks for among runners: a line of text, read once, asked of each runner. Pure.

Bare words match a runner's name, tags and endpoint; `tag:`, `status:`, `last:` and `is:` ask for one thing; `!` negates
what follows it; quotes keep blanks together; a runner matches where every term does. Nothing depends on case. What is
not known matches neither a term nor its negation.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from comfytui.query.collation import fold
from comfytui.query.workflows import display_name, last_run, queue_counts
from comfytui.text import sanitize

if TYPE_CHECKING:
    from comfytui.api.models import Runner, Workflow


SYNTAX_EXAMPLES = (
    ("gpu", "name, a tag or the endpoint contains gpu"),
    ('"two words"', "blanks count between quotes"),
    ("tag:a100", "a tag contains a100"),
    ("status:active", "the status begins so: active, disabled"),
    ("last:failed", "the last to run or end has this status; none: no workflows"),
    ("is:busy", "a workflow is under way; is:idle: none is"),
    ("is:unreachable", "the last check failed; is:reachable: it did not"),
    ("!tag:cpu", "not so; what is not known never matches"),
    ("gpu !last:failed", "both at once"),
)
"""What can be typed, as an example and its meaning, for explanations."""


class Requirement(StrEnum):
    """What a list of runners does not tell."""

    HISTORY = "history"
    """The runner's newest workflows (page get-runner-history)."""
    REACHABILITY = "reachability"
    """Whether the runner answers."""


class RunnerData(NamedTuple):
    """What is known of a runner.

    Attributes:
        runner: What the list says.
        history: Its newest workflows, newest first; None where not known.
        reachable: Whether it answered when it was last checked; None where it never was.
    """

    runner: Runner
    history: tuple[Workflow, ...] | None = None
    reachable: bool | None = None


class QueryError(ValueError):
    """A text that is no query; the message is a sentence for people.

    Attributes:
        place: Where in the text, 0 for its first character.
    """

    def __init__(self, message: str, place: int) -> None:
        super().__init__(message)
        self.place = place


class Term(NamedTuple):
    """One thing that is looked for.

    Attributes:
        field: `tag`, `status`, `last` or `is`; empty for a bare word.
        value: What for, in folded case, never empty.
        negated: Whether it must not be so.
    """

    field: str
    value: str
    negated: bool = False

    @property
    def need(self) -> Requirement | None:
        """What must be known beyond the list to judge a runner; None where that tells it."""
        if self.field == _LAST:
            return Requirement.HISTORY
        return _STATES[self.value] if self.field == _IS else None

    def matches(self, facts: RunnerData) -> bool:
        """Whether it is so, or not so where negated; False where that is not known."""
        verdict = _JUDGES[self.field](facts, self.value)
        return verdict is not None and verdict is not self.negated


class Query(NamedTuple):
    """What runners are looked for; without terms it is false, and every runner matches.

    Attributes:
        text: What was typed.
        terms: What that says.
    """

    text: str = ""
    terms: tuple[Term, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.terms)

    @property
    def needs(self) -> frozenset[Requirement]:
        """What must be known beyond the list to judge a runner."""
        return frozenset(term.need for term in self.terms if term.need is not None)

    def matches(self, facts: RunnerData) -> bool:
        """Whether every term matches."""
        return all(term.matches(facts) for term in self.terms)

    def knows(self, facts: RunnerData) -> bool:
        """Whether all is known that it looks at."""
        return has_requirements(self.needs, facts)


def has_requirements(needs: frozenset[Requirement], facts: RunnerData) -> bool:
    """Whether all of this is known of a runner."""
    known = {Requirement.HISTORY: facts.history is not None, Requirement.REACHABILITY: facts.reachable is not None}
    return all(known[need] for need in needs)


def parse(text: str) -> Query:
    """Read what was typed.

    Raises:
        QueryError: It is no query.
    """
    if text.count('"') % 2:
        raise QueryError('a quote is opened and not closed: "two words"', text.rindex('"'))
    return Query(text, tuple(_term(match[0], match.start()) for match in _WORDS.finditer(text)))


def _term(typed: str, place: int) -> Term:
    negated = typed.startswith("!")
    word = typed[1:] if negated else typed
    if not word:
        raise QueryError("! stands right before what must not be so: !tag:cpu", place)
    field, typed_value = _split(word, place)
    # As what it is compared with: emoji have invisible characters within them, which somebody copies along.
    value = fold(sanitize(typed_value.replace('"', "")))
    if not value:
        raise QueryError(f"{field}: is followed by a value: {_EXAMPLES[field]}" if field else _NOTHING, place)
    if field == _IS and value not in _STATES:
        raise QueryError(f"is: can be {', '.join(_STATES)}", place)
    return Term(field, value, negated)


def _split(word: str, place: int) -> tuple[str, str]:
    """Field and value; the field is empty where the word is a bare one, as addresses are."""
    match = _FIELD.fullmatch(word)
    if match is None:
        return "", word
    field, value = fold(match[1]), match[2]
    if field in _EXAMPLES:
        return field, value
    if value[:1].isdecimal():
        return "", word
    raise QueryError(f'there are tag: status: last: is: or quotes "{word[:_CLIP]}"', place)


def _contains(facts: RunnerData, value: str) -> bool:
    runner = facts.runner
    if value in fold(display_name(runner.name, runner.id)) or value in fold(runner.endpoint or ""):
        return True
    return _has_tag(facts, value)


def _has_tag(facts: RunnerData, value: str) -> bool:
    return any(value in fold(tag) for tag in facts.runner.tags)


def _has_status(facts: RunnerData, value: str) -> bool | None:
    status = facts.runner.status
    return None if status is None else fold(status).startswith(value)


def _ended_so(facts: RunnerData, value: str) -> bool | None:
    if facts.history is None:
        return None
    last = last_run(facts.history)
    status = last.status if last else _NO_WORKFLOWS
    return None if status is None else fold(status).startswith(value)


def _is_so(facts: RunnerData, value: str) -> bool | None:
    if _STATES[value] is Requirement.REACHABILITY:
        return None if facts.reachable is None else facts.reachable is (value == "reachable")
    counts = queue_counts(facts.runner, facts.history)
    return None if counts is None else any(counts) is (value == "busy")


_LAST, _IS = "last", "is"
_NO_WORKFLOWS = "none"
_STATES: Mapping[str, Requirement] = {
    "reachable": Requirement.REACHABILITY,
    "unreachable": Requirement.REACHABILITY,
    "busy": Requirement.HISTORY,
    "idle": Requirement.HISTORY,
}
_EXAMPLES = {"tag": "tag:a100", "status": "status:active", _LAST: "last:failed", _IS: "is:busy"}
_JUDGES: Mapping[str, Callable[[RunnerData, str], bool | None]] = {
    "": _contains,
    "tag": _has_tag,
    "status": _has_status,
    _LAST: _ended_so,
    _IS: _is_so,
}
_NOTHING = "there is nothing between the quotes"
_CLIP = 20
_WORDS = re.compile(r'(?:[^\s"]|"[^"]*")+')
_FIELD = re.compile(r"([^\W\d_]+):(?!//)(.*)", re.DOTALL)
