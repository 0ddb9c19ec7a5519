"""Counting by dataset: a column of numbers becomes a spread, or numbers in bins; no loop over records."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecg12.cache.reader import Store


@dataclass(frozen=True, kw_only=True, slots=True)
class Spread:
    """How numbers are spread; all but `n` are NaN where there is none.

    Attributes
    ----------
    n : how many there are
    lowest, highest : of them
    lower, middle, upper : quartiles, interpolated
    """

    n: int
    lowest: float
    lower: float
    middle: float
    upper: float
    highest: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Bins:
    """Where numbers are counted: `edges` ascending, and a name for each bin, from its edge up to below the next.

    The last bin has no upper edge; what lies below the first edge, and NaN, is in no bin.
    """

    edges: tuple[float, ...]
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        assert len(self.edges) == len(self.names)


@dataclass(frozen=True, slots=True, eq=False)
class ByDataset:
    """Which records are of which dataset.

    Attributes
    ----------
    names : datasets that have records, in text order
    number : int array, shape (record,): place of each record's dataset in `names`
    """

    names: tuple[str, ...]
    number: NDArray[np.intp]

    def count(self, chosen: NDArray[np.bool_] | None = None) -> tuple[int, ...]:
        """Records of each dataset, or those of them that are chosen."""
        number = self.number if chosen is None else self.number[chosen]
        return tuple(np.bincount(number, minlength=len(self.names)).tolist())

    def sum(self, values: NDArray) -> NDArray[np.int64]:
        """Sums of whole numbers over each dataset's records, int64, shape (dataset, …) for values (record, …)."""
        totals = np.zeros((len(self.names), *values.shape[1:]), np.int64)
        for number in range(len(self.names)):
            totals[number] = values[self.number == number].sum(axis=0, dtype=np.int64)
        return totals

    def spread(self, values: NDArray) -> tuple[Spread, ...]:
        """How each dataset's values are spread; NaN is left out."""
        return tuple(spread_of(values[self.number == number]) for number in range(len(self.names)))

    def count_in(self, bins: Bins, values: NDArray) -> NDArray[np.int64]:
        """How many of each dataset's values fall into each bin, int64, shape (dataset, bin)."""
        place = np.searchsorted(bins.edges, values, side="right") - 1
        counted = (place >= 0) & ~np.isnan(values)
        flat = self.number[counted] * len(bins.names) + place[counted]
        n_cells = len(self.names) * len(bins.names)
        return np.bincount(flat, minlength=n_cells).reshape(len(self.names), len(bins.names)).astype(np.int64)


def rows_by_dataset(store: Store) -> ByDataset:
    """The datasets of a store's records."""
    names, number = np.unique(store.datasets.astype(str), return_inverse=True)
    return ByDataset(tuple(names.tolist()), number.reshape(-1))


def spread_of(values: NDArray) -> Spread:
    """How numbers are spread; NaN is left out."""
    known = values[~np.isnan(values)].astype(np.float64)
    if not known.size:
        nothing = float("nan")
        return Spread(n=0, lowest=nothing, lower=nothing, middle=nothing, upper=nothing, highest=nothing)
    lowest, lower, middle, upper, highest = np.percentile(known, [0, 25, 50, 75, 100]).tolist()
    return Spread(n=known.size, lowest=lowest, lower=lower, middle=middle, upper=upper, highest=highest)


def largest_first(counts: Sequence[int], most: int) -> list[int]:
    """Places of the `most` largest counts, the larger first, equal ones in their order."""
    return sorted(range(len(counts)), key=lambda place: (-counts[place], place))[:most]
