"""plot: recordings on ECG paper."""

from pathlib import Path
from typing import Any

import click

from ecg12.commands.shared.options import TOLD, told_options
from ecg12.commands.shared.printing import echo_some
from ecg12.commands.shared.progress import Bar


@click.command()
@click.argument("records", nargs=-1, metavar="RECORD...")
@click.option("--from", "place", type=click.Path(path_type=Path), help="The store, folder or tarball that they are in.")
@click.option(
    "--output", type=click.Path(path_type=Path), default=Path("plots"), show_default=True, help="Folder for pictures."
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["png", "svg", "pdf"]),
    default="png",
    show_default=True,
    help="Of a picture.",
)
@click.option("--dpi", type=float, default=150, show_default=True, help="Of a png; every format is true to scale.")
@click.option(
    "--layout",
    type=click.Choice(["auto", "3x4", "6x2", "12x1"]),
    default="auto",
    show_default=True,
    help="Rows and columns; 3x4 has a rhythm strip below, and is taken where all twelve leads are there.",
)
@click.option("--rhythm", default="II", show_default=True, help="Lead of the rhythm strip.")
@click.option("--speed", type=float, default=25, show_default=True, help="12.5, 25 or 50 mm/s.")
@click.option("--gain", type=float, help="2.5, 5, 10 or 20 mm/mV.  [default: 10, or less where the sheet has no room]")
@click.option("--start", "start_s", type=float, default=0, show_default=True, help="Begin here, seconds.")
@click.option(
    "--predictions", type=click.Path(path_type=Path), help="Folder that predict wrote: put its scores on the paper."
)
@told_options
@click.option("--force", is_flag=True, help="Replace pictures that are there.")
def plot(
    records: tuple[str, ...],
    place: Path | None,
    output: Path,
    form: str,
    dpi: float,
    predictions: Path | None,
    force: bool,
    **options: Any,
) -> None:
    """Draw recordings on ECG paper, true to scale: a picture each.

    RECORDs are paths of recordings of any kind, of folders or tarballs; with --from, names of recordings in that
    store, folder or tarball, none for all. Exit code 1 if any could not be drawn; the others are.
    """
    from ecg12.ecg.drawing.paper import PaperConfig
    from ecg12.pipeline.formats.told_by_user import InputConfig
    from ecg12.pipeline.pictures import plot as plotting
    from ecg12.pipeline.recordings.set_aside import describe_aside
    from ecg12.pipeline.runtime.record_fence import name_reason

    told = InputConfig(**{name: options.pop(name) for name in TOLD})
    if not records and place is None:
        raise click.UsageError("name a RECORD, or the store or folder they are in with --from")
    summary = plotting.plot(
        records,
        output,
        place=place,
        config=PaperConfig(**options),
        told=told,
        predictions=predictions,
        form=form,
        dpi=dpi,
        force=force,
        progress=Bar,
    )
    for path in summary.written[:20]:
        click.echo(path)
    if len(summary.written) > 20:
        click.echo(f"… and {len(summary.written) - 20:,} more")
    echo_some([f"note {text}" for text in summary.notes])
    echo_some([f"skipped {name_reason(reject.record, reject.reason)}" for reject in summary.rejects])
    echo_some([describe_aside(summary.aside)] * bool(summary.aside))
    if summary.rejects:
        raise click.ClickException(f"{len(summary.rejects)} recording(s) could not be drawn")
