"""Augmentation: what each change does, that padding stays zero, and that it can be drawn again."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ecg12.ecg.errors import ConfigError
from ecg12.ecg.models.augment import (
    MOST_LEADS,
    NOISE_SD,
    SHIFT_SHARE,
    WANDER_AMPLITUDE,
    Augmentation,
    draw,
    shift_in_time,
)
from ecg12.ecg.models.config.option_names import AUGMENTATIONS

KEY = (2, 0, 7, 0)
N, LEADS, LENGTH = 40, 12, 500


def windows(valid: int = LENGTH, pad: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    signal = torch.zeros(N, LEADS, LENGTH)
    signal[:, :, pad : pad + valid] = torch.randn(N, LEADS, valid)
    return signal, torch.full((N,), valid), torch.full((N,), pad)


def augment(*names: str, valid: int = LENGTH, pad: int = 0, key: tuple[int, int, int, int] = KEY) -> torch.Tensor:
    return Augmentation(names=names, fs=400.0)(*windows(valid, pad), key=key)


def test_gain_is_one_factor_a_lead_and_nearly_one_a_window() -> None:
    signal, _, _ = windows()
    ratio = augment("gain") / signal
    torch.testing.assert_close(ratio, ratio[:, :, :1].expand_as(ratio))
    log = ratio[:, :, 0].log()
    assert 0.1 < float(log.mean(dim=1).std()) < 0.3
    assert 0.03 < float(log.std(dim=1).mean()) < 0.07


def test_wander_is_a_slow_sine_under_each_lead() -> None:
    added = augment("wander") - windows()[0]
    assert 0.5 * WANDER_AMPLITUDE < float(added.abs().max()) <= WANDER_AMPLITUDE
    # at 0.5 Hz and 400 Hz a sine moves by at most 2 pi 0.5 / 400 of its amplitude from sample to sample
    assert float(added.diff(dim=2).abs().max()) <= WANDER_AMPLITUDE * 2 * np.pi * 0.5 / 400 + 1e-5
    rank = torch.linalg.matrix_rank(added[0], atol=1e-3)
    assert int(rank) == 1  # the same curve on all leads, each with its own amplitude and sign


def test_noise_is_white_and_on_half_of_the_windows() -> None:
    added = augment("noise") - windows()[0]
    sd = added.std(dim=(1, 2))
    assert float(sd.max()) <= 1.05 * NOISE_SD
    assert 10 <= int((sd > 0).sum()) <= 30
    noisy = added[int(sd.argmax())]
    assert abs(float((noisy[:, 1:] * noisy[:, :-1]).mean() / noisy.var())) < 0.05


def test_a_shift_moves_everything_and_brings_zeros_in() -> None:
    signal, _, _ = windows()
    shifts = draw(N, LEADS, LENGTH, KEY).shift
    assert np.abs(shifts).max() <= SHIFT_SHARE * LENGTH
    assert shifts.min() < 0 < shifts.max()
    shifted = augment("shift")
    for number, by in enumerate(shifts.tolist()):
        expected = np.zeros((LEADS, LENGTH), np.float32)
        for sample in range(LENGTH):
            if 0 <= sample - by < LENGTH:
                expected[:, sample] = signal[number, :, sample - by]
        np.testing.assert_array_equal(shifted[number].numpy(), expected)


def test_some_windows_lose_some_leads_and_none_all() -> None:
    lost = (augment("leads") == 0).all(dim=2).sum(dim=1)
    assert 0 < int((lost > 0).sum()) < N / 2
    assert int(lost.max()) <= MOST_LEADS
    single = Augmentation(names=("leads",), fs=400.0)
    one_lead = torch.ones(200, 1, 8)
    changed = single(one_lead.clone(), torch.full((200,), 8), torch.zeros(200, dtype=torch.int64), key=KEY)
    assert torch.equal(changed, one_lead)


@settings(deadline=None, max_examples=25)
@given(
    names=st.lists(st.sampled_from(AUGMENTATIONS), unique=True),
    valid=st.integers(1, LENGTH),
    pad_share=st.floats(0, 1),
    step=st.integers(0, 2**40),
)
def test_padding_stays_zero(names: list[str], valid: int, pad_share: float, step: int) -> None:
    pad = int(pad_share * (LENGTH - valid))
    changed = augment(*names, valid=valid, pad=pad, key=(2, 1, step, 0))
    shift = draw(N, LEADS, LENGTH, (2, 1, step, 0)).shift if "shift" in names else np.zeros(N, np.int64)
    position = np.arange(LENGTH)
    recorded = (position >= pad + shift[:, None]) & (position < pad + valid + shift[:, None])
    assert not changed.numpy()[np.broadcast_to(~recorded[:, None, :], changed.shape)].any()
    assert torch.isfinite(changed).all()


def test_the_same_key_draws_the_same_and_every_part_of_it_matters() -> None:
    first = augment(*AUGMENTATIONS)
    assert torch.equal(first, augment(*AUGMENTATIONS))
    for place in range(4):
        other = list(KEY)
        other[place] += 1
        assert not torch.equal(first, augment(*AUGMENTATIONS, key=tuple(other)))


def test_torchs_own_random_numbers_are_left_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    inputs = torch.zeros(1, 12, 50), torch.tensor([50]), torch.tensor([0])
    Augmentation(names=AUGMENTATIONS, fs=400.0)(*inputs, key=KEY)
    assert torch.equal(torch.rand(3), expected)


def test_nothing_is_changed_without_names() -> None:
    assert torch.equal(augment(), windows()[0])


def test_shift_by_nothing() -> None:
    signal = torch.randn(2, 3, 4)
    assert torch.equal(shift_in_time(signal, np.zeros(2, np.int64)), signal)


@pytest.mark.parametrize("names", [("gain", "gain"), ("speed",)])
def test_unknown_or_repeated_names_are_refused(names: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match=f"augment is {', '.join(names)}; expected each once, from gain, wander"):
        Augmentation(names=names, fs=400.0)


class TestGiven:
    """What a plugin does to windows."""

    @staticmethod
    def run(given, key=(1, 2, 3, 0), names=()):
        signal = torch.ones(3, 2, 40)
        augmentation = Augmentation(names=(*names, *given), fs=400.0, given=given)
        return augmentation(signal, torch.tensor([40, 20, 30]), torch.tensor([0, 10, 0]), key=key)

    @staticmethod
    def noise(signal, *, fs, generator):
        assert fs == 400
        return signal + torch.randn(signal.shape, generator=generator)

    def test_it_comes_last_and_leaves_nothing_where_nothing_was_recorded(self):
        changed = self.run({"a:b": lambda signal, *, fs, generator: signal * 0 + 7}, names=("gain",))
        assert changed[0].eq(7).all()
        assert changed[1, :, 10:30].eq(7).all()
        assert not changed[1, :, :10].any()
        assert not changed[1, :, 30:].any()

    def test_what_it_draws_follows_from_seed_epoch_step_and_rank(self):
        one = self.run({"a:b": self.noise})
        assert torch.equal(one, self.run({"a:b": self.noise}))
        for key in ((2, 2, 3, 0), (1, 3, 3, 0), (1, 2, 4, 0), (1, 2, 3, 1)):
            assert not torch.equal(one, self.run({"a:b": self.noise}, key))

    def test_each_draws_its_own(self):
        drawn = []

        def note(signal, *, fs, generator):
            drawn.append(torch.randn(4, generator=generator))
            return signal

        self.run({"a:b": note, "a:c": note})
        assert not torch.equal(*drawn)
