"""What predictions are held against: the diagnoses of records, from headers or from stores, and whose they are."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ecg12.cache.remarks import Remarked, count_remarks
from ecg12.cache.several_stores import open_stores
from ecg12.cache.storage.location import Location
from ecg12.cache.verify import require_tables
from ecg12.ecg.errors import HeaderError, InputError
from ecg12.ecg.labels.annotations import MENDED, NO_CODE, parse_annotations
from ecg12.ecg.labels.snomed import SCORED_CLASSES, scored_matrix
from ecg12.pipeline.formats.wfdb.files import read_header
from ecg12.pipeline.formats.wfdb.find_headers import FoundRecord, find_records, name_records
from ecg12.pipeline.formats.wfdb.sampling import challenge_dataset


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Truth:
    """Labelled records, one entry or row each.

    Attributes
    ----------
    names : what prediction files are called
    datasets : the dataset, or the folder of a record that belongs to none that is known
    units : what is independent of each other, for intervals: groups from a store, the records themselves from headers
    labels : uint8 (record, class), the 24 scored classes
    remarks : kind → values of headers that were mended or are not understood; a store has its own
    """

    names: tuple[str, ...]
    datasets: NDArray[np.object_]
    units: NDArray[np.object_]
    labels: NDArray[np.uint8]
    remarks: Mapping[str, Remarked] = field(default_factory=dict)

    def take(self, rows: NDArray[np.integer]) -> "Truth":
        """Some of the records."""
        return Truth(
            names=tuple(self.names[row] for row in rows),
            datasets=self.datasets[rows],
            units=self.units[rows],
            labels=self.labels[rows],
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Entry:
    dataset: str
    unit: str
    dx_codes: tuple[str, ...]
    remarks: tuple[tuple[str, str], ...] = ()


def read_truth(labels: Sequence[Location], only: Collection[str] | None = None) -> Truth:
    """The labels of all records of some folders and stores.

    Parameters
    ----------
    labels : folders of WFDB headers, or stores, which are read as one
    only : names of the records to take; None takes all

    Raises
    ------
    InputError
        If there is no record, one is in a store and in a folder, or one of `only` is missing; if no record has a label
        of a class that is scored, or a header cannot be understood.
    StoreError, ConfigError
        If stores cannot be read, or not as one.
    """
    stores = [path for path in labels if is_store(path)]
    entries = _of_stores(stores)
    folders = [path for path in labels if path not in stores]
    for name, record in name_records(find_records(folders)).items() if folders else ():
        if name in entries:
            raise InputError(f"{record.path}: a record {name} is in a store, too; expected each record's labels once")
        entries[name] = _of_header(name, record)
    if only is not None:
        missing = sorted(set(only) - entries.keys())
        if missing:
            where = ", ".join(map(str, labels))
            raise InputError(
                f"{where}: {len(missing)} of {len(only)} held-out records are not there, the first is {missing[0]}; "
                "expected the store or the records that were trained on"
            )
        entries = {name: entry for name, entry in entries.items() if name in set(only)}
    matrix = scored_matrix([entry.dx_codes for entry in entries.values()])
    if not matrix.any():
        raise InputError(f"{', '.join(map(str, labels))}: {_without_labels(entries)}")
    return Truth(
        names=tuple(entries),
        datasets=np.array([entry.dataset for entry in entries.values()], object),
        units=np.array([entry.unit for entry in entries.values()], object),
        labels=matrix,
        remarks=count_remarks((name, entry.remarks) for name, entry in entries.items()),
    )


def _without_labels(entries: Mapping[str, _Entry]) -> str:
    """What records state instead of labels that can be scored."""
    expected = f"expected labels of at least one of the {len(SCORED_CLASSES)} classes: no figure is defined without"
    for name, entry in entries.items():
        if entry.dx_codes:
            said = f"{name} states {entry.dx_codes[0]}"
            return f"none of {len(entries)} records has a label that is scored; {said}; {expected}"
    said = next((f"; {name} states {entry.remarks[0][1]!r}" for name, entry in entries.items() if entry.remarks), "")
    return f"none of {len(entries)} records has a label (a Dx line with codes){said}; {expected}"


def is_store(path: Location) -> bool:
    """Whether there is a store, or something that would be one."""
    return (path / "zarr.json").exists()


def _of_stores(paths: Sequence[Location]) -> dict[str, _Entry]:
    if not paths:
        return {}
    store = open_stores(paths)
    require_tables(store)
    rows = zip(store.ids, store.datasets, store.column("record/group"), strict=True)
    return {
        str(name): _Entry(dataset=str(dataset), unit=str(group), dx_codes=store.dx_codes(row))
        for row, (name, dataset, group) in enumerate(rows)
    }


def _of_header(name: str, record: FoundRecord) -> _Entry:
    try:
        header = read_header(record.path)
    except HeaderError as error:
        said = str(error)
        raise InputError(said if str(record.path) in said else f"{record.path}: {said}") from error
    challenge = challenge_dataset(header)
    annotations = parse_annotations(header.comments)
    return _Entry(
        dataset=challenge.name if challenge else record.source,
        unit=name,
        dx_codes=annotations.dx_codes,
        remarks=tuple(remark for remark in annotations.remarks if remark.kind in (NO_CODE, MENDED)),
    )
