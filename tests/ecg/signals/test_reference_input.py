"""The reference system's own resampling and counting of samples."""

import numpy as np
import pytest
from scipy.signal import decimate

from ecg12.ecg.errors import SignalError
from ecg12.ecg.signals.reference_input import is_decimated, resample_as_reference, samples_from_header
from ecg12.ecg.signals.resample import resample, resampled_length


@pytest.mark.parametrize(
    ("fs_in", "fs_out", "expected"),
    [
        (500, 400, False),
        (1000, 400, False),
        (257, 400, False),
        (400, 400, False),
        (200, 400, False),
        (800, 400, True),
        (1000, 500, True),
        (500, 250, True),
        (500, 100, True),
        (1000, 250, True),
        (257, 100, False),
    ],
)
def test_integer_multiples_are_decimated(fs_in, fs_out, expected):
    assert is_decimated(fs_in, fs_out) is expected


@pytest.mark.parametrize(("fs_in", "fs_out"), [(1000, 500), (500, 250), (500, 100), (1000, 100)])
@pytest.mark.parametrize("n_samples", [1000, 1001, 1004])
def test_decimation_is_scipys(fs_in, fs_out, n_samples):
    signal = np.cumsum(np.random.default_rng(2).normal(size=(12, n_samples)), axis=1).astype(np.float32)
    found = resample_as_reference(signal, fs_in, fs_out)
    expected = decimate(signal.astype(np.float64), fs_in // fs_out, ftype="iir", axis=1, zero_phase=True)
    assert found.dtype == np.float32
    assert found.shape == (12, resampled_length(n_samples, fs_in, fs_out))
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("fs_in", "fs_out"), [(500, 400), (400, 400), (257, 400), (200, 400)])
def test_other_rates_are_resampled_as_ever(fs_in, fs_out):
    signal = np.random.default_rng(3).normal(size=(12, 900)).astype(np.float32)
    np.testing.assert_array_equal(resample_as_reference(signal, fs_in, fs_out), resample(signal, fs_in, fs_out))


def test_a_record_shorter_than_the_filter_is_refused():
    with pytest.raises(SignalError, match="20 samples at 1000 Hz are too few to decimate to 500 Hz"):
        resample_as_reference(np.zeros((12, 20), np.float32), 1000, 500)


@pytest.mark.parametrize(
    ("n_samples", "fs_in", "expected"), [(5000, 500, 4000), (5001, 500, 4000), (5002, 500, 4001), (1, 1000, 1)]
)
def test_headers_count_down(n_samples, fs_in, expected):
    assert samples_from_header(n_samples, fs_in, 400) == expected
    assert resampled_length(n_samples, fs_in, 400) - expected in (0, 1)
