"""export: a run's model as one file for other programs."""

from pathlib import Path
from typing import Any

import click

from ecg12.commands.shared.options import DEFAULT_STORE, TOLD, OutputFile, Place, plugin_option, told_options
from ecg12.commands.shared.printing import echo_some
from ecg12.commands.shared.progress import Bar


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("output", type=OutputFile())
@click.option(
    "--format",
    "form",
    type=click.Choice(["onnx", "torch"]),
    help="Of the file; torch is a program of torch.export.  [default: by its suffix, .onnx or .pt2]",
)
@click.option(
    "--recordings",
    is_flag=True,
    help="Take whole recordings, (batch, windows, leads, samples), and pool their windows in the model.",
)
@click.option("--safetensors", is_flag=True, help="Write the weights beside it, with the configuration.")
@click.option(
    "--store",
    "stores",
    type=Place(),
    multiple=True,
    help=f"Store it was trained on: counts patients for the card, and gives records to check the file on.  "
    f"[default: {DEFAULT_STORE}, if it was that one]",
)
@click.option(
    "--check",
    type=click.Path(path_type=Path),
    multiple=True,
    help="Recordings to check the file on.  [default: the store's, else simulated ones]",
)
@told_options
@plugin_option
@click.option("--force", is_flag=True, help="Replace files that are there.")
def export(
    run: Path, output: Path, stores: tuple[Any, ...], check: tuple[Path, ...], force: bool, **options: Any
) -> None:
    """Write the model of the run folder RUN to OUTPUT: signal in mV in, scores and labels out.

    The file needs none of this program. It normalises, runs the network and decides as predict does; resampling and
    cutting into windows are left to who uses it. It is held against the run before it gets its name, and a model
    card, README.md, is written beside it.
    """
    from ecg12.pipeline.export import export as exporting
    from ecg12.pipeline.formats.told_by_user import InputConfig

    told = InputConfig(**{name: options.pop(name) for name in TOLD})
    summary = exporting.export(
        run,
        output,
        stores=stores or exporting.find_store(run, DEFAULT_STORE),
        check=check,
        told=told,
        force=force,
        progress=Bar,
        **options,
    )
    found = summary.agreement
    what = "recordings" if summary.recordings else "windows"
    click.echo(f"{summary.output}: {what} in mV → scores and labels")
    click.echo(
        f"checked on {found.n_records} records of {found.source}: scores differ by at most {found.difference:.1g}, "
        f"{found.n_labels_apart or 'none'} of {found.n_labels:,} labels"
    )
    echo_some([f"skipped {line}" for line in summary.skipped])
    click.echo(f"model card: {summary.card}")
    if summary.safetensors:
        click.echo(f"weights: {summary.safetensors}")
