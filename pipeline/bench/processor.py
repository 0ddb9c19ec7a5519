"""Processor time of this process and its workers: what the work costs, however much else the machine has to do."""

from types import TracebackType
from typing import Self

import psutil


def processor_seconds() -> float:
    """Used so far by this process and all processes below it that are alive."""
    this = psutil.Process()
    total = 0.0
    for process in (this, *this.children(recursive=True)):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:  # ended between the listing and now
            continue
        total += times.user + times.system
    return total


class Meter:
    """A `Progress` that shows nothing and measures the task called `label`, from its begin to its end."""

    def __init__(self, label: str) -> None:
        self.label, self.seconds = label, 0.0
        self._begun: float | None = None

    def __call__(self, label: str, total: int, unit: str) -> Self:
        """Begin a task."""
        self._begun = processor_seconds() if label == self.label else None
        return self

    def advance(self, n: int = 1, **figures: float | str) -> None:
        """Nothing is shown."""

    def expect(self, total: int) -> None:
        """Nothing is shown."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._begun is not None:
            self.seconds = processor_seconds() - self._begun
