"""How far the work is: a bar on a terminal, a line now and then in a log."""

import sys
from types import TracebackType
from typing import Self

import click
from tqdm import tqdm

PLAIN_BAR = "{desc}: {percentage:.0f}% {n_fmt} of {total_fmt} [{elapsed}, {remaining} left, {rate_fmt}{postfix}]"


class Lines:
    """Takes what tqdm draws over itself and writes each state on a line of its own, for logs."""

    def write(self, text: str) -> None:
        """One state of the bar; its first, empty one is left out."""
        line = text.strip("\r\n ")
        if line and not line.partition(": ")[2].startswith("0% "):
            click.echo(line, err=True)

    def flush(self) -> None:
        """Nothing is held back."""


class Bar:
    """A progress bar on standard error; one line every ten seconds where that is not a terminal."""

    def __init__(self, label: str, total: int, unit: str) -> None:
        terminal = sys.stderr.isatty()
        self.bar = tqdm(
            total=total,
            desc=label,
            unit="B" if unit == "bytes" else f" {unit}",
            unit_scale=unit == "bytes",
            mininterval=0.2 if terminal else 10,
            maxinterval=10,
            dynamic_ncols=terminal,
            smoothing=0.05,
            file=sys.stderr if terminal else Lines(),
            bar_format=None if terminal else PLAIN_BAR,
        )

    def advance(self, n: int = 1, **figures: float | str) -> None:
        """Move the bar."""
        if figures:
            self.bar.set_postfix(figures, refresh=False)
        self.bar.update(n)

    def expect(self, total: int) -> None:
        """The bar's end is there."""
        self.bar.total = total

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.close()
