"""Rate and length of a WFDB record, as its header states them or its file tells, and whose record it is."""

from collections.abc import Sequence

from ecg12.cache.storage.location import Location
from ecg12.ecg.datasets import Dataset, dataset_of
from ecg12.ecg.errors import HeaderError, SignalError
from ecg12.ecg.headers.header import Header
from ecg12.ecg.headers.signal_formats import COMPRESSED
from ecg12.ecg.signals.leads import LEADS, canonical_lead
from ecg12.ecg.signals.recording import HIGHEST_FS, LOWEST_FS
from ecg12.pipeline.formats.wfdb.files import file_size
from ecg12.pipeline.formats.wfdb.signals import FLAC_SAMPLES_A_BYTE, measure_frames, samples_per_frame

CHALLENGE_OFFSET = 24
"""Bytes of the MATLAB v4 header in front of the Challenge's samples."""


LONG_SAMPLES = 1_000_000
"""Lengths from here on are held against the file's size before a build is planned; INCART has 462,600."""


_ONE_A_FRAME = {None, 1}


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


def misstated_dataset(header: Header) -> Dataset | None:
    """The dataset this is a record of, if its gain is known and what the header states of it is not believed."""
    dataset = challenge_dataset(header)
    return dataset if dataset is not None and dataset.has_misstated_gains else None
