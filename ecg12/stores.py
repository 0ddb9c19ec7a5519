"""A store from Python: records as arrays, tables as DataFrames, labels."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, SupportsIndex, overload

import numpy as np
from numpy.typing import NDArray

from ecg12.cache.chunk_reader import ChunkReader
from ecg12.cache.reader import Store as Held
from ecg12.cache.schema import SEX_OF_CODE, StoreConfig
from ecg12.cache.several_stores import open_stores
from ecg12.cache.stated import TEXTS
from ecg12.cache.verify import require_tables
from ecg12.ecg.errors import ConfigError
from ecg12.ecg.labels.class_choice import choose_columns
from ecg12.ecg.signals.recording import describe_lead_flags
from ecg12.pipeline.loading.chosen_rows import choose_rows
from ecg12.pipeline.loading.chunk_cache import ChunkCache
from ecg12.pipeline.recordings.stored_recording import read_stored
from ecg12.places import PathLike, Paths, to_place, to_places
from ecg12.recordings import Recording

if TYPE_CHECKING:
    import pandas as pd

KEPT_CHUNKS = 4
"""Decoded chunks that a store keeps, 6 MB each: who reads records in the order of `stream` decodes each chunk once."""

_BUILD = StoreConfig()


class Store:
    """A store, open for reading, or several that are read as one; `open_store` makes it.

    `store[3]` is the recording in row 3 of `records`, `store.record("A0001")` the one of a name, `len(store)` their
    number. Tables are read when first asked for and kept.

    Attributes
    ----------
    paths : where it is; several where it is several
    fs : sampling frequency, Hz
    leads : names of the leads, in order
    names : what each record is called: its name, or DATASET/NAME where two datasets share it
    records : DataFrame, one row a record, see there
    rejects : DataFrame of the records that were not taken in, and why
    """

    def __init__(self, held: Held, paths: Sequence[str]) -> None:
        self._held = held
        self.paths = tuple(paths)
        self.fs: float = held.fs
        self.leads: tuple[str, ...] = held.leads

    def __repr__(self) -> str:
        return f"Store({' + '.join(self.paths)!r}, {len(self)} records, {self.fs:g} Hz)"

    def __len__(self) -> int:
        return self._held.n_records

    @property
    def names(self) -> tuple[str, ...]:
        """What each record is called."""
        return tuple(map(str, self._held.ids))

    @overload
    def __getitem__(self, row: SupportsIndex) -> Recording: ...

    @overload
    def __getitem__(self, row: slice) -> list[Recording]: ...

    def __getitem__(self, row: SupportsIndex | slice) -> Recording | list[Recording]:
        """The recording in a row of `records`, or those of some rows; raises ChecksumError if it is damaged."""
        if isinstance(row, slice):
            return [self._recording(one) for one in range(*row.indices(len(self)))]
        return self._recording(self._row(row))

    def __iter__(self) -> Iterator[Recording]:
        return map(self._recording, range(len(self)))

    def record(self, name: str) -> Recording:
        """The recording that is called `name`; DATASET/NAME always works.

        Raises
        ------
        StoreError
            If there is none, or more than one.
        ChecksumError
            If it is damaged.
        """
        return self._recording(self._held.index_of(name))

    def read_int16(self, record: int | str) -> NDArray[np.int16]:
        """A record as it is stored, int16, shape (lead, sample), µV, by its row or name.

        Of a lead whose voltages lie far from zero an offset was taken off (`offsets`); nearly always it is 0.

        Raises
        ------
        StoreError, IndexError
            If there is no such record.
        ChecksumError
            If it is damaged.
        """
        return self._int16(self._held.index_of(record) if isinstance(record, str) else self._row(record))

    @property
    def offsets(self) -> NDArray[np.int32]:
        """What was taken off each lead of each record, int32 array, shape (record, lead), µV; nearly always 0."""
        offsets: NDArray[np.int32] = self._held.column("record/offset")
        return offsets

    def stream(self, records: "Sequence[int] | Sequence[str] | NDArray | None" = None) -> Iterator[Recording]:
        """All recordings, or some (rows or names), in the order in which they lie in the store.

        Each chunk is decoded once: thirty times as fast as any other order.

        Raises
        ------
        StoreError
            If one is not there.
        ChecksumError
            When it is a damaged record's turn.
        """
        rows = self.rows(records)
        return map(self._recording, rows[np.argsort(self._held.starts[rows], kind="stable")].tolist())

    def rows(self, records: "Sequence[int] | Sequence[str] | NDArray | None" = None) -> NDArray[np.int64]:
        """Rows of records that are given by their rows, by their names, or by a bool for each; None gives all.

        Raises
        ------
        StoreError
            If one is not there.
        """
        return choose_rows(self._held, records)

    @cached_property
    def records(self) -> "pd.DataFrame":
        """One row a record, in (dataset, name) order; the index is `names`.

        Columns: `name`, `dataset`; `age` (years, NaN if unknown; 300 stands for older than 89), `sex` ("Female",
        "Male" or missing); `group`, the hashed patient: never split one; `codes`, a tuple of SNOMED CT codes, and
        `annotated`, whether there are any; `start` (first column in the store's signal), `length` (samples at `fs`,
        Hz), `duration_s`; `length_source` and `fs_source`, the same of the source; `scale_uv`, its amplitude;
        `n_invalid` and `n_clipped`, samples that were interpolated and clipped; `flags`, quality in words, "" for
        nothing; `digest`, SHA-256 of the source's samples. Where a table of labels stated them also `fold`, `site`,
        `device`, `date` (ISO 8601) and `quality_note`, "" where it did not, and each measurement by its name.
        """
        import pandas as pd

        held = self._held
        column = held.column
        sex = [SEX_OF_CODE[int(code)] for code in column("record/sex")]
        flags = (describe_lead_flags(held.leads, row) for row in column("record/lead_flags"))
        frame = pd.DataFrame(
            {
                "name": list(map(str, held.names)),
                "dataset": list(map(str, held.datasets)),
                "age": column("record/age"),
                "sex": sex,
                "group": list(map(str, column("record/group"))),
                "codes": [held.dx_codes(row) for row in range(held.n_records)],
                "annotated": column("label/annotated").astype(bool),
                "start": held.starts,
                "length": held.lengths,
                "fs": held.fs,
                "duration_s": held.lengths / held.fs,
                "length_source": column("record/n_samples_source"),
                "fs_source": column("record/fs_source"),
                "scale_uv": column("record/scale"),
                "n_invalid": column("record/n_invalid"),
                "n_clipped": column("record/n_clipped"),
                "flags": list(flags),
                "digest": list(map(str, column("record/digest"))),
            },
            index=pd.Index(self.names, name="record"),
        )
        stated = {name: values for name, values in self._stated() if name not in frame}  # a record's own stay
        return frame.assign(**stated) if stated else frame

    def _stated(self) -> Iterator[tuple[str, "NDArray | list[str]"]]:
        """Columns of what a table of labels stated, by their names, other than those that every store has."""
        for name in TEXTS:
            texts = self._held.optional(f"record/{name}")
            if texts is not None:
                yield name, list(map(str, texts))
        names, values = self._held.optional("target/name"), self._held.optional("target/value")
        if names is not None and values is not None:
            yield from ((str(name), column) for name, column in zip(names, values.T, strict=True))

    @cached_property
    def rejects(self) -> "pd.DataFrame":
        """The records that were not taken in: `dataset`, `record`, `stage` and `reason` of each."""
        import pandas as pd

        return pd.DataFrame(self._held.attributes["rejects"], columns=["dataset", "record", "stage", "reason"])

    def labels(self, classes: "str | Sequence[str]" = "scored", *, task: str | None = None) -> "pd.DataFrame":
        """Labels, uint8: a row a record, a column a class by its code, 1 where annotated.

        A record that is not `annotated` says nothing, and has zeros.

        Parameters
        ----------
        classes : "scored" for the 24 classes that the Challenge scores; "all" for every code of the store as it
            stands there; or codes, names or abbreviations. Codes that count as one are merged, but in "all".
        task : name or file of a task, instead of classes: its classes then, or its number, as float32, NaN where a
            record's is not known, and in the whole row of a record that the task is not about

        Raises
        ------
        UnknownCodeError
            If a class is neither known nor in the store.
        ConfigError
            If there is no such set of classes, none is named, or one twice.
        """
        import pandas as pd

        held = self._held
        if task is not None:
            from ecg12.pipeline.tasks.stored_labels import labels_of
            from ecg12.pipeline.tasks.task_files import read_task

            wanted = read_task(task)
            values = labels_of(held, wanted).values()
            return pd.DataFrame(values, index=pd.Index(self.names, name="record"), columns=wanted.codes)
        codes, labels = choose_columns(classes, held.column("label/code").tolist(), held.column("label/matrix"))
        return pd.DataFrame(labels, index=pd.Index(self.names, name="record"), columns=pd.Index(codes, name="class"))

    def split(self, valid: float = 0.3, *, seed: int = 2) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows to train on and rows to validate on, of the annotated records: no patient on both sides.

        It follows from the seed and the patients alone, and is the split of `train` with these values.

        Raises
        ------
        ConfigError
            If the patients cannot be split so, or no record is annotated.
        """
        from ecg12.pipeline.training.split import split_by_group

        annotated = np.flatnonzero(self._held.column("label/annotated"))
        if not len(annotated):
            raise ConfigError(f"{self!r}: no record has a label; expected labelled records to split")
        side = split_by_group(self._held.column("record/group")[annotated], seed=seed, valid_split=valid)
        return annotated[~side], annotated[side]

    def _row(self, row: SupportsIndex) -> int:
        number = row.__index__()
        if not -len(self) <= number < len(self):
            raise IndexError(f"{self!r}: row {number}; expected 0 to {len(self) - 1}")
        return number % len(self)

    @cached_property
    def _chunks(self) -> ChunkCache:
        return ChunkCache(ChunkReader(self._held), KEPT_CHUNKS)

    def _int16(self, row: int) -> NDArray[np.int16]:
        start = int(self._held.starts[row])
        return self._chunks.columns(start, start + int(self._held.lengths[row]))

    def _recording(self, row: int) -> Recording:
        return Recording._of(read_stored(self._held, row, self._int16(row)), (self._held, row))


def open_store(paths: Paths) -> Store:
    """Open a store for reading, or several as one.

    Parameters
    ----------
    paths : of the store, here or behind a URL; several are read as if all their records had been built into one

    Raises
    ------
    StoreError
        If one cannot be read, is not whole, or a record is in two of them.
    ConfigError
        If several do not go together, naming two and the difference.
    RemoteError
        If what is behind a URL cannot be read.
    """
    places = to_places(paths)
    held = open_stores(places)
    require_tables(held)
    return Store(held, [str(place) for place in places])


def build_store(
    inputs: Paths,
    store: PathLike,
    *,
    fs: float = _BUILD.fs,
    leads: Sequence[str] = _BUILD.leads,
    codec: str = _BUILD.codec,
    highpass: float | None = _BUILD.highpass,
    notch: float | None = _BUILD.notch,
    seed: int = _BUILD.seed,
    bad_checksum: str = _BUILD.bad_checksum,
    source_fs: float | None = None,
    source_units: str | None = None,
    source_leads: Sequence[str] | None = None,
    missing_leads: str = "error",
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    readers: Sequence[str] = (),
    patients: Paths = (),
    find_patients: bool = True,
    labels: Paths = (),
    label_columns: "Mapping[str, str | Sequence[str]] | None" = None,
    workers: int = 1,
    strict: bool = False,
    force: bool = False,
) -> Store:
    """Convert recordings of any kind into one store, and open it.

    A record that cannot be taken is in `rejects` of what comes back; an interrupted build is finished by the same call,
    and a store that is there already, built from the same records in the same way, is opened.

    Parameters
    ----------
    inputs : folders in any nesting, tarballs, or single recordings, here or behind URLs
    store : where the store goes; it appears there when it is whole
    fs : sampling frequency of the store, Hz
    leads : which, in this order
    codec : compressor, "lz4", "zstd" or "pcodec"
    highpass, notch : zero-phase filters at these frequencies, Hz; None for none
    seed : of the records' placement
    bad_checksum : "reject" a record whose samples do not match its header's checksum, or "flag" it
    source_fs, source_units, source_leads : sampling frequency (Hz), units ("mV", "uV", "V") and names of the columns of
        files that do not state them; ("standard",) stands for the twelve leads
    missing_leads : "error", or "zero" for zeros in the place of a lead that can neither be found nor derived
    include, exclude : patterns of paths below the inputs: files to take alone, files to leave out
    readers : plugins that read further formats, by import path; those that are installed need not be named
    patients : CSV tables with columns record and patient_id, or PTB-XL's own
    find_patients : take PTB-XL's own table where it lies in the root of an input folder, too
    labels : tables of labels (CSV, TSV or Parquet), patients, folds and measurements, such as PTB-XL's own
    label_columns : what columns of these tables are, where their names do not tell, by role: `{"record": "file",
        "codes": "findings", "target": ["qt", "hr"], "ignore": "notes"}`
    workers : processes that work at once. Others than this one are started afresh and import the calling script: with
        more than 1 a script needs its `if __name__ == "__main__":`
    strict : stop at the first record that cannot be taken
    force : build again although a store is there, and replace it once the new one is whole

    Raises
    ------
    InputError
        If there is no record, or none could be taken, or a table of patients or labels knows none of them or
        contradicts itself.
    StoreError
        If another store or another unfinished build is in the way, or the disk is full.
    ConfigError
        If an option is out of range, or a role or column of `label_columns` is not there.
    RemoteError
        If what is behind a URL cannot be read or written.
    """
    from ecg12.pipeline.formats.told_by_user import InputConfig
    from ecg12.pipeline.ingest.build_cache import build_cache
    from ecg12.pipeline.labels.column_names import check_roles

    told = InputConfig(
        fs=source_fs,
        units=source_units,
        leads=None if source_leads is None else tuple(source_leads),
        missing_leads=missing_leads,
        bad_checksum=bad_checksum,
        readers=tuple(readers),
        prefix="source-",
        with_source=True,
    )
    config = StoreConfig(
        fs=fs, leads=tuple(leads), codec=codec, highpass=highpass, notch=notch, seed=seed, bad_checksum=bad_checksum
    )
    if workers < 1:
        raise ConfigError(f"workers is {workers}; expected at least 1")
    build_cache(
        to_places(inputs),
        to_place(store),
        config,
        told=told,
        include=tuple(include),
        exclude=tuple(exclude),
        workers=workers,
        patients=to_places(patients),
        find_patients=find_patients,
        labels=to_places(labels),
        label_columns=check_roles(label_columns or {}),
        strict=strict,
        force=force,
    )
    return open_store(store)
