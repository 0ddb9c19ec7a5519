"""Finding WFDB records on disk and reading them into `Record`; `pipeline.formats.wfdb.signals` reads the samples."""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ecg12.cache.storage.location import Location, RemotePath
from ecg12.ecg.errors import HeaderError, SignalError
from ecg12.ecg.headers.header import Header, SignalSpec
from ecg12.ecg.labels.annotations import parse_annotations
from ecg12.ecg.signals.adc import gain_per_mv, invalid_sample_of, true_gain
from ecg12.ecg.signals.digital_record import Record
from ecg12.ecg.signals.leads import LEADS, canonical_lead, select_leads
from ecg12.ecg.signals.quality import checksum_mismatches
from ecg12.pipeline.formats.wfdb.files import read_header
from ecg12.pipeline.formats.wfdb.remote_records import at_hand
from ecg12.pipeline.formats.wfdb.sampling import misstated_dataset, sampling_of
from ecg12.pipeline.formats.wfdb.signals import Signals, read_signals, samples_per_frame


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
    Record named after the file, with true gains (see `ecg.signals.adc.true_gain`)

    Raises
    ------
    HeaderError, LeadError, SignalError
        If the header is not understood, a lead is missing or uncalibrated, or the samples are not all there.
        A wrong checksum is not an error here: see `ecg.signals.quality.checksum_mismatches`.
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
    dataset = misstated_dataset(header)
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
        states_none=annotations.states_none,
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
