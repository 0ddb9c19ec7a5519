"""Counting by dataset, held against loops over records."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecg12.pipeline.report.of_store.counts import Bins, ByDataset, largest_first, spread_of

BINS = Bins(edges=(0, 10, 20), names=("a", "b", "c"))
numbers = st.one_of(st.floats(-5, 40), st.just(float("nan")))


@given(st.lists(st.tuples(st.integers(0, 2), numbers), max_size=60))
def test_bins_hold_what_a_loop_counts(entries: list[tuple[int, float]]) -> None:
    by = ByDataset(("x", "y", "z"), np.array([dataset for dataset, _ in entries], np.intp))
    values = np.array([value for _, value in entries], np.float64)
    expected = np.zeros((3, 3), int)
    for dataset, value in entries:
        for place, (low, high) in enumerate([(0, 10), (10, 20), (20, float("inf"))]):
            expected[dataset, place] += low <= value < high
    np.testing.assert_array_equal(by.count_in(BINS, values), expected)


@given(st.lists(st.tuples(st.integers(0, 2), st.booleans(), st.integers(-9, 9)), max_size=40))
def test_counts_and_sums_are_those_of_a_loop(entries: list[tuple[int, bool, int]]) -> None:
    by = ByDataset(("x", "y", "z"), np.array([dataset for dataset, _, _ in entries], np.intp))
    chosen = np.array([is_chosen for _, is_chosen, _ in entries], bool)
    values = np.array([[value, 2 * value] for _, _, value in entries], np.int8).reshape(-1, 2)
    for place in range(3):
        mine = [entry for entry in entries if entry[0] == place]
        assert by.count()[place] == len(mine)
        assert by.count(chosen)[place] == sum(is_chosen for _, is_chosen, _ in mine)
        total = sum(value for _, _, value in mine)
        assert by.sum(values)[place].tolist() == [total, 2 * total]


def test_a_sum_of_bytes_does_not_run_over() -> None:
    by = ByDataset(("x",), np.zeros(1000, np.intp))
    assert by.sum(np.full(1000, 200, np.uint8)).tolist() == [200_000]


@given(st.lists(numbers, max_size=50))
def test_a_spread_is_that_of_the_known_values(values: list[float]) -> None:
    known = sorted(value for value in values if value == value)
    spread = spread_of(np.array(values, np.float32))
    assert spread.n == len(known)
    if not known:
        assert np.isnan([spread.lowest, spread.middle, spread.highest]).all()
        return
    assert (spread.lowest, spread.highest) == pytest.approx((known[0], known[-1]), abs=1e-5)
    assert spread.middle == pytest.approx(np.median(known), abs=1e-5)
    assert spread.lowest <= spread.lower <= spread.middle <= spread.upper <= spread.highest


def test_the_largest_come_first_and_equal_ones_in_their_order() -> None:
    assert largest_first([3, 5, 5, 1], 3) == [1, 2, 0]
    assert largest_first([], 3) == []
