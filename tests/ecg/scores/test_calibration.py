"""Calibration: worked examples, and that a calibrated score has no error."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecg12.ecg.errors import ConfigError, PredictionError
from ecg12.ecg.scores.calibration import compute_calibration_error, compute_reliability


def test_worked_by_hand() -> None:
    """Scores 0.05, 0.15, 0.15, 1: bins 0, 1 and 9 of ten; |0.05 - 0| / 4 + 2 |0.15 - 0.5| / 4 + |1 - 1| / 4."""
    labels = np.array([[0], [1], [0], [1]])
    scores = np.array([[0.05], [0.15], [0.15], [1.0]])
    found = compute_reliability(labels, scores)
    assert found.n_records[0].tolist() == [1, 2, 0, 0, 0, 0, 0, 0, 0, 1]
    assert found.mean_score[0, [0, 1, 9]] == pytest.approx([0.05, 0.15, 1.0])
    assert found.positive_share[0, [0, 1, 9]].tolist() == [0.0, 0.5, 1.0]
    assert np.isnan(found.mean_score[0, 2])
    assert found.edges == pytest.approx(np.arange(11) / 10)
    assert compute_calibration_error(found)[0] == pytest.approx((0.05 + 2 * 0.35) / 4)


def test_one_bin_compares_the_means() -> None:
    labels, scores = np.array([[1], [0], [0], [0]]), np.array([[0.9], [0.5], [0.1], [0.5]])
    assert compute_calibration_error(compute_reliability(labels, scores, n_bins=1))[0] == pytest.approx(0.25)


@settings(max_examples=30)
@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1)), min_size=1, max_size=50), st.integers(1, 20))
def test_equals_a_plain_loop_over_bins(rows: list[tuple[bool, float]], n_bins: int) -> None:
    labels, scores = np.array([[row[0]] for row in rows]), np.array([[row[1]] for row in rows])
    place = [min(int(score * n_bins), n_bins - 1) for _, score in rows]
    expected = 0.0
    for number in set(place):
        inside = [row for row, at in zip(rows, place, strict=True) if at == number]
        gap = np.mean([score for _, score in inside]) - np.mean([label for label, _ in inside])
        expected += len(inside) / len(rows) * abs(gap)
    assert compute_calibration_error(compute_reliability(labels, scores, n_bins=n_bins))[0] == pytest.approx(expected)


def test_scores_beyond_one_have_no_calibration() -> None:
    labels = np.array([[1, 1], [0, 0]])
    error = compute_calibration_error(compute_reliability(labels, np.array([[1.5, 0.5], [0.1, 0.5]])))
    assert np.isnan(error[0])
    assert error[1] == 0.0


def test_drawing_labels_with_the_scores_probability_is_calibrated() -> None:
    rng = np.random.default_rng(1)
    scores = rng.random((40_000, 1))
    assert compute_calibration_error(compute_reliability(rng.random((40_000, 1)) < scores, scores))[0] < 0.02


def test_bad_arguments_are_named() -> None:
    with pytest.raises(ConfigError, match="0 bins; expected at least 1"):
        compute_reliability(np.ones((2, 1)), np.ones((2, 1)), n_bins=0)
    with pytest.raises(PredictionError, match="scores hold nan at record 1, column 0"):
        compute_reliability(np.ones((2, 1)), np.array([[0.1], [np.nan]]))
