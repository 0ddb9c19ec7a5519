"""EDF and BDF files as several programs write them: the samples that were written come back, or a line says why not."""

from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import edfio
import numpy as np
import pytest

from ecg.errors import LeadError, SignalError
from ecg.leads import LEADS
from ecg.recording import Recording
from pipeline.inputs.edf import read_edf
from pipeline.inputs.told import InputConfig
from tests.fuzz import Fuzzed, run_cases
from tests.pipeline.inputs.files import write_edf
from tests.records import pulses_uv

SIGNAL = pulses_uv(1500, seed=3)
NOTHING = InputConfig()
BACKWARDS = tuple(reversed(LEADS))


def check(recording: Recording, signal=SIGNAL, *, leads=LEADS, fs: float = 500, atol: float = 1e-3) -> None:
    assert (recording.leads, recording.fs) == (leads, fs)
    assert recording.signal_uv.dtype == np.float32
    np.testing.assert_allclose(recording.signal_uv, signal, atol=atol)


@pytest.mark.parametrize("suffix", ["edf", "bdf"])
def test_edf_and_bdf(tmp_path: Path, suffix: str) -> None:
    path = write_edf(tmp_path / f"ecg.{suffix}", SIGNAL[::-1], [f"ECG {lead}" for lead in BACKWARDS])
    check(read_edf(path, NOTHING))


def test_edf_in_other_units_with_a_patient_and_other_channels(tmp_path: Path) -> None:
    patient = edfio.Patient(sex="F", birthdate=date(1950, 6, 1))
    path = write_edf(
        tmp_path / "ecg.edf", np.vstack([SIGNAL, SIGNAL[:1]]), [*LEADS, "Resp"], units="mV", patient=patient
    )
    recording = read_edf(path, NOTHING)
    check(recording, atol=0.01)
    assert (recording.age, recording.sex) == (69, "Female")


@pytest.mark.parametrize(
    "text",
    ["X F X x", "X Q 31-FEB-1950 x", "X F 1-JUN-" + "9" * 40, "F", "", "Mrs Smith, ward 4", "X F 1--1 x", "\xe9 \xff"],
)
def test_edf_with_an_odd_patient(tmp_path: Path, text: str) -> None:
    path = write_edf(tmp_path / "ecg.edf", SIGNAL)
    content = path.read_bytes()
    path.write_bytes(content[:8] + text.encode("latin-1").ljust(80) + content[88:])
    recording = read_edf(path, NOTHING)
    check(recording)
    assert recording.age is None
    assert recording.sex == ("Female" if " F " in text else None)


def test_edf_says_what_is_wrong(tmp_path: Path) -> None:
    path = write_edf(tmp_path / "ecg.edf", SIGNAL)
    content = path.read_bytes()
    path.write_bytes(content[:-500])
    with pytest.raises(SignalError, match=r"35,500 bytes of samples; expected 36,000: the file is cut short"):
        read_edf(path, NOTHING)
    path.write_bytes(content[:192] + b"EDF+D" + content[197:])
    with pytest.raises(SignalError, match=r"an interrupted recording \(EDF\+D\); expected one piece"):
        read_edf(path, NOTHING)
    path.write_bytes(b"garbage")
    with pytest.raises(SignalError, match="ecg: begins unlike an EDF or BDF file"):
        read_edf(path, NOTHING)
    path.write_bytes(content[:252] + b"0   " + content[256:])
    with pytest.raises(SignalError, match="0 channels in a header of 3328 bytes; the file is damaged"):
        read_edf(path, NOTHING)
    at = content.index(b"-32768")
    path.write_bytes(content[:at] + b"32767 " + content[at + 6 :])
    with pytest.raises(SignalError, match="lead I: uncalibrated, its smallest and largest value are the same"):
        read_edf(path, NOTHING)
    write_edf(path, SIGNAL[:2], ["EEG Fpz-Cz", "Resp"])
    with pytest.raises(LeadError, match="channels EEG Fpz-Cz, Resp; expected some of I, II"):
        read_edf(path, NOTHING)
    signals = [
        edfio.EdfSignal(samples[::step].astype(float), 500 / step, label=lead, physical_dimension="uV")
        for samples, step, lead in ((SIGNAL[0], 1, "I"), (SIGNAL[1], 2, "II"))
    ]
    edfio.Edf(signals).write(path)
    with pytest.raises(SignalError, match="leads at 250, 500 Hz; expected one"):
        read_edf(path, NOTHING)


def test_edf_without_a_unit_wants_to_be_told(tmp_path: Path) -> None:
    edfio.Edf([edfio.EdfSignal(SIGNAL[0] / 1000, 500, label="I")]).write(tmp_path / "ecg.edf")
    with pytest.raises(SignalError, match="lead I: states no units; tell them with --units mV, uV or V"):
        read_edf(tmp_path / "ecg.edf", NOTHING)
    check(read_edf(tmp_path / "ecg.edf", InputConfig(units="mV")), SIGNAL[:1], leads=("I",), atol=0.05)


def seeds() -> list[bytes]:
    with TemporaryDirectory() as folder:
        names = ("ecg.edf", "ecg.bdf")
        return [write_edf(Path(folder) / name, SIGNAL[:, :500]).read_bytes() for name in names]


FUZZED = Fuzzed(seeds=seeds, read=lambda path: read_edf(path, InputConfig(units="mV")), name="ecg.edf")


def test_damaged_files_are_refused_or_read_and_nothing_else_is_raised(tmp_path: Path) -> None:
    tally = run_cases(FUZZED, tmp_path, range(300))
    assert not tally.failures
    assert tally.refusals.total() > 30
    assert tally.n_read > 30
