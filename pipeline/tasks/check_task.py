"""What a task finds in a store, counted before anything trains."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecg12.cache.reader import Store
from ecg12.ecg.labels.snomed import is_concept_id
from ecg12.ecg.tasks.task import NUMBER, Task, Term
from ecg12.ecg.tasks.truth import TaskLabels
from ecg12.pipeline.tasks.stored_labels import column_of, labels_of, stored_labels

NO_SIDE = "no side"


@dataclass(frozen=True, kw_only=True, slots=True)
class ClassCount:
    """Records of a class, in all and on each side of the split, and those where it is unknown."""

    code: str
    abbreviation: str
    name: str
    n_positive: int
    of_side: Mapping[str, int]
    n_unknown: int


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskCounts:
    """What a task finds in a store.

    Attributes
    ----------
    task : its name
    n_records, n_labelled : of the store, and those that the task is about
    n_none : labelled records of none of the classes
    n_several, n_doubtful : see `ecg.tasks.truth.TaskLabels`
    classes : counts of each
    sides : records on each side of the official split; empty where there is none, or the store does not know it
    datasets : labelled records of each dataset
    number : quantiles of the number at 0, 0.05, 0.25, 0.5, 0.75, 0.95 and 1; None of classes
    absent : codes of the task that no record of the store has
    unused : codes of the task's vocabularies that no class uses, by their abbreviations, with their records, the most
        frequent first
    """

    task: str
    n_records: int
    n_labelled: int
    n_none: int
    n_several: int
    n_doubtful: int
    classes: tuple[ClassCount, ...]
    sides: Mapping[str, int]
    datasets: Mapping[str, int]
    number: tuple[float, ...] | None
    absent: tuple[str, ...]
    unused: Mapping[str, int]


QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)


def check_task(task: Task, store: Store) -> TaskCounts:
    """Count what a task finds in a store.

    Raises
    ------
    ConfigError
        If the store lacks the task's column.
    StoreError
        If a column cannot be read.
    """
    found = labels_of(store, task)
    side = _sides(task, store, found.labelled)
    datasets = Counter(store.datasets[found.labelled].astype(str).tolist())
    absent, unused = _codes(task, store)
    counted = found.matrix[found.labelled]
    number = None
    if found.number is not None and found.labelled.any():
        number = tuple(np.quantile(found.number[found.labelled], QUANTILES).tolist())
    return TaskCounts(
        task=task.name,
        n_records=store.n_records,
        n_labelled=int(found.labelled.sum()),
        n_none=0 if task.kind == NUMBER else int((counted.sum(axis=1) == 0).sum()),
        n_several=found.n_several,
        n_doubtful=found.n_doubtful,
        classes=_classes(task, found, side),
        sides=_in_order(side[found.labelled]) if side is not None else {},
        datasets=dict(sorted(datasets.items())),
        number=number,
        absent=absent,
        unused=unused,
    )


def _in_order(sides: NDArray[np.object_]) -> dict[str, int]:
    """Records on each side, also of a side that has none: a misspelt value of the split shows as 0."""
    counts = Counter(sides.tolist())
    return {side: counts[side] for side in ("train", "valid", "test", NO_SIDE) if side != NO_SIDE or side in counts}


def _sides(task: Task, store: Store, labelled: NDArray[np.bool_]) -> NDArray[np.object_] | None:
    """The side of each record by the official split."""
    values = None if task.split is None else column_of(store, task.split.column)
    if task.split is None or values is None:
        return None
    of_value = {value: side for side in ("train", "valid", "test") for value in getattr(task.split, side)}
    return np.array([of_value.get(str(value), NO_SIDE) for value in values], object)


def _classes(task: Task, found: TaskLabels, side: NDArray[np.object_] | None) -> tuple[ClassCount, ...]:
    if task.kind == NUMBER:
        return ()
    counts = []
    for number, one in enumerate(task.classes):
        positive = (found.matrix[:, number] == 1) & found.labelled
        unknown = 0 if found.known is None else int((~found.known[:, number] & found.labelled).sum())
        of_side = {} if side is None else dict(Counter(side[positive].tolist()))
        counts.append(
            ClassCount(
                code=one.code,
                abbreviation=one.abbreviation,
                name=one.name,
                n_positive=int(positive.sum()),
                of_side=of_side,
                n_unknown=unknown,
            )
        )
    return tuple(counts)


def _codes(task: Task, store: Store) -> tuple[tuple[str, ...], dict[str, int]]:
    """Codes that the task names and the store has not, and those of its vocabularies that it does not name."""
    if task.column is not None:
        return (), {}
    stored = stored_labels(store)
    there = {Term(stored.vocabulary_of(place), code): place for place, code in enumerate(stored.codes)}
    named = {term for one in task.classes for terms in (one.codes, one.but, one.without, one.unknown) for term in terms}
    takes_rest = any(one.rest for one in task.classes)
    unused = {
        _called(term, task): int(stored.matrix[:, place].sum())
        for term, place in there.items()
        if term.vocabulary in task.vocabularies and term not in named and not takes_rest
    }
    absent = tuple(
        dict.fromkeys(_called(term, task) for one in task.classes for term in one.codes if term not in there)
    )
    return absent, dict(sorted(unused.items(), key=lambda item: (-item[1], item[0])))


def _called(term: Term, task: Task) -> str:
    """A code in short: by its abbreviation where it is SNOMED CT's, with its vocabulary where that is not the first."""
    if term.vocabulary == "snomed-ct":
        return task.abbreviation_of(term.code)
    is_stray = is_concept_id(term.code) or term.vocabulary != task.vocabularies[0]
    return str(term) if is_stray else term.code
