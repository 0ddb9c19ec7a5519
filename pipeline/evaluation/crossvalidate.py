"""Training several times, each time with other records held out, and judging what was said of all of them together.

Parts are run folders side by side in one folder: fold-0, fold-1, … or leave-out-cpsc, leave-out-georgia, …, or
leave-out-site-1, … for each value of another column. Each goes on where it was interrupted; the same command, given
again, does what is missing.
"""

import datetime
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ecg12.cache.reader import Store
from ecg12.cache.several_stores import Locations, open_stores
from ecg12.cache.storage.atomic import write_text_atomically
from ecg12.ecg.errors import ConfigError, RunFolderError
from ecg12.ecg.plugin_names import is_plugin_name
from ecg12.ecg.tasks.named import CHALLENGE_2020
from ecg12.ecg.tasks.task import Task
from ecg12.ecg.tasks.writing import format_task
from ecg12.pipeline.compute.ranks import find_ranks
from ecg12.pipeline.evaluation.evaluate import evaluate
from ecg12.pipeline.evaluation.held_out_testing import HeldOut, HeldOutTruth, pool, predict_held_out
from ecg12.pipeline.evaluation.result import EvaluateSummary
from ecg12.pipeline.runs.prediction_folders import CROSS_VALIDATION, read_cross_validation, write_cross_validation
from ecg12.pipeline.runs.reference_folder import PRETRAIN_MODEL
from ecg12.pipeline.runs.run_folder import PRETRAIN_TRAIN_IDS, read_ids
from ecg12.pipeline.runs.run_lock import run_lock
from ecg12.pipeline.runs.run_plugins import names_in
from ecg12.pipeline.runtime.progress import Progress, silent
from ecg12.pipeline.tasks.stored_labels import labels_of
from ecg12.pipeline.tasks.task_files import TASK, task_of_folder
from ecg12.pipeline.training.configure import spell
from ecg12.pipeline.training.run_task import choose_task, task_of_codes
from ecg12.pipeline.training.train import TrainSummary, train
from ecg12.pipeline.training.train_rows import left_out

logger = logging.getLogger(__name__)

ALL = "all"
SCORES, SCORES_JSON = "scores.csv", "scores.json"
TEST_SCORES, TEST_SCORES_JSON = "test_scores.csv", "test_scores.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainOptions:
    """What every part is trained with; see `pipeline.training.train.train`.

    Attributes
    ----------
    pretrained : None for the folder of all parts, where a pretraining lies there
    plugins : see `pipeline.training.train.train`; what the options name is named by that
    """

    preset: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    model_options: Mapping[str, Any] = field(default_factory=dict)
    pretrained: Path | None = None
    plugins: Sequence[str] = ()
    cuda: bool = False

    @property
    def named(self) -> tuple[str, ...]:
        """All code from outside that the user has named, to test what was trained."""
        asked = names_in(*spell(self.options, self.model_options))
        return (*self.plugins, *(name for name in asked if is_plugin_name(name)))


@dataclass(frozen=True, kw_only=True, slots=True)
class HeldOutSummary:
    """What was trained and tested.

    Attributes
    ----------
    folder : of the run, or of all runs
    runs : what each training did, by the name of its folder
    decided_by : how labels of held-out records were decided, in words
    evaluation : of all held-out records; None after Ctrl-C, and where torchrun made this one of the silent processes
    interrupted : whether it was that
    """

    folder: Path
    runs: Mapping[str, TrainSummary]
    decided_by: str = ""
    evaluation: EvaluateSummary | None = None
    interrupted: bool = False

    @property
    def seconds(self) -> dict[str, float]:
        """What each run's epochs took, validation included."""
        return {name: sum(row["seconds"] for row in run.history) for name, run in self.runs.items()}


def train_and_test(
    stores: Locations,
    folder: Path | None,
    how: TrainOptions,
    *,
    dated: bool = False,
    progress: Progress = silent,
    report: Callable[[Mapping[str, float]], None] = lambda row: None,
) -> HeldOutSummary:
    """Train one run that holds records out, and test it on them.

    It does by `folds` and `fold`, or `leave_out`, among its options; or by a split that has a test side.

    Labels are decided by the run's own rule; test_scores.csv, test_scores-classes.csv, … and test_scores.json say what
    they are worth, and predictions/ has them.

    Parameters
    ----------
    folder, dated : see `pipeline.training.train.train`

    Raises
    ------
    ConfigError
        Also if there is no such fold or dataset.
    """
    summary = _train(stores, folder, how, {}, progress, report, dated=dated)
    return test_run(stores, summary, how, progress=progress)


def test_run(stores: Locations, summary: TrainSummary, how: TrainOptions, *, progress: Progress) -> HeldOutSummary:
    """Test a run that was trained on the records that it held out; see `train_and_test`."""
    folder = summary.folder
    runs = {folder.name: summary}
    if summary.interrupted or not find_ranks().writes:
        return HeldOutSummary(folder=folder, runs=runs, interrupted=summary.interrupted)
    held_out = predict_held_out(open_stores(stores), folder, plugins=how.named, cuda=how.cuda, progress=progress)
    _warn_of_pretrained(how.pretrained or folder, [held_out])
    found = evaluate(stores, folder, folder / TEST_SCORES, json_path=folder / TEST_SCORES_JSON, progress=progress)
    return HeldOutSummary(folder=folder, runs=runs, decided_by="the run's own rule", evaluation=found)


test_run.__test__ = False  # type: ignore[attr-defined]  # for pytest: no test, in spite of its name


def cross_validate(
    stores: Locations,
    folder: Path | None,
    how: TrainOptions,
    *,
    folds: int | None = None,
    leave_out: str = ALL,
    dated: bool = False,
    progress: Progress = silent,
    report: Callable[[Mapping[str, float]], None] = lambda row: None,
    say: Callable[[str], None] = lambda text: None,
) -> HeldOutSummary:
    """Train once for each fold, or for each dataset that has labels of the task, and judge all held-out records.

    Parameters
    ----------
    folder : for the run folders, and for what comes of all: predictions/, scores.csv, scores-classes.csv,
        scores-held-out.csv (a line for each part), …, scores.json, and thresholds.json for the models as an ensemble;
        None makes a dated one in the current directory
    dated : make a dated folder inside `folder`
    folds : how many; None leaves out each dataset, or each value of another column, in turn
    leave_out : "all" datasets; or COLUMN:all, each value that a column of the store has for labelled records
    report : called with each epoch's row of each history
    say : called with a line before each part

    Raises
    ------
    ConfigError
        If there are too few groups for so many folds, or less than two datasets or values; or if torchrun started
        several processes, which can share one run but not the order of several.
    RunFolderError
        If `folder` holds a cross-validation of another kind, another process is at work in it, or it cannot be written.
    """
    n_processes = find_ranks().world_size
    if n_processes > 1:
        raise ConfigError(
            f"{n_processes} processes; expected one for a cross-validation: leave out torchrun, or give it one part at "
            "a time (--fold 0, --fold 1, …)"
        )
    store = open_stores(stores)
    if folder is None or dated:
        folder = new_folder(folder or Path.cwd(), datetime.datetime.now())
    task = task_of_codes(store, choose_task(folder, how.options.get("task")), how.options, how.preset)
    parts = plan_parts(store, folds, task, leave_out)
    with run_lock(folder, "train"):
        return _cross_validate(stores, store, folder, how, task, parts, folds, progress, report, say)


def _cross_validate(
    stores: Locations,
    store: Store,
    folder: Path,
    how: TrainOptions,
    task: Task,
    parts: Mapping[str, dict[str, Any]],
    folds: int | None,
    progress: Progress,
    report: Callable[[Mapping[str, float]], None],
    say: Callable[[str], None],
) -> HeldOutSummary:
    _begin(folder, parts, folds, task)
    if task.name != CHALLENGE_2020:
        how = replace(how, options={**how.options, "task": str(folder / TASK)})
    if how.pretrained is None and (folder / PRETRAIN_MODEL).is_file():
        how = replace(how, pretrained=folder)
    runs: dict[str, TrainSummary] = {}
    held_out: list[HeldOut] = []
    for number, (name, options) in enumerate(parts.items(), start=1):
        say(f"{name} ({number} of {len(parts)})")
        runs[name] = _train(stores, folder / name, how, options, progress, report)
        if runs[name].interrupted:
            return HeldOutSummary(folder=folder, runs=runs, interrupted=True)
        held_out.append(predict_held_out(store, folder / name, plugins=how.named, cuda=how.cuda, progress=progress))
    _warn_of_pretrained(how.pretrained or folder, held_out)
    row_of = {str(name): row for row, name in enumerate(store.ids)}
    truth = HeldOutTruth(task=task, found=labels_of(store, task), row_of=row_of)
    n_valid = min(summary.n_valid for summary in runs.values())
    decided_by = pool(held_out, truth, folder, across=folds is not None or n_valid == 0)
    done = HeldOutSummary(folder=folder, runs=runs, decided_by=decided_by)
    write_cross_validation(
        folder, _describe(parts, folds, task) | {"decided_by": decided_by, "seconds_of_training": done.seconds}
    )
    found = evaluate(stores, folder, folder / SCORES, json_path=folder / SCORES_JSON, progress=progress)
    return replace(done, evaluation=found)


def plan_parts(store: Store, folds: int | None, task: Task, leave_out: str = ALL) -> dict[str, dict[str, Any]]:
    """Name of each part → the options that make it: all folds, or each dataset, or value of a column, with labels."""
    if folds is not None:
        if folds < 2:
            raise ConfigError(f"folds is {folds}; expected at least 2")
        return {f"fold-{fold}": {"folds": folds, "fold": fold} for fold in range(folds)}
    found = labels_of(store, task)
    labelled = found.labelled & (found.matrix.any(axis=1) if found.number is None else np.isfinite(found.number))
    column = leave_out.removesuffix(f":{ALL}") if leave_out != ALL else "dataset"
    values = left_out(store, f"{column}:")[0][labelled].astype(str)
    values_there = sorted(set(values) - {""})
    if len(values_there) < 2:
        raise ConfigError(
            f"{store.path}: {len(values_there)} {column} with scored labels ({', '.join(values_there) or 'none'}); "
            "expected at least two to leave one out"
        )
    n_without = int((values == "").sum())
    if n_without:
        logger.warning("%d of %d labelled records have no %s and are never left out", n_without, len(values), column)
    of_dataset = column == "dataset"
    parts = {
        f"leave-out-{'' if of_dataset else f'{column}-'}{name}".replace("/", "-").replace(":", "-"): {
            "leave_out": name if of_dataset else f"{column}:{name}"
        }
        for name in values_there
    }
    if len(parts) < len(values_there):
        raise ConfigError(f"{store.path}: two of {column} {', '.join(values_there)} make the same name of a folder")
    return parts


def new_folder(parent: Path, now: datetime.datetime) -> Path:
    """The name of a new cross-validation: crossvalidation_YYYY-MM-DD_HH_MM_SS_MMMMMM."""
    return parent / now.strftime("crossvalidation_%Y-%m-%d_%H_%M_%S_%f")


def _describe(parts: Mapping[str, Any], folds: int | None, task: Task) -> dict[str, Any]:
    what = {"kind": "leave-out" if folds is None else "folds", "folds": folds, "parts": list(parts)}
    return what if task.name == CHALLENGE_2020 else what | {"task": task.name}


def _begin(folder: Path, parts: Mapping[str, Any], folds: int | None, task: Task) -> None:
    """Say what the folder is, unless it says so already."""
    expected = _describe(parts, folds, task)
    if (folder / CROSS_VALIDATION).is_file():
        found = read_cross_validation(folder)
        own = task_of_folder(folder)
        if format_task(own) != format_task(task):
            raise RunFolderError(
                f"{folder}: holds a cross-validation of task {own.name}; asked for is {task.name}, which is another: "
                "leave --task out to continue it, or choose another --folder"
            )
        if any(found.get(key) != value for key, value in expected.items()):
            raise RunFolderError(
                f"{folder}: holds a cross-validation over {', '.join(found['parts'])}; asked for is one over "
                f"{', '.join(parts)}: choose another --folder"
            )
        return
    if task.name != CHALLENGE_2020:
        folder.mkdir(parents=True, exist_ok=True)
        write_text_atomically(folder / TASK, format_task(task))
    write_cross_validation(folder, expected)


def _warn_of_pretrained(pretrained: Path, held_out: Sequence[HeldOut]) -> None:
    """Say how many of the tested records a stage has seen, which flatters it a little."""
    path = pretrained / PRETRAIN_TRAIN_IDS
    if path.is_file():
        seen = set(read_ids(path))
        n_seen = sum(one.record_name in seen for part in held_out for one in part.predictions)
        if n_seen:
            logger.warning("the stage was pretrained on %d of the held-out records, without their labels", n_seen)


def _train(
    stores: Locations,
    folder: Path | None,
    how: TrainOptions,
    options: Mapping[str, Any],
    progress: Progress,
    report: Callable[[Mapping[str, float]], None],
    *,
    dated: bool = False,
) -> TrainSummary:
    return train(
        stores,
        folder=folder,
        dated=dated,
        preset=how.preset,
        options={**how.options, **options},
        model_options=how.model_options,
        pretrained=how.pretrained,
        plugins=how.plugins,
        cuda=how.cuda,
        progress=progress,
        report=report,
    )
