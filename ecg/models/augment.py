"""Changes to training windows that leave the diagnosis as it is; on the device, after normalisation.

What is drawn for a window follows from (seed, epoch, step, rank) alone, so that a resumed run draws the same. Signals
are in units of their record's scale (or millivolts without normalisation); where nothing was recorded there are zeros
before and after.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ecg12.ecg.models.config.option_names import check_names
from ecg12.ecg.models.plugin_parts import ChangeWindows, change_windows

GAIN_SD, LEAD_GAIN_SD = 0.2, 0.05
"""Standard deviations of the logarithm of a window's gain, and of each lead's beside it: electrodes and skin differ."""

WANDER_AMPLITUDE, WANDER_HZ = 0.5, (0.05, 0.5)
"""Largest amplitude of a sine under each lead, and its frequencies: breathing and movement."""

NOISE_SD = 0.1
"""Largest standard deviation of white noise, on half of the windows."""

SHIFT_SHARE = 0.1
"""Largest shift in time, as a share of the window."""

LEADS_SHARE, MOST_LEADS = 0.25, 3
"""Share of the windows that lose leads, and how many at most: loose electrodes."""

_KEY = 0x41554745
"""Keeps these random numbers apart from those of an epoch's order."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Drawn:
    """Random numbers for a batch; everything is drawn, whatever is used.

    Attributes
    ----------
    shift : int64 array, shape (window,): samples to move to the right
    gain, stays, wander : float32 arrays, shape (window, lead): factor; 0 for a lead that is lost, else 1; amplitude
    frequency, phase : float32 arrays, shape (window,): of the wander, Hz and radians
    noise : float32 array, shape (window,): standard deviation
    seed : of the noise
    """

    shift: NDArray[np.int64]
    gain: NDArray[np.float32]
    stays: NDArray[np.float32]
    wander: NDArray[np.float32]
    frequency: NDArray[np.float32]
    phase: NDArray[np.float32]
    noise: NDArray[np.float32]
    seed: int


def draw(n_windows: int, n_leads: int, n_samples: int, key: tuple[int, int, int, int]) -> Drawn:
    """What to do to the windows of a batch; key is (seed, epoch, step, rank)."""
    rng = np.random.default_rng([_KEY, *key])
    each = (n_windows, n_leads)
    most = int(SHIFT_SHARE * n_samples)
    log_gain = GAIN_SD * rng.standard_normal((n_windows, 1)) + LEAD_GAIN_SD * rng.standard_normal(each)
    n_lost = np.where(rng.random(n_windows) < LEADS_SHARE, rng.integers(1, MOST_LEADS + 1, n_windows), 0)
    place = rng.random(each).argsort(axis=1).argsort(axis=1)
    return Drawn(
        shift=rng.integers(-most, most + 1, n_windows),
        gain=np.exp(log_gain).astype(np.float32),
        stays=(place >= np.minimum(n_lost, n_leads - 1)[:, None]).astype(np.float32),
        wander=(WANDER_AMPLITUDE * rng.random((n_windows, 1)) * rng.uniform(-1, 1, each)).astype(np.float32),
        frequency=rng.uniform(*WANDER_HZ, n_windows).astype(np.float32),
        phase=rng.uniform(0, 2 * math.pi, n_windows).astype(np.float32),
        noise=(NOISE_SD * rng.random(n_windows) * (rng.random(n_windows) < 0.5)).astype(np.float32),
        seed=int(rng.integers(2**63)),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Augmentation:
    """Which changes to make.

    Attributes
    ----------
    names : some of `AUGMENTATIONS`, and plugins' names
    fs : sampling frequency of the windows, Hz
    given : what the plugins among them do, by name; after all others, in the order of this mapping
    """

    names: tuple[str, ...]
    fs: float
    given: Mapping[str, ChangeWindows] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_names(self.names)

    def __call__(self, signal: Tensor, valid: Tensor, pad: Tensor, *, key: tuple[int, int, int, int]) -> Tensor:
        """Change windows; what is given may be changed in place.

        Parameters
        ----------
        signal : float32 tensor, shape (window, lead, sample)
        valid, pad : int64 tensors, shape (window,): recorded samples, zeros in front of them
        key : seed, epoch, step, rank

        Returns
        -------
        float32 tensor of the same shape, zero where nothing was recorded
        """
        drawn = draw(*signal.shape, key)  # type: ignore[call-arg]
        begin, end = pad, pad + valid
        if "shift" in self.names:
            signal = shift_in_time(signal, drawn.shift)
            moved = _to(drawn.shift, signal)
            begin, end = begin + moved, end + moved
        if "gain" in self.names:
            signal.mul_(_to(drawn.gain, signal)[:, :, None])
        if "wander" in self.names:
            add_wander(signal, drawn, self.fs)
        if "noise" in self.names:
            add_noise(signal, drawn)
        if "leads" in self.names:
            signal.mul_(_to(drawn.stays, signal)[:, :, None])
        position = torch.arange(signal.shape[2], device=signal.device)
        recorded = (position >= begin[:, None]) & (position < end[:, None])
        signal.mul_(recorded[:, None, :])
        for place, (name, change) in enumerate(self.given.items(), start=1):
            # other numbers for each, whatever else there is
            seed = int(np.random.default_rng([_KEY, place, *key]).integers(2**63))
            signal = change_windows(name, change, signal, fs=self.fs, seed=seed) * recorded[:, None, :]
        return signal


def shift_in_time(signal: Tensor, shift: NDArray[np.int64]) -> Tensor:
    """Each window (lead, sample) moved to the right by its number of samples, with zeros where it comes from."""
    moved = torch.zeros_like(signal)
    n_samples = signal.shape[2]
    for number, by in enumerate(shift.tolist()):
        source, target = slice(max(-by, 0), n_samples - max(by, 0)), slice(max(by, 0), n_samples - max(-by, 0))
        moved[number, :, target] = signal[number, :, source]
    return moved


def add_wander(signal: Tensor, drawn: Drawn, fs: float) -> None:
    """Add a slow sine to each window, of another amplitude and sign on each lead."""
    time_s = torch.arange(signal.shape[2], device=signal.device) / fs
    angle = 2 * math.pi * _to(drawn.frequency, signal)[:, None] * time_s + _to(drawn.phase, signal)[:, None]
    signal.addcmul_(_to(drawn.wander, signal)[:, :, None], torch.sin(angle)[:, None, :])


def add_noise(signal: Tensor, drawn: Drawn) -> None:
    """Add white noise to those windows that get some."""
    generator = torch.Generator(device=signal.device).manual_seed(drawn.seed)
    for number in np.flatnonzero(drawn.noise).tolist():
        noise = torch.randn(signal.shape[1:], generator=generator, device=signal.device)
        signal[number].add_(noise, alpha=float(drawn.noise[number]))


def _to(values: NDArray[np.generic], like: Tensor) -> Tensor:
    return torch.from_numpy(values).to(like.device, non_blocking=True)
