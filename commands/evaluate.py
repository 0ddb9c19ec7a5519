"""evaluate: how good predictions are."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from ecg12.commands.inspect_store import echo_remarks
from ecg12.commands.shared.options import OutputFile, Place
from ecg12.commands.shared.printing import echo_table, format_cell
from ecg12.commands.shared.progress import Bar


@click.command()
@click.argument("labels", type=Place(), metavar="LABELS")
@click.argument("outputs", type=click.Path(path_type=Path))
@click.argument("scores", type=OutputFile(), required=False)
@click.option(
    "--also",
    type=Place(),
    metavar="PATH",
    multiple=True,
    help="More labels: another store, read as one with LABELS, or a folder; may be given several times.",
)
@click.option(
    "--task", help="By which task: a name of `tasks`, or a TOML file.  [default: that of OUTPUTS, else challenge2020]"
)
@click.option(
    "--split",
    metavar="SIDE|SPLIT",
    help="Score the records of one side: test, valid or train of the task's official split, or the test side of a "
    "column of the store, TABLE:COLUMN, or a folder of ids.",
)
@click.option("--side", type=click.Choice(["test", "valid", "train"]), help="Another side of --split.")
@click.option(
    "--records",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Score the records that this file names, between commas or line breaks.",
)
@click.option(
    "--by",
    multiple=True,
    metavar="COLUMN",
    help="Score each group of a column, too: sex, age (by decades), dataset, site, device, fold; may be given several "
    "times.",
)
@click.option("--json", "json_path", type=OutputFile(), help="Write everything here, too.")
@click.option("--bootstrap", "n_bootstrap", type=int, help="Replicates for the 95 % intervals; 0 leaves them out.")
@click.option("--seed", type=int, help="Of the replicates.")
@click.option("--bins", "n_bins", type=int, help="Of equal width, for calibration.")
def evaluate(
    labels: Path,
    outputs: Path,
    scores: Path | None,
    also: tuple[Path, ...],
    task: str | None,
    split: str | None,
    side: str | None,
    records: Path | None,
    by: tuple[str, ...],
    json_path: Path | None,
    **options: Any,
) -> None:
    """Score predictions by a task: the Challenge's as the official evaluator does.

    LABELS is a folder of WFDB headers or a store. OUTPUTS is a folder with a Challenge CSV for each record, whoever
    wrote them, or with the table of `predict`; or what `predict --gain-sweep` wrote; or the folder of a training that
    held records out for testing (`train --folds`, `train --leave-out`, a split with a test side), whose records alone
    count. SCORES.csv takes the task's figures; beside it SCORES-classes.csv and SCORES-datasets.csv have those of
    each class and dataset, and SCORES-by-COLUMN.csv those of --by.
    """
    from ecg12.pipeline.evaluation import evaluate as evaluation
    from ecg12.pipeline.tasks.task_files import read_task

    config = evaluation.EvaluateConfig(**{name: value for name, value in options.items() if value is not None})
    summary = evaluation.evaluate(
        (labels, *also),
        outputs,
        scores,
        task=None if task is None else read_task(task),
        which=evaluation.WhichRecords(records=records, split=split, side=side, by=tuple(dict.fromkeys(by))),
        config=config,
        json_path=json_path,
        progress=Bar,
    )
    echo_scores(summary)
    echo_slips(summary)


def echo_scores(summary: Any) -> None:
    """Print the scores of predictions: of each class, in all, and of each part of the records."""
    scores, intervals = summary.scores, summary.intervals
    if summary.calibration_classes:
        _echo_classes(summary)
        click.echo()
    echo_table(
        ["figure", "value", *(["from", "to"] if intervals else [])],
        [
            [title, getattr(scores, name), *(intervals.macro[name] if intervals else ())]
            for title, name in summary.columns.items()
        ],
    )
    if summary.calibration_classes:
        # a record of none of a task's classes may well be labelled
        without = "of none of the classes" if summary.task.metric is None else "without a scored label"
        click.echo(
            f"{summary.n_records:,} records, {summary.n_unlabelled:,} of them {without}; expected "
            f"calibration error {format_cell(summary.calibration)} in {summary.n_bins} bins of equal width, mean over "
            "classes with positives"
        )
    else:
        click.echo(f"{summary.n_records:,} records")
    if summary.n_left_out:
        click.echo(f"left out: {summary.n_left_out:,} further records, which task {summary.task.name} has no label of")
    if intervals:
        click.echo(
            f"from, to: {100 * intervals.level:g} % intervals by {intervals.n_replicates:,} replicates of the Bayesian "
            f"bootstrap over {intervals.n_units:,} {summary.units}"
        )
    for title, parts in (("dataset", summary.datasets), ("held out", summary.held_out), *summary.by.items()):
        if len(parts) > 1:
            click.echo()
            _echo_parts(title, parts, summary)
    if summary.gains:
        click.echo()
        _echo_gains(summary)
    for path in summary.written:
        click.echo(f"written: {path}")


def _echo_classes(summary: Any) -> None:
    scores, intervals, task = summary.scores, summary.intervals, summary.task
    figures = ("auroc", "auprc", "f_measure", "f_beta", "g_beta")
    drawn = ["AUROC from", "to"] if intervals else []
    echo_table(
        ["class", "positives", "AUROC", *drawn, "AUPRC", "F", "F2", "G2", "ECE", "name"],
        [
            [
                task.abbreviation_of(code),
                scores.n_positive[number],
                scores.auroc_classes[number],
                *(intervals.classes["auroc"][number] if intervals else ()),
                *(getattr(scores, f"{name}_classes")[number] for name in figures[1:]),
                summary.calibration_classes[number],
                task.name_of(code),
            ]
            for number, code in enumerate(scores.classes)
        ],
    )


def echo_slips(summary: Any) -> None:
    """Print on standard error what the official evaluator does not read as it may have been meant."""
    if summary.interrupted:
        click.echo(
            "Warning: OUTPUTS holds predictions of a run that is not finished: give its predict command again, or wait "
            "for it",
            err=True,
        )
    for slip in summary.slips:
        name, text = next(iter(slip.files.items()))
        files = f"{len(slip.files):,} of {slip.n_read:,} files"
        click.echo(f"{'Warning: ' if slip.grave else ''}{files} {slip.meaning}; first: {name}: {text}", err=True)
        if slip.kind == "nothing" and len(slip.files) == slip.n_read:
            click.echo(
                f"they were read by task {summary.task.name}: if they are of another, name it by --task", err=True
            )
    if summary.unlabelled_outputs:
        click.echo(
            f"not looked at in OUTPUTS, as LABELS has no such record: {len(summary.unlabelled_outputs):,} .csv; "
            f"first: {summary.unlabelled_outputs[0]}.csv",
            err=True,
        )
    echo_remarks(summary.remarks, err=True)


def _echo_parts(title: str, parts: Sequence[Any], summary: Any) -> None:
    echo_table(
        [title, "records", "unlabelled", *summary.columns],
        [
            [
                part.name,
                part.n_records,
                part.n_unlabelled,
                *(getattr(part.scores, name) for name in summary.columns.values()),
            ]
            for part in parts
        ]
        + [
            [
                "sum; means",
                sum(part.n_records for part in parts),
                sum(part.n_unlabelled for part in parts),
                *summary.mean_of_parts(parts).values(),
            ]
        ],
    )


def _echo_gains(summary: Any) -> None:
    echo_table(
        ["gain", "labels changed", "largest change of a score", *summary.columns],
        [
            [
                f"× {gain.gain:.4g}",
                gain.n_labels_changed,
                gain.largest_change,
                *(getattr(gain.part.scores, name) for name in summary.columns.values()),
            ]
            for gain in summary.gains
        ],
    )
