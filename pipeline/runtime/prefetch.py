"""Jobs done by threads ahead of use, their results in order, never more than so many ahead.

Threads suffice: decoding and copying let go of the interpreter's lock. They hold nothing of the caller's but the
jobs, so that a caller who leaves early, by break, by an error or by forgetting the iterator, closes it, and with it
they end.
"""

import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from functools import partial
from itertools import repeat
from typing import Any, Generic, TypeVar

T = TypeVar("T")

THREAD_NAME = "ecg12-prefetch"


def prefetch(jobs: Iterable[Callable[[], T]], *, threads: int, ahead: int) -> Generator[T, None, None]:
    """Results of the jobs, in their order.

    Parameters
    ----------
    jobs : are taken one after another, by one thread at a time, shortly before they are done
    ahead : jobs that may be begun beyond the last result taken

    Raises
    ------
    BaseException
        What a job raised, at the next result asked for, whether or not earlier ones are waiting.
    """
    work: _Work[T] = _Work(jobs, ahead)
    workers = [threading.Thread(target=work.run, name=THREAD_NAME, daemon=True) for _ in range(threads)]
    for worker in workers:
        worker.start()
    try:
        while work.wait():
            yield work.take()
    finally:
        work.close()
        for worker in workers:
            if worker is not threading.current_thread():  # a worker may be collecting the garbage we are part of
                worker.join()


def run_ahead(source: Iterator[T], *, ahead: int) -> Generator[T, None, None]:
    """What an iterator gives, made by one thread while the caller uses what came before; it may not give None.

    Raises as `prefetch` does.
    """
    with closing(prefetch(repeat(partial(next, source, None)), threads=1, ahead=ahead)) as made:
        for one in made:
            if one is None:
                return
            yield one


class _Work(Generic[T]):
    """What the threads and the caller share; every method that touches it holds `changed`."""

    def __init__(self, jobs: Iterable[Callable[[], T]], ahead: int) -> None:
        self.changed = threading.Condition(threading.RLock())
        self.jobs = iter(jobs)
        self.ahead = max(ahead, 1)
        self.results: dict[int, T] = {}
        self.n_begun = 0
        self.n_taken = 0
        self.ended = False
        self.error: BaseException | None = None

    def run(self) -> None:
        """A thread's life."""
        while (job := self._begin()) is not None:
            number, do = job
            try:
                result = do()
            except BaseException as error:  # whatever it is, the caller gets it
                self._fail(error)
            else:
                self._put(number, result)
            del job, do  # what a job holds must not wait for the next one
            result = None  # type: ignore[assignment]

    def _begin(self) -> tuple[int, Callable[[], T]] | None:
        with self.changed:
            while not self.ended and self.n_begun >= self.n_taken + self.ahead:
                self.changed.wait()
            if self.ended:
                return None
            try:
                do = next(self.jobs)
            except StopIteration:
                self.ended = True
                self.changed.notify_all()
                return None
            except BaseException as error:  # planning a job may fail as the job may
                self._fail(error)
                return None
            self.n_begun += 1
            return self.n_begun - 1, do

    def _put(self, number: int, result: T) -> None:
        with self.changed:
            self.results[number] = result
            self.changed.notify_all()

    def _fail(self, error: BaseException) -> None:
        with self.changed:
            self.error = self.error or error
            self.ended = True
            self.changed.notify_all()

    def wait(self) -> bool:
        """Wait for the next result; False if there is none any more."""
        with self.changed:
            while True:
                if self.error is not None:
                    raise self.error
                if self.n_taken in self.results:
                    return True
                if self.ended and self.n_taken >= self.n_begun:
                    return False
                self.changed.wait()

    def take(self) -> T:
        """The result waited for."""
        with self.changed:
            result = self.results.pop(self.n_taken)
            self.n_taken += 1
            self.changed.notify_all()
            return result

    def close(self) -> None:
        """Begin no further job, and forget the results."""
        with self.changed:
            self.ended = True
            self.results.clear()
            jobs: Any = self.jobs
            self.jobs = iter(())
            self.changed.notify_all()
        del jobs
