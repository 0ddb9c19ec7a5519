"""Several pieces in a network at a time, each on one core.

A thread for each piece has nothing to wait for. Threads that share every operation, as torch's own do, wait after each
for the slowest of them, which is the one whose core reads recordings or writes predictions meanwhile; and besides, not
all operations have a share for each.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import Self, TypeVar

import torch

T = TypeVar("T")
R = TypeVar("R")

MAX_WORKERS = 8
"""Pieces that may be in the network at a time; each takes some hundred megabytes. Of more cores each gets several."""


class Workers:
    """Threads that do pieces of work, for whoever has some; as many as torch has threads, which they share.

    Attributes
    ----------
    n_workers : pieces that are worked on at a time
    """

    def __init__(self) -> None:
        self._n_threads = torch.get_num_threads()
        self.n_workers = min(self._n_threads, MAX_WORKERS)

    def __enter__(self) -> Self:
        each = self._n_threads // self.n_workers
        torch.set_num_threads(each)  # of this thread, and of those that come later and read
        self._pool = ThreadPoolExecutor(self.n_workers, "ecg12-workers", torch.set_num_threads, (each,))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)
        torch.set_num_threads(self._n_threads)

    def map(self, work: Callable[[T], R], pieces: Iterable[T]) -> Iterator[R]:
        """What `work` gives for each piece, in order; a few pieces are taken ahead.

        Raises
        ------
        Exception
            What `work` raised for a piece, when it is its turn.
        """
        waiting: deque[Future[R]] = deque()
        try:
            for piece in pieces:
                waiting.append(self._pool.submit(work, piece))
                if len(waiting) > 2 * self.n_workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for one in waiting:
                one.cancel()


def workers_for(device: torch.device) -> AbstractContextManager[Workers | None]:
    """Workers on a CPU; a GPU has no need of them."""
    return Workers() if device.type == "cpu" else nullcontext()
