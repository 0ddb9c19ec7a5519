"""Recordings from Python: what other programs wrote, and what is in memory already."""

from pathlib import Path

import edfio
import numpy as np
import pytest
import wfdb

import ecg12
from ecg12.ecg.signals.leads import LEADS
from ecg12.errors import ConfigError, EcgError, InputError, SignalError
from tests.records import pulses_uv, write_record


def test_a_challenge_record_is_what_wfdb_reads(tmp_path: Path) -> None:
    header = write_record(tmp_path, "A0001", pulses_uv(2500, seed=3), dx="164889003,59118001", age="71", sex="Male")
    expected = wfdb.rdrecord(str(header.with_suffix(""))).p_signal.T
    for path in (header, header.with_suffix(""), header.with_suffix(".mat"), str(header)):
        recording = ecg12.read_recording(path)
        np.testing.assert_allclose(recording.signal, expected, atol=1e-6)
        assert (recording.name, recording.fs, recording.leads) == ("A0001", 500.0, LEADS)
        assert (recording.age, recording.sex, recording.codes) == (71.0, "Male", ("164889003", "59118001"))
        assert (recording.n_samples, recording.duration_s, recording.quality) == (2500, 5.0, "")


def test_an_edf_of_another_program(tmp_path: Path) -> None:
    signal = pulses_uv(2000, seed=1)[:2] / 1000.0
    signals = [
        edfio.EdfSignal(samples, 250, label=f"ECG {lead}", physical_dimension="mV", physical_range=(-5, 5))
        for lead, samples in zip(("I", "II"), signal, strict=True)
    ]
    edfio.Edf(signals).write(tmp_path / "a.edf")
    recording = ecg12.read_recording(tmp_path / "a.edf")
    assert (recording.leads, recording.fs, recording.name) == (("I", "II"), 250.0, "a")
    np.testing.assert_allclose(recording.signal, signal, atol=2e-4)


def test_what_a_file_does_not_say_is_told(tmp_path: Path) -> None:
    samples = pulses_uv(1000).T[:, :3]
    np.save(tmp_path / "a.npy", samples)
    recording = ecg12.read_recording(tmp_path / "a.npy", fs=360, leads=["I", "II", "V1"], units="uV")
    np.testing.assert_allclose(recording.signal, samples.T / 1000.0, atol=1e-6)
    with pytest.raises(SignalError, match="states no sampling frequency"):
        ecg12.read_recording(tmp_path / "a.npy", leads=["I", "II", "V1"], units="uV")
    with pytest.raises(ConfigError, match="fs is -1"):
        ecg12.read_recording(tmp_path / "a.npy", fs=-1)


def test_what_is_no_single_recording_is_refused(tmp_path: Path, simulated_store: Path) -> None:
    with pytest.raises(InputError, match="a store: take open_store"):
        ecg12.read_recording(simulated_store)
    with pytest.raises(InputError, match="several recordings: name one of them"):
        ecg12.read_recording(tmp_path)
    with pytest.raises(InputError, match="does not exist"):
        ecg12.read_recording(tmp_path / "nothing.edf")
    (tmp_path / "a.pdf").write_bytes(b"%PDF-1.4\n")
    with pytest.raises(SignalError, match="a PDF; not read: expected WFDB"):
        ecg12.read_recording(tmp_path / "a.pdf")


def test_damaged_bytes_are_one_of_our_errors(tmp_path: Path) -> None:
    header = write_record(tmp_path, "A", pulses_uv(500))
    header.with_suffix(".mat").write_bytes(b"\0" * 100)
    with pytest.raises(EcgError, match="A"):
        ecg12.read_recording(header)


def test_a_recording_made_of_an_array() -> None:
    signal = pulses_uv(1000, seed=4)
    for given, units in ((signal / 1000, "mV"), (signal, "uV"), (signal / 1e6, "V")):
        recording = ecg12.Recording(given, 500, units=units, name="x", age=50, sex="Male")
        np.testing.assert_allclose(recording.signal, signal / 1000.0, atol=1e-6)
        assert recording.signal.dtype == np.float32
    assert repr(recording) == "Recording('x', 12 leads, 2 s at 500 Hz)"
    two = ecg12.Recording(signal[:2] / 1000, 500, leads=["i", "AVR"])
    assert two.leads == ("I", "aVR")
    with_gap = signal / 1000
    with_gap[3, 5:9] = np.nan
    assert "invalid: aVR" in ecg12.Recording(with_gap, 500).quality


def test_an_array_is_not_changed_and_no_window_onto_the_recording() -> None:
    signal = (pulses_uv(1000) / 1000).astype(np.float32)
    signal[0, :4] = np.nan
    before = signal.copy()
    recording = ecg12.Recording(signal, 500)
    np.testing.assert_array_equal(signal, before)
    assert np.isfinite(recording.signal).all()


@pytest.mark.parametrize(
    ("array", "options", "error", "text"),
    [
        (np.zeros((5000, 12)), {}, SignalError, r"\(5000, 12\); expected \(12, samples\).*: transpose it"),
        (np.zeros((3, 50)), {}, SignalError, r"\(3, 50\); expected \(12, samples\).*, or other leads"),
        (np.zeros(12), {}, SignalError, r"float64 of shape \(12,\); expected numbers in two dimensions"),
        (np.array([["a"] * 3] * 12), {}, SignalError, "expected numbers in two dimensions"),
        (np.full((12, 50), np.nan), {}, SignalError, "no valid sample"),
        (np.full((12, 50), 1e9), {}, SignalError, "expected at most 1000 V"),
        (np.ones((12, 50)), {"units": "volts"}, ConfigError, "units 'volts'; expected mV, uV, V"),
        (np.ones((12, 50)), {"sex": "F"}, ConfigError, "sex 'F'; expected 'Female', 'Male' or None"),
        (np.ones((12, 50)), {"fs": 0}, SignalError, "sampling frequency 0 Hz"),
    ],
)
def test_arrays_that_are_no_recording_are_refused(array, options, error, text: str) -> None:
    with pytest.raises(error, match=text):
        ecg12.Recording(array, **{"fs": 500} | options)
