"""Which record a cell of a table means: by its name, by dataset and name, or by the path of its file.

The closest reading that any record has is taken: a name as it is called before a path's last part, so that a table of
PTB-XL's `records500/00000/00001_hr` finds the file below any folder, and also where all files lie in one.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ecg12.cache.storage.location import Location

_SUFFIXES = frozenset(
    "hea mat dat edf bdf dcm dicom csv tsv txt npy npz xml json h5 hdf5 parquet ecg scp asc bin gz zip".split()
)


class RecordKey(NamedTuple):
    """What a record of a build can be found by."""

    dataset: str
    name: str
    path: Location


class RecordIndex:
    """Records by all that they may be called."""

    def __init__(self, records: Sequence[RecordKey]) -> None:
        self.records = records
        self._by_full: dict[str, list[int]] = defaultdict(list)
        self._by_name: dict[str, list[int]] = defaultdict(list)
        self._by_last: dict[str, list[int]] = defaultdict(list)
        self._paths = [_bare(str(record.path).replace("\\", "/")) for record in records]
        for number, record in enumerate(records):
            self._by_full[f"{record.dataset}/{record.name}"].append(number)
            self._by_name[record.name].append(number)
            for last in dict.fromkeys((_last(record.name), _last(self._paths[number]))):
                self._by_last[last].append(number)

    def find(self, cell: str) -> Sequence[int]:
        """The records that a cell may mean: none, one, or several where it does not tell."""
        return next((found for key in _readings(cell) for found in self._closest(key) if found), ())

    def full_name(self, number: int) -> str:
        """dataset/name of a record."""
        return f"{self.records[number].dataset}/{self.records[number].name}"

    def _closest(self, key: str) -> Iterator[Sequence[int]]:
        yield self._by_full.get(key, ())
        yield self._by_name.get(key, ())
        last = self._by_last.get(_last(key), ())
        if "/" in key:
            yield [number for number in last if f"/{self._paths[number]}".endswith(f"/{key}")]
        yield last


def _readings(cell: str) -> Iterator[str]:
    """A cell as it stands, without its file's suffix, and without what a spreadsheet adds to a number."""
    key = cell.strip().replace("\\", "/").removeprefix("./").rstrip("/")
    if not key:
        return
    yield key
    if (bare := _bare(key)) != key:
        yield bare
    if key.endswith((".0", ",0")) and key[:-2].isdecimal():
        yield key[:-2]


def _bare(name: str) -> str:
    """A file's name without its suffix, or two of them: `x.csv.gz`."""
    for _ in range(2):
        bare, dot, suffix = name.rpartition(".")
        if not dot or suffix.lower() not in _SUFFIXES or not _last(bare):
            break
        name = bare
    return name


def _last(name: str) -> str:
    return name.rpartition("/")[2]
