"""Figures of answers: of all records, with intervals and calibration, and of parts of them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecg12.ecg.config import Config
from ecg12.ecg.errors import ConfigError
from ecg12.ecg.scores.bootstrap import Intervals, bootstrap_numbers, bootstrap_scores
from ecg12.ecg.scores.calibration import N_BINS, compute_calibration_error, compute_reliability
from ecg12.ecg.scores.challenge_metric import macro_mean
from ecg12.ecg.scores.scores import compute_number_scores, compute_scores
from ecg12.pipeline.evaluation.answers import Answers
from ecg12.pipeline.evaluation.result import EvaluateSummary, PartScores
from ecg12.pipeline.evaluation.truth import Truth
from ecg12.pipeline.tasks.column_groups import groups_of

MOST_REPLICATES = 1_000_000
MOST_BINS = 100_000
"""Beyond these, figures would come after days, or need more memory than there is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluateConfig(Config):
    """How to judge beyond the official figures.

    Attributes
    ----------
    n_bootstrap : replicates for the intervals; 0 leaves them out
    seed : of the replicates
    level : share of the replicates within an interval
    n_bins : of equal width, for calibration
    """

    n_bootstrap: int = 1000
    seed: int = 2
    level: float = 0.95
    n_bins: int = N_BINS

    def __post_init__(self) -> None:
        if not 0 <= self.n_bootstrap <= MOST_REPLICATES:
            raise ConfigError(
                f"n_bootstrap is {self.n_bootstrap}; expected 0 (no intervals) to {MOST_REPLICATES}, such as 1000"
            )
        if not 0 <= self.seed < 2**63:
            raise ConfigError(f"seed is {self.seed}; expected 0 or more")
        if not 0 < self.level < 1:
            raise ConfigError(f"level is {self.level}; expected a share between 0 and 1")
        if not 1 <= self.n_bins <= MOST_BINS:
            raise ConfigError(f"n_bins is {self.n_bins}; expected 1 to {MOST_BINS}")


def judge_answers(truth: Truth, answers: Answers, config: EvaluateConfig, *, from_stores: bool) -> EvaluateSummary:
    """All figures of one folder; those of the columns of `truth` group by group."""
    whole = score_part("all", truth, answers, np.arange(len(truth.names)))
    errors = _calibration(truth, answers, config)
    return EvaluateSummary(
        task=truth.task,
        scores=whole.scores,
        n_records=whole.n_records,
        n_unlabelled=whole.n_unlabelled,
        n_left_out=len(truth.left_out),
        intervals=_intervals(truth, answers, config) if config.n_bootstrap else None,
        units="groups" if from_stores else "records",
        seed=config.seed,
        calibration=macro_mean(errors[_counted(truth).any(axis=0)]) if len(errors) else math.nan,
        calibration_classes=tuple(errors.tolist()),
        n_bins=config.n_bins,
        datasets=tuple(
            score_part(str(name), truth, answers, np.flatnonzero(truth.datasets == name))
            for name in np.unique(truth.datasets.astype(str))
        ),
        by={
            name: tuple(score_part(group, truth, answers, rows) for group, rows in groups_of(name, values).items())
            for name, values in truth.columns.items()
        },
    )


def _counted(truth: Truth) -> NDArray[np.bool_]:
    """Positive labels that are known."""
    positive = truth.labels == 1
    return positive if truth.known is None else positive & truth.known


def _intervals(truth: Truth, answers: Answers, config: EvaluateConfig) -> Intervals:
    how = {"n_replicates": config.n_bootstrap, "seed": config.seed}
    if truth.number is not None:
        return bootstrap_numbers(truth.number, answers.scores[:, 0], truth.units, level=config.level, **how)
    said = (truth.labels, answers.binary, answers.scores)
    return bootstrap_scores(*said, truth.units, truth.task, truth.known, level=config.level, **how)


def _calibration(truth: Truth, answers: Answers, config: EvaluateConfig) -> NDArray[np.float64]:
    """Expected calibration error of each class; a number has none."""
    if truth.number is not None:
        return np.empty(0)
    found = compute_reliability(truth.labels, answers.scores, truth.known, n_bins=config.n_bins)
    return compute_calibration_error(found)


def score_part(name: str, truth: Truth, answers: Answers, rows: NDArray[np.integer]) -> PartScores:
    """The figures of some of the records."""
    if truth.number is not None:
        numbers = truth.number[rows]
        scores = compute_number_scores(numbers, answers.scores[rows, 0], truth.task)
        return PartScores(name=name, n_records=len(rows), n_unlabelled=len(rows) - scores.n_known, scores=scores)
    known = None if truth.known is None else truth.known[rows]
    labels, said = truth.labels[rows], (answers.binary[rows], answers.scores[rows])
    return PartScores(
        name=name,
        n_records=len(rows),
        n_unlabelled=int((_counted(truth)[rows].sum(axis=1) == 0).sum()),
        scores=compute_scores(labels, *said, truth.task, known),
    )


def score_parts(truth: Truth, answers: Answers, parts: Mapping[str, tuple[str, ...]]) -> tuple[PartScores, ...]:
    """Scores of each part of a cross-validation; records that do not count are in none."""
    row = {name: number for number, name in enumerate(truth.names)}
    rows_of = {part: np.array([row[name] for name in names if name in row], np.int64) for part, names in parts.items()}
    return tuple(score_part(part, truth, answers, rows) for part, rows in rows_of.items() if len(rows))
