"""Training a classifier on a store's labelled records, and the run folder it leaves."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from ecg12.cache.several_stores import Locations
from ecg12.ecg.errors import TrainingError
from ecg12.pipeline.loading.batch import Batch
from ecg12.pipeline.plugins.consent import consent_to
from ecg12.pipeline.runs import run_folder as files
from ecg12.pipeline.runs.run_plugins import names_in
from ecg12.pipeline.runs.run_rule import decides_by_thresholds
from ecg12.pipeline.runtime.allocator import keep_features
from ecg12.pipeline.runtime.progress import Progress, silent
from ecg12.pipeline.training.begin_run import Run, begin_or_resume, prepare_run, write_epoch
from ecg12.pipeline.training.configure import configure
from ecg12.pipeline.training.epoch import TrainStep
from ecg12.pipeline.training.event_file import EventFile
from ecg12.pipeline.training.frozen_features import KeptWindows
from ecg12.pipeline.training.loop import TrainState, run_epochs, train_pass
from ecg12.pipeline.training.open_run import opened
from ecg12.pipeline.training.optimise import schedule_of
from ecg12.pipeline.training.resume import keep_epoch
from ecg12.pipeline.training.run_task import choose_task, score_of, select_figure, task_of_codes
from ecg12.pipeline.training.train_rows import Rows, choose_rows, describe_split
from ecg12.pipeline.training.validation import Judged, no_judgement, rule_of, validate


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainSummary:
    """What a training did; `history` has a row for each epoch, `best_epoch` counts from 0.

    `split` says who dealt its records, "" for chance; `residency` is where its windows were, never "auto"; `figure` is
    what the best epoch was chosen by.
    """

    folder: Path
    n_train: int
    n_valid: int
    n_test: int
    split: str
    residency: str
    task: str
    figure: str
    history: tuple[Mapping[str, float], ...]
    best_epoch: int
    interrupted: bool


def train(
    stores: Locations,
    *,
    folder: Path | None = None,
    dated: bool = False,
    preset: str | None = None,
    options: Mapping[str, Any] | None = None,
    model_options: Mapping[str, Any] | None = None,
    rows: Rows | None = None,
    pretrained: Path | None = None,
    plugins: Sequence[str] = (),
    cuda: bool = False,
    tensorboard: bool = False,
    progress: Progress = silent,
    report: Callable[[Mapping[str, float]], None] = lambda row: None,
) -> TrainSummary:
    """Train on the labelled records of a store, or go on where the run in `folder` stopped.

    Under torchrun each of its processes calls this; they train one network together, and rank 0 alone writes and
    reports.

    Parameters
    ----------
    stores : a store, or several that are read as one, in any order
    folder : the run folder; None makes a dated one in the current directory. One that holds an unfinished run
        gives its configuration and state; `options` then may only raise the number of epochs. One that holds a
        pretrained stage gives that, and its ids.
    dated : make a dated folder inside `folder`
    preset : see `pipeline.runs.presets`
    options, model_options : fields of `TrainConfig` and `ModelConfig` that differ from the defaults
    rows : what to train and to validate on; None chooses as `pipeline.training.train_rows` does
    pretrained : the folder of a pretraining that gives a new run its stage and ids, where that is not `folder`
    plugins : modules, or import paths, of code from outside that a run in `folder` may be gone on with; what `options`
        and `model_options` name is named by that, see `pipeline.plugins.consent`
    tensorboard : write the history as an event file, too, see `pipeline.training.event_file`
    report : called with each epoch's row of the history

    Returns
    -------
    TrainSummary; after Ctrl-C the one of the epochs that were finished, with `interrupted`

    Raises
    ------
    StoreError
        If a store cannot be read, or two hold the same record.
    ConfigError
        If the options make no sense, the stores do not go together, or there is nothing to train on.
    RunFolderError
        If `folder` holds a run that cannot be continued this way, another process is training in it, or it cannot be
        written.
    PluginError
        If code from outside was not named, is not there, or does not do what it should.
    TrainingError
        If the loss is not a number any more.
    """
    keep_features()
    consent = consent_to(plugins, names_in(options or {}, model_options or {}))
    with opened(stores, folder, "train", dated=dated, cuda=cuda) as place:
        folder, store, ranks = place.folder, place.store, place.ranks
        task = task_of_codes(store, choose_task(folder, (options or {}).get("task")), options or {}, preset)
        how: dict[str, Any] = {"preset": preset, "pretrained": pretrained}
        config = configure(folder, store, options or {}, model_options or {}, task=task, **how)
        split = "" if rows is not None else describe_split(store, folder, config, task)
        rows = rows or choose_rows(store, folder, config, task, pretrained)
        run = prepare_run(folder, store, task, config, rows, place.device, ranks, consent)
        run = replace(run, pretrained=pretrained or folder)
        state, step = begin_or_resume(run)
        epochs = Epochs(run, state, step, progress if ranks.writes else silent)
        tell = reporter(run, report, tensorboard=tensorboard)
        interrupted = run_epochs(state, run.config.epochs, epochs.run_one, epochs.keep, tell)
    if not state.history:
        raise TrainingError(f"{folder}: stopped before the first epoch was over; start again")
    return TrainSummary(
        folder=folder,
        n_train=len(run.rows.train),
        n_valid=len(run.rows.valid),
        n_test=len(run.rows.test),
        split=split,
        task=task.name,
        figure=epochs.figure,
        residency=run.config.residency,
        history=tuple(state.history),
        best_epoch=state.best_epoch,
        interrupted=interrupted,
    )


Report = Callable[[Mapping[str, float]], None]


def reporter(run: Run, report: Report, *, tensorboard: bool) -> Report:
    """What is told of each epoch: everything by rank 0, nothing by the others."""
    if not run.ranks.writes:
        return lambda row: None
    if not tensorboard:
        return report
    events = EventFile(run.folder, time.time())

    def tell(row: Mapping[str, float]) -> None:
        events.add(row, time.time())
        report(row)

    return tell


class Epochs:
    """What is done in each epoch, and what is kept of it."""

    def __init__(self, run: Run, state: TrainState, step: TrainStep, progress: Progress) -> None:
        self.run, self.state, self.step, self.progress = run, state, step, progress
        config = run.config
        self.schedule = schedule_of(config)
        self.judged = no_judgement(run.targets)
        self.figure = select_figure(config, run.targets, run.rows.valid)
        rows = np.concatenate([run.rows.train, run.rows.valid])
        windows = KeptWindows(store=run.store, rows=rows, config=config, device=run.device, ranks=run.ranks)
        self.step.known = windows.compute(step.network, progress)
        run.batches.with_samples = run.valid_batches.with_samples = self.step.known is None

    def run_one(self, epoch: int) -> dict[str, Any]:
        """A pass over the training windows, and the judgement of the network that is kept."""
        self.step.epoch = epoch
        figures = train_pass(
            self.step,
            self.state.optimizer,
            self.schedule,
            self.run.batches,
            epoch=epoch,
            seed=self.run.config.seed,
            progress=self.progress,
        )
        self.judged = validate_run(self.run, self.state.kept, self.step.known)
        return figures | self.judged.figures

    def keep(self, row: Mapping[str, Any]) -> None:
        """Write an epoch's results."""
        run = self.run
        keep_epoch(
            run.folder / files.LAST_STATE,
            self.state,
            row,
            score_of(self.figure, row),
            run.ranks,
            outcome=lambda is_best: self._outcome() if is_best or run.config.save_last else None,
            write_epoch=lambda: write_epoch(run, self.state),
        )

    def _outcome(self) -> dict[str, Any]:
        config, judged = self.run.config, self.judged
        thresholds = dict(zip(self.run.targets.classes, map(float, judged.thresholds), strict=True))
        logits = judged.logits if config.save_logits else None
        return {
            "thresholds": thresholds if decides_by_thresholds(config, self.run.targets.task) else None,
            "logits": None if logits is None else [logits.logits, logits.record, logits.number],
        }


def validate_run(run: Run, network: nn.Module, known: Callable[[Batch], Tensor] | None = None) -> Judged:
    """Judge a network on the run's validation records; for `known` see `pipeline.compute.window_logits`."""
    if not len(run.valid_batches):
        return no_judgement(run.targets)
    targets = run.targets
    return validate(
        network,
        run.valid_batches,
        run.store,
        targets,
        rule_of(run.folder, run.config, targets),
        run.output_layer,
        normalisation=run.config.model.normalisation,
        device=run.device,
        ranks=run.ranks,
        known=known,
    )
