"""Cutting records into windows: a plan that holds no samples, and the one cutter that follows it.

The rule is the reference system's: as many whole windows as fit, one more if what is left is longer than
`min_piece`, at least one; a record longer than its windows gives up the same at both ends, a shorter one or
a last piece is centred between zeros.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecg12.ecg.errors import ConfigError, SignalError


@dataclass(frozen=True, kw_only=True, slots=True)
class WindowConfig:
    """Window length in samples, and what a rest must exceed to get a window of its own (default: half a window)."""

    window_length: int = 4096
    min_piece: int | None = None

    def __post_init__(self) -> None:
        if self.window_length < 1:
            raise ConfigError(f"window_length is {self.window_length}; expected at least 1 sample")
        if self.min_piece is not None and self.min_piece < 0:
            raise ConfigError(f"min_piece is {self.min_piece}; expected 0 samples or more")

    @property
    def longest_dropped_rest(self) -> int:
        """A rest of at most this many samples gets no window; a longer one does."""
        return self.window_length // 2 if self.min_piece is None else self.min_piece


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class WindowPlan:
    """Windows as numbers, in record order; all int64 arrays of shape (window,).

    Attributes
    ----------
    record : index of the record
    number : number of the window within its record, from 0
    start : first sample of the record in the window
    valid : samples taken from the record
    pad : zeros in front of them
    window_length : samples in a window
    """

    record: NDArray[np.int64]
    number: NDArray[np.int64]
    start: NDArray[np.int64]
    valid: NDArray[np.int64]
    pad: NDArray[np.int64]
    window_length: int

    def __len__(self) -> int:
        return len(self.record)


def plan_windows(lengths: NDArray[np.integer], config: WindowConfig) -> WindowPlan:
    """Decide every window of records with the given lengths, without touching a sample.

    Parameters
    ----------
    lengths : integer array, shape (record,), samples

    Raises
    ------
    SignalError
        If a length is not positive, naming the record by its position.

    Source: physionet-12ecg-classification, its preprocessing; see the module's docstring.
    """
    total = np.asarray(lengths, np.int64)
    if (total < 1).any():
        position = int(np.flatnonzero(total < 1)[0])
        raise SignalError(f"record {position} has {total[position]} samples; expected at least 1")
    length = config.window_length
    n_windows = np.maximum(total // length + (total % length > config.longest_dropped_rest), 1)
    first = np.cumsum(n_windows) - n_windows
    record = np.repeat(np.arange(len(total)), n_windows)
    number = np.arange(len(record)) - np.repeat(first, n_windows)
    offset = np.maximum(total - n_windows * length, 0) // 2
    start = np.repeat(offset, n_windows) + number * length
    valid = np.minimum(np.repeat(total, n_windows) - start, length)
    pad = (length - valid) // 2
    return WindowPlan(record=record, number=number, start=start, valid=valid, pad=pad, window_length=length)


def cut_window(signal: NDArray, start: int, valid: int, pad: int, out: NDArray) -> None:
    """Copy one planned window of `signal` (lead, sample) into `out` (lead, window_length), zeros around it."""
    out[:, :pad] = 0
    out[:, pad : pad + valid] = signal[:, start : start + valid]
    out[:, pad + valid :] = 0
