"""Remote chunks on their way while others are decoded.

Waiting for a server takes no processor, decoding takes nothing else: so requests have threads of their own, more than
there are cores, and what they bring waits, encoded, for the threads that decode. What is on its way and what waits is
bounded together.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from ecg12.pipeline.runtime.prefetch import THREAD_NAME

CONNECTIONS = 8
"""Requests in flight: at 50 ms they bring 150 chunks a second, as many as two cores decode."""

Chunks = Mapping[int, "Future[bytes | None]"]


@dataclass(frozen=True, slots=True)
class FetchedChunks:
    """Chunks that were asked for; `bytes_of` waits for one."""

    asked: Chunks

    def bytes_of(self, chunk: int) -> bytes | None:
        """The chunk's bytes; None where they are to be read from a file, or the chunk was not asked for.

        Raises
        ------
        ChecksumError, RemoteError
            If it could not be had.
        """
        future = self.asked.get(chunk)
        return None if future is None else future.result()


NOTHING = FetchedChunks({})


def chunks_ahead(
    wanted: Iterable[Sequence[int]], fetch: Callable[[int], bytes | None], *, connections: int
) -> Generator[FetchedChunks, None, None]:
    """The chunks of one job after another, asked for up to twice as many jobs ahead as there are connections.

    Parameters
    ----------
    wanted : the chunks that each job needs
    fetch : brings one
    connections : requests at once
    """
    pool = ThreadPoolExecutor(connections, thread_name_prefix=THREAD_NAME)
    waiting: deque[FetchedChunks] = deque()
    try:
        for chunks in wanted:
            waiting.append(FetchedChunks({chunk: pool.submit(fetch, chunk) for chunk in chunks}))
            if len(waiting) > 2 * connections:
                yield waiting.popleft()
        while waiting:
            yield waiting.popleft()
    finally:
        # what is on its way when a loop is left early comes to its end, and nothing new is asked for
        pool.shutdown(wait=True, cancel_futures=bool(waiting))
