"""Thresholds of a task's classes, each fitted for what the task asks of them.

The challenge metric ties classes together (`ecg.scores.fit_thresholds`); F1, F2 and Youden's index are of one class
each, and the best of all thresholds is found exactly from the outcomes at each distinct score.
"""

import numpy as np
import numpy.typing as npt

from ecg12.ecg.scores.curves import count_outcomes
from ecg12.ecg.scores.fit_thresholds import DEFAULT_THRESHOLD, fit_thresholds
from ecg12.ecg.scores.metric_inputs import FloatArray
from ecg12.ecg.tasks.task import Task


def fit_task_thresholds(
    task: Task,
    truth: npt.NDArray[np.integer],
    scores: FloatArray,
    known: npt.NDArray[np.bool_] | None = None,
) -> FloatArray:
    """Thresholds of all classes: a label is 1 where score > threshold.

    Parameters
    ----------
    truth, scores : shape (record, class), the task's classes first; classes beyond those are fitted for F1
    known : bool, same shape: what counts; None for all of it

    Returns
    -------
    float64 array, shape (class,); in the middle for a class without positives or without negatives
    """
    n_own = len(task.classes)
    thresholds = np.full(scores.shape[1], DEFAULT_THRESHOLD)
    if task.thresholds == "none":
        return thresholds
    first = 0
    if task.thresholds == "metric" and task.metric is not None:
        rows = slice(None) if known is None else known[:, :n_own].all(axis=1)
        thresholds[:n_own] = fit_thresholds(truth[rows, :n_own], scores[rows, :n_own], weights=task.metric.weights)
        first = n_own
    objective = "f1" if task.thresholds == "metric" else task.thresholds
    for number in range(first, scores.shape[1]):
        rows = slice(None) if known is None else known[:, number]
        thresholds[number] = fit_one(truth[rows, number] == 1, scores[rows, number], objective)
    return thresholds


def fit_one(labels: npt.NDArray[np.bool_], scores: FloatArray, objective: str) -> float:
    """The threshold of one class that is worth most; of equals the lowest.

    It lies in the middle between two scores, so that it does not hang on the last digit of one.

    Parameters
    ----------
    labels, scores : shape (record,)
    objective : "f1", "f2" or "youden" (sensitivity + specificity - 1)
    """
    found = count_outcomes(labels, scores)
    if not found.n_positive or not found.n_negative:
        return DEFAULT_THRESHOLD
    missed = found.n_positive - found.true_positives
    if objective == "youden":
        worth = found.sensitivity - found.false_positive_rate
    else:
        beta2 = 1.0 if objective == "f1" else 4.0
        credit = (1 + beta2) * found.true_positives
        worth = credit / (credit + found.false_positives + beta2 * missed)
    best = int(np.flatnonzero(worth >= worth.max() - 1e-12)[-1])  # from the highest threshold down
    at = float(found.thresholds[best])
    if best + 1 < len(found.thresholds):
        below = float(found.thresholds[best + 1])
    else:  # all are positive
        below = 0.0 if at > 0 else at - 1.0
    return at / 2 + below / 2
