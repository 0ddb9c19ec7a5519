"""Multiplex groups of a DICOM waveform: channels that are sampled together, in microvolts.

Source: DICOM PS3.3 C.10.9 (waveform module), PS3.16 CID 3001 (ECG leads), PS3.5 section 7.3 (byte order).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecg12.ecg.errors import SignalError
from ecg12.ecg.signals.recording import SourceSamples
from ecg12.ecg.signals.voltage_units import spell_units
from ecg12.pipeline.formats.dicom.elements import WAVEFORM_DATA, Item
from ecg12.pipeline.formats.lead_names import find_lead, name_leads
from ecg12.pipeline.formats.told_by_user import InputConfig, require_fs, weigh_units

WAVEFORMS, CHANNELS, SOURCE, UNITS = 0x54000100, 0x003A0200, 0x003A0208, 0x003A0211
SEQUENCES = frozenset((WAVEFORMS, CHANNELS, SOURCE, UNITS))
_OFFSET_MS, _ORIGINALITY, _N_CHANNELS, _N_SAMPLES, _FS = 0x00181068, 0x003A0004, 0x003A0005, 0x003A0010, 0x003A001A
_BITS, _KIND, _PADDING = 0x54001004, 0x54001006, 0x5400100A
_LABEL, _SENSITIVITY, _CORRECTION, _BASELINE = 0x003A0203, 0x003A0210, 0x003A0212, 0x003A0213
_TIME_SKEW, _SAMPLE_SKEW, _CHANNEL_OFFSET, _BITS_STORED = 0x003A0214, 0x003A0215, 0x003A0218, 0x003A021A
_CODE, _SCHEME, _MEANING = 0x00080100, 0x00080102, 0x00080104
WANTED = frozenset((_OFFSET_MS, _ORIGINALITY, _N_CHANNELS, _N_SAMPLES, _FS, _BITS, _KIND, _PADDING, WAVEFORM_DATA))
WANTED |= {_LABEL, _SENSITIVITY, _CORRECTION, _BASELINE, _TIME_SKEW, _SAMPLE_SKEW, _CHANNEL_OFFSET, _BITS_STORED}
WANTED |= {_CODE, _SCHEME, _MEANING}

_TYPES = {"SB": "i1", "UB": "u1", "SS": "i2", "US": "u2", "SL": "i4", "UL": "u4", "SV": "i8", "UV": "u8"}
_COMPANDED = {"AB": "A-law", "MB": "µ-law"}
_NUMBERS = {"1": "I", "2": "II", "61": "III", "62": "aVR", "63": "aVL", "64": "aVF"} | {
    str(number + 2): f"V{number}" for number in range(1, 7)
}
"""A lead's number in both schemes: 2:61 in MDC and 5.6.3-9-61 in SCP-ECG are lead III."""

_PREFIXES = ("2:", "5.6.3-9-")
_MDC_DIMENSIONS = {"266400": "V", "266418": "mV", "266419": "uV"}
_RATES_HZ = (1.0, 1e6)


@dataclass(frozen=True, slots=True)
class Group:
    """A multiplex group whose samples are known to be there.

    Attributes
    ----------
    number : 1 for the first of the file
    names : standard leads where a channel is one, else what the file calls it
    offset_ms : of the first sample from the reference time; 0 where the file does not say
    timed : whether the file says it
    """

    item: Item
    number: int
    names: tuple[str, ...]
    fs: float
    n_samples: int
    offset_ms: float
    timed: bool
    derived: bool

    @property
    def duration_s(self) -> float:
        """How long it lasts, seconds."""
        return self.n_samples / self.fs

    def unlike(self, other: "Group") -> str:
        """Why its samples are not simultaneous with another's, "" if they are."""
        if self.fs != other.fs:
            return f"is sampled at {self.fs:g} Hz, not at {other.fs:g} Hz"
        if abs(self.offset_ms - other.offset_ms) * self.fs > 500:
            return f"begins at {self.offset_ms:g} ms, not at {other.offset_ms:g} ms"
        if self.n_samples != other.n_samples:
            return f"has {self.n_samples:,} samples, not {other.n_samples:,}"
        return ""


def to_group(item: Item, number: int, told: InputConfig) -> Group:
    """What an item of the waveform sequence states, held against the samples that are there.

    Raises
    ------
    SignalError
        If it states what cannot be, or more samples than there are.
    """
    where = f"{item.name} group {number}"
    channels = item.sequences.get(CHANNELS, [])
    n_channels, n_samples = item.whole(_N_CHANNELS) or 0, item.whole(_N_SAMPLES) or 0
    if not n_channels or not n_samples or len(channels) != n_channels:
        raise SignalError(
            f"{where}: {n_channels} channels of {n_samples:,} samples, {len(channels)} channels described; expected "
            "some, and as many described"
        )
    expected, found = n_channels * n_samples * _type_of(item, where).itemsize, len(item.values.get(WAVEFORM_DATA, b""))
    if found < expected:
        raise SignalError(f"{where}: {found:,} bytes of samples; expected {expected:,}: the file is cut short")
    fs = require_fs(item.number(_FS), told, where)
    if not _RATES_HZ[0] <= fs <= _RATES_HZ[1]:
        raise SignalError(f"{where}: a sampling frequency of {fs:g} Hz; expected 1 to 1,000,000")
    offset = item.number(_OFFSET_MS)
    derived = item.text(_ORIGINALITY).upper() == "DERIVED"
    return Group(item, number, _names_of(channels), fs, n_samples, offset or 0.0, offset is not None, derived)


def read_group(
    group: Group, rows: list[int], told: InputConfig
) -> tuple[NDArray[np.float32], SourceSamples, float, list[str]]:
    """Microvolts of some channels of a group, float32 (channel, sample), NaN where the file pads.

    With them the samples as the file has them (none unless `told.with_source`), when the first sample is, in samples
    after the group's begin, and what is to be said.

    Value × sensitivity × correction factor + baseline, which is in the units of the sensitivity (PS3.3 table C.10-9).

    Raises
    ------
    SignalError
        If a lead is uncalibrated, or begins so late that nothing is common to all.
    """
    item, notes = group.item, list[str]()
    channels = [item.sequences[CHANNELS][row] for row in rows]
    shifts, latest = _shifts(group, channels, rows, notes)
    n_common = group.n_samples - max(shifts, default=0)
    if n_common < 1:
        raise SignalError(f"{item.name}: a channel's skew of {max(shifts):,} samples; expected less than the recording")
    digital, padding = _samples(group)
    signal = np.empty((len(rows), n_common), np.float32)
    adu = np.empty((len(rows), n_common if told.with_source else 0), digital.dtype.newbyteorder("="))
    for at, (row, channel, shift) in enumerate(zip(rows, channels, shifts, strict=True)):
        gain, offset, note = _scale(channel, told, f"{item.name} lead {group.names[row]}")
        values = digital[shift : shift + n_common, row]
        extended, mended = _extend_sign(values, channel)
        signal[at] = extended * gain + offset
        if padding is not None:
            signal[at, values == padding] = np.nan
        adu[at] = values[: adu.shape[1]]
        notes += [text for text in (note, mended) if text]
    span = np.iinfo(digital.dtype)
    return signal, SourceSamples(adu, (int(span.min), int(span.max))), latest, list(dict.fromkeys(notes))


def _names_of(channels: list[Item]) -> tuple[str, ...]:
    """The channels' leads: by their codes, which no language changes; by their names where a file has no known code."""
    by_code: list[str | None] = []
    texts: list[str] = []
    for channel in channels:
        source = channel.first(SOURCE)
        by_code.append(_lead_of_code(source.text(_CODE), source.text(_SCHEME)))
        stated = [source.text(_MEANING), channel.text(_LABEL), source.text(_CODE)]
        texts.append(next((text for text in stated if find_lead(text)), next(filter(None, stated), "unnamed")))
    rest = iter(name_leads([text for text, lead in zip(texts, by_code, strict=True) if lead is None]))
    return tuple(lead or next(rest) for lead in by_code)


def _lead_of_code(code: str, scheme: str) -> str | None:
    for prefix in _PREFIXES:
        if code.startswith(prefix):
            return _NUMBERS.get(code.removeprefix(prefix))
    if scheme.upper().startswith("SCP"):
        return _NUMBERS.get(code)
    if scheme.upper().startswith("MDC") and code.isascii() and code.isdigit() and len(code) == 6:
        return _NUMBERS.get(str(int(code) - (2 << 16)))  # one number for partition 2 and the code in it
    return None


def _type_of(item: Item, where: str) -> np.dtype:
    kind, bits = item.text(_KIND).upper(), item.whole(_BITS)
    if kind in _COMPANDED:
        raise SignalError(f"{where}: {_COMPANDED[kind]} samples of 8 bits ({kind}); expected linear ones")
    if kind not in _TYPES:
        raise SignalError(f"{where}: samples of kind {kind[:16]!r}; expected one of {', '.join(_TYPES)}")
    kind_type = np.dtype(_TYPES[kind]).newbyteorder(">" if item.big else "<")
    if bits is not None and bits != 8 * kind_type.itemsize:
        raise SignalError(f"{where}: {kind} samples of {bits} bits; expected {8 * kind_type.itemsize}")
    return kind_type


def _samples(group: Group) -> tuple[NDArray[np.integer], int | None]:
    """Digital samples (sample, channel), not copied where their bytes are in order, and the value that pads them."""
    item = group.item
    kind = _type_of(item, item.name)
    data, padding = item.values[WAVEFORM_DATA], bytes(item.values.get(_PADDING, b""))
    n = group.n_samples * len(group.names)
    if kind.itemsize == 1 and item.big and item.words:  # bytes two to a word, and words turned round
        data = memoryview(np.frombuffer(data[: len(data) // 2 * 2], ">u2").astype("<u2").tobytes())
        padding = padding[1::-1]
    samples = np.frombuffer(data, kind, n).reshape(group.n_samples, len(group.names))
    return samples, (int(np.frombuffer(padding, kind, 1)[0]) if len(padding) >= kind.itemsize else None)


def _extend_sign(values: NDArray[np.integer], channel: Item) -> tuple[NDArray[np.integer], str]:
    """Signed samples of fewer bits than are allocated, where the writer left the upper bits at 0."""
    stored = channel.whole(_BITS_STORED) or 0
    if values.dtype.kind != "i" or not 1 < stored < 8 * values.dtype.itemsize:
        return values, ""
    half = 1 << (stored - 1)
    if values.min() < 0 or not half <= int(values.max()) < 2 * half:
        return values, ""
    return (values.astype(np.int64) ^ half) - half, f"samples of {stored} bits without their sign: extended"


def _scale(channel: Item, told: InputConfig, where: str) -> tuple[float, float, str | None]:
    """Microvolts of one step, those of the digital 0, and what is to be said about the units."""
    sensitivity, correction = channel.number(_SENSITIVITY), channel.number(_CORRECTION)
    if not sensitivity or correction == 0:
        raise SignalError(f"{where}: uncalibrated, the file states no sensitivity; expected one")
    units = channel.first(UNITS)
    stated = _MDC_DIMENSIONS.get(units.text(_CODE), units.text(_CODE))
    if spell_units(stated) is None and spell_units(units.text(_MEANING)) is not None:
        stated = units.text(_MEANING)
    factor, note = weigh_units(stated, told, where)
    gain = sensitivity * (1.0 if correction is None else correction) * factor
    offset = (channel.number(_BASELINE) or 0.0) * factor
    if not abs(gain) * 2.0**64 + abs(offset) < 1e35:
        raise SignalError(
            f"{where}: a sensitivity of {sensitivity:g} and a baseline that no ECG has; expected voltages"
        )
    return gain, offset, note


def _shifts(group: Group, channels: list[Item], rows: list[int], notes: list[str]) -> tuple[list[int], float]:
    """Samples to leave out at each channel's beginning, so that all begin where the latest does; and where that is."""
    begins = []
    for channel in channels:
        skew = channel.number(_TIME_SKEW)
        samples = (channel.number(_SAMPLE_SKEW) or 0.0) if skew is None else skew * group.fs
        begins.append(samples + (channel.number(_CHANNEL_OFFSET) or 0.0) * group.fs)
    latest = max(begins, default=0.0)
    shifts = [round(min(latest - begin, 2.0**31)) for begin in begins]
    if any(shifts):
        late = [group.names[row] for row, shift in zip(rows, shifts, strict=True) if shift < max(shifts)]
        notes.append(f"channels aligned by their skew, {max(shifts)} samples at most: {' '.join(late)} begin late")
    return shifts, latest
