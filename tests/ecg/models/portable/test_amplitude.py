"""What a portable model does to a record, against what training and prediction do to it."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ecg12.ecg.models.normalise import to_network_input
from ecg12.ecg.models.portable.amplitude import compute_amplitude, normalise, patient_channels, split_recorded
from ecg12.ecg.patient_features import make_patient_features
from ecg12.ecg.signals.quality import compute_scale


def padded_signal(seed: int, n_samples: int, length: int, n_leads: int = 3) -> tuple[np.ndarray, torch.Tensor, int]:
    """A record in µV with spikes and an offset, and the same in mV in the middle of a window of NaN."""
    rng = np.random.default_rng(seed)
    signal = rng.normal(0, 300, (n_leads, n_samples)) + rng.normal(0, 500, (n_leads, 1))
    signal[0, :: max(1, n_samples // 3)] += 9000
    pad = (length - n_samples) // 2
    window = torch.full((n_leads, length), torch.nan)
    window[:, pad : pad + n_samples] = torch.from_numpy(signal.astype(np.float32) / 1000)
    return signal.astype(np.float32), window, pad


@given(seed=st.integers(0, 1000), n_samples=st.integers(1, 64))
def test_amplitude_is_the_scale_that_is_stored(seed: int, n_samples: int) -> None:
    signal, window, _ = padded_signal(seed, n_samples, 64)
    other = torch.full_like(window, 0.5)  # beside a record of another length
    found = compute_amplitude(*split_recorded(torch.stack([window, other])))
    assert found[0] * 1000 == pytest.approx(float(compute_scale(signal)), rel=2e-6, abs=1e-3)
    assert found[1] == 0


@pytest.mark.parametrize("n_samples", [5, 63, 64])
def test_normalised_windows_are_those_of_training(n_samples: int) -> None:
    signal, window, pad = padded_signal(3, n_samples, 64)
    values, recorded = split_recorded(window[None])
    scale = float(compute_scale(signal))
    expected = to_network_input(
        values * 1000,
        torch.tensor([n_samples]),
        torch.tensor([pad]),
        torch.tensor([scale]),
        normalisation="record",
    )
    torch.testing.assert_close(normalise(values, recorded, torch.tensor([scale / 1000])), expected, atol=1e-5, rtol=0)


def test_normalised_windows_do_not_depend_on_the_gain() -> None:
    values, recorded = split_recorded(padded_signal(4, 50, 64)[1][None])
    once, larger = (normalise(v, recorded, compute_amplitude(v, recorded)) for v in (values, values * 4.88))
    torch.testing.assert_close(once, larger)
    assert (once[0, :, ~recorded[0]] == 0).all()


def test_a_lead_that_is_missing_alone_is_zero() -> None:
    window = torch.ones(1, 2, 4)
    window[0, 1] = torch.nan
    values, recorded = split_recorded(window)
    assert values[0].tolist() == [[1.0] * 4, [0.0] * 4]
    assert recorded.all()


def test_patients_are_seen_as_in_training() -> None:
    ages = [61.0, np.nan, 300.0, 0.0, -1.0]
    codes = [0, 1, -1, 1, 0]
    found = patient_channels(torch.tensor(ages), torch.tensor(codes, dtype=torch.float32))
    np.testing.assert_allclose(found, make_patient_features(ages, codes), atol=1e-6)
    unknown = patient_channels(torch.tensor([61.0]), torch.tensor([torch.nan]))
    assert unknown[0, 2:].tolist() == [0, 0]
