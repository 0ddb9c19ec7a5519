"""Pretraining on every record of a store, labelled or not, and the folder it leaves.

The folder is the reference system's: `pretrain_config.json pretrain_model.pth` (the best by validation loss)
`pretrain_history.csv pretrain_train_ids.txt pretrain_valid_ids.txt pretrain_final_model.pth`, and beside them
`pretrain_last_state.pth`, from which an interrupted pretraining goes on, and `pretrain_environment.json`. `train` takes
its stage from there.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ecg12.cache.reader import Store
from ecg12.cache.several_stores import Locations
from ecg12.ecg.errors import ConfigError, RunFolderError, TrainingError
from ecg12.ecg.models.pretraining_objectives import Objective, make_objective
from ecg12.ecg.models.stages import build_pretraining_net
from ecg12.ecg.signals.window import WindowConfig
from ecg12.pipeline.compute.ranks import ALONE, Ranks
from ecg12.pipeline.loading.record_batches import RecordBatches
from ecg12.pipeline.loading.window_batches import WindowBatches
from ecg12.pipeline.pretraining.configure import LAST_STATE, configure_pretraining
from ecg12.pipeline.pretraining.step import PretrainStep, compute_valid_loss
from ecg12.pipeline.runs import run_folder as files
from ecg12.pipeline.runs.pretrain_config import PretrainConfig
from ecg12.pipeline.runs.reference_folder import PRETRAIN_CONFIG, PRETRAIN_MODEL
from ecg12.pipeline.runs.safe_writing import to_json, write_together
from ecg12.pipeline.runtime.allocator import keep_freed_memory
from ecg12.pipeline.runtime.progress import Progress, silent
from ecg12.pipeline.training.loader_options import settle_residency, shared_options
from ecg12.pipeline.training.loop import TrainState, run_epochs, train_pass
from ecg12.pipeline.training.open_run import Opened, describe_opened, opened
from ecg12.pipeline.training.optimise import make_optimizer, schedule_of
from ecg12.pipeline.training.parameter_groups import group_parameters
from ecg12.pipeline.training.precision_timing import settle_pretraining
from ecg12.pipeline.training.resume import keep_epoch, resume, settle_in
from ecg12.pipeline.training.split import split_by_group
from ecg12.pipeline.training.train_rows import Rows, rows_of, take_some

FINAL_MODEL, HISTORY, ENVIRONMENT = "pretrain_final_model.pth", "pretrain_history.csv", "pretrain_environment.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class PretrainSummary:
    """What a pretraining did; `history` has a row for each epoch, `best_epoch` counts from 0."""

    folder: Path
    pretrain_model: str
    n_parameters: int
    n_train: int
    n_valid: int
    residency: str
    history: tuple[Mapping[str, float], ...]
    best_epoch: int
    interrupted: bool


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Run:
    """What stays the same from epoch to epoch; `seconds_of_a_step` of those that were timed."""

    folder: Path
    store: Store
    config: PretrainConfig
    rows: Rows
    objective: Objective
    batches: WindowBatches
    valid_batches: WindowBatches
    device: torch.device
    ranks: Ranks = ALONE
    seconds_of_a_step: Mapping[str, float] = field(default_factory=dict)


def pretrain(
    stores: Locations,
    *,
    folder: Path | None = None,
    dated: bool = False,
    options: Mapping[str, Any] | None = None,
    cuda: bool = False,
    progress: Progress = silent,
    report: Callable[[Mapping[str, float]], None] = lambda row: None,
) -> PretrainSummary:
    """Pretrain on every record of a store, or go on where the pretraining in `folder` stopped.

    Under torchrun each of its processes calls this; they train one net together, and rank 0 alone writes and reports.

    Parameters
    ----------
    stores : a store, or several that are read as one
    folder : the run folder; None makes a dated one in the current directory. One that holds an unfinished
        pretraining gives its configuration and state; `options` then may only change the number of epochs. Id files
        in it fix the split
    dated : make a dated folder inside `folder`
    options : fields of `PretrainConfig`, its `StageConfig` and its `ObjectiveConfig` that differ from the defaults
    report : called with each epoch's row of the history

    Returns
    -------
    PretrainSummary; after Ctrl-C the one of the epochs that were finished, with `interrupted`

    Raises
    ------
    StoreError
        If a store cannot be read.
    ConfigError
        If the options make no sense, or windows do not suit the net.
    RunFolderError
        If `folder` holds a pretraining that cannot be continued this way, another process is training in it, or it
        cannot be written.
    TrainingError
        If the loss is not a number any more.
    """
    keep_freed_memory()
    with opened(stores, folder, "pretrain", dated=dated, cuda=cuda) as place:
        folder, ranks = place.folder, place.ranks
        run = _prepare(place, configure_pretraining(folder, place.store, options or {}))
        state, step = _begin_or_resume(run)
        interrupted = run_epochs(
            state,
            run.config.epochs,
            lambda epoch: _run_epoch(run, state, step, epoch, progress if ranks.writes else silent),
            lambda row: _keep(run, state, row),
            report if ranks.writes else lambda row: None,
        )
    if not state.history:
        raise TrainingError(f"{folder}: stopped before the first epoch was over; start again")
    return PretrainSummary(
        folder=folder,
        pretrain_model=run.config.stage.pretrain_model,
        n_parameters=sum(values.numel() for values in state.network.parameters()),
        n_train=len(run.rows.train),
        n_valid=len(run.rows.valid),
        residency=run.config.residency,
        history=tuple(state.history),
        best_epoch=state.best_epoch,
        interrupted=interrupted,
    )


def _prepare(place: Opened, config: PretrainConfig) -> Run:
    """All that stays the same from epoch to epoch; touches nothing on the disk."""
    folder, store, device, ranks = place.folder, place.store, place.device, place.ranks
    objective = make_objective(
        config.stage, config.objective, n_leads=len(config.leads), window_length=config.window_length
    )
    rows = choose_pretraining_rows(store, folder, config)
    config, seconds_of_a_step = ranks.share(settle_pretraining(config, objective, device))
    config, batches, valid_batches = _make_loaders(store, config, rows, objective, device, ranks)
    return Run(
        folder=folder,
        store=store,
        config=config,
        rows=rows,
        objective=objective,
        batches=batches,
        valid_batches=valid_batches,
        device=device,
        ranks=ranks,
        seconds_of_a_step=seconds_of_a_step,
    )


def choose_pretraining_rows(store: Store, folder: Path, config: PretrainConfig) -> Rows:
    """Those that the folder's id files name, or a split of all records by their groups.

    Raises
    ------
    ConfigError
        If the split is impossible.
    RunFolderError
        If one of two id files is missing, or a record is in both.
    StoreError
        If an id is of no record of the store.
    """
    paths = [folder / files.PRETRAIN_TRAIN_IDS, folder / files.PRETRAIN_VALID_IDS]
    there = [path.name for path in paths if path.exists()]
    if len(there) == 1:
        raise RunFolderError(f"{folder}: {there[0]} stands alone; expected both id files or none: add or remove one")
    if there:
        train, valid = (rows_of(store, path) for path in paths)
        return Rows(train=train, valid=valid)
    rows = take_some(store, np.arange(store.n_records), config.n_total, seed=config.seed)
    held: NDArray[np.bool_] = split_by_group(
        store.column("record/group")[rows], seed=config.seed, valid_split=config.valid_split
    )
    return Rows(train=rows[~held], valid=rows[held])


def _make_loaders(
    store: Store, config: PretrainConfig, rows: Rows, objective: Objective, device: torch.device, ranks: Ranks
) -> tuple[PretrainConfig, WindowBatches, WindowBatches]:
    """The configuration with the residency chosen, and the windows to train and to validate on."""
    if not len(rows.train):
        raise ConfigError(f"{store.path}: no record to train on; expected some in {files.PRETRAIN_TRAIN_IDS}")
    windows = WindowConfig(window_length=config.window_length)
    config = settle_residency(config, store, rows, windows, device, ranks)
    kind = RecordBatches if objective.remembers else WindowBatches
    options = shared_options(config, store, device, ranks) | {
        "batch_size": config.batch_size,
        "max_windows_per_record": config.max_windows_per_record,
    }
    train = kind(store, rows.train, windows, seed=config.seed, **options)
    return config, train, kind(store, rows.valid, windows, **options)


def _begin_or_resume(run: Run) -> tuple[TrainState, PretrainStep]:
    """State and step of a new pretraining, whose folder is made, or those of the one that the folder holds."""
    config = run.config
    torch.manual_seed(config.seed)
    network = build_pretraining_net(config.stage, len(config.leads), config.window_length).to(run.device)
    optimizer = make_optimizer(
        group_parameters(network, lr=config.lr),
        name=config.optimizer,
        lr=config.lr,
        weight_decay=config.weight_decay,
    )
    step = PretrainStep(network, run.objective, optimizer, config, run.device, ranks=run.ranks)
    state = TrainState(network=network, optimizer=optimizer, kept=network, extras={"autocast": step.autocast})
    begun = resume(state, run.folder / LAST_STATE, run.folder / HISTORY, "pretrain")
    if config.compile:
        network.compile()
    settle_in(
        run.folder / HISTORY,
        state,
        run.ranks,
        begun=begun,
        write_beginning=lambda: _write_beginning(run),
        write_epoch=lambda: _write_epoch(run, state),
    )
    return state, step


def _write_beginning(run: Run) -> None:
    """Write all that is known before the first epoch; all of it or nothing."""
    digest, ids = run.store.attributes["digest"], run.store.ids
    environment = describe_opened(run.store, run.device, run.ranks, run.seconds_of_a_step)
    texts = {
        PRETRAIN_CONFIG: to_json(run.config.to_file() | {"store_digest": digest}),
        files.PRETRAIN_TRAIN_IDS: files.format_ids(ids[run.rows.train]),
        files.PRETRAIN_VALID_IDS: files.format_ids(ids[run.rows.valid]),
        ENVIRONMENT: to_json(environment),
    }
    write_together(run.folder, texts)


def _run_epoch(run: Run, state: TrainState, step: PretrainStep, epoch: int, progress: Progress) -> dict[str, Any]:
    config = run.config
    schedule = schedule_of(config)
    figures = train_pass(step, state.optimizer, schedule, run.batches, epoch=epoch, seed=config.seed, progress=progress)
    batches = run.valid_batches if len(run.rows.valid) else ()
    valid_loss = compute_valid_loss(state.kept, run.objective, batches, config, run.device, run.ranks)
    return figures | {"valid_loss": valid_loss}


def _keep(run: Run, state: TrainState, row: Mapping[str, Any]) -> None:
    keep_epoch(
        run.folder / LAST_STATE,
        state,
        row,
        -row["valid_loss"],
        run.ranks,
        outcome=lambda is_best: {} if is_best else None,
        write_epoch=lambda: _write_epoch(run, state),
    )


def _write_epoch(run: Run, state: TrainState) -> None:
    """Write what else is written of the last epoch, all of it from the last state; the table of epochs comes last."""
    folder = run.folder
    weights = {"model": state.kept.state_dict(), "optimizer": state.optimizer.state_dict()}
    if state.outcome is not None:
        files.save_checkpoint(folder / PRETRAIN_MODEL, {"epoch": state.next_epoch - 1} | weights)
    files.save_checkpoint(folder / FINAL_MODEL, weights)
    files.write_history(folder / HISTORY, state.history)
