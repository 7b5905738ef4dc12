from __future__ import annotations

import threading
from concurrent.futures import CancelledError
from functools import partial

import pytest

from comfytui.threads import DaemonWorker

PATIENCE = 5.0


def where(number: int) -> tuple[int, threading.Thread]:
    return number, threading.current_thread()


@pytest.fixture
def stop() -> threading.Event:
    return threading.Event()


def test_calls_run_in_order_in_one_other_thread() -> None:
    worker = DaemonWorker("test")
    futures = [worker.submit(partial(where, number)) for number in range(20)]
    answers = [future.result(PATIENCE) for future in futures]
    worker.close()
    assert [number for number, _ in answers] == list(range(20))
    assert len({thread for _, thread in answers} - {threading.current_thread()}) == 1
    assert answers[0][1].name == "test"


def test_no_thread_before_there_is_work() -> None:
    before = threading.active_count()
    worker = DaemonWorker("idle")
    worker.close()
    assert threading.active_count() == before


def test_call_cancelled_in_time_never_runs(stop: threading.Event) -> None:
    worker = DaemonWorker("test")
    ran: list[str] = []
    first = worker.submit(lambda: stop.wait(PATIENCE))
    second = worker.submit(lambda: ran.append("second"))
    third = worker.submit(lambda: ran.append("third"))
    assert second.cancel()
    stop.set()
    third.result(PATIENCE)
    worker.close()
    assert ran == ["third"]
    assert first.result()
    with pytest.raises(CancelledError):
        second.result()


def test_with_a_pause_it_lets_others_be_done_first_and_closing_ends_that() -> None:
    worker = DaemonWorker("test", pause=3600.0)
    done: list[int] = []
    future = worker.submit(partial(done.append, 1))
    with pytest.raises(TimeoutError):
        future.result(0.01)
    worker.close(PATIENCE)
    assert done == [1]


def test_closing_finishes_what_was_submitted_but_waits_for_nothing_that_hangs(stop: threading.Event) -> None:
    done: list[int] = []
    worker = DaemonWorker("test")
    for number in range(50):
        worker.submit(partial(done.append, number))
    worker.close()
    assert done == list(range(50))
    hung = DaemonWorker("hung")
    future = hung.submit(lambda: stop.wait(PATIENCE))
    hung.close(patience=0.01)
    assert not future.done()
    stop.set()
    assert future.result(PATIENCE)


def test_call_that_fails_is_told_and_ends_nothing() -> None:
    worker = DaemonWorker("test")
    failed = worker.submit(lambda: int("no number"))
    done = worker.submit(lambda: "done")
    assert done.result(PATIENCE) == "done"
    assert isinstance(failed.exception(PATIENCE), ValueError)
    worker.close()
