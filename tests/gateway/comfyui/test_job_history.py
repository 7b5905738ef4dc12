"""What stays known of jobs while readings come in."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import pytest

from comfytui.api.statuses import LAST_SEEN_RUNNING, WorkflowStatus
from comfytui.gateway.comfyui.job_history import NO_LONGER_LISTED, JobHistory, TrackedJob
from comfytui.gateway.comfyui.models import Job, parse_history, parse_jobs, parse_queue
from tests.support.clock import START
from tests.support.comfyui_jobs import recording


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def told(*seconds: float) -> Callable[[int], Sequence[datetime]]:
    """Arrivals at these times."""
    return lambda count: [at(each) for each in seconds] if count == len(seconds) else []


def waiting(id: str, number: float, created: float | None = None) -> Job:
    return Job(id, WorkflowStatus.QUEUED, number, None if created is None else at(created))


def running(id: str, number: float, created: float | None = None) -> Job:
    return Job(id, WorkflowStatus.RUNNING, number, None if created is None else at(created))


def done(id: str, number: float, created: float | None, started: float, ended: float) -> Job:
    known = None if created is None else at(created)
    return Job(id, WorkflowStatus.COMPLETED, number, known, at(started), at(ended))


def ids(memory: JobHistory, count: int = 10) -> list[str]:
    return [known.job.id for known in memory.shown(count)]


def known_as(memory: JobHistory, id: str) -> TrackedJob:
    (known,) = (known for known in memory.shown(1000) if known.job.id == id)
    return known


def test_nothing_is_known_at_first() -> None:
    assert JobHistory().shown() == ()


def test_running_job_then_next_three_then_newest_ends() -> None:
    memory = JobHistory()
    queue = [running("r", 8, 8), *(waiting(f"w{n}", n, n) for n in range(9, 400))]
    # The last to end was the first to be created.
    ended = [done("d0", 0, 0, 19, 20), *(done(f"d{n}", n, n, n, n) for n in range(1, 8))]
    memory.merge(queue, ended, at(500))
    assert ids(memory) == ["r", "w9", "w10", "w11", "d0", "d7", "d6", "d5", "d4", "d3"]
    assert ids(memory, 2) == ["r", "w9"]


def test_job_put_in_front_is_next() -> None:
    memory = JobHistory()
    memory.merge([waiting("a", 3, 3), waiting("front", -5, 5), waiting("b", 4, 4), waiting("half", 3.5, 6)], [], at(9))
    assert ids(memory) == ["front", "a", "half"]
    memory.merge([waiting("a", 3), waiting("b", 3), waiting("unnumbered", 0)], [], at(10))
    assert ids(memory) == ["unnumbered", "a", "b"]


def test_a_job_goes_from_one_list_to_the_other() -> None:
    memory = JobHistory()
    memory.merge([waiting("j", 1, 0)], [], at(1))
    memory.merge([running("j", 1, 0)], [], at(2))
    assert known_as(memory, "j").job.status is WorkflowStatus.RUNNING
    memory.merge([], [done("j", 1, 0, 1.5, 3)], at(4))
    assert memory.shown() == (TrackedJob(done("j", 1, 0, 1.5, 3)),)


def test_a_job_that_ended_between_the_two_readings_has_ended() -> None:
    memory = JobHistory()
    memory.merge([running("j", 1, 0)], [done("j", 1, 0, 1, 2)], at(3))
    assert memory.shown() == (TrackedJob(done("j", 1, 0, 1, 2)),)


def test_a_job_sent_again_counts_as_it_is_now() -> None:
    memory = JobHistory()
    memory.merge([waiting("j", 7, 5)], [done("j", 1, 0, 1, 2)], at(6))
    assert memory.shown() == (TrackedJob(waiting("j", 7, 5)),)


@pytest.mark.parametrize("turned", [False, True])
def test_running_job_wins_over_a_waiting_duplicate(turned: bool) -> None:
    memory = JobHistory()
    both = [running("j", 1, 0), waiting("j", 2, 1)]
    memory.merge(both[::-1] if turned else both, [], at(2))
    assert [known.job.number for known in memory.shown()] == [1]


@pytest.mark.parametrize("turned", [False, True])
def test_newer_finished_duplicate_wins(turned: bool) -> None:
    memory = JobHistory()
    both = [done("j", 1, 0, 0, 1), done("j", 2, 2, 2, 3)]
    memory.merge([], both[::-1] if turned else both, at(4))
    assert [known.job.number for known in memory.shown()] == [2]


def test_a_waiting_job_that_vanishes_was_never_cancelled() -> None:
    memory = JobHistory()
    memory.merge([waiting("j", 2, 1)], [done("d", 1, 0, 0, 1)], at(2))
    memory.merge([], [done("d", 1, 0, 0, 1)], at(3))
    assert ids(memory) == ["d"]


def test_waiting_jobs_that_a_limited_reading_cannot_show_have_not_vanished() -> None:
    memory = JobHistory()
    memory.merge([waiting("a", 1, 1), waiting("b", 2, 2), waiting("c", 3, 3)], [], at(4))
    memory.merge([waiting("b", 2, 2), waiting("d", 4, 4)], [], at(5), all_active=False, gap=("b", "d"))
    assert ids(memory) == ["b", "c", "d"]
    memory.merge([waiting("d", 4, 4)], [], at(6))
    assert ids(memory) == ["d"]


def test_job_put_in_front_of_a_long_queue_is_next_until_another_begins() -> None:
    memory = JobHistory()
    queue = [waiting(f"w{n}", n, n) for n in range(1, 9)]
    memory.merge([running("r", 0, 0), *queue, waiting("front", -9, 9)], [], at(10))
    unseen = [running("r", 0, 0), *queue[:2], waiting("w20", 20, 20)]
    memory.merge(unseen, [], at(21), all_active=False, gap=("w2", "w20"))
    assert ids(memory) == ["r", "front", "w1", "w2"]
    begun = [running("w1", 1, 1), *queue[1:3], waiting("w20", 20, 20)]
    memory.merge(begun, [done("r", 0, 0, 0, 22)], at(23), all_active=False, gap=("w3", "w20"))
    assert ids(memory) == ["w1", "w2", "w3", "w4", "r"]


def test_a_running_job_that_vanishes_has_failed_for_all_that_is_known() -> None:
    memory = JobHistory()
    memory.merge([running("r", 4, 0)], [done("d", 3, 0, 0, 1)], at(5))
    memory.merge([], [], at(9))
    failed = known_as(memory, "r")
    assert failed.tags == (LAST_SEEN_RUNNING,)
    assert failed.job == Job("r", WorkflowStatus.FAILED, 4, at(0), at(1), noticed=at(9))
    memory.merge([], [], at(30))
    assert known_as(memory, "r") == failed


def test_after_a_restart_the_old_jobs_stay_known_beside_the_new() -> None:
    memory = JobHistory()
    memory.merge([running("r", 4, 4), waiting("w", 5, 5)], [done("d", 3, 0, 0, 1)], at(6))
    memory.merge([], [done("new", 0, 8, 8, 9)], at(10), all_finished=True)
    assert {known.job.id: known.tags for known in memory.shown()} == {
        "r": (LAST_SEEN_RUNNING,),
        "new": (),
        "d": (NO_LONGER_LISTED,),
    }


def test_a_running_job_that_may_have_ended_out_of_sight_is_not_said_to_have_failed() -> None:
    memory = JobHistory()
    memory.merge([running("r", 1, 0)], [], at(1))
    memory.merge([], [done("x", 2, 2, 2, 3), done("y", 3, 3, 3, 4)], at(5))
    assert ids(memory) == ["y", "x"]


def test_a_cleared_history_is_remembered() -> None:
    memory = JobHistory()
    jobs = [done("a", 0, 0, 0, 1), done("b", 1, 2, 2, 3)]
    memory.merge([], jobs, at(4))
    memory.merge([], [], at(5))
    assert memory.shown() == tuple(TrackedJob(job, (NO_LONGER_LISTED,)) for job in jobs[::-1])
    memory.merge([], jobs, at(6))
    assert memory.shown() == tuple(TrackedJob(job) for job in jobs[::-1])


@pytest.mark.parametrize(
    ("listed", "tags"),
    [
        # The newest two by creation: what was created before them is out of sight.
        ([done("x", 5, 5, 5, 6), done("y", 6, 6, 6, 7)], ()),
        # The last two to end: one of them had waited for long.
        ([done("x", 0, 0, 5, 6), done("y", 6, 6, 6, 7)], ()),
        # One older than it is there in both orders: it was taken out.
        ([done("x", 0, 0, 0, 1), done("y", 6, 6, 6, 7)], (NO_LONGER_LISTED,)),
        ([], (NO_LONGER_LISTED,)),
    ],
)
def test_job_older_than_the_window_is_not_missing(listed: Sequence[Job], tags: tuple[str, ...]) -> None:
    memory = JobHistory()
    memory.merge([], [done("j", 2, 2, 3, 4)], at(5))
    memory.merge([], listed, at(8))
    assert known_as(memory, "j").tags == tags


def test_creation_that_no_server_tells_is_not_invented() -> None:
    memory = JobHistory()
    memory.merge([waiting("j", 1)], [], at(10))
    memory.merge([running("j", 1)], [done("a", 0, None, 2, 3)], at(20))
    assert {known.job.created for known in memory.shown()} == {None}
    memory.merge([], [done("j", 1, None, 18, 30)], at(31))
    assert known_as(memory, "j").job == done("j", 1, None, 18, 30)


def test_old_server_s_job_was_created_when_the_queue_grew() -> None:
    memory = JobHistory()
    memory.merge([], [done("j", 1, None, 2, 3)], at(10))
    memory.merge([waiting("j", 3), running("k", 2)], [done("j", 1, None, 2, 3)], at(20), arrivals=told(17, 18))
    assert known_as(memory, "k").job.created == at(17)
    assert known_as(memory, "j").job.created == at(18)
    memory.merge([waiting("front", -5)], [done("j", 3, None, 21, 22)], at(30), arrivals=told(29))
    assert known_as(memory, "front").job.created == at(29)
    assert known_as(memory, "j").job == done("j", 3, 18, 21, 22)


def test_creation_is_not_known_if_not_every_new_job_was_announced() -> None:
    memory = JobHistory()
    memory.merge([waiting("old", 1)], [], at(10), arrivals=told(9))
    memory.merge([waiting("old", 1), waiting("a", 2), waiting("b", 3)], [], at(20), arrivals=told(15))
    assert {known.job.created for known in memory.shown()} == {None}


def test_times_are_told_by_our_clock_however_often_a_server_s_is_set() -> None:
    memory = JobHistory()
    memory.merge([waiting("a", 1, 300)], [], at(0), ahead=300)
    memory.merge([waiting("a", 1, 300), waiting("b", 2, 20)], [], at(20))
    assert [known.job.created for known in memory.shown()] == [at(0), at(20)]
    memory.merge([waiting("b", 2, 20)], [done("a", 1, 300, 25, 30)], at(31))
    assert known_as(memory, "a").job == done("a", 1, 0, 25, 30)


def test_time_at_the_end_of_the_calendar_stays() -> None:
    memory, end = JobHistory(), datetime.max.replace(tzinfo=START.tzinfo)
    memory.merge([Job("a", WorkflowStatus.QUEUED, 1, end)], [], at(0), ahead=-300)
    assert known_as(memory, "a").job.created == end


def test_job_that_ran_at_once_was_not_created_after_it_began() -> None:
    memory = JobHistory()
    memory.merge([], [], at(10))
    memory.merge([], [done("j", 1, None, 14, 15)], at(20), arrivals=told(16))
    assert known_as(memory, "j").job.created == at(14)


@pytest.mark.parametrize(
    ("job", "finished", "started"),
    [
        (running("r", 2, 5), [done("a", 1, 0, 0, 8)], 8),
        (running("r", 2, 5), [done("a", 1, 0, 0, 3)], 5),
        (running("r", 2, 5), [], 5),
        (running("r", 2), [done("a", 1, 0, 0, 3)], 10),
        (running("r", 2), [done("a", 1, 0, 0, 8)], 8),
        (running("r", 2), [], 10),
    ],
)
def test_about_when_a_job_began(job: Job, finished: list[Job], started: float) -> None:
    memory = JobHistory()
    memory.merge([], [], at(4))
    memory.merge([job], finished, at(10))
    first = known_as(memory, "r")
    assert first.job.started == at(started)
    memory.merge([job], [*finished, done("odd", 9, 0, 0, 40)], at(50))
    assert known_as(memory, "r") == first


@pytest.mark.parametrize(("number", "started"), [(0, at(5)), (2, None)])
def test_job_that_may_have_waited_for_others_unseen_began_at_no_known_time(
    number: int, started: datetime | None
) -> None:
    memory = JobHistory()
    for seconds in (3600, 3610):
        memory.merge([running("r", number, 5)], [], at(seconds), all_finished=True)
        assert known_as(memory, "r").job.started == started


def test_job_that_waited_long_and_ended_is_the_newest_end() -> None:
    memory = JobHistory()
    newer = [done(f"d{n}", n, n, n, n) for n in range(20, 40)]
    memory.merge([running("r", 1, 1)], newer, at(50))
    failed = Job("r", WorkflowStatus.FAILED, 1, at(1), at(40), at(55))
    memory.merge([], newer, at(60), apart=[failed])
    assert ids(memory, 3) == ["r", "d39", "d38"]
    memory.merge([], newer, at(70))
    assert memory.shown()[0] == TrackedJob(failed)
    assert all(not known.tags for known in memory.shown(100))


def test_start_of_a_job_that_ran_before_it_was_watched_is_not_invented() -> None:
    memory = JobHistory()
    for seconds in (10, 20):
        memory.merge([running("r", 2)], [done("a", 1, None, 2, 3)], at(seconds))
        assert known_as(memory, "r").job.started is None


def test_an_old_server_s_job_seen_waiting_began_when_the_one_before_had_ended() -> None:
    memory = JobHistory()
    memory.merge([running("a", 1), waiting("b", 2)], [], at(10))
    memory.merge([running("b", 2)], [done("a", 1, None, 8, 15)], at(20))
    assert known_as(memory, "b").job.started == at(15)


def test_details_of_one_reading_are_kept() -> None:
    memory = JobHistory()
    told = Job("j", WorkflowStatus.QUEUED, 1, at(0), prefix="chain/img", document="doc")
    memory.merge([told], [], at(1))
    memory.merge([], [done("j", 1, 0, 1, 2)], at(3))
    job = known_as(memory, "j").job
    assert (job.prefix, job.document) == ("chain/img", "doc")


def test_the_oldest_are_forgotten() -> None:
    memory = JobHistory()
    memory.merge([], [done(f"d{n:03}", n, n, n, n) for n in range(150)], at(200))
    memory.merge([waiting(f"w{n:03}", n, n) for n in range(200, 300)], [], at(400))
    memory.merge([], [done(f"e{n:03}", n, n, n, n) for n in range(300, 400)], at(500))
    everyone = ids(memory, 1000)
    assert len(everyone) == 250
    assert everyone[-1] == "d000"
    memory.merge([], [done(f"f{n:03}", n, n, n, n) for n in range(400, 500)], at(600))
    assert len(ids(memory, 1000)) == 300
    assert ids(memory, 1000)[-1] == "d050"


def test_long_queue_hides_no_job_of_a_cleared_history() -> None:
    memory = JobHistory()
    memory.merge([], [done("d", 0, 0, 0, 1)], at(2))
    memory.merge([waiting(f"w{n:03}", n, n) for n in range(300)], [], at(400))
    assert ids(memory) == ["w000", "w001", "w002", "d"]


def test_a_long_queue_is_known_as_a_whole() -> None:
    memory = JobHistory()
    queue = [waiting(f"w{n:03}", n) for n in range(370)]
    memory.merge(queue, [], at(0))
    memory.merge(queue[1:], [], at(60))
    assert ids(memory) == ["w001", "w002", "w003"]


@pytest.mark.parametrize("kind", [waiting, running])
def test_very_many_jobs_take_no_time(kind: Callable[[str, float, float], Job]) -> None:
    memory = JobHistory()
    jobs = [kind(f"j{n}", n, n) for n in range(20_000)]
    before = time.process_time()
    memory.merge(jobs, [done("d", 0, 0, 0, 1)], at(20_000))
    assert len(ids(memory, 2)) == 2
    # It takes a tenth of that; with a look at all of them for each it was a minute.
    assert time.process_time() - before < 3


@pytest.mark.parametrize("times", [1, 3])
def test_the_recording_with_a_list_of_jobs(times: int) -> None:
    memory = JobHistory()
    active = parse_jobs(recording("0.33.0", "running-jobs-active")).jobs
    finished = [job for job in parse_jobs(recording("0.33.0", "jobs-all")).jobs if (job.number or 0) in range(11)]
    for second in range(times):
        memory.merge(active, finished, datetime(2026, 11, 21, 10, 11, second, tzinfo=START.tzinfo))
    statuses = [known.job.status for known in memory.shown()]
    assert statuses[:3] == ["running", "queued", "queued"]
    assert statuses[3:] == ["completed", "failed", "failed", "failed", "failed", "completed", "completed"]
    assert known_as(memory, active[2].id).job.started == active[2].created


def test_the_recording_without_one() -> None:
    memory = JobHistory()
    queue = parse_queue(recording("0.3.64", "running-queue")).jobs
    history = parse_history(recording("0.3.64", "history-all")).jobs
    under_way = {job.id for job in queue}
    before = [job for job in history if job.id not in under_way and (job.number or 0) in range(11)]
    memory.merge(queue, before, START)
    assert [known.job.number for known in memory.shown()][:3] == [16, -18, 17]
    memory.merge([], history, START)
    assert all(known.job.created is None and known.job.ended and not known.tags for known in memory.shown(100))
