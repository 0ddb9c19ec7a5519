"""What a folder of predictions is: one entrant's files, a gain sweep, or what a cross-validation held out.

A sweep and a cross-validation say what they are in a small JSON file at their root, which this module writes and
reads; any other folder is taken for Challenge CSVs, whoever wrote them.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ecg12.cache.storage.atomic import write_text_atomically
from ecg12.cache.storage.small_file import read_json, read_small_text
from ecg12.ecg.errors import InputError

GAIN_SWEEP = "gain-sweep.json"
CROSS_VALIDATION = "crossvalidation.json"
TEST_IDS = "test_ids.txt"
PREDICTIONS = "predictions"
"""Folder of the predictions of held-out records, in a run folder and in a cross-validation."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outputs:
    """Where predictions are.

    Attributes
    ----------
    folder : with one Challenge CSV a record
    held_out : part of a cross-validation → names of its records; None where all labelled records are predicted
    gains : gain → folder, from the lowest up; empty where there was no sweep
    """

    folder: Path
    held_out: Mapping[str, tuple[str, ...]] | None = None
    gains: Mapping[float, Path] = field(default_factory=dict)


def write_gain_sweep(output: Path, folders: Mapping[float, str]) -> None:
    """Say that `output` is a sweep, and which of its folders has which gain."""
    _write(output / GAIN_SWEEP, {"gains": [{"gain": gain, "folder": name} for gain, name in folders.items()]})


def write_cross_validation(folder: Path, values: Mapping[str, Any]) -> None:
    """Say that `folder` is a cross-validation; `values` has at least `parts`, the names of its run folders."""
    _write(folder / CROSS_VALIDATION, values)


def read_cross_validation(folder: Path) -> dict[str, Any]:
    """What `write_cross_validation` wrote.

    Raises
    ------
    InputError
        If it is damaged.
    """
    values = _read(folder / CROSS_VALIDATION)
    parts = values.get("parts")
    if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
        raise InputError(f"{folder / CROSS_VALIDATION}: parts are {parts!r}; expected names of folders: train again")
    return values


def find_outputs(path: Path) -> Outputs:
    """What is at `path`.

    Raises
    ------
    InputError
        If it is no folder, a sweep's or cross-validation's file is damaged, or a cross-validation is not finished.
    """
    if not path.is_dir():
        instead = "a file, no folder" if path.is_file() else "no folder" if path.exists() else "no such folder"
        raise InputError(f"{path}: {instead}; expected one Challenge CSV for each record: run predict")
    if (path / GAIN_SWEEP).is_file():
        return _sweep(path)
    if (path / CROSS_VALIDATION).is_file():
        return _held_out(path, read_cross_validation(path)["parts"])
    if (path / TEST_IDS).is_file():
        return _held_out(path, None)
    return Outputs(folder=path)


def _sweep(path: Path) -> Outputs:
    try:
        entries = _read(path / GAIN_SWEEP)["gains"]
        gains = {float(entry["gain"]): path / str(entry["folder"]) for entry in entries}
        return Outputs(folder=gains[1.0], gains=dict(sorted(gains.items())))
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{path / GAIN_SWEEP}: {type(error).__name__} {error}; expected what predict --gain-sweep wrote: run it "
            "again"
        ) from None


def _held_out(path: Path, parts: list[str] | None) -> Outputs:
    ids = {name: path / name / TEST_IDS for name in parts} if parts is not None else {path.name: path / TEST_IDS}
    missing = [name for name, file in ids.items() if not file.is_file()]
    if missing or not (path / PREDICTIONS).is_dir():
        raise InputError(
            f"{path}: the cross-validation is not finished ({missing[0] if missing else PREDICTIONS} is missing); "
            "give the same train command again"
        )
    return Outputs(folder=path / PREDICTIONS, held_out={name: read_test_ids(file) for name, file in ids.items()})


def read_test_ids(path: Path) -> tuple[str, ...]:
    """Names in one line, comma-separated.

    Raises
    ------
    InputError
        If the file cannot be read.
    """
    try:
        text = read_small_text(path).replace("\n", ",")
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error}); run the command that wrote it again") from error
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _write(path: Path, values: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text_atomically(path, json.dumps(values, indent="\t", ensure_ascii=False) + "\n")


def _read(path: Path) -> dict[str, Any]:
    try:
        values = read_json(path, nan=True)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error}); run the command that wrote it again") from error
    if not isinstance(values, dict):
        raise InputError(f"{path}: {type(values).__name__}; expected an object: run the command that wrote it again")
    return values
