"""Stored microvolts to what a network sees; runs on the device, so that batches travel as int16."""

import torch
from torch import Tensor

from ecg12.ecg.errors import ConfigError
from ecg12.ecg.models.config.option_names import NORMALISATIONS

SMALLEST_SCALE_UV = 1.0
"""A flat record has scale 0; dividing by a microvolt instead leaves it flat."""


def to_network_input(signal_uv: Tensor, valid: Tensor, pad: Tensor, scale_uv: Tensor, *, normalisation: str) -> Tensor:
    """Turn a batch of windows into float32 network input.

    Parameters
    ----------
    signal_uv : int16 or float32 tensor, shape (window, lead, sample), µV, zero where nothing was recorded
    valid, pad : int64 tensors, shape (window,): recorded samples, and zeros in front of them
    scale_uv : float32 tensor, shape (window,): each window's record's amplitude, µV
    normalisation : "none" gives mV, as the reference system's models have seen; "record" takes each lead's
        mean over the recorded samples off and divides by the record's scale, which makes the outcome
        independent of the gain

    Returns
    -------
    float32 tensor, shape (window, lead, sample), zero where nothing was recorded

    Raises
    ------
    ConfigError
        If there is no such normalisation.
    """
    if normalisation not in NORMALISATIONS:
        raise ConfigError(f"normalisation is {normalisation!r}; expected {' or '.join(NORMALISATIONS)}")
    # a copy of our own, changed in place: fresh memory costs more than the arithmetic
    signal = signal_uv.to(torch.float32, copy=True)
    if normalisation == "none":
        return signal.div_(1000.0)
    # mean: (window, lead, 1); padding is zero, so it adds nothing to the sum
    mean = signal.sum(dim=2, keepdim=True) / valid[:, None, None]
    signal.sub_(mean).div_(scale_uv.clamp(min=SMALLEST_SCALE_UV)[:, None, None])
    position = torch.arange(signal.shape[2], device=signal.device)[None, :]
    recorded = (position >= pad[:, None]) & (position < (pad + valid)[:, None])
    return signal.mul_(recorded[:, None, :])
