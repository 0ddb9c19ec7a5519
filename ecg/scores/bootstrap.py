"""How far the official scores could be off by chance: intervals from records that are weighed anew, group by group.

The Bayesian bootstrap: in each replicate every group (patient) gets a weight from the exponential distribution, and
its records count that much. The usual bootstrap does the same with whole numbers, how often a group is drawn; it
leaves out a third of the groups each time. Rare classes then lose all their positives, and the macro figures the
class, while the positives that are drawn twice lift the average precision: on 301 real records its interval, 0.086 to
0.122, missed the figure itself, 0.084. With weights every class is there in every replicate, and for many groups the
two agree.

No record is copied: every figure is computed from the weights, all replicates of a block in one matrix product. For
the areas a class's records are merged into segments of its ranking, one for each score that a positive has and one
for what lies between two of them: nothing else of the order matters. Intervals are percentiles of the replicates.
What a class with a handful of positives is worth nobody can tell from them: its interval is wide, and still too
narrow.

Source: Rubin, The Bayesian Bootstrap, Annals of Statistics 9 (1981) 130. Groups as units and percentiles as in Efron
and Tibshirani, An Introduction to the Bootstrap, 1993, sections 8.3 and 13.3.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from ecg12.ecg.errors import ConfigError, PredictionError
from ecg12.ecg.scores.challenge_metric import find_hits, label_shares
from ecg12.ecg.scores.metric_inputs import BoolArray, FloatArray
from ecg12.ecg.scores.scores import challenge, check_answers
from ecg12.ecg.tasks.task import BALANCED, METRIC, NUMBER_FIGURES, ONE, Metric, Task

BLOCK = 32
"""Replicates that are computed together: few enough that a class's sums stay in the processor's cache."""

_BETA = 2.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Intervals:
    """Between which values each figure lies in `level` of the replicates.

    Attributes
    ----------
    n_replicates, n_units, level : how often, from how many groups, and how wide
    macro : figure → (low, high), all figures of the task; NaN where it is never defined
    classes : figure → (low, high) for each class, figures as in `ecg.scores.scores.OF_CLASSES`; none of a number
    """

    n_replicates: int
    n_units: int
    level: float
    macro: Mapping[str, tuple[float, float]]
    classes: Mapping[str, tuple[tuple[float, float], ...]]


def bootstrap_scores(
    labels: npt.ArrayLike,
    binary: npt.ArrayLike,
    scores: npt.ArrayLike,
    units: Sequence[str] | npt.NDArray[np.object_],
    task: Task | None = None,
    known: BoolArray | None = None,
    *,
    n_replicates: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> Intervals:
    """Intervals of all figures of a task; the same for the same records in any order.

    Parameters
    ----------
    labels, binary, scores, task, known : as `ecg.scores.scores.compute_scores` takes them
    units : what each record is weighed with, its group or itself, shape (record,)
    n_replicates : how often to weigh; 1,000 give the ends of a 95 % interval to about a tenth of a standard error
    level : share of the replicates between the ends

    Raises
    ------
    PredictionError
        If shapes differ or do not fit the weights, or a value is out of range.
    ConfigError
        If `n_replicates` is below 1, or `level` not between 0 and 1.
    """
    of_records = _Records(labels, binary, scores, task or challenge(), known)
    return _intervals(of_records, units, n_replicates, seed, level)


def bootstrap_numbers(
    truth: FloatArray,
    found: FloatArray,
    units: Sequence[str] | npt.NDArray[np.object_],
    *,
    n_replicates: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> Intervals:
    """Intervals of the figures of a number; `truth` and `found` of shape (record,), else as `bootstrap_scores`."""
    known = np.isfinite(truth)
    of_numbers = _Numbers(truth[known], found[known])
    return _intervals(of_numbers, np.asarray(units, object)[known], n_replicates, seed, level)


def _intervals(
    of_records: "_Records | _Numbers",
    units: Sequence[str] | npt.NDArray[np.object_],
    n_replicates: int,
    seed: int,
    level: float,
) -> Intervals:
    if n_replicates < 1 or not 0 < level < 1:
        raise ConfigError(f"{n_replicates} replicates at level {level}; expected at least 1, between 0 and 1")
    names, unit = np.unique(np.asarray(units, object).astype(str), return_inverse=True)
    blocks = [of_records.compute(weights[unit]) for weights in draw_weights(len(names), n_replicates, seed)]
    figures = {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}
    return Intervals(
        n_replicates=n_replicates,
        n_units=len(names),
        level=level,
        macro={name: _ends(values, level) for name, values in figures.items() if values.ndim == 1},
        classes={
            name.removesuffix("_classes"): tuple(_ends(column, level) for column in values.T)
            for name, values in figures.items()
            if values.ndim == 2
        },
    )


def draw_weights(n_units: int, n_replicates: int, seed: int) -> Iterator[FloatArray]:
    """What each unit counts, 1 on average: blocks of shape (unit, replicate), together `n_replicates` wide."""
    generator = np.random.Generator(np.random.PCG64(seed))
    for first in range(0, n_replicates, BLOCK):
        width = min(BLOCK, n_replicates - first)
        yield generator.standard_exponential((width, n_units)).T


def compute_replicates(
    labels: npt.ArrayLike,
    binary: npt.ArrayLike,
    scores: npt.ArrayLike,
    weights: npt.ArrayLike,
    task: Task | None = None,
    known: BoolArray | None = None,
) -> dict[str, FloatArray]:
    """The figures of records that count more, or less, than once.

    Parameters
    ----------
    labels, binary, scores, task, known : as `ecg.scores.scores.compute_scores` takes them
    weights : 0 or more, shape (record, replicate)

    Returns
    -------
    each figure as float64 (replicate,), each of `ecg.scores.scores.OF_CLASSES` as NAME_classes (replicate, class)
    """
    return _Records(labels, binary, scores, task or challenge(), known).compute(np.asarray(weights, np.float64))


class _Records:
    """What the figures need of the records, whatever their weights: computed once, for all replicates."""

    def __init__(
        self,
        labels: npt.ArrayLike,
        binary: npt.ArrayLike,
        scores: npt.ArrayLike,
        task: Task,
        known: BoolArray | None,
    ) -> None:
        labels, binary, scores = check_answers(labels, binary, scores, task)
        counted = np.ones_like(labels) if known is None else known
        self.whole: BoolArray = np.asarray(counted.all(axis=1), bool)
        of_whole = self.whole[:, None]
        self.credit = None if task.metric is None else _challenge_credit(labels, binary, task.metric) * of_whole
        self.is_balanced = task.kind == ONE
        self.right = self.whole & (labels == binary).all(axis=1)
        self.hits = find_hits(labels, binary, known)
        self.share = label_shares(labels, known)
        self.rankings = [_Ranking(*columns) for columns in zip(labels.T, scores.T, counted.T, strict=True)]

    def compute(self, weights: FloatArray) -> dict[str, FloatArray]:
        """All figures; `weights` (record, replicate)."""
        single = weights.astype(np.float32)  # sums to seven digits, in half the time
        areas = np.array([ranking.areas(single) for ranking in self.rankings])  # (class, 2, replicate)
        # each of shape (replicate, class)
        classes = {"auroc": areas[:, 0].T, "auprc": areas[:, 1].T, "f_measure": self._f_measure(weights)}
        classes["f_beta"], classes["g_beta"] = self._beta_measures(weights)
        figures = {name: _mean_of_defined(values) for name, values in classes.items()}
        counted = weights.sum(axis=0) if self.whole.all() else self.whole @ weights
        figures["accuracy"] = _divide(self.right @ weights, counted)
        figures["geom_mean"] = np.sqrt(figures["f_beta"] * figures["g_beta"])
        if self.is_balanced:
            right, _, missed = (weights.T @ hit for hit in self.hits)
            figures[BALANCED] = _mean_of_defined(_divide(right, right + missed))
        if self.credit is not None:
            observed, correct, inactive = self.credit.T @ weights
            figures[METRIC] = np.where(correct == inactive, 0.0, _divide(observed - inactive, correct - inactive))
        return figures | {f"{name}_classes": values for name, values in classes.items()}

    def _f_measure(self, weights: FloatArray) -> FloatArray:
        tp, fp, fn = (weights.T @ hit for hit in self.hits)
        return _divide(2 * tp, 2 * tp + fp + fn)

    def _beta_measures(self, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
        weighted = (weights * self.share[:, None]).T
        tp, fp, fn = (weighted @ hit for hit in self.hits)
        f_numerator = (1 + _BETA**2) * tp
        return _divide(f_numerator, f_numerator + fp + _BETA**2 * fn), _divide(tp, tp + fp + _BETA * fn)


class _Ranking:
    """One class's records as segments of its ranking, from the lowest score up.

    A segment is one score that a positive has, or all records between two such scores.
    """

    def __init__(self, label: BoolArray, score: FloatArray, known: BoolArray) -> None:
        label = label & known
        order = np.argsort(score, kind="stable")
        ranked = score[order]
        # compared, not subtracted: infinite scores are equal to each other, their difference is no number
        tie = np.cumsum(np.append(0, ranked[1:] != ranked[:-1]))
        has_positive = np.bincount(tie, weights=label[order]) > 0
        of_tie = np.cumsum(has_positive | np.append(True, has_positive[:-1])) - 1
        segment = np.empty(len(order), np.int64)
        segment[order] = of_tie[tie]
        n_segments = int(of_tie[-1]) + 1
        self.everyone = _membership(segment, known, n_segments)
        self.positives = _membership(segment, label, n_segments)

    def areas(self, weights: npt.NDArray[np.float32]) -> tuple[FloatArray, FloatArray]:
        """AUROC and AUPRC, each of shape (replicate,); `weights` (record, replicate)."""
        positive = (self.positives @ weights).astype(np.float64)  # (segment, replicate)
        whole = (self.everyone @ weights).astype(np.float64)
        negative = whole - positive
        n_positive, n_negative = positive.sum(axis=0), negative.sum(axis=0)
        below = np.cumsum(negative, axis=0) - negative
        auroc = _divide((positive * (below + negative / 2)).sum(axis=0), n_positive * n_negative)
        precision = _divide(_from_the_top(positive), _from_the_top(whole))
        auprc = _divide(np.where(positive > 0, positive * precision, 0.0).sum(axis=0), n_positive)
        return auroc, auprc


class _Numbers:
    """What the figures of a number need of the records."""

    def __init__(self, truth: FloatArray, found: FloatArray) -> None:
        if not len(truth):
            raise PredictionError("no record whose number is known; expected at least one")
        self.errors = np.abs(found - truth)
        self.centred = np.stack([truth - truth.mean(), found - truth.mean()])

    def compute(self, weights: FloatArray) -> dict[str, FloatArray]:
        """All of `NUMBER_FIGURES`, shape (replicate,); `weights` (record, replicate)."""
        share = weights / weights.sum(axis=0)
        squares = self.errors**2 @ share
        truth, found = (values[:, None] - values @ share for values in self.centred)
        spread = (share * truth**2).sum(axis=0)
        both = np.sqrt(spread * (share * found**2).sum(axis=0))
        values = (
            self.errors @ share,
            np.sqrt(squares),
            1.0 - _divide(squares, spread),
            _divide((share * truth * found).sum(axis=0), both),
        )
        return dict(zip(NUMBER_FIGURES, values, strict=True))


def _membership(segment: npt.NDArray[np.int64], inside: BoolArray, n_segments: int) -> csr_array:
    """A sparse 0/1 matrix, shape (segment, record), that adds up the records of a segment."""
    records = np.flatnonzero(inside)
    ones = np.ones(len(records), np.float32)
    return csr_array((ones, (segment[records], records)), shape=(n_segments, len(segment)))


def _from_the_top(values: FloatArray) -> FloatArray:
    """Sums of each segment and all above it."""
    return np.cumsum(values[::-1], axis=0)[::-1]


def _challenge_credit(labels: BoolArray, binary: BoolArray, metric: Metric) -> FloatArray:
    """What each record adds to the observed, the correct and the inactive sum; shape (record, 3)."""
    inactive = np.zeros_like(labels)
    inactive[:, metric.normal_index] = True
    reward = labels @ metric.weights
    answers = (binary, labels, inactive)
    return np.stack(
        [(reward * answer).sum(axis=1) / np.maximum((labels | answer).sum(axis=1), 1) for answer in answers], axis=1
    )


def _divide(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    """The quotient, NaN where the denominator is 0."""
    return np.divide(numerator, denominator, out=np.full(np.shape(numerator), math.nan), where=denominator != 0)


def _mean_of_defined(values: FloatArray) -> FloatArray:
    """Mean over the classes that are no NaN; (replicate, class) → (replicate,)."""
    defined = ~np.isnan(values)
    return _divide(np.where(defined, values, 0.0).sum(axis=1), defined.sum(axis=1).astype(np.float64))


def _ends(values: FloatArray, level: float) -> tuple[float, float]:
    """The interval of the replicates that are no NaN."""
    defined = values[~np.isnan(values)]
    if not len(defined):
        return math.nan, math.nan
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
