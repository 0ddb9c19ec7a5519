"""EDF, EDF+ and BDF files, read record by record, so that a day's recording costs little more than its samples.

Read here and not by a library: edfio refuses decimal commas and Latin-1 and takes what a damaged header states for
true; pyedflib, a C extension, refuses files which bend the standard a little.
"""

import os
import re
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from ecg12.ecg.errors import LeadError, SignalError
from ecg12.ecg.signals.leads import LEADS, select_leads
from ecg12.ecg.signals.recording import Recording, SourceSamples, make_recording
from ecg12.pipeline.files.foreign_readers import reading
from ecg12.pipeline.formats.birth_date import years_between
from ecg12.pipeline.formats.edf.header import (
    HEADER_BYTES,
    EdfChannel,
    EdfHeader,
    count_header_bytes,
    parse_decimal,
    parse_edf_header,
)
from ecg12.pipeline.formats.edf.times import check_times, first_gap
from ecg12.pipeline.formats.lead_names import name_leads
from ecg12.pipeline.formats.told_by_user import InputConfig, require_fs, weigh_units

_BLOCK_BYTES = 4_000_000
MOST_SAMPLES = 2**31
"""Of all leads together, 8 GiB: four days of twelve leads at 500 Hz; more would be a file that is mostly a hole."""

_RATES_HZ = (1.0, 1e6)
_LARGEST_DIGITAL = 2.0**23
_LARGEST_SCALE_UV = 1e30
"""What is more does not fit into float32; `make_recording` refuses what is less than that, and still no voltage."""

_SEX = {"M": "Male", "F": "Female"}
_BORN = re.compile(r"X$|\d+-", re.ASCII)
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


def read_edf(path: Path, told: InputConfig) -> Recording:
    """The standard leads of an EDF or BDF file; other channels are left alone.

    Where no label is a lead's, `told.leads` names the channels that are labelled ECG or EKG, or all if none is.

    Raises
    ------
    LeadError, SignalError
        If it cannot be read, is cut short or interrupted, or a lead is uncalibrated or sampled unlike the others.
    """
    name = path.stem
    with reading(path, "an EDF or BDF file"), path.open("rb") as file:
        _, header = _read_header(file, name)
        leads, channels, notes = _choose(header, told, name)
        fs = _rate(header, channels, leads, told, name)
        if header.n_records * channels[0].n_samples * len(leads) > MOST_SAMPLES:
            raise SignalError(f"{name}: more than {MOST_SAMPLES:,} samples; cut the recording into parts")
        if header.kind.endswith("D"):
            check_times(_annotations(file, header, name), header.record_s, 1 / fs, name)
        elif header.kind.endswith("C") and float(header.record_s) and any(map(_is_annotations, header.channels)):
            gap = first_gap(_annotations(file, header, name), header.record_s, 1 / fs)
            notes += [f"{gap}; read as one piece, as {header.kind} states"] if gap else []
        scales = [_scale(channel, told, f"{name} lead {lead}") for channel, lead in zip(channels, leads, strict=True)]
        source = _room_for_source(header, channels) if told.with_source else None
        signal_uv = _read_samples(file, header, channels, [(gain, offset) for gain, offset, _ in scales], source)
        age, sex = _patient(header)
        said = dict.fromkeys([*header.notes, *notes, *(note for *_, note in scales if note)])
        return make_recording(name, signal_uv, leads, fs, age=age, sex=sex, notes=tuple(said), keep=True, source=source)


def measure_edf(path: Path, told: InputConfig) -> tuple[float, int, bytes]:
    """Sampling frequency (Hz) and length (samples) that the header announces, and the header itself.

    Raises
    ------
    LeadError, SignalError
        As `read_edf`, for what the header tells.
    """
    name = path.stem
    with reading(path, "an EDF or BDF file"), path.open("rb") as file:
        head, header = _read_header(file, name)
        leads, channels, _ = _choose(header, told, name)
        return _rate(header, channels, leads, told, name), header.n_records * channels[0].n_samples, head


def _read_header(file: BinaryIO, name: str) -> tuple[bytes, EdfHeader]:
    head = file.read(HEADER_BYTES)
    head += file.read(count_header_bytes(head, name) - HEADER_BYTES)
    return head, parse_edf_header(head, os.fstat(file.fileno()).st_size, name)


def _choose(header: EdfHeader, told: InputConfig, name: str) -> tuple[list[str], list[EdfChannel], list[str]]:
    """The standard leads, the channel of each, and what is to be said about the choice."""
    signals = [channel for channel in header.channels if channel.is_signal]
    names, notes = name_leads([channel.label for channel in signals]), list[str]()
    if told.lead_names and not set(names) & set(LEADS):
        marked = [channel for channel in signals if channel.label.lower().startswith(("ecg", "ekg"))]
        signals = marked or signals
        if len(signals) != len(told.lead_names):
            found = _listed([channel.label or "unnamed" for channel in signals])
            raise LeadError(
                f"{name}: channels {found}; expected {len(told.lead_names)}, as many as {told.option('leads')} names"
            )
        names = name_leads(told.lead_names)
        notes.append(", ".join(f"{channel.label!r} is {lead}" for channel, lead in zip(signals, names, strict=True)))
        notes = [f"{notes[0]}, as told"]
    elif told.lead_names and set(name_leads(told.lead_names)) & set(LEADS) - set(names):
        notes.append("leads as the file's labels have them, not as told")
    standard = [lead for lead in LEADS if lead in names]
    if not standard:
        raise LeadError(
            f"{name}: channels {_listed(names)}; expected some of {', '.join(LEADS)}, "
            f"which {told.option('leads')} can tell"
        )
    return standard, [signals[row] for row in select_leads(names, standard)], notes


def _listed(names: Sequence[str]) -> str:
    return ", ".join([*names[:40], *([f"{len(names) - 40:,} others"] if len(names) > 40 else [])]) or "none"


def _rate(
    header: EdfHeader, channels: Sequence[EdfChannel], leads: Sequence[str], told: InputConfig, name: str
) -> float:
    """Sampling frequency of the leads, Hz."""
    by_number: dict[int, list[str]] = {}
    for channel, lead in zip(channels, leads, strict=True):
        by_number.setdefault(channel.n_samples, []).append(lead)
    seconds = float(header.record_s)
    if len(by_number) > 1:
        unit = "Hz" if seconds > 0 else "samples a record"
        rates = ", ".join(f"{n / (seconds or 1):g} {unit} ({' '.join(by_number[n])})" for n in sorted(by_number))
        raise SignalError(f"{name}: leads at {rates}; expected one rate")
    (n_samples,) = by_number
    if n_samples == 0:
        raise SignalError(f"{name}: no sample of {', '.join(leads)} in its records; expected some")
    if seconds < 0:
        raise SignalError(f"{name}: records of {header.record_s} s; expected a positive duration")
    if seconds == 0 and told.fs is None:
        raise SignalError(f"{name}: records of 0 s, which tell no sampling frequency; tell it with {told.option('fs')}")
    fs = require_fs(n_samples / seconds if seconds else None, told, name)
    if not _RATES_HZ[0] <= fs <= _RATES_HZ[1]:
        raise SignalError(f"{name}: {n_samples:,} samples in {header.record_s} s; expected 1 to 1,000,000 in one")
    return fs


def _scale(channel: EdfChannel, told: InputConfig, where: str) -> tuple[float, float, str | None]:
    """Microvolts of one digital step, those of the digital 0, and what is to be said about the units."""
    texts = (*channel.physical, *channel.digital)
    numbers = [parse_decimal(text) for text in texts]
    if None in numbers:
        raise SignalError(f"{where}: its range is {', '.join(map(repr, texts))}; expected four numbers")
    low, high, digital_low, digital_high = (float(number) for number in numbers if number is not None)
    if low == high or digital_low == digital_high:
        raise SignalError(f"{where}: uncalibrated, its smallest and largest value are the same; expected a range")
    factor, note = weigh_units(channel.dimension, told, where)
    gain = (high - low) / (digital_high - digital_low) * factor
    offset = low * factor - digital_low * gain
    if not abs(gain) * _LARGEST_DIGITAL + abs(offset) < _LARGEST_SCALE_UV:
        raise SignalError(f"{where}: its range is {', '.join(map(repr, texts))}; expected voltages that can be")
    return gain, offset, note


def _room_for_source(header: EdfHeader, channels: Sequence[EdfChannel]) -> SourceSamples:
    top = 2 ** (8 * header.width - 1)
    shape = (len(channels), header.n_records * channels[0].n_samples)
    return SourceSamples(np.empty(shape, np.int16 if header.width == 2 else np.int32), (-top, top - 1))


def _read_samples(
    file: BinaryIO,
    header: EdfHeader,
    channels: Sequence[EdfChannel],
    scales: Sequence[tuple[float, float]],
    source: SourceSamples | None,
) -> NDArray[np.float32]:
    """Microvolts of some channels that are sampled alike, float32 (channel, sample); `source` is filled as well."""
    length = channels[0].n_samples
    signal = np.empty((len(channels), header.n_records * length), np.float32)
    begin = 0
    for records in _blocks(file, header):
        end = begin + len(records) * length
        for row, (channel, (gain, offset)) in enumerate(zip(channels, scales, strict=True)):
            digital = _to_numbers(records, channel, header.width)
            signal[row, begin:end] = (digital * gain + offset).ravel()
            if source is not None:
                source.adu[row, begin:end] = digital.ravel()
        begin = end
    return signal


def _blocks(file: BinaryIO, header: EdfHeader) -> Iterator[NDArray[np.uint8]]:
    """The records, some at a time, as bytes: uint8 (record, byte)."""
    record_bytes = header.record_samples * header.width
    file.seek(header.data_at)
    left = header.n_records
    while left:
        n = min(left, max(_BLOCK_BYTES // record_bytes, 1))
        yield np.frombuffer(file.read(n * record_bytes), np.uint8).reshape(n, record_bytes)
        left -= n


def _to_numbers(records: NDArray[np.uint8], channel: EdfChannel, width: int) -> NDArray[np.integer]:
    """Digital values of a channel, (record, sample)."""
    part = records[:, channel.at * width : (channel.at + channel.n_samples) * width]
    if width == 2:
        return np.ascontiguousarray(part).view("<i2")
    low, middle, high = (part[:, byte::3].astype(np.int32) for byte in range(3))
    return (low | middle << 8 | high << 16) - ((high & 0x80) << 17)


def _annotations(file: BinaryIO, header: EdfHeader, name: str) -> Iterator[bytes]:
    """The first channel of annotations, of each record."""
    channel = next(filter(_is_annotations, header.channels), None)
    if channel is None:
        raise SignalError(f"{name}: an interrupted recording ({header.kind}) without times; expected annotations")
    begin, end = channel.at * header.width, (channel.at + channel.n_samples) * header.width
    for records in _blocks(file, header):
        for record in records:
            yield record[begin:end].tobytes()


def _is_annotations(channel: EdfChannel) -> bool:
    return channel.label.endswith("DF Annotations")


def _patient(header: EdfHeader) -> tuple[float | None, str | None]:
    """Age in years and sex, None where the file does not say: EDF+ has a rule for them, plain EDF has none.

    What keeps to the rule has a date of birth or an X in the third place. "John M Smith" does not: M is a name there.
    """
    fields, begun = header.patient.split(), header.recording.split()
    if len(fields) < 3 or not _BORN.match(fields[2]):
        return None, None
    born = _day(fields[2])
    day = _day(begun[1]) if len(begun) > 1 and begun[0] == "Startdate" else None
    return years_between(born, day), _SEX.get(fields[1].upper())


def _day(text: str) -> date | None:
    """A date as EDF+ writes it, 02-AUG-1951; None for anything else, such as a year of two digits."""
    parts = text.upper().split("-")
    if len(parts) != 3 or parts[1] not in _MONTHS or not (parts[0].isdecimal() and parts[2].isdecimal()):
        return None
    try:
        return date(int(parts[2]), _MONTHS.index(parts[1]) + 1, int(parts[0][:3])) if len(parts[2]) == 4 else None
    except ValueError:
        return None
