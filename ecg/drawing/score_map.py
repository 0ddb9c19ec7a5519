"""What a score rests on, as a picture needs it: over leads and time, smoothed, in a few grades.

A share of a single sample means little: neighbouring samples of a steep slope often get large shares of opposite
sign. Smoothing over a few hundredths of a second adds these up and leaves every sum as it is.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

SMOOTHING_S = 0.03
"""Standard deviation of the smoothing: a QRS complex is one thing then, and P and T waves are others."""

UNIT_S = 0.1
"""Shares are given for so much time: about a QRS complex."""

STRONGEST_SHARE = 0.999
"""Of all smoothed values so many are below the one that counts as strongest."""

LEAST_STRONGEST = 5e-4
"""The strongest value counts as this at least: what hardly depends on the signal is not painted as if it did."""

GRADES = (0.1, 0.3, 0.5, 0.75)
"""A grade begins at such a part of the strongest value."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ScoreMap:
    """Shares of one class's score in one recording.

    Attributes
    ----------
    name : the class, in words
    values : float32 array, shape (lead, sample); they add up to score - silent. NaN where nothing was calculated
    leads : of the rows
    fs : of the columns, Hz
    score : what was predicted from the recording
    silent : what would be without any signal in it (in what was calculated)
    is_positive : whether the model decided for the class
    method : in words
    unit : of a number, which is told in place of a class
    """

    name: str
    values: NDArray[np.float32]
    leads: tuple[str, ...]
    fs: float
    score: float
    silent: float
    is_positive: bool
    method: str
    unit: str | None = None

    def smooth(self) -> NDArray[np.float64]:
        """Shares of a tenth of a second, (lead, sample), 0 where nothing was calculated."""
        known = np.nan_to_num(self.values.astype(np.float64))
        return gaussian_filter1d(known, SMOOTHING_S * self.fs, axis=1, mode="reflect") * self.fs * UNIT_S

    def by_lead(self) -> dict[str, float]:
        """What each lead adds to the score, the largest first."""
        sums = np.nansum(self.values.astype(np.float64), axis=1)
        by_lead = {lead: float(one) for lead, one in zip(self.leads, sums, strict=True)}
        return dict(sorted(by_lead.items(), key=lambda one: -abs(one[1])))

    def find_start(self, seconds: float) -> float:
        """Where so many seconds begin that hold most of the shares, in whole seconds; 0 for a short recording."""
        n = round(seconds * self.fs)
        if self.values.shape[1] <= n:
            return 0.0
        # before[i]: all shares before sample i
        before = np.concatenate([[0.0], np.nansum(np.abs(self.smooth()), axis=0).cumsum()])
        starts = np.round(np.arange(0, (self.values.shape[1] - n) / self.fs + 1e-9) * self.fs).astype(int)
        return float(np.argmax(before[starts + n] - before[starts]))


def strongest(smoothed: NDArray[np.float64]) -> float:
    """The size of value that counts as strongest, all but a few outliers being smaller."""
    return max(float(np.quantile(np.abs(smoothed), STRONGEST_SHARE)), LEAST_STRONGEST)


def to_grades(smoothed: NDArray[np.float64], largest: float) -> NDArray[np.int64]:
    """Grade of each value, 0 for next to nothing, up to `len(GRADES)`; negative for negative values."""
    return np.digitize(np.abs(smoothed) / largest, GRADES) * np.sign(smoothed).astype(np.int64)


def runs_of(grades: NDArray[np.int64]) -> list[tuple[int, int, int]]:
    """Stretches of one grade other than 0: first sample, one beyond the last, grade."""
    bounds = np.unique([0, *np.flatnonzero(np.diff(grades, prepend=0)), len(grades)])
    pairs = zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)
    return [(first, stop, int(grades[first])) for first, stop in pairs if grades[first]]
