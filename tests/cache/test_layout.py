import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecg12.cache.layout import OPEN_CHUNKS, placement_key, plan_layout
from ecg12.ecg.errors import StoreError

WIDTH = 1024

lengths_of_corpora = st.lists(
    st.one_of(st.integers(1, 200), st.integers(WIDTH - 2, WIDTH + 2), st.integers(1, 5 * WIDTH), st.just(2 * WIDTH)),
    max_size=60,
)


def keys_for(lengths):
    return [("cpsc" if number % 3 else "ptb", f"A{number:04d}") for number in range(len(lengths))]


@given(lengths_of_corpora, st.integers(0, 3))
def test_every_record_has_room_of_its_own(lengths, seed):
    layout = plan_layout(keys_for(lengths), np.array(lengths, int), chunk_length=WIDTH, seed=seed)
    taken = np.zeros(layout.n_chunks * WIDTH, int)
    for start, length in zip(layout.start, lengths, strict=True):
        taken[start : start + length] += 1
        if length > WIDTH:
            assert start % WIDTH == 0
        else:
            assert start // WIDTH == (start + length - 1) // WIDTH
    assert taken.max(initial=0) <= 1
    assert taken.sum() == sum(lengths)
    assert all(chunk.any() for chunk in taken.reshape(-1, WIDTH))


@given(lengths_of_corpora, st.integers(0, 3))
def test_partitions_hold_every_chunk_and_every_record_once(lengths, seed):
    layout = plan_layout(keys_for(lengths), np.array(lengths, int), chunk_length=WIDTH, seed=seed)
    chunks = [part.first_chunk + number for part in layout.partitions for number in range(part.n_chunks)]
    assert chunks == list(range(layout.n_chunks))
    assert [part.index for part in layout.partitions] == list(range(len(layout.partitions)))
    assert sorted(index for part in layout.partitions for index in part.records) == list(range(len(lengths)))
    for part in layout.partitions:
        starts = [int(layout.start[index]) for index in part.records]
        assert starts == sorted(starts)
        for index in part.records:
            assert layout.start[index] >= part.first_chunk * WIDTH
            assert layout.start[index] + lengths[index] <= (part.first_chunk + part.n_chunks) * WIDTH


@given(lengths_of_corpora.filter(lambda lengths: len(lengths) > 1), st.randoms(use_true_random=False))
def test_the_plan_does_not_depend_on_the_order_of_records(lengths, random):
    keys = keys_for(lengths)
    shuffled = list(range(len(lengths)))
    random.shuffle(shuffled)
    first = plan_layout(keys, np.array(lengths), chunk_length=WIDTH, seed=5)
    second = plan_layout([keys[index] for index in shuffled], np.array(lengths)[shuffled], chunk_length=WIDTH, seed=5)
    assert dict(zip(keys, first.start, strict=True)) == {
        keys[index]: start for index, start in zip(shuffled, second.start, strict=True)
    }
    assert [part.n_chunks for part in first.partitions] == [part.n_chunks for part in second.partitions]


def test_places_are_stable_for_ever():
    """These numbers are the format's: a change of them is a change of every store's bytes."""
    lengths = [400, 400, 2500, 1024, 100, 700, 1, 3000]
    layout = plan_layout(keys_for(lengths), np.array(lengths), chunk_length=WIDTH, seed=2020)
    assert layout.start.tolist() == GOLDEN_STARTS
    assert layout.n_chunks == GOLDEN_CHUNKS
    assert [(part.first_chunk, part.n_chunks, part.records) for part in layout.partitions] == GOLDEN_PARTS


GOLDEN_STARTS = [3072, 3572, 5120, 4096, 3472, 8192, 3000, 0]
GOLDEN_CHUNKS = 9
GOLDEN_PARTS = [(0, 3, (7, 6)), (3, 1, (0, 4, 1)), (4, 1, (3,)), (5, 3, (2,)), (8, 1, (5,))]


def test_the_placement_key_is_a_hash_of_seed_dataset_and_name():
    assert placement_key(2020, "cpsc", "A0001") == hashlib.sha256(b"2020\0cpsc\0A0001").digest()
    layout = plan_layout([("a", "x"), ("a", "y"), ("b", "x")], np.array([10, 10, 10]), chunk_length=WIDTH, seed=0)
    order = sorted([("a", "x"), ("a", "y"), ("b", "x")], key=lambda key: placement_key(0, *key))
    placed = dict(zip([("a", "x"), ("a", "y"), ("b", "x")], layout.start.tolist(), strict=True))
    assert [placed[key] for key in order] == [0, 10, 20]


def test_another_seed_gives_another_order():
    keys, lengths = keys_for(range(50)), np.full(50, 100)
    starts = [plan_layout(keys, lengths, chunk_length=WIDTH, seed=seed).start.tolist() for seed in (1, 2)]
    assert starts[0] != starts[1]


def test_short_records_fill_the_tail_of_a_long_one():
    layout = plan_layout(
        [("a", "long"), ("a", "short")], np.array([WIDTH + 100, 200]), chunk_length=WIDTH, seed=LONG_FIRST
    )
    assert layout.n_chunks == 2
    assert layout.start.tolist() == [0, WIDTH + 100]
    assert [part.records for part in layout.partitions] == [(0, 1)]


LONG_FIRST = next(seed for seed in range(99) if placement_key(seed, "a", "long") < placement_key(seed, "a", "short"))


def test_little_room_is_wasted_on_ten_second_records():
    lengths = np.full(2000, 100)
    layout = plan_layout(keys_for(lengths), lengths, chunk_length=WIDTH, seed=0)
    assert layout.n_chunks == 200


def test_of_many_chunks_with_a_little_room_the_fullest_are_given_up():
    # each leaves room for 24 samples, which one record in a hundred could use
    lengths = np.array([1000] * 99 + [24])
    layout = plan_layout(keys_for(lengths), lengths, chunk_length=WIDTH, seed=0)
    assert OPEN_CHUNKS < layout.n_chunks <= 100


def test_nothing_is_planned_from_nothing():
    layout = plan_layout([], np.array([], int), chunk_length=WIDTH, seed=0)
    assert (layout.n_chunks, layout.partitions, len(layout.start)) == (0, (), 0)


def test_a_record_twice_is_refused_by_name():
    with pytest.raises(StoreError, match="record cpsc/A0001 occurs twice in the plan; expected each record once"):
        plan_layout([("cpsc", "A0001"), ("cpsc", "A0001")], np.array([1, 1]), chunk_length=WIDTH, seed=0)


def test_an_empty_record_is_refused_by_name():
    with pytest.raises(StoreError, match="record cpsc/A0002 has 0 samples; expected 1 or more"):
        plan_layout([("cpsc", "A0001"), ("cpsc", "A0002")], np.array([1, 0]), chunk_length=WIDTH, seed=0)
