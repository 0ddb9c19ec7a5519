"""evaluate: how good predictions are."""

from collections.abc import Mapping, Sequence
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
@click.option("--json", "json_path", type=OutputFile(), help="Write everything here, too.")
@click.option("--bootstrap", "n_bootstrap", type=int, help="Replicates for the 95 % intervals; 0 leaves them out.")
@click.option("--seed", type=int, help="Of the replicates.")
@click.option("--bins", "n_bins", type=int, help="Of equal width, for calibration.")
def evaluate(
    labels: Path, outputs: Path, scores: Path | None, also: tuple[Path, ...], json_path: Path | None, **options: Any
) -> None:
    """Score predictions as the official evaluator does.

    LABELS is a folder of WFDB headers or a store. OUTPUTS is a folder with a Challenge CSV for each record, whoever
    wrote them; or what `predict --gain-sweep` wrote; or the folder of a training that held records out for testing
    (`train --folds`, `train --leave-out`), whose records alone count. SCORES.csv takes the official figures; beside
    it SCORES-classes.csv and SCORES-datasets.csv have those of each class and dataset.
    """
    from ecg12.pipeline.evaluation import evaluate as evaluation

    config = evaluation.EvaluateConfig(**{name: value for name, value in options.items() if value is not None})
    summary = evaluation.evaluate((labels, *also), outputs, scores, config=config, json_path=json_path, progress=Bar)
    echo_scores(summary)
    echo_slips(summary)


def echo_scores(summary: Any) -> None:
    """Print the scores of predictions: of each class, in all, and of each part of the records."""
    from ecg12.ecg.labels.snomed import SCORED_CLASSES, abbreviation_of, name_of
    from ecg12.pipeline.evaluation.evaluate import OFFICIAL_COLUMNS

    scores, intervals = summary.scores, summary.intervals
    figures = ("auroc", "auprc", "f_measure", "f_beta", "g_beta")
    drawn = ["AUROC from", "to"] if intervals else []
    echo_table(
        ["class", "positives", "AUROC", *drawn, "AUPRC", "F", "F2", "G2", "ECE", "name"],
        [
            [
                abbreviation_of(code),
                scores.n_positive[number],
                scores.auroc_classes[number],
                *(intervals.classes["auroc"][number] if intervals else ()),
                *(getattr(scores, f"{name}_classes")[number] for name in figures[1:]),
                summary.calibration_classes[number],
                name_of(code),
            ]
            for number, code in enumerate(SCORED_CLASSES)
        ],
    )
    click.echo()
    echo_table(
        ["figure", "value", *(["from", "to"] if intervals else [])],
        [
            [title, getattr(scores, name), *(intervals.macro[name] if intervals else ())]
            for title, name in OFFICIAL_COLUMNS.items()
        ],
    )
    click.echo(
        f"{summary.n_records:,} records, {summary.n_unlabelled:,} of them without a scored label; expected "
        f"calibration error {format_cell(summary.calibration)} in {summary.n_bins} bins of equal width, mean over "
        "classes with positives"
    )
    if intervals:
        click.echo(
            f"from, to: {100 * intervals.level:g} % intervals by {intervals.n_replicates:,} replicates of the Bayesian "
            f"bootstrap over {intervals.n_units:,} {summary.units}"
        )
    for title, parts in (("dataset", summary.datasets), ("held out", summary.held_out)):
        if len(parts) > 1:
            click.echo()
            _echo_parts(title, parts, summary.mean_of_parts(parts))
    if summary.gains:
        click.echo()
        _echo_gains(summary.gains)
    for path in summary.written:
        click.echo(f"written: {path}")


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
    if summary.unlabelled_outputs:
        click.echo(
            f"not looked at in OUTPUTS, as LABELS has no such record: {len(summary.unlabelled_outputs):,} .csv; "
            f"first: {summary.unlabelled_outputs[0]}.csv",
            err=True,
        )
    echo_remarks(summary.remarks, err=True)


def _echo_parts(title: str, parts: Sequence[Any], mean: Mapping[str, float]) -> None:
    from ecg12.pipeline.evaluation.evaluate import OFFICIAL_COLUMNS

    echo_table(
        [title, "records", "unlabelled", *OFFICIAL_COLUMNS],
        [
            [
                part.name,
                part.n_records,
                part.n_unlabelled,
                *(getattr(part.scores, name) for name in OFFICIAL_COLUMNS.values()),
            ]
            for part in parts
        ]
        + [
            [
                "sum; means",
                sum(part.n_records for part in parts),
                sum(part.n_unlabelled for part in parts),
                *mean.values(),
            ]
        ],
    )


def _echo_gains(gains: Sequence[Any]) -> None:
    from ecg12.pipeline.evaluation.evaluate import OFFICIAL_COLUMNS

    echo_table(
        ["gain", "labels changed", "largest change of a score", *OFFICIAL_COLUMNS],
        [
            [
                f"× {gain.gain:.4g}",
                gain.n_labels_changed,
                gain.largest_change,
                *(getattr(gain.part.scores, name) for name in OFFICIAL_COLUMNS.values()),
            ]
            for gain in gains
        ],
    )
