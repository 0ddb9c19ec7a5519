"""The labels of a store as `ecg.tasks` takes them."""

import numpy as np
from numpy.typing import NDArray

from ecg12.cache.reader import Store
from ecg12.cache.schema import SEX_OF_CODE
from ecg12.ecg.tasks.task import Task
from ecg12.ecg.tasks.truth import StoredLabels, TaskLabels, read_labels

TARGET = "target:"
"""Before the name of a number that a table of labels gave to records."""


def labels_of(store: Store, task: Task) -> TaskLabels:
    """What each record of a store is by a task, rows as in the store.

    Raises
    ------
    ConfigError
        If the store lacks the task's column.
    StoreError
        If a column cannot be read.
    """
    return read_labels(task, stored_labels(store))


def stored_labels(store: Store) -> StoredLabels:
    """The labels of all records of a store."""
    vocabulary = store.optional("label/vocabulary")
    return StoredLabels(
        codes=tuple(map(str, store.column("label/code"))),
        vocabulary=None if vocabulary is None else tuple(map(str, vocabulary)),
        matrix=store.column("label/matrix"),
        likelihood=store.optional("label/likelihood"),
        annotated=store.column("label/annotated").astype(bool),
        column=lambda name: column_of(store, name),
    )


def column_of(store: Store, name: str) -> NDArray | None:
    """A column of the records by the name that tasks and options have for it; None where the store lacks it.

    Texts as an object array, "" for missing; numbers as float64, NaN for missing.
    """
    if name == "sex":
        return np.array([(SEX_OF_CODE[int(code)] or "").lower() for code in store.column("record/sex")], object)
    if name == "age":
        return store.column("record/age").astype(np.float64)
    if name in ("dataset", "name", "group"):
        return store.column(f"record/{name}")
    if name in ("fold", "site", "device", "date"):
        return store.optional(f"record/{name}")
    if name.startswith(TARGET):
        names = store.optional("target/name")
        values = store.optional("target/value")
        if names is None or values is None or name.removeprefix(TARGET) not in names:
            return None
        return values[:, list(names).index(name.removeprefix(TARGET))]
    return None
