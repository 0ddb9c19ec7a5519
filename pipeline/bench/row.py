"""One line of a benchmark's table."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class BenchRow:
    """What took how long; `ratio` is its rate over the baseline's (1 for the baseline itself)."""

    what: str
    seconds: float
    n_files: int
    n_bytes: int
    ratio: float
