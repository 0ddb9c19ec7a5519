"""bench: the group of measurements."""

import click

from ecg12.commands import bench_batches, bench_networks, bench_stores


@click.group(commands=[*bench_stores.COMMANDS, *bench_batches.COMMANDS, *bench_networks.COMMANDS])
def bench() -> None:
    """Measure how fast this machine does a part of the work, against a baseline in the same run."""
