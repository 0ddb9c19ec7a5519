"""Folds: whole groups, complete, even in every class and dataset, and the same whatever the order."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecg12.ecg.errors import ConfigError
from ecg12.pipeline.training.folds import categories_of, deal_groups


@st.composite
def records(draw) -> tuple[list[str], np.ndarray]:
    """Groups of one to four records, and what each record has of four categories."""
    sizes = draw(st.lists(st.integers(1, 4), min_size=12, max_size=40))
    groups = [f"g{number}" for number, size in enumerate(sizes) for _ in range(size)]
    flat = draw(st.lists(st.booleans(), min_size=4 * len(groups), max_size=4 * len(groups)))
    return groups, np.array(flat).reshape(len(groups), 4)


@given(records(), st.integers(2, 6), st.integers(0, 2**40))
def test_folds_are_whole_groups_and_complete(corpus, n_folds: int, seed: int) -> None:
    groups, categories = corpus
    fold = deal_groups(groups, categories, [1] * n_folds, seed=seed)
    assert set(fold.tolist()) == set(range(n_folds))
    assert all(len(set(fold[np.array(groups) == group])) == 1 for group in groups)


@given(records(), st.integers(2, 6), st.integers(0, 2**40))
def test_the_rarest_category_is_as_even_as_whole_groups_allow(corpus, n_folds: int, seed: int) -> None:
    """It is dealt first, to the neediest fold each time, so folds differ by no more than its largest group."""
    groups, categories = corpus
    totals = categories.sum(axis=0)
    if not totals.any():
        return
    rarest = int(np.argmin(np.where(totals > 0, totals, len(groups) + 1)))
    fold = deal_groups(groups, categories, [1] * n_folds, seed=seed)
    has = categories[:, rarest]
    inside = [int((has & (fold == number)).sum()) for number in range(n_folds)]
    largest = max(int(has[np.array(groups) == group].sum()) for group in groups)
    assert max(inside) - min(inside) <= largest


@given(records(), st.randoms())
def test_the_order_of_records_does_not_matter(corpus, random) -> None:
    groups, categories = corpus
    order = list(range(len(groups)))
    random.shuffle(order)
    one = deal_groups(groups, categories, [1] * 4, seed=1)
    other = deal_groups([groups[i] for i in order], categories[order], [1] * 4, seed=1)
    np.testing.assert_array_equal(one[order], other)


def test_a_corpus_of_rare_and_common_classes_is_even() -> None:
    """Single records: every class and dataset is within two records of its share, in every fold."""
    rng = np.random.default_rng(0)
    n = 3000
    labels = rng.random((n, 24)) < np.geomspace(0.002, 0.5, 24)
    datasets = rng.choice(["a", "b", "c"], n, p=[0.02, 0.28, 0.7])
    categories = categories_of(labels, datasets)
    assert categories.shape == (n, 27)
    fold = deal_groups([f"r{i}" for i in range(n)], categories, [1] * 5, seed=2)
    inside = np.array([categories[fold == number].sum(axis=0) for number in range(5)])
    assert (np.abs(inside - categories.sum(axis=0) / 5) <= 2).all()
    assert np.ptp(np.bincount(fold)) <= 5


def test_parts_have_the_sizes_they_are_given() -> None:
    labels = np.eye(2, dtype=np.uint8)[np.arange(200) % 2]
    part = deal_groups([f"r{i}" for i in range(200)], labels, [0.7, 0.3], seed=2)
    assert [int(labels[part == number].sum()) for number in range(2)] == [140, 60]
    assert labels[part == 1].sum(axis=0).tolist() == [30, 30]


def test_the_seed_matters_and_the_folds_are_the_same_for_ever() -> None:
    groups = [f"group-{i}" for i in range(12)]
    labels = np.arange(12)[:, None] % 3 == 0
    assert deal_groups(groups, labels, [1] * 3, seed=2).tolist() == GOLDEN_SEED_2
    assert deal_groups(groups, labels, [1] * 3, seed=3).tolist() != GOLDEN_SEED_2


GOLDEN_SEED_2 = [0, 2, 2, 2, 1, 1, 0, 0, 0, 1, 1, 2]


def test_too_few_groups_are_named() -> None:
    with pytest.raises(ConfigError, match="4 records in 2 groups cannot be dealt to 3 parts; expected at least one"):
        deal_groups(["a", "a", "b", "b"], np.ones((4, 1)), [1] * 3, seed=2)
