"""simulate and demo: trying things out without data."""

from pathlib import Path

import click

from ecg12.commands.evaluate import echo_scores
from ecg12.commands.inspect_store import echo_store
from ecg12.commands.shared.options import workers_option
from ecg12.commands.shared.progress import Bar
from ecg12.commands.train import echo_epoch


@click.command()
@click.argument("output", type=click.Path(path_type=Path))
@click.option("--records", type=click.IntRange(min=1), default=1000, show_default=True, help="How many.")
@click.option("--seed", type=int, default=2020, show_default=True, help="Same seed, same bytes.")
@click.option(
    "--layout",
    type=click.Choice(["tarball", "release"]),
    default="tarball",
    show_default=True,
    help="Folders as in the 2020 tarballs or as in the published release.",
)
@click.option("--max-duration", type=float, help="Cut records longer than this many seconds.")
def simulate(output: Path, records: int, seed: int, layout: str, max_duration: float | None) -> None:
    """Write simulated records of all six datasets into the folder OUTPUT, for trying things out without data."""
    from ecg12.pipeline import simulate as simulation

    summary = simulation.simulate(output, records, seed=seed, layout=layout, max_duration_s=max_duration, progress=Bar)
    click.echo(
        f"{summary.n_records:,} records of {summary.n_patients:,} patients in {output}; "
        f"build-cache {output} --patients {summary.patients} makes a store of them"
    )


@click.command()
@click.option(
    "--output", type=click.Path(path_type=Path), default=Path("demo"), show_default=True, help="Folder for everything."
)
@click.option("--records", type=click.IntRange(min=50), default=1500, show_default=True, help="Simulated records.")
@click.option("--seed", type=int, default=2020, show_default=True, help="Of the simulated corpus.")
@workers_option
@click.option("--force", is_flag=True, help="Replace an earlier demo.")
def demo(output: Path, records: int, seed: int, workers: int, force: bool) -> None:
    """Run the whole job on simulated records: build-cache, verify, train, predict, evaluate.

    Needs no data. The scores say that the parts work together; simulated signals are far easier than real ones.
    """
    from ecg12.pipeline.demo import run_demo

    summary = run_demo(
        output,
        n_records=records,
        seed=seed,
        workers=workers,
        force=force,
        progress=Bar,
        say=lambda text: click.echo(f"== {text}"),
        report=echo_epoch,
    )
    click.echo("== What is in the store")
    echo_store(summary.build.description)
    click.echo("== Scores on held-out patients (simulated signals: they show that the parts work, nothing more)")
    echo_scores(summary.evaluation)
    click.echo("== What was made")
    paths = {
        "simulated corpus": summary.corpus,
        "held-out records": summary.held_out,
        "store": summary.store,
        "run folder": summary.run,
        "predictions": summary.predictions,
    }
    for label, path in paths.items():
        click.echo(f"{label:<18}{path}")
    steps = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in summary.seconds.items())
    click.echo(f"{sum(summary.seconds.values()):.0f} s in all: {steps}")
