"""Records with what they are by a task, before it is said which of them count."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from ecg12.ecg.tasks.task import Task
from ecg12.ecg.tasks.truth import TaskLabels


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class LabelledRecords:
    """All records of a place, one entry or row each.

    Attributes
    ----------
    task, found : what they are by which task
    names, datasets, units, columns : see `pipeline.evaluation.truth.Truth`
    counted : bool, shape (record,): those that the task is about
    stated : gives the codes that a record states, for messages
    remarks : name → what was mended in its header, or not understood
    """

    task: Task
    names: tuple[str, ...]
    datasets: NDArray[np.object_]
    units: NDArray[np.object_]
    found: TaskLabels
    counted: NDArray[np.bool_]
    columns: Mapping[str, NDArray]
    stated: Callable[[int], Sequence[str]]
    remarks: Mapping[str, Sequence[tuple[str, str]]] = field(default_factory=dict)

    def take(self, rows: NDArray[np.integer]) -> "LabelledRecords":
        """Some of them."""
        found = self.found
        return replace(
            self,
            names=tuple(self.names[row] for row in rows),
            datasets=self.datasets[rows],
            units=self.units[rows],
            found=replace(
                found,
                labelled=found.labelled[rows],
                matrix=found.matrix[rows],
                known=None if found.known is None else found.known[rows],
                number=None if found.number is None else found.number[rows],
            ),
            counted=self.counted[rows],
            columns={name: values[rows] for name, values in self.columns.items()},
            stated=lambda row: self.stated(int(rows[row])),
        )


def join_records(parts: Sequence[LabelledRecords]) -> LabelledRecords:
    """Records of a store, then those of folders; a task that folders can tell has no number."""
    first, second = parts
    known = None
    if first.found.known is not None or second.found.known is not None:
        known = np.concatenate([_known_of(part.found) for part in parts])
    n_first = len(first.names)
    return LabelledRecords(
        task=first.task,
        names=(*first.names, *second.names),
        datasets=np.concatenate([part.datasets for part in parts]),
        units=np.concatenate([part.units for part in parts]),
        found=TaskLabels(
            labelled=np.concatenate([part.found.labelled for part in parts]),
            matrix=np.concatenate([part.found.matrix for part in parts]),
            known=known,
        ),
        counted=np.concatenate([part.counted for part in parts]),
        columns={name: np.concatenate([part.columns[name] for part in parts]) for name in first.columns},
        stated=lambda row: first.stated(row) if row < n_first else second.stated(row - n_first),
        remarks=second.remarks,
    )


def _known_of(found: TaskLabels) -> NDArray[np.bool_]:
    return np.ones(found.matrix.shape, bool) if found.known is None else found.known
