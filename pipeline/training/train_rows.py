"""Which records of a store a run trains on, validates on and tests on.

The id files of a run folder fix it, so that a run is continued, or judged, on the records it had; the ids of the
folder's pretraining do, where there are no others, so that no record is validated on that a stage was trained on.
"""

import hashlib
import logging
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecg12.cache.reader import Store
from ecg12.ecg.errors import ConfigError, RunFolderError, StoreError
from ecg12.ecg.tasks.task import Task
from ecg12.pipeline.runs import run_folder as files
from ecg12.pipeline.runs.prediction_folders import TEST_IDS
from ecg12.pipeline.runs.train_config import TrainConfig
from ecg12.pipeline.tasks.stored_labels import column_of, labels_of
from ecg12.pipeline.training.given_sides import AUTO, OFFICIAL, RANDOM, given_sides, has_given_sides
from ecg12.pipeline.training.split import hold_out, split_by_group

logger = logging.getLogger(__name__)


def _none() -> NDArray[np.int64]:
    return np.empty(0, np.int64)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Rows:
    """Rows of the store, int64, ascending: to train on, to validate on, and to report on when all is done."""

    train: NDArray[np.int64]
    valid: NDArray[np.int64]
    test: NDArray[np.int64] = field(default_factory=_none)


def choose_rows(store: Store, folder: Path, config: TrainConfig, task: Task, pretrained: Path | None = None) -> Rows:
    """Those that the folder's id files name, or a new split of the labelled records; to train on, a share of them.

    Parameters
    ----------
    pretrained : the folder of a pretraining, whose ids count where the folder has none; None for the folder itself

    Raises
    ------
    ConfigError
        If no record has a label, or the split is impossible.
    StoreError
        If an id is of no record of the store.
    RunFolderError
        If one of two id files is missing.
    """
    rows = _choose_all(store, folder, config, task, pretrained or folder)
    return replace(rows, train=take_share(store, rows.train, config.train_share, seed=config.seed))


def describe_split(store: Store, folder: Path, config: TrainConfig, task: Task) -> str:
    """In words, who dealt the sides of a run that is about to begin or to go on; "" where chance did."""
    begins = not (folder / files.LAST_STATE).exists()
    if begins and (folder / files.TRAIN_IDS).exists():
        return "by the ids in its folder"
    if config.hold_out.tests or not has_given_sides(store, task, config.split):
        return ""
    if config.split in (AUTO, OFFICIAL) and task.split is not None:
        return f"by the official split, column {task.split.column}"
    return f"by {config.split}"


def _choose_all(store: Store, folder: Path, config: TrainConfig, task: Task, pretrained: Path) -> Rows:
    annotated = np.flatnonzero(labels_of(store, task).labelled)
    if not len(annotated):
        raise ConfigError(
            f"{store.path}: none of its {store.n_records} records has a label of task {task.name}; expected labelled "
            "records: name another --task, or build the store with --labels"
        )
    named = [(folder, (files.TRAIN_IDS, files.VALID_IDS))]
    if (
        not config.hold_out.tests
    ):  # who is held out is dealt anew; `pipeline.evaluation.crossvalidate` warns of what that means
        named.append((pretrained, (files.PRETRAIN_TRAIN_IDS, files.PRETRAIN_VALID_IDS)))
    for where, ids in named:
        paths = [where / name for name in ids]
        there = [path for path in paths if path.exists()]
        if len(there) == 1:
            (missing,) = set(paths) - set(there)
            raise RunFolderError(f"{missing}: missing beside {there[0].name}; expected both or none: add or remove one")
        if there:
            if config.hold_out.tests and not (folder / TEST_IDS).exists():
                raise RunFolderError(
                    f"{folder}: {there[0].name} fixes who trains, but {TEST_IDS} is missing and records are to be held "
                    "out; choose another --folder, or leave out --folds and --leave-out"
                )
            train, valid = (rows_of(store, path) for path in paths)
            test = rows_of(store, folder / TEST_IDS) if (folder / TEST_IDS).exists() else _none()
            # a pretraining may have had records without labels
            train, valid = np.intersect1d(train, annotated), np.intersect1d(valid, annotated)
            return Rows(train=train, valid=valid, test=test)
    return split_rows(store, annotated, config, task)


def split_rows(store: Store, rows: NDArray[np.int64], config: TrainConfig, task: Task) -> Rows:
    """A new split of `rows`, of which `n_total` are taken."""
    rows = take_some(store, rows, config.n_total, seed=config.seed)
    if config.hold_out.tests:
        if config.split not in (AUTO, RANDOM):
            raise ConfigError(
                f"split {config.split} and records held out by folds or leave_out; expected one of the two"
            )
        return hold_out_rows(store, rows, config, task)
    if has_given_sides(store, task, config.split):
        return _given_rows(store, rows, config, task)
    if config.valid_split == 1:
        logger.warning("valid_split is 1: nothing trains, all %d records are validated on", len(rows))
        return Rows(train=_none(), valid=rows)
    valid = split_by_group(store.column("record/group")[rows], seed=config.seed, valid_split=config.valid_split)
    return Rows(train=rows[~valid], valid=rows[valid])


def _given_rows(store: Store, rows: NDArray[np.int64], config: TrainConfig, task: Task) -> Rows:
    """Sides that are given; where none validates, a share of those to train on does."""
    sides = given_sides(store, task, config.split, rows, torn_patients=config.torn_patients)
    train, valid = rows[sides.train], rows[sides.valid]
    if not len(valid) and config.valid_split:
        chosen = split_by_group(store.column("record/group")[train], seed=config.seed, valid_split=config.valid_split)
        train, valid = train[~chosen], train[chosen]
    return Rows(train=train, valid=valid, test=rows[sides.test])


def hold_out_rows(store: Store, rows: NDArray[np.int64], config: TrainConfig, task: Task) -> Rows:
    """A split of `rows` with a fold, or a dataset or another value of a column, to test on."""
    column, value = left_out(store, config.leave_out)
    sides = hold_out(
        store.column("record/group")[rows],
        column[rows],
        _categories(store, task)[rows],
        replace(config.hold_out, leave_out=value),
        seed=config.seed,
        valid_split=config.valid_split,
    )
    return Rows(train=rows[sides.train], valid=rows[sides.valid], test=rows[sides.test])


def left_out(store: Store, leave_out: str | None) -> tuple[NDArray, str | None]:
    """The column that is looked at, each record's value, and the value that is left out: site:3 is 3 of column site.

    Raises
    ------
    ConfigError
        If the store has no such column.
    """
    column, colon, value = (leave_out or "").partition(":")
    if not colon or leave_out in store.datasets:
        return store.datasets, leave_out
    values = column_of(store, column)
    if values is None:
        raise ConfigError(
            f"leave_out is {leave_out!r}: {store.path} has no column {column!r}; expected dataset, site, …"
        )
    return np.array([str(one) for one in values], object), value


def _categories(store: Store, task: Task) -> NDArray[np.integer]:
    """What folds are to have evenly, 0 or 1, shape (row of the store, category): classes, or fifths of a number."""
    found = labels_of(store, task)
    if found.number is None:
        return found.matrix
    known = found.number[np.isfinite(found.number)]
    bounds = np.quantile(known, [0.2, 0.4, 0.6, 0.8]) if len(known) else np.zeros(4)
    return (np.searchsorted(bounds, np.nan_to_num(found.number))[:, None] == np.arange(5)).astype(np.uint8)


def take_some(store: Store, rows: NDArray[np.int64], n_total: int | None, *, seed: int) -> NDArray[np.int64]:
    """At most `n_total` of `rows`, chosen by SHA-256(seed, dataset, name), ascending."""
    if n_total is None or n_total >= len(rows):
        return rows
    keys = [f"{seed}\0{store.datasets[row]}\0{store.names[row]}" for row in rows]
    order = sorted(range(len(rows)), key=lambda place: hashlib.sha256(keys[place].encode()).digest())
    return np.sort(rows[order[:n_total]])


def take_share(store: Store, rows: NDArray[np.int64], share: float, *, seed: int) -> NDArray[np.int64]:
    """Those of `rows` whose group's SHA-256, as a number from 0 to 1, is below `share`.

    So a smaller share is part of a larger one, and taking it again takes nothing away.

    Raises
    ------
    ConfigError
        If nothing is left of something.
    """
    if share == 1 or not len(rows):
        return rows
    groups = store.column("record/group")[rows]
    digests = [hashlib.sha256(f"train_share\0{seed}\0{group}".encode()).digest() for group in groups]
    taken = rows[np.array([int.from_bytes(digest[:8], "big") < share * 2**64 for digest in digests])]
    if not len(taken):
        raise ConfigError(f"train_share {share} of {len(rows)} records leaves none; expected a larger share")
    return taken


def rows_of(store: Store, path: Path) -> NDArray[np.int64]:
    """Rows of the records that an id file names, ascending.

    Raises
    ------
    StoreError
        If the store has one of them not, or several by that name.
    """
    try:
        rows = store.rows_of(files.read_ids(path))
    except StoreError as error:
        error.add_note(f"in {path}")
        raise
    return np.unique(rows)
