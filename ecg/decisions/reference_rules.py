"""From scores of windows to the labels and scores of records: the rules of the reference system's two generations.

All arrays are (row, output); `record` says which record each window is of, the windows of a record standing
together and in order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ecg12.ecg.decisions.named_mappings import CPSC_GROUPS
from ecg12.ecg.decisions.output_mapping import OutputMapping
from ecg12.ecg.decisions.output_parts import LayerPart
from ecg12.ecg.errors import ConfigError
from ecg12.ecg.labels.snomed import SCORED_CODES

STRATEGIES = ("mean", "max", "last")
CORRECTIONS = ("uniform", "train")
LARGEST_CORRECTION = 30.0
RANK_FACTORS = (30.0, 1.0, 0.9, 0.9, 0.8, 0.7, 0.0)
"""The reference system's default: one label nearly always, more only where they are likely."""

APRIL_OUTPUTS = tuple(label for group in CPSC_GROUPS for label in group)
APRIL_CLASSES = ("AF", "I-AVB", "LBBB", "Normal", "RBBB", "PAC", "PVC", "STD", "STE")
"""Names and order in the April generation's prediction files."""


@dataclass(frozen=True, slots=True)
class Decided:
    """What records got, row by row.

    Attributes
    ----------
    record : int64 (row,), ascending
    labels : uint8 (row, class)
    scores : float64 (row, class)
    """

    record: NDArray[np.int64]
    labels: NDArray[np.uint8]
    scores: NDArray[np.float64]


class Rule(Protocol):
    """How the window scores of a network become labels and scores of records in `classes`."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the columns."""

    def decide(self, window_scores: NDArray[np.floating], record: NDArray[np.int64]) -> Decided:
        """Labels and scores of the records whose windows these are."""


def compute_correction(
    frequency: NDArray[np.floating], correction: str, limits: tuple[float, float] = (0.0, LARGEST_CORRECTION)
) -> NDArray[np.float64]:
    """Factor of each output's score.

    Parameters
    ----------
    frequency : share of the records that have the output's class, shape (output,), over the whole input
    correction : "uniform" (1 / frequency) or "train" (1)
    limits : smallest and largest factor

    Returns
    -------
    float64 array, shape (output,), within the limits; the smallest that they allow for a class that never occurs

    Raises
    ------
    ConfigError
        If there is no such correction.
    """
    if correction not in CORRECTIONS:
        raise ConfigError(f"correction factor {correction!r}; expected {' or '.join(CORRECTIONS)}")
    seen = np.asarray(frequency, np.float64) > 0
    factor = 1.0 / np.where(seen, frequency, 1.0) if correction == "uniform" else np.ones(len(seen))
    return np.clip(np.where(seen, factor, 0.0), *limits)


def pool_windows(
    values: NDArray[np.number], record: NDArray[np.int64], strategy: str
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """One row for each record: the mean or maximum of its windows' rows, or the last of them.

    Returns
    -------
    the records (int64, in order of appearance) and their rows (float64, shape (record, output))

    Raises
    ------
    ConfigError
        If there is no such strategy.
    """
    if strategy not in STRATEGIES:
        raise ConfigError(f"combination_strategy is {strategy!r}; expected {', '.join(STRATEGIES)}")
    first = np.flatnonzero(np.diff(record, prepend=-1) != 0)
    counts = np.diff(first, append=len(record))
    rows = np.asarray(values, np.float64)
    if strategy == "mean":
        pooled = np.add.reduceat(rows, first, axis=0) / counts[:, None]
    elif strategy == "max":
        pooled = np.maximum.reduceat(rows, first, axis=0)
    else:
        pooled = rows[first + counts - 1]
    return record[first], pooled


def scale_by_rank(scores: NDArray[np.floating], factors: Sequence[float]) -> NDArray[np.float64]:
    """Multiply a row's largest score by the first factor, the next by the second, and so on.

    For each factor but the last in turn: the bar is as many places from the top of the row, as it then is, as
    factors were used, this one included; whatever reaches it and was not yet multiplied, is. What remains is
    multiplied by the last factor. Equal scores are therefore treated alike.

    Parameters
    ----------
    scores : shape (row, output)
    factors : at least one

    Returns
    -------
    float64 array of the same shape
    """
    scaled = np.array(scores, np.float64)
    waiting = np.ones(scaled.shape, bool)
    for rank, factor in enumerate(factors[:-1]):
        if rank >= scaled.shape[1]:
            break
        bar = np.sort(scaled, axis=1)[:, -1 - rank, None]
        chosen = waiting & (scaled >= bar)
        scaled[chosen] *= factor
        waiting &= ~chosen
    scaled[waiting] *= factors[-1]
    return scaled


def decide_outputs(scaled: NDArray[np.floating], parts: Sequence[LayerPart]) -> NDArray[np.uint8]:
    """0 or 1 for each output, each part by its own rule; uint8, shape (row, output).

    Sigmoid: above 0.5. Softmax: the largest, unless what they leave of 1 is at least as large. Standard and
    convex softmax: the largest. Of equals the first.
    """
    decided = np.zeros(scaled.shape, np.uint8)
    first = 0
    for part in parts:
        own = scaled[:, first : first + part.n_outputs]
        here = decided[:, first : first + part.n_outputs]
        if part.decides_each:
            here[:] = own > 0.5
        else:
            best = own.argmax(axis=1)
            rows = np.arange(len(own))
            # without a null class something is always chosen
            chosen = own[rows, best] > 1.0 - own.sum(axis=1) if part.kind == "softmax" else np.ones(len(own), bool)
            here[rows[chosen], best[chosen]] = 1
        first += part.n_outputs
    return decided


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class AugustRule:
    """The rule of August 2020: corrected scores, pooled; labels from a copy that is scaled by rank.

    Scores are those before the scaling, and may exceed 1. Classes that the mapping lacks get 0.

    Attributes
    ----------
    mapping : what the outputs stand for
    correction : float64 (output,), see `compute_correction`
    combination_strategy : "mean", "max" or "last"
    scale_by_n_predictions : see `scale_by_rank`
    predict_before_collapse : decide on each window, and take a label that any of them has
    classes : columns of the outcome
    """

    mapping: OutputMapping
    correction: NDArray[np.float64]
    combination_strategy: str = "mean"
    scale_by_n_predictions: tuple[float, ...] = RANK_FACTORS
    predict_before_collapse: bool = False
    classes: tuple[str, ...] = SCORED_CODES

    def __post_init__(self) -> None:
        if self.correction.shape != (self.mapping.n_outputs,):
            raise ConfigError(
                f"{self.correction.size} correction factors; expected {self.mapping.n_outputs}, one for each output"
            )
        if self.combination_strategy not in STRATEGIES:
            raise ConfigError(
                f"combination_strategy is {self.combination_strategy!r}; expected {', '.join(STRATEGIES)}"
            )
        if not self.scale_by_n_predictions:
            raise ConfigError("scale_by_n_predictions is empty; expected at least one factor")

    def decide(self, window_scores: NDArray[np.floating], record: NDArray[np.int64]) -> Decided:
        """Labels and scores of the records whose windows these are; see the class."""
        corrected = window_scores * self.correction
        rows, pooled = pool_windows(corrected, record, self.combination_strategy)
        if self.predict_before_collapse:
            decided = pool_windows(self._decide(corrected), record, "max")[1].astype(np.uint8)
        else:
            decided = self._decide(pooled)
        labels, scores = self.mapping.labels_of(decided), self.mapping.scores_of(pooled)
        return Decided(rows, self._arrange(labels), self._arrange(scores))

    def _decide(self, corrected: NDArray[np.floating]) -> NDArray[np.uint8]:
        return decide_outputs(scale_by_rank(corrected, self.scale_by_n_predictions), self.mapping.parts)

    def _arrange(self, values: NDArray) -> NDArray:
        """Columns of the mapping's codes in the order of `classes`; zeros for those it lacks."""
        arranged = np.zeros((len(values), len(self.classes)), values.dtype)
        column = {code: number for number, code in enumerate(self.mapping.codes)}
        for place, code in enumerate(self.classes):
            if code in column:
                arranged[:, place] = values[:, column[code]]
        return arranged


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class AprilRule:
    """The rule of April 2020: the mean over windows against a threshold for each of eight findings.

    Normal is what has none of them; its score is the product of what theirs leave of 1.

    Attributes
    ----------
    thresholds : float64 (8,), in the order of `APRIL_OUTPUTS`
    classes : columns of the outcome
    """

    thresholds: NDArray[np.float64]
    classes: tuple[str, ...] = APRIL_CLASSES

    def __post_init__(self) -> None:
        if self.thresholds.shape != (len(APRIL_OUTPUTS),):
            raise ConfigError(f"thresholds of shape {self.thresholds.shape}; expected {len(APRIL_OUTPUTS)} of them")

    def decide(self, window_scores: NDArray[np.floating], record: NDArray[np.int64]) -> Decided:
        """Labels and scores of the records whose windows these are; see the class."""
        rows, scores = pool_windows(window_scores, record, "mean")
        labels = (scores > self.thresholds).astype(np.uint8)
        names = (*APRIL_OUTPUTS, "Normal")
        order = [names.index(name) for name in self.classes]
        normal_label = (labels.sum(axis=1, keepdims=True) == 0).astype(np.uint8)
        normal_score = np.prod(1.0 - scores, axis=1, keepdims=True)
        return Decided(
            rows,
            np.concatenate([labels, normal_label], axis=1)[:, order],
            np.concatenate([scores, normal_score], axis=1)[:, order],
        )
