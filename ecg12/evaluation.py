"""How good predictions are, by the figures of a task: the official ones of the Challenge, or of another."""

import io
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from ecg12.ecg.errors import ConfigError
from ecg12.ecg.tasks.named import CHALLENGE_2020, named_task
from ecg12.pipeline.evaluation.evaluate import EvaluateConfig, WhichRecords
from ecg12.pipeline.evaluation.evaluate import evaluate as evaluate_folder
from ecg12.pipeline.evaluation.in_memory import evaluate_arrays
from ecg12.pipeline.evaluation.result import EvaluateSummary, PartScores
from ecg12.pipeline.evaluation.score_tables import format_class_scores, format_part_scores
from ecg12.pipeline.tasks.task_files import read_task
from ecg12.places import PathLike, Paths, to_folder, to_places
from ecg12.predictions import Predictions
from ecg12.stores import Store

if TYPE_CHECKING:
    import pandas as pd

_DEFAULT = EvaluateConfig()


class Evaluation:
    """Scores of predictions; `evaluate` makes it.

    Attributes
    ----------
    n_records, n_unlabelled : records that were scored, and those of them without any scored label
    task : name of the task whose figures they are
    n_left_out : records that the task has no label of, and that were not scored
    figures : the task's figures by name, of the Challenge the official evaluator's: auroc, auprc, accuracy, f_measure,
        f_beta, g_beta, challenge_metric; and calibration_error, where there are classes
    intervals : (low, high) of each figure, by the Bayesian bootstrap over patients (or records, where only headers are
        known); empty where none were asked for
    """

    def __init__(self, summary: EvaluateSummary) -> None:
        self._summary = summary
        self.n_records: int = summary.n_records
        self.n_unlabelled: int = summary.n_unlabelled
        self.task: str = summary.task.name
        self.n_left_out: int = summary.n_left_out
        figures = {name: float(getattr(summary.scores, name)) for name in summary.scores.shown}
        self.figures: dict[str, float] = dict(figures)
        if summary.calibration_classes:
            self.figures["calibration_error"] = float(summary.calibration)
        self.intervals: dict[str, tuple[float, float]] = {}
        if summary.intervals is not None:
            self.intervals = {name: summary.intervals.macro[name] for name in figures}

    def __repr__(self) -> str:
        text = ", ".join(f"{name} {value:.3f}" for name, value in self.figures.items())
        return f"Evaluation({self.n_records} records, {text})"

    @cached_property
    def classes(self) -> "pd.DataFrame":
        """A row a class: abbreviation, name, n_positive, figures, calibration_error, intervals; none of a number."""
        import pandas as pd

        if not self._summary.calibration_classes:
            return pd.DataFrame()
        text = format_class_scores(self._summary)
        return pd.read_csv(io.StringIO(text), dtype={"code": str}).set_index("code")

    @cached_property
    def datasets(self) -> "pd.DataFrame":
        """A row a dataset: n_records, n_unlabelled and its figures."""
        return _frame_of(self._summary.datasets)

    @cached_property
    def by(self) -> "dict[str, pd.DataFrame]":
        """For each column that was asked for a row a group, as in `datasets`."""
        return {name: _frame_of(parts) for name, parts in self._summary.by.items()}


def _frame_of(parts: Sequence[PartScores]) -> "pd.DataFrame":
    import pandas as pd

    return pd.read_csv(io.StringIO(format_part_scores(parts)), dtype={"part": str}).set_index("part")


def evaluate(
    labels: Store | Paths,
    predictions: Predictions | PathLike,
    *,
    task: str | None = None,
    records: Sequence[str] | None = None,
    by: Sequence[str] = (),
    n_bootstrap: int = _DEFAULT.n_bootstrap,
    seed: int = _DEFAULT.seed,
    level: float = _DEFAULT.level,
    n_bins: int = _DEFAULT.n_bins,
) -> Evaluation:
    """Score predictions by a task: by the Challenge's as its official evaluator does.

    Parameters
    ----------
    labels : a store, or paths of stores (which are read as one) and of folders of WFDB headers
    predictions : of `Model.predict`; or a folder with a Challenge CSV for each record, whoever wrote them
    task : name of a task, or the path of its TOML file; None for that of the model, or of the run that a folder of
        predictions is of, or that has the columns of its table; else "challenge2020"
    records : names of the records to score, of `Predictions`; None for all that are in `labels`
    by : columns of the store whose groups are scored, too: sex, age (by decades), dataset, site, device, fold
    n_bootstrap, seed, level : replicates for the intervals (0 for none), their seed, and the share of them within
    n_bins : of equal width, for calibration

    Raises
    ------
    InputError
        If there are no labels, a labelled record has no prediction, or a name is in a store and in a folder.
    StoreError
        If a store cannot be read.
    ConfigError
        If an option is out of range, or stores do not go together.
    """
    config = EvaluateConfig(n_bootstrap=n_bootstrap, seed=seed, level=level, n_bins=n_bins)
    places = to_places(labels.paths if isinstance(labels, Store) else labels)
    own = None if task is None else read_task(task)
    if isinstance(predictions, Predictions):
        summary = evaluate_arrays(
            places,
            predictions.names,
            predictions.classes,
            predictions.labels,
            predictions.scores,
            task=own or predictions.task or named_task(CHALLENGE_2020),
            by=by,
            only=None if records is None else list(records),
            config=config,
        )
    else:
        if records is not None:
            raise ConfigError("records are named, but predictions are a folder; expected Predictions with them")
        which = WhichRecords(by=tuple(by))
        summary = evaluate_folder(places, to_folder(predictions), task=own, which=which, config=config)
    return Evaluation(summary)
