"""What a task finds in the tables of a store: which records it is about, and what each of them is."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecg12.ecg.errors import ConfigError
from ecg12.ecg.labels.snomed import is_concept_id
from ecg12.ecg.tasks.task import NUMBER, ONE, Task, TaskClass, Term


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class StoredLabels:
    """The labels of some records as a store has them.

    Attributes
    ----------
    codes, vocabulary : of each column; vocabulary None where a store states none
    matrix : uint8, shape (record, code), 1 where stated
    likelihood : float32, same shape, per cent, NaN where none is stated; None for none at all
    annotated : bool, shape (record,): whether anything is stated
    column : a column of the records by its name, as texts or numbers (NaN for missing); None where there is none
    """

    codes: tuple[str, ...]
    vocabulary: tuple[str, ...] | None
    matrix: NDArray[np.uint8]
    likelihood: NDArray[np.float32] | None
    annotated: NDArray[np.bool_]
    column: Callable[[str], NDArray | None]

    def vocabulary_of(self, place: int) -> str:
        """Of a column: what is stated, else by the form of its code."""
        if self.vocabulary is not None:
            return self.vocabulary[place]
        return "snomed-ct" if is_concept_id(self.codes[place]) else "own"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class TaskLabels:
    """What records are by a task.

    Attributes
    ----------
    labelled : bool, shape (record,): those that the task is about
    matrix : uint8, shape (record, class), 1 where a record is of a class; nothing of a number
    known : bool, same shape: where that is known; None where it is of all labelled records
    number : float64, shape (record,), NaN where not known; None of classes
    n_several : records that are left out because they are of several classes of one-of-many
    n_doubtful : records with a code below the task's likelihood
    """

    labelled: NDArray[np.bool_]
    matrix: NDArray[np.uint8]
    known: NDArray[np.bool_] | None = None
    number: NDArray[np.float64] | None = None
    n_several: int = 0
    n_doubtful: int = 0

    def values(self) -> NDArray[np.float32]:
        """All of it in one: (record, class), or (record, 1) of a number; NaN where it is not known."""
        values = (self.matrix if self.number is None else self.number[:, None]).astype(np.float32)
        if self.known is not None:
            values[~self.known] = np.nan
        values[~self.labelled] = np.nan
        return values


def read_labels(task: Task, stored: StoredLabels) -> TaskLabels:
    """What each record is by a task.

    Raises
    ------
    ConfigError
        If the store lacks the task's column.
    """
    if task.kind == NUMBER:
        return _numbers(task, stored)
    if task.column is not None:
        return _by_column(task, stored)
    return _by_code(task, stored)


def _column_of(task: Task, stored: StoredLabels) -> NDArray:
    values = stored.column(task.column or "")
    if values is None:
        raise ConfigError(
            f"task {task.name}: the store has no column {task.column!r}; expected sex, age or dataset, or what a "
            "table of labels gave it (site, device, fold, target:NAME): build it with --labels"
        )
    return values


def _numbers(task: Task, stored: StoredLabels) -> TaskLabels:
    values = _column_of(task, stored)
    if values.dtype.kind not in "fiu":
        raise ConfigError(f"task {task.name}: column {task.column!r} holds texts; expected numbers: age or target:NAME")
    number = values.astype(np.float64)
    assert task.number is not None
    with np.errstate(invalid="ignore"):
        number[~((number >= task.number.least) & (number <= task.number.most))] = np.nan
    return TaskLabels(labelled=np.isfinite(number), matrix=np.zeros((len(number), 0), np.uint8), number=number)


def _by_column(task: Task, stored: StoredLabels) -> TaskLabels:
    values = _column_of(task, stored)
    texts = np.array([_text_of(value) for value in values], object)
    columns = [np.isin(texts, one.values) for one in task.classes]
    matrix = np.stack(columns, axis=1).astype(np.uint8)
    return TaskLabels(labelled=np.asarray(matrix.any(axis=1), bool), matrix=matrix)


def _text_of(value: object) -> str:
    """A cell as a class names it: 1.0 is "1"."""
    if isinstance(value, float | np.floating):
        return "" if value != value else f"{value:.17g}"
    return str(value)


def _by_code(task: Task, stored: StoredLabels) -> TaskLabels:
    place = {Term(stored.vocabulary_of(number), code): number for number, code in enumerate(stored.codes)}
    stated = stored.matrix == 1
    certain, doubtful = stated, np.zeros_like(stated)
    if task.likelihood and stored.likelihood is not None:
        with np.errstate(invalid="ignore"):
            doubtful = stated & (stored.likelihood < task.likelihood)
        certain = stated & ~doubtful
    matrix = np.zeros((len(stated), len(task.classes)), bool)
    known = np.ones(matrix.shape, bool)
    unsure = np.zeros(matrix.shape, bool)
    for number, one in enumerate(task.classes):
        columns = _columns_of(one, task, place)
        excluded = _any(stated, _places(one.without, place))
        matrix[:, number] = _any(certain, columns) & ~excluded
        unsure[:, number] = _any(doubtful, columns) & ~matrix[:, number] & ~excluded
        known[:, number] = matrix[:, number] | ~_any(stated, _places(one.unknown, place))
    labelled = _labelled(task, stored, matrix, place)
    n_doubtful = int((unsure.any(axis=1) & labelled).sum())
    if task.doubtful == "unknown":
        known &= ~unsure
    elif task.doubtful == "leave-out":
        labelled &= ~unsure.any(axis=1)
    n_several = 0
    if task.kind == ONE:
        several = matrix.sum(axis=1) > 1
        n_several = int((several & labelled).sum())
        if task.several == "first":
            matrix &= np.cumsum(matrix, axis=1) == 1
        else:
            labelled &= ~several
        labelled &= matrix.any(axis=1)
    return TaskLabels(
        labelled=labelled,
        matrix=matrix.astype(np.uint8),
        known=None if known[labelled].all() else known,
        n_several=n_several,
        n_doubtful=n_doubtful,
    )


def _columns_of(one: TaskClass, task: Task, place: dict[Term, int]) -> list[int]:
    columns = _places(one.codes, place)
    if one.rest:
        left = set(one.but) | set(one.without)
        rest = (term for term in place if term.vocabulary in task.vocabularies and term not in left)
        columns += _places(rest, place)
    return columns


def _places(terms: Iterable[Term], place: dict[Term, int]) -> list[int]:
    return [place[term] for term in terms if term in place]


def _any(stated: NDArray[np.bool_], columns: list[int]) -> NDArray[np.bool_]:
    return np.asarray(stated[:, columns].any(axis=1), bool)


def _labelled(task: Task, stored: StoredLabels, matrix: NDArray[np.bool_], place: dict[Term, int]) -> NDArray[np.bool_]:
    """The records that a task is about."""
    if task.labelled == "class":
        return _any(matrix, list(range(matrix.shape[1])))
    if stored.vocabulary is None:  # a store of headers alone: whatever they state counts
        return stored.annotated.copy()
    of_task = [number for term, number in place.items() if term.vocabulary in task.vocabularies]
    stated = stored.matrix == 1
    # who is said to have none of the codes is negative for a task in the one vocabulary that is there
    nothing_else = {term.vocabulary for term in place} <= set(task.vocabularies)
    return _any(stated, of_task) | (stored.annotated & ~stated.any(axis=1) & nothing_else)
