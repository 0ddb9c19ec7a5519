"""Finding WFDB records on disk and reading them into `Record`; `pipeline.wfdb_signals` reads the samples."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cache.location import Location, RemotePath
from ecg.adc import gain_per_mv, invalid_sample_of, true_gain
from ecg.annotations import parse_annotations
from ecg.datasets import Dataset, dataset_of
from ecg.errors import HeaderError, InputError, SignalError
from ecg.header import Header, SignalSpec, parse_header
from ecg.leads import LEADS, canonical_lead, select_leads
from ecg.quality import checksum_mismatches
from ecg.record import Record
from ecg.recording import HIGHEST_FS, LOWEST_FS
from ecg.wfdb_formats import COMPRESSED
from pipeline.folders import walk_folders
from pipeline.inputs.what_is_there import describe_what_is_there
from pipeline.names import printable
from pipeline.remote_records import at_hand, headers_below
from pipeline.wfdb_files import file_size, read_header_text
from pipeline.wfdb_signals import FLAC_SAMPLES_A_BYTE, Signals, measure_frames, read_signals, samples_per_frame

CHALLENGE_OFFSET = 24
"""Bytes of the MATLAB v4 header in front of the Challenge's samples."""

LONG_SAMPLES = 1_000_000
"""Lengths from here on are held against the file's size before a build is planned; INCART has 462,600."""

_ONE_A_FRAME = {None, 1}
HEADER_SUFFIXES = (".hea", ".HEA")


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundRecord:
    """A header file, and the input it was found under.

    Attributes
    ----------
    path : of the .hea file
    relative : posix path below the input, without .hea
    source : name of the input folder, which stands for the dataset where the record tells none
    """

    path: Location
    relative: str
    source: str

    @property
    def local_path(self) -> Path:
        """`path` of a record that was looked for on this machine only."""
        assert isinstance(self.path, Path)
        return self.path


def find_records(inputs: Sequence[Location]) -> list[FoundRecord]:
    """Every .hea file in or below the inputs: folders in any nesting, or single records with or without .hea.

    Inputs may be behind URLs, where whatever begins alike is a folder.

    The order is by path and does not depend on the order of the folder listing. A file reached by two ways
    is taken once.

    Raises
    ------
    InputError
        If an input does not exist or holds no record.
    RemoteError
        If one behind a URL cannot be listed.
    """
    found: dict[str, FoundRecord] = {}  # by the header file itself, whatever links lead to it
    for given in inputs:
        records = list(_records_below(given))
        if not records:
            raise InputError(f"{given}: {_instead(given)}")
        for file, record in records:
            found.setdefault(file, record)
    return sorted(found.values(), key=lambda record: (record.source, record.relative, str(record.path)))


def name_records(found: Sequence[FoundRecord]) -> dict[str, FoundRecord]:
    """What each record is called among the others: its file's name, or its path where two share the name."""
    times_named = Counter(record.path.stem for record in found)
    named: dict[str, FoundRecord] = {}
    for record in found:
        name = record.path.stem if times_named[record.path.stem] == 1 else record.relative
        if name in named:
            raise InputError(f"{record.path}: a second record called {name} in the inputs; name one input at a time")
        named[name] = record
    return named


def _records_below(given: Location) -> Iterator[tuple[str, FoundRecord]]:
    """Each record with the real path of its header; links are looked up by folder, not by file: a third faster."""
    if isinstance(given, RemotePath):
        yield from _records_behind(given)
        return
    if given.is_dir():
        root = given.resolve()
        for folder in walk_folders(root):
            for name in folder.files:
                if is_header(name):
                    header = os.path.join(folder.path, name)
                    file = os.path.realpath(header) if os.path.islink(header) else os.path.join(folder.real, name)
                    relative = printable(folder.prefix + name[: -len(".hea")])
                    yield file, FoundRecord(path=Path(header), relative=relative, source=printable(root.name))
        return
    single = _header_named(given)
    if single is None:
        raise InputError(f"{given}: {describe_what_is_there(given)}")
    path = single.parent.resolve() / single.name  # a link's own name is the record's, not its target's
    found = FoundRecord(path=path, relative=printable(path.stem), source=printable(path.parent.name))
    yield str(path.resolve()), found


def _instead(given: Location) -> str:
    if isinstance(given, RemotePath):
        return "no WFDB record there; expected .hea files with their signal files beside"
    return describe_what_is_there(given)


def _header_named(given: Path) -> Path | None:
    """The header of a record that is named with or without .hea, or by its signal file; None if there is none."""
    if is_header(given.name):
        return given if given.is_file() else None
    names = [f"{given.name}{suffix}" for suffix in HEADER_SUFFIXES]
    if given.suffix.lower() in (".mat", ".dat"):
        names += [f"{given.stem}{suffix}" for suffix in HEADER_SUFFIXES]
    return next((path for path in map(given.with_name, names) if path.is_file()), None)


def is_header(name: str) -> bool:
    """Whether a file's name is that of a header: .hea, or .HEA from a system that does not mind."""
    return name.lower().endswith(".hea") and not name.startswith(".")


def _records_behind(given: RemotePath) -> Iterator[tuple[str, FoundRecord]]:
    """The same behind a URL."""
    names = headers_below(given)
    for name in names:
        relative = printable(name[: -len(".hea")])
        yield f"{given}/{name}", FoundRecord(path=given / name, relative=relative, source=printable(given.name))
    if names:
        return
    names = [given.name] if is_header(given.name) else [f"{given.name}{suffix}" for suffix in HEADER_SUFFIXES]
    single = next((path for path in map(given.with_name, names) if path.is_file()), None)
    if single is None:
        raise InputError(f"{given}: no WFDB record there; expected .hea files with their signal files, or a record")
    source = printable(single.parent.name)
    yield str(single), FoundRecord(path=single, relative=printable(single.stem), source=source)


def read_header(path: Location) -> Header:
    """Parse the header file at `path`.

    Raises
    ------
    HeaderError
        If it cannot be read or understood.
    """
    return parse_header(read_header_text(path))


def sampling_of(path: Location, header: Header, leads: Sequence[str] | None = LEADS) -> tuple[float, int]:
    """(fs in Hz, n_samples) of the wanted leads; a length the header leaves open is measured from the file.

    Both count samples, not frames: a header of 1 frame a second, 500 samples each, is of 500 Hz.

    Raises
    ------
    HeaderError
        If the header states no frequency or one that no ECG has, or no length and the format does not tell it.
    SignalError
        If the leads have several rates, or the signal file is missing or cannot hold that many samples.
    """
    spf = 1
    if not {spec.samples_per_frame for spec in header.signals} <= _ONE_A_FRAME:
        wanted = [spec for spec in header.signals if leads is None or canonical_lead(spec.description or "") in leads]
        spf = samples_per_frame(header.name, wanted or header.signals)
    if header.fs is None:
        raise HeaderError(f"{header.name}: no sampling frequency stated; expected it after the number of leads")
    fs = header.fs * spf
    if not LOWEST_FS <= fs <= HIGHEST_FS:
        raise HeaderError(
            f"{header.name}: sampling frequency {fs:g} Hz; expected {LOWEST_FS:g} to {HIGHEST_FS:,g} Hz: correct the "
            "header"
        )
    if header.n_samples:
        _check_long(path, header)
        return fs, header.n_samples * spf
    n_frames = measure_frames(path, header)
    if n_frames is None:
        raise HeaderError(
            f"{header.name}: no length stated, and format {header.signals[0].fmt} does not tell it; "
            "expected the number of samples after the frequency"
        )
    if n_frames < 1:
        raise SignalError(f"{header.name}: {header.signals[0].file_name} holds no sample of {header.n_leads} leads")
    return fs, n_frames * spf


def _check_long(path: Location, header: Header) -> None:
    """Refuse a stated length that the file cannot hold, before room is set aside for it.

    Short records are checked when they are read; a slip of a digit in one header must not cost a terabyte.
    """
    spec, n_samples = header.signals[0], header.n_samples or 0
    if n_samples < LONG_SAMPLES:
        return
    size = file_size(path, header, spec)
    if n_samples > size * (FLAC_SAMPLES_A_BYTE if spec.fmt in COMPRESSED else 1):
        raise SignalError(
            f"{header.name}: {spec.file_name} has {size:,} bytes; expected more for the {n_samples:,} samples of "
            "each lead that the header states: correct the header, or fetch the file again"
        )


def challenge_dataset(header: Header) -> Dataset | None:
    """The Challenge dataset this is a record of, by name, frequency and the Challenge's file form, else None."""
    if any(spec.byte_offset != CHALLENGE_OFFSET for spec in header.signals):
        return None
    return dataset_of(header.name, header.fs)


def read_record(
    path: Location, leads: Sequence[str] | None = LEADS, *, by_lead: bool = True, header: Header | None = None
) -> Record:
    """Read a record by the path of its header.

    Parameters
    ----------
    path : of the .hea file, here or behind a URL
    leads : the leads to keep, in this order; None keeps all as they are
    by_lead : the samples of a lead lie together in memory; False leaves them as the file has them, which their digest
        is taken of, where that costs no copy
    header : as it is to be understood, where what it does not say itself has been told

    Returns
    -------
    Record named after the file, with true gains (see `ecg.adc.true_gain`)

    Raises
    ------
    HeaderError, LeadError, SignalError
        If the header is not understood, a lead is missing or uncalibrated, or the samples are not all there.
        A wrong checksum is not an error here: see `ecg.quality.checksum_mismatches`.
    RemoteError
        If it is behind a URL and the server cannot be had.
    """
    if isinstance(path, RemotePath):
        with at_hand(path) as local:
            return read_record(local, leads, by_lead=by_lead, header=header)
    header, name = header or read_header(path), path.stem
    rows, names = _choose_leads(name, header, leads)
    fs, n_samples = sampling_of(path, header, leads)
    spf = header.signals[rows[0]].samples_per_frame or 1
    signals = read_signals(path, header, n_samples // spf, rows)
    return _to_record(name, header, signals, fs, rows, names, by_lead=by_lead)


def to_record(name: str, header: Header, signal: NDArray[np.integer], leads: Sequence[str] | None = LEADS) -> Record:
    """A record whose samples are in memory already: integers of shape (lead, sample), adu, all the header's leads.

    Raises
    ------
    HeaderError, LeadError, SignalError
        If the header states no frequency or does not fit the samples, or a lead is missing or uncalibrated.
    """
    rows, names = _choose_leads(name, header, leads)
    if header.fs is None:
        raise HeaderError(f"{name}: no sampling frequency stated; expected it after the number of leads")
    if signal.ndim != 2 or len(signal) != header.n_leads:
        raise SignalError(
            f"{name}: samples of shape {signal.shape}; expected ({header.n_leads}, samples), as the header states"
        )
    specs = [header.signals[row] for row in rows]
    fs = header.fs * samples_per_frame(name, specs)
    return _to_record(name, header, Signals(signal[list(rows)]), fs, rows, names, by_lead=True)


def _choose_leads(name: str, header: Header, leads: Sequence[str] | None) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Rows of the leads to keep, and their standard names."""
    try:
        return _rows_and_names(tuple(spec.description or "" for spec in header.signals), leads and tuple(leads))
    except SignalError as error:
        error.args = (f"{name}: {error}",)
        raise


def _to_record(
    name: str,
    header: Header,
    signals: Signals,
    fs: float,
    rows: tuple[int, ...],
    names: tuple[str, ...],
    *,
    by_lead: bool,
) -> Record:
    specs, signal = header.signals, signals.signal
    if rows != tuple(range(len(specs))):
        specs = tuple(specs[row] for row in rows)
    dataset = challenge_dataset(header)
    stated = _stated_gains(name, specs, trusted=dataset is None)
    gain, corrected = true_gain(dataset, stated)
    annotations = parse_annotations(header.comments)
    record = Record(
        name=name,
        signal=np.ascontiguousarray(signal) if by_lead else signal,
        leads=names,
        fs=fs,
        adc_gain=gain,
        baseline=np.array([0 if dataset else _baseline(name, spec) for spec in specs], np.int64),
        invalid_sample=_invalid_sample(name, specs),
        checksum=tuple(spec.checksum for spec in specs),
        sums=signals.sums,
        dx_codes=annotations.dx_codes,
        age=annotations.age,
        sex=annotations.sex,
        remarks=annotations.remarks,
        stated_gain=stated if corrected.any() else None,
    )
    return _without_placeholders(record) if never_computed(header) else record


def never_computed(header: Header) -> bool:
    """Whether a header has 0 in the place of every checksum, as those have that are written by hand."""
    return header.signals[0].checksum == 0 and not any(spec.checksum for spec in header.signals)


def _without_placeholders(record: Record) -> Record:
    """The record without checksums of 0 that its samples do not have: nothing was there to hold them against."""
    wrong = checksum_mismatches(record)
    if not wrong:
        return record
    checksum = tuple(None if row in wrong else stated for row, stated in enumerate(record.checksum))
    note = "its header has 0 for every checksum, which was never computed: the samples are not verified"
    return replace(record, checksum=checksum, notes=(*record.notes, note))


@lru_cache(maxsize=256)
def _rows_and_names(found: tuple[str, ...], wanted: tuple[str, ...] | None) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Where the wanted leads are among those found, and their standard names; nearly all records have the same."""
    rows = range(len(found)) if wanted is None else select_leads(found, wanted)
    return tuple(rows), tuple(canonical_lead(found[row]) for row in rows)


def _stated_gains(name: str, specs: Sequence[SignalSpec], *, trusted: bool) -> NDArray[np.float64]:
    if not trusted:
        return np.array([np.nan if spec.adc_gain is None else spec.adc_gain for spec in specs], np.float64)
    return np.array(
        [gain_per_mv(spec.adc_gain, spec.units, where=f"{name} lead {spec.description or 'unnamed'}") for spec in specs]
    )


def _invalid_sample(name: str, specs: Sequence[SignalSpec]) -> int:
    values = {invalid_sample_of(spec.fmt) for spec in specs}
    if len(values) > 1:
        formats = ", ".join(sorted({spec.fmt for spec in specs}))
        raise SignalError(
            f"{name}: leads in formats {formats}, which mark a missing sample differently; expected one format for "
            "all leads: convert the record"
        )
    return values.pop()


def _baseline(name: str, spec: SignalSpec) -> int:
    """header(5): a baseline that is not stated is the ADC zero, which is 0 unless stated."""
    baseline = (spec.adc_zero or 0) if spec.baseline is None else spec.baseline
    if abs(baseline) > 2**53:
        raise HeaderError(f"{name} lead {spec.description}: baseline beyond 53 bits; expected one in adu")
    return baseline
