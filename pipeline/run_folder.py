"""A run folder: what a training leaves behind, and what prediction needs.

File names are the reference system's (`config.json model.pth final_model.pth history.csv train_ids.txt
valid_ids.txt out_layer.txt`), plus `classes.json thresholds.json environment.json` and `last_state.pth`, from
which an interrupted run goes on. Every file is written whole or not at all.
"""

import csv
import datetime
import io
import json
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from cache.writer import write_text_atomically
from ecg.errors import ConfigError, RunFolderError
from ecg.models.build import ModelConfig, build_model
from ecg.named_mappings import named_mapping
from ecg.output_mapping import format_mapping
from ecg.snomed import SCORED_CLASSES, abbreviation_of, name_of
from pipeline.checkpoint import CONFIG, load_weights, read_json
from pipeline.checkpoint import load_checkpoint as load_checkpoint
from pipeline.checkpoint import save_checkpoint as save_checkpoint
from pipeline.reference_folder import ReferenceModel, is_reference_config, load_reference_folder

MODEL, FINAL_MODEL, LAST_STATE = "model.pth", "final_model.pth", "last_state.pth"
HISTORY, OUT_LAYER = "history.csv", "out_layer.txt"
TRAIN_IDS, VALID_IDS = "train_ids.txt", "valid_ids.txt"
CLASSES, THRESHOLDS, ENVIRONMENT = "classes.json", "thresholds.json", "environment.json"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class TrainedModel:
    """A model ready to predict.

    Attributes
    ----------
    network : in eval mode, on the CPU: (window, lead, sample) → (window, class) logits
    codes : class of each output
    thresholds : float64 array, shape (class,): a label is 1 where score > threshold
    epoch : the epoch its weights are from
    """

    folder: Path
    config: ModelConfig
    network: nn.Module
    codes: tuple[str, ...]
    thresholds: NDArray[np.float64]
    epoch: int


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
    write_text_atomically(path, json.dumps(values, indent="\t", ensure_ascii=False) + "\n")


def write_ids(path: Path, names: Sequence[str]) -> None:
    """Write record names: one line, comma-separated."""
    write_text_atomically(path, ",".join(names))


def read_ids(path: Path) -> list[str]:
    """Read what `write_ids` wrote; line breaks separate too."""
    text = path.read_text(encoding="utf-8").replace("\n", ",")
    return [name.strip() for name in text.split(",") if name.strip()]


def write_history(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write the table of epochs; columns as in its first row."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text_atomically(path, text.getvalue())


def read_history(path: Path) -> list[dict[str, Any]]:
    """The rows of a table of epochs, numbers as float, `epoch` as int."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [{key: int(value) if key == "epoch" else float(value) for key, value in row.items()} for row in rows]


def write_classes(folder: Path) -> None:
    """Write the 24 scored classes by code and name, and the output layer in the reference's own form."""
    write_json(
        folder / CLASSES,
        [{"code": code, "abbreviation": abbreviation_of(code), "name": name_of(code)} for code in SCORED_CLASSES],
    )
    write_text_atomically(folder / OUT_LAYER, format_mapping(named_mapping("sigmoid")))


def write_thresholds(folder: Path, thresholds: NDArray[np.float64]) -> None:
    """Write the decision threshold of each scored class."""
    write_json(folder / THRESHOLDS, dict(zip(SCORED_CLASSES, map(float, thresholds), strict=True)))


def write_environment(folder: Path, **facts: Any) -> None:  # noqa: ANN401 - any JSON values
    """Write what the run ran on: versions, hardware, command line, and the caller's facts."""
    packages = ("torch", "numpy", "scipy", "zarr", "numcodecs", "dask", "wfdb")
    write_json(
        folder / ENVIRONMENT,
        {
            "python": platform.python_version(),
            "platform": platform.platform(),
            "processors": os.cpu_count(),
            "packages": {name: metadata.version(name) for name in packages},
            "cuda": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
            "command": sys.argv,
            **facts,
        },
    )


def load_model(folder: Path) -> TrainedModel | ReferenceModel:
    """Rebuild the model of a run folder, ours or the reference system's, from its configuration and best weights.

    Raises
    ------
    RunFolderError
        If the folder or one of its files is missing, damaged, or does not fit the others.
    """
    if not folder.is_dir():
        raise RunFolderError(f"{folder}: no such run folder; run train, or name another with --model")
    values = read_json(folder / CONFIG)
    if is_reference_config(values):
        return load_reference_folder(folder)
    if not isinstance(values, dict) or "model" not in values:
        raise RunFolderError(f"{folder / CONFIG}: no model configuration in it; expected a run folder made by train")
    try:
        config = ModelConfig.from_dict(values["model"])
    except (ConfigError, TypeError) as error:
        raise RunFolderError(f"{folder / CONFIG}: {error}") from error
    classes, stated = read_json(folder / CLASSES), read_json(folder / THRESHOLDS)
    try:
        codes = tuple(str(entry["code"]) for entry in classes)
        thresholds = np.array([float(stated[code]) for code in codes])
    except (KeyError, TypeError, ValueError) as error:
        raise RunFolderError(
            f"{folder}: {CLASSES} and {THRESHOLDS} do not fit each other ({type(error).__name__} {error}); train again"
        ) from error
    network = build_model(config, len(codes))
    state = load_weights(network, folder / MODEL)
    return TrainedModel(
        folder=folder,
        config=config,
        network=network.eval(),
        codes=codes,
        thresholds=thresholds,
        epoch=int(state["epoch"]),
    )
