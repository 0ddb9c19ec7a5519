"""What an evaluation finds, as plain values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ecg12.cache.remarks import Remarked
from ecg12.ecg.scores.bootstrap import Intervals
from ecg12.ecg.scores.scores import TaskScores, challenge, mean_of_parts
from ecg12.ecg.tasks.task import Task

OFFICIAL_COLUMNS: Mapping[str, str] = {
    "AUROC": "auroc",
    "AUPRC": "auprc",
    "Accuracy": "accuracy",
    "F-measure": "f_measure",
    "Fbeta-measure": "f_beta",
    "Gbeta-measure": "g_beta",
    "Challenge metric": "challenge_metric",
}
"""The official evaluator's columns, in its order, and our names for them."""

_OTHERS: Mapping[str, str] = {
    "Geometric mean": "geom_mean",
    "Balanced accuracy": "balanced_accuracy",
    "Mean absolute error": "mae",
    "Root mean square error": "rmse",
    "R2": "r2",
    "Pearson correlation": "pearson",
}
"""Of other tasks; the geometric mean is that of Fbeta and Gbeta."""

TITLES: Mapping[str, str] = {name: title for title, name in (*OFFICIAL_COLUMNS.items(), *_OTHERS.items())}
"""Figure → what its column is called."""


def columns_of(task: Task) -> dict[str, str]:
    """The columns of a task's scores, in its order: title → figure; of the Challenge `OFFICIAL_COLUMNS`."""
    return {TITLES[figure]: figure for figure in task.report}


@dataclass(frozen=True, kw_only=True, slots=True)
class PartScores:
    """Scores of some of the records: a dataset, a fold, what one gain gave.

    `n_unlabelled` of the `n_records` are without any scored label.
    """

    name: str
    n_records: int
    n_unlabelled: int
    scores: TaskScores


@dataclass(frozen=True, kw_only=True, slots=True)
class GainScores:
    """What came of the same records with every amplitude multiplied by `gain`, beside what came of gain 1.

    Attributes
    ----------
    n_labels_changed : labels (of a record and a class) that are others than at gain 1
    largest_change : of a score
    """

    gain: float
    part: PartScores
    n_labels_changed: int
    largest_change: float


@dataclass(frozen=True, kw_only=True, slots=True)
class SlipCount:
    """Prediction files that the official evaluator does not read as they may have been meant.

    Attributes
    ----------
    kind, meaning : of the slip, and what the evaluator makes of it: see `ecg.scores.challenge_csv_slips.MEANINGS`
    grave : whether something that may have been meant otherwise counts as negative
    files : name of each → where it is and what is there
    n_read : files that were read
    """

    kind: str
    meaning: str
    grave: bool
    files: Mapping[str, str]
    n_read: int


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluateSummary:
    """Scores of `n_records` predictions; `n_unlabelled` of them are records without any scored label.

    Attributes
    ----------
    task : whose figures they are
    n_left_out : further records, which are not labelled by the task and count in nothing
    intervals : None where none were asked for
    units, seed : what was weighed for them, "groups" or "records", and the seed
    calibration, calibration_classes : expected calibration error: mean over the classes with positives, and each;
        NaN where scores leave 0 to 1
    n_bins : of equal width, that calibration was taken in
    datasets : the scores of each dataset
    by : column → the scores of each of its groups
    held_out : the scores of each fold, or of each dataset that was left out; empty where OUTPUTS is no
        cross-validation
    gains : of a gain sweep, from the lowest gain up; empty otherwise
    slips : in prediction files, the gravest first
    unlabelled_outputs : names of output files that no labelled record has
    remarks : kind → values of labels in headers that were mended or are no codes
    interrupted : whether the predictions are of a run that did not come to its end, or has not yet
    written : files
    """

    scores: TaskScores
    n_records: int
    n_unlabelled: int
    intervals: Intervals | None
    units: str
    seed: int
    calibration: float
    calibration_classes: tuple[float, ...]
    n_bins: int
    datasets: tuple[PartScores, ...]
    held_out: tuple[PartScores, ...] = ()
    gains: tuple[GainScores, ...] = ()
    slips: tuple[SlipCount, ...] = ()
    unlabelled_outputs: tuple[str, ...] = ()
    remarks: Mapping[str, Remarked] = field(default_factory=dict)
    interrupted: bool = False
    written: tuple[Path, ...] = ()
    task: Task = field(default_factory=challenge)
    n_left_out: int = 0
    by: Mapping[str, tuple[PartScores, ...]] = field(default_factory=dict)

    @property
    def columns(self) -> dict[str, str]:
        """Titles of the figures, in the task's order, and the figures."""
        return columns_of(self.task)

    @staticmethod
    def mean_of_parts(parts: Sequence[PartScores]) -> dict[str, float]:
        """Each shown figure's plain mean over the parts where it is defined, however large they are."""
        return mean_of_parts([part.scores for part in parts], parts[0].scores.shown)
