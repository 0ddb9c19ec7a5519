"""What a task's figures are worth on records: one dictionary, whatever the task is.

The classes' figures are those of `ecg.scores.challenge_metric`, over the classes of the task and, where predictions
have columns of further codes, over those as well; the challenge metric is that of the task's own classes, which stand
first.
"""

import math

import numpy as np
import numpy.typing as npt

from ecg12.ecg.scores.challenge_metric import (
    compute_accuracy,
    compute_areas,
    compute_beta_measures,
    compute_challenge_metric,
    compute_f_measure,
    find_hits,
    macro_mean,
)
from ecg12.ecg.scores.metric_inputs import FloatArray
from ecg12.ecg.tasks.task import BALANCED, METRIC, NUMBER_FIGURES, ONE, Task

BoolMatrix = npt.NDArray[np.bool_]
LabelMatrix = npt.NDArray[np.integer] | BoolMatrix
"""0 or 1."""


def compute_figures(
    task: Task,
    truth: LabelMatrix,
    binary: LabelMatrix,
    scores: FloatArray,
    known: BoolMatrix | None = None,
) -> dict[str, float]:
    """All figures of a task of classes, in its order; macro over all classes.

    Parameters
    ----------
    truth, binary, scores : shape (record, class), the task's classes first
    known : bool, same shape: what counts; None for all of it

    Returns
    -------
    figure → value, NaN where it is not defined
    """
    n_own = len(task.classes)
    figures: dict[str, float] = {}
    if task.metric is not None:
        rows = slice(None) if known is None else known[:, :n_own].all(axis=1)
        figures[METRIC] = compute_challenge_metric(
            truth[rows, :n_own], binary[rows, :n_own], task.metric.weights, task.metric.normal_index
        )
    auroc, auprc, f_measure, f_beta, g_beta = map(macro_mean, compute_class_figures(truth, binary, scores, known))
    whole = slice(None) if known is None else known.all(axis=1)
    figures |= {
        "auroc": auroc,
        "auprc": auprc,
        "accuracy": compute_accuracy(truth[whole], binary[whole]),
        "f_measure": f_measure,
        "f_beta": f_beta,
        "g_beta": g_beta,
        "geom_mean": math.sqrt(f_beta * g_beta),
    }
    if task.kind == ONE:
        figures[BALANCED] = compute_balanced_accuracy(truth, binary, known)
    return figures


def compute_class_figures(
    truth: LabelMatrix,
    binary: LabelMatrix,
    scores: FloatArray,
    known: BoolMatrix | None = None,
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray]:
    """AUROC, AUPRC, F1, F2 and G2 of each class, shape (class,); arguments as of `compute_figures`.

    A record whose label of a class is not known counts for that class in nothing.
    """
    measures = compute_f_measure(truth, binary, known), *compute_beta_measures(truth, binary, known)
    if known is None:
        return (*compute_areas(truth, scores), *measures)
    areas = np.full((2, truth.shape[1]), math.nan)
    for number, rows in enumerate(known.T):
        if rows.any():
            own = slice(number, number + 1)
            auroc, auprc = compute_areas(truth[rows, own], scores[rows, own])
            areas[:, number] = auroc[0], auprc[0]
    auroc, auprc = areas
    return (auroc, auprc, *measures)


def compute_balanced_accuracy(truth: LabelMatrix, binary: LabelMatrix, known: BoolMatrix | None = None) -> float:
    """The mean over the classes of the share of their records that are told right; NaN where no record has a class."""
    labels, outputs = truth == 1, binary == 1
    right, _, missed = (hit.sum(axis=0) for hit in find_hits(labels, outputs, known))
    n_positive = right + missed
    return float((right[n_positive > 0] / n_positive[n_positive > 0]).mean()) if n_positive.any() else math.nan


def compute_number_figures(truth: FloatArray, found: FloatArray) -> dict[str, float]:
    """`NUMBER_FIGURES`: mean absolute error, root mean square error, R² and Pearson's correlation.

    Parameters
    ----------
    truth, found : shape (record,); where the truth is not known a record does not count

    Returns
    -------
    figure → value; R² and the correlation are NaN where nothing varies
    """
    counted = np.isfinite(truth)
    truth, found = np.asarray(truth, np.float64)[counted], np.asarray(found, np.float64)[counted]
    if not len(truth):
        return dict.fromkeys(NUMBER_FIGURES, math.nan)
    errors = found - truth
    about_mean = float(((truth - truth.mean()) ** 2).sum())
    varies = len(truth) > 1 and truth.std() > 0 and found.std() > 0
    return {
        "mae": float(np.abs(errors).mean()),
        "rmse": float(np.sqrt((errors**2).mean())),
        "r2": 1.0 - float((errors**2).sum()) / about_mean if about_mean else math.nan,
        "pearson": float(np.corrcoef(truth, found)[0, 1]) if varies else math.nan,
    }
