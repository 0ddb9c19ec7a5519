"""bench: from a store to batches: rate, memory, order."""

from pathlib import Path

import click

from ecg12.commands.shared.bench_options import rounds_option, store_folder_option, store_size_option
from ecg12.commands.shared.options import store_argument
from ecg12.commands.shared.printing import echo_rows, echo_table, format_bytes
from ecg12.commands.shared.progress import Bar


@click.command("loader")
@store_size_option(8000)
@store_folder_option
@rounds_option(7)
def bench_loader(n_records: int, folder: Path | None, rounds: int) -> None:
    """Batches from a store, against loading and resampling files, against zarr, and against memory itself."""
    from ecg12.pipeline.bench import loader as benchmark

    result = benchmark.run(n_records=n_records, folder=folder, rounds=rounds, progress=Bar)
    ceiling, baseline = result.row(benchmark.CEILING), result.row(benchmark.BASELINE)
    echo_rows(
        result.rows,
        [
            ("what", "what"),
            ("gives", "gives"),
            ("windows/s", lambda row: int(row.best)),
            ("median", lambda row: int(row.median)),
            ("× (d)", lambda row: row.best / ceiling.best),
            ("median", lambda row: row.median / ceiling.median),
            ("× (b)", lambda row: row.best / baseline.best),
            ("cpu µs/window", lambda row: min(row.processor_us)),
        ],
    )
    click.echo(
        f"a chunk: {result.zarr_ms:.2f} ms through zarr, {result.checked_ms:.2f} ms directly with its crc32c "
        f"and its SHA-256, {result.unchecked_ms:.2f} ms without"
    )


@click.command("datasets")
@store_size_option(8000)
@store_folder_option
@rounds_option(3)
def bench_datasets(n_records: int, folder: Path | None, rounds: int) -> None:
    """Batches by torch's DataLoader from ecg12.Windows and IndexedWindows, against what one would write."""
    import ecg12
    from ecg12.pipeline.bench import torch_datasets as benchmark

    rows = benchmark.run(
        ecg12.Windows, ecg12.IndexedWindows, n_records=n_records, folder=folder, rounds=rounds, progress=Bar
    )
    stream = {row.n_workers: row for row in rows if row.what == benchmark.STREAM}
    naive = {row.n_workers: row for row in rows if row.what == benchmark.NAIVE}
    echo_rows(
        rows,
        [
            ("what", "what"),
            ("workers", "n_workers"),
            ("windows/s", lambda row: int(row.best)),
            ("median", lambda row: int(row.median)),
            ("Windows is × faster", lambda row: stream[row.n_workers].best / row.best),
            ("of medians", lambda row: stream[row.n_workers].median / row.median),
            ("× naive", lambda row: row.best / naive[row.n_workers].best),
        ],
    )


@click.command("remote")
@store_size_option(4000)
@click.option("--connections", type=click.IntRange(min=1), default=4, show_default=True, help="Requests at once.")
@click.option("--delay-ms", type=float, default=50.0, show_default=True, help="Before the server answers, ms.")
@store_folder_option
@rounds_option(5)
def bench_remote(n_records: int, connections: int, delay_ms: float, folder: Path | None, rounds: int) -> None:
    """Batches from a store behind S3, against the same store on this machine, and against the server alone.

    The server is moto's, on this machine, and answers after a delay.
    """
    from ecg12.pipeline.bench import remote as benchmark

    result = benchmark.run(
        n_records=n_records,
        connections=connections,
        delay_s=delay_ms / 1000,
        folder=folder,
        rounds=rounds,
        progress=Bar,
    )
    local = result.row(benchmark.LOCAL)
    echo_rows(
        result.rows,
        [
            ("what", "what"),
            ("windows/s", lambda row: int(row.best)),
            ("median", lambda row: int(row.median)),
            ("× local", lambda row: row.best / local.best),
            ("median", lambda row: row.median / local.median),
        ],
    )
    click.echo(
        f"{result.n_chunks} chunks, {format_bytes(result.n_bytes)}; {connections} requests at once, {delay_ms:g} ms "
        f"each; opened in {result.open_s:.2f} s, first batch after {result.first_batch_s:.2f} s more"
    )


@click.command("footprint")
@store_argument
@click.option("--plan", "n_planned", type=int, default=10_000_000, show_default=True, help="Records to plan with.")
def bench_footprint(store: Path, n_planned: int) -> None:
    """Time to the first batch, memory of a streamed epoch of STORE, and what planning an epoch takes."""
    from ecg12.pipeline.bench import footprint as benchmark

    found = {
        "first batch of stream": benchmark.of_the_first_batch(store),
        "an epoch of stream": benchmark.of_a_streamed_epoch(store),
        f"plan {n_planned:,} records, stream": benchmark.of_a_plan(n_planned, streamed=True),
        f"plan {n_planned:,} records, memory": benchmark.of_a_plan(n_planned, streamed=False),
    }
    echo_table(
        ["what", "seconds", "peak MB", "of that imports, MB"],
        [[what, one.seconds, one.peak_bytes / 1e6, one.begun_bytes / 1e6] for what, one in found.items()],
    )


@click.command("shuffle")
@click.option("--records", "n_records", type=int, default=43_101, show_default=True, help="In the simulated table.")
def bench_shuffle(n_records: int) -> None:
    """How well shuffle buffers mix, beside a true permutation; and how full rows of records are."""
    from ecg12.pipeline.bench import shuffling as benchmark

    result = benchmark.run(n_records=n_records)
    echo_rows(
        result.rows,
        [
            ("order", "what"),
            ("chunks/batch", "chunks"),
            ("neighbours apart at rest", "apart"),
            ("at rest apart, batches", "together"),
            ("label", "label_spread"),
            ("dataset", "dataset_spread"),
        ],
    )
    for n_rows, share in result.padding.items():
        click.echo(f"records in {n_rows} rows, all windows of each: {share:.2%} of the rows are padding")


COMMANDS = (bench_loader, bench_datasets, bench_remote, bench_footprint, bench_shuffle)
