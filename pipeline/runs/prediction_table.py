"""The table of all predictions of a folder, read: what there is where no record has a file of its own."""

import csv
from collections.abc import Collection, Sequence
from pathlib import Path

from ecg12.ecg.errors import InputError
from ecg12.ecg.scores.challenge_csv import Prediction

RECORD, LABEL = "record", "label"
CLASSES, SCORES = ("class", "number"), ("score", "value")
"""What predict heads its columns with, in the table of classes and in that of a number."""


def read_prediction_table(path: Path, names: Collection[str]) -> dict[str, Prediction]:
    """The predictions of some records in a table, of classes with their labels, or of a number.

    Raises
    ------
    InputError
        If it cannot be read, lacks a column, or says a class of a record twice, naming the line.
    """
    wanted, found = set(names), dict[str, dict[str, tuple[int, float]]]()
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file, strict=True)
            columns = [_column(path, rows.fieldnames or (), names) for names in ((RECORD,), CLASSES, SCORES)]
            for row in rows:
                record, code, score = (row[column] for column in columns)
                if record in wanted:
                    where = f"{path} line {rows.line_num}"
                    _take(found.setdefault(record, {}), code, score, row.get(LABEL), f"{where}: {record}")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read ({error}); expected what predict wrote") from error
    return {
        name: Prediction(
            record_name=name,
            codes=tuple(own),
            labels=tuple(label for label, _ in own.values()),
            scores=tuple(score for _, score in own.values()),
        )
        for name, own in found.items()
    }


def _column(path: Path, there: Sequence[str], names: Sequence[str]) -> str:
    column = next((name for name in names if name in there), None)
    if column is None:
        raise InputError(f"{path}: no column {names[0]}; expected what predict wrote")
    return column


def _take(own: dict[str, tuple[int, float]], code: str, score: str | None, label: str | None, where: str) -> None:
    """Add a row to what is said of its record."""
    if code in own:
        raise InputError(f"{where}: {code} a second time; expected once")
    if label not in ("0", "1", "", None):
        raise InputError(f"{where}: label {label!r}; expected 0 or 1")
    try:
        own[code] = int(label or 0), float(score or "")
    except ValueError:
        raise InputError(f"{where}: score {score!r}; expected a number") from None
