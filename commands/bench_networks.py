"""bench: training, pretraining and predicting."""

from pathlib import Path
from typing import Any

import click

from ecg12.commands.shared.bench_options import records_folder_option, rounds_option
from ecg12.commands.shared.field_options import field_options
from ecg12.commands.shared.options import DEFAULT_STORE, NameList, cuda_option, store_argument, stores_argument
from ecg12.commands.shared.printing import echo_rows
from ecg12.commands.shared.progress import Bar
from ecg12.commands.shared.train_options import TRAIN_OPTIONS, split_options

BENCH_TRAIN_OPTIONS = {title: tuple(row for row in rows if row[0] != "epochs") for title, rows in TRAIN_OPTIONS.items()}


@click.command("training")
@store_argument
@click.option("--pairs", type=click.IntRange(min=3), default=9, show_default=True, help="Of loader and one batch.")
@click.option("--small-steps", type=int, default=12, show_default=True, help="Of the small model; 0 leaves it out.")
@click.option("--full-steps", type=int, default=1, show_default=True, help="Of the default model; 0 leaves it out.")
def bench_training(store: Path, pairs: int, small_steps: int, full_steps: int) -> None:
    """Steps of training on batches of STORE, against the same steps on one batch that is there."""
    from ecg12.pipeline.bench import training as benchmark

    steps = {name: n for name, n in (("small", small_steps), ("full", full_steps)) if n}
    echo_rows(
        benchmark.run(store, pairs=pairs, steps=steps, progress=Bar),
        [
            ("model", "model"),
            ("residency", "residency"),
            ("pairs", "pairs"),
            ("windows/s", "rate"),
            ("ratio", "ratio"),
            ("from", "low"),
            ("to", "high"),
            ("confidence", lambda row: f"{row.confidence:.1%}"),
            ("waiting", lambda row: f"{row.waiting:.1%}"),
        ],
    )


@click.command("train")
@stores_argument
@click.option("--pairs", type=click.IntRange(min=1), default=5, show_default=True, help="Of both configurations.")
@click.option("--steps", type=click.IntRange(min=1), default=1, show_default=True, help="On each side of a pair.")
@click.option("--epochs", type=click.IntRange(min=0), default=0, show_default=True, help="Train both; 0 does not.")
@click.option(
    "--figure",
    type=click.Choice(["challenge_metric", "auroc", "auprc", "f_measure"]),
    default="auroc",
    show_default=True,
    help="Of the validation records.",
)
@click.option("--target", type=float, default=0.7, show_default=True, help="To be reached.")
@field_options(BENCH_TRAIN_OPTIONS)
@cuda_option
def bench_train(stores: tuple[Path, ...], **options: Any) -> None:
    """The default training beside the reference configuration's, in one run: windows/s, and seconds to a score.

    The options of `train` change the default configuration; those about records and the network's size change both.
    """
    from ecg12.pipeline.bench import train as benchmark

    own = {name: options.pop(name) for name in ("pairs", "steps", "epochs", "figure", "target", "cuda")}
    given = {key: value for key, value in options.items() if value is not None}
    train_options, model_options = split_options(given)
    result = benchmark.run(
        stores or (DEFAULT_STORE,),
        options=train_options,
        model_options=model_options,
        progress=Bar,
        **own,
    )
    echo_rows(
        result.steps,
        [
            ("configuration", "name"),
            ("arithmetic", "arithmetic"),
            ("windows/s", "windows_per_second"),
            ("ratio", "ratio"),
            ("processor, ms a window", "processor_ms"),
            ("ratio", "processor_ratio"),
        ],
    )
    if result.scores:
        click.echo("")
        echo_rows(
            result.scores,
            [
                ("configuration", "name"),
                ("epochs", "epochs"),
                ("s", "seconds"),
                ("processor s", "processor_seconds"),
                (f"best {own['figure']}", "best"),
                ("at", "best_epoch"),
                (f"epochs to {own['target']}", lambda row: "–" if row.epochs_to is None else row.epochs_to),
                ("s to it", lambda row: "–" if row.seconds_to is None else row.seconds_to),
            ],
        )


@click.command("pretrain")
@click.option("--nets", type=NameList(), help="Some of them, such as masking,cpc-s4d.  [default: all]")
@click.option("--precisions", "ways", type=NameList(), default="fp32,bf16", show_default=True, help="To measure in.")
@click.option("--batch-size", type=click.IntRange(min=1), default=32, show_default=True, help="Windows in a batch.")
@click.option("--window-length", type=int, default=4096, show_default=True, help="Samples in a window.")
@rounds_option(3)
@click.option("--memory/--no-memory", default=True, show_default=True, help="Measure the peak of each, too.")
def bench_pretrain(nets: tuple[str, ...] | None, **options: Any) -> None:
    """Steps of pretraining each net, against the reference system's step written straightforwardly.

    The nets are rnn, lstm, gru, flipping, masking, transformerxl, cpc-lstm, cpc-s4d and mae; the last three have no
    counterpart there. All are in their default sizes.
    """
    from ecg12.pipeline.bench import pretrain as benchmark

    result = benchmark.run(nets=nets or tuple(benchmark.NETS), progress=Bar, **options)
    echo_rows(
        result.rows,
        [
            ("net", "net"),
            ("way", "way"),
            ("parameters", lambda row: "" if row.n_parameters is None else f"{row.n_parameters:,}"),
            ("windows/s", "rate"),
            ("× reference", lambda row: _or_nothing(result.ratio(row))),
            ("× its processor time", lambda row: _or_nothing(result.ratio(row, "processor_s"))),
            ("peak MB", lambda row: "" if row.peak_bytes is None else f"{row.peak_bytes / 1e6:,.0f}"),
        ],
    )


def _or_nothing(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


@click.command("predict")
@click.option(
    "--records", "n_records", type=click.IntRange(min=8), default=512, show_default=True, help="Simulated, of 10 s."
)
@rounds_option(3)
@click.option("--model", type=click.Path(path_type=Path), help="Run folder.  [default: an untrained one of full size]")
@records_folder_option
def bench_predict(n_records: int, rounds: int, model: Path | None, folder: Path | None) -> None:
    """Predicting batches that are read ahead, against one recording at a time, and against the network alone."""
    from ecg12.pipeline.bench import predict as benchmark

    result = benchmark.run(n_records=n_records, rounds=rounds, model=model, folder=folder, progress=Bar)
    baseline = result.row(benchmark.BASELINE, "fp32")
    alone = {precision: result.row(benchmark.NETWORK, precision) for precision in ("fp32", "bf16")}
    echo_rows(
        result.rows,
        [
            ("what", "what"),
            ("precision", "precision"),
            ("records/s", "best"),
            ("median", "median"),
            ("× baseline", lambda row: row.best / baseline.best),
            ("× the network", lambda row: row.best / alone[row.precision].best),
            ("cpu ms/record", "processor_ms"),
        ],
    )
    click.echo(
        f"bf16 changes scores by {result.largest_change:.4f} at most, and {result.n_changed:,} of {result.n_labels:,} "
        f"labels{'' if result.trained else ' (of an untrained network, all of whose scores are near its thresholds)'}"
    )
    click.echo(f"one recording from cold start to CSV: {', '.join(f'{s:.2f}' for s in result.cold_start_s)} s")


COMMANDS = (bench_training, bench_train, bench_pretrain, bench_predict)
