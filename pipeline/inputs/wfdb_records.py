"""WFDB records, the Challenge's among them, as recordings."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecg.annotations import parse_annotations
from ecg.header import parse_header
from ecg.leads import LEADS, canonical_lead, select_leads
from ecg.record import Record
from ecg.recording import Recording, make_recording
from pipeline.convert import check_checksum, to_clean_microvolts
from pipeline.inputs.foreign import reading
from pipeline.inputs.told import InputConfig, microvolts_in
from pipeline.wfdb_files import read_header_text
from pipeline.wfdb_io import read_record

TOLD_NOTHING = InputConfig()


def read_wfdb(path: Path, told: InputConfig = TOLD_NOTHING) -> Recording:
    """The standard leads of the record whose header is at `path`; all its leads if none is standard.

    Only what is needed must be calibrated: a channel of respiration without a gain is nobody's business here.

    Raises
    ------
    ChecksumError, HeaderError, LeadError, SignalError
        If it cannot be read, or its samples are not those that the header was written for.
    """
    text = read_header_text(path)
    if is_multi_segment(text):
        return _read_segments(path)
    names = [canonical_lead(spec.description or "") for spec in parse_header(text).signals]
    standard = [lead for lead in LEADS if lead in names]
    select_leads(names, standard)  # says which one is there twice
    record = read_record(path, standard or None)
    return to_recording(record, check_checksum(record, reject=told.bad_checksum == "reject"))


def is_multi_segment(text: str) -> bool:
    """Whether a header's record line is that of a record in several segments: name/number of segments."""
    line = next((line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")), "")
    return "/" in line.split()[0] if line else False


def _read_segments(path: Path) -> Recording:
    """A record in several segments, which wfdb puts together; what lies between them is missing."""
    with reading(path, "a WFDB record in several segments"):
        import wfdb

        whole: Any = wfdb.rdrecord(str(path.with_suffix("")), physical=True, m2s=False)
        if whole.layout == "variable":
            record, signal = _joined(whole)
        else:
            record = next(segment for segment in whole.segments if segment is not None)
            signal = np.concatenate([_samples_of(*pair, len(record.sig_name)) for pair in _with_lengths(whole)])
        names = [canonical_lead(name) for name in record.sig_name]
        standard = [lead for lead in LEADS if lead in names] or names
        rows = select_leads(names, standard)
        factors = [microvolts_in(record.units[row], where=f"{path.stem} lead {names[row]}") for row in rows]
        annotations = parse_annotations(whole.comments or record.comments or ())
        return make_recording(
            path.stem,
            signal.T[rows] * np.array(factors)[:, None],
            standard,
            float(record.fs),
            age=annotations.age,
            sex=annotations.sex,
            dx_codes=annotations.dx_codes,
        )


def _joined(whole: Any) -> tuple[Any, NDArray[np.float64]]:  # noqa: ANN401 - wfdb.MultiRecord
    """What wfdb makes of segments with different signals: a record, and its samples (sample, lead)."""
    record = whole.multi_to_single(physical=True)
    return record, record.p_signal


def _with_lengths(whole: Any) -> list[tuple[Any, int]]:  # noqa: ANN401
    return list(zip(whole.segments, whole.seg_len, strict=True))


def _samples_of(segment: Any, length: int, n_leads: int) -> NDArray[np.float64]:  # noqa: ANN401
    """A segment's samples (sample, lead), of a gap NaN: wfdb itself trips over gaps between segments alike."""
    return np.full((length, n_leads), np.nan) if segment is None else segment.p_signal


def to_recording(record: Record, mismatches: Sequence[int] = ()) -> Recording:
    """A record's samples in microvolts, those that are missing interpolated, with its flags.

    Parameters
    ----------
    mismatches : rows whose checksum is wrong, which are flagged and noted

    Raises
    ------
    SignalError
        If a gain is not a positive number, or gives a voltage that no ECG has.
    """
    signal_uv, flags, _ = to_clean_microvolts(record)
    notes = record.notes
    if mismatches:
        leads = ", ".join(record.leads[row] for row in mismatches)
        notes = (*notes, f"lead {leads}: taken although the samples do not match the header's checksum")
    return Recording(
        name=record.name,
        signal_uv=signal_uv,
        leads=record.leads,
        fs=record.fs,
        lead_flags=flags,
        age=record.age,
        sex=record.sex,
        dx_codes=record.dx_codes,
        notes=notes,
    )
