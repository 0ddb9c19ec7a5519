"""DICOM ECG waveforms (12-lead, general and ambulatory), read by pydicom.

Leads are told by their codes, MDC's or SCP-ECG's, which no language changes; by their names where a file has no code.
Source: DICOM PS3.3 C.10.9 (waveform module), PS3.16 CID 3001 (ECG leads).
"""

import logging
from pathlib import Path
from typing import Any

import numpy as np

from ecg.errors import LeadError, SignalError
from ecg.leads import LEADS, canonical_lead, select_leads
from ecg.recording import Recording, make_recording
from pipeline.inputs.foreign import reading
from pipeline.inputs.told import InputConfig, require_units

_NUMBERS = {"1": "I", "2": "II", "61": "III", "62": "aVR", "63": "aVL", "64": "aVF"} | {
    str(number + 2): f"V{number}" for number in range(1, 7)
}
"""A lead's number in both schemes: 2:61 in MDC and 5.6.3-9-61 in SCP-ECG are lead III."""

_PREFIXES = ("2:", "5.6.3-9-")
_SEX = {"M": "Male", "F": "Female"}
_YEARS = {"Y": 1.0, "M": 1 / 12, "W": 7 / 365.25, "D": 1 / 365.25}
_UNITS = {"uv": "uV", "mv": "mV", "v": "V", "microvolt": "uV", "millivolt": "mV", "volt": "V"}


def read_dicom(path: Path, told: InputConfig) -> Recording:
    """The standard leads of a DICOM file's ECG: of the group that has most of them, of those the longest.

    A 12-lead ECG often comes with a second group of the same leads, the median beat.

    Raises
    ------
    LeadError, SignalError
        If it cannot be read, holds no ECG, or a lead is uncalibrated.
    """
    with reading(path, "a DICOM file"):
        import pydicom

        # its remarks on values that bend the standard are not about samples
        logging.getLogger("pydicom").setLevel(logging.ERROR)
        dataset = pydicom.dcmread(path)
        groups = dataset.get("WaveformSequence") or []
        if not groups:
            raise SignalError(f"{path.name}: a DICOM file without waveforms; expected an ECG")
        leads = [[_lead_of(channel) for channel in group.ChannelDefinitionSequence] for group in groups]
        number = max(range(len(groups)), key=lambda n: (len(set(leads[n]) & set(LEADS)), _duration(groups[n]), -n))
        group, names = groups[number], leads[number]
        standard = [lead for lead in LEADS if lead in names]
        if not standard:
            raise LeadError(f"{path.name}: channels {', '.join(names) or 'none'}; expected some of {', '.join(LEADS)}")
        rows = select_leads(names, standard)
        signal_uv = _samples(dataset, number, rows, told, path.name)
        age, sex = _patient(dataset)
        return make_recording(_name(path), signal_uv, standard, float(group.SamplingFrequency), age=age, sex=sex)


def _name(path: Path) -> str:
    return path.stem if path.suffix.lower() in (".dcm", ".dicom", ".ima") else path.name


def _duration(group: Any) -> float:  # noqa: ANN401 - pydicom's datasets have any attribute
    return int(group.NumberOfWaveformSamples) / float(group.SamplingFrequency)


def _lead_of(channel: Any) -> str:  # noqa: ANN401
    source = (channel.get("ChannelSourceSequence") or [{}])[0]
    code = str(source.get("CodeValue", ""))
    for prefix in _PREFIXES:
        if code.startswith(prefix) and code.removeprefix(prefix) in _NUMBERS:
            return _NUMBERS[code.removeprefix(prefix)]
    for text in (code, source.get("CodeMeaning", ""), channel.get("ChannelLabel", "")):
        if (lead := canonical_lead(str(text))) in LEADS:
            return lead
    return str(source.get("CodeMeaning", "") or channel.get("ChannelLabel", "") or code or "unnamed")


def _samples(dataset: Any, number: int, rows: list[int], told: InputConfig, name: str) -> np.ndarray:  # noqa: ANN401
    """Microvolts of some channels of a group, float64 (lead, sample); NaN where the file pads."""
    group = dataset.WaveformSequence[number]
    raw = dataset.waveform_array(number)  # in the units of each channel's sensitivity, (sample, channel)
    signal = raw[:, rows].T.astype(np.float64)
    for row, channel in enumerate(group.ChannelDefinitionSequence[at] for at in rows):
        signal[row] *= _microvolts(channel, told, f"{name} lead {_lead_of(channel)}")
    if "WaveformPaddingValue" in group:
        padding = np.frombuffer(group.WaveformPaddingValue, f"<i{int(group.WaveformBitsAllocated) // 8}")[0]
        from pydicom.waveforms import multiplex_array

        signal[(multiplex_array(dataset, number, as_raw=True) == padding)[:, rows].T] = np.nan
    return signal


def _microvolts(channel: Any, told: InputConfig, where: str) -> float:  # noqa: ANN401
    """Microvolts in one of a channel's units."""
    if "ChannelSensitivity" not in channel:
        raise SignalError(f"{where}: uncalibrated, the file states no sensitivity; expected one")
    units = (channel.get("ChannelSensitivityUnitsSequence") or [{}])[0]
    stated = str(units.get("CodeValue", "")).strip()
    return require_units(_UNITS.get(stated.lower(), stated) or None, told, where)


def _patient(dataset: Any) -> tuple[float | None, str | None]:  # noqa: ANN401
    """Age in years and sex, None where the file does not say."""
    text = str(dataset.get("PatientAge", "") or "")
    known = len(text) == 4 and text[:3].isdigit() and text[3] in _YEARS
    return (int(text[:3]) * _YEARS[text[3]] if known else None), _SEX.get(str(dataset.get("PatientSex", "")).upper())
