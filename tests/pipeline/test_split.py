"""The split: whole groups, from names and seed only."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecg.errors import ConfigError
from pipeline.split import split_by_group

GROUPS = st.lists(st.sampled_from([f"g{i}" for i in range(30)]), min_size=20, max_size=200)


@given(GROUPS, st.integers(0, 2**40), st.floats(0.2, 0.5))
def test_no_group_is_on_both_sides_and_the_share_is_near(groups: list[str], seed: int, valid_split: float) -> None:
    largest = max(groups.count(group) for group in groups)
    try:
        valid = split_by_group(groups, seed=seed, valid_split=valid_split)
    except ConfigError:
        assert len(set(groups)) < 4
        return
    sides = {group: set(valid[[g == group for g in groups]].tolist()) for group in groups}
    assert all(len(side) == 1 for side in sides.values())
    assert abs(valid.sum() - valid_split * len(groups)) <= largest


@given(GROUPS.filter(lambda groups: len(set(groups)) > 8), st.randoms())
def test_the_split_does_not_depend_on_the_order(groups: list[str], random) -> None:
    order = list(range(len(groups)))
    random.shuffle(order)
    valid = split_by_group(groups, seed=1, valid_split=0.3)
    again = split_by_group([groups[i] for i in order], seed=1, valid_split=0.3)
    np.testing.assert_array_equal(valid[order], again)


def test_the_seed_matters_and_the_split_is_the_same_for_ever() -> None:
    groups = [f"group-{i}" for i in range(12)]
    assert np.flatnonzero(split_by_group(groups, seed=2, valid_split=0.25)).tolist() == GOLDEN_SEED_2
    assert np.flatnonzero(split_by_group(groups, seed=3, valid_split=0.25)).tolist() != GOLDEN_SEED_2


GOLDEN_SEED_2 = [1, 4, 8]  # of "2\0group-N" their SHA-256 are the three lowest


def test_zero_keeps_all_for_training() -> None:
    assert not split_by_group(["a", "b"], seed=2, valid_split=0.0).any()


def test_bad_splits_are_named() -> None:
    with pytest.raises(ConfigError, match=r"valid_split is 1\.5; expected 0 or more and below 1"):
        split_by_group(["a", "b"], seed=2, valid_split=1.5)
    with pytest.raises(ConfigError, match=r"3 records in 1 groups cannot be split 0\.5 to 0\.5"):
        split_by_group(["a", "a", "a"], seed=2, valid_split=0.5)
