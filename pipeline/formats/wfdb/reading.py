"""WFDB records, the Challenge's among them, as recordings."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ecg12.ecg.errors import LeadError
from ecg12.ecg.headers.header import Header, SignalSpec, parse_header
from ecg12.ecg.headers.segments import is_multi_segment
from ecg12.ecg.signals.cleaning import check_checksum, to_clean_microvolts
from ecg12.ecg.signals.digital_record import Record
from ecg12.ecg.signals.leads import LEADS, canonical_lead, select_leads
from ecg12.ecg.signals.recording import Recording, SourceSamples
from ecg12.ecg.signals.voltage_units import spell_units
from ecg12.pipeline.formats.lead_names import name_leads
from ecg12.pipeline.formats.told_by_user import InputConfig, require_fs
from ecg12.pipeline.formats.wfdb.files import read_header_text
from ecg12.pipeline.formats.wfdb.records import read_record
from ecg12.pipeline.formats.wfdb.sampling import misstated_dataset
from ecg12.pipeline.formats.wfdb.segments import read_segments

TOLD_NOTHING = InputConfig()
_LONGEST_NOTE = 400


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
    stated = parse_header(text)
    header, notes = complete_header(stated, told)
    names = [canonical_lead(spec.description or "") for spec in header.signals]
    standard = [lead for lead in LEADS if lead in names]
    select_leads(names, standard)  # says which one is there twice
    record = read_record(path, standard or None, header=header)
    mismatches = check_checksum(record, reject=told.bad_checksum == "reject")
    read = to_recording(record, mismatches, with_source=told.with_source)
    return replace(read, notes=(*notes, *read.notes)) if notes else read


def complete_header(header: Header, told: InputConfig) -> tuple[Header, list[str]]:
    """The header with what it does not say itself as told, its leads by their standard names; what is to be said.

    wrsamp calls signals "record x, signal 0" where nobody names them, and other programs leave them without a name.
    """
    notes: list[str] = []
    if header.fs is None:
        header = replace(header, fs=require_fs(None, told, header.name))
    stated = [spec.description or "" for spec in header.signals]
    names = name_leads(stated)
    if told.lead_names and not set(names) & set(LEADS):
        if len(names) != len(told.lead_names):
            raise LeadError(
                f"{header.name}: {len(names)} signals; expected {len(told.lead_names)}, as {told.option('leads')} names"
            )
        names = name_leads(told.lead_names)
        if any(stated):
            notes.append(f"leads taken as told; the header calls them {', '.join(stated)[:_LONGEST_NOTE]}")
    if told.units is not None and misstated_dataset(header) is None:  # whose true gains are known
        signals, said = zip(*(_tell_units(spec, told.units, told) for spec in header.signals), strict=True)
        notes += dict.fromkeys(filter(None, said))
        header = replace(header, signals=signals)
    if names != stated:
        named = (spec._replace(description=name) for spec, name in zip(header.signals, names, strict=True))
        header = replace(header, signals=tuple(named))
    return header, notes


def _tell_units(spec: SignalSpec, units: str, told: InputConfig) -> tuple[SignalSpec, str]:
    """A signal line with the told unit where its own is none; what is to be said.

    A gain in adu/mV is a calibration, which a unit that is told for the tables beside it must not undo.
    """
    stated = spell_units(spec.units or "mV")
    if stated is None:
        said = f"units taken as {spell_units(units)}, as told; the header states {spec.units!r}"
        return spec._replace(units=units), said
    if stated != spell_units(units):
        option = told.option("units")
        return (
            spec,
            f"units taken as {stated}, as the header's gain has them; {option} is for files without such a gain",
        )
    return spec, ""


def to_recording(record: Record, mismatches: Sequence[int] = (), *, with_source: bool = False) -> Recording:
    """A record's samples in microvolts, those that are missing interpolated, with its flags.

    Parameters
    ----------
    mismatches : rows whose checksum is wrong, which are flagged and noted
    with_source : keep the samples in adu with it; their limits are in the flags already

    Raises
    ------
    SignalError
        If a gain is not a positive number, or gives a voltage that no ECG has.
    """
    signal_uv, flags, n_invalid = to_clean_microvolts(record)
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
        remarks=record.remarks,
        n_missing=tuple((record.signal == record.invalid_sample).sum(axis=1).tolist()) if n_invalid else None,
        source=SourceSamples(record.signal) if with_source else None,
    )
