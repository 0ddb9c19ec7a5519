"""The Challenge's official scores as pure functions on arrays, and the thresholds that maximise one of them.

Rows are records, columns classes; labels and outputs are 0/1, scores any numbers. Every function but
`compute_scores` takes any set of classes. Where the official evaluator loops over records and thresholds,
matrix products and one sort per class do the same here, equal to rounding. A class for which a figure is
undefined gets NaN, and a macro figure is the mean over the other classes.

Source: evaluate_12ECG_score.py of the PhysioNet/CinC Challenge 2020 (last version, August 2020); its results
on 300 records are the test's oracle. Alday et al., Physiological Measurement 41 (2020) 124003, describe it.
"""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ecg12.ecg.errors import PredictionError
from ecg12.ecg.labels.snomed import NORMAL_INDEX, SCORED_CLASSES, WEIGHTS, representative
from ecg12.ecg.scores.curves import count_outcomes
from ecg12.ecg.scores.fit_thresholds import fit_thresholds as fit_thresholds  # belongs to the metric's surface
from ecg12.ecg.scores.metric_inputs import (
    BoolArray,
    FloatArray,
    check_weights,
    to_bool_matrix,
    to_bool_pair,
    to_score_matrix,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Scores:
    """What the official evaluator prints: macro figures, and per class (SCORED_CLASSES order) as tuples.

    `f_measure` is F1; `f_beta` and `g_beta` have beta 2; `n_positive` counts the records with each class.
    """

    auroc: float
    auprc: float
    accuracy: float
    f_measure: float
    f_beta: float
    g_beta: float
    challenge_metric: float
    auroc_classes: tuple[float, ...]
    auprc_classes: tuple[float, ...]
    f_measure_classes: tuple[float, ...]
    f_beta_classes: tuple[float, ...]
    g_beta_classes: tuple[float, ...]
    n_positive: tuple[int, ...]

    def to_dict(self) -> dict[str, float | list[str] | list[float | None] | None]:
        """For JSON: the fields, NaN as None, tuples as lists, and `classes` with the 24 codes."""
        values = {key: _without_nan(value) for key, value in dataclasses.asdict(self).items()}
        return {"classes": list(SCORED_CLASSES), **values}


def _without_nan(value: float | tuple[float, ...]) -> float | list[float | None] | None:
    if isinstance(value, tuple):
        return [None if math.isnan(item) else item for item in value]
    return None if math.isnan(value) else value


def compute_scores(labels: npt.ArrayLike, binary: npt.ArrayLike, scores: npt.ArrayLike) -> Scores:
    """All official figures at once.

    Parameters
    ----------
    labels, binary : 0/1 arrays, shape (n_records, 24), columns in SCORED_CLASSES order (`scored_matrix`
        makes the labels, `merge_equivalents` the outputs)
    scores : float array, same shape, without NaN

    Raises
    ------
    PredictionError
        If there is no record, shapes differ or are not 24 wide, or a value is out of range.
    """
    labels = to_bool_matrix("labels", labels)
    if labels.shape[1] != len(SCORED_CLASSES) or not len(labels):
        raise PredictionError(
            f"labels have shape {labels.shape}; expected at least one record and the {len(SCORED_CLASSES)} "
            f"scored classes, as scored_matrix and merge_equivalents give them"
        )
    auroc, auprc = compute_areas(labels, scores)
    f_measure = compute_f_measure(labels, binary)
    f_beta, g_beta = compute_beta_measures(labels, binary)
    return Scores(
        auroc=macro_mean(auroc),
        auprc=macro_mean(auprc),
        accuracy=compute_accuracy(labels, binary),
        f_measure=macro_mean(f_measure),
        f_beta=macro_mean(f_beta),
        g_beta=macro_mean(g_beta),
        challenge_metric=compute_challenge_metric(labels, binary),
        auroc_classes=tuple(auroc.tolist()),
        auprc_classes=tuple(auprc.tolist()),
        f_measure_classes=tuple(f_measure.tolist()),
        f_beta_classes=tuple(f_beta.tolist()),
        g_beta_classes=tuple(g_beta.tolist()),
        n_positive=tuple(labels.sum(axis=0).tolist()),
    )


def macro_mean(values: FloatArray) -> float:
    """Mean over the classes where the figure is defined; NaN if it is nowhere."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else math.nan


def compute_areas(labels: npt.ArrayLike, scores: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Area under the ROC curve and under the precision-recall curve, per class.

    Over the distinct scores as thresholds, from the highest down: AUROC by the trapezoid rule, so equal
    scores of a positive and a negative count half; AUPRC as sum of (R[t+1] - R[t]) P[t+1], without
    interpolation. One sort per class: O(n_records log n_records) time, O(n_records) memory.

    Returns
    -------
    auroc : float64 array, shape (n_classes,); NaN for a class without positives or without negatives
    auprc : float64 array, shape (n_classes,); NaN for a class without positives
    """
    labels = to_bool_matrix("labels", labels)
    scores = to_score_matrix(scores, labels.shape)
    areas = [_class_areas(*columns) for columns in zip(labels.T, scores.T, strict=True)]
    auroc, auprc = np.array(areas, dtype=np.float64).reshape(-1, 2).T
    return auroc, auprc


def _class_areas(labels: BoolArray, scores: FloatArray) -> tuple[float, float]:
    """AUROC and AUPRC of one class; both arguments of shape (record,)."""
    if not labels.any():
        return math.nan, math.nan
    found = count_outcomes(labels, scores)
    recall = np.append(0.0, found.sensitivity)
    auprc = float(np.sum(np.diff(recall) * found.precision))
    if not found.n_negative:
        return math.nan, auprc
    specificity = np.append(1.0, (found.n_negative - found.false_positives) / found.n_negative)
    return float(np.sum(np.diff(recall) * (specificity[1:] + specificity[:-1]) / 2)), auprc


def compute_accuracy(labels: npt.ArrayLike, outputs: npt.ArrayLike) -> float:
    """Fraction of records with every class right; NaN without records."""
    labels, outputs = to_bool_pair(labels, outputs)
    return float(np.mean((labels == outputs).all(axis=1))) if len(labels) else math.nan


def compute_f_measure(labels: npt.ArrayLike, outputs: npt.ArrayLike) -> FloatArray:
    """F1 = 2TP / (2TP + FP + FN), shape (n_classes,); NaN for a class neither labelled nor predicted."""
    labels, outputs = to_bool_pair(labels, outputs)
    tp, fp, fn = _weighted_counts(labels, outputs, np.ones(len(labels)))
    return _divide(2 * tp, 2 * tp + fp + fn)


def compute_beta_measures(
    labels: npt.ArrayLike, outputs: npt.ArrayLike, *, beta: float = 2.0
) -> tuple[FloatArray, FloatArray]:
    """F-beta and G-beta per class, each record's counts divided by its number of labels (at least 1).

    F = (1 + b²)TP / ((1 + b²)TP + FP + b²FN) and G = TP / (TP + FP + bFN); with beta 2 these are
    5TP / (5TP + FP + 4FN) and TP / (TP + FP + 2FN).

    Returns
    -------
    f_beta, g_beta : float64 arrays, shape (n_classes,); NaN for a class neither labelled nor predicted
    """
    labels, outputs = to_bool_pair(labels, outputs)
    tp, fp, fn = _weighted_counts(labels, outputs, 1.0 / np.maximum(labels.sum(axis=1), 1))
    f_numerator = (1 + beta**2) * tp
    return _divide(f_numerator, f_numerator + fp + beta**2 * fn), _divide(tp, tp + fp + beta * fn)


def _weighted_counts(
    labels: BoolArray, outputs: BoolArray, record_weights: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """True positives, false positives, false negatives per class, each record counted by its weight."""
    return (
        record_weights @ (labels & outputs),
        record_weights @ (~labels & outputs),
        record_weights @ (labels & ~outputs),
    )


def _divide(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    """The quotient, NaN where the denominator is 0."""
    return np.divide(numerator, denominator, out=np.full(len(numerator), math.nan), where=denominator > 0)


def compute_challenge_confusion(labels: npt.ArrayLike, outputs: npt.ArrayLike) -> FloatArray:
    """The challenge metric's multi-label confusion matrix A.

    For a record with labels x and outputs y, 1 / max(|x ∪ y|, 1) is added to A[i, j] for i in x, j in y.

    Returns
    -------
    float64 array, shape (n_classes, n_classes): rows labels, columns outputs
    """
    labels, outputs = to_bool_pair(labels, outputs)
    union = np.maximum((labels | outputs).sum(axis=1), 1)
    return (labels / union[:, np.newaxis]).T @ outputs


def compute_challenge_metric(
    labels: npt.ArrayLike,
    outputs: npt.ArrayLike,
    weights: FloatArray = WEIGHTS,
    normal_index: int = NORMAL_INDEX,
) -> float:
    """The score that ranked the Challenge: 1 for outputs equal to the labels, 0 for always sinus rhythm.

    With s = sum of weights * A: (s - s_inactive) / (s_correct - s_inactive), or 0 where s_correct equals
    s_inactive. May be negative.

    Parameters
    ----------
    labels, outputs : 0/1 arrays, shape (n_records, n_classes)
    weights : float64 array, shape (n_classes, n_classes): rows labels, columns outputs
    normal_index : column of the class that the inactive classifier answers

    Raises
    ------
    PredictionError
        If shapes differ, do not fit the weights, or a value is neither 0 nor 1.
    """
    labels, outputs = to_bool_pair(labels, outputs)
    check_weights(weights, labels.shape[1])
    inactive = np.zeros_like(labels)
    inactive[:, normal_index] = True
    observed_score, correct_score, inactive_score = (
        float(np.sum(weights * compute_challenge_confusion(labels, answer))) for answer in (outputs, labels, inactive)
    )
    if correct_score == inactive_score:
        return 0.0
    return (observed_score - inactive_score) / (correct_score - inactive_score)


def merge_equivalents(
    codes: Sequence[str], binary: npt.ArrayLike, scores: npt.ArrayLike
) -> tuple[npt.NDArray[np.uint8], FloatArray]:
    """Bring outputs over any class list to the 24 scored classes, by the official rule.

    Columns with equivalent (or the same) codes become one: binary if any is 1, score the mean over the
    columns that are there and not NaN. A class without a column, or with nothing but NaN, gets 0 and 0.0;
    a code that is not scored is dropped. Labels are merged by passing them as `binary`.

    Parameters
    ----------
    codes : n_codes SNOMED CT codes, in any order
    binary : 0/1 array, shape (n_records, n_codes)
    scores : float array, same shape

    Returns
    -------
    binary : uint8 array, shape (n_records, 24), columns in SCORED_CLASSES order
    scores : float64 array, same shape, without NaN

    Raises
    ------
    PredictionError
        If the shapes do not fit, or a binary output is neither 0 nor 1.
    """
    binary = to_bool_matrix("binary outputs", binary)
    scores = np.asarray(scores, dtype=np.float64)
    if binary.shape != scores.shape or binary.shape[1] != len(codes):
        raise PredictionError(
            f"binary outputs have shape {binary.shape}, scores {scores.shape}; "
            f"expected one column for each of the {len(codes)} codes"
        )
    merged_binary = np.zeros((len(binary), len(SCORED_CLASSES)), dtype=np.uint8)
    merged_scores = np.zeros(merged_binary.shape, dtype=np.float64)
    for index, kept in enumerate(SCORED_CLASSES):
        columns = [column for column, code in enumerate(codes) if representative(code) == kept]
        if columns:
            merged_binary[:, index] = binary[:, columns].any(axis=1)
            merged_scores[:, index] = _mean_or_zero(scores[:, columns])
    return merged_binary, merged_scores


def _mean_or_zero(scores: FloatArray) -> FloatArray:
    """Mean of each row without its NaN, 0 where that is no number; (record, column) -> (record,)."""
    usable = ~np.isnan(scores)
    with np.errstate(invalid="ignore"):  # an entrant's inf beside -inf
        mean = np.where(usable, scores, 0.0).sum(axis=1) / np.maximum(usable.sum(axis=1), 1)
    return np.where(np.isnan(mean), 0.0, mean)
