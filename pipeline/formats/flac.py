"""FLAC signal files of WFDB records, by libsndfile; to be called in `pipeline.files.isolated_process`'s process only.

Each channel is a signal, all its samples of a frame one after another; the samples are narrower than the format says
where the writer found room (wfdb writes format 516 so). libsndfile puts them at the upper end of 32 bits.
Source: WFDB signal(5), formats 508, 516 and 524.
"""

from pathlib import Path

import numpy as np
import soundfile  # type: ignore[import-untyped]  # wfdb brings it
from numpy.typing import NDArray

from ecg12.ecg.errors import SignalError
from ecg12.pipeline.files.regular_files import open_regular

_BITS = {"PCM_S8": 8, "PCM_16": 16, "PCM_24": 24}
_BLOCK = 2**20
"""Samples a channel at a time; libsndfile fails beyond 2**24 in all."""


def decode_flac(path: Path, *, fmt: str, n_channels: int, first: int, n_samples: int) -> NDArray[np.integer]:
    """Samples of all channels, shape (channel, sample), int16 or for format 524 int32, adu.

    Parameters
    ----------
    first : sample of each channel to begin with
    n_samples : of each channel

    Raises
    ------
    SignalError
        If it is no FLAC file, of other channels or wider samples than stated, or does not hold so many.
    """
    with open_regular(path) as file:
        if file.read(4) != b"fLaC":
            raise SignalError(f"not a FLAC file, as format {fmt} says; fetch it again")
        file.seek(0)
        with soundfile.SoundFile(file) as sound:
            bits = _BITS.get(sound.subtype, 99)
            if sound.channels != n_channels or bits > int(fmt) - 500:
                raise SignalError(
                    f"{sound.channels} channels of {sound.subtype}; expected {n_channels} of at most "
                    f"{int(fmt) - 500} bits, as the header states"
                )
            if sound.frames < first + n_samples:
                raise SignalError(
                    f"{sound.frames:,} samples of a lead; expected {first + n_samples:,}: the file is "
                    "cut short, fetch it again"
                )
            sound.seek(first)
            return _read(sound, n_channels, n_samples, bits)


def _read(sound: "soundfile.SoundFile", n_channels: int, n_samples: int, bits: int) -> NDArray[np.integer]:
    samples = np.empty((n_channels, n_samples), np.int32 if bits > 16 else np.int16)
    for begin in range(0, n_samples, _BLOCK):
        block = sound.read(min(_BLOCK, n_samples - begin), dtype="int32", always_2d=True)
        if len(block) < min(_BLOCK, n_samples - begin):
            raise SignalError(
                f"{begin + len(block):,} samples of a lead; expected {n_samples:,}: the file is cut "
                "short, fetch it again"
            )
        samples[:, begin : begin + len(block)] = (block >> (32 - bits)).T
    return samples
