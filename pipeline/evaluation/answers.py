"""What an entrant, or a model, says of records: read from prediction files, or from the table of them all."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecg12.ecg.errors import InputError
from ecg12.ecg.scores.challenge_csv import Prediction, to_scored_matrices
from ecg12.ecg.scores.challenge_csv_slips import read_outputs
from ecg12.ecg.scores.later_reading import reads_later
from ecg12.ecg.tasks.task import NUMBER, Task
from ecg12.pipeline.evaluation.truth import Truth
from ecg12.pipeline.prediction.output_files import TABLE
from ecg12.pipeline.runs.challenge_csv_files import read_prediction, read_prediction_bytes, what_instead
from ecg12.pipeline.runs.prediction_table import read_prediction_table
from ecg12.pipeline.runtime.progress import Task as Shown


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """Predictions over the classes of a task: 0/1 and scores, shape (record, class); of a number its value alone."""

    binary: NDArray[np.uint8]
    scores: NDArray[np.float64]


def check_complete(truth: Truth, folder: Path) -> None:
    """Refuse a folder that the official evaluator would refuse, saying what is there instead.

    A folder with a table, and no file of any record, is one that is read by its table.
    """
    missing = [name for name in truth.names if not (folder / f"{name}.csv").is_file()]
    if missing and not _has_table_alone(folder, truth.names):
        raise InputError(_incomplete(folder, truth.names, missing))


def _incomplete(folder: Path, names: Sequence[str], missing: Sequence[str]) -> str:
    """What is missing, and what is there instead."""
    instead = what_instead(folder / f"{missing[0]}.csv")
    said = f" (it is {instead})" if instead != "missing" else _near(folder, missing[0])
    if len(missing) == len(names) and instead == "missing" and not said:
        there = csv_files(folder)
        said = f"; there are {len(there)} others, the first is {there[0]}.csv" if there else "; there is no .csv file"
    return (
        f"{folder}: {len(missing)} of {len(names)} records have no output file, the first is "
        f"{missing[0]}.csv{said}; expected one for each labelled record: predict them, or name a smaller LABELS folder"
    )


def _near(folder: Path, name: str) -> str:
    """What may have been meant for a missing file; the official evaluator compares names letter by letter."""
    place = (folder / name).parent
    wanted = f"{(folder / name).name}.csv".lower()
    there = sorted(path.name for path in place.iterdir()) if place.is_dir() else []
    if os.path.islink(folder / f"{name}.csv"):
        return " (it is a link to what is not there)"
    return next((f" (there is {other}: rename it)" for other in there if other.lower() == wanted), "")


def csv_files(folder: Path) -> list[str]:
    """Names of the prediction files in or below a folder, as records are called."""
    return sorted(
        os.path.relpath(os.path.join(root, name), folder).replace(os.sep, "/").removesuffix(".csv")
        for root, _, names in os.walk(folder)
        for name in names
        if name.endswith(".csv") and not name.startswith(".")
    )


def read_answers(
    truth: Truth, folder: Path, shown: Shown, slips: dict[str, dict[str, str]], *, prefix: str = ""
) -> Answers:
    """The predictions of all records; adds to `slips` what was lost, by kind and file.

    Raises
    ------
    InputError
        If a file or the table cannot be read, or the table lacks a record.
    """
    task = truth.task
    if _has_table_alone(folder, truth.names):
        found = _of_table(folder, truth.names)
        _check_classes(found, task, folder / TABLE)
        shown.advance(len(found))
        return to_answers(found, task)
    predictions, later = [], reads_later(task)
    for name in truth.names:
        content = read_prediction_bytes(folder / f"{name}.csv")
        prediction, lost = read_outputs(content, name, task.by_class, later=later)
        predictions.append(prediction)
        for slip in lost:
            slips.setdefault(slip.kind, {})[f"{prefix}{name}.csv"] = slip.text
        shown.advance()
    return to_answers(predictions, task)


def _check_classes(found: Sequence[Prediction], task: Task, path: Path) -> None:
    """Refuse a table that is of another task, in which all would count as negative."""
    codes = dict.fromkeys(code for one in found for code in one.codes)
    if not set(map(task.by_class.class_of, codes)) & set(task.codes):
        raise InputError(
            f"{path}: is of {', '.join(list(codes)[:3])}, which task {task.name} does not know; expected predictions "
            "of its classes: name another --task"
        )


def to_answers(predictions: Sequence[Prediction], task: Task) -> Answers:
    """Predictions of records, over the classes of a task.

    Raises
    ------
    InputError
        If the task tells a number and a prediction has none.
    """
    if task.kind != NUMBER:
        return Answers(*to_scored_matrices(predictions, task.by_class))
    values = [dict(zip(one.codes, one.scores, strict=True)).get(task.codes[0], np.nan) for one in predictions]
    for one, value in zip(predictions, values, strict=True):
        if not np.isfinite(value):
            raise InputError(f"{one.record_name}: no number of {task.codes[0]}; expected one in each prediction")
    return Answers(np.zeros((len(values), 1), np.uint8), np.array(values, np.float64)[:, None])


def are_predicted(folder: Path, names: Sequence[str]) -> bool:
    """Whether there is a file of each record, or a table instead of them."""
    return all((folder / f"{name}.csv").is_file() for name in names) or _has_table_alone(folder, names)


def read_own(folder: Path, names: Sequence[str]) -> list[Prediction]:
    """Predictions that this program wrote, from the files of their records, or the table where there are none.

    Raises
    ------
    InputError, PredictionError
        If one is not there, or not as it was written.
    """
    if _has_table_alone(folder, names):
        return _of_table(folder, names)
    return [read_prediction(folder / f"{name}.csv") for name in names]


def _has_table_alone(folder: Path, names: Sequence[str]) -> bool:
    return (folder / TABLE).is_file() and not any((folder / f"{name}.csv").is_file() for name in names)


def _of_table(folder: Path, names: Sequence[str]) -> list[Prediction]:
    found = read_prediction_table(folder / TABLE, names)
    missing = [name for name in names if name not in found]
    if len(missing) == len(names):
        raise InputError(_incomplete(folder, names, missing))
    if missing:
        raise InputError(
            f"{folder / TABLE}: {len(missing)} of {len(names)} records are not in it, the first is {missing[0]}; "
            "expected each: predict them"
        )
    return [found[name] for name in names]
