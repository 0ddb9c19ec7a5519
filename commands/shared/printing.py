"""Summaries as text: tables, rows of epochs, sizes, and lists that are cut short."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click


def echo_table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print rows in columns: texts to the left, numbers to the right."""
    cells = [[format_cell(value) for value in row] for row in rows]
    widths = [max(len(line[column]) for line in [list(header), *cells]) for column in range(len(header))]
    right = [all(not isinstance(row[column], str) for row in rows) for column in range(len(header))]
    for line in [list(header), *cells]:
        click.echo(
            "  ".join(
                text.rjust(width) if to_right else text.ljust(width)
                for text, width, to_right in zip(line, widths, right, strict=True)
            ).rstrip()
        )


def echo_rows(rows: Sequence[Any], columns: Sequence[tuple[str, str | Callable[[Any], Any]]]) -> None:
    """Print objects as a table: each column has a title, and the attribute or the function that gives its cells."""
    echo_table(
        [title for title, _ in columns],
        [[getattr(row, cell) if isinstance(cell, str) else cell(row) for _, cell in columns] for row in rows],
    )


def format_cell(value: Any) -> str:
    """As in a table: three digits after the point, thousands apart, a dash for what is not a number."""
    if isinstance(value, float):
        return "–" if value != value else f"{value:,.3f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def format_bytes(n: float) -> str:
    """A size with its unit."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if n < 1000 or unit == "TB":
            return f"{n:.0f} {unit}" if unit == "B" else f"{n:.1f} {unit}"
        n /= 1000
    raise AssertionError


def echo_some(texts: Sequence[str], most: int = 50, rest: str = " such") -> None:
    """Print the first of many lines on standard error, and how many more there are."""
    for text in texts[:most]:
        click.echo(text, err=True)
    if len(texts) > most:
        click.echo(f"… and {len(texts) - most:,} more{rest}", err=True)


def echo_epoch_row(row: Mapping[str, float], columns: Mapping[str, tuple[str, str]]) -> None:
    """Print a line for one epoch, and above the first one the titles.

    Each title in `columns` has a figure of `row` and the form that it is printed in.
    """
    if row["epoch"] == 0:
        click.echo("epoch  " + "  ".join(title.rjust(10) for title in columns))
    values = [format(row[figure], form).rjust(10) for figure, form in columns.values()]
    click.echo(f"{int(row['epoch']) + 1:>5}  " + "  ".join(values))


def count_epochs(n: int) -> str:
    """So many epochs, in words."""
    return f"{n:,} epoch{'s' * (n != 1)}"


def program_name() -> str:
    """What the program was called as, for commands that are suggested."""
    return click.get_current_context().find_root().info_name or "ecg12"
