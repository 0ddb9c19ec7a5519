"""Opening a store and reading from it: version first, then completeness, then whatever is asked for."""

import json
from collections.abc import Iterable
from functools import cached_property
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from cache.compression import require_codec
from cache.location import Location, RemotePath, in_parallel, locate
from cache.remote_arrays import fetch_array, open_array, with_chunks
from cache.schema import COLUMNS, FORMAT_NAME, FORMAT_VERSION, OPTIONAL_COLUMNS, RANK, SIGNAL, StoreConfig
from ecg.errors import ChecksumError, FormatVersionError, RemoteError, StoreError

_OPENING = (OSError, KeyError, TypeError, ValueError)
"""What zarr raises on metadata that is missing or damaged."""

_COLUMN_PATHS = tuple(column.path for column in (*COLUMNS, *OPTIONAL_COLUMNS))


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
        shape, chunks, dtype = self._signal.shape, self._signal.chunks, self._signal.dtype
        expected = (len(self.leads), self.chunk_length)
        if len(shape) != 2 or (shape[0], *chunks[1:]) != expected or shape[1] % self.chunk_length or dtype != np.int16:
            raise StoreError(
                f"{self.path}/signal: {dtype} of shape {shape} in chunks {chunks}; expected int16 in chunks "
                f"{expected}: build the store again"
            )
        self.n_chunks = shape[1] // self.chunk_length

    def __repr__(self) -> str:
        return f"Store({str(self.path)!r}, {self.n_records} records, {self.fs:g} Hz)"

    @cached_property
    def _signal(self) -> zarr.Array:
        try:
            return open_array(self.path, SIGNAL.path)
        except RemoteError:
            raise
        except _OPENING as error:
            raise StoreError(f"{self.path}/signal: cannot be opened ({error}); build the store again") from error

    def column(self, path: str) -> NDArray:
        """One table column by its path, e.g. "record/name"; texts as an object array of str.

        Raises
        ------
        StoreError
            If it is missing or damaged.
        """
        if path not in _COLUMN_PATHS:
            raise StoreError(f"{self.path}: no column {path!r}; expected one of {', '.join(_COLUMN_PATHS)}")
        if path not in self._columns:
            self._columns[path] = self._read_column(path)
        return self._columns[path]

    def _read_column(self, path: str) -> NDArray:
        try:
            column = fetch_array(self.path, path)
            # zarr takes a missing chunk for one full of the fill value; here every chunk is written
            missing = column.nchunks - column.nchunks_initialized
            values = np.asarray(column[...])
        except RemoteError:
            raise
        except (*_OPENING, RuntimeError) as error:
            raise StoreError(f"{self.path}/{path}: cannot be read ({error}); build the store again") from error
        if missing:
            raise StoreError(f"{self.path}/{path}: {missing} of its files missing; build the store again")
        return values.astype(object) if values.dtype.kind == "T" else values

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
        return self.column("record/start")

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Samples of each record, shape (record,)."""
        return self.column("record/length")

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
            If its file is missing or damaged.
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
        return path not in (column.path for column in OPTIONAL_COLUMNS) or (self.path / path / "zarr.json").is_file()

    def read_columns(self, start: int, stop: int) -> NDArray[np.int16]:
        """Columns `start` to `stop` of the signal, int16, shape (n_leads, stop - start), µV."""
        return _read_columns(self.path, self._signal, start, stop)


def read_chunk_of(path: Location, chunk: int) -> NDArray[np.int16]:
    """A decoded chunk of a store that may still be incomplete; raises as `Store.read_chunk` does."""
    try:
        signal = open_array(path, SIGNAL.path)
    except RemoteError:
        raise
    except _OPENING as error:
        raise ChecksumError(f"{path}/signal: cannot be opened ({error})") from error
    width = signal.chunks[1]
    return _read_columns(path, signal, chunk * width, (chunk + 1) * width)


def _read_columns(path: Location, signal: zarr.Array, start: int, stop: int) -> NDArray[np.int16]:
    width = signal.chunks[1]
    first, last = start // width, (stop - 1) // width
    folder = path / "signal" / "c" / "0"
    if isinstance(folder, RemotePath):
        chunks = in_parallel(lambda chunk: _fetch_chunk(folder, chunk), range(first, last + 1))
        signal = with_chunks(signal, {f"c/0/{first + number}": chunk for number, chunk in enumerate(chunks)})
    else:
        for chunk in range(first, last + 1):
            # zarr takes a missing chunk for one full of zeros; here every chunk is written
            if not (folder / str(chunk)).is_file():
                raise _missing(path, chunk)
    try:
        return np.asarray(signal[:, start:stop])
    except (OSError, ValueError, RuntimeError) as error:
        which = f"chunk {first}" if first == last else f"one of chunks {first} to {last}"
        raise ChecksumError(f"{path}/signal {which}: damaged ({error}); run verify") from error


def _fetch_chunk(folder: RemotePath, chunk: int) -> bytes:
    try:
        return (folder / str(chunk)).read_bytes()
    except FileNotFoundError:
        raise _missing(folder.parent.parent.parent, chunk) from None


def _missing(path: Location, chunk: int) -> ChecksumError:
    return ChecksumError(f"{path}/signal chunk {chunk}: the file is missing; run verify")


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
        metadata = json.loads((path / "zarr.json").read_text(encoding="utf-8"))
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
            f"{path}: format version {attributes.get('format_version')}; this program reads version "
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
