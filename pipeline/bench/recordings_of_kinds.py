"""Ten-second recordings in each kind of file, by other programs' writers, and read back by other programs' readers."""

from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecg12.ecg.errors import InputError
from ecg12.ecg.signals.leads import LEADS
from ecg12.ecg.synthetic import plan_corpus, simulate_record

FS = 500.0
POOL = 12
SUFFIXES = {"edf": ".edf", "dicom": ".dcm", "csv": ".csv", "npy": ".npy", "mat": ".mat"}


def write_recordings(folder: Path, kind: str, n_records: int) -> list[Path]:
    """Simulated recordings of ten seconds at 500 Hz, each with one sample of its own."""
    folder.mkdir(parents=True)
    planned = plan_corpus(POOL, seed=2020, datasets=("georgia",))
    pool = [simulate_record(replace(one, n_samples=5000)).signal for one in planned]
    paths = []
    for number in range(n_records):
        turn, chosen = divmod(number, POOL)
        signal = pool[chosen].copy()
        signal[11, turn % 5000] ^= 1
        paths.append(folder / f"R{number:05d}{SUFFIXES[kind]}")
        _WRITERS[kind](paths[-1], signal)
    return paths


def library(name: str) -> Any:  # noqa: ANN401 - a module
    """A package that only development has.

    Raises
    ------
    InputError
        If it is not installed.
    """
    try:
        return import_module(name)
    except ImportError:
        raise InputError(f"the package {name} is not installed; pip install -r requirements-dev.txt") from None


def _write_edf(path: Path, signal: NDArray[np.int16]) -> None:
    edfio = library("edfio")
    ranges = {"physical_range": (-32768.0, 32767.0), "digital_range": (-32768, 32767), "physical_dimension": "uV"}
    signals = [
        edfio.EdfSignal.from_digital(row, FS, label=lead, **ranges) for lead, row in zip(LEADS, signal, strict=True)
    ]
    edfio.Edf(signals).write(path)


def _write_dicom(path: Path, signal: NDArray[np.int16]) -> None:
    dataset, uid = library("pydicom.dataset"), library("pydicom.uid")
    meta = dataset.FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = uid.TwelveLeadECGWaveformStorage, uid.generate_uid()
    meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    whole = dataset.FileDataset(path, {}, file_meta=meta, preamble=b"\0" * 128)
    whole.SOPClassUID, whole.SOPInstanceUID, whole.Modality = meta.MediaStorageSOPClassUID, uid.generate_uid(), "ECG"
    group = dataset.Dataset()
    group.NumberOfWaveformChannels, group.NumberOfWaveformSamples = signal.shape
    group.SamplingFrequency, group.WaveformOriginality = FS, "ORIGINAL"
    group.WaveformBitsAllocated, group.WaveformSampleInterpretation = 16, "SS"
    group.WaveformData = np.ascontiguousarray(signal.T, "<i2").tobytes()
    group.ChannelDefinitionSequence = [_channel(dataset, lead) for lead in LEADS]
    whole.WaveformSequence = [group]
    whole.save_as(path, enforce_file_format=True)


def _channel(dataset: Any, lead: str) -> Any:  # noqa: ANN401 - pydicom's
    channel, source, unit = dataset.Dataset(), dataset.Dataset(), dataset.Dataset()
    source.CodeValue, source.CodingSchemeDesignator, source.CodeMeaning = "X", "99LOCAL", f"Lead {lead}"
    unit.CodeValue, unit.CodingSchemeDesignator, unit.CodeMeaning = "uV", "UCUM", "microvolt"
    channel.ChannelSourceSequence, channel.ChannelSensitivityUnitsSequence = [source], [unit]
    channel.ChannelSensitivity, channel.ChannelSensitivityCorrectionFactor, channel.ChannelBaseline = 1.0, 1.0, 0.0
    channel.WaveformBitsStored = 16
    return channel


def _write_csv(path: Path, signal: NDArray[np.int16]) -> None:
    np.savetxt(
        path, signal.T / 1000, "%.3f", delimiter=",", header=",".join(LEADS), comments="# fs: 500\n# units: mV\n"
    )


def _write_npy(path: Path, signal: NDArray[np.int16]) -> None:
    np.save(path, signal)


def _write_mat(path: Path, signal: NDArray[np.int16]) -> None:
    import scipy.io

    scipy.io.savemat(path, {"val": signal}, do_compression=True)


_WRITERS: dict[str, Callable[[Path, NDArray[np.int16]], None]] = {
    "edf": _write_edf,
    "dicom": _write_dicom,
    "csv": _write_csv,
    "npy": _write_npy,
    "mat": _write_mat,
}


def _read_edf(path: Path) -> NDArray[np.float64]:
    return np.array([signal.data for signal in library("edfio").read_edf(path).signals])


def _read_dicom(path: Path) -> NDArray[np.float64]:
    return library("pydicom").dcmread(path).waveform_array(0).T


def _read_csv(path: Path) -> NDArray[np.float64]:
    import pandas

    return 1000 * pandas.read_csv(path, comment="#").to_numpy().T


def _read_npy(path: Path) -> NDArray[np.float64]:
    return np.load(path).astype(np.float64)


def _read_mat(path: Path) -> NDArray[np.float64]:
    import scipy.io

    return scipy.io.loadmat(path)["val"].astype(np.float64)


READERS: dict[str, tuple[str, Callable[[Path], NDArray[np.float64]]]] = {
    "edf": ("edfio.read_edf", _read_edf),
    "dicom": ("pydicom.dcmread", _read_dicom),
    "csv": ("pandas.read_csv", _read_csv),
    "npy": ("numpy.load", _read_npy),
    "mat": ("scipy.io.loadmat", _read_mat),
}
"""What a user would read each kind with: its name, and microvolts, shape (lead, sample)."""
