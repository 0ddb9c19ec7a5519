"""Rates of signals whose rate is known, and of real records whose annotators said fast, slow or normal."""

from pathlib import Path

import numpy as np
import pytest

from ecg12.ecg.signals.heart_rate import compute_heart_rate, find_qrs
from ecg12.pipeline.formats.wfdb.reading import read_wfdb
from tests.records import pulses_uv


@pytest.mark.parametrize("fs", [100, 250, 257, 500, 1000])
@pytest.mark.parametrize("seed", range(7))
def test_rate_of_pulses(fs: int, seed: int) -> None:
    period = int(fs * (60 + seed % 7 * 5) / 100)  # as pulses_uv makes it
    assert compute_heart_rate(pulses_uv(10 * fs, fs=fs, seed=seed), fs) == pytest.approx(60 * fs / period, rel=0.02)


def test_a_beat_is_found_where_it_is() -> None:
    signal = pulses_uv(5000, seed=0)
    expected = np.arange(-1, 18) * 300 + 100  # period and place of its QRS complexes
    found = find_qrs(signal, 500)
    inside = expected[(expected > 100) & (expected < 4900)]
    assert len(found) >= len(inside)
    assert all(np.abs(found - at).min() <= 15 for at in inside)


def test_what_has_no_beats_has_no_rate() -> None:
    assert compute_heart_rate(np.zeros((12, 5000)), 500) is None
    assert compute_heart_rate(pulses_uv(900), 500) is None  # shorter than two seconds
    assert compute_heart_rate(pulses_uv(400, fs=40), 40) is None  # sampled too slowly for the band


@pytest.mark.shared
def test_real_tachycardias_are_fast_and_bradycardias_slow(shared: Path) -> None:
    bounds = {"427084000": (95, 250), "426177001": (30, 65)}
    n_checked = 0
    for path in sorted((shared / "data" / "challenge2020").rglob("*.hea"))[::2]:
        text = path.read_text()
        for code, (low, high) in bounds.items():
            if code in text:
                recording = read_wfdb(path)
                rate = compute_heart_rate(recording.signal_uv[:, : int(10 * recording.fs)], recording.fs)
                assert rate is not None
                assert low < rate < high, path.stem
                n_checked += 1
    assert n_checked > 10
