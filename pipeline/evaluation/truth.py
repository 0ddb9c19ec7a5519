"""What predictions are held against: what records are by a task, from headers or from stores, and whose they are."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from ecg12.cache.remarks import Remarked, count_remarks
from ecg12.cache.several_stores import open_stores
from ecg12.cache.storage.location import Location
from ecg12.cache.verify import require_tables
from ecg12.ecg.errors import ConfigError, HeaderError, InputError
from ecg12.ecg.labels.annotations import MENDED, NO_CODE, Annotations, parse_annotations
from ecg12.ecg.scores.scores import challenge
from ecg12.ecg.tasks.task import NUMBER, Task
from ecg12.ecg.tasks.truth import StoredLabels, TaskLabels, read_labels
from ecg12.pipeline.evaluation.labelled_records import LabelledRecords, join_records
from ecg12.pipeline.formats.wfdb.files import read_header
from ecg12.pipeline.formats.wfdb.find_headers import FoundRecord, find_records, name_records
from ecg12.pipeline.formats.wfdb.sampling import challenge_dataset
from ecg12.pipeline.tasks.stored_labels import column_of, labels_of
from ecg12.pipeline.training.given_sides import stated_sides

OF_HEADERS = ("sex", "age", "dataset")
"""Columns that a folder of headers has."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Truth:
    """Records that count, one entry or row each.

    Attributes
    ----------
    names : what prediction files are called
    datasets : the dataset, or the folder of a record that belongs to none that is known
    units : what is independent of each other, for intervals: groups from a store, the records themselves from headers
    labels : uint8 (record, class), the classes of the task
    task : whose classes they are
    known : bool (record, class): labels that count; None for all
    number : float64 (record,), of a task that tells a number; else None
    columns : further columns by their names, for figures of parts
    left_out : names of records that were asked for and are not labelled by the task
    remarks : kind → values of headers that were mended or are not understood; a store has its own
    """

    names: tuple[str, ...]
    datasets: NDArray[np.object_]
    units: NDArray[np.object_]
    labels: NDArray[np.uint8]
    task: Task = field(default_factory=challenge)
    known: NDArray[np.bool_] | None = None
    number: NDArray[np.float64] | None = None
    columns: Mapping[str, NDArray] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    remarks: Mapping[str, Remarked] = field(default_factory=dict)

    def take(self, rows: NDArray[np.integer]) -> "Truth":
        """Some of the records."""
        return replace(
            self,
            names=tuple(self.names[row] for row in rows),
            datasets=self.datasets[rows],
            units=self.units[rows],
            labels=self.labels[rows],
            known=None if self.known is None else self.known[rows],
            number=None if self.number is None else self.number[rows],
            columns={name: values[rows] for name, values in self.columns.items()},
            left_out=(),
            remarks={},
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Chosen:
    """Which records of the labelled ones are scored.

    Attributes
    ----------
    names : of these records, which must be there; None for all
    split, side : of these, the ones on this side of a split, see `pipeline.training.given_sides`; None for all
    where : what says the names, for messages
    """

    names: Collection[str] | None = None
    split: str | None = None
    side: str = "test"
    where: str = "held-out records"


EVERYONE = Chosen()


def read_truth(labels: Sequence[Location], task: Task, chosen: Chosen = EVERYONE, columns: Sequence[str] = ()) -> Truth:
    """What all records of some folders and stores are by a task.

    Parameters
    ----------
    labels : folders of WFDB headers, or stores, which are read as one
    columns : further ones to have, by the names that `pipeline.tasks.stored_labels.column_of` knows

    Raises
    ------
    InputError
        If there is no record, one is in a store and in a folder, or one that is asked for is missing; if no record has
        a label of the task, or a header cannot be understood.
    ConfigError
        If a column or split is asked for that is not there, or the task is not one of codes and folders of headers are
        to tell its labels.
    StoreError, ConfigError
        If stores cannot be read, or not as one.
    """
    stores = [path for path in labels if is_store(path)]
    folders = [path for path in labels if path not in stores]
    where = ", ".join(map(str, labels))
    if folders and (task.column is not None or task.kind == NUMBER):
        raise InputError(
            f"{folders[0]}: a folder of headers, which has labels in codes alone; task {task.name} needs the column "
            f"{task.column} of a store: name the store"
        )
    if folders and chosen.split is not None:
        raise ConfigError(f"{folders[0]}: a folder of headers has no sides to split by; expected a store alone")
    parts = [_of_stores(stores, task, chosen, columns)] if stores else []
    if folders:
        parts.append(_of_folders(folders, task, columns, set(parts[0].names) if parts else set()))
    whole = parts[0] if len(parts) == 1 else join_records(parts)
    whole = _choose(whole, chosen, where)
    truth = _truth_of(whole)
    if not (np.isfinite(truth.number).any() if truth.number is not None else truth.labels.any()):
        raise InputError(f"{where}: {_without_labels(whole, task)}")
    return truth


def is_store(path: Location) -> bool:
    """Whether there is a store, or something that would be one."""
    return (path / "zarr.json").exists()


def _truth_of(records: LabelledRecords) -> Truth:
    """The records that count."""
    kept = records.take(np.flatnonzero(records.counted))
    names = set(kept.names)
    return Truth(
        names=kept.names,
        datasets=kept.datasets,
        units=kept.units,
        labels=kept.found.matrix,
        task=records.task,
        known=kept.found.known,
        number=kept.found.number,
        columns=kept.columns,
        left_out=tuple(name for name, counts in zip(records.names, records.counted, strict=True) if not counts),
        remarks=count_remarks((name, said) for name, said in records.remarks.items() if name in names),
    )


def _of_stores(paths: Sequence[Location], task: Task, chosen: Chosen, columns: Sequence[str]) -> LabelledRecords:
    store = open_stores(paths)
    require_tables(store)
    found = labels_of(store, task)
    of_headers = store.optional("label/vocabulary") is None
    values: dict[str, NDArray] = {}
    for name in columns:
        column = column_of(store, name)
        if column is None:
            raise ConfigError(
                f"{store.path}: has no column {name!r}; expected sex, age, dataset, or what a table of labels gave it "
                "(site, device, fold)"
            )
        values[name] = column
    records = LabelledRecords(
        task=task,
        names=tuple(map(str, store.ids)),
        datasets=store.datasets,
        units=store.column("record/group"),
        found=found,
        counted=_counted(task, found, of_headers=of_headers),
        columns=values,
        stated=store.dx_codes,
    )
    if chosen.split is None:
        return records
    on_side = stated_sides(store, task, chosen.split) == chosen.side
    if not on_side.any():
        raise ConfigError(f"split {chosen.split}: no record of {store.path} is on side {chosen.side}; expected some")
    return records.take(np.flatnonzero(on_side))


def _counted(task: Task, found: TaskLabels, *, of_headers: bool) -> NDArray[np.bool_]:
    """The records that a task is about.

    The official evaluators count a header that states nothing as a record of no class, and so do tasks with their
    metric, where headers are all that labels come from.
    """
    everyone = of_headers and task.metric is not None and task.labelled == "vocabulary"
    return np.ones(len(found.labelled), bool) if everyone else found.labelled


def _of_folders(folders: Sequence[Location], task: Task, columns: Sequence[str], taken: set[str]) -> LabelledRecords:
    unknown = next((name for name in columns if name not in OF_HEADERS), None)
    if unknown is not None:
        raise ConfigError(f"{folders[0]}: headers have no column {unknown!r}; expected {', '.join(OF_HEADERS)}")
    datasets: dict[str, str] = {}
    said: dict[str, Annotations] = {}
    for name, record in name_records(find_records(folders)).items():
        if name in taken:
            raise InputError(f"{record.path}: a record {name} is in a store, too; expected each record's labels once")
        datasets[name], said[name] = _of_header(record)
    places = np.array(list(datasets.values()), object)
    values = {
        "dataset": places,
        "sex": np.array([(one.sex or "").lower() for one in said.values()], object),
        "age": np.array([np.nan if one.age is None else one.age for one in said.values()], np.float64),
    }
    stated = [one.dx_codes for one in said.values()]
    found = read_labels(task, _labels_of_codes(stated))
    return LabelledRecords(
        task=task,
        names=tuple(datasets),
        datasets=places,
        units=np.array(list(datasets), object),
        found=found,
        counted=_counted(task, found, of_headers=True),
        columns={name: values[name] for name in columns},
        stated=lambda row: stated[row],
        remarks={
            name: [remark for remark in one.remarks if remark.kind in (NO_CODE, MENDED)] for name, one in said.items()
        },
    )


def _labels_of_codes(stated: Sequence[Sequence[str]]) -> StoredLabels:
    """The codes of headers as a store would have them."""
    codes = sorted({code for own in stated for code in own})
    place = {code: number for number, code in enumerate(codes)}
    matrix = np.zeros((len(stated), len(codes)), np.uint8)
    for row, own in enumerate(stated):
        matrix[row, [place[code] for code in own]] = 1
    return StoredLabels(
        codes=tuple(codes),
        vocabulary=None,
        matrix=matrix,
        likelihood=None,
        annotated=np.array([bool(own) for own in stated], bool),
        column=lambda name: None,
    )


def _of_header(record: FoundRecord) -> tuple[str, Annotations]:
    try:
        header = read_header(record.path)
    except HeaderError as error:
        said = str(error)
        raise InputError(said if str(record.path) in said else f"{record.path}: {said}") from error
    dataset = challenge_dataset(header)
    return dataset.name if dataset else record.source, parse_annotations(header.comments)


def _choose(records: LabelledRecords, chosen: Chosen, where: str) -> LabelledRecords:
    if chosen.names is None:
        return records
    wanted = set(chosen.names)
    missing = sorted(wanted - set(records.names))
    if missing and chosen.split is None:
        raise InputError(
            f"{where}: {len(missing)} of {len(wanted)} {chosen.where} are not there, the first is {missing[0]}; "
            "expected the store or the records that they are of"
        )
    return records.take(np.array([row for row, name in enumerate(records.names) if name in wanted], np.int64))


def _without_labels(records: LabelledRecords, task: Task) -> str:
    """What records state instead of labels that can be scored."""
    n_classes = len(task.classes)
    expected = f"expected labels of at least one of the {n_classes} classes: no figure is defined without"
    if task.column is not None:
        return f"none of {len(records.names)} records has a value in column {task.column} that task {task.name} knows"
    for row, name in enumerate(records.names):
        codes = records.stated(row)
        if codes:
            return (
                f"none of {len(records.names)} records has a label that is scored; {name} states {codes[0]}; {expected}"
            )
    said = next((f"; {name} states {own[0][1]!r}" for name, own in records.remarks.items() if own), "")
    return f"none of {len(records.names)} records has a label (a Dx line with codes){said}; {expected}"
