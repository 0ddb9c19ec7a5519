"""tasks: which there are, what one says, and what it finds in a store before anything trains."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from ecg12.commands.shared.options import DEFAULT_STORE, stores_argument
from ecg12.commands.shared.printing import echo_table

MOST_CODES = 20
"""Of those that no class uses."""


@click.group(invoke_without_command=True)
@click.pass_context
def tasks(ctx: click.Context) -> None:
    """List the tasks that have a name; show one, or count what it finds in a store.

    A task says what a model is to tell: classes and their codes, what counts, metric, thresholds and split. Any
    command's --task takes one of these names, or a TOML file: docs/tasks.md says how to write one.
    """
    if ctx.invoked_subcommand is not None:
        return
    from ecg12.ecg.tasks.named import NAMED_TASKS, named_task

    rows = [(named_task(name), name) for name in NAMED_TASKS]
    echo_table(
        ["task", "kind", "classes", "chosen by", "split", "what"],
        [
            [name, task.kind, len(task.classes), task.select, "–" if task.split is None else "official", task.title]
            for task, name in rows
        ],
    )


@tasks.command()
@click.argument("task")
def show(task: str) -> None:
    """Print a task as its TOML file has it: the beginning of one of your own.

    TASK is a name, or a file.
    """
    from ecg12.ecg.tasks.named import NAMED_TASKS, task_text
    from ecg12.ecg.tasks.writing import format_task
    from ecg12.pipeline.tasks.task_files import read_task

    # one that has a name as it was written, with its remarks; but weights in another file would not come along
    found = read_task(task)
    text = task_text(task) if task in NAMED_TASKS and found.metric is None else format_task(found)
    click.echo(text, nl=False)


@tasks.command()
@click.argument("task")
@stores_argument
def check(task: str, stores: tuple[Path, ...]) -> None:
    """Count what a task finds in a store: records, classes, sides, and codes that are not used.

    TASK is a name, or a file. Several stores are read as one; by default data/ecg.zarr.
    """
    from ecg12.cache.several_stores import open_stores
    from ecg12.pipeline.tasks.check_task import check_task
    from ecg12.pipeline.tasks.task_files import read_task

    wanted = read_task(task)
    found = check_task(wanted, open_stores(stores or (DEFAULT_STORE,)))
    click.echo(f"{found.task}: {wanted.title or wanted.kind}")
    others = found.n_records - found.n_labelled
    rest = f"the other {others:,} have no label of it" if others else "all have a label of it"
    click.echo(f"{found.n_labelled:,} of {found.n_records:,} records; {rest}")
    _echo_classes(found)
    if found.number is not None:
        low, _, quarter, middle, most, _, high = found.number
        unit = f" {wanted.number.unit}" if wanted.number and wanted.number.unit else ""
        click.echo(
            f"from {low:g} to {high:g}{unit}; half of the records between {quarter:g} and {most:g}, median {middle:g}"
        )
    _echo_remarks(found, first=wanted.several == "first")
    if len(found.datasets) > 1:
        click.echo("by dataset: " + _counted(found.datasets))
    if wanted.split is not None:
        column = wanted.split.column
        sides = f"official split (column {column}): {_counted(found.sides)}"
        click.echo(sides if found.sides else f"its official split wants column {column}, which is not there")
    if not found.n_labelled:
        raise click.ClickException(
            f"task {found.task} finds nothing here; expected codes of {', '.join(wanted.vocabularies)}: build the "
            "store with --labels of the table that has them"
        )


def _echo_classes(found: Any) -> None:
    if not found.classes:
        return
    sides = [side for side in ("train", "valid", "test", "no side") if side in found.sides]
    unknown = any(one.n_unknown for one in found.classes)
    echo_table(
        ["class", "records", *sides, *["unknown"] * unknown, "name"],
        [
            [one.abbreviation, one.n_positive, *(one.of_side.get(side, 0) for side in sides)]
            + [one.n_unknown] * unknown
            + [one.name if one.name != one.abbreviation else one.code]
            for one in found.classes
        ],
    )


def _echo_remarks(found: Any, *, first: bool) -> None:
    for number, text in (
        (found.n_none, "records of none of its classes"),
        (found.n_several, f"records of several of its classes: {'the first is taken' if first else 'left out'}"),
        (found.n_doubtful, "records with a code below its likelihood"),
    ):
        if number:
            click.echo(f"{number:,} {text}")
    if found.absent:
        some = ", ".join(found.absent[:MOST_CODES])
        click.echo(f"no record has {len(found.absent)} of its codes: {some}{', …' * (len(found.absent) > MOST_CODES)}")
    if found.unused:
        most = dict(list(found.unused.items())[:MOST_CODES])
        more = f" and {len(found.unused) - len(most)} more" if len(found.unused) > len(most) else ""
        click.echo(f"codes of its vocabulary that it does not use: {_counted(most)}{more}")


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {number:,}" for name, number in counts.items())
