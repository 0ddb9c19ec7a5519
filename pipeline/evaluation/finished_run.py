"""Judging a finished model on its validation records, with its own rule or another, and without training.

logits.csv of the run folder, where it is there, stands for the network: trying rules on it takes no time.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ecg12.cache.reader import Store
from ecg12.cache.several_stores import open_stores
from ecg12.ecg.decisions.reference_rules import AugustRule
from ecg12.ecg.decisions.threshold_rule import ThresholdRule
from ecg12.ecg.errors import ConfigError, RunFolderError
from ecg12.ecg.models.output_layers import OutputLayer
from ecg12.ecg.signals.window import plan_windows
from ecg12.ecg.tasks.named import CHALLENGE_2020, named_task
from ecg12.pipeline.compute.window_logits import WindowLogits
from ecg12.pipeline.loading.batch import Batch
from ecg12.pipeline.prediction.own_model import OwnPredictor
from ecg12.pipeline.prediction.reference_model import ReferencePredictor
from ecg12.pipeline.runs import run_folder as files
from ecg12.pipeline.runs.checkpoint import CONFIG, read_json
from ecg12.pipeline.runs.presets import preset_values
from ecg12.pipeline.runs.reference_folder import ReferenceModel, translate_training
from ecg12.pipeline.runs.run_folder import TrainedModel, load_model
from ecg12.pipeline.runs.train_config import TrainConfig
from ecg12.pipeline.runtime.allocator import keep_features
from ecg12.pipeline.runtime.device import choose_device
from ecg12.pipeline.runtime.progress import Progress, Task, silent
from ecg12.pipeline.training.configure import DECIDING, configure
from ecg12.pipeline.training.logits_file import read_logits, write_logits
from ecg12.pipeline.training.targets import Targets, make_targets
from ecg12.pipeline.training.train_rows import choose_rows
from ecg12.pipeline.training.validation import judge, rule_of

MAY_BE_ASKED = DECIDING | {"valid_split", "seed", "n_total", "valid_batch_size", "save_logits", "check"}
"""Options that mean something without training."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TestSummary:
    """What a model was found to be worth.

    Attributes
    ----------
    figures : see `pipeline.training.validation.Judged`
    from_logits : whether logits.csv stood for the network
    """

    __test__ = False  # for pytest: no test, in spite of its name

    folder: Path
    n_records: int
    figures: Mapping[str, float]
    from_logits: bool


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Answered:
    """What a model said of its validation records, before it is judged.

    Attributes
    ----------
    rows : of the store, int64, ascending
    logits : of every window, each record's together and in order
    from_logits : whether logits.csv stood for the network
    """

    store: Store
    rows: NDArray[np.int64]
    targets: Targets
    rule: ThresholdRule | AugustRule
    output_layer: OutputLayer
    logits: WindowLogits
    from_logits: bool


def only_test(
    stores: Path | Sequence[Path],
    *,
    folder: Path,
    preset: str | None = None,
    options: Mapping[str, Any] | None = None,
    plugins: Sequence[str] = (),
    cuda: bool = False,
    progress: Progress = silent,
) -> TestSummary:
    """Judge the model in a run folder, ours or the reference system's of August 2020.

    Parameters
    ----------
    stores : with the records of the folder's valid_ids.txt; without that file, they are split anew
    preset, options : rules to try instead of the model's own, see `MAY_BE_ASKED`
    plugins : see `pipeline.runs.run_folder.load_model`

    Raises
    ------
    ConfigError
        If an option is none that matters here, or there is nothing to judge on.
    RunFolderError
        If the folder cannot be used.
    StoreError
        If a store cannot be read, or lacks a record.
    """
    store = open_stores(stores)
    how: dict[str, Any] = {"preset": preset, "options": options, "plugins": plugins, "cuda": cuda}
    answered = answer(store, folder=folder, progress=progress, **how)
    judged = judge(answered.logits, answered.store, answered.targets, answered.rule, answered.output_layer)
    return TestSummary(
        folder=folder, n_records=len(answered.rows), figures=judged.figures, from_logits=answered.from_logits
    )


def answer(
    store: Store,
    *,
    folder: Path,
    preset: str | None = None,
    options: Mapping[str, Any] | None = None,
    plugins: Sequence[str] = (),
    cuda: bool = False,
    progress: Progress = silent,
) -> Answered:
    """What the model in a run folder says of its validation records; arguments and errors as of `only_test`."""
    keep_features()
    device = choose_device(cuda=cuda)
    asked = dict(options or {})
    unknown = sorted(set(asked) - MAY_BE_ASKED)
    if unknown:
        raise ConfigError(f"{', '.join(unknown)}: nothing is trained with only_test; leave it out")
    rule_of_preset = {key: value for key, value in preset_values(preset)[0].items() if key in DECIDING}
    model = load_model(folder, plugins)
    predictor = ReferencePredictor(model) if isinstance(model, ReferenceModel) else OwnPredictor(model)
    predictor.check_store(store)
    own_rule = _rule_of(folder, model)
    task = model.task if isinstance(model, TrainedModel) else named_task(CHALLENGE_2020)
    config = _configure(folder, store, model, rule_of_preset | asked)
    targets = make_targets(store, task, config, own_rule.mapping)
    if not _other_correction(model, config, asked):
        targets = replace(targets, correction=own_rule.correction)
    rows = choose_rows(store, folder, config, task).valid
    if not len(rows):
        raise ConfigError(
            f"{folder}: no record to judge on; expected some: name them in {files.VALID_IDS}, or without id files take "
            "--valid-split 1 for all"
        )
    path = folder / files.LOGITS
    from_logits = path.exists()
    if from_logits:
        found = _check_records(path, read_logits(path, store, targets.mapping.n_outputs), rows, targets, store)
    else:
        predictor.network.to(device)
        n_windows = len(plan_windows(store.lengths[rows], predictor.windows))
        with progress("judge", n_windows, "windows") as shown:
            batches = _shown(predictor.cut_windows(store, rows, config.valid_batch_size), shown)
            found = predictor.compute_logits(batches, device)
        if config.save_logits:
            write_logits(path, found, store.ids)
    return Answered(
        store=store,
        rows=rows,
        targets=targets,
        rule=rule_of(folder, config, targets),
        output_layer=model.output_layer,
        logits=found,
        from_logits=from_logits,
    )


def _shown(batches: Iterable[Batch], task: Task) -> Iterator[Batch]:
    for batch in batches:
        yield batch
        task.advance(len(batch))


def _rule_of(folder: Path, model: TrainedModel | ReferenceModel) -> ThresholdRule | AugustRule:
    if not isinstance(model.rule, ThresholdRule | AugustRule):
        raise RunFolderError(
            f"{folder}: of the April generation of the reference system, whose rule is fixed; predict with it and "
            "evaluate that"
        )
    return model.rule


def _configure(folder: Path, store: Store, model: TrainedModel | ReferenceModel, asked: dict[str, Any]) -> TrainConfig:
    if isinstance(model, TrainedModel):
        return configure(folder, store, asked, {}, task=model.task, only_test=True)
    train, _ = translate_training(folder, read_json(folder / CONFIG))
    return TrainConfig.from_dict(preset_values("reference")[0] | train | asked | {"model": model.config})


def _other_correction(model: TrainedModel | ReferenceModel, config: TrainConfig, asked: Mapping[str, Any]) -> bool:
    """Whether the folder's own correction factors are not to be used."""
    names = ("correction_factor", "correction_limits")
    if isinstance(model, TrainedModel):
        return any(getattr(config, name) != getattr(model.training, name) for name in names)
    return any(name in asked for name in names)


def _check_records(
    path: Path, found: WindowLogits, rows: NDArray[np.int64], targets: Targets, store: Store
) -> WindowLogits:
    """The logits of labelled records, if these are `rows`."""
    labelled = torch.from_numpy(targets.labelled)[found.record]
    found = WindowLogits(found.logits[labelled], found.record[labelled], found.number[labelled])
    here = set(torch.unique(found.record).tolist())
    wrong = here.symmetric_difference(rows.tolist())
    if wrong:
        raise RunFolderError(
            f"{path}: of {len(here)} records, but {len(rows)} are to be judged; {store.ids[min(wrong)]} is only in one "
            "of the two: remove the file to have it made anew"
        )
    return found
