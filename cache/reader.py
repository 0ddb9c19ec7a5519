"""Opening a store and reading from it: version first, then completeness, then whatever is asked for."""

from collections.abc import Iterable
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecg12.cache.checksum import chunk_digest
from ecg12.cache.chunk_file import ChunkFiles
from ecg12.cache.compression import require_codec
from ecg12.cache.metadata import METADATA
from ecg12.cache.optional_columns import FURTHER, OPTIONAL_COLUMNS, RANK, listed_arrays
from ecg12.cache.schema import COLUMNS, FORMAT_NAME, FORMAT_VERSION, StoreConfig
from ecg12.cache.storage.location import Location, in_parallel, locate
from ecg12.cache.storage.small_file import read_json
from ecg12.cache.table_file import read_table
from ecg12.cache.table_values import check_column, check_places
from ecg12.ecg.errors import ChecksumError, ConfigError, FormatVersionError, RemoteError, StoreError

_COLUMNS = {column.path: column for column in (*COLUMNS, *OPTIONAL_COLUMNS)}
_OPTIONAL = frozenset(column.path for column in OPTIONAL_COLUMNS)
_NAMES_OF = {"class": "label/code", "target": "target/name"}
"""Dimensions but the records', and the columns that name what lies along them."""


class Store:
    """A complete store, open for reading.

    Tables are read when first asked for and kept; signal is read chunk by chunk. Safe to use from several
    threads.

    Attributes
    ----------
    path : where it is, a local folder or behind a URL
    attributes : the root attributes
    fs : sampling frequency, Hz
    leads : lead names, in storage order
    n_records, n_chunks, chunk_length : sizes
    files : of the signal's chunks
    proven : bool array, shape (chunk,): chunks that were found to be those of `chunk/digest` since it was opened
    """

    def __init__(self, path: Location | str) -> None:
        self.path: Location = locate(path) if isinstance(path, str) else path
        self.attributes = read_attributes(self.path)
        if self.attributes.get("complete") is not True:
            raise StoreError(f"{self.path}: the store is incomplete; run build-cache again")
        try:
            self.config = StoreConfig.from_dict(self.attributes["build"])
            self.fs = float(self.attributes["fs"])
            self.leads: tuple[str, ...] = tuple(self.attributes["leads"])
            self.n_records = int(self.attributes["n_records"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise StoreError(
                f"{self.path}: root attributes changed ({type(error).__name__}: {error}); expected what build-cache "
                "wrote: build the store again"
            ) from error
        require_codec(self.config.codec)
        self.chunk_length = self.config.chunk_length
        self._columns: dict[str, NDArray] = {}
        self.files = ChunkFiles(self.path, self.config)
        n_columns = self.files.form.shape[1]
        if not 0 <= self.n_records <= n_columns:
            raise StoreError(
                f"{self.path}: {self.n_records:,} records in {n_columns:,} columns of signal; expected at most one a "
                "column: build the store again"
            )
        self.n_chunks = n_columns // self.chunk_length

    def __repr__(self) -> str:
        return f"Store({str(self.path)!r}, {self.n_records} records, {self.fs:g} Hz)"

    @cached_property
    def proven(self) -> NDArray[np.bool_]:
        """See the class."""
        return np.zeros(len(self.column("chunk/digest")), bool)

    def column(self, path: str) -> NDArray:
        """One table column by its path, e.g. "record/name"; texts as an object array of str.

        Raises
        ------
        StoreError
            If it is missing or damaged.
        """
        if path not in _COLUMNS:
            raise StoreError(f"{self.path}: no column {path!r}; expected one of {', '.join(_COLUMNS)}")
        if path not in self._columns:
            self._columns[path] = self._read_column(path)
        return self._columns[path]

    def _read_column(self, path: str) -> NDArray:
        sizes = {"record": self.n_records, "chunk": self.n_chunks, "lead": len(self.leads)}
        for dim, names in _NAMES_OF.items():
            if path in _OPTIONAL and path != names and dim in _COLUMNS[path].dims:
                sizes[dim] = len(self.column(names))
        values = read_table(self.path, _COLUMNS[path], sizes)
        check_column(f"{self.path}/{path}", path, values)
        return values

    @property
    def signal_form(self) -> dict[str, Any]:
        """What a model that is trained on the signal takes over from it: sampling frequency, leads, filters."""
        return {
            "fs": self.fs,
            "leads": self.leads,
            "highpass": self.config.highpass,
            "notch": self.config.notch,
        }

    @property
    def names(self) -> NDArray[np.object_]:
        """Record names, shape (record,)."""
        return self.column("record/name")

    @cached_property
    def ids(self) -> NDArray[np.object_]:
        """What each record is called alone: its name, or dataset/name where two datasets share it."""
        names, counts = np.unique(self.names.astype(str), return_counts=True)
        shared = set(names[counts > 1])
        return np.array(
            [f"{d}/{n}" if n in shared else n for d, n in zip(self.datasets, self.names, strict=True)], object
        )

    @property
    def datasets(self) -> NDArray[np.object_]:
        """Dataset of each record, shape (record,)."""
        return self.column("record/dataset")

    @property
    def starts(self) -> NDArray[np.int64]:
        """First column of each record in the signal, shape (record,)."""
        self._check_places()
        return self.column("record/start")

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Samples of each record, shape (record,)."""
        self._check_places()
        return self.column("record/length")

    def _check_places(self) -> None:
        """Once: columns are cut out of the signal by what these two tables say."""
        if not self._places_checked:
            starts, lengths = self.column("record/start"), self.column("record/length")
            # there are as many chunks as have digests, whatever the signal's metadata says
            check_places(str(self.path), starts, lengths, len(self.proven) * self.chunk_length)
            self._places_checked = True

    _places_checked = False

    def index_of(self, name: str) -> int:
        """The row of the record called `name` (see `ids`; dataset/name always works).

        Raises
        ------
        StoreError
            If there is none, or more than one.
        """
        rows = np.flatnonzero(self.names == name)
        dataset, _, rest = name.partition("/")
        if not len(rows) and rest:
            rows = np.flatnonzero((self.datasets == dataset) & (self.names == rest))
        if len(rows) != 1:
            found = f"{len(rows)} records, in {', '.join(self.datasets[rows])}," if len(rows) else "no record"
            raise StoreError(f"{self.path}: {found} called {name!r}; expected one: name it as DATASET/NAME")
        return int(rows[0])

    def rows_of(self, names: Iterable[str]) -> NDArray[np.int64]:
        """`index_of` each, int64; quick for many.

        Raises
        ------
        StoreError
            If one is of no record, or of several.
        """
        by_id = {str(name): row for row, name in enumerate(self.ids)}
        return np.array([by_id[name] if name in by_id else self.index_of(name) for name in names], np.int64)

    def read_chunk(self, chunk: int) -> NDArray[np.int16]:
        """A decoded chunk, int16, shape (n_leads, chunk_length), µV.

        Raises
        ------
        ChecksumError
            If its file is missing, damaged, or another chunk's.
        """
        return self.read_columns(chunk * self.chunk_length, (chunk + 1) * self.chunk_length)

    def read_record(self, row: int) -> NDArray[np.int16]:
        """A record's stored signal, int16, shape (n_leads, length), µV after its leads' offsets were taken off.

        Raises
        ------
        ChecksumError
            If a chunk it lies in is missing or damaged.
        """
        start = int(self.starts[row])
        return self.read_columns(start, start + int(self.lengths[row]))

    def read_microvolts(self, row: int) -> NDArray[np.float32]:
        """A record's signal with its offsets put back, float32, shape (n_leads, length), µV."""
        offset = self.column("record/offset")[row]
        return self.read_record(row).astype(np.float32) + offset[:, None].astype(np.float32)

    def dx_codes(self, row: int) -> tuple[str, ...]:
        """The codes a record is annotated with, sorted."""
        return tuple(self.column("label/code")[self.column("label/matrix")[row] == 1])

    def label_rank(self) -> NDArray[np.uint8]:
        """Place of each code among a record's labels, from 1; 0 where it has not the code; shape (record, class).

        Raises
        ------
        StoreError
            If the store was built without it, as stores of this format may be.
        """
        if not self.has(RANK.path):
            raise StoreError(
                f"{self.path}: does not keep the order of a record's labels ({RANK.path}), which decides here; "
                "expected a store that does: build it again with this version"
            )
        return self.column(RANK.path)

    def has(self, path: str) -> bool:
        """Whether a column that a store may have is there; those that it must have always are."""
        if path in FURTHER:
            return path in self.listed_arrays
        return path != RANK.path or (self.path / path / METADATA).is_file()

    @cached_property
    def listed_arrays(self) -> dict[str, str]:
        """Path → SHA-256 of the arrays that have one of their own, those among them that this version does not know."""
        return listed_arrays(self.attributes, str(self.path))

    def optional(self, path: str) -> NDArray | None:
        """`column` of one that a store may have, such as "label/likelihood"; None where this store lacks it.

        Raises
        ------
        StoreError
            If it is damaged, or no store has such a column.
        """
        return self.column(path) if path not in _COLUMNS or self.has(path) else None

    def read_columns(self, start: int, stop: int) -> NDArray[np.int16]:
        """Columns `start` to `stop` of the signal, int16, shape (n_leads, stop - start), µV."""
        width = self.chunk_length
        chunks = range(start // width, -(-stop // width))
        for chunk in chunks:
            if not self.files.is_there(chunk):  # before anything is allocated
                raise self.files.missing(chunk)
        # of a remote store several at once
        encoded = in_parallel(self.files.encoded, chunks) if self.files.is_remote else [None] * len(chunks)
        out = np.empty((len(self.leads), stop - start), np.int16)
        for chunk, data in zip(chunks, encoded, strict=True):
            block = np.empty(self.files.shape, np.int16)
            self.files.decode(chunk, self.files.encoded(chunk) if data is None else data, block, check=True)
            self.prove(chunk, block)
            first = chunk * width
            begin, end = max(start, first), min(stop, first + width)
            out[:, begin - start : end - start] = block[:, begin - first : end - first]
        return out

    def prove(self, chunk: int, block: NDArray[np.int16]) -> None:
        """Hold a decoded chunk against `chunk/digest`, the first time: its crc32c goes with its file wherever it goes.

        Raises
        ------
        ChecksumError
            If it is another chunk's, or was changed by whoever wrote its crc32c, naming both digests.
        """
        if self.proven[chunk]:
            return
        found, expected = chunk_digest(block), self.column("chunk/digest")[chunk]
        if found != expected:
            raise ChecksumError(
                f"{self.files.where(chunk)}: SHA-256 {found}; expected {expected}: build the store again, or copy it "
                "again from where it is whole"
            )
        self.proven[chunk] = True


def read_chunk_of(path: Location, chunk: int) -> NDArray[np.int16]:
    """A decoded chunk of a store that may still be incomplete, whatever its digest.

    Raises
    ------
    ChecksumError
        If its file, or the signal's metadata, is missing or damaged.
    StoreError
        If there is no store, or its attributes were changed.
    """
    try:
        config = StoreConfig.from_dict(read_attributes(path).get("build", {}))
        files = ChunkFiles(path, config)
    except ChecksumError:
        raise
    except (StoreError, ConfigError) as error:
        raise ChecksumError(str(error)) from error
    return files.read(chunk)


def read_attributes(path: Location) -> dict[str, Any]:
    """The root attributes of a store of this format version, complete or not.

    Raises
    ------
    StoreError
        If there is no store, or it is not one of ours.
    FormatVersionError
        If its version is not the one this program reads.
    """
    try:
        metadata = read_json(path / METADATA)
        attributes = metadata["attributes"]
        if attributes["format"] != FORMAT_NAME:
            raise KeyError("format")
    except RemoteError:
        raise
    except (OSError, ValueError, KeyError, TypeError) as error:
        _refuse_what_is_no_folder(path)
        raise StoreError(
            f"{path}: not a store of this program (zarr.json: {type(error).__name__} {error}); "
            f"expected a zarr v3 group with attribute format = {FORMAT_NAME!r}"
        ) from None
    if attributes.get("format_version") != FORMAT_VERSION:
        raise FormatVersionError(
            f"{path}: format version {attributes.get('format_version')!r}; this program reads version "
            f"{FORMAT_VERSION}: build the store again, or use the program version that wrote it"
        )
    return attributes


def _refuse_what_is_no_folder(path: Location) -> None:
    if path.is_dir():
        return
    if path.exists():
        raise StoreError(f"{path}: a file; expected the folder of a store") from None
    building = path.with_name(f"{path.name}.build")
    advice = (
        f"{building} holds an unfinished build: run build-cache again to finish it"
        if building.is_dir()
        else "make one with build-cache"
    )
    raise StoreError(f"{path}: no store there; {advice}") from None
