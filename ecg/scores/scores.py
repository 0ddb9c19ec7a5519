"""All figures of a task on some records, as plain values: of classes, or of a number."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from ecg12.ecg.errors import PredictionError
from ecg12.ecg.scores.challenge_metric import macro_mean
from ecg12.ecg.scores.figures import compute_class_figures, compute_figures, compute_number_figures
from ecg12.ecg.scores.metric_inputs import BoolArray, to_bool_matrix, to_bool_pair, to_score_matrix
from ecg12.ecg.tasks.named import CHALLENGE_2020, named_task
from ecg12.ecg.tasks.task import BALANCED, METRIC, Task

OF_CLASSES = ("auroc", "auprc", "f_measure", "f_beta", "g_beta")
"""Figures that each class has; in `Scores` with the ending `_classes`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Scores:
    """What a task's classes are told by: macro figures, and per class as tuples, in the order of `classes`.

    `f_measure` is F1; `f_beta` and `g_beta` have beta 2, `geom_mean` is the geometric mean of these two;
    `balanced_accuracy` is of one-of-many alone, `challenge_metric` of tasks with weights, NaN elsewhere;
    `n_positive` counts the records with each class; `shown` are the figures that the task reports.
    """

    classes: tuple[str, ...]
    shown: tuple[str, ...]
    auroc: float
    auprc: float
    accuracy: float
    f_measure: float
    f_beta: float
    g_beta: float
    geom_mean: float
    balanced_accuracy: float
    challenge_metric: float
    auroc_classes: tuple[float, ...]
    auprc_classes: tuple[float, ...]
    f_measure_classes: tuple[float, ...]
    f_beta_classes: tuple[float, ...]
    g_beta_classes: tuple[float, ...]
    n_positive: tuple[int, ...]

    def to_dict(self) -> dict[str, Any]:
        """For JSON: the classes' codes, the figures that are shown, and those of classes; NaN as None."""
        own = [f"{name}_classes" for name in OF_CLASSES]
        values = {name: _without_nan(getattr(self, name)) for name in (*self.shown, *own, "n_positive")}
        return {"classes": list(self.classes), **values}


@dataclass(frozen=True, kw_only=True, slots=True)
class NumberScores:
    """How near a number was told: see `ecg.scores.figures.compute_number_figures`; `n_known` records have it."""

    classes: tuple[str, ...]
    shown: tuple[str, ...]
    mae: float
    rmse: float
    r2: float
    pearson: float
    n_known: int

    def to_dict(self) -> dict[str, Any]:
        """For JSON; NaN as None."""
        values = dataclasses.asdict(self)
        shown = {name: _without_nan(values[name]) for name in (*self.shown, "n_known")}
        return {"classes": list(self.classes), **shown}


TaskScores = Scores | NumberScores


def _without_nan(value: float | tuple[float, ...]) -> float | list[float | None] | None:
    if isinstance(value, tuple):
        return [None if math.isnan(item) else item for item in value]
    return None if math.isnan(value) else value


@lru_cache(maxsize=1)
def challenge() -> Task:
    """The task whose figures are the official evaluator's of 2020."""
    return named_task(CHALLENGE_2020)


def compute_scores(
    labels: npt.ArrayLike,
    binary: npt.ArrayLike,
    scores: npt.ArrayLike,
    task: Task | None = None,
    known: BoolArray | None = None,
) -> Scores:
    """All figures at once.

    Parameters
    ----------
    labels, binary : 0/1 arrays, shape (n_records, n_classes), columns as the task's classes
    scores : float array, same shape, without NaN
    task : None for that of the Challenge of 2020
    known : bool, same shape: labels that count; None for all

    Raises
    ------
    PredictionError
        If there is no record, shapes differ or are not those of the task, or a value is out of range.
    """
    task = task or challenge()
    labels, binary, scores = check_answers(labels, binary, scores, task)
    figures: Mapping[str, float] = compute_figures(task, labels, binary, scores, known)
    auroc, auprc, f_measure, f_beta, g_beta = compute_class_figures(labels, binary, scores, known)
    counted = labels if known is None else labels & known
    macro = {name: figures[name] for name in ("auroc", "auprc", "accuracy", "f_measure", "f_beta", "g_beta")}
    return Scores(
        classes=task.codes,
        shown=task.report,
        **macro,
        geom_mean=figures["geom_mean"],
        balanced_accuracy=figures.get(BALANCED, math.nan),
        challenge_metric=figures.get(METRIC, math.nan),
        auroc_classes=tuple(auroc.tolist()),
        auprc_classes=tuple(auprc.tolist()),
        f_measure_classes=tuple(f_measure.tolist()),
        f_beta_classes=tuple(f_beta.tolist()),
        g_beta_classes=tuple(g_beta.tolist()),
        n_positive=tuple(counted.sum(axis=0).tolist()),
    )


def check_answers(
    labels: npt.ArrayLike, binary: npt.ArrayLike, scores: npt.ArrayLike, task: Task
) -> tuple[BoolArray, BoolArray, npt.NDArray[np.float64]]:
    """Labels, outputs and scores as matrices of one shape, a column for each of a task's classes.

    Raises
    ------
    PredictionError
        If they are not.
    """
    labels = to_bool_matrix("labels", labels)
    if labels.shape[1] != len(task.classes) or not len(labels):
        raise PredictionError(
            f"labels have shape {labels.shape}; expected at least one record and the {len(task.classes)} classes of "
            f"task {task.name}"
        )
    labels, binary = to_bool_pair(labels, binary)
    return labels, binary, to_score_matrix(scores, labels.shape)


def compute_number_scores(truth: npt.NDArray[np.float64], found: npt.NDArray[np.float64], task: Task) -> NumberScores:
    """All figures of a task that tells a number; `truth` and `found` of shape (record,), NaN where not known."""
    figures = compute_number_figures(truth, found)
    n_known = int(np.isfinite(truth).sum())
    return NumberScores(classes=task.codes, shown=task.report, n_known=n_known, **figures)


def mean_of_parts(parts: list[TaskScores], names: tuple[str, ...]) -> dict[str, float]:
    """Each figure's plain mean over the parts where it is defined, however large they are."""
    return {name: macro_mean(np.array([getattr(part, name) for part in parts], np.float64)) for name in names}
