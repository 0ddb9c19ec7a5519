"""From values to places on a chart: round ticks, and how they are written."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True, slots=True)
class Axis:
    """What an axis of a chart shows.

    Attributes
    ----------
    label : with the unit
    low, high : where it ends; both finite, low below high
    ticks : where it has numbers; None for round ones
    is_log : logarithmic, with ticks at powers of ten
    """

    label: str
    low: float
    high: float
    ticks: tuple[float, ...] | None = None
    is_log: bool = False

    def place(self, values: Sequence[float] | np.ndarray) -> np.ndarray:
        """Values as shares of the axis, 0 at `low` and 1 at `high`; those beyond its ends at the ends."""
        low, high, found = self.low, self.high, np.asarray(values, np.float64)
        if self.is_log:
            low, high, found = math.log10(low), math.log10(high), np.log10(np.maximum(found, self.low))
        return np.clip((found - low) / (high - low), 0.0, 1.0)

    def marks(self, most: int = 6) -> tuple[float, ...]:
        """Where its ticks are."""
        if self.ticks is not None:
            return self.ticks
        if self.is_log:
            first, last = math.ceil(math.log10(self.low) - 1e-9), math.floor(math.log10(self.high) + 1e-9)
            every = max(1, math.ceil((last - first) / most))
            return tuple(10.0**power for power in range(first, last + 1, every)) or (self.low, self.high)
        step = round_step((self.high - self.low) / most)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return tuple(number * step for number in range(first, last + 1))


SHARE_TICKS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


def share_axis(label: str) -> Axis:
    """From 0 to 1."""
    return Axis(label=label, low=0.0, high=1.0, ticks=SHARE_TICKS)


def axis_over(label: str, values: Sequence[float] | np.ndarray, *, with_zero: bool = False) -> Axis:
    """An axis that holds all finite values and ends at round ones."""
    found = np.asarray(values, np.float64)
    found = found[np.isfinite(found)]
    low, high = (float(found.min()), float(found.max())) if len(found) else (0.0, 1.0)
    if with_zero:
        low, high = min(low, 0.0), max(high, 0.0)
    if high - low < 1e-12 * max(1.0, abs(high)):
        low, high = (low, low + 1.0) if with_zero and low == 0 else (low - 0.5, high + 0.5)
    step = round_step((high - low) / 5)
    return Axis(label=label, low=math.floor(low / step + 1e-9) * step, high=math.ceil(high / step - 1e-9) * step)


def round_step(width: float) -> float:
    """The smallest of 1, 2 and 5 times a power of ten that is at least `width`."""
    power = 10.0 ** math.floor(math.log10(width))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= width * (1 - 1e-9))


def format_tick(value: float) -> str:
    """A number as short as it can be: 0.2, 1,000, 20k, 3M."""
    size = abs(value)
    for unit, name in ((1e6, "M"), (1e4, "k")):
        if size >= unit:
            return f"{value / (1e3 if name == 'k' else unit):g}{name}"
    return f"{value:,.0f}" if size >= 1000 else f"{value:.4g}"
