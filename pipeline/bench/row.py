"""One line of a benchmark's table."""

import statistics
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass


class Rounds(ABC):
    """What was measured round after round: the best counts, for other work on the machine only ever slows."""

    __slots__ = ()

    @property
    @abstractmethod
    def rates(self) -> Sequence[float]:
        """Pieces of work a second, of each round."""

    @property
    def best(self) -> float:
        """Pieces of work a second, in the best round."""
        return max(self.rates)

    @property
    def median(self) -> float:
        """Pieces of work a second, in the median round."""
        return statistics.median(self.rates)


@dataclass(frozen=True, kw_only=True, slots=True)
class BenchRow:
    """What took how long; `ratio` is its rate over the baseline's (1 for the baseline itself)."""

    what: str
    seconds: float
    n_files: int
    n_bytes: int
    ratio: float
