"""train: a classifier, with or without records held out for testing; or what an earlier one is worth."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from ecg12.commands.evaluate import echo_scores
from ecg12.commands.shared.field_options import field_options
from ecg12.commands.shared.options import DEFAULT_STORE, cuda_option, plugin_option, stores_argument
from ecg12.commands.shared.printing import count_epochs, echo_epoch_row, echo_table, program_name
from ecg12.commands.shared.progress import Bar
from ecg12.commands.shared.train_options import TRAIN_OPTIONS, TrainCommand, split_options

LOSS_COLUMNS = {"train loss": ("train_loss", ".4f"), "valid loss": ("valid_loss", ".4f")}
FIGURE_COLUMNS = (
    {"challenge": "challenge_metric", "AUROC": "auroc", "AUPRC": "auprc"},
    {"MAE": "mae", "RMSE": "rmse", "R2": "r2"},
    {"balanced": "balanced_accuracy", "accuracy": "accuracy", "AUROC": "auroc"},
    {"AUROC": "auroc", "AUPRC": "auprc", "F": "f_measure"},
)
"""What an epoch is shown by: the first line of which it has the figures, as its task has them."""

SPEED_COLUMNS = {
    "windows/s": ("windows_per_second", ".1f"),
    "waiting": ("waiting", ".4f"),
    "s": ("seconds", ".1f"),
}


FIGURE_NAMES = {
    "challenge_metric": "challenge metric",
    "auroc": "macro AUROC",
    "auprc": "macro AUPRC",
    "f_measure": "macro F1",
    "f_beta": "macro F2",
    "g_beta": "macro G2",
    "geom_mean": "geometric mean of F2 and G2",
    "balanced_accuracy": "balanced accuracy",
    "mae": "mean absolute error",
    "rmse": "root mean square error",
    "r2": "R2",
    "pearson": "Pearson correlation",
    "valid_loss": "validation loss",
}


@click.command(cls=TrainCommand)
@stores_argument
@click.option(
    "--folder",
    type=click.Path(file_okay=False),
    help="The run folder; one with an unfinished run is continued, and FOLDER/ makes a dated one inside.  "
    "[default: output_DATE_TIME]",
)
@click.option(
    "--preset", type=click.Choice(["reference"]), help="All defaults of that system; options given go before them."
)
@click.option(
    "--pretrained",
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder of a pretraining that gives the network its first stage.  [default: FOLDER, if it holds one]",
)
@click.option("--tensorboard", is_flag=True, help="Write event files for TensorBoard into the run folder.")
@click.option("--only-test", is_flag=True, help="Train nothing: judge the folder's model on its validation records.")
@plugin_option
@field_options(TRAIN_OPTIONS)
@cuda_option
def train(
    stores: tuple[Path, ...],
    folder: str | None,
    preset: str | None,
    pretrained: Path | None,
    tensorboard: bool,
    only_test: bool,
    plugins: tuple[str, ...],
    cuda: bool,
    **options: Any,
) -> None:
    """Train a classifier on a store's labelled records.

    Several stores are read as one, as if all their records had been built into one. By default data/ecg.zarr.
    Ctrl-C stops after the last whole epoch; the same command with --folder goes on from there. A FOLDER with
    pretrain_config.json and pretrain_model.pth gives the network a pretrained stage, and its records; so does
    --pretrained, where the run is to be in a folder of its own.

    What it is to tell is said by --task: by default the classes of the Challenge of 2020.

    With --folds or --leave-out some patients, or a dataset or what has one value of a column, are held out, and tested
    on when all is done; the records to validate on, by which the best epoch and the thresholds are chosen, are others.
    So is the test side of a --split, such as a task's official one.

    torchrun --nproc-per-node N cli.py train … trains one network with N processes, each on its share of every batch.
    """
    from ecg12.pipeline.compute.ranks import find_ranks
    from ecg12.pipeline.training import train as training

    given = {key: value for key, value in options.items() if value is not None}
    stores = stores or (DEFAULT_STORE,)
    if only_test:
        _only_test(stores, folder, preset, given, plugins, cuda)
        return
    dated = folder is not None and folder.endswith(("/", os.sep))
    if given.keys() & {"folds", "fold", "leave_out"}:
        if tensorboard:
            raise click.UsageError("--tensorboard is for one run; leave it out with --folds and --leave-out")
        how = {"preset": preset, "pretrained": pretrained, "plugins": plugins, "cuda": cuda}
        _train_and_test(stores, None if folder is None else Path(folder), dated, given, how)
        return
    train_options, model_options = split_options(given)
    summary = training.train(
        stores,
        folder=None if folder is None else Path(folder),
        dated=dated,
        preset=preset,
        options=train_options,
        model_options=model_options,
        pretrained=pretrained,
        plugins=plugins,
        cuda=cuda,
        tensorboard=tensorboard,
        progress=Bar,
        report=echo_epoch,
    )
    if not find_ranks().writes:
        return
    best = summary.history[summary.best_epoch]
    click.echo(
        f"{'stopped' if summary.interrupted else 'done'} after {count_epochs(len(summary.history))} on "
        f"{summary.n_train:,} records ({summary.residency}), {f'sides {summary.split}, ' if summary.split else ''}"
        + (
            f"validated on {summary.n_valid:,}; best epoch {summary.best_epoch + 1}: {describe(summary.figure, best)}"
            if summary.n_valid
            else "validated on none: the last weights are the model, and its thresholds are not fitted"
        )
    )
    click.echo(f"run folder: {summary.folder}")
    if summary.n_test and not summary.interrupted:
        _test(stores, summary, train_options, model_options, pretrained, plugins, cuda)
    if summary.interrupted:
        click.echo(f"continue with: {program_name()} train {' '.join(map(str, stores))} --folder {summary.folder}")
        raise SystemExit(130)


def describe(figure: str, row: Mapping[str, float]) -> str:
    """An epoch in words: the figure that it was chosen by, and the macro AUROC, if there is one."""
    chosen = f"{FIGURE_NAMES.get(figure, figure)} {row[figure]:.3f}"
    return chosen if figure == "auroc" or "auroc" not in row else f"{chosen}, macro AUROC {row['auroc']:.3f}"


def _test(
    stores: tuple[Path, ...],
    summary: Any,
    options: dict[str, Any],
    model_options: dict[str, Any],
    pretrained: Path | None,
    plugins: tuple[str, ...],
    cuda: bool,
) -> None:
    """Judge a run on the test side of its split."""
    from ecg12.pipeline.evaluation import crossvalidate

    how = crossvalidate.TrainOptions(
        options=options, model_options=model_options, pretrained=pretrained, plugins=plugins, cuda=cuda
    )
    tested = crossvalidate.test_run(stores, summary, how, progress=Bar)
    click.echo(f"== Test records; labels by {tested.decided_by}")
    echo_scores(tested.evaluation)


def _train_and_test(
    stores: tuple[Path, ...], folder: Path | None, dated: bool, given: dict[str, Any], how: dict[str, Any]
) -> None:
    from ecg12.pipeline.evaluation import crossvalidate

    if "fold" in given and "folds" not in given:
        raise click.UsageError("--fold is one of --folds K, which is missing")
    folds, fold, leave_out = given.get("folds"), given.pop("fold", crossvalidate.ALL), given.get("leave_out")
    if folds is not None and leave_out is not None:
        raise click.UsageError("--folds and --leave-out hold out different things; give one of them")
    of_column = leave_out is not None and leave_out.endswith(f":{crossvalidate.ALL}")
    every_part = of_column or crossvalidate.ALL in (leave_out, fold if folds is not None else None)
    if folds is not None and not every_part:
        given["fold"] = fold
    kept = {key: value for key, value in given.items() if not (every_part and key in ("folds", "leave_out"))}
    train_options, model_options = split_options(kept)
    options = crossvalidate.TrainOptions(options=train_options, model_options=model_options, **how)
    common: dict[str, Any] = {"dated": dated, "progress": Bar, "report": echo_epoch}
    if every_part:
        if of_column:
            common["leave_out"] = leave_out
        summary = crossvalidate.cross_validate(
            stores, folder, options, folds=folds, say=lambda text: click.echo(f"== {text}"), **common
        )
    else:
        summary = crossvalidate.train_and_test(stores, folder, options, **common)
    if summary.interrupted:
        click.echo(f"stopped; the same command with --folder {summary.folder} goes on")
        raise SystemExit(130)
    if summary.evaluation is None:
        return
    click.echo(f"== Held-out records; labels by {summary.decided_by}")
    echo_scores(summary.evaluation)
    click.echo(f"{sum(summary.seconds.values()):,.0f} s of training in {len(summary.runs)} run(s), validation included")
    click.echo(f"{'folder of the runs' if every_part else 'run folder'}: {summary.folder}")


def _only_test(
    stores: tuple[Path, ...],
    folder: str | None,
    preset: str | None,
    given: dict[str, Any],
    plugins: tuple[str, ...],
    cuda: bool,
) -> None:
    from ecg12.pipeline.evaluation import finished_run as testing
    from ecg12.pipeline.runs.run_folder import newest_run_folder

    model = newest_run_folder(Path()) if folder is None else Path(folder)
    how: dict[str, Any] = {"preset": preset, "options": given, "plugins": plugins, "cuda": cuda}
    summary = testing.only_test(stores, folder=model, progress=Bar, **how)
    source = "its logits.csv" if summary.from_logits else "its network"
    click.echo(f"{model}, judged by {source} on {summary.n_records:,} records")
    echo_table(["figure", "value"], [[name, value] for name, value in summary.figures.items()])


def echo_epoch(row: Mapping[str, float]) -> None:
    """Print the figures of one epoch."""
    titles = next(titles for titles in FIGURE_COLUMNS if set(titles.values()) <= row.keys())
    echo_epoch_row(row, LOSS_COLUMNS | {title: (name, ".4f") for title, name in titles.items()} | SPEED_COLUMNS)
