"""A run before its first epoch: windows, network, and the state that it begins with or goes on from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ecg12.cache.reader import Store
from ecg12.ecg.models.build import build_model
from ecg12.ecg.models.output_layers import OutputLayer
from ecg12.ecg.signals.window import WindowConfig
from ecg12.ecg.tasks.task import Task
from ecg12.pipeline.compute.float_precision import Arithmetic, compile_network
from ecg12.pipeline.compute.ranks import ALONE, Ranks
from ecg12.pipeline.compute.window_logits import FORWARD_WINDOWS, WindowLogits
from ecg12.pipeline.loading.record_batches import RecordBatches
from ecg12.pipeline.loading.window_batches import WindowBatches
from ecg12.pipeline.plugins.consent import NOTHING, Consent
from ecg12.pipeline.runs import run_folder as files
from ecg12.pipeline.runs.prediction_folders import TEST_IDS
from ecg12.pipeline.runs.reference_folder import read_mapping
from ecg12.pipeline.runs.run_plugins import PLUGINS, RunPlugins, plugins_of
from ecg12.pipeline.runs.safe_writing import to_json, write_together
from ecg12.pipeline.runs.train_config import TrainConfig
from ecg12.pipeline.training.averaging import WeightAverage
from ecg12.pipeline.training.epoch import TrainStep, freeze_stage, make_judging_layer, make_training_layer
from ecg12.pipeline.training.loader_options import settle_residency, shared_options
from ecg12.pipeline.training.logits_file import write_logits
from ecg12.pipeline.training.loop import TrainState
from ecg12.pipeline.training.open_run import describe_opened
from ecg12.pipeline.training.optimise import make_optimizer
from ecg12.pipeline.training.parameter_groups import group_parameters
from ecg12.pipeline.training.precision_timing import settle_arithmetic
from ecg12.pipeline.training.pretrained import give_stage
from ecg12.pipeline.training.resume import resume, settle_in
from ecg12.pipeline.training.run_task import settle_number
from ecg12.pipeline.training.targets import Targets, make_targets, warn_of_missing_classes
from ecg12.pipeline.training.train_plugins import TrainPlugins, load_plugins
from ecg12.pipeline.training.train_rows import Rows


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Run:
    """What stays the same from epoch to epoch.

    Attributes
    ----------
    seconds_of_a_step : of the steps that were timed to choose the precision; empty if none were
    pretrained : where a pretrained stage comes from; None for `folder`
    plugins : code from outside that it runs
    recorded : what the folder is to record of that
    """

    folder: Path
    store: Store
    config: TrainConfig
    rows: Rows
    targets: Targets
    output_layer: OutputLayer
    plugins: TrainPlugins
    batches: WindowBatches
    valid_batches: WindowBatches
    device: torch.device
    ranks: Ranks = ALONE
    recorded: Sequence[Mapping[str, Any]] = ()
    seconds_of_a_step: Mapping[str, float] = field(default_factory=dict)
    pretrained: Path | None = None


def prepare_run(
    folder: Path,
    store: Store,
    task: Task,
    config: TrainConfig,
    rows: Rows,
    device: torch.device,
    ranks: Ranks = ALONE,
    consent: Consent = NOTHING,
) -> Run:
    """All that stays the same from epoch to epoch; touches nothing on the disk.

    `consent` is what the user has named of code from outside, see `pipeline.plugins.consent`.
    """
    begun = (folder / files.LAST_STATE).exists()
    task = settle_number(task, store, rows.train)
    targets = make_targets(store, task, config, read_mapping(folder) if begun else None, rows.test)
    warn_of_missing_classes(targets, rows.train, store)
    of_run = plugins_of(folder, consent) if (folder / files.CONFIG).exists() else RunPlugins(consent)
    plugins = load_plugins(of_run, config, targets)
    config, seconds_of_a_step = ranks.share(settle_arithmetic(config, targets.mapping.n_outputs, device, plugins.make))
    config, batches, valid_batches = make_loaders(store, config, rows, targets, device, ranks)
    return Run(
        folder=folder,
        store=store,
        config=config,
        rows=rows,
        targets=targets,
        output_layer=make_judging_layer(plugins.layer, targets),
        plugins=plugins,
        recorded=of_run.describe(config, targets.mapping),
        batches=batches,
        valid_batches=valid_batches,
        device=device,
        ranks=ranks,
        seconds_of_a_step=seconds_of_a_step,
    )


def make_loaders(
    store: Store, config: TrainConfig, rows: Rows, targets: Targets, device: torch.device, ranks: Ranks = ALONE
) -> tuple[TrainConfig, WindowBatches, WindowBatches]:
    """The configuration with the residency chosen, and the windows to train and to validate on."""
    windows = WindowConfig(window_length=config.model.window_length)
    config = settle_residency(config, store, rows, windows, device, ranks)
    options = shared_options(config, store, device, ranks) | {"labels": targets.labels}
    batches = (RecordBatches if config.model.carries else WindowBatches)(
        store,
        rows.train,
        windows,
        batch_size=config.batch_size,
        seed=config.seed if config.shuffle else None,
        max_windows_per_record=config.max_windows_per_record,
        **options,
    )
    if config.model.stage_remembers or (config.model.carries and ranks.world_size > 1):
        # a record's windows are all in one row; and records in an order that needs few chunks at a time
        options |= {"seed": config.seed}
        n_rows = min(config.valid_batch_size, FORWARD_WINDOWS)
        return config, batches, RecordBatches(store, rows.valid, windows, batch_size=n_rows, **options)
    return config, batches, WindowBatches(store, rows.valid, windows, batch_size=config.valid_batch_size, **options)


def make_network(run: Run) -> nn.Sequential:
    """The network, untrained but for what its stage learned before."""
    torch.manual_seed(run.config.seed)
    network = build_model(run.config.model, run.targets.mapping.n_outputs, run.plugins.make)
    begins = not (run.folder / files.LAST_STATE).exists()
    if run.config.model.stage is not None and begins and not run.config.random_stage:
        give_stage(run.pretrained or run.folder, network, run.config.model)
    freeze_stage(network, run.config)
    Arithmetic(precision=run.config.precision, kernels=run.config.kernels).apply(network)
    return network.to(run.device)


def begin_or_resume(run: Run) -> tuple[TrainState, TrainStep]:
    """State and step of a new run, whose folder is made, or those of the run that the folder holds."""
    config, network = run.config, make_network(run)
    optimizer = make_optimizer(
        group_parameters(network, lr=config.lr, layer_decay=config.layer_decay),
        name=config.optimizer,
        lr=config.lr,
        weight_decay=config.weight_decay,
        fused=config.kernels != "plain",
    )
    average = WeightAverage(network, config.ema) if config.ema else None
    layer = run.plugins.training_layer
    layer = layer or make_training_layer(run.output_layer, config, run.targets, run.rows.train)
    augment = run.plugins.augment
    step = TrainStep(network, layer, optimizer, config, run.device, average=average, augment=augment, ranks=run.ranks)
    state = TrainState(
        network=network,
        optimizer=optimizer,
        kept=network if average is None else average.network,
        extras={"scaler": step.scaler} | ({} if average is None else {"average": average}),
    )
    if config.compile:
        compile_network(network)
    begun = resume(state, run.folder / files.LAST_STATE, run.folder / files.HISTORY, "train")
    settle_in(
        run.folder / files.HISTORY,
        state,
        run.ranks,
        begun=begun,
        write_beginning=lambda: write_beginning(run),
        write_epoch=lambda: write_epoch(run, state),
    )
    return state, step


def write_epoch(run: Run, state: TrainState) -> None:
    """Write what else is written of the last epoch, all of it from the last state; the table of epochs comes last."""
    folder, epoch = run.folder, state.next_epoch - 1
    checkpoint = state.model_checkpoint(epoch)
    if state.outcome is not None:
        files.write_model(folder, checkpoint, state.outcome["thresholds"])
        if state.outcome["logits"] is not None:
            write_logits(folder / files.LOGITS, WindowLogits(*state.outcome["logits"]), run.store.ids)
    files.save_checkpoint(folder / files.FINAL_MODEL, {"epoch": epoch, "model": checkpoint["model"]})
    files.write_history(folder / files.HISTORY, state.history)


def write_beginning(run: Run) -> None:
    """Write all that is known before the first epoch; all of it or nothing."""
    config, ids = run.config, run.store.ids
    values = {
        "train": {key: value for key, value in config.to_dict().items() if key != "model"},
        "model": config.model.to_dict(),
        "store_digest": run.store.attributes["digest"],
    }
    environment = describe_opened(run.store, run.device, run.ranks, run.seconds_of_a_step)
    if run.recorded:
        environment[PLUGINS] = list(run.recorded)
    texts = {
        files.CONFIG: to_json(values),
        files.TRAIN_IDS: files.format_ids(ids[run.rows.train]),
        files.VALID_IDS: files.format_ids(ids[run.rows.valid]),
        files.ENVIRONMENT: to_json(environment),
    } | files.format_targets(run.targets.mapping, run.targets.correction, run.targets.columns, run.targets.task)
    if len(run.rows.test):
        texts[TEST_IDS] = files.format_ids(ids[run.rows.test])
    write_together(run.folder, texts)
