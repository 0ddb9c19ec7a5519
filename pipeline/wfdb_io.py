"""Finding WFDB records on disk and reading them into `Record`.

Format 16 in one file, which is what all the Challenge's records are, is read here: wfdb's own header parser
takes twenty times as long as reading the samples. Every other format goes through wfdb.
"""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecg.adc import gain_per_mv, invalid_sample_of, true_gain
from ecg.annotations import parse_annotations
from ecg.datasets import Dataset, dataset_of
from ecg.errors import HeaderError, InputError, SignalError
from ecg.header import Header, SignalSpec, parse_header
from ecg.leads import LEADS, canonical_lead, select_leads
from ecg.record import Record

CHALLENGE_OFFSET = 24
"""Bytes of the MATLAB v4 header in front of the Challenge's samples."""

LONG_SAMPLES = 1_000_000
"""Lengths from here on are held against the file's size before a build is planned; INCART has 462,600."""

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

    path: Path
    relative: str
    source: str


def find_records(inputs: Sequence[Path]) -> list[FoundRecord]:
    """Every .hea file in or below the inputs: folders in any nesting, or single records with or without .hea.

    The order is by path and does not depend on the order of the folder listing. A file reached by two ways
    is taken once.

    Raises
    ------
    InputError
        If an input does not exist or holds no record.
    """
    found: dict[str, FoundRecord] = {}  # by the header file itself, whatever links lead to it
    for given in inputs:
        records = list(_records_below(given))
        if not records:
            raise InputError(f"{given}: no WFDB record there; expected .hea files with their signal files beside")
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


def _records_below(given: Path) -> Iterator[tuple[str, FoundRecord]]:
    """Each record with the real path of its header; links are looked up by folder, not by file: a third faster."""
    if given.is_dir():
        root = given.resolve()
        seen: set[str] = set()
        for folder, folders, files in os.walk(root, onerror=_refuse_unreadable, followlinks=True):
            real = os.path.realpath(folder)
            if real in seen:
                folders.clear()
                continue
            seen.add(real)
            folders.sort()
            below = Path(folder).relative_to(root).as_posix()
            prefix = "" if below == "." else f"{below}/"
            for name in sorted(files):
                if name.endswith(".hea") and not name.startswith("."):
                    header = os.path.join(folder, name)
                    file = os.path.realpath(header) if os.path.islink(header) else os.path.join(real, name)
                    relative = _printable(prefix + name.removesuffix(".hea"))
                    yield file, FoundRecord(path=Path(header), relative=relative, source=_printable(root.name))
        return
    single = given if given.suffix == ".hea" else given.with_name(f"{given.name}.hea")
    if not single.is_file():
        raise InputError(f"{given}: does not exist; expected a folder of WFDB records, or a record")
    path = single.parent.resolve() / single.name  # a link's own name is the record's, not its target's
    found = FoundRecord(path=path, relative=_printable(path.stem), source=_printable(path.parent.name))
    yield str(path.resolve()), found


def _refuse_unreadable(error: OSError) -> None:
    raise InputError(
        f"{error.filename}: cannot be listed ({error.strerror}); expected a readable folder: "
        "allow reading it, or leave it out of the inputs"
    ) from error


def _printable(text: str) -> str:
    """A name that every file and terminal can hold: odd bytes of a file's name become \\xNN, line breaks \\n."""
    if text.isprintable():
        return text
    text = os.fsencode(text).decode("utf-8", "backslashreplace")
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def read_header(path: Path) -> Header:
    """Parse the header file at `path`.

    Raises
    ------
    HeaderError
        If it cannot be read or understood.
    """
    return parse_header(read_header_text(path))


def read_header_text(path: Path) -> str:
    """The text of the header file at `path`; raises HeaderError if it cannot be read."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise HeaderError(f"{_printable(path.name)}: cannot be read ({error.strerror})") from error
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")  # comments of the older databases


def sampling_of(path: Path, header: Header) -> tuple[float, int]:
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


def _check_long(path: Path, header: Header) -> None:
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


def read_record(path: Path, leads: Sequence[str] | None = LEADS) -> Record:
    """Read a record by the path of its header.

    Parameters
    ----------
    path : of the .hea file
    leads : the leads to keep, in this order; None keeps all as they are

    Returns
    -------
    Record named after the file, with true gains (see `ecg.adc.true_gain`)

    Raises
    ------
    HeaderError, LeadError, SignalError
        If the header is not understood, a lead is missing or uncalibrated, or the samples are not all there.
        A wrong checksum is not an error here: see `ecg.quality.checksum_mismatches`.
    """
    header = read_header(path)
    names = [spec.description or "" for spec in header.signals]
    try:
        rows = list(range(len(names))) if leads is None else select_leads(names, leads)
    except SignalError as error:
        error.args = (f"{path.stem}: {error}",)
        raise
    fs, n_samples = sampling_of(path, header)
    signal = _read_plain(path, header, n_samples) if _is_plain(header) else _read_with_wfdb(path, header)
    specs = [header.signals[row] for row in rows]
    signal = np.ascontiguousarray(signal[rows] if rows != list(range(len(names))) else signal)
    dataset = challenge_dataset(header)
    stated = _stated_gains(path.stem, specs, trusted=dataset is None)
    gain, corrected = true_gain(dataset, stated)
    annotations = parse_annotations(header.comments)
    return Record(
        name=path.stem,
        signal=signal,
        leads=tuple(canonical_lead(names[row]) for row in rows),
        fs=fs,
        adc_gain=gain,
        baseline=np.array([0 if dataset else _baseline(spec) for spec in specs], np.int64),
        invalid_sample=_invalid_sample(path.stem, specs),
        checksum=tuple(spec.checksum for spec in specs),
        dx_codes=annotations.dx_codes,
        age=annotations.age,
        sex=annotations.sex,
        stated_gain=stated if corrected.any() else None,
    )


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


def _signal_path(path: Path, header: Header, spec: SignalSpec) -> Path:
    if Path(spec.file_name).name != spec.file_name or spec.file_name in (".", "..", "-", "~"):
        raise HeaderError(
            f"{header.name}: signal file {spec.file_name!r}; expected a file name in the header's own folder"
        )
    return path.with_name(spec.file_name)


def _file_size(path: Path, header: Header, spec: SignalSpec) -> int:
    signal_path = _signal_path(path, header, spec)
    try:
        return signal_path.stat().st_size
    except OSError as error:
        raise SignalError(f"{header.name}: signal file {signal_path.name}: {error.strerror}") from error


def _read_plain(path: Path, header: Header, n_samples: int) -> NDArray[np.integer]:
    spec = header.signals[0]
    offset, n_leads = spec.byte_offset or 0, header.n_leads
    size, expected = _file_size(path, header, spec), offset + 2 * n_leads * n_samples
    if size < expected:
        raise SignalError(
            f"{header.name}: {spec.file_name} has {size:,} bytes; expected {expected:,} for {n_samples:,} samples "
            f"of {n_leads} leads: the file is cut short, fetch it again"
        )
    try:
        samples = np.fromfile(path.with_name(spec.file_name), "<i2", count=n_samples * n_leads, offset=offset)
    except OSError as error:
        raise SignalError(f"{header.name}: {spec.file_name} cannot be read ({error.strerror or error})") from error
    # samples: (sample, lead) in the file, (lead, sample) from here on
    return np.ascontiguousarray(samples.reshape(n_samples, n_leads).T)


def _read_with_wfdb(path: Path, header: Header) -> NDArray[np.integer]:
    for spec in header.signals:
        _file_size(path, header, spec)
    import wfdb  # here, because it brings pandas and matplotlib with it: a second that few need

    try:
        record = wfdb.rdrecord(str(path.with_suffix("")), physical=False)
    except Exception as error:
        # wfdb raises whatever its reading of damaged bytes runs into
        reason = str(error).replace(f"{path.parent}/", "")  # a store holds no paths, its rejects included
        raise SignalError(f"{header.name}: wfdb cannot read it ({type(error).__name__}: {reason})") from error
    # wfdb gives (sample, lead)
    signal = np.ascontiguousarray(record.d_signal.T)
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
