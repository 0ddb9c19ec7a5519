"""A folder of predictions as whoever shows them wants it: what its columns are called, and what it says of a record.

predict writes a table of all records, `predictions.csv`. Of classes it has a row a record and class, and Challenge CSVs
lie beside it; of a number a row a record, and nothing lies beside it.
"""

import csv
import itertools
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ecg12.ecg.errors import InputError
from ecg12.ecg.scores.challenge_csv import Prediction
from ecg12.ecg.tasks.class_names import ClassNames
from ecg12.ecg.tasks.named import NAMED_TASKS, named_task
from ecg12.ecg.tasks.task import NUMBER, NumberRange, Task, TaskClass
from ecg12.pipeline.files.regular_files import check_regular
from ecg12.pipeline.runs.challenge_csv_files import read_prediction
from ecg12.pipeline.tasks.task_files import task_of_folder

TABLE = "predictions.csv"
TABLE_COLUMNS = ("record", "class", "name", "score", "label", "threshold", "quality")
NUMBER_COLUMNS = ("record", "number", "name", "value", "unit", "quality")
"""Of the table of a model that tells a number."""

Row = dict[str, str]


@dataclass(frozen=True, slots=True, eq=False)
class PredictedFolder:
    """A folder that predict, or any entrant of the Challenge, wrote predictions into.

    Attributes
    ----------
    numbers : record → code of the number and its value, of a model that tells one; None of classes
    names : what its table calls the columns
    """

    folder: Path
    numbers: dict[str, tuple[str, float]] | None
    names: ClassNames

    def read(self, record: str) -> Prediction:
        """What is predicted of a record; a number as a score without a label.

        Raises
        ------
        InputError, PredictionError
            If there is nothing, or it cannot be read.
        """
        if self.numbers is None:
            return read_prediction(self.folder / f"{record}.csv")
        if record not in self.numbers:
            raise InputError(f"{self.folder / TABLE}: no row of record {record}; predict on it")
        code, value = self.numbers[record]
        return Prediction(record_name=record, codes=(code,), labels=(0,), scores=(value,))


def open_predicted(folder: Path) -> PredictedFolder:
    """What a folder of predictions holds, and what its task or table calls the columns; neither need be there.

    Raises
    ------
    InputError
        If there is a table of predict's that cannot be read.
    ConfigError
        If a task lies there that is damaged.
    """
    carried = task_of_folder(folder)
    with _rows_of(folder / TABLE) as (columns, rows):
        if columns == NUMBER_COLUMNS:
            return _of_numbers(folder, rows)
        if columns != TABLE_COLUMNS:
            return PredictedFolder(folder, None, ClassNames())
        first = next(rows, None)
        if first is None:
            return PredictedFolder(folder, None, ClassNames())
        of_first = itertools.takewhile(lambda row: row["record"] == first["record"], itertools.chain([first], rows))
        names = {row["class"]: row["name"] for row in of_first}
        return PredictedFolder(folder, None, ClassNames((_task_of(names, carried),)))


def _of_numbers(folder: Path, rows: Iterator[Row]) -> PredictedFolder:
    numbers: dict[str, tuple[str, float]] = {}
    row: Row = dict.fromkeys(NUMBER_COLUMNS, "number")
    for row in rows:
        value = float(row["value"])
        if not math.isfinite(value) or row["record"] in numbers:
            raise ValueError(f"record {row['record']}, value {row['value']}: twice, or no number")
        numbers[row["record"]] = (row["number"], value)
    code = row["number"]
    own = TaskClass(code=code, name=row["name"], abbreviation=code)
    number = NumberRange(unit=row["unit"])
    task = Task(
        name=code, kind=NUMBER, classes=(own,), columns=(code,), column=code, number=number, select="mae", report=()
    )
    return PredictedFolder(folder, numbers, ClassNames((task,)))


def _task_of(names: dict[str, str], carried: Task) -> Task:
    """The folder's task or a built-in one that has just these columns, else one that says what they are called."""
    for task in (carried, *map(named_task, NAMED_TASKS)):
        if {code: task.name_of(code) for code in task.columns} == names:
            return task
    classes = tuple(TaskClass(code=code, name=name, abbreviation=code) for code, name in names.items())
    return Task(name="table", classes=classes, columns=tuple(names))


@contextmanager
def _rows_of(path: Path) -> Iterator[tuple[tuple[str, ...], Iterator[Row]]]:
    """Columns and rows of a table; of none where there is no file.

    What the block raises of the table's text becomes an InputError.
    """
    try:
        check_regular(path, os.stat(path), error=InputError)
    except (FileNotFoundError, NotADirectoryError):
        yield (), iter(())
        return
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            columns = tuple(reader.fieldnames or ())
            yield columns, iter(reader)
    except (OSError, ValueError, TypeError, KeyError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read ({error}); expected the table that predict writes") from error
