"""Thresholds for F1, F2 and Youden's index, against all thresholds tried one by one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecg12.ecg.scores.fit_thresholds import DEFAULT_THRESHOLD, fit_thresholds
from ecg12.ecg.scores.task_thresholds import fit_one, fit_task_thresholds
from ecg12.ecg.tasks.named import CHALLENGE_2020, named_task
from ecg12.ecg.tasks.reading import parse_task


def worth(labels: np.ndarray, scores: np.ndarray, threshold: float, objective: str) -> float:
    """What a threshold is worth, from the four counts."""
    answer = scores > threshold
    tp, fp = int((answer & labels).sum()), int((answer & ~labels).sum())
    fn, tn = int((~answer & labels).sum()), int((~answer & ~labels).sum())
    if objective == "youden":
        return tp / (tp + fn) + tn / (tn + fp) - 1
    beta = {"f1": 1, "f2": 2}[objective]
    return (1 + beta**2) * tp / ((1 + beta**2) * tp + fp + beta**2 * fn)


@pytest.mark.parametrize("objective", ["f1", "f2", "youden"])
@given(data=st.lists(st.tuples(st.booleans(), st.integers(1, 9)), min_size=2, max_size=30))
def test_no_threshold_is_worth_more(objective: str, data: list[tuple[bool, int]]) -> None:
    labels, scores = np.array([one for one, _ in data]), np.array([number / 10 for _, number in data])
    found = fit_one(labels, scores, objective)
    if labels.all() or not labels.any():
        assert found == DEFAULT_THRESHOLD
        return
    everything = [0.0, *(number / 20 for number in range(1, 21))]
    assert worth(labels, scores, found, objective) == pytest.approx(
        max(worth(labels, scores, one, objective) for one in everything)
    )
    assert 0 < found < 1


def test_each_class_by_its_objective_and_the_metric_by_its_own() -> None:
    rng = np.random.default_rng(4)
    task = named_task(CHALLENGE_2020)
    truth = (rng.random((200, 25)) < 0.2).astype(np.uint8)
    scores = np.clip(truth * 0.3 + rng.random((200, 25)) * 0.7, 0, 1)
    found = fit_task_thresholds(task, truth, scores)
    np.testing.assert_array_equal(found[:24], fit_thresholds(truth[:, :24], scores[:, :24]))
    assert found[24] == fit_one(truth[:, 24] == 1, scores[:, 24], "f1")
    own = parse_task('name = "t"\nthresholds = "f2"\nclasses = ["A", "B"]', where="t")
    expected = [fit_one(truth[:, number] == 1, scores[:, number], "f2") for number in range(2)]
    np.testing.assert_array_equal(fit_task_thresholds(own, truth[:, :2], scores[:, :2]), expected)
    middle = parse_task('name = "t"\nthresholds = "none"\nclasses = ["A", "B"]', where="t")
    assert fit_task_thresholds(middle, truth[:, :2], scores[:, :2]).tolist() == [0.5, 0.5]


def test_what_is_not_known_does_not_count() -> None:
    task = parse_task('name = "t"\nclasses = ["A"]', where="t")
    truth, scores = np.array([[0], [1], [1]], np.uint8), np.array([[0.2], [0.6], [0.1]])
    known = np.array([[True], [True], [False]])
    assert fit_task_thresholds(task, truth, scores, known).tolist() == [
        fit_one(np.array([False, True]), scores[:2, 0], "f1")
    ]
