"""Curves: their areas are the official ones, their counts those of a plain loop."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecg12.ecg.scores.challenge_metric import compute_areas
from ecg12.ecg.scores.curves import count_outcomes

answers = st.lists(st.tuples(st.booleans(), st.integers(0, 6)), min_size=1, max_size=40)


def columns(pairs: list[tuple[bool, int]]) -> tuple[np.ndarray, np.ndarray]:
    labels, scores = zip(*pairs, strict=True)
    return np.array(labels, bool), np.array(scores, np.float64) / 6


@given(answers)
def test_counts_are_those_of_a_loop_over_thresholds(pairs: list[tuple[bool, int]]) -> None:
    labels, scores = columns(pairs)
    found = count_outcomes(labels, scores)
    assert found.thresholds.tolist() == sorted(set(scores.tolist()), reverse=True)
    for place, threshold in enumerate(found.thresholds):
        decided = scores >= threshold
        assert found.true_positives[place] == (decided & labels).sum()
        assert found.false_positives[place] == (decided & ~labels).sum()
    assert (found.n_positive, found.n_negative) == (labels.sum(), (~labels).sum())


@given(answers)
def test_the_area_by_trapezoids_is_the_official_auroc(pairs: list[tuple[bool, int]]) -> None:
    labels, scores = columns(pairs)
    (auroc,), _ = compute_areas(labels[:, None], scores[:, None])
    found = count_outcomes(labels, scores)
    x, y = np.append(0.0, found.false_positive_rate), np.append(0.0, found.sensitivity)
    assert np.trapezoid(y, x) == pytest.approx(auroc, nan_ok=True)


@given(answers)
def test_the_sum_of_steps_is_the_official_auprc(pairs: list[tuple[bool, int]]) -> None:
    labels, scores = columns(pairs)
    _, (auprc,) = compute_areas(labels[:, None], scores[:, None])
    found = count_outcomes(labels, scores)
    steps = np.diff(np.append(0.0, found.sensitivity))
    assert (steps * found.precision).sum() == pytest.approx(auprc, nan_ok=True)


def test_no_records_have_no_thresholds() -> None:
    found = count_outcomes(np.zeros(0, bool), np.zeros(0))
    assert len(found.thresholds) == len(found.sensitivity) == 0
