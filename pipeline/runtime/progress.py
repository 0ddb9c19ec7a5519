"""How long work reports its progress: to a small object that the door draws, or to nobody."""

from types import TracebackType
from typing import Protocol, Self


class Task(Protocol):
    """One piece of work under way."""

    def advance(self, n: int = 1, **figures: float | str) -> None:
        """`n` more units are done; `figures` are shown beside the bar."""

    def expect(self, total: int) -> None:
        """The work will be `total` units in all, as is known by now."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Progress(Protocol):
    """Makes a `Task` for each piece of work."""

    def __call__(self, label: str, total: int, unit: str) -> Task: ...


class _SilentTask:
    def advance(self, n: int = 1, **figures: float | str) -> None:
        """Forget it."""

    def expect(self, total: int) -> None:
        """Forget it."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to tidy."""


def silent(label: str, total: int, unit: str) -> Task:
    """The `Progress` that shows nothing."""
    return _SilentTask()
