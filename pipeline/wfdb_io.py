"""Finding WFDB records on disk and reading them into `Record`.

Format 16 in one file, which is what all the Challenge's records are, is read here: wfdb's own header parser
takes twenty times as long as reading the samples. Every other format goes through wfdb.
"""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from io import RawIOBase
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cache.location import Location, RemotePath
from ecg.adc import gain_per_mv, invalid_sample_of, true_gain
from ecg.annotations import parse_annotations
from ecg.datasets import Dataset, dataset_of
from ecg.errors import HeaderError, InputError, RemoteError, SignalError
from ecg.header import Header, SignalSpec, parse_header
from ecg.leads import LEADS, canonical_lead, select_leads
from ecg.record import Record
from pipeline.folders import walk_folders
from pipeline.inputs.foreign import reading
from pipeline.inputs.what_is_there import describe_what_is_there
from pipeline.remote_records import at_hand, headers_below

CHALLENGE_OFFSET = 24
"""Bytes of the MATLAB v4 header in front of the Challenge's samples."""

LONG_SAMPLES = 1_000_000
"""Lengths from here on are held against the file's size before a build is planned; INCART has 462,600."""

HEADER_SUFFIXES = (".hea", ".HEA")

_COMPRESSED_FORMATS = ("508", "516", "524")
_WIDE_FORMATS = ("24", "32", "524")
"""Samples beyond 16 bits; all other formats fit int16, so that equal samples have equal digests."""


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
    single = given if given.suffix == ".hea" else given.with_name(f"{given.name}.hea")
    if not single.is_file():
        raise InputError(f"{given}: no WFDB record there; expected .hea files with their signal files, or a record")
    source = printable(single.parent.name)
    yield str(single), FoundRecord(path=single, relative=printable(single.stem), source=source)


def printable(text: str) -> str:
    """A name that every file and terminal can hold: odd bytes of a file's name become \\xNN, line breaks \\n."""
    if text.isprintable():
        return text
    text = os.fsencode(text).decode("utf-8", "backslashreplace")
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def read_header(path: Location) -> Header:
    """Parse the header file at `path`.

    Raises
    ------
    HeaderError
        If it cannot be read or understood.
    """
    return parse_header(read_header_text(path))


def read_header_text(path: Location) -> str:
    """The text of the header file at `path`; raises HeaderError if it cannot be read."""
    try:
        if isinstance(path, RemotePath):
            data = path.read_bytes()
        else:
            with open(path, "rb", buffering=0) as file:  # half the time of path.read_bytes
                data = file.read()
    except RemoteError:
        raise
    except OSError as error:
        raise HeaderError(f"{printable(path.name)}: cannot be read ({error.strerror})") from error
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")  # comments of the older databases


def sampling_of(path: Location, header: Header) -> tuple[float, int]:
    """(fs in Hz, n_samples) of a record; a length the header leaves open is measured from the file.

    Raises
    ------
    HeaderError
        If the header states no frequency, or no length and the format does not tell it.
    SignalError
        If the signal file is missing or holds no whole sample.
    """
    if header.fs is None:
        raise HeaderError(f"{header.name}: no sampling frequency stated; expected it after the number of leads")
    if header.n_samples:
        _check_long(path, header)
        return header.fs, header.n_samples
    if not _is_plain(header):
        raise HeaderError(
            f"{header.name}: no length stated, and format {header.signals[0].fmt} does not tell it; "
            "expected the number of samples after the frequency"
        )
    spec = header.signals[0]
    n_bytes = _file_size(path, header, spec) - (spec.byte_offset or 0)
    n_samples = n_bytes // (2 * header.n_leads)
    if n_samples < 1:
        raise SignalError(f"{header.name}: {spec.file_name} holds no sample of {header.n_leads} leads")
    return header.fs, n_samples


def _check_long(path: Location, header: Header) -> None:
    """Refuse a stated length that the file cannot hold, before room is set aside for it.

    Short records are checked when they are read; a slip of a digit in one header must not cost a terabyte.
    """
    spec, n_samples = header.signals[0], header.n_samples or 0
    if n_samples < LONG_SAMPLES or spec.fmt in _COMPRESSED_FORMATS:
        return
    size = _file_size(path, header, spec)
    if n_samples > size:
        raise SignalError(
            f"{header.name}: {spec.file_name} has {size:,} bytes; expected more for the {n_samples:,} samples of "
            "each lead that the header states: correct the header, or fetch the file again"
        )


def challenge_dataset(header: Header) -> Dataset | None:
    """The Challenge dataset this is a record of, by name, frequency and the Challenge's file form, else None."""
    if any(spec.byte_offset != CHALLENGE_OFFSET for spec in header.signals):
        return None
    return dataset_of(header.name, header.fs)


def read_record(path: Location, leads: Sequence[str] | None = LEADS, *, by_lead: bool = True) -> Record:
    """Read a record by the path of its header.

    Parameters
    ----------
    path : of the .hea file, here or behind a URL
    leads : the leads to keep, in this order; None keeps all as they are
    by_lead : the samples of a lead lie together in memory; False leaves them as the file has them, which their digest
        is taken of, where that costs no copy

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
            return read_record(local, leads, by_lead=by_lead)
    header, name = read_header(path), path.stem
    rows, names = _choose_leads(name, header, leads)
    fs, n_samples = sampling_of(path, header)
    signal = _read_plain(path, header, n_samples) if _is_plain(header) else _read_with_wfdb(path, header)
    return _to_record(name, header, signal, fs, rows, names, by_lead=by_lead)


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
    return _to_record(name, header, signal, header.fs, rows, names, by_lead=True)


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
    signal: NDArray[np.integer],
    fs: float,
    rows: tuple[int, ...],
    names: tuple[str, ...],
    *,
    by_lead: bool,
) -> Record:
    specs = header.signals
    if rows != tuple(range(len(specs))):
        specs, signal = tuple(specs[row] for row in rows), signal[list(rows)]
    dataset = challenge_dataset(header)
    stated = _stated_gains(name, specs, trusted=dataset is None)
    gain, corrected = true_gain(dataset, stated)
    annotations = parse_annotations(header.comments)
    return Record(
        name=name,
        signal=np.ascontiguousarray(signal) if by_lead else signal,
        leads=names,
        fs=fs,
        adc_gain=gain,
        baseline=np.array([0 if dataset else _baseline(spec) for spec in specs], np.int64),
        invalid_sample=_invalid_sample(name, specs),
        checksum=tuple(spec.checksum for spec in specs),
        dx_codes=annotations.dx_codes,
        age=annotations.age,
        sex=annotations.sex,
        remarks=annotations.remarks,
        stated_gain=stated if corrected.any() else None,
    )


@lru_cache(maxsize=256)
def _rows_and_names(found: tuple[str, ...], wanted: tuple[str, ...] | None) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Where the wanted leads are among those found, and their standard names; nearly all records have the same."""
    rows = range(len(found)) if wanted is None else select_leads(found, wanted)
    return tuple(rows), tuple(canonical_lead(found[row]) for row in rows)


def _is_plain(header: Header) -> bool:
    """Whether the samples are 16-bit, in one file, one after another: readable without wfdb."""
    first = header.signals[0]
    return all(
        spec.fmt == "16"
        and spec.file_name == first.file_name
        and spec.samples_per_frame in (None, 1)
        and not spec.skew
        and spec.byte_offset == first.byte_offset
        for spec in header.signals
    )


def _check_file_name(header: Header, spec: SignalSpec) -> None:
    if "/" in spec.file_name or "\0" in spec.file_name or spec.file_name in (".", "..", "-", "~"):
        raise HeaderError(
            f"{header.name}: signal file {spec.file_name!r}; expected a file name in the header's own folder"
        )


def _file_size(path: Location, header: Header, spec: SignalSpec) -> int:
    _check_file_name(header, spec)
    try:
        return path.with_name(spec.file_name).stat().st_size
    except RemoteError:
        raise
    except OSError as error:
        raise SignalError(f"{header.name}: signal file {spec.file_name}: {error.strerror}") from error


def _read_plain(path: Path, header: Header, n_samples: int) -> NDArray[np.int16]:
    """Samples of format 16 as int16, shape (lead, sample), in memory as they lie in the file: sample by sample."""
    spec = header.signals[0]
    offset, n_leads = spec.byte_offset or 0, header.n_leads
    expected = offset + 2 * n_leads * n_samples
    _check_file_name(header, spec)
    try:
        with open(os.path.join(os.path.dirname(path), spec.file_name), "rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            if size < expected:
                raise SignalError(
                    f"{header.name}: {spec.file_name} has {size:,} bytes; expected {expected:,} for {n_samples:,} "
                    f"samples of {n_leads} leads: the file is cut short, fetch it again"
                )
            file.seek(offset)
            samples = np.empty((n_samples, n_leads), "<i2")
            _read_into(file, samples.data.cast("B"))
    except OSError as error:
        _file_size(path, header, spec)  # has its own words for a file that is not there
        raise SignalError(f"{header.name}: {spec.file_name} cannot be read ({error.strerror or error})") from error
    return samples.T


def _read_into(file: RawIOBase, wanted: memoryview) -> None:
    """Fill `wanted`; one call may give less, 2 GiB at most."""
    while wanted.nbytes:
        n_bytes = file.readinto(wanted)
        if not n_bytes:
            raise OSError("it ended while it was read")
        wanted = wanted[n_bytes:]


def _read_with_wfdb(path: Path, header: Header) -> NDArray[np.integer]:
    for spec in header.signals:
        _file_size(path, header, spec)
    import wfdb  # here, because it brings pandas and matplotlib with it: a second that few need

    with reading(path, "a WFDB record"):
        record = wfdb.rdrecord(str(path.with_suffix("")), physical=False)
    # wfdb gives (sample, lead)
    signal = record.d_signal.T
    wide = any(spec.fmt in _WIDE_FORMATS for spec in header.signals)
    return signal.astype(np.int32 if wide else np.int16, copy=False)


def _stated_gains(name: str, specs: Sequence[SignalSpec], *, trusted: bool) -> NDArray[np.float64]:
    if not trusted:
        return np.array([np.nan if spec.adc_gain is None else spec.adc_gain for spec in specs], np.float64)
    return np.array([gain_per_mv(spec.adc_gain, spec.units, where=f"{name} lead {spec.description}") for spec in specs])


def _invalid_sample(name: str, specs: Sequence[SignalSpec]) -> int:
    values = {invalid_sample_of(spec.fmt) for spec in specs}
    if len(values) > 1:
        formats = ", ".join(sorted({spec.fmt for spec in specs}))
        raise SignalError(
            f"{name}: leads in formats {formats}, which mark a missing sample differently; expected one format for "
            "all leads: convert the record"
        )
    return values.pop()


def _baseline(spec: SignalSpec) -> int:
    """header(5): a baseline that is not stated is the ADC zero, which is 0 unless stated."""
    if spec.baseline is not None:
        return spec.baseline
    return spec.adc_zero or 0
