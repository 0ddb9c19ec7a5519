"""Figures of any task: unknown labels count in nothing, one-of-many is balanced, numbers have errors."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecg12.ecg.errors import PredictionError
from ecg12.ecg.scores import challenge_metric as metric
from ecg12.ecg.scores.bootstrap import bootstrap_numbers, bootstrap_scores, compute_replicates
from ecg12.ecg.scores.calibration import compute_calibration_error, compute_reliability
from ecg12.ecg.scores.scores import compute_number_scores, compute_scores
from ecg12.ecg.tasks.named import named_task
from ecg12.ecg.tasks.reading import parse_task

THREE = parse_task('name = "three"\nvocabulary = "own"\n[classes]\nA = ["a"]\nB = ["b"]\nC = ["c"]\n', where="three")
WEIGHED = parse_task(
    'name = "weighed"\n[classes]\nA = ["a"]\nB = ["b"]\nC = ["c"]\n'
    '[metric]\nnormal = "A"\nweights = [[1.0, 0.5, 0.3], [0.5, 1.0, 0.2], [0.3, 0.2, 1.0]]\n',
    where="weighed",
)
SEX, AGE = named_task("sex"), named_task("age")


def some_records(seed: int, n: int = 40, width: int = 3) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, (n, width))
    scores = np.round(0.5 * labels + rng.random((n, width)), 1)
    return labels, (scores > 0.7).astype(int), scores, rng.random((n, width)) < 0.8


def test_a_task_without_weights_has_no_challenge_metric() -> None:
    labels, binary, scores, _ = some_records(1)
    found = compute_scores(labels, binary, scores, THREE)
    assert found.classes == ("A", "B", "C")
    assert math.isnan(found.challenge_metric)
    assert "challenge_metric" not in found.to_dict()
    assert found.geom_mean == pytest.approx(math.sqrt(found.f_beta * found.g_beta))
    weighed = compute_scores(labels, binary, scores, WEIGHED)
    assert WEIGHED.metric is not None
    expected = metric.compute_challenge_metric(labels, binary, WEIGHED.metric.weights, WEIGHED.metric.normal_index)
    assert weighed.challenge_metric == expected
    assert weighed.to_dict()["challenge_metric"] == expected


@settings(max_examples=25)
@given(st.integers(0, 2**32))
def test_what_is_not_known_counts_in_nothing(seed: int) -> None:
    """Each class as if the records that do not know it were not there; whole records for accuracy and metric."""
    labels, binary, scores, known = some_records(seed)
    found = compute_scores(labels, binary, scores, WEIGHED, known)
    for number in range(3):
        rows = known[:, number]
        own = slice(number, number + 1)
        auroc, auprc = metric.compute_areas(labels[rows, own], scores[rows, own])
        assert found.auroc_classes[number] == pytest.approx(auroc[0], nan_ok=True)
        assert found.auprc_classes[number] == pytest.approx(auprc[0], nan_ok=True)
        f_measure = metric.compute_f_measure(labels[rows, own], binary[rows, own])
        assert found.f_measure_classes[number] == pytest.approx(f_measure[0], nan_ok=True)
        share = 1 / np.maximum((labels * known).sum(axis=1), 1)
        tp, fp, fn = (
            (share * rows * (labels[:, number] == truth) * (binary[:, number] == said)).sum()
            for truth, said in ((1, 1), (0, 1), (1, 0))
        )
        if tp + fp + fn:
            assert found.f_beta_classes[number] == pytest.approx(5 * tp / (5 * tp + fp + 4 * fn))
            assert found.g_beta_classes[number] == pytest.approx(tp / (tp + fp + 2 * fn))
        assert found.n_positive[number] == (labels[:, number] * rows).sum()
    whole = known.all(axis=1)
    assert found.accuracy == pytest.approx(metric.compute_accuracy(labels[whole], binary[whole]), nan_ok=True)
    again = compute_scores(labels, binary, scores, WEIGHED, np.ones_like(known))
    # as plain values, in which what is undefined is None: NaN is not itself everywhere
    assert again.to_dict() == compute_scores(labels, binary, scores, WEIGHED).to_dict()


def test_unknown_labels_do_not_count_in_calibration() -> None:
    labels, _, scores, known = some_records(3)
    scores = scores / 1.5
    found = compute_calibration_error(compute_reliability(labels, scores, known))
    for number in range(3):
        rows, own = known[:, number], slice(number, number + 1)
        alone = compute_calibration_error(compute_reliability(labels[rows, own], scores[rows, own]))
        assert found[number] == pytest.approx(alone[0])


def test_one_of_many_is_balanced() -> None:
    """Of 9 women 8 are told, of 3 men 1: the mean of 8/9 and 1/3, whoever is more."""
    truth = np.repeat([[1, 0], [0, 1]], [9, 3], axis=0)
    said = np.repeat([[1, 0], [0, 1], [1, 0], [0, 1]], [8, 1, 2, 1], axis=0)
    found = compute_scores(truth, said, said * 0.9, SEX)
    assert found.balanced_accuracy == pytest.approx((8 / 9 + 1 / 3) / 2)
    assert found.accuracy == pytest.approx(9 / 12)
    assert found.shown[:2] == ("accuracy", "balanced_accuracy")
    only_women = compute_scores(truth[:9], said[:9], said[:9] * 0.9, SEX)
    assert only_women.balanced_accuracy == pytest.approx(8 / 9)


def test_a_number_has_errors_and_no_classes() -> None:
    truth, found = np.array([50.0, 60, 70, np.nan]), np.array([52.0, 59, 76, 10])
    scores = compute_number_scores(truth, found, AGE)
    assert scores.mae == pytest.approx(3)
    assert scores.rmse == pytest.approx(math.sqrt((4 + 1 + 36) / 3))
    assert scores.r2 == pytest.approx(1 - 41 / 200)
    assert scores.pearson == pytest.approx(np.corrcoef(truth[:3], found[:3])[0, 1])
    assert scores.n_known == 3
    assert json.loads(json.dumps(scores.to_dict(), allow_nan=False))["n_known"] == 3
    assert compute_number_scores(truth[:1], found[:1], AGE).to_dict()["pearson"] is None


@settings(max_examples=15)
@given(st.integers(0, 2**32))
def test_replicates_equal_the_figures_of_repeated_records(seed: int) -> None:
    """With unknown labels, weights and one-of-many alike: a record that counts twice is there twice."""
    labels, binary, scores, known = some_records(seed)
    one = np.eye(2, dtype=int)
    truth, said = one[labels[:, 0]], one[binary[:, 0]]
    counts = np.random.default_rng(seed).integers(0, 4, (len(labels), 2))
    counts[:2] = 1
    for task, values, mask in ((WEIGHED, (labels, binary, scores), known), (SEX, (truth, said, said * 0.7), None)):
        figures = compute_replicates(*values, counts, task, mask)
        for number in range(2):
            repeated = [np.repeat(value, counts[:, number], axis=0) for value in values]
            again = None if mask is None else np.repeat(mask, counts[:, number], axis=0)
            expected = compute_scores(*repeated, task, again)
            for name in task.figures:
                assert figures[name][number] == pytest.approx(getattr(expected, name), abs=1e-9, nan_ok=True)


def test_intervals_of_a_number_hold_its_figures() -> None:
    rng = np.random.default_rng(4)
    truth = rng.normal(60, 15, 200)
    found = truth + rng.normal(0, 8, 200)
    truth[:5] = np.nan
    units = [f"p{number // 2}" for number in range(200)]
    intervals = bootstrap_numbers(truth, found, units, n_replicates=400, seed=1)
    scores = compute_number_scores(truth, found, AGE)
    assert intervals.n_units == 98  # the first two patients have no number at all
    for name in ("mae", "rmse", "r2", "pearson"):
        low, high = intervals.macro[name]
        assert low < getattr(scores, name) < high
        assert high - low < 0.35 * abs(getattr(scores, name))
    with pytest.raises(PredictionError, match="no record whose number is known"):
        bootstrap_numbers(truth[:5], found[:5], units[:5])


def test_intervals_are_of_the_figures_of_the_task() -> None:
    labels, binary, scores, _ = some_records(5)
    found = bootstrap_scores(labels, binary, scores, range(40), THREE, n_replicates=10)
    assert set(found.macro) == set(THREE.figures)
    assert len(found.classes["auroc"]) == 3
    with pytest.raises(PredictionError, match="at least one record and the 3 classes of task three"):
        compute_scores(labels[:, :2], binary[:, :2], scores[:, :2], THREE)
