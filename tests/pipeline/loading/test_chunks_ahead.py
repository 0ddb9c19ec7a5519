import threading

import pytest

from ecg12.ecg.errors import RemoteError
from ecg12.pipeline.loading.chunks_ahead import NOTHING, chunks_ahead
from ecg12.pipeline.runtime.prefetch import THREAD_NAME


def ours():
    return [thread for thread in threading.enumerate() if thread.name.startswith(THREAD_NAME)]


def test_chunks_come_in_the_order_of_the_jobs():
    wanted = [(3,), (), (1, 2), (3,)]
    came = list(chunks_ahead(wanted, lambda chunk: bytes([chunk]), connections=2))
    assert [[fetched.bytes_of(chunk) for chunk in chunks] for chunks, fetched in zip(wanted, came, strict=True)] == [
        [b"\x03"], [], [b"\x01", b"\x02"], [b"\x03"]
    ]  # fmt: skip
    assert came[0].bytes_of(9) is None
    assert NOTHING.bytes_of(0) is None
    assert not ours()


def test_as_many_requests_as_connections_and_no_more_than_twice_as_many_jobs_ahead():
    at_once, begun, most = 0, 0, 0
    lock, four = threading.Lock(), threading.Barrier(4, timeout=60)

    def fetch(chunk):
        nonlocal at_once, begun, most
        with lock:
            at_once += 1
            begun += 1
            most, first = max(most, at_once), begun <= 4
        if first:
            four.wait()  # all four are under way at one time, however busy the machine is
        with lock:
            at_once -= 1
        return b""

    coming = chunks_ahead(((number,) for number in range(100)), fetch, connections=4)
    for number in range(20):
        next(coming).bytes_of(number)
        assert begun <= number + 2 * 4 + 1
    assert most == 4
    coming.close()
    assert not ours()
    assert begun < 40


def test_an_error_reaches_who_waits_for_that_chunk_alone():
    def fetch(chunk):
        if chunk == 1:
            raise RemoteError("chunk 1 is gone")
        return b"x"

    first, second, third = chunks_ahead([(0,), (1,), (2,)], fetch, connections=2)
    assert (first.bytes_of(0), third.bytes_of(2)) == (b"x", b"x")
    with pytest.raises(RemoteError, match="chunk 1 is gone"):
        second.bytes_of(1)
