"""WFDB records, the Challenge's among them, as recordings."""

from collections.abc import Sequence
from pathlib import Path

from ecg.header import parse_header
from ecg.leads import LEADS, canonical_lead, select_leads
from ecg.record import Record
from ecg.recording import Recording
from ecg.segments import is_multi_segment
from pipeline.convert import check_checksum, to_clean_microvolts
from pipeline.inputs.told import InputConfig
from pipeline.inputs.wfdb_segments import read_segments
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
        return read_segments(path, text, told)
    names = [canonical_lead(spec.description or "") for spec in parse_header(text).signals]
    standard = [lead for lead in LEADS if lead in names]
    select_leads(names, standard)  # says which one is there twice
    record = read_record(path, standard or None)
    return to_recording(record, check_checksum(record, reject=told.bad_checksum == "reject"))


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
