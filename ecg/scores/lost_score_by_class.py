"""Where the challenge metric loses: how much of what is missing to 1 is owed to the records of each class."""

import numpy as np
import numpy.typing as npt

from ecg12.ecg.labels.snomed import NORMAL_INDEX, WEIGHTS
from ecg12.ecg.scores.challenge_metric import compute_challenge_confusion
from ecg12.ecg.scores.metric_inputs import FloatArray, to_bool_pair


def compute_lost_score(labels: npt.ArrayLike, outputs: npt.ArrayLike) -> FloatArray:
    """What each class's row of the confusion matrix takes off the metric; the sum is 1 - metric.

    A record with several labels counts in each of their rows, as in the metric. A row that gains, because wrong
    outputs earn more beside its label than silence, is negative.

    Parameters
    ----------
    labels, outputs : 0/1 arrays, shape (n_records, 24), columns in SCORED_CLASSES order

    Returns
    -------
    float64 array, shape (24,); NaN where the metric is not defined by these records
    """
    labels, outputs = to_bool_pair(labels, outputs)
    inactive = np.zeros_like(labels)
    inactive[:, NORMAL_INDEX] = True
    observed, correct, without = (
        (WEIGHTS * compute_challenge_confusion(labels, answer)).sum(axis=1) for answer in (outputs, labels, inactive)
    )
    room = float((correct - without).sum())
    return (correct - observed) / room if room else np.full(len(observed), np.nan)
