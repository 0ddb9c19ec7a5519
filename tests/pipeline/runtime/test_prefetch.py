"""Jobs ahead of use: in order, bounded, errors at once, and no thread left behind."""

import gc
import threading
import time
from collections.abc import Callable

import pytest

from ecg12.pipeline.runtime.prefetch import THREAD_NAME, prefetch, run_ahead


def threads_of_ours() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == THREAD_NAME]


@pytest.fixture(autouse=True)
def _nothing_left_behind():
    yield
    assert threads_of_ours() == []


def wait_for(condition: Callable[[], bool]) -> bool:
    """Whether something comes to be true, however busy the machine is."""
    limit = time.monotonic() + 60
    while not condition() and time.monotonic() < limit:
        time.sleep(0.001)
    return condition()


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("ahead", [1, 3, 100])
def test_results_come_in_order(threads: int, ahead: int) -> None:
    def job(number: int):
        def do() -> int:
            time.sleep(0.001 * (number * 7 % 3))
            return number

        return do

    assert list(prefetch(map(job, range(30)), threads=threads, ahead=ahead)) == list(range(30))


def test_no_jobs() -> None:
    assert list(prefetch([], threads=2, ahead=2)) == []


def test_no_more_than_so_many_are_begun() -> None:
    begun = []
    results = prefetch((lambda n=n: begun.append(n) for n in range(100)), threads=3, ahead=4)
    next(results)
    assert wait_for(lambda: len(begun) == 5)
    for _ in range(3):
        next(results)
    assert wait_for(lambda: sorted(begun) == list(range(8)))
    time.sleep(0.05)
    assert len(begun) == 8  # and stays so
    results.close()


def test_nothing_begins_before_it_is_asked_for() -> None:
    results = prefetch([lambda: pytest.fail("begun")], threads=2, ahead=2)
    assert threads_of_ours() == []
    del results


def test_an_error_overtakes_results_that_wait() -> None:
    def fail() -> int:
        raise ValueError("job 3")

    results = prefetch([lambda: 0, lambda: 1, lambda: 2, fail, lambda: 4], threads=1, ahead=3)
    assert next(results) == 0
    assert wait_for(lambda: threads_of_ours() == [])  # the worker has met the error, and ended
    with pytest.raises(ValueError, match="job 3"):
        next(results)


def test_an_error_wakes_a_waiting_caller() -> None:
    release = threading.Event()

    def slow() -> None:
        release.wait(5)

    def fail() -> None:
        time.sleep(0.05)
        release.set()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(prefetch([slow, fail], threads=2, ahead=2))


def test_planning_a_job_may_fail() -> None:
    def jobs():
        yield lambda: 1
        raise RuntimeError("no plan")

    with pytest.raises(RuntimeError, match="no plan"):
        list(prefetch(jobs(), threads=2, ahead=2))


def endless():
    while True:
        yield lambda: bytes(1000)


def test_break_ends_the_threads() -> None:
    for _ in prefetch(endless(), threads=3, ahead=10):
        assert len(threads_of_ours()) == 3
        break
    assert threads_of_ours() == []


def test_an_error_of_the_callers_ends_the_threads() -> None:
    def use() -> None:
        for _ in prefetch(endless(), threads=3, ahead=10):
            raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        use()


def test_forgetting_the_iterator_ends_the_threads() -> None:
    results = prefetch(endless(), threads=3, ahead=10)
    next(results)
    cycle = [results]
    cycle.append(cycle)
    del results, cycle
    gc.collect()
    assert threads_of_ours() == []


def test_a_worker_that_collects_the_garbage_does_not_wait_for_itself() -> None:
    """The iterator dies inside one of its own jobs: the worker must not join itself."""
    holder = []

    def drop() -> int:
        while not holder:
            time.sleep(0.001)
        holder.clear()
        return 1

    results = prefetch([lambda: 0, drop], threads=1, ahead=1)
    next(results)
    holder.append(results)
    del results
    wait_for(lambda: not threads_of_ours())


def test_an_iterator_is_run_ahead_of_its_use():
    made = []

    def numbers():
        for number in range(20):
            made.append(number)
            yield number

    ahead = run_ahead(numbers(), ahead=4)
    assert next(ahead) == 0
    assert list(ahead) == list(range(1, 20))
    assert made == list(range(20))

    def fails():
        yield 1
        raise ValueError("what it raised")

    with pytest.raises(ValueError, match="what it raised"):
        list(run_ahead(fails(), ahead=4))
