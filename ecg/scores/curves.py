"""What each possible threshold would decide: the points of a class's ROC and precision-recall curves.

The areas below them, by the rules of the Challenge's evaluator, are `ecg.scores.challenge_metric.compute_areas`.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ecg12.ecg.scores.metric_inputs import BoolArray, FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Outcomes:
    """A class's records counted at each of its distinct scores as a threshold, from the highest score down.

    Attributes
    ----------
    thresholds : float64, shape (threshold,): what scores this or more counts as positive
    true_positives, false_positives : int64, same shape
    n_positive, n_negative : records in all
    """

    thresholds: FloatArray
    true_positives: npt.NDArray[np.int64]
    false_positives: npt.NDArray[np.int64]
    n_positive: int
    n_negative: int

    @property
    def sensitivity(self) -> FloatArray:
        """Share of the positives found, recall; shape (threshold,); NaN without positives."""
        return _share(self.true_positives, self.n_positive)

    @property
    def false_positive_rate(self) -> FloatArray:
        """Share of the negatives taken for positive, 1 - specificity; shape (threshold,); NaN without negatives."""
        return _share(self.false_positives, self.n_negative)

    @property
    def precision(self) -> FloatArray:
        """Share of what is taken for positive that is, shape (threshold,)."""
        return self.true_positives / (self.true_positives + self.false_positives)


def count_outcomes(labels: BoolArray, scores: FloatArray) -> Outcomes:
    """Count what each distinct score as a threshold would decide; one sort.

    Parameters
    ----------
    labels : bool, shape (record,)
    scores : float64, same shape, without NaN
    """
    n_positive = int(labels.sum())
    order = np.argsort(scores)[::-1]
    ranked = scores[order]
    # Compared, not subtracted: infinite scores are equal to each other, their difference is no number.
    last_of_ties = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True)) if len(ranked) else np.empty(0, np.int64)
    true_positives = np.cumsum(labels[order], dtype=np.int64)[last_of_ties]
    return Outcomes(
        thresholds=ranked[last_of_ties],
        true_positives=true_positives,
        false_positives=last_of_ties + 1 - true_positives,
        n_positive=n_positive,
        n_negative=len(labels) - n_positive,
    )


def _share(counts: npt.NDArray[np.int64], n: int) -> FloatArray:
    return counts / n if n else np.full(len(counts), np.nan)
