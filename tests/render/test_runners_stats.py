"""Reachability, gauges and versions."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfytui.api.models import Device, RunnerStats, SystemStats
from comfytui.api.statuses import RunnerState
from comfytui.engine.feed import Feed, Problem, ProblemKind
from comfytui.engine.snapshot import HealthCheck
from comfytui.render.cells import Role, Span, cell_width
from comfytui.render.freshness import RenderContext
from comfytui.render.panels import field, layout_fields
from comfytui.render.runners import gauge, health_cell, health_fields, health_key, latency_text, machine_fields
from comfytui.tui.terminal.filters import to_ascii
from tests.support.lines import plain_text

if TYPE_CHECKING:
    from comfytui.render.panels import Field
    from tests.render.conftest import InZone

SINCE = datetime(2026, 7, 1, 12, 2, tzinfo=UTC)
NOW = 1000.0
AT = RenderContext(SINCE, NOW, interval_s=5.0)
DOWN = Problem(ProblemKind.TIMED_OUT, "", None, SINCE, failures=1, retry_monotonic=NOW + 7)

GB = 1024**3
SYSTEM = SystemStats("posix", 64 * GB, 48 * GB, "0.33.0", "3.12.12 (main, Oct 15 2025, 12:00:00) [GCC 14.2.0]")
CARD = Device("cuda:0 NVIDIA GeForce RTX 4090 : cudaMallocAsync", "cuda", 24 * GB, 10 * GB)
STATS = RunnerStats(SYSTEM, (CARD,), dev_mode=False)

WELL = HealthCheck(reachable=True, latency=0.043, stats=STATS)
AWAY = HealthCheck(reachable=False, stats=STATS, error="[b]no route to host[/b]")


def feed(health: HealthCheck | None, problem: Problem | None = None, age: float = 0.0) -> Feed[HealthCheck]:
    return Feed(health, fetched_monotonic=NOW - age if health else None, problem=problem)


def health(known: Feed[HealthCheck], width: int = 56) -> list[tuple[str, str]]:
    return [(label, plain_text(value)) for label, value in health_fields(known, AT, width)]


def roles(fields: tuple[Field, ...]) -> set[Role]:
    return {role for _, value in fields for text, role in value if text.strip()}


def with_devices(*devices: Device, system: SystemStats | None = None) -> Feed[HealthCheck]:
    return feed(WELL._replace(stats=RunnerStats(system or SystemStats(), devices)))


def test_a_runner_that_answers_has_gauges_with_numbers() -> None:
    assert health(feed(WELL)) == [
        ("Reachable", "✔ 43 ms"),
        ("VRAM", "▰▰▰▰▰▰▱▱▱▱  14.0 / 24.0 GB"),
        ("RAM", "▰▰▱▱▱▱▱▱▱▱  16.0 / 64.0 GB"),
    ]
    assert health_fields(feed(WELL), AT, 56)[0].value == (Span("✔ 43 ms", Role.GOOD),)


def test_a_runner_that_does_not_answer_keeps_its_numbers_and_they_look_old() -> None:
    reachable, note, *gauges = health_fields(feed(AWAY), AT, 56)
    assert reachable.value == (Span("✖ no: [b]no route to host[/b]", Role.BAD),)
    assert (note.label, plain_text(note.value)) == ("", "numbers from the last successful check")
    assert [label for label, _ in gauges] == ["VRAM", "RAM"]
    assert roles((note, *gauges)) <= {Role.MUTED, Role.PLAIN}
    assert all(Span("14.0 / 24.0 GB", Role.PLAIN) not in value for _, value in gauges)


def test_runner_without_stats_has_no_numbers() -> None:
    assert health(feed(HealthCheck(reachable=False, error="refused"))) == [("Reachable", "✖ no: refused")]
    assert health(feed(HealthCheck(reachable=False))) == [("Reachable", "✖ no")]
    assert health(feed(HealthCheck(reachable=True))) == [("Reachable", "✔ yes")]


def test_not_checked_never_looks_like_ok(in_zone: InZone) -> None:
    in_zone("UTC")
    for known, words in (
        (feed(None), "? not checked"),
        (feed(None, DOWN), "? not checked: timed out"),
        (feed(WELL, DOWN), "? not checked since 12:02: timed out"),
        (feed(AWAY, DOWN), "? not checked since 12:02: timed out"),
    ):
        fields = health_fields(known, AT, 56)
        assert plain_text(fields[0].value) == words
        assert roles(fields) <= {Role.MUTED}
        assert "✔" not in str(fields)
    assert health(feed(WELL, DOWN))[1:3] == [
        ("", "numbers from the last successful check"),
        ("VRAM", "▰▰▰▰▰▰▱▱▱▱  14.0 / 24.0 GB"),
    ]


@pytest.mark.parametrize(("age", "words"), [(29.0, "✔ 43 ms"), (31.0, "✔ 43 ms, <1m ago"), (130.0, "✔ 43 ms, 2m ago")])
def test_a_check_long_ago_says_its_age(age: float, words: str) -> None:
    fields = health_fields(feed(WELL, age=age), AT, 56)
    assert plain_text(fields[0].value) == words
    assert (roles(fields) == {Role.MUTED}) is (age > 30)


@pytest.mark.parametrize(
    ("known", "cell"),
    [
        (feed(None), Span("…", Role.MUTED)),
        (feed(None, DOWN), Span("?", Role.MUTED)),
        (feed(WELL), Span("✔ yes", Role.GOOD)),
        (feed(AWAY), Span("✖ no", Role.BAD)),
        (feed(WELL, DOWN), Span("✔ yes", Role.MUTED)),
        (feed(AWAY, DOWN), Span("✖ no", Role.MUTED)),
    ],
)
def test_the_cell_of_the_list(known: Feed[HealthCheck], cell: Span) -> None:
    assert health_cell(known) == (cell,)


@pytest.mark.parametrize(
    ("total", "free", "words"),
    [
        (24 * GB, 24 * GB, "▱▱▱▱▱▱▱▱▱▱  0.0 / 24.0 GB"),
        (24 * GB, 0, "▰▰▰▰▰▰▰▰▰▰  24.0 / 24.0 GB"),
        (24 * GB, 25 * GB, "25.0 GB free of 24.0 GB"),
        (24 * GB, None, "24.0 GB"),
        (None, 3 * GB, "3.0 GB free"),
        (0, 0, "▱▱▱▱▱▱▱▱▱▱  0.0 / 0.0 GB"),
    ],
)
def test_odd_memories_are_told_as_far_as_they_make_sense(total: int | None, free: int | None, words: str) -> None:
    assert health(with_devices(CARD._replace(vram_total=total, vram_free=free)))[1:] == [("VRAM", words)]


def test_several_devices_are_told_apart_and_their_gauges_are_of_one_length() -> None:
    big = CARD._replace(vram_total=141 * GB, vram_free=0)
    known = with_devices(CARD, big, Device(type="cuda"))
    assert health(known, 36)[1:] == [
        ("VRAM 0", "▰▰▱▱  14.0 / 24.0 GB"),
        ("VRAM 1", "▰▰▰▰  141.0 / 141.0 GB"),
    ]
    assert [label for label, _ in machine_fields(known)] == ["Device 0", "Device 1", "Device 2"]


def test_the_memory_of_a_cpu_is_told_as_that_of_any_device() -> None:
    known = with_devices(Device("cpu", "cpu", 8 * GB, 4 * GB), system=SystemStats(ram_total=8 * GB, ram_free=4 * GB))
    assert [label for label, _ in health(known)] == ["Reachable", "VRAM", "RAM"]


@given(st.integers(1, 120), st.sampled_from(["Id", "Reachable", "a label of four and twenty cells"]))
def test_a_gauge_is_never_torn(width: int, label: str) -> None:
    fields = (*health_fields(feed(WELL), AT, width), field(label, "x"))
    lines = [plain_text(line) for line in layout_fields(fields, width)]
    assert all("GB" in line or width < 26 for line in lines if "▰" in line)


@given(st.floats(-9, 9), st.integers(0, 12))
def test_a_gauge_is_always_as_long(share: float, cells: int) -> None:
    full, empty = gauge(share, cells)
    assert cell_width((Span(full), Span(empty))) == cells
    assert set(to_ascii(full + empty)) <= {"#", "-"}


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.0, "<1 ms"), (0.0004, "<1 ms"), (0.0431, "43 ms"), (0.999, "999 ms"), (0.9996, "1.0 s"), (12.34, "12.3 s")],
)
def test_answer_times(seconds: float, words: str) -> None:
    assert latency_text(seconds) == words


def test_machine_fields() -> None:
    stats = STATS._replace(dev_mode=True, extensions=("impact-pack", "[b]crystools"))
    assert [(label, plain_text(value)) for label, value in machine_fields(feed(WELL._replace(stats=stats)))] == [
        ("ComfyUI", "0.33.0"),
        ("Python", "3.12.12"),
        ("Device", "cuda:0 NVIDIA GeForce RTX 4090 : cudaMallocAsync"),
        ("Os", "posix"),
        ("Dev mode", "on"),
        ("Extensions", "impact-pack  [b]crystools"),
    ]


def test_nothing_is_told_of_a_machine_that_said_nothing() -> None:
    assert machine_fields(feed(None)) == ()
    assert machine_fields(feed(WELL._replace(stats=RunnerStats(SystemStats(python_version=" "), (Device(),))))) == ()
    assert health(feed(WELL._replace(stats=RunnerStats()))) == [("Reachable", "✔ 43 ms")]


def test_health_key_changes_with_its_fields() -> None:
    known = feed(WELL)
    assert health_key(known, AT) == health_key(feed(WELL, age=20.0), AT)
    assert health_key(known, AT) != health_key(feed(AWAY), AT)
    assert health_key(known, AT) != health_key(feed(WELL, DOWN), AT)
    late = [health_key(feed(WELL, age=age), AT) for age in (31.0, 59.0, 61.0)]
    assert health_key(known, AT) != late[0] == late[1] != late[2]


SLOW = HealthCheck(reachable=True, stats=STATS, error="slow, last answered 12 s ago", state=RunnerState.SLOW)


@pytest.mark.parametrize("state", [RunnerState.SLOW, RunnerState.WAITING, RunnerState.LATE])
def test_slow_runner_is_neither_well_nor_away(state: RunnerState) -> None:
    slow = SLOW._replace(state=state)
    assert health_cell(feed(slow)) == (Span("◔ slow", Role.WAITING),)
    fields = health_fields(feed(slow), AT, 56)
    assert fields[0].value == (Span("◔ slow, last answered 12 s ago", Role.WAITING),)
    assert health(feed(slow))[1][1] == "numbers from the last successful check"


def test_runner_that_tells_no_numbers_answers_all_the_same() -> None:
    partial = HealthCheck(reachable=True, error="it answered 502 to /system_stats", state=RunnerState.PARTIAL)
    assert health_cell(feed(partial)) == (Span("✔ yes", Role.GOOD),)
    assert health(feed(partial)) == [("Reachable", "✔ yes, but it answered 502 to /system_stats")]
