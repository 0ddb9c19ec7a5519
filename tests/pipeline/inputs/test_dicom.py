"""DICOM ECGs as several programs write them: the samples that were written come back, or a line says why not."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from pydicom import dcmread

from ecg.errors import SignalError
from ecg.leads import LEADS
from ecg.quality import LeadFlag
from ecg.recording import Recording
from pipeline.inputs.dicom import read_dicom
from pipeline.inputs.told import InputConfig
from tests.fuzz import Fuzzed, run_cases
from tests.pipeline.inputs.files import write_dicom
from tests.records import pulses_uv

SIGNAL = pulses_uv(1500, seed=3)
NOTHING = InputConfig()
BACKWARDS = tuple(reversed(LEADS))


def check(recording: Recording, signal=SIGNAL, *, leads=LEADS, fs: float = 500, atol: float = 1e-3) -> None:
    assert (recording.leads, recording.fs) == (leads, fs)
    assert recording.signal_uv.dtype == np.float32
    np.testing.assert_allclose(recording.signal_uv, signal, atol=atol)


@pytest.mark.parametrize("coded", [True, False])
@pytest.mark.parametrize("median_beat", [True, False])
def test_dicom(tmp_path: Path, coded: bool, median_beat: bool) -> None:
    path = write_dicom(tmp_path / "ecg.dcm", SIGNAL[::-1], BACKWARDS, coded=coded, median_beat=median_beat)
    recording = read_dicom(path, NOTHING)
    check(recording)
    assert (recording.age, recording.sex) == (45, "Female")


def test_dicom_sensitivity_and_padding(tmp_path: Path) -> None:
    signal = SIGNAL.copy()
    signal[2, 100:110] = -32768
    recording = read_dicom(write_dicom(tmp_path / "ecg.dcm", signal, sensitivity=4.88, padding=-32768), NOTHING)
    assert recording.lead_flags[2] & LeadFlag.INVALID
    assert not recording.lead_flags[3] & LeadFlag.INVALID
    np.testing.assert_allclose(recording.signal_uv[:, :100], SIGNAL[:, :100] * 4.88, rtol=1e-5)
    assert np.abs(recording.signal_uv).max() < 30_000


def test_dicom_says_what_is_wrong(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "ecg.dcm", SIGNAL, sensitivity=None)
    with pytest.raises(SignalError, match="lead I: uncalibrated, the file states no sensitivity"):
        read_dicom(path, NOTHING)
    dataset = dcmread(path)
    dataset.WaveformSequence[0].WaveformData = dataset.WaveformSequence[0].WaveformData[:1000]
    dataset.save_as(path)
    with pytest.raises(SignalError, match=r"cannot be read as a DICOM file \(ValueError: cannot reshape"):
        read_dicom(path, NOTHING)
    del dataset.WaveformSequence
    dataset.save_as(path)
    with pytest.raises(SignalError, match=r"ecg\.dcm: a DICOM file without waveforms; expected an ECG"):
        read_dicom(path, NOTHING)
    path.write_bytes(b"no DICOM at all")
    with pytest.raises(SignalError, match=r"ecg\.dcm: cannot be read as a DICOM file \(InvalidDicomError"):
        read_dicom(path, NOTHING)


def seeds() -> list[bytes]:
    with TemporaryDirectory() as folder:
        return [write_dicom(Path(folder) / "ecg.dcm", SIGNAL[:, :500], padding=-32768).read_bytes()]


FUZZED = Fuzzed(seeds=seeds, read=lambda path: read_dicom(path, NOTHING), name="ecg.dcm")


def test_damaged_files_are_refused_or_read_and_nothing_else_is_raised(tmp_path: Path) -> None:
    tally = run_cases(FUZZED, tmp_path, range(300))
    assert not tally.failures
    assert tally.refusals.total() > 30
    assert tally.n_read > 30
