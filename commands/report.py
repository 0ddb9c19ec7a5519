"""report: what a run or a store is worth looking at, as one HTML file."""

from pathlib import Path

import click

from ecg12.commands.shared.options import OutputFile, Place, cuda_option, plugin_option
from ecg12.commands.shared.printing import format_bytes
from ecg12.commands.shared.progress import Bar


@click.command()
@click.argument("places", nargs=-1, type=Place(), metavar="[RUN | STORE...]")
@click.option(
    "--output",
    type=OutputFile(),
    help="The HTML file.  [default: report.html in the run folder, or STORE.html beside the store]",
)
@click.option(
    "--store",
    "stores",
    type=Place(),
    multiple=True,
    help="Of a run: the store that it was trained on, where it lies elsewhere now; may be given several times.",
)
@click.option(
    "--examples",
    "n_examples",
    type=click.IntRange(min=0),
    help="Recordings to draw: of a run so many false positives and so many false negatives; of stores in all."
    "  [default: 3; 12]",
)
@click.option(
    "--sample",
    "n_sample",
    type=click.IntRange(min=0),
    default=50,
    show_default=True,
    help="Of stores: records of each dataset whose signal is read to count the heart rate.",
)
@plugin_option
@cuda_option
@click.option("--force", is_flag=True, help="Replace a report that is there, once the new is whole.")
def report(
    places: tuple[Path, ...],
    output: Path | None,
    stores: tuple[Path, ...],
    n_examples: int | None,
    n_sample: int,
    plugins: tuple[str, ...],
    cuda: bool,
    force: bool,
) -> None:
    """Write a report as one HTML file that needs no network.

    Of a RUN: learning curves, scores, ROC and precision-recall curves, calibration, confusion, data, and the worst
    errors as ECGs; also of a cross-validation, and of a run folder of the reference system. Of STOREs, read as one:
    records, lengths, patients, classes, quality, and examples. By default the newest run.
    """
    from ecg12.pipeline.report.make_report import make_report

    if not places:
        from ecg12.pipeline.runs.run_folder import (
            newest_run_folder,  # of all parts of a report the one that takes longest
        )

        places = (newest_run_folder(Path()),)
    summary = make_report(
        places,
        output,
        stores=stores,
        n_examples=n_examples,
        n_sample=n_sample,
        plugins=plugins,
        cuda=cuda,
        force=force,
        progress=Bar,
    )
    for line in summary.missing:
        click.echo(f"not shown: {line}", err=True)
    click.echo(f"{summary.path}: {len(summary.sections)} sections, {format_bytes(summary.n_bytes)}")
