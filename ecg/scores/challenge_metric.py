"""The Challenge's official scores as pure functions on arrays, and the thresholds that maximise one of them.

Rows are records, columns classes; labels and outputs are 0/1, scores any numbers. Every function takes any set of
classes; weights and columns that are not told are those of the Challenge of 2020. Where the official evaluator loops
over records and thresholds, matrix products and one sort per class do the same here, equal to rounding. A class for
which a figure is undefined gets NaN, and a macro figure is the mean over the other classes. All figures of a task at
once: `ecg.scores.scores`.

Source: evaluate_12ECG_score.py of the PhysioNet/CinC Challenge 2020 (last version, August 2020); its results
on 300 records are the test's oracle. Alday et al., Physiological Measurement 41 (2020) 124003, describe it.
"""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ecg12.ecg.errors import PredictionError
from ecg12.ecg.labels.class_columns import ClassColumns
from ecg12.ecg.labels.snomed import CHALLENGE_COLUMNS, NORMAL_INDEX, WEIGHTS
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


def compute_f_measure(labels: npt.ArrayLike, outputs: npt.ArrayLike, known: BoolArray | None = None) -> FloatArray:
    """F1 = 2TP / (2TP + FP + FN), shape (n_classes,); NaN for a class neither labelled nor predicted.

    `known`, bool of the same shape, says which labels count; None for all.
    """
    labels, outputs = to_bool_pair(labels, outputs)
    tp, fp, fn = _weighted_counts(labels, outputs, np.ones(len(labels)), known)
    return _divide(2 * tp, 2 * tp + fp + fn)


def compute_beta_measures(
    labels: npt.ArrayLike, outputs: npt.ArrayLike, known: BoolArray | None = None, *, beta: float = 2.0
) -> tuple[FloatArray, FloatArray]:
    """F-beta and G-beta per class, each record's counts divided by its number of labels (at least 1).

    F = (1 + b²)TP / ((1 + b²)TP + FP + b²FN) and G = TP / (TP + FP + bFN); with beta 2 these are
    5TP / (5TP + FP + 4FN) and TP / (TP + FP + 2FN).

    Returns
    -------
    f_beta, g_beta : float64 arrays, shape (n_classes,); NaN for a class neither labelled nor predicted
    """
    labels, outputs = to_bool_pair(labels, outputs)
    tp, fp, fn = _weighted_counts(labels, outputs, label_shares(labels, known), known)
    f_numerator = (1 + beta**2) * tp
    return _divide(f_numerator, f_numerator + fp + beta**2 * fn), _divide(tp, tp + fp + beta * fn)


def label_shares(labels: BoolArray, known: BoolArray | None = None) -> FloatArray:
    """What each record counts where it is shared among its labels that are known; shape (record,)."""
    counted = labels if known is None else labels & known
    return 1.0 / np.maximum(counted.sum(axis=1), 1)


def find_hits(labels: BoolArray, outputs: BoolArray, known: BoolArray | None = None) -> tuple[BoolArray, ...]:
    """True positives, false positives and false negatives among what is known, each of shape (record, class)."""
    hits = labels & outputs, ~labels & outputs, labels & ~outputs
    return hits if known is None else tuple(hit & known for hit in hits)


def _weighted_counts(
    labels: BoolArray, outputs: BoolArray, record_weights: FloatArray, known: BoolArray | None
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """True positives, false positives, false negatives per class, each record counted by its weight."""
    tp, fp, fn = (record_weights @ hit for hit in find_hits(labels, outputs, known))
    return tp, fp, fn


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
    codes: Sequence[str],
    binary: npt.ArrayLike,
    scores: npt.ArrayLike,
    by_class: ClassColumns = CHALLENGE_COLUMNS,
) -> tuple[npt.NDArray[np.uint8], FloatArray]:
    """Bring outputs over any list of codes to the classes that are scored, by the official rule.

    Columns with equivalent (or the same) codes become one: binary if any is 1, score the mean over the
    columns that are there and not NaN. A class without a column, or with nothing but NaN, gets 0 and 0.0;
    a code of no class is dropped. Labels are merged by passing them as `binary`.

    Parameters
    ----------
    codes : n_codes codes, in any order
    binary : 0/1 array, shape (n_records, n_codes)
    scores : float array, same shape
    by_class : the classes and what stands for them; those of the Challenge of 2020

    Returns
    -------
    binary : uint8 array, shape (n_records, n_classes), columns as the classes
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
    merged_binary = np.zeros((len(binary), len(by_class.classes)), dtype=np.uint8)
    merged_scores = np.zeros(merged_binary.shape, dtype=np.float64)
    places: dict[str, list[int]] = {}
    for column, code in enumerate(codes):
        places.setdefault(by_class.class_of(code), []).append(column)
    for index, kept in enumerate(by_class.classes):
        columns = places.get(kept, [])
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
