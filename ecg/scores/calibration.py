"""Whether a score of 0.3 means three in ten: reliability and expected calibration error, class by class.

Each class is a question of its own, answered by yes or no. Bins have equal width, `N_BINS` of them over 0 to 1;
the last one takes 1 itself. A class whose scores leave 0 to 1 (the reference system's corrected scores may) has
no calibration and gets NaN.

Source: Naeini, Cooper and Hauskrecht, Obtaining Well Calibrated Probabilities Using Bayesian Binning, AAAI 2015;
for single classes as in Nixon et al., Measuring Calibration in Deep Learning, 2019.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ecg12.ecg.errors import ConfigError
from ecg12.ecg.scores.metric_inputs import BoolArray, FloatArray, to_bool_matrix, to_score_matrix

N_BINS = 10


@dataclass(frozen=True, slots=True, eq=False)
class Reliability:
    """What is in each bin of each class; all arrays of shape (class, bin).

    Attributes
    ----------
    edges : float64, shape (bin + 1,), from 0 to 1
    n_records : int64
    mean_score, positive_share : float64; NaN where a bin is empty or the class has no calibration
    """

    edges: FloatArray
    n_records: npt.NDArray[np.int64]
    mean_score: FloatArray
    positive_share: FloatArray


def compute_reliability(
    labels: npt.ArrayLike, scores: npt.ArrayLike, known: BoolArray | None = None, *, n_bins: int = N_BINS
) -> Reliability:
    """Mean score and share of positives by bins of the score.

    Parameters
    ----------
    labels : 0/1 array, shape (record, class)
    scores : float array, same shape, without NaN
    known : bool, same shape: labels that count; None for all

    Raises
    ------
    PredictionError
        If shapes differ or a value is out of range.
    ConfigError
        If `n_bins` is below 1.
    """
    if n_bins < 1:
        raise ConfigError(f"{n_bins} bins; expected at least 1")
    labels = to_bool_matrix("labels", labels)
    scores = to_score_matrix(scores, labels.shape)
    columns = zip(labels.T, scores.T, np.ones_like(labels.T) if known is None else known.T, strict=True)
    rows = [_reliability_of_class(label[counted], score[counted], n_bins) for label, score, counted in columns]
    counts, sums, positives = (np.array(part).reshape(labels.shape[1], n_bins) for part in zip(*rows, strict=True))
    return Reliability(
        np.linspace(0.0, 1.0, n_bins + 1), counts.astype(np.int64), _divide(sums, counts), _divide(positives, counts)
    )


def compute_calibration_error(reliability: Reliability) -> FloatArray:
    """Expected calibration error of each class: |mean score - share of positives|, averaged over records.

    Returns
    -------
    float64 array, shape (class,); NaN for a class without calibration
    """
    counts = reliability.n_records
    gaps = np.abs(reliability.mean_score - reliability.positive_share)
    return _divide((counts * np.nan_to_num(gaps)).sum(axis=1), counts.sum(axis=1))


def _reliability_of_class(
    label: npt.NDArray[np.bool_], score: FloatArray, n_bins: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Records, sum of scores and positives in each bin; zeros if a score is not between 0 and 1."""
    if len(score) and not (score.min() >= 0 and score.max() <= 1):
        return np.zeros(n_bins), np.zeros(n_bins), np.zeros(n_bins)
    place = np.minimum((score * n_bins).astype(np.int64), n_bins - 1)
    counts, sums, positives = np.zeros((3, n_bins))
    np.add.at(counts, place, 1.0)
    np.add.at(sums, place, score)
    np.add.at(positives, place, label)
    return counts, sums, positives


def _divide(numerator: FloatArray, denominator: npt.NDArray[np.number]) -> FloatArray:
    """The quotient, NaN where the denominator is 0."""
    return np.divide(numerator, denominator, out=np.full(numerator.shape, np.nan), where=denominator > 0)
