"""What predictions are held against: the diagnoses of records, from headers or from stores, and whose they are."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cache.location import Location
from cache.union import open_stores
from ecg.annotations import parse_annotations
from ecg.errors import InputError
from ecg.snomed import scored_matrix
from pipeline.wfdb_io import FoundRecord, challenge_dataset, find_records, name_records, read_header


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Truth:
    """Labelled records, one entry or row each.

    Attributes
    ----------
    names : what prediction files are called
    datasets : the dataset, or the folder of a record that belongs to none of the six
    units : what is independent of each other, for intervals: groups from a store, the records themselves from headers
    labels : uint8 (record, class), the 24 scored classes
    """

    names: tuple[str, ...]
    datasets: NDArray[np.object_]
    units: NDArray[np.object_]
    labels: NDArray[np.uint8]

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


def read_truth(labels: Sequence[Location], only: Collection[str] | None = None) -> Truth:
    """The labels of all records of some folders and stores.

    Parameters
    ----------
    labels : folders of WFDB headers, or stores, which are read as one
    only : names of the records to take; None takes all

    Raises
    ------
    InputError
        If there is no record, one is in a store and in a folder, or one of `only` is missing.
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
    return Truth(
        names=tuple(entries),
        datasets=np.array([entry.dataset for entry in entries.values()], object),
        units=np.array([entry.unit for entry in entries.values()], object),
        labels=scored_matrix([entry.dx_codes for entry in entries.values()]),
    )


def is_store(path: Location) -> bool:
    """Whether there is a store, or something that would be one."""
    return (path / "zarr.json").exists()


def _of_stores(paths: Sequence[Location]) -> dict[str, _Entry]:
    if not paths:
        return {}
    store = open_stores(paths)
    rows = zip(store.ids, store.datasets, store.column("record/group"), strict=True)
    return {
        str(name): _Entry(dataset=str(dataset), unit=str(group), dx_codes=store.dx_codes(row))
        for row, (name, dataset, group) in enumerate(rows)
    }


def _of_header(name: str, record: FoundRecord) -> _Entry:
    header = read_header(record.path)
    challenge = challenge_dataset(header)
    return _Entry(
        dataset=challenge.name if challenge else record.source,
        unit=name,
        dx_codes=parse_annotations(header.comments).dx_codes,
    )
