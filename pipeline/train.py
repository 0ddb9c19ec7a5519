"""Training a classifier on a store's labelled records, and the run folder it leaves."""

import datetime
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.optim.lr_scheduler import LambdaLR

from cache.decode import ChunkReader
from cache.reader import Store
from ecg.errors import ConfigError, TrainingError
from ecg.models.build import build_model
from ecg.snomed import SCORED_CLASSES
from ecg.window import WindowConfig
from pipeline import run_folder as files
from pipeline.allocator import keep_freed_memory
from pipeline.batches import WindowBatches
from pipeline.device import choose_device
from pipeline.epoch import TrainState, compute_learning_rate, train_epoch, validate
from pipeline.progress import Progress, silent
from pipeline.split import split_by_group
from pipeline.train_config import TrainConfig, configure


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainSummary:
    """What a training did; `history` has a row for each epoch, `best_epoch` counts from 0.

    `residency` is where its windows were, never "auto".
    """

    folder: Path
    n_train: int
    n_valid: int
    residency: str
    history: tuple[Mapping[str, float], ...]
    best_epoch: int
    interrupted: bool


def train(
    store_path: Path,
    *,
    folder: Path | None = None,
    options: Mapping[str, Any] | None = None,
    model_options: Mapping[str, Any] | None = None,
    cuda: bool = False,
    progress: Progress = silent,
    report: Callable[[Mapping[str, float]], None] = lambda row: None,
) -> TrainSummary:
    """Train on the labelled records of a store, or go on where the run in `folder` stopped.

    Parameters
    ----------
    folder : the run folder; None makes a dated one in the current directory. One that holds an unfinished run
        gives its configuration and state; `options` then may only raise the number of epochs.
    options, model_options : fields of `TrainConfig` and `ModelConfig` that differ from the defaults
    report : called with each epoch's row of the history

    Returns
    -------
    TrainSummary; after Ctrl-C the one of the epochs that were finished, with `interrupted`

    Raises
    ------
    StoreError
        If the store cannot be read.
    ConfigError
        If the options make no sense, or there is nothing to train on.
    RunFolderError
        If `folder` holds a run that cannot be continued this way.
    TrainingError
        If the loss is not a number any more.
    """
    keep_freed_memory()
    store = Store(store_path)
    device = choose_device(cuda=cuda)
    folder = folder or files.new_run_folder(Path.cwd(), datetime.datetime.now())
    config = configure(folder, store, dict(options or {}), dict(model_options or {}))
    train_rows, valid_rows = _split(store, folder, config)
    config, batches, valid_batches = _make_loaders(store, config, train_rows, valid_rows, device)
    folder.mkdir(parents=True, exist_ok=True)
    state = _begin_or_resume(folder, store, config, train_rows, valid_rows, len(batches), device)
    interrupted = False
    try:
        for epoch in range(state.next_epoch, config.epochs):
            begun = time.perf_counter()
            row = {"epoch": epoch} | train_epoch(state, epoch, config, batches, device, progress)
            figures, thresholds = validate(state, store, config, valid_batches, device)
            row |= figures | {"seconds": round(time.perf_counter() - begun, 3)}
            _keep(folder, state, row, thresholds)
            report(row)
    except KeyboardInterrupt:
        interrupted = True
    if not state.history:
        raise TrainingError(f"{folder}: stopped before the first epoch was over; start again")
    return TrainSummary(
        folder=folder,
        n_train=len(train_rows),
        n_valid=len(valid_rows),
        residency=config.residency,
        history=tuple(state.history),
        best_epoch=state.best_epoch,
        interrupted=interrupted,
    )


def _split(store: Store, folder: Path, config: TrainConfig) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows to train and to validate on: those the folder's id files name, or a new split."""
    annotated = np.flatnonzero(store.column("label/annotated"))
    if not len(annotated):
        raise ConfigError(f"{store.path}: none of its {store.n_records} records has a label; expected labelled records")
    if (folder / files.TRAIN_IDS).exists() and (folder / files.VALID_IDS).exists():
        train_rows, valid_rows = (
            np.array(sorted(store.index_of(name) for name in files.read_ids(folder / ids)), np.int64)
            for ids in (files.TRAIN_IDS, files.VALID_IDS)
        )
        return train_rows, valid_rows
    groups = store.column("record/group")[annotated]
    valid = split_by_group(groups, seed=config.seed, valid_split=config.valid_split)
    return annotated[~valid], annotated[valid]


def _make_loaders(
    store: Store,
    config: TrainConfig,
    train_rows: NDArray[np.int64],
    valid_rows: NDArray[np.int64],
    device: torch.device,
) -> tuple[TrainConfig, WindowBatches, WindowBatches]:
    """The configuration with the residency chosen, and the windows to train and to validate on."""
    windows = WindowConfig(window_length=config.model.window_length)
    options: dict[str, Any] = {
        "device": device,
        "labels": store.column("label/scored").astype(np.float32),
        "reader": ChunkReader(store, check=config.check),  # both look into the same chunks: each is checked once
    }
    if config.residency == "auto":
        # by the size of both: train and validation windows are held together
        both = np.concatenate([train_rows, valid_rows])
        probe = WindowBatches(store, both, windows, batch_size=1, residency="auto", device=device)
        config = replace(config, residency=probe.residency)
    options["residency"] = config.residency
    batches = WindowBatches(
        store,
        train_rows,
        windows,
        batch_size=config.batch_size,
        seed=config.seed,
        max_windows_per_record=config.max_windows_per_record,
        **options,
    )
    return config, batches, WindowBatches(store, valid_rows, windows, batch_size=config.valid_batch_size, **options)


def _begin_or_resume(
    folder: Path,
    store: Store,
    config: TrainConfig,
    train_rows: NDArray[np.int64],
    valid_rows: NDArray[np.int64],
    n_batches: int,
    device: torch.device,
) -> TrainState:
    torch.manual_seed(config.seed)
    network = build_model(config.model, len(SCORED_CLASSES)).to(device)
    optimizer = torch.optim.AdamW(network.parameters(), lr=config.lr, weight_decay=config.weight_decay)
    scheduler = LambdaLR(optimizer, lambda step: compute_learning_rate(step, config.epochs * n_batches))
    state = TrainState(network=network, optimizer=optimizer, scheduler=scheduler)
    if (folder / files.LAST_STATE).exists():
        saved = files.load_weights(network, folder / files.LAST_STATE)
        optimizer.load_state_dict(saved["optimizer"])
        scheduler.load_state_dict(saved["scheduler"])
        state.next_epoch = saved["epoch"] + 1
        state.best_epoch, state.best_metric = saved["best_epoch"], saved["best_metric"]
        state.history = files.read_history(folder / files.HISTORY)[: state.next_epoch]
    files.write_json(
        folder / files.CONFIG,
        {
            "train": {key: value for key, value in config.to_dict().items() if key != "model"},
            "model": config.model.to_dict(),
            "store_digest": store.attributes["digest"],
        },
    )
    files.write_ids(folder / files.TRAIN_IDS, list(store.ids[train_rows]))
    files.write_ids(folder / files.VALID_IDS, list(store.ids[valid_rows]))
    files.write_classes(folder)
    files.write_environment(folder, device=str(device), store_digest=store.attributes["digest"])
    return state


def _keep(folder: Path, state: TrainState, row: dict[str, Any], thresholds: NDArray[np.float64]) -> None:
    """Write an epoch's results; the state to go on from comes last, so that a kill at any point can be resumed."""
    epoch = row["epoch"]
    state.history.append(row)
    checkpoint = state.checkpoint(epoch)
    metric = row["challenge_metric"]
    if math.isnan(metric) or metric > state.best_metric:
        state.best_epoch = epoch
        state.best_metric = state.best_metric if math.isnan(metric) else metric
        files.write_thresholds(folder, thresholds)
        files.save_checkpoint(folder / files.MODEL, checkpoint)
    files.save_checkpoint(folder / files.FINAL_MODEL, {"epoch": epoch, "model": checkpoint["model"]})
    files.write_history(folder / files.HISTORY, state.history)
    best = {"best_epoch": state.best_epoch, "best_metric": state.best_metric}
    files.save_checkpoint(folder / files.LAST_STATE, checkpoint | best)
