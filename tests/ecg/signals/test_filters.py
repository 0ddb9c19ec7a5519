"""Filters by what they do to sines, steps and impulses."""

import numpy as np
import pytest

from ecg12.ecg.signals.filters import filter_zero_phase

FS = 400.0
TIME = np.arange(8000) / FS
MIDDLE = slice(2000, 6000)


def sine(hertz: float) -> np.ndarray:
    return (1000 * np.sin(2 * np.pi * hertz * TIME)).astype(np.float32)[None]


def amplitude(signal: np.ndarray) -> float:
    return float(np.sqrt(2 * np.mean(signal[..., MIDDLE].astype(np.float64) ** 2)))


@pytest.mark.parametrize(("hertz", "expected"), [(0.05, 0.1), (0.5, 500), (5, 999.8), (40, 1000)])
def test_the_highpass_takes_out_what_is_slow(hertz, expected):
    assert amplitude(filter_zero_phase(sine(hertz), FS, highpass=0.5)) == pytest.approx(expected, rel=0.02, abs=2)


@pytest.mark.parametrize(("hertz", "expected"), [(50, 0), (45, 1000), (55, 1000), (1, 1000)])
def test_the_notch_takes_out_one_frequency(hertz, expected):
    assert amplitude(filter_zero_phase(sine(hertz), FS, notch=50)) == pytest.approx(expected, rel=0.04, abs=2)


@pytest.mark.parametrize("filters", [{"highpass": 0.5}, {"notch": 50.0}, {"highpass": 0.5, "notch": 60.0}])
def test_nothing_moves_in_time(filters):
    impulse = np.zeros((1, 8001), np.float32)
    impulse[0, 4000] = 1000
    filtered = filter_zero_phase(impulse, FS, **filters)
    assert filtered.dtype == np.float32
    assert np.argmax(filtered) == 4000
    np.testing.assert_allclose(filtered, filtered[:, ::-1], atol=0.05)


def test_an_offset_goes_and_the_ends_do_not_ring():
    filtered = filter_zero_phase(np.full((2, 4000), 9000, np.float32), FS, highpass=0.5)
    assert np.abs(filtered).max() < 1e-3


@pytest.mark.parametrize("n_samples", [1, 2, 30])
def test_short_signals_keep_their_length(n_samples):
    filtered = filter_zero_phase(np.ones((3, n_samples), np.float32), FS, highpass=0.5, notch=50)
    assert filtered.shape == (3, n_samples)
    assert np.isfinite(filtered).all()


def test_without_a_filter_the_input_comes_back():
    signal = sine(5)
    assert filter_zero_phase(signal, FS) is signal


def test_leads_are_filtered_each_for_itself():
    both = np.concatenate([sine(1), sine(50)])
    together = filter_zero_phase(both, FS, highpass=0.5, notch=50)
    for lead, filtered in zip(both, together, strict=True):
        np.testing.assert_array_equal(filter_zero_phase(lead[None], FS, highpass=0.5, notch=50)[0], filtered)
