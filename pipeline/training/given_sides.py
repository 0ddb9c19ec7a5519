"""Sides that somebody else has dealt: a task's official split, files of ids, or a column of the store or of a table.

What is on no side takes no part, and is counted. A patient on two sides would be known before he is tested, so such a
split is refused, unless it was told to be taken.
"""

import csv
import io
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecg12.cache.reader import Store
from ecg12.cache.storage.small_file import read_small_text
from ecg12.ecg.errors import ConfigError, EcgError, StoreError
from ecg12.ecg.tasks.task import Task
from ecg12.pipeline.runs import run_folder as files
from ecg12.pipeline.runs.prediction_folders import TEST_IDS
from ecg12.pipeline.runtime.printable_names import printable
from ecg12.pipeline.tasks.stored_labels import column_of
from ecg12.pipeline.training.split import Sides

logger = logging.getLogger(__name__)

OFFICIAL, RANDOM, AUTO = "official", "random", "auto"
TRAIN, VALID, TEST = "train", "valid", "test"
SIDES = (TRAIN, VALID, TEST)

_WORDS: Mapping[str, str] = {
    **dict.fromkeys(("train", "training", "trn"), TRAIN),
    **dict.fromkeys(("valid", "val", "validation", "dev", "development", "tune"), VALID),
    **dict.fromkeys(("test", "testing", "tst", "eval", "holdout", "held-out"), TEST),
}
_LONGEST = 200
"""Characters of what a message repeats."""

_RECORD_COLUMNS = ("record", "record_name", "name", "filename", "file", "filename_hr", "filename_lr", "id", "ecg_id")


def has_given_sides(store: Store, task: Task, split: str) -> bool:
    """Whether sides are given, instead of being dealt here: `split` is that of `TrainConfig`."""
    if split == AUTO:
        return task.split is not None and column_of(store, task.split.column) is not None
    return split != RANDOM


def given_sides(store: Store, task: Task, split: str, rows: NDArray[np.int64], *, torn_patients: bool) -> Sides:
    """The sides of some rows of a store.

    Parameters
    ----------
    split : "auto" or "official", the task's; a folder with train_ids.txt, valid_ids.txt and test_ids.txt, of which the
        last two may be missing; COLUMN, one of the store (fold, site, …); or TABLE:COLUMN, of a CSV whose other column
        names the records. Columns hold train, valid and test, or what the task's own split names.
    torn_patients : take it although a patient, or a duplicate, is on two sides

    Raises
    ------
    ConfigError
        If there is no such split, nothing is to be trained on, or it tears patients apart.
    StoreError
        If a file names a record that the store has not.
    """
    side = stated_sides(store, task, split)[rows]
    found = Sides(train=side == TRAIN, valid=side == VALID, test=side == TEST)
    if not found.train.any():
        raise ConfigError(f"split {split}: none of the {len(rows)} labelled records is to train; expected some")
    n_left = int((side == "").sum())
    if n_left:
        logger.warning("split %s: %d of %d labelled records are on no side and left out", split, n_left, len(rows))
    _check_groups(store.column("record/group")[rows], side, split, torn_patients=torn_patients)
    return found


def stated_sides(store: Store, task: Task, split: str) -> NDArray[np.object_]:
    """The side of each row of a store: train, valid, test, or "" for none; arguments and errors of `given_sides`."""
    if split in (AUTO, OFFICIAL):
        return _official(store, task)
    if _is(Path.is_dir, split):
        return _of_files(store, Path(split))
    return _of_column(store, task, split)


def _official(store: Store, task: Task) -> NDArray[np.object_]:
    if task.split is None:
        raise ConfigError(f"task {task.name} has no official split; expected random, TABLE:COLUMN, or a folder of ids")
    values = column_of(store, task.split.column)
    if values is None:
        raise ConfigError(
            f"{store.path}: has no column {task.split.column}, in which the official split of task {task.name} stands; "
            "expected a store that was built with --labels of the dataset's table"
        )
    return _by_value(values, {side: getattr(task.split, side) for side in SIDES})


def _by_value(values: NDArray, of_side: Mapping[str, Sequence[str]]) -> NDArray[np.object_]:
    side = {value: name for name, own in of_side.items() for value in own}
    return np.array([side.get(str(value), "") for value in values], object)


def _of_files(store: Store, folder: Path) -> NDArray[np.object_]:
    """Sides by id files, as a run folder has them."""
    names = {TRAIN: files.TRAIN_IDS, VALID: files.VALID_IDS, TEST: TEST_IDS}
    if not (folder / names[TRAIN]).is_file():
        raise ConfigError(f"split {folder}: no {names[TRAIN]} there; expected it, and {names[VALID]}, {names[TEST]}")
    side = np.full(store.n_records, "", object)
    for name, file in names.items():
        if not (folder / file).is_file():
            continue
        try:
            rows = store.rows_of(files.read_ids(folder / file))
        except StoreError as error:
            error.add_note(f"in {folder / file}")
            raise
        twice = rows[side[rows] != ""]
        if len(twice):
            raise ConfigError(
                f"{folder / file}: {store.ids[twice[0]]} is on side {side[twice[0]]}, too; expected one side"
            )
        side[rows] = name
    return side


def _of_column(store: Store, task: Task, split: str) -> NDArray[np.object_]:
    values = column_of(store, split)
    if values is None:
        path, column = _table_and_column(split)
        if not path:
            raise ConfigError(
                f"split {split[:_LONGEST]!r}: no column of the store, no folder, and no TABLE:COLUMN of a file that is "
                f"there; expected one of these, or {OFFICIAL} or {RANDOM}"
            )
        values = _read_column(store, Path(path), column)
    texts = [str(value).strip() for value in values]
    stated = {text for text in texts if text}
    if {text.lower() for text in stated} <= _WORDS.keys():
        return np.array([_WORDS.get(text.lower(), "") for text in texts], object)
    if task.split is not None:
        of_side = {side: getattr(task.split, side) for side in SIDES}
        if stated <= {value for own in of_side.values() for value in own}:
            return _by_value(np.array(texts, object), of_side)
    some = ", ".join(printable(one[:_LONGEST]) for one in sorted(stated)[:10])
    raise ConfigError(
        f"split {split}: values {some}{', …' * (len(stated) > 10)}; expected train, valid and test"
        + (
            f", or those of the split of task {task.name}"
            if task.split is not None
            else f"; task {task.name} has no [split] that says which is which: a task of your own has it (tasks show)"
        )
    )


def _table_and_column(split: str) -> tuple[str, str]:
    """The parts of TABLE:COLUMN, in both of which there may be further colons; empty where there is no such table."""
    parts = split.split(":")
    places = range(len(parts) - 1, 0, -1)
    both = ((":".join(parts[:place]), ":".join(parts[place:])) for place in places)
    return next(((path, column) for path, column in both if _is(Path.is_file, path)), ("", ""))


def _is(kind: Callable[[Path], bool], path: str) -> bool:
    """Whether there is such a thing; no where the system knows no path like that, which is too long or too deep."""
    try:
        return kind(Path(path))
    except OSError:
        return False


def _read_column(store: Store, path: Path, column: str) -> NDArray[np.object_]:
    """A column of a CSV or TSV for each record of the store, "" where it has no row."""
    try:
        text = read_small_text(path)
        delimiter = max(",;\t", key=text.partition("\n")[0].count)
        table = csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""), delimiter=delimiter, strict=True)
        names = {(name or "").strip().lower(): name for name in table.fieldnames or []}
        keys = [names[name] for name in _RECORD_COLUMNS if name in names]
        if not keys or column.lower() not in names:
            raise ConfigError(
                f"{path}: columns {', '.join(names)}; expected {column}, and the record's name in one of "
                f"{', '.join(_RECORD_COLUMNS)}"
            )
        rows = list(table)
    except (OSError, ValueError, csv.Error) as error:
        if isinstance(error, EcgError):
            raise
        raise ConfigError(f"{path}: cannot be read as a table ({error})") from error
    known = {one for name in store.names for one in _readings(str(name), "")} | set(map(str, store.ids))
    key = max(keys, key=lambda key: sum(not known.isdisjoint(_readings(row[key], key)) for row in rows))
    found: dict[str, str] = {}
    for row in rows:
        value = (row[names[column.lower()]] or "").strip()
        for one in _readings(row[key], key):
            if found.setdefault(one, value) != value:
                raise ConfigError(f"{path}: record {one} on sides {found[one]} and {value}; expected one")
    values = np.full(store.n_records, "", object)
    for place, (name, dataset) in enumerate(zip(store.names, store.datasets, strict=True)):
        values[place] = found.get(
            f"{dataset}/{name}", found.get(str(name), found.get(str(name).rpartition("/")[2], ""))
        )
    if not values.any():
        raise ConfigError(
            f"{path}: names none of the {store.n_records} records of {store.path}, in column {key.strip()}; expected "
            f"names such as {store.names[0]}"
        )
    return values


def _readings(cell: str | None, column: str) -> dict[str, None]:
    """What a record may be called: as it stands there, by the last part of a path, or as the Challenge calls it."""
    name = (cell or "").strip()
    number = name.removesuffix(".0")
    is_number = column.strip().lower() == "ecg_id" and number.isdecimal() and len(number) < 10
    return dict.fromkeys([name, name.rpartition("/")[2], *([f"HR{int(number):05d}"] if is_number else [])])


def _check_groups(groups: NDArray[np.object_], side: NDArray[np.object_], split: str, *, torn_patients: bool) -> None:
    """Refuse a split that tears a group apart, or say that it does."""
    sides: dict[str, set[str]] = {}
    for group, one in zip(groups, side, strict=True):
        if one:
            sides.setdefault(str(group), set()).add(str(one))
    torn = [group for group, own in sides.items() if len(own) > 1]
    if not torn:
        return
    text = (
        f"split {split}: {len(torn)} of {len(sides)} patients (or duplicates) are on several sides; the first "
        f"is {torn[0]}: what is tested was known before"
    )
    if not torn_patients:
        raise ConfigError(f"{text}; expected each on one side: mend the split, or take it with --torn-patients")
    logger.warning("%s", text)
