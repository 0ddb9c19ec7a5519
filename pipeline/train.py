"""Training a classifier on a store's labelled records, and the run folder it leaves."""

import datetime
import hashlib
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from cache.reader import Store
from ecg.config import Config
from ecg.errors import ConfigError, RunFolderError, TrainingError
from ecg.metric import compute_scores, fit_thresholds
from ecg.models.build import ModelConfig, build_model
from ecg.models.output_layers import SigmoidLayer
from ecg.snomed import SCORED_CLASSES
from ecg.window import WindowConfig
from pipeline import run_folder as files
from pipeline.batches import WindowBatches
from pipeline.device import choose_device
from pipeline.inference import compute_logits, pool_scores, to_input
from pipeline.progress import Progress, silent
from pipeline.split import split_by_group

OFFICIAL_FIGURES = ("challenge_metric", "auroc", "auprc", "accuracy", "f_measure", "f_beta", "g_beta")


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainConfig(Config):
    """How to train; what is trained stands in `model`.

    Attributes
    ----------
    epochs : passes over the training windows
    batch_size, valid_batch_size : windows in a batch
    lr : highest learning rate; it is reached after a tenth of the steps and falls to zero as a cosine
    weight_decay : of AdamW
    valid_split : share of the records to validate on
    max_windows_per_record : random windows of a longer record in each epoch; None takes all
    """

    seed: int = 2
    epochs: int = 30
    batch_size: int = 32
    valid_batch_size: int = 256
    lr: float = 2e-3
    weight_decay: float = 1e-2
    valid_split: float = 0.3
    max_windows_per_record: int | None = 8
    model: ModelConfig = field(default_factory=ModelConfig)

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "valid_batch_size"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; expected at least 1")
        if not 0 <= self.seed < 2**63:
            raise ConfigError(f"seed is {self.seed}; expected 0 or more")
        if not self.lr > 0 or not math.isfinite(self.lr):
            raise ConfigError(f"lr is {self.lr}; expected a positive number")
        if not 0 <= self.valid_split < 1:
            raise ConfigError(f"valid_split is {self.valid_split}; expected 0 or more and below 1")


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainSummary:
    """What a training did; `history` has a row for each epoch, `best_epoch` counts from 0."""

    folder: Path
    n_train: int
    n_valid: int
    history: tuple[Mapping[str, float], ...]
    best_epoch: int
    interrupted: bool


@dataclass(kw_only=True, slots=True)
class _State:
    """All that changes from epoch to epoch."""

    network: nn.Module
    optimizer: torch.optim.Optimizer
    scheduler: LambdaLR
    next_epoch: int = 0
    best_epoch: int = -1
    best_metric: float = -math.inf
    history: list[dict[str, Any]] = field(default_factory=list)

    def checkpoint(self, epoch: int) -> dict[str, Any]:
        return {
            "epoch": epoch,
            "model": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
        }


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
    store = Store(store_path)
    device = choose_device(cuda=cuda)
    folder = folder or files.new_run_folder(Path.cwd(), datetime.datetime.now())
    config = _configure(folder, store, dict(options or {}), dict(model_options or {}))
    train_rows, valid_rows = _split(store, folder, config)
    folder.mkdir(parents=True, exist_ok=True)
    state = _begin_or_resume(folder, store, config, train_rows, valid_rows, device)
    labels = torch.from_numpy(store.column("label/scored").astype(np.float32)).to(device)
    windows = WindowConfig(window_length=config.model.window_length)
    batches = WindowBatches(
        store,
        train_rows,
        windows,
        batch_size=config.batch_size,
        seed=config.seed,
        max_windows_per_record=config.max_windows_per_record,
    )
    valid_batches = WindowBatches(store, valid_rows, windows, batch_size=config.valid_batch_size)
    interrupted = False
    try:
        for epoch in range(state.next_epoch, config.epochs):
            begun = time.perf_counter()
            row = {"epoch": epoch} | _train_epoch(state, epoch, config, batches, labels, device, progress)
            figures, thresholds = _validate(state, store, config, valid_batches, labels, device)
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
        history=tuple(state.history),
        best_epoch=state.best_epoch,
        interrupted=interrupted,
    )


def compute_learning_rate(step: int, n_steps: int) -> float:
    """Share of the highest learning rate at a step: linear over the first tenth, then a cosine to zero.

    Source: Smith and Topin 2019 (one cycle), with the cosine of Loshchilov and Hutter 2017.
    """
    warm_up = max(1, n_steps // 10)
    if step < warm_up:
        return (step + 1) / warm_up
    return 0.5 * (1 + math.cos(math.pi * (step - warm_up) / max(1, n_steps - warm_up)))


def _configure(folder: Path, store: Store, options: dict[str, Any], model_options: dict[str, Any]) -> TrainConfig:
    """The configuration of a new run, or the stored one of a run to go on with."""
    if (folder / files.LAST_STATE).exists():
        stored = files.read_json(folder / files.CONFIG)
        try:
            config = TrainConfig.from_dict(stored["train"] | {"model": stored["model"]})
        except (KeyError, TypeError, ConfigError) as error:
            raise RunFolderError(f"{folder / files.CONFIG}: cannot be continued ({error})") from error
        values = config.to_dict()
        asked = options | {f"model.{key}": value for key, value in model_options.items()}
        current = values | {f"model.{key}": value for key, value in values["model"].items()}
        changed = [
            f"{key} {current[key]} there, {value} asked for"
            for key, value in asked.items()
            if key != "epochs" and current[key] != (list(value) if isinstance(value, tuple) else value)
        ]
        if changed:
            raise RunFolderError(
                f"{folder}: the run was begun otherwise ({'; '.join(changed)}); leave these out to continue it, or "
                "choose another --folder"
            )
        config = TrainConfig.from_dict(values | {"epochs": options.get("epochs", config.epochs)})
        expected = stored.get("store_digest")
        if expected != store.attributes["digest"]:
            raise RunFolderError(f"{folder}: was trained on another store than {store.path}; continue it with its own")
    else:
        if (folder / files.MODEL).exists():
            raise RunFolderError(f"{folder}: holds a model but no {files.LAST_STATE}; choose another --folder")
        model = ModelConfig.from_dict({"fs": store.fs, "leads": store.leads} | model_options)
        config = TrainConfig.from_dict(options | {"model": model})
    if (config.model.fs, config.model.leads) != (store.fs, store.leads):
        raise ConfigError(
            f"{store.path}: {len(store.leads)} leads at {store.fs:g} Hz; the model expects {len(config.model.leads)} "
            f"at {config.model.fs:g} Hz: use a store built for it"
        )
    return config


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


def _begin_or_resume(
    folder: Path,
    store: Store,
    config: TrainConfig,
    train_rows: NDArray[np.int64],
    valid_rows: NDArray[np.int64],
    device: torch.device,
) -> _State:
    torch.manual_seed(config.seed)
    network = build_model(config.model, len(SCORED_CLASSES)).to(device)
    optimizer = torch.optim.AdamW(network.parameters(), lr=config.lr, weight_decay=config.weight_decay)
    windows = WindowConfig(window_length=config.model.window_length)
    n_batches = len(
        WindowBatches(
            store,
            train_rows,
            windows,
            batch_size=config.batch_size,
            max_windows_per_record=config.max_windows_per_record,
        )
    )
    scheduler = LambdaLR(optimizer, lambda step: compute_learning_rate(step, config.epochs * n_batches))
    state = _State(network=network, optimizer=optimizer, scheduler=scheduler)
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


def _train_epoch(
    state: _State,
    epoch: int,
    config: TrainConfig,
    batches: WindowBatches,
    labels: Tensor,
    device: torch.device,
    progress: Progress,
) -> dict[str, float]:
    """One pass over the training windows; every random choice in it follows from seed and epoch."""
    torch.manual_seed(config.seed * 1_000_003 + epoch)
    state.network.train()
    batches.set_epoch(epoch)
    output_layer = SigmoidLayer()
    total, n_windows, begun = 0.0, 0, time.perf_counter()
    with progress(f"epoch {epoch + 1}/{config.epochs}", batches.n_windows, "windows") as task:
        for batch in batches:
            if len(batch) == 1:
                continue  # batch norm cannot learn from a single window
            logits = state.network(to_input(batch, device, config.model.normalisation))
            loss = output_layer.compute_loss(logits, labels[batch.record.to(device)])
            value = float(loss.item())
            if not math.isfinite(value):
                names = batches.store.ids[np.unique(batch.record.numpy())]
                raise TrainingError(
                    f"epoch {epoch + 1}: the loss is {value} on records {', '.join(names)}; the weights of the epoch "
                    "before are kept: look at these records, or try a smaller --lr"
                )
            state.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            state.optimizer.step()
            state.scheduler.step()
            total += value * len(batch)
            n_windows += len(batch)
            task.advance(len(batch), loss=total / n_windows)
    seconds = time.perf_counter() - begun
    return {
        "train_loss": total / max(n_windows, 1),
        "lr": float(state.scheduler.get_last_lr()[0]),
        "windows_per_second": round(n_windows / seconds, 1),
    }


def _validate(
    state: _State,
    store: Store,
    config: TrainConfig,
    batches: WindowBatches,
    labels: Tensor,
    device: torch.device,
) -> tuple[dict[str, float], NDArray[np.float64]]:
    """Loss and official scores of the validation records (NaN if there are none), and fitted thresholds."""
    figures: dict[str, float] = dict.fromkeys(("valid_loss", *OFFICIAL_FIGURES), math.nan)
    if not len(batches):
        return figures, np.full(len(SCORED_CLASSES), 0.5)
    logits, record = compute_logits(state.network, batches, normalisation=config.model.normalisation, device=device)
    figures["valid_loss"] = float(SigmoidLayer().compute_loss(logits, labels[record]))
    rows, scores = pool_scores(logits, record)
    truth = store.column("label/scored")[rows]
    binary = decide_across_halves(truth, scores, store.column("record/group")[rows])
    official = compute_scores(truth, binary, scores)
    figures |= {name: getattr(official, name) for name in OFFICIAL_FIGURES}
    return figures, fit_thresholds(truth, scores)


def decide_across_halves(
    truth: NDArray[np.uint8], scores: NDArray[np.float64], groups: NDArray[np.object_]
) -> NDArray[np.bool_]:
    """Labels by thresholds that were fitted on other patients.

    The groups are halved by a hash of their names; each half is decided with the thresholds that maximise the
    challenge metric on the other, so that what is reported was never fitted on itself.

    Parameters
    ----------
    truth, scores : shape (record, class)
    groups : shape (record,)

    Returns
    -------
    bool array, shape (record, class)
    """
    half = np.array([hashlib.sha256(str(group).encode()).digest()[0] % 2 for group in groups], bool)
    binary = np.zeros(scores.shape, bool)
    for here in (half, ~half):
        there = ~here
        thresholds = fit_thresholds(truth[there], scores[there]) if there.any() else np.full(scores.shape[1], 0.5)
        binary[here] = scores[here] > thresholds
    return binary


def _keep(folder: Path, state: _State, row: dict[str, Any], thresholds: NDArray[np.float64]) -> None:
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
