"""Signal files of WFDB records: found beside their header, held against what it states, and read into integers.

Nothing is set aside for a length that the file cannot hold. Format 16 in one file, one sample a frame, is what all the
Challenge's records are, and has a way of its own; everything else is taken apart signal by signal, at the signal's own
rate, without averaging. FLAC alone goes through a library, in a process of its own.

Skew: sample 0 of a signal with skew s is the first sample of its frame s; what lies before counts for its checksum, and
the last s frames, which the file no longer has, are missing samples. Source: WFDB header(5).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import RawIOBase
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecg12.cache.storage.location import Location, RemotePath
from ecg12.ecg.errors import HeaderError, SignalError
from ecg12.ecg.headers.header import Header, SignalSpec
from ecg12.ecg.headers.signal_formats import COMPRESSED, FORMATS, bytes_needed, decode_samples, samples_in
from ecg12.ecg.signals.adc import invalid_sample_of
from ecg12.pipeline.files.isolated_process import bounds_for, decode_isolated
from ecg12.pipeline.formats.wfdb.files import file_size, open_signal, signal_path
from ecg12.pipeline.formats.wfdb.matlab_samples import (
    HEAD_BYTES,
    count_matlab_samples,
    is_plain_mat,
    raw_columns,
    read_matlab_samples,
    says_matlab,
)

WIDE_FORMATS = ("24", "32", "524")
"""Samples beyond 16 bits; all other formats fit int16, so that equal samples have equal digests."""

FLAC_SAMPLES_A_BYTE = 16_384
"""A FLAC frame holds 65,535 samples of each of eight channels at most, in 36 bytes at least."""


@dataclass(frozen=True, slots=True)
class Signals:
    """Samples of some signals of one rate.

    Attributes
    ----------
    signal : integer array, shape (lead, sample), adu
    sums : of all samples that the file has of each lead, where skew makes them others than `signal`; else None
    """

    signal: NDArray[np.integer]
    sums: tuple[int, ...] | None = None


def is_plain(header: Header) -> bool:
    """Whether the samples are 16-bit, in one file, one after another."""
    first = header.signals[0]
    return all(
        spec.fmt == "16"
        and spec.file_name == first.file_name
        and spec.samples_per_frame in (None, 1)
        and not spec.skew
        and spec.byte_offset == first.byte_offset
        for spec in header.signals
    )


def samples_per_frame(name: str, specs: Sequence[SignalSpec]) -> int:
    """How many samples a frame these signals have.

    Raises
    ------
    SignalError
        If they have several rates, naming two leads.
    """
    first = specs[0]
    wanted = first.samples_per_frame or 1
    for spec in specs:
        if (spec.samples_per_frame or 1) != wanted:
            raise SignalError(
                f"{name}: lead {first.description} has {wanted} samples a frame and lead {spec.description} "
                f"{spec.samples_per_frame or 1}; expected one rate for all leads: convert the record"
            )
    return wanted


def read_signals(path: Path, header: Header, n_frames: int, rows: Sequence[int]) -> Signals:
    """The samples of some of a record's signals, which must have one rate.

    Parameters
    ----------
    path : of the header
    n_frames : as `pipeline.formats.wfdb.records.sampling_of` found it
    rows : of `header.signals`

    Raises
    ------
    HeaderError
        If formats or files are not understood.
    SignalError
        If a file is missing, is not what the header says, or does not hold all samples; if rates differ.
    """
    if is_plain(header):
        signal = read_plain(path, header, n_frames)
        return Signals(signal if tuple(rows) == tuple(range(header.n_leads)) else signal[list(rows)])
    specs = [header.signals[row] for row in rows]
    spf = samples_per_frame(header.name, specs)
    for spec in specs:
        _check_spec(header, spec, n_frames)
    whole: dict[int, NDArray[np.integer]] = {}
    for file_name in dict.fromkeys(spec.file_name for spec in specs):
        members = [row for row, spec in enumerate(header.signals) if spec.file_name == file_name]
        _check_one_form(header, members)
        if header.signals[members[0]].fmt in COMPRESSED:
            whole |= _read_compressed(path, header, members, n_frames)
        else:
            whole |= _read_file(path, header, members, n_frames, set(rows))
    return _aligned(header, rows, whole, n_frames, spf)


def _check_spec(header: Header, spec: SignalSpec, n_frames: int) -> None:
    where = f"{header.name} lead {spec.description}"
    if spec.fmt not in FORMATS:
        raise HeaderError(f"{where}: format {spec.fmt}; expected one of {', '.join(FORMATS)}")
    if (spec.skew or 0) >= n_frames:
        raise HeaderError(f"{where}: skew of {spec.skew:,} frames; expected less than the record's {n_frames:,}")
    if not -(2**31) <= (spec.initial_value or 0) < 2**31:
        raise HeaderError(f"{where}: initial value {spec.initial_value:.3g}; expected a number of 32 bits")


def read_plain(path: Path, header: Header, n_samples: int) -> NDArray[np.integer]:
    """Samples of format 16 in one file, shape (lead, sample), in memory as they lie in the file: sample by sample."""
    spec = header.signals[0]
    offset, n_leads = spec.byte_offset or 0, header.n_leads
    with open_signal(path, header, spec) as file, _cut_short(header, spec):
        head = file.read(HEAD_BYTES) if is_mat(spec) else b""
        plain = is_plain_mat(head, n_leads, n_samples, offset)
        if head and not plain and not holds_raw(header, spec, head, n_leads, n_samples):
            return read_matlab_samples(signal_path(path, header, spec), header.name, n_leads, n_samples)
        check_size(header, spec, file.size, offset + 2 * n_leads * n_samples, n_samples)
        if not plain:
            file.seek(offset)
        samples = np.empty((n_samples, n_leads), "<i2")
        _read_into(file, samples.data.cast("B"))
    return samples.T


def is_mat(spec: SignalSpec) -> bool:
    """Whether a signal file is called .mat, and must be looked at before it is believed."""
    return spec.file_name[-4:].lower() == ".mat"


def holds_raw(header: Header, spec: SignalSpec, head: bytes, n_rows: int, n_columns: int) -> bool:
    """Whether a .mat file has the samples as raw bytes where the header says; False for a MATLAB file to be parsed.

    Raises
    ------
    SignalError
        If the header skips a MATLAB header that is not there.
    """
    columns = raw_columns(head, spec.fmt, n_rows, spec.byte_offset or 0)
    if columns is not None:
        return columns >= n_columns
    if says_matlab(head):
        return False
    if spec.byte_offset == HEAD_BYTES and len(head) == HEAD_BYTES:
        raise SignalError(
            f"{header.name}: {spec.file_name} does not begin as a MATLAB file; expected one of version 4, whose header "
            f"the format {spec.fmt}+{HEAD_BYTES} passes over: fetch it again"
        )
    return True


def measure_frames(path: Location, header: Header) -> int | None:
    """How many frames the first signal's file holds, whatever the header states; None where its format leaves it open.

    Raises
    ------
    HeaderError, SignalError
        If the file is missing or is not what the header says.
    """
    spec = header.signals[0]
    n_frame = sum(other.samples_per_frame or 1 for other in header.signals if other.file_name == spec.file_name)
    n_bytes = file_size(path, header, spec) - (spec.byte_offset or 0)
    n_samples = samples_in(spec.fmt, max(n_bytes, 0))
    if n_samples is None:
        return None
    n_frames = n_samples // n_frame
    if is_mat(spec) and not isinstance(path, RemotePath):
        with open_signal(path, header, spec) as file:
            head = file.read(HEAD_BYTES)
        if not holds_raw(header, spec, head, n_frame, 0):
            return count_matlab_samples(signal_path(path, header, spec), header.name, n_frame)
        columns = raw_columns(head, spec.fmt, n_frame, spec.byte_offset or 0)
        n_frames = n_frames if columns is None else min(n_frames, columns)
    return n_frames


def check_files(path: Path, header: Header, n_frames: int) -> None:
    """Refuse signal files that are too short for so many frames, without reading them.

    Raises
    ------
    HeaderError, SignalError
        If a file is missing, too short, or its format is not known.
    """
    for file_name in dict.fromkeys(spec.file_name for spec in header.signals):
        specs = [spec for spec in header.signals if spec.file_name == file_name]
        _check_spec(header, specs[0], n_frames)
        size = file_size(path, header, specs[0])
        n_samples = n_frames * sum(spec.samples_per_frame or 1 for spec in specs)
        if specs[0].fmt in COMPRESSED or is_mat(specs[0]):
            check_size(header, specs[0], size, n_samples // FLAC_SAMPLES_A_BYTE, n_frames)
        else:
            needed = bytes_needed(specs[0].fmt, n_samples)
            check_size(header, specs[0], size, (specs[0].byte_offset or 0) + needed, n_frames)


def check_size(header: Header, spec: SignalSpec, size: int, expected: int, n_frames: int) -> None:
    """Refuse a file that is too short for what the header states."""
    if size < expected:
        raise SignalError(
            f"{header.name}: {spec.file_name} has {size:,} bytes; expected {expected:,} for {n_frames:,} "
            f"samples of {header.n_leads} leads: the file is cut short, fetch it again"
        )


@contextmanager
def _cut_short(header: Header, spec: SignalSpec) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SignalError(f"{header.name}: {spec.file_name} cannot be read ({error.strerror or error})") from error


def _read_into(file: RawIOBase, wanted: memoryview) -> None:
    """Fill `wanted`; one call may give less, 2 GiB at most."""
    while wanted.nbytes:
        n_bytes = file.readinto(wanted)
        if not n_bytes:
            raise OSError("it ended while it was read")
        wanted = wanted[n_bytes:]


def _read_file(
    path: Path, header: Header, members: Sequence[int], n_frames: int, wanted: set[int]
) -> dict[int, NDArray[np.integer]]:
    """Whole signals of one file by their rows, as the file has them, before skew."""
    specs = [header.signals[row] for row in members]
    first = specs[0]
    widths = [spec.samples_per_frame or 1 for spec in specs]
    n_frame = sum(widths)
    offset, n_bytes = first.byte_offset or 0, bytes_needed(first.fmt, n_frame * n_frames)
    with open_signal(path, header, first) as file, _cut_short(header, first):
        if is_mat(first) and not holds_raw(header, first, file.read(HEAD_BYTES), n_frame, n_frames):
            if n_frame != len(specs):
                raise SignalError(
                    f"{header.name}: {first.file_name} is a MATLAB file of another type, and the header states several "
                    "samples a frame; expected MATLAB 4: convert the record"
                )
            values = read_matlab_samples(signal_path(path, header, first), header.name, n_frame, n_frames)
            return dict(zip(members, values, strict=True))
        check_size(header, first, file.size, offset + n_bytes, n_frames)
        file.seek(offset)
        data = np.empty(n_bytes, np.uint8)
        _read_into(file, data.data)
    # frames: (frame, sample of the frame)
    frames = decode_samples(first.fmt, data, n_frame * n_frames).reshape(n_frames, n_frame)
    ends = np.cumsum(widths).tolist()
    return {
        row: _absolute(header.signals[row], frames[:, end - width : end].reshape(-1))
        for row, width, end in zip(members, widths, ends, strict=True)
        if row in wanted
    }


def _check_one_form(header: Header, members: Sequence[int]) -> None:
    forms = dict.fromkeys(_form(header.signals[row]) for row in members)
    if len(forms) > 1:
        raise HeaderError(
            f"{header.name}: {header.signals[members[0]].file_name} in formats {', '.join(forms)}; expected one format "
            "for all signals of a file: correct the header"
        )


def _form(spec: SignalSpec) -> str:
    return f"{spec.fmt}+{spec.byte_offset or 0}"


def _absolute(spec: SignalSpec, samples: NDArray[np.integer]) -> NDArray[np.integer]:
    """Format 8 stores first differences from the initial value on."""
    if spec.fmt != "8":
        return samples
    summed = samples.cumsum(dtype=np.int64) + (spec.initial_value or 0)
    narrow = -(2**15) <= summed.min() and summed.max() < 2**15
    return summed.astype(np.int16 if narrow else np.int32)


def _aligned(
    header: Header, rows: Sequence[int], whole: dict[int, NDArray[np.integer]], n_frames: int, spf: int
) -> Signals:
    """Signals side by side, those with skew moved to their place."""
    wide = any(header.signals[row].fmt in WIDE_FORMATS or whole[row].dtype.itemsize > 2 for row in rows)
    signal = np.empty((len(rows), n_frames * spf), np.int32 if wide else np.int16)
    for place, row in enumerate(rows):
        spec = header.signals[row]
        late = (spec.skew or 0) * spf
        signal[place, : signal.shape[1] - late] = whole[row][late:]
        signal[place, signal.shape[1] - late :] = invalid_sample_of(spec.fmt)
    skewed = any(header.signals[row].skew for row in rows)
    return Signals(signal, tuple(int(whole[row].sum(dtype=np.int64)) for row in rows) if skewed else None)


def _read_compressed(
    path: Path, header: Header, members: Sequence[int], n_frames: int
) -> dict[int, NDArray[np.integer]]:
    """Whole signals of one FLAC file by their rows, before skew."""
    specs = [header.signals[row] for row in members]
    first, size = specs[0], file_size(path, header, specs[0])
    spf = samples_per_frame(header.name, specs)  # a FLAC file's channels have one length
    if n_frames * spf * len(specs) > size * FLAC_SAMPLES_A_BYTE:
        raise SignalError(
            f"{header.name}: {first.file_name} has {size:,} bytes, which cannot hold {n_frames:,} samples of each "
            "lead: the file is cut short, fetch it again"
        )
    stated = {
        "fmt": first.fmt, "n_channels": len(specs), "first": first.byte_offset or 0, "n_samples": n_frames * spf
    }  # fmt: skip
    what = f"{header.name}: its FLAC signal file {first.file_name}"
    file, bounds = signal_path(path, header, first), bounds_for(4 * n_frames * spf * len(specs))
    samples = decode_isolated("ecg12.pipeline.formats.flac:decode_flac", file, stated, bounds, what)
    return dict(zip(members, samples, strict=True))
