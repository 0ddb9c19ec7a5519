"""Several stores read as one: a new dataset is a new store, and nothing is ever rebuilt for it.

The tables are those of the store that all records together would have been built into, row for row: in (dataset, name)
order, with all codes in one table and the groups of patients and duplicates merged across stores. Only where a record
lies differs: the stores' signals stand side by side in the order of their digests, so that nothing depends on the order
in which they were named. The signals stay where they are; what is held in memory is the tables that are asked for.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ecg12.cache.checksum import DIGEST_ATTRIBUTE
from ecg12.cache.optional_columns import FURTHER, first_vocabulary, missing_values, vocabulary_by_form
from ecg12.cache.reader import Store
from ecg12.cache.remarks import REMARKS, read_remarks
from ecg12.cache.schema import MERGED_GROUPS, sha256_of_json
from ecg12.cache.storage.location import Location
from ecg12.ecg.errors import ConfigError, StoreError
from ecg12.ecg.signals.duplicates import duplicates_of, unite_groups

Locations: TypeAlias = Location | Sequence[Location]
"""Where one store is, or several."""


def open_stores(paths: Locations) -> Store:
    """One store, or several read as one.

    Raises
    ------
    StoreError
        If one cannot be read, or a record is in two of them, naming it.
    ConfigError
        If they do not go together, naming two and the difference; or if none is named.
    """
    named = [paths] if isinstance(paths, Location) else list(paths)
    if not named:
        raise ConfigError("no store; expected at least one: make one with build-cache")
    stores = [Store(path) for path in named]
    return stores[0] if len(stores) == 1 else StoreUnion(stores)


def members_of(store: Store) -> tuple[Store, ...]:
    """The stores that this one is made of; itself, where it is one."""
    return store.members if isinstance(store, StoreUnion) else (store,)


def home_of_chunk(store: Store, chunk: int) -> tuple[Store, int]:
    """The store on disk that has this chunk, and the chunk's number there."""
    if not isinstance(store, StoreUnion):
        return store, chunk
    member, there = store.locate_chunk(chunk)
    return store.members[member], there


@dataclass(frozen=True, slots=True)
class UnionName:
    """What several stores are called in messages, in the place of a path: there is nothing to be opened."""

    paths: tuple[Location, ...]

    def __str__(self) -> str:
        return " + ".join(map(str, self.paths))


class StoreUnion(Store):
    """Stores that are read as one; to whoever reads it, it is a `Store`.

    Attributes
    ----------
    members : the stores, in the order of their digests; chunks and columns of the signal are numbered through them
    attributes : as of one store; `digest` follows from the members' digests
    """

    def __init__(self, stores: Sequence[Store]) -> None:
        # not the base's: there is no store of its own to open, only the members
        check_together(stores)
        self.members = tuple(sorted(stores, key=lambda store: store.attributes[DIGEST_ATTRIBUTE]))
        self.path = UnionName(tuple(store.path for store in stores))  # type: ignore[assignment]
        self.config = self.members[0].config
        self.fs, self.leads = self.members[0].fs, self.members[0].leads
        self.chunk_length = self.config.chunk_length
        self.n_records = sum(store.n_records for store in self.members)
        self.n_chunks = sum(store.n_chunks for store in self.members)
        sizes = np.array([store.n_chunks for store in self.members])
        self._first_chunks = (np.cumsum(sizes) - sizes).tolist()
        self._columns: dict[str, NDArray] = {}
        self._order = self._order_of_rows()
        self.attributes = self._unite_attributes()

    def __repr__(self) -> str:
        return f"StoreUnion({len(self.members)} stores, {self.n_records} records, {self.fs:g} Hz)"

    def column(self, path: str) -> NDArray:
        """As `Store.column`, of all records, classes or chunks."""
        if path not in self._columns:
            self._columns[path] = self._unite(path)
        return self._columns[path]

    def read_columns(self, start: int, stop: int) -> NDArray[np.int16]:
        """Columns `start` to `stop` of the signal, int16, shape (n_leads, stop - start), µV."""
        parts = []
        for store, first_chunk in zip(self.members, self._first_chunks, strict=True):
            first = first_chunk * self.chunk_length
            begin, end = max(start - first, 0), min(stop - first, store.n_chunks * self.chunk_length)
            if begin < end:
                parts.append(store.read_columns(begin, end))
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)

    def locate_chunk(self, chunk: int) -> tuple[int, int]:
        """(number of the member, the chunk's number there)."""
        member = bisect_right(self._first_chunks, chunk) - 1
        return member, chunk - self._first_chunks[member]

    def _check_places(self) -> None:
        for store in self.members:
            store._check_places()

    def _order_of_rows(self) -> NDArray[np.int64]:
        """Rows of the members, one after another, in (dataset, name) order.

        Raises
        ------
        StoreError
            If two are of the same record.
        """
        datasets, names = (self._stacked(path).astype(str) for path in ("record/dataset", "record/name"))
        order = np.lexsort((names, datasets))
        same = (datasets[order][1:] == datasets[order][:-1]) & (names[order][1:] == names[order][:-1])
        for place in np.flatnonzero(same)[:1]:
            row, following = order[place : place + 2]
            ends = np.cumsum([store.n_records for store in self.members])
            first, second = (self.members[int(np.searchsorted(ends, at, "right"))].path for at in (row, following))
            raise StoreError(
                f"record {datasets[row]}/{names[row]} is in {first} and in {second}; expected each record in one "
                "store: leave one of them out, or if these are two recordings, build one from a folder of another name"
            )
        return order

    def _unite_attributes(self) -> dict[str, Any]:
        attributes = [store.attributes for store in self.members]
        common = ("format", "format_version", "complete", "fs", "leads")
        return {key: attributes[0][key] for key in common} | {
            "n_records": self.n_records,
            "datasets": self._unite_datasets(),
            REMARKS: {kind: one.to_dict() for kind, one in read_remarks(attributes, where=str(self.path)).items()},
            "rejects": sorted((reject for one in attributes for reject in one["rejects"]), key=_text_of_reject),
            DIGEST_ATTRIBUTE: sha256_of_json({"stores": [one[DIGEST_ATTRIBUTE] for one in attributes]}),
        }

    def _unite_datasets(self) -> dict[str, dict[str, float]]:
        counts: dict[str, dict[str, float]] = {}
        for store in self.members:
            for name, figures in store.attributes["datasets"].items():
                so_far = counts.setdefault(name, {"records": 0, "rejects": 0})
                for figure in so_far:
                    so_far[figure] += figures[figure]
        for name, figures in counts.items():
            # from the lengths, not from the members' hours, which are rounded
            n_samples = int(self.lengths[self.datasets == name].sum())
            figures["hours"] = round(n_samples / self.fs / 3600, 6)
        return dict(sorted(counts.items()))

    def _unite(self, path: str) -> NDArray:
        made: dict[str, Callable[[], NDArray]] = {
            "record/start": self._unite_starts,
            "record/group": self._unite_groups,
            "label/code": self._unite_codes,
            "label/matrix": lambda: self._unite_by_code(path),
            "label/rank": lambda: self._unite_by_code(path),
            "label/vocabulary": self._unite_vocabularies,
            "label/likelihood": lambda: self._unite_by_name(path, "label/code"),
            "target/name": lambda: _united(self.members, "target/name"),
            "target/value": lambda: self._unite_by_name(path, "target/name"),
            "label/scored_code": self._unite_scored_codes,
            "chunk/digest": lambda: self._stacked(path),
        }
        if path in made:
            return made[path]()
        return self._stacked(path)[self._order]  # all others have a row a record

    def _stacked(self, path: str) -> NDArray:
        """The members' columns one after another."""
        return np.concatenate([_column_of(store, path) for store in self.members])

    def _unite_starts(self) -> NDArray[np.int64]:
        begins = (first * self.chunk_length for first in self._first_chunks)
        starts = [store.starts + begin for store, begin in zip(self.members, begins, strict=True)]
        return np.concatenate(starts)[self._order]

    def _unite_groups(self) -> NDArray[np.object_]:
        groups = self._stacked("record/group")[self._order]
        becomes = unite_groups(self._together(groups))
        return np.array([becomes.get(group, group) for group in groups], object)

    def _together(self, groups: NDArray[np.object_]) -> Iterator[set[str]]:
        """Groups that are one: by mergers that the members wrote down, or by equal samples in two of them."""
        for store in self.members:
            for group, leader in store.attributes.get(MERGED_GROUPS, {}).items():
                yield {group, leader}
        names = [f"{dataset}/{name}" for dataset, name in zip(self.datasets, self.names, strict=True)]
        group_of = dict(zip(names, groups, strict=True))
        for same in duplicates_of(names, self.column("record/digest"), self.column("record/lead_flags")):
            yield {group_of[name] for name in same}

    def _unite_codes(self) -> NDArray[np.object_]:
        return _united(self.members, "label/code")

    def has(self, path: str) -> bool:
        """As `Store.has`: whether all members have it, or one, where the others' values are known to be missing."""
        return (any if path in FURTHER else all)(store.has(path) for store in self.members)

    def _unite_vocabularies(self) -> NDArray[np.object_]:
        found: dict[str, str] = {}
        for store in self.members:
            codes = store.column("label/code").tolist()
            stated = store.optional("label/vocabulary")
            for code, one in zip(codes, map(vocabulary_by_form, codes) if stated is None else stated, strict=True):
                found[code] = first_vocabulary(found.get(code, one), one)
        return np.array([found[code] for code in self.column("label/code")], object)

    def _unite_by_name(self, path: str, names: str) -> NDArray:
        """A column of numbers with a row a record and a column a name; NaN where a member has not the name."""
        column_of = {name: number for number, name in enumerate(self.column(names))}
        parts = []
        for store in self.members:
            part = missing_values(FURTHER[path], (store.n_records, len(column_of)))
            if store.has(path):
                part[:, [column_of[name] for name in store.column(names)]] = store.column(path)
            parts.append(part)
        return np.concatenate(parts)[self._order]

    def _unite_by_code(self, path: str) -> NDArray[np.uint8]:
        column_of = {code: number for number, code in enumerate(self.column("label/code"))}
        parts = []
        for store in self.members:
            part = np.zeros((store.n_records, len(column_of)), np.uint8)
            part[:, [column_of[code] for code in store.column("label/code")]] = store.column(path)
            parts.append(part)
        return np.concatenate(parts)[self._order]

    def _unite_scored_codes(self) -> NDArray[np.object_]:
        return self.members[0].column("label/scored_code")


def _united(stores: Sequence[Store], path: str) -> NDArray[np.object_]:
    """The names of all, sorted."""
    return np.array(sorted({name for store in stores if store.has(path) for name in store.column(path)}), object)


def _column_of(store: Store, path: str) -> NDArray:
    """A column with a row a record or a chunk; missing values where the store lacks it."""
    return store.column(path) if store.has(path) else missing_values(FURTHER[path], (store.n_records,))


def check_together(stores: Sequence[Store]) -> None:
    """Raise ConfigError if stores cannot be read as one, naming two of them and the difference."""
    first = stores[0]
    for store in stores[1:]:
        for what, of in _MUST_AGREE.items():
            here, there = of(first), of(store)
            if here != there:
                raise ConfigError(
                    f"{store.path}: {what} {there}, but {here} in {first.path}; expected the same to read them as one: "
                    "build one of them again, or leave it out"
                )


_MUST_AGREE: dict[str, Callable[[Store], str]] = {
    "sampling frequency": lambda store: _frequency(store.fs),
    "leads": lambda store: ", ".join(store.leads),
    "high-pass filter": lambda store: _frequency(store.config.highpass),
    "notch filter": lambda store: _frequency(store.config.notch),
    "chunk length": lambda store: f"{store.chunk_length:,} samples",
    "scored classes": lambda store: ", ".join(store.column("label/scored_code")),
}


def _frequency(frequency: float | None) -> str:
    return "none" if frequency is None else f"{frequency:.17g} Hz"  # every digit: the texts are what is compared


def _text_of_reject(reject: dict[str, str]) -> tuple[str, ...]:
    return tuple(reject[key] for key in ("dataset", "record", "stage", "reason"))
