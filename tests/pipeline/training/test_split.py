"""The split: whole groups, from names and seed only."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecg12.ecg.errors import ConfigError
from ecg12.pipeline.runs.hold_out import HoldOut
from ecg12.pipeline.training.split import hold_out, split_by_group

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


LABELS = ("a", "b", "c")
DATASETS = ("georgia", "ptb", "ward")


@st.composite
def corpora(draw) -> tuple[list[str], list[str], np.ndarray]:
    """Groups, datasets and labels of some records; a group may span datasets, as duplicates do."""
    n = draw(st.integers(12, 60))
    groups = draw(st.lists(st.integers(0, 25).map("g{}".format), min_size=n, max_size=n))
    datasets = draw(st.lists(st.sampled_from(DATASETS), min_size=n, max_size=n))
    flat = draw(st.lists(st.booleans(), min_size=n * len(LABELS), max_size=n * len(LABELS)))
    return groups, datasets, np.array(flat, np.uint8).reshape(n, len(LABELS))


HOLD_OUTS = st.one_of(
    st.tuples(st.integers(2, 4), st.integers(0, 1)).map(lambda pair: HoldOut(folds=pair[0], fold=pair[1])),
    st.sampled_from(DATASETS).map(lambda name: HoldOut(leave_out=name)),
)


@given(corpora(), HOLD_OUTS, st.integers(0, 2**40), st.sampled_from([0.0, 0.2, 0.5]))
def test_no_group_is_on_two_sides_of_a_hold_out(corpus, what: HoldOut, seed: int, valid_split: float) -> None:
    groups, datasets, labels = corpus
    try:
        sides = hold_out(groups, datasets, labels, what, seed=seed, valid_split=valid_split)
    except ConfigError:
        assert len(set(groups)) < 12 or what.leave_out is not None
        return
    on = [{g for g, inside in zip(groups, side, strict=True) if inside} for side in (sides.train, sides.valid)]
    tested = {g for g, inside in zip(groups, sides.test, strict=True) if inside}
    assert on[0].isdisjoint(on[1])
    assert tested.isdisjoint(on[0] | on[1])
    assert sides.valid.any() == (valid_split > 0)
    assert sides.train.any()
    neither = ~(sides.train | sides.valid | sides.test)
    assert {g for g, out in zip(groups, neither, strict=True) if out} <= tested
    if what.leave_out is not None:
        assert (sides.test == (np.array(datasets) == what.leave_out)).all()


@given(corpora(), HOLD_OUTS, st.randoms())
def test_a_hold_out_does_not_depend_on_the_order(corpus, what: HoldOut, random) -> None:
    groups, datasets, labels = corpus
    order = list(range(len(groups)))
    random.shuffle(order)
    try:
        one = hold_out(groups, datasets, labels, what, seed=3, valid_split=0.3)
    except ConfigError:
        return
    mixed = [groups[i] for i in order], [datasets[i] for i in order], labels[order]
    other = hold_out(*mixed, what, seed=3, valid_split=0.3)
    for side in ("train", "valid", "test"):
        np.testing.assert_array_equal(getattr(one, side)[order], getattr(other, side))


def test_duplicates_of_a_left_out_dataset_do_not_train() -> None:
    groups = ["same", "same", *(f"g{i}" for i in range(8))]
    datasets = ["ptb", "georgia", *(["georgia"] * 8)]
    labels = np.ones((10, 2), np.uint8)
    sides = hold_out(groups, datasets, labels, HoldOut(leave_out="ptb"), seed=1, valid_split=0.25)
    assert sides.test.tolist() == [True] + [False] * 9
    assert not sides.train[1]
    assert not sides.valid[1]
    assert (int(sides.train.sum()), int(sides.valid.sum())) == (6, 2)


def test_folds_hold_out_every_record_once() -> None:
    groups = [f"g{i // 2}" for i in range(60)]
    labels = np.eye(3, dtype=np.uint8)[np.arange(60) % 3]
    sides = [
        hold_out(groups, ["d"] * 60, labels, HoldOut(folds=5, fold=fold), seed=2, valid_split=0.3) for fold in range(5)
    ]
    assert (sum(side.test.astype(int) for side in sides) == 1).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"folds": 1, "fold": 0}, "folds is 1; expected at least 2"),
        ({"folds": 5}, "folds is 5, fold is None; expected both: --folds 5 --fold 0"),
        ({"fold": 1}, "folds is None, fold is 1; expected both"),
        ({"folds": 5, "fold": 5}, "fold is 5; expected 0 to 4, or all"),
        ({"folds": 5, "fold": 0, "leave_out": "ptb"}, "folds 5 and leave_out ptb; expected one or the other"),
    ],
)
def test_a_hold_out_that_makes_no_sense_is_named(options: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        HoldOut(**options)


def test_a_hold_out_that_cannot_be_is_named() -> None:
    groups, datasets, labels = ["a", "b", "c"], ["ptb"] * 3, np.ones((3, 1), np.uint8)
    with pytest.raises(ConfigError, match="leave_out is 'cpsc'; expected what labelled records have: ptb"):
        hold_out(groups, datasets, labels, HoldOut(leave_out="cpsc"), seed=1, valid_split=0.3)
    with pytest.raises(ConfigError, match=r"leave_out is ''; expected what labelled records have: 3$"):  # of a site
        hold_out(groups, ["", "3", "3"], labels, HoldOut(leave_out=""), seed=1, valid_split=0.3)
    with pytest.raises(ConfigError, match="without ptb no record is left to train on"):
        hold_out(groups, datasets, labels, HoldOut(leave_out="ptb"), seed=1, valid_split=0.3)
    with pytest.raises(ConfigError, match="3 records in 3 groups cannot be dealt to 4 parts"):
        hold_out(groups, datasets, labels, HoldOut(folds=4, fold=0), seed=1, valid_split=0.0)
    with pytest.raises(ConfigError, match=r"valid_split is 1\.0; expected 0 or more and below 1"):
        hold_out(groups, datasets, labels, HoldOut(folds=2, fold=0), seed=1, valid_split=1.0)
