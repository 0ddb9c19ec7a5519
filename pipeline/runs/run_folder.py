"""A run folder: what a training leaves behind, and what prediction needs.

File names are the reference system's (`config.json model.pth final_model.pth history.csv train_ids.txt
valid_ids.txt out_layer.txt correction_factor.txt logits.csv`), plus `classes.json thresholds.json environment.json`
and `last_state.pth`, from which an interrupted run goes on. Every file is written whole or not at all, in an order
(`pipeline.runs.safe_writing`) in which no two that are there contradict each other.
"""

import csv
import datetime
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from ecg12.cache.storage.atomic import write_text_atomically
from ecg12.cache.storage.small_file import read_small_text
from ecg12.ecg.decisions.output_mapping import OutputMapping, format_mapping
from ecg12.ecg.decisions.reference_rules import AugustRule
from ecg12.ecg.decisions.threshold_rule import ThresholdRule
from ecg12.ecg.errors import ConfigError, RunFolderError
from ecg12.ecg.models.build import build_for_weights
from ecg12.ecg.models.config.model import ModelConfig
from ecg12.ecg.models.output_layers import OutputLayer, build_output_layer
from ecg12.ecg.tasks.named import CHALLENGE_2020
from ecg12.ecg.tasks.task import Task
from ecg12.ecg.tasks.writing import format_task
from ecg12.pipeline.plugins.consent import consent_to
from ecg12.pipeline.runs.checkpoint import CONFIG, fit_weights, read_json
from ecg12.pipeline.runs.checkpoint import load_checkpoint as load_checkpoint
from ecg12.pipeline.runs.checkpoint import load_weights as load_weights
from ecg12.pipeline.runs.checkpoint import save_checkpoint as save_checkpoint
from ecg12.pipeline.runs.reference_folder import (
    CORRECTION,
    MODEL,
    OUT_LAYER,
    ReferenceModel,
    is_reference_config,
    load_reference_folder,
    read_correction,
    read_epoch,
    read_mapping,
)
from ecg12.pipeline.runs.run_plugins import ENVIRONMENT as ENVIRONMENT
from ecg12.pipeline.runs.run_plugins import plugins_of
from ecg12.pipeline.runs.run_rule import THRESHOLDS as THRESHOLDS
from ecg12.pipeline.runs.run_rule import check_fits, decides_by_thresholds, make_rule
from ecg12.pipeline.runs.safe_writing import to_json
from ecg12.pipeline.runs.train_config import TrainConfig
from ecg12.pipeline.tasks.task_files import TASK, task_of_folder

FINAL_MODEL, LAST_STATE, HISTORY, LOGITS = "final_model.pth", "last_state.pth", "history.csv", "logits.csv"
TRAIN_IDS, VALID_IDS = "train_ids.txt", "valid_ids.txt"
PRETRAIN_TRAIN_IDS, PRETRAIN_VALID_IDS = "pretrain_train_ids.txt", "pretrain_valid_ids.txt"
CLASSES = "classes.json"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class TrainedModel:
    """A model ready to predict.

    Attributes
    ----------
    config : what the network is built from
    training : all of its configuration
    task : what it was trained for
    network : in eval mode, on the CPU: (window, lead, sample) → (window, output) logits
    output_layer : from logits to scores
    rule : from the scores of windows to the labels and scores of records
    epoch : the epoch its weights are from
    """

    folder: Path
    config: ModelConfig
    training: TrainConfig
    task: Task
    network: nn.Sequential
    output_layer: OutputLayer
    rule: ThresholdRule | AugustRule
    epoch: int

    @property
    def mapping(self) -> OutputMapping:
        """What the outputs stand for."""
        return self.rule.mapping


def new_run_folder(parent: Path, now: datetime.datetime) -> Path:
    """The name of a new run folder: output_YYYY-MM-DD_HH_MM_SS_MMMMMM."""
    return parent / now.strftime("output_%Y-%m-%d_%H_%M_%S_%f")


def newest_run_folder(parent: Path) -> Path:
    """The run folder in `parent` that was begun last and holds a model.

    Raises
    ------
    RunFolderError
        If there is none.
    """
    folders = sorted(path.parent for path in parent.glob(f"output_*/{MODEL}"))
    if not folders:
        raise RunFolderError(f"{parent}: no run folder output_*/{MODEL} there; run train, or name one with --model")
    return folders[-1]


def write_json(path: Path, values: Mapping[str, Any] | Sequence[Any]) -> None:
    """Write JSON with one entry a line."""
    write_text_atomically(path, to_json(values))


def format_ids(names: Iterable[str]) -> str:
    """Record names in one line, comma-separated."""
    return ",".join(names)


def write_ids(path: Path, names: Iterable[str]) -> None:
    """Write record names as `format_ids` has them."""
    write_text_atomically(path, format_ids(names))


def read_ids(path: Path) -> list[str]:
    """Read what `write_ids` wrote; line breaks separate too.

    Raises
    ------
    RunFolderError
        If the file cannot be read.
    """
    try:
        text = read_small_text(path).replace("\n", ",")
    except (OSError, ValueError) as error:
        raise RunFolderError(f"{path}: cannot be read ({error}); expected record names with commas between") from error
    return [name.strip() for name in text.split(",") if name.strip()]


def write_history(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write the table of epochs; columns as in its first row."""
    write_text_atomically(path, _format_history(rows))


def is_history(path: Path, rows: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a file is the table of just these epochs, from which follows that all else of them is written."""
    try:
        return read_small_text(path) == _format_history(rows)
    except (FileNotFoundError, ValueError):
        return False


def _format_history(rows: Sequence[Mapping[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def read_history(path: Path) -> list[dict[str, Any]]:
    """The rows of a table of epochs, numbers as float, `epoch` as int.

    Raises
    ------
    RunFolderError
        If the file is missing or no such table.
    """
    try:
        rows = list(csv.DictReader(io.StringIO(read_small_text(path))))
        return [{key: int(value) if key == "epoch" else float(value) for key, value in row.items()} for row in rows]
    except (OSError, TypeError, ValueError, csv.Error) as error:
        raise RunFolderError(f"{path}: cannot be read ({error}); expected a row of numbers for each epoch") from error


def format_targets(
    mapping: OutputMapping, correction: NDArray[np.float64], columns: Sequence[str], task: Task
) -> dict[str, str]:
    """Files of what the outputs stand for, in the reference system's form, of the predictions' codes, and the task."""
    classes = [
        {"code": code, "abbreviation": task.abbreviation_of(code), "name": task.name_of(code)} for code in columns
    ]
    own = {} if task.name == CHALLENGE_2020 else {TASK: format_task(task)}
    return own | {
        CLASSES: to_json(classes),
        OUT_LAYER: format_mapping(mapping),
        CORRECTION: "".join(f"{factor!r}\n" for factor in correction.tolist()),
    }


def write_targets(
    folder: Path, mapping: OutputMapping, correction: NDArray[np.float64], columns: Sequence[str], task: Task
) -> None:
    """Write what `format_targets` gives."""
    for name, text in format_targets(mapping, correction, columns, task).items():
        write_text_atomically(folder / name, text)


def write_thresholds(folder: Path, classes: Sequence[str], thresholds: NDArray[np.float64]) -> None:
    """Write the decision threshold of each class."""
    write_json(folder / THRESHOLDS, dict(zip(classes, map(float, thresholds), strict=True)))


def write_model(folder: Path, checkpoint: Mapping[str, Any], thresholds: Mapping[str, float] | None) -> None:
    """Write the model of an epoch and the thresholds that belong to it; logits of another epoch go.

    The checkpoint has the thresholds, too, and the file of the old ones goes before the new model comes, so that there
    is no moment at which a model stands beside another's thresholds.
    """
    for name in (THRESHOLDS, LOGITS):
        (folder / name).unlink(missing_ok=True)
    save_checkpoint(folder / MODEL, dict(checkpoint) | ({} if thresholds is None else {"thresholds": dict(thresholds)}))
    if thresholds is not None:
        write_json(folder / THRESHOLDS, thresholds)


def load_model(folder: Path, plugins: Sequence[str] = ()) -> TrainedModel | ReferenceModel:
    """Rebuild the model of a run folder, ours or the reference system's, from its configuration and best weights.

    Parameters
    ----------
    plugins : modules, or import paths, of code from outside that may be imported, see `pipeline.plugins.consent`

    Raises
    ------
    RunFolderError
        If the folder or one of its files is missing, damaged, or does not fit the others.
    PluginError
        If it needs code from outside that the user has not named, that is not there, or that is of no use.
    """
    consent = consent_to(plugins)
    if not folder.is_dir():
        raise RunFolderError(f"{folder}: no such run folder; run train, or name another with --model")
    values = read_json(folder / CONFIG)
    if is_reference_config(values):
        return load_reference_folder(folder)
    if not isinstance(values, dict) or "model" not in values:
        raise RunFolderError(f"{folder / CONFIG}: no model configuration in it; expected a run folder made by train")
    try:
        config = ModelConfig.from_dict(values["model"])
        training = TrainConfig.from_dict(dict(values.get("train", {})) | {"model": config})
        task = task_of_folder(folder)
    except (ConfigError, TypeError, ValueError) as error:
        raise RunFolderError(f"{folder / CONFIG}: {error}") from error
    mapping = read_mapping(folder)
    given = plugins_of(folder, consent)
    make, layer = given.model(config), given.output_layer(mapping)
    try:
        columns = tuple(str(entry["code"]) for entry in read_json(folder / CLASSES))
    except (KeyError, TypeError) as error:
        raise RunFolderError(
            f"{folder / CLASSES}: {type(error).__name__} {error}; expected a list of classes"
        ) from error
    check_fits(folder, training, task, mapping, columns)
    state, thresholds = _load_model_file(folder, columns, training, task)
    rule = make_rule(folder, training, task, mapping, read_correction(folder), columns, thresholds)
    try:
        network = build_for_weights(config, mapping.n_outputs, state["model"], make)
    except ConfigError as error:
        raise RunFolderError(f"{folder / CONFIG}: {error}") from error
    fit_weights(network, state["model"], folder / MODEL)
    return TrainedModel(
        folder=folder,
        config=config,
        training=training,
        task=task,
        network=network.eval(),
        output_layer=build_output_layer(mapping.parts, layer),
        rule=rule,
        epoch=read_epoch(folder / MODEL, state),
    )


def _load_model_file(
    folder: Path, columns: tuple[str, ...], training: TrainConfig, task: Task
) -> tuple[dict[str, Any], NDArray[np.float64] | None]:
    """The checkpoint of the model and its thresholds, where they decide; read again if a training replaces it."""
    path = folder / MODEL
    if not path.exists() and (folder / LAST_STATE).exists() and not (folder / HISTORY).exists():
        raise RunFolderError(f"{path}: missing; train was stopped as it saved: give the same train command again")
    while True:
        before = _version_of(path)
        state = load_checkpoint(path)
        thresholds = None
        if decides_by_thresholds(training, task):
            thresholds = _read_thresholds(folder, task.by_class.merged(columns), state.get("thresholds"))
        if _version_of(path) == before:
            return state, thresholds


def _version_of(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:  # whoever reads it says so
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _read_thresholds(
    folder: Path,
    classes: tuple[str, ...],
    own: Any,  # noqa: ANN401 - whatever the checkpoint has there
) -> NDArray[np.float64]:
    """Those of the folder's file, or the model's `own` where that is missing: train was stopped as it wrote it."""
    path, stated = folder / THRESHOLDS, own
    try:
        stated = read_json(path)
    except RunFolderError:
        if own is None or path.exists():
            raise
    try:
        return np.array([float(stated[code]) for code in classes])
    except (KeyError, TypeError, ValueError) as error:
        raise RunFolderError(
            f"{folder}: {CLASSES} and {THRESHOLDS} do not fit each other ({type(error).__name__} {error}); train again"
        ) from error
