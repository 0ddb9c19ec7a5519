"""The order of an epoch: a permutation whatever the ranks, the same for ever, long records spread out."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecg12.ecg.errors import ConfigError
from ecg12.pipeline.loading.epoch_order import (
    choose_windows,
    order_resident,
    order_streamed,
    permutation,
    random_keys,
    share_of_rank,
)


def table(counts: list[int], per_chunk: int) -> tuple[np.ndarray, np.ndarray]:
    """Record and chunk of each window of records with `counts` windows, laid side by side in hashed order."""
    record = np.repeat(np.arange(len(counts)), counts)
    placed = permutation(len(counts), 9, 9)
    begin = np.empty(len(counts), np.int64)
    begin[placed] = np.cumsum(np.array(counts)[placed]) - np.array(counts)[placed]
    number = np.arange(len(record)) - np.repeat(np.cumsum(counts) - counts, counts)
    return record, (begin[record] + number) // per_chunk


def streamed(record: np.ndarray, chunk: np.ndarray, **options):
    defaults = {"seed": 1, "epoch": 0, "buffer_windows": 40, "windows_of_a_record": 4, "rank": 0, "world_size": 1}
    return order_streamed(np.arange(len(record)), chunk, record, **(defaults | options))


def test_permutations_are_the_same_for_ever() -> None:
    assert permutation(8, 2, 0).tolist() == [0, 6, 4, 5, 1, 2, 3, 7]
    assert permutation(8, 2, 1).tolist() == [0, 2, 3, 1, 5, 7, 6, 4]
    assert random_keys(2, 2**63 - 1, 7, stream=3).tolist() == [8269514846704146944, 4823059761588531059]
    for n in (0, 1, 100):
        assert sorted(permutation(n, 3, 4, stream=5).tolist()) == list(range(n))


def test_the_first_raw_outputs_are_those_of_philox() -> None:
    """Known answer of the authors' own test vectors: philox4x64-10, counter and key all zero.

    Source: Random123, tests/kat_vectors. numpy counts up before it draws, so its first block is counter 1; the
    all-ones counter steps to zero.
    """
    ones = [2**64 - 1] * 4
    raw = np.random.Philox(key=[0, 0], counter=ones).random_raw(4)
    assert [f"{value:016x}" for value in raw.tolist()] == [
        "16554d9eca36314c",
        "db20fe9d672d0fdc",
        "d7e772cee186176b",
        "7e68b68aec7ba23b",
    ]


def test_a_permutation_is_fair() -> None:
    """Each of 6 orders of 3 comes as often as another: chi-square with 5 degrees of freedom, 20.5 is p = 0.001."""
    counts = Counter(tuple(permutation(3, seed, epoch).tolist()) for seed in range(60) for epoch in range(20))
    assert len(counts) == 6
    assert sum((n - 200) ** 2 / 200 for n in counts.values()) < 20.5


@pytest.mark.parametrize("limit", [None, 1, 3, 50])
def test_long_records_are_thinned(limit: int | None) -> None:
    counts = [1, 7, 2, 40, 1]
    record = np.repeat(np.arange(5), counts)
    kept = choose_windows(record, limit, seed=1, epoch=0)
    assert (np.diff(kept) > 0).all()
    expected = counts if limit is None else [min(n, limit) for n in counts]
    assert np.bincount(record[kept]).tolist() == expected
    assert choose_windows(record[:0], limit, seed=1, epoch=0).tolist() == []


def test_every_window_of_a_long_record_gets_its_turn() -> None:
    record = np.zeros(40, np.int64)
    seen = {int(window) for epoch in range(200) for window in choose_windows(record, 2, seed=1, epoch=epoch)}
    assert seen == set(range(40))


@settings(max_examples=60, deadline=None)
@given(
    counts=st.lists(st.integers(1, 30), min_size=1, max_size=60),
    per_chunk=st.integers(1, 20),
    world_size=st.integers(1, 5),
    buffer_windows=st.integers(1, 100),
    seed=st.none() | st.integers(0, 2**63 - 1),
    epoch=st.integers(0, 1000),
)
def test_ranks_are_complete_and_equally_long(counts, per_chunk, world_size, buffer_windows, seed, epoch) -> None:
    record, chunk = table(counts, per_chunk)
    n = len(record)
    if n < world_size:
        return
    for kind in ("resident", "streamed"):
        orders = [
            order_resident(np.arange(n), seed=seed, epoch=epoch, rank=rank, world_size=world_size)
            if kind == "resident"
            else streamed(
                *(record, chunk),
                seed=seed,
                epoch=epoch,
                buffer_windows=buffer_windows,
                rank=rank,
                world_size=world_size,
            )
            for rank in range(world_size)
        ]
        counted = np.concatenate([order.windows[order.counted] for order in orders])
        assert sorted(counted.tolist()) == list(range(n))
        assert {len(order.windows) for order in orders} == {-(-n // world_size)}
        assert sum((~order.counted).sum() for order in orders) <= world_size - 1
        for order in orders:
            assert not (~order.counted[:-1]).any()
            assert order.buffers[0] == 0
            assert order.buffers[-1] == len(order.windows)
            assert (np.diff(order.buffers) > 0).all()


def test_memory_takes_every_world_th_entry_of_one_order() -> None:
    whole = order_resident(np.arange(10), seed=3, epoch=1).windows
    for rank in range(3):
        share = order_resident(np.arange(10), seed=3, epoch=1, rank=rank, world_size=3)
        assert share.windows.tolist() == np.tile(whole, 2)[rank:12:3].tolist()
        assert share.counted.tolist() == [True] * 3 + [rank == 0]


def test_streamed_ranks_share_hardly_a_chunk() -> None:
    record, chunk = table([1] * 1000, 20)
    chunks = [set(chunk[streamed(record, chunk, rank=rank, world_size=4).windows].tolist()) for rank in range(4)]
    assert sum(map(len, chunks)) <= 50 + 3
    assert set().union(*chunks) == set(range(50))


def test_a_chunk_comes_once_and_buffers_hold_what_they_may() -> None:
    record, chunk = table([1] * 1000, 20)
    order = streamed(record, chunk)
    in_buffers = [set(chunk[w].tolist()) for w in np.split(order.windows, order.buffers[1:-1])]
    assert sum(map(len, in_buffers)) == 50
    assert {len(chunks) for chunks in in_buffers} == {2}
    first = streamed(record, chunk, epoch=0).windows
    second = streamed(record, chunk, epoch=1).windows
    assert first.tolist() != second.tolist()
    assert first.tolist() == streamed(record, chunk, epoch=0).windows.tolist()


def test_a_long_record_cannot_fill_a_buffer() -> None:
    record, chunk = table([1] * 4000 + [176, 90, 12], 20)

    def most_in_a_buffer(windows_of_a_record: int, epoch: int) -> int:
        order = streamed(record, chunk, windows_of_a_record=windows_of_a_record, epoch=epoch)
        buffers = np.split(order.windows, order.buffers[1:-1])
        return max(max(Counter(record[windows].tolist()).values()) for windows in buffers)

    # evenly spread over the epoch, 1.7 windows of the longest fall to each buffer of forty
    assert max(most_in_a_buffer(4, epoch) for epoch in range(20)) <= 12
    assert min(most_in_a_buffer(1000, epoch) for epoch in range(20)) >= 20


def test_without_a_seed_chunks_and_windows_keep_their_order() -> None:
    record, chunk = table([1, 2, 30, 1, 5] * 10, 20)
    windows = streamed(record, chunk, seed=None).windows
    keys = list(zip(chunk[windows].tolist(), windows.tolist(), strict=True))
    assert keys == sorted(keys)
    assert order_resident(np.arange(7), seed=None, epoch=3).windows.tolist() == list(range(7))


def test_nothing_to_visit() -> None:
    nothing = np.zeros(0, np.int64)
    assert streamed(nothing, nothing).windows.tolist() == []
    assert order_resident(nothing, seed=1, epoch=0).windows.tolist() == []
    assert [part.tolist() for part in share_of_rank(0, 1, 3)] == [[], []]


def test_impossible_shares_are_refused() -> None:
    with pytest.raises(ConfigError, match="rank is 3; expected 0 to 2"):
        share_of_rank(10, 3, 3)
    with pytest.raises(ConfigError, match="2 windows for 3 ranks; expected at least one for each"):
        share_of_rank(2, 0, 3)
    record, chunk = table([1, 1], 20)
    with pytest.raises(ConfigError, match="2 windows for 3 ranks"):
        streamed(record, chunk, world_size=3)
