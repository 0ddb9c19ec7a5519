"""Where the challenge metric loses: how much of what is missing to 1 is owed to the records of each class."""

import numpy as np
import numpy.typing as npt

from ecg12.ecg.labels.snomed import NORMAL_INDEX, WEIGHTS
from ecg12.ecg.scores.challenge_metric import compute_challenge_confusion
from ecg12.ecg.scores.metric_inputs import FloatArray, check_weights, to_bool_pair


def compute_lost_score(
    labels: npt.ArrayLike,
    outputs: npt.ArrayLike,
    weights: FloatArray = WEIGHTS,
    normal_index: int = NORMAL_INDEX,
) -> FloatArray:
    """What each class's row of the confusion matrix takes off the metric; the sum is 1 - metric.

    A record with several labels counts in each of their rows, as in the metric. A row that gains, because wrong
    outputs earn more beside its label than silence, is negative.

    Parameters
    ----------
    labels, outputs : 0/1 arrays, shape (n_records, n_classes)
    weights, normal_index : of the metric, see `compute_challenge_metric`; those of 2020

    Returns
    -------
    float64 array, shape (n_classes,); NaN where the metric is not defined by these records
    """
    labels, outputs = to_bool_pair(labels, outputs)
    check_weights(weights, labels.shape[1])
    inactive = np.zeros_like(labels)
    inactive[:, normal_index] = True
    observed, correct, without = (
        (weights * compute_challenge_confusion(labels, answer)).sum(axis=1) for answer in (outputs, labels, inactive)
    )
    room = float((correct - without).sum())
    return (correct - observed) / room if room else np.full(len(observed), np.nan)
