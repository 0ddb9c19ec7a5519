"""The table of all predictions of a folder, read: what there is where no record has a file of its own."""

import csv
from collections.abc import Collection
from pathlib import Path

from ecg12.ecg.errors import InputError
from ecg12.ecg.scores.challenge_csv import Prediction

RECORD, CLASS, SCORE, LABEL = "record", "class", "score", "label"


def read_prediction_table(path: Path, names: Collection[str]) -> dict[str, Prediction]:
    """The predictions of some records in a table with columns record, class, score and label.

    Raises
    ------
    InputError
        If it cannot be read, lacks a column, or says a class of a record twice, naming the line.
    """
    wanted, found = set(names), dict[str, dict[str, tuple[int, float]]]()
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file, strict=True)
            missing = [name for name in (RECORD, CLASS, SCORE, LABEL) if name not in (rows.fieldnames or ())]
            if missing:
                raise InputError(f"{path}: no column {missing[0]}; expected what predict wrote")
            for row in rows:
                if row[RECORD] in wanted:
                    _take(found.setdefault(row[RECORD], {}), row, f"{path} line {rows.line_num}")
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


def _take(own: dict[str, tuple[int, float]], row: dict[str, str], where: str) -> None:
    """Add a row to what is said of its record."""
    code, label, score = row[CLASS], row[LABEL], row[SCORE]
    if code in own:
        raise InputError(f"{where}: class {code} of {row[RECORD]} a second time; expected once")
    if label not in ("0", "1", "", None):
        raise InputError(f"{where}: label {label!r}; expected 0 or 1")
    try:
        own[code] = int(label or 0), float(score)
    except (TypeError, ValueError):
        raise InputError(f"{where}: score {score!r}; expected a number") from None
