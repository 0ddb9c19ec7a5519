"""bench: getting files, writing stores, compressing signals."""

from pathlib import Path
from typing import Any

import click

from ecg12.commands.shared.bench_options import records_folder_option
from ecg12.commands.shared.options import NumberList, store_argument
from ecg12.commands.shared.printing import echo_rows, echo_table, format_bytes
from ecg12.commands.shared.progress import Bar


@click.command("download")
@click.option("--files", type=click.IntRange(min=32), default=5000, show_default=True, help="How many to fetch.")
@click.option("--delay-ms", type=float, default=20.0, show_default=True, help="Before the server answers, ms.")
@click.option("--connections", type=click.IntRange(1, 256), default=16, show_default=True, help="At once.")
@click.option("--folder", type=click.Path(path_type=Path), help="For the files.  [default: a temporary one]")
def bench_download(files: int, delay_ms: float, connections: int, folder: Path | None) -> None:
    """Fetching from a server on this machine, and proving what came, against curl-like and sha256sum baselines."""
    from ecg12.pipeline.bench import download as benchmark

    echo_rows(
        benchmark.run(n_files=files, delay_s=delay_ms / 1000, connections=connections, folder=folder, progress=Bar),
        [
            ("what", "what"),
            ("seconds", "seconds"),
            ("files/s", lambda row: row.n_files / row.seconds),
            ("MB/s", lambda row: row.n_bytes / row.seconds / 1e6),
            ("times the baseline", "ratio"),
        ],
    )


@click.command("corpus")
@click.argument("output", type=click.Path(path_type=Path))
@click.option("--records", type=click.IntRange(min=6), help="Fewer than the whole corpus.  [default: 43,101]")
@click.option("--seed", type=int, default=2020, show_default=True, help="Same seed, same bytes.")
def bench_corpus(output: Path, records: int | None, seed: int) -> None:
    """Write files of the whole corpus's shape into the folder OUTPUT, to measure build-cache on: 7.8 GB.

    Signals repeat from a pool, each record with one sample and a header of its own.
    """
    from ecg12.pipeline.bench import corpus as benchmark

    summary = benchmark.write_corpus(output, records or benchmark.WHOLE, seed=seed, progress=Bar)
    click.echo(f"{summary.n_records:,} records of {summary.n_patients:,} patients in {output}")


@click.command("codecs")
@store_argument
@click.option("--chunks", type=click.IntRange(min=1), default=4, show_default=True, help="How many to measure on.")
def bench_codecs(store: Path, chunks: int) -> None:
    """Ways of compressing the signal, on chunks of STORE: size, encoding and decoding, one thread."""
    from ecg12.pipeline.bench import codec as benchmark

    echo_rows(
        benchmark.run(store, n_chunks=chunks, progress=Bar),
        [
            ("codec", "what"),
            ("--codec", "choice"),
            ("times smaller", "ratio"),
            ("encode MB/s", lambda row: int(row.encode_mb_s)),
            ("decode MB/s", lambda row: int(row.decode_mb_s)),
        ],
    )


@click.command("ingest")
@click.argument("inputs", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--records", "n_records", type=click.IntRange(min=20), default=4000, show_default=True, help="Simulated records."
)
@records_folder_option
@click.option(
    "--workers", type=NumberList(), default="1,2", show_default=True, help="Numbers of workers, one after another."
)
@click.option(
    "--baseline-records",
    type=click.IntRange(min=1),
    default=500,
    show_default=True,
    help="Records for the slow baseline, evenly spread.",
)
@click.option(
    "--kind",
    default="wfdb",
    show_default=True,
    help="Of the simulated records' files; others than wfdb are measured against their library's own reading.",
)
def bench_ingest(inputs: tuple[Path, ...], kind: str, **options: Any) -> None:
    """Converting records, against wfdb and scipy under dask, and against reading the bytes alone.

    INPUTS are folders or records; by default simulated records of ten seconds.
    """
    if kind != "wfdb":
        if inputs:
            raise click.UsageError(f"--kind {kind} measures on files that it makes; leave out INPUTS")
        _bench_kind(kind, options["n_records"], options["workers"])
        return
    from ecg12.pipeline.bench import ingest as benchmark

    result = benchmark.run(inputs, progress=Bar, **options)
    echo_rows(
        result.rows,
        [
            ("what", "what"),
            ("workers", "workers"),
            ("records", "n_records"),
            ("s", "seconds"),
            ("start-up s", "start_s"),
            ("records/s", lambda row: int(row.rate)),
            ("× baseline", "over_baseline"),
            ("× one worker", "over_one"),
            ("cpu ms/record", lambda row: 1000 * row.processor_s / row.n_records),
        ],
    )
    whole = result.stages["all"]
    click.echo()
    echo_table(
        ["stage, one process", "ms a record", "share"],
        [[name, 1000 * seconds, f"{100 * seconds / whole:.0f} %"] for name, seconds in result.stages.items()],
    )
    click.echo(
        f"{result.n_records:,} records, {result.seconds_of_signal / result.n_records:.1f} s long on average, "
        f"{format_bytes(result.n_bytes)}; reading all headers took {result.plan_s:.2f} s, and is not in the rates"
        + (f"; wfdb could not read {result.n_unread} of the baseline's" if result.n_unread else "")
    )


def _bench_kind(kind: str, n_records: int, workers: tuple[int, ...]) -> None:
    from ecg12.pipeline.bench import ingest_kinds as benchmark

    echo_rows(
        benchmark.run(kind, n_records=n_records, workers=workers, progress=Bar),
        [
            ("what", "what"),
            ("workers", "workers"),
            ("records", "n_records"),
            ("s", "seconds"),
            ("records/s", lambda row: int(row.rate)),
            ("× baseline", "over_baseline"),
            ("× reading alone", "over_reading"),
        ],
    )


COMMANDS = (bench_download, bench_corpus, bench_codecs, bench_ingest)
