"""DICOM ECG waveforms (12-lead, general and ambulatory), in any transfer syntax.

Leads that are spread over several groups of simultaneous samples are joined (PS3.3 A.34.3: a 12-lead ECG may have five
groups); a second group of the same leads is the median beat, and is left alone.
Source: DICOM PS3.3 C.10.9 (waveform module), C.7.1.1 and C.7.2.2 (age).
"""

import os
import re
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecg12.ecg.errors import LeadError, SignalError
from ecg12.ecg.signals.leads import LEADS, canonical_lead, plan_leads, select_leads
from ecg12.ecg.signals.recording import Recording, SourceSamples, make_recording
from ecg12.pipeline.files.foreign_readers import reading
from ecg12.pipeline.formats.birth_date import OLDEST, years_between
from ecg12.pipeline.formats.dicom.elements import Item, begins_like_dicom, parse_dicom
from ecg12.pipeline.formats.dicom.groups import SEQUENCES, WANTED, WAVEFORMS, Group, read_group, to_group
from ecg12.pipeline.formats.told_by_user import InputConfig

_AGE, _SEX, _BORN = 0x00101010, 0x00100040, 0x00100030
_DATES = (0x0008002A, 0x00080022, 0x00080023, 0x00080020, 0x00080021)
"""When it was recorded, the best first: acquisition's date and time, dates of acquisition, content, study, series."""

_MODALITY, _PIXELS, _DOCUMENT, _DOCUMENT_KIND = 0x00080060, 0x7FE00010, 0x00420011, 0x00420012
_REPORT, _FILES = 0x0040A730, 0x00041220
_OTHERS = {_PIXELS: "an image", _DOCUMENT: "an encapsulated document", _REPORT: "a report", _FILES: "a list of files"}
_ALL_WANTED = WANTED | {_AGE, _SEX, _BORN, _MODALITY, _PIXELS, _DOCUMENT, _DOCUMENT_KIND, *_DATES}
_ALL_SEQUENCES = SEQUENCES | {_REPORT, _FILES}
_SEXES = {"M": "Male", "F": "Female"}
_YEARS = {"Y": 1.0, "M": 1 / 12, "W": 7 / 365.25, "D": 1 / 365.25}
MOST_GROUPS = 1000
"""An ECG of twelve leads may have five."""

LARGEST_BYTES = 2**32
"""An element's length has 32 bits."""

_CONTRADICTION_UV = 20.0
"""On average, between a limb lead and what two others make of it; steps of 5 µV make a fifth of that."""

_MOST_APART = 2.0
"""Years between a stated age and that by the dates; more is said."""


def read_dicom(path: Path, told: InputConfig) -> Recording:
    """The standard leads of a DICOM file's ECG: of the group that has most of them, of those the longest.

    Leads that it lacks are taken from simultaneous groups. Where no channel is a lead, `told.leads` names those of the
    first group with as many.

    Raises
    ------
    LeadError, SignalError
        If it cannot be read, holds no ECG, or a lead is uncalibrated.
    """
    with reading(path, "a DICOM file"):
        dataset = parse_dicom(_content(path), _ALL_WANTED, _ALL_SEQUENCES, path.name)
        items = dataset.sequences.get(WAVEFORMS, [])
        if not items:
            raise SignalError(f"{path.name}: a DICOM file {_instead(dataset)}; expected an ECG")
        groups, unread = _groups(items, told)
        base = max(
            groups, key=lambda one: (len(set(one.names) & set(LEADS)), one.duration_s, not one.derived, -one.number)
        )
        if not set(base.names) & set(LEADS):
            signal_uv, source, leads, fs, notes = _named_by_user(groups, told, path.name)
            return _recording(path, dataset, signal_uv, source, leads, fs, [*unread, *notes])
        joined, notes = _join(base, groups)
        signal_uv, source, leads, said = _read(joined, told)
        own, of_others = joined[0][1], [lead for _, names in joined[1:] for lead in names]
        if (
            not all(group.timed for group, _ in joined[1:])
            and set(of_others) & set(LEADS[:6])
            and _contradict(signal_uv, leads)
            and not _contradict(signal_uv, leads, own)  # else it is no matter of the groups
        ):
            notes.append(
                f"limb leads in other groups contradict those in group {base.number}, and the file does not say when "
                "they were sampled: other groups are left out"
            )
            signal_uv, source, leads, said = _read(joined[:1], told)
        return _recording(path, dataset, signal_uv, source, leads, base.fs, [*unread, *notes, *said])


def _content(path: Path) -> bytes:
    """A file's bytes, after a look whether it can be one: a disk image is not read to find out that it is none."""
    with path.open("rb") as file:
        head = file.read(132)
        size = os.fstat(file.fileno()).st_size
        if not begins_like_dicom(head):
            raise SignalError(f"{path.name}: begins unlike a DICOM file; expected one by its name")
        if size > LARGEST_BYTES:
            raise SignalError(f"{path.name}: {size:,} bytes; expected a DICOM file of at most {LARGEST_BYTES:,}")
        return head + file.read()


def _groups(items: Sequence[Item], told: InputConfig) -> tuple[list[Group], list[str]]:
    """The groups that can be read, and why others cannot; where none can be, that is the error."""
    groups, errors = list[Group](), list[str]()
    if len(items) > MOST_GROUPS:
        raise SignalError(f"{items[0].name}: {len(items):,} groups of channels; expected at most {MOST_GROUPS}")
    for number, item in enumerate(items, start=1):
        try:
            groups.append(to_group(item, number, told))
        except SignalError as error:
            errors.append(str(error))
    if not groups:
        raise SignalError(errors[0])
    return groups, [f"{error.removeprefix(items[0].name).strip()}: left out" for error in errors[:3]]


def _instead(dataset: Item) -> str:
    """What a file without waveforms holds."""
    found = next((what for tag, what in _OTHERS.items() if tag in dataset.values or tag in dataset.sequences), "")
    details = ", ".join(filter(None, (dataset.text(_MODALITY), dataset.text(_DOCUMENT_KIND))))
    return f"without waveforms, {found or 'nothing known'}{f' ({details[:60]})' if details else ''}"


def _join(base: Group, groups: Sequence[Group]) -> tuple[list[tuple[Group, list[str]]], list[str]]:
    """The leads to take from each group, the base first, and what is to be said about leads that are left out."""
    joined = [(base, [lead for lead in LEADS if lead in base.names])]
    left: dict[str, str] = {}
    for group in groups:
        have = {lead for _, leads in joined for lead in leads}
        new = [lead for lead in LEADS if lead in group.names and lead not in have]
        unlike = group.unlike(base)
        if new and not unlike:
            joined.append((group, new))
        for lead in new if unlike else ():
            left.setdefault(lead, f"in group {group.number}, which {unlike}")
    have = {lead for _, leads in joined for lead in leads}
    reasons: dict[str, list[str]] = {}
    for lead, reason in left.items():
        if lead not in have:
            reasons.setdefault(reason, []).append(lead)
    notes = [
        f"{' '.join(leads)} {'is' if len(leads) == 1 else 'are'} {why}: left out" for why, leads in reasons.items()
    ]
    return joined, notes


def _read(
    joined: Sequence[tuple[Group, list[str]]], told: InputConfig
) -> tuple[NDArray[np.float32], SourceSamples | None, list[str], list[str]]:
    """Microvolts (lead, sample) of leads in standard order, samples as filed, the leads, and what is to be said."""
    parts, names, notes = [], list[str](), list[str]()
    for group, leads in joined:
        signal, source, begin, said = read_group(group, select_leads(group.names, leads), told)
        parts.append((signal, source, begin))
        names += leads
        notes += said
    latest = max(begin for *_, begin in parts)
    shifts = [round(min(latest - begin, signal.shape[1])) for signal, _, begin in parts]
    order = [names.index(lead) for lead in LEADS if lead in names]
    stacked = _stack([signal for signal, *_ in parts], shifts, order)
    adu = _stack([each.adu for _, each, _ in parts], shifts, order) if told.with_source else None
    limits = {each.limits for _, each, _ in parts}  # groups of several widths have none in common
    kept = None if adu is None else SourceSamples(adu, limits.pop() if len(limits) == 1 else None)
    return stacked, kept, [names[row] for row in order], list(dict.fromkeys(notes))


def _stack(parts: Sequence[NDArray], shifts: Sequence[int], order: list[int]) -> NDArray:
    """The groups' leads in order, from where all have begun to where the first ends."""
    aligned = [part[:, shift:] for part, shift in zip(parts, shifts, strict=True)]
    length = min(part.shape[1] for part in aligned)
    return aligned[0] if len(aligned) == 1 else np.concatenate([part[:, :length] for part in aligned])[order]


def _contradict(signal_uv: NDArray[np.float32], leads: Sequence[str], among: Sequence[str] = LEADS) -> bool:
    """Whether limb leads `among` these are not what two of them make, as where groups were sampled in turn.

    A file need not say when its groups begin; what was sampled in turn must not be put side by side for that.
    """
    limb = [lead for lead in LEADS[:6] if lead in leads and lead in among]
    if len(limb) < 3:
        return False
    rows = signal_uv[[leads.index(lead) for lead in limb]]
    made = np.zeros(rows.shape[1], np.float32)
    for lead in limb[2:]:
        (sources,) = plan_leads(limb[:2], [lead]).sources
        made[:] = sum(np.float32(weight) * rows[row] for row, weight in sources)
        if np.nanmean(np.abs(made - rows[limb.index(lead)])) > _CONTRADICTION_UV:
            return True
    return False


def _named_by_user(
    groups: Sequence[Group], told: InputConfig, name: str
) -> tuple[NDArray[np.float32], SourceSamples | None, list[str], float, list[str]]:
    """The same of a group whose channels the user names, with its sampling frequency."""
    told_names = [canonical_lead(lead) for lead in told.lead_names or ()]
    group = next((group for group in groups if told_names and len(group.names) == len(told_names)), None)
    if group is None:
        found = "; ".join(f"group {one.number}: {', '.join(one.names)}" for one in groups)[:400]
        expected = f"a group of {len(told_names)}" if told_names else f"some of {', '.join(LEADS)}"
        raise LeadError(f"{name}: channels {found}; expected {expected}, which {told.option('leads')} can name")
    leads = [lead for lead in LEADS if lead in told_names]
    signal, source, _, notes = read_group(group, select_leads(told_names, leads), told)
    pairs = ", ".join(f"{stated!r} is {lead}" for stated, lead in zip(group.names, told_names, strict=True))
    return signal, source if told.with_source else None, leads, group.fs, [f"{pairs}, as told", *notes]


def _recording(
    path: Path,
    dataset: Item,
    signal_uv: NDArray[np.float32],
    source: SourceSamples | None,
    leads: list[str],
    fs: float,
    notes: list[str],
) -> Recording:
    name = path.stem if path.suffix.lower() in (".dcm", ".dicom", ".ima") else path.name
    sex = _SEXES.get(dataset.text(_SEX).upper())
    age, said = _age(dataset)
    said = [*notes, *said]
    return make_recording(name, signal_uv, leads, fs, age=age, sex=sex, notes=tuple(said), keep=True, source=source)


def _age(dataset: Item) -> tuple[float | None, list[str]]:
    """Years, as stated, else between the date of birth and that of the recording; None where the file does not say.

    With them what is to be said. 000Y and 999Y stand for an unknown age; an infant's has days, weeks or months.
    """
    by_dates = _age_by_dates(dataset)
    match = re.fullmatch(r"(\d{1,3})([YMWD])", dataset.text(_AGE).upper(), re.ASCII)
    if match is None:
        return by_dates, []
    stated = int(match[1]) * _YEARS[match[2]]
    if stated > OLDEST or (match[2] == "Y" and not stated and by_dates != 0):
        return by_dates, []
    if by_dates is None or abs(stated - by_dates) < _MOST_APART:
        return stated, []
    return stated, [f"age taken as {dataset.text(_AGE)}, as stated; by the dates it is {by_dates:g} years"]


def _age_by_dates(dataset: Item) -> float | None:
    """Whole years between the date of birth and that of the recording, None where either is unknown."""
    born, day = _day(dataset.text(_BORN)), next(filter(None, (_day(dataset.text(tag)) for tag in _DATES)), None)
    return years_between(born, day)


def _day(text: str) -> date | None:
    """A date as DICOM writes it, 19510802, and once wrote it, 1951.08.02; None for part of one and anything else."""
    match = re.match(r"(\d{4})(\.?)(\d{2})\2(\d{2})", text, re.ASCII)
    try:
        return date(int(match[1]), int(match[3]), int(match[4])) if match else None
    except ValueError:
        return None
