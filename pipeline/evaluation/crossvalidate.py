"""Training several times, each time with other records held out, and judging what was said of all of them together.

Parts are run folders side by side in one folder: fold-0, fold-1, … or leave-out-cpsc, leave-out-georgia, …. Each goes
on where it was interrupted; the same command, given again, does what is missing.
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
from ecg12.ecg.errors import ConfigError, RunFolderError
from ecg12.ecg.plugin_names import is_plugin_name
from ecg12.pipeline.compute.ranks import find_ranks
from ecg12.pipeline.evaluation.evaluate import evaluate
from ecg12.pipeline.evaluation.held_out_testing import HeldOut, pool, predict_held_out
from ecg12.pipeline.evaluation.result import EvaluateSummary
from ecg12.pipeline.runs.prediction_folders import CROSS_VALIDATION, read_cross_validation, write_cross_validation
from ecg12.pipeline.runs.reference_folder import PRETRAIN_MODEL
from ecg12.pipeline.runs.run_folder import PRETRAIN_TRAIN_IDS, read_ids
from ecg12.pipeline.runs.run_lock import run_lock
from ecg12.pipeline.runs.run_plugins import names_in
from ecg12.pipeline.runtime.progress import Progress, silent
from ecg12.pipeline.training.configure import spell
from ecg12.pipeline.training.train import TrainSummary, train

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
    """Train one run that holds records out (`folds` and `fold`, or `leave_out` among its options), and test it on them.

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
    folder = summary.folder
    runs = {folder.name: summary}
    if summary.interrupted or not find_ranks().writes:
        return HeldOutSummary(folder=folder, runs=runs, interrupted=summary.interrupted)
    held_out = predict_held_out(open_stores(stores), folder, plugins=how.named, cuda=how.cuda, progress=progress)
    _warn_of_pretrained(how.pretrained or folder, [held_out])
    found = evaluate(stores, folder, folder / TEST_SCORES, json_path=folder / TEST_SCORES_JSON, progress=progress)
    return HeldOutSummary(folder=folder, runs=runs, decided_by="the run's own rule", evaluation=found)


def cross_validate(
    stores: Locations,
    folder: Path | None,
    how: TrainOptions,
    *,
    folds: int | None = None,
    dated: bool = False,
    progress: Progress = silent,
    report: Callable[[Mapping[str, float]], None] = lambda row: None,
    say: Callable[[str], None] = lambda text: None,
) -> HeldOutSummary:
    """Train once for each fold, or for each dataset that has scored labels, and judge all held-out records together.

    Parameters
    ----------
    folder : for the run folders, and for what comes of all: predictions/, scores.csv, scores-classes.csv,
        scores-held-out.csv (a line for each part), …, scores.json, and thresholds.json for the models as an ensemble;
        None makes a dated one in the current directory
    dated : make a dated folder inside `folder`
    folds : how many; None leaves out each dataset in turn
    report : called with each epoch's row of each history
    say : called with a line before each part

    Raises
    ------
    ConfigError
        If there are too few groups for so many folds, or less than two datasets; or if torchrun started several
        processes, which can share one run but not the order of several.
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
    parts = plan_parts(store, folds)
    if folder is None or dated:
        folder = new_folder(folder or Path.cwd(), datetime.datetime.now())
    with run_lock(folder, "train"):
        return _cross_validate(stores, store, folder, how, parts, folds, progress, report, say)


def _cross_validate(
    stores: Locations,
    store: Store,
    folder: Path,
    how: TrainOptions,
    parts: Mapping[str, dict[str, Any]],
    folds: int | None,
    progress: Progress,
    report: Callable[[Mapping[str, float]], None],
    say: Callable[[str], None],
) -> HeldOutSummary:
    _begin(folder, parts, folds)
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
    labels = store.column("label/scored")
    truth = {str(name): labels[row] for row, name in enumerate(store.ids)}
    n_valid = min(summary.n_valid for summary in runs.values())
    decided_by = pool(held_out, truth, folder, across=folds is not None or n_valid == 0)
    done = HeldOutSummary(folder=folder, runs=runs, decided_by=decided_by)
    write_cross_validation(
        folder, _describe(parts, folds) | {"decided_by": decided_by, "seconds_of_training": done.seconds}
    )
    found = evaluate(stores, folder, folder / SCORES, json_path=folder / SCORES_JSON, progress=progress)
    return replace(done, evaluation=found)


def plan_parts(store: Store, folds: int | None) -> dict[str, dict[str, Any]]:
    """Name of each part → the options that make it: all folds, or each dataset with scored labels."""
    if folds is not None:
        if folds < 2:
            raise ConfigError(f"folds is {folds}; expected at least 2")
        return {f"fold-{fold}": {"folds": folds, "fold": fold} for fold in range(folds)}
    labelled = store.column("label/annotated").astype(bool) & store.column("label/scored").any(axis=1)
    datasets = np.unique(store.datasets[labelled].astype(str)).tolist()
    if len(datasets) < 2:
        raise ConfigError(
            f"{store.path}: {len(datasets)} dataset with scored labels ({', '.join(datasets) or 'none'}); expected at "
            "least two to leave one out"
        )
    return {f"leave-out-{name.replace('/', '-')}": {"leave_out": name} for name in datasets}


def new_folder(parent: Path, now: datetime.datetime) -> Path:
    """The name of a new cross-validation: crossvalidation_YYYY-MM-DD_HH_MM_SS_MMMMMM."""
    return parent / now.strftime("crossvalidation_%Y-%m-%d_%H_%M_%S_%f")


def _describe(parts: Mapping[str, Any], folds: int | None) -> dict[str, Any]:
    return {"kind": "leave-out" if folds is None else "folds", "folds": folds, "parts": list(parts)}


def _begin(folder: Path, parts: Mapping[str, Any], folds: int | None) -> None:
    """Say what the folder is, unless it says so already."""
    expected = _describe(parts, folds)
    if (folder / CROSS_VALIDATION).is_file():
        found = read_cross_validation(folder)
        if any(found.get(key) != value for key, value in expected.items()):
            raise RunFolderError(
                f"{folder}: holds a cross-validation over {', '.join(found['parts'])}; asked for is one over "
                f"{', '.join(parts)}: choose another --folder"
            )
        return
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
