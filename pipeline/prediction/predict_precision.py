"""In which precision prediction runs: float32 unless something else is asked for.

Scores in bfloat16 differ in the third digit, and so do a few labels whose score lies at its threshold. That is the
user's choice, never the machine's: only "auto" times both ways, and takes bfloat16 where it is clearly faster.
On a CPU the network is first brought into its fastest form, which changes the last digits only.
"""

from functools import cache

import numpy as np
import torch

from ecg12.ecg.models.networks.fused_layers import fuse_for_inference
from ecg12.ecg.signals.quality import LeadFlag
from ecg12.ecg.signals.recording import Recording
from ecg12.pipeline.compute.float_precision import TIMED_WINDOWS, Arithmetic, choose_arithmetic, seconds_of
from ecg12.pipeline.compute.window_feeds import Windows, join_windows
from ecg12.pipeline.prediction.interface import Predictor


def set_precision(predictor: Predictor, precision: str, device: torch.device) -> Arithmetic:
    """Let a predictor's network run in a precision: "fp32", "bf16", "fp16" (on a GPU) or "auto".

    Parameters
    ----------
    predictor : its network is on `device`; on a CPU it can only predict from now on (`ecg.models.networks`)

    Returns
    -------
    how it runs from now on

    Raises
    ------
    ConfigError
        If there is no such precision, or the device has not got it.
    """

    if device.type == "cpu":
        fuse_for_inference(predictor.network)

    @cache
    def windows() -> Windows:
        noise = (_noise(predictor.leads, seed) for seed in range(TIMED_WINDOWS))
        return join_windows([predictor.cut_recording(recording, row) for row, recording in enumerate(noise)])

    def time_step(way: Arithmetic) -> float:
        way.apply(predictor.network)
        return seconds_of(lambda: predictor.predict([windows()], device), device)

    chosen, _ = choose_arithmetic(Arithmetic(precision=precision), predictor.network, device, time_step)
    chosen.apply(predictor.network)
    return chosen


def _noise(leads: tuple[str, ...], seed: int) -> Recording:
    """Ten seconds of nothing in particular."""
    signal = np.random.default_rng(seed).normal(0, 200, (len(leads), 5000)).astype(np.float32)
    flags = np.full(len(leads), LeadFlag.UNVERIFIED, np.uint16)
    return Recording(name="noise", signal_uv=signal, leads=leads, fs=500.0, lead_flags=flags)
