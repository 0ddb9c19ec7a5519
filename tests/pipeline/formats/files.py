"""One recording in every kind of file, for tests: what is written is what the readers must give back."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import edfio
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, TwelveLeadECGWaveformStorage, generate_uid

from ecg12.ecg.signals.leads import LEADS

MDC = dict(zip(LEADS, ("2:1", "2:2", "2:61", "2:62", "2:63", "2:64", *(f"2:{n}" for n in range(3, 9))), strict=True))


def write_table(
    path: Path, signal_uv: NDArray, leads: Sequence[str] = LEADS, *, head: str = "", sign: str = ","
) -> Path:
    """A text table in mV; `head` stands above the line of names."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [sign.join(leads), *(sign.join(f"{value / 1000:.3f}" for value in sample) for sample in signal_uv.T)]
    path.write_text(head + "\n".join(rows) + "\n", encoding="utf-8")
    return path


def write_edf(
    path: Path,
    signal_uv: NDArray,
    leads: Sequence[str] = LEADS,
    *,
    fs: float = 500,
    units: str = "uV",
    patient: edfio.Patient | None = None,
) -> Path:
    """An EDF or, by its suffix, a BDF file of whole microvolts."""
    path.parent.mkdir(parents=True, exist_ok=True)
    bdf = path.suffix == ".bdf"
    top, kind = (8_388_607, edfio.BdfSignal) if bdf else (32_767, edfio.EdfSignal)
    scale = {"uV": 1.0, "mV": 1e-3, "V": 1e-6}[units]
    signals = [
        kind.from_digital(
            samples.astype(np.int32 if bdf else np.int16),
            fs,
            label=lead,
            physical_dimension=units,
            physical_range=(-(top + 1) * scale, top * scale) if units == "uV" else (-32.768, 32.767),
            digital_range=(-top - 1, top) if units == "uV" else (-32768, 32767),
        )
        for lead, samples in zip(leads, signal_uv, strict=True)
    ]
    recording = edfio.Recording(startdate=date(2020, 5, 1))
    (edfio.Bdf if bdf else edfio.Edf)(signals, patient=patient, recording=recording).write(path)
    return path


def write_dicom(
    path: Path,
    signal_uv: NDArray,
    leads: Sequence[str] = LEADS,
    *,
    fs: float = 500,
    coded: bool = True,
    sensitivity: float | None = 1.0,
    median_beat: bool = False,
    padding: int | None = None,
) -> Path:
    """A 12-lead ECG of whole microvolts; with `median_beat` in front of it a second group of 600 ms."""
    path.parent.mkdir(parents=True, exist_ok=True)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = TwelveLeadECGWaveformStorage, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset(path, {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    dataset.Modality, dataset.PatientAge, dataset.PatientSex, dataset.PatientName = "ECG", "045Y", "F", "Made^Up"
    group = _group(signal_uv, leads, fs, coded=coded, sensitivity=sensitivity, padding=padding)
    beat = _group(signal_uv[:, : int(0.6 * fs)], leads, fs, coded=coded, sensitivity=sensitivity, padding=None)
    dataset.WaveformSequence = [beat, group] if median_beat else [group]
    dataset.save_as(path, enforce_file_format=True)
    return path


def _group(
    signal: NDArray, leads: Sequence[str], fs: float, *, coded: bool, sensitivity: float | None, padding: int | None
) -> Dataset:
    group = Dataset()
    group.WaveformOriginality = "ORIGINAL"
    group.NumberOfWaveformChannels, group.NumberOfWaveformSamples = signal.shape
    group.SamplingFrequency = fs
    group.ChannelDefinitionSequence = [_channel(lead, coded=coded, sensitivity=sensitivity) for lead in leads]
    group.WaveformBitsAllocated, group.WaveformSampleInterpretation = 16, "SS"
    group.WaveformData = np.ascontiguousarray(signal.T, "<i2").tobytes()
    if padding is not None:
        group.WaveformPaddingValue = np.int16(padding).tobytes()
    return group


def _channel(lead: str, *, coded: bool, sensitivity: float | None) -> Dataset:
    channel, source, unit = Dataset(), Dataset(), Dataset()
    source.CodeValue, source.CodingSchemeDesignator = (MDC[lead], "MDC") if coded else ("X", "99LOCAL")
    source.CodeMeaning = f"Lead {lead}"
    channel.ChannelSourceSequence = [source]
    channel.WaveformBitsStored = 16
    if sensitivity is not None:
        unit.CodeValue, unit.CodingSchemeDesignator, unit.CodeMeaning = "uV", "UCUM", "microvolt"
        channel.ChannelSensitivity, channel.ChannelSensitivityCorrectionFactor = sensitivity, 1.0
        channel.ChannelBaseline = 0.0
        channel.ChannelSensitivityUnitsSequence = [unit]
    return channel
