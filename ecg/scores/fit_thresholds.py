"""Per-class decision thresholds that maximise the challenge metric, by coordinate ascent.

The metric divides each record's credit by the size of the union of labels and outputs, so a class changes
what the others are worth. Its own effect is exact all the same: given the other classes' present outputs,
each record's credit with and without it is known, the worth of a threshold is the sum of the differences
of the records above it, and one cumulative sum in score order gives that for every candidate at once.
"""

import numpy as np
import numpy.typing as npt

from ecg12.ecg.errors import ConfigError
from ecg12.ecg.labels.snomed import WEIGHTS
from ecg12.ecg.scores.metric_inputs import BoolArray, FloatArray, check_weights, to_bool_matrix, to_score_matrix

DEFAULT_THRESHOLD = 0.5

# In records' credit: above the rounding of a sum over all records, far below anything that matters.
_LEAST_GAIN = 1e-9


def fit_thresholds(
    labels: npt.ArrayLike,
    scores: npt.ArrayLike,
    *,
    weights: FloatArray = WEIGHTS,
    n_candidates: int = 100,
    max_rounds: int = 20,
) -> FloatArray:
    """Per-class thresholds that maximise the challenge metric; a class is positive if score > threshold.

    Coordinate ascent from 0.5 in every class. Candidates are quantiles and not every score, which keeps a
    rare class from being fitted to a single record. Records without labels are left out, since they earn
    nothing whatever is answered.
    The result depends on the data alone and is never worse than 0.5 everywhere on them.

    Parameters
    ----------
    labels : 0/1 array, shape (n_records, n_classes)
    scores : finite float array, same shape
    weights : float64 array, shape (n_classes, n_classes)
    n_candidates : quantiles taken of the positives' scores and of all scores
    max_rounds : passes over the classes at most

    Returns
    -------
    float64 array, shape (n_classes,); 0.5 for a class without positives

    Raises
    ------
    PredictionError
        If shapes differ, do not fit the weights, or a value is out of range.
    ConfigError
        If n_candidates or max_rounds is below 1.
    """
    if n_candidates < 1 or max_rounds < 1:
        raise ConfigError(f"n_candidates {n_candidates}, max_rounds {max_rounds}; expected at least 1 each")
    labels = to_bool_matrix("labels", labels)
    scores = to_score_matrix(scores, labels.shape, finite=True)
    check_weights(weights, labels.shape[1])
    counted = labels.any(axis=1)
    return _ascend(
        labels[counted],
        scores[counted],
        weights,
        start=DEFAULT_THRESHOLD,
        n_candidates=n_candidates,
        max_rounds=max_rounds,
    )


def _ascend(
    labels: BoolArray,
    scores: FloatArray,
    weights: FloatArray,
    *,
    start: float,
    n_candidates: int,
    max_rounds: int,
) -> FloatArray:
    """Move one class after the other to its best candidate until a round changes nothing.

    Parameters
    ----------
    labels : shape (n_records, n_classes); every record has a label (one without earns nothing anyway)
    scores : same shape, finite; an output is positive where score > threshold
    weights : shape (n_classes, n_classes): rows labels, columns outputs
    start : every class's first threshold, kept by a class without positives

    Returns
    -------
    float64 array, shape (n_classes,)
    """
    thresholds = np.full(labels.shape[1], start)
    gain = labels @ weights  # (record, class): what a positive output adds, before division by the union
    outputs = scores > start
    columns = [_Column(labels[:, index], scores[:, index], start, n_candidates) for index in range(labels.shape[1])]
    earned = (gain * outputs).sum(axis=1)
    union = (labels | outputs).sum(axis=1)
    for _ in range(max_rounds):
        moved = False
        for index in np.flatnonzero(labels.any(axis=0)):
            column, label, output = columns[index], labels[:, index], outputs[:, index]
            others_earned = earned - gain[:, index] * output
            others_union = union - (output & ~label)
            with_class = (others_earned + gain[:, index]) / (others_union + ~label)
            threshold, better = column.best(with_class - others_earned / others_union, thresholds[index])
            if better > _LEAST_GAIN:
                moved = True
                thresholds[index] = threshold
                outputs[:, index] = output = scores[:, index] > threshold
                earned = others_earned + gain[:, index] * output
                union = others_union + (output & ~label)
        if not moved:
            break
    return thresholds


class _Column:
    """One class's records in score order, and its candidate thresholds."""

    def __init__(self, label: BoolArray, score: FloatArray, start: float, n_candidates: int) -> None:
        self.order = np.argsort(score, kind="stable")
        self.ascending = score[self.order]
        self.candidates = np.union1d(_plan_candidates(label, score, n_candidates), start)
        self.n_below = np.searchsorted(self.ascending, self.candidates, side="right")

    def best(self, difference: FloatArray, threshold: float) -> tuple[float, float]:
        """The candidate worth most, and by how much it beats the present `threshold`.

        `difference` is each record's credit with the class positive minus its credit without.
        """
        # worth[i]: of a positive output in all records but the i with the lowest scores
        worth = np.append(np.cumsum(difference[self.order][::-1])[::-1], 0.0)
        at_candidates = worth[self.n_below]
        # The lowest of those that are equally good, so that rounding does not choose.
        choice = np.flatnonzero(at_candidates >= at_candidates.max() - _LEAST_GAIN)[0]
        present = worth[np.searchsorted(self.ascending, threshold, side="right")]
        return float(self.candidates[choice]), float(at_candidates[choice] - present)


def _plan_candidates(label: BoolArray, score: FloatArray, n_candidates: int) -> FloatArray:
    """Thresholds just below quantiles of the positives' and of all scores, and one that nothing exceeds.

    "Just below" is the middle between a score and the next lower one, so that a threshold does not hang on
    the last digit of a score; below the lowest score stands 0, where scores are positive.
    """
    distinct = np.unique(score)
    levels = np.linspace(0.0, 1.0, n_candidates)
    quantiles = [np.quantile(values, levels, method="nearest") for values in (score[label], score) if len(values)]
    highest = distinct[-1:]
    if distinct.size and distinct[0] > 0:
        distinct = np.append(0.0, distinct)
    position = np.searchsorted(distinct, np.concatenate([*quantiles, np.empty(0)]))
    position = position[position > 0]
    middles = distinct[position - 1] / 2 + distinct[position] / 2  # halved first: no overflow
    return np.concatenate([middles, highest])
