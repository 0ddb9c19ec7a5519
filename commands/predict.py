"""predict: scores and labels of recordings, as Challenge CSVs."""

from pathlib import Path
from typing import Any

import click

from ecg12.commands.shared.options import (
    DEFAULT_STORE,
    NameList,
    OutputFile,
    Place,
    cuda_option,
    plugin_option,
    told_options,
)
from ecg12.commands.shared.printing import echo_some, program_name
from ecg12.commands.shared.progress import Bar


@click.command()
@click.argument("inputs", nargs=-1, type=Place(), metavar="[INPUTS]...")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default=Path("predictions"),
    show_default=True,
    help="Folder for one CSV a record.",
)
@click.option(
    "--model",
    "models",
    type=click.Path(path_type=Path),
    multiple=True,
    help="Run folder, or folder of run folders; given several times, they predict as one.  [default: newest output_*]",
)
@click.option(
    "--average",
    type=click.Choice(["logits", "scores"]),
    help="Of several models: logits of each window, or scores of each record.  [default: logits where they fit]",
)
@click.option("--gain-sweep", is_flag=True, help="Predict at × 1/4.88, × 1 and × 4.88, into a folder each.")
@told_options
@click.option("--keep-flat", is_flag=True, help="Predict on recordings without any deflection, too.")
@click.option(
    "--precision",
    type=click.Choice(["fp32", "bf16", "fp16", "auto"]),
    default="fp32",
    show_default=True,
    help="Of the arithmetic; bf16 changes scores in the third digit, and auto takes it where it is much faster.",
)
@click.option(
    "--json",
    "json_path",
    type=OutputFile(),
    help="Write the same as JSON into this file.",
)
@click.option(
    "--explain",
    type=NameList(),
    is_flag=False,
    flag_value="positive",
    metavar="[CLASS,CLASS…|top]",
    help="Draw what scores rest on, after the INPUTS: of the classes decided for, of some classes, or of the highest.",
)
@click.option("--explain-steps", type=int, default=24, show_default=True, help="Of the integral: more are closer.")
@click.option("--explain-windows", type=int, default=8, show_default=True, help="Of a long record, at most.")
@click.option(
    "--explain-format",
    type=click.Choice(["png", "svg", "pdf", "none"]),
    default="png",
    show_default=True,
    help="Of the pictures; none for arrays (.npz) alone.",
)
@plugin_option
@click.option("--force", is_flag=True, help="Write into a folder that holds predictions already.")
@cuda_option
def predict(
    inputs: tuple[Path, ...],
    output: Path,
    models: tuple[Path, ...],
    average: str | None,
    gain_sweep: bool,
    json_path: Path | None,
    precision: str,
    explain: tuple[str, ...] | None,
    explain_steps: int,
    explain_windows: int,
    explain_format: str,
    plugins: tuple[str, ...],
    force: bool,
    cuda: bool,
    **options: Any,
) -> None:
    """Predict, and write one Challenge CSV for each record, and predictions.csv with all of them.

    INPUTS are stores, folders of recordings in any nesting, tarballs, or single recordings; by default the store
    data/ecg.zarr. WFDB in all its formats, EDF, BDF, DICOM, CSV, .npy and .mat are read, at any sampling frequency.
    A model that tells a number writes predictions.csv alone.
    Exit code 1 if any record could not be read; the others are predicted.
    """
    from ecg12.pipeline.formats.told_by_user import InputConfig
    from ecg12.pipeline.prediction import gain_sweep as sweeping
    from ecg12.pipeline.prediction import predict as prediction
    from ecg12.pipeline.prediction.explain_config import ExplainConfig
    from ecg12.pipeline.recordings.set_aside import describe_aside
    from ecg12.pipeline.runs.run_folder import newest_run_folder
    from ecg12.pipeline.runtime.record_fence import name_reason

    if gain_sweep and json_path is not None:
        raise click.UsageError("--gain-sweep predicts three times; leave out --json")
    if gain_sweep and explain is not None:
        raise click.UsageError("--gain-sweep predicts three times; leave out --explain")
    told = InputConfig(**options)
    models = models or (newest_run_folder(Path()),)
    common: dict[str, Any] = {"average": average, "told": told, "precision": precision, "cuda": cuda}
    common |= {"plugins": plugins, "force": force, "progress": Bar}
    inputs = inputs or (DEFAULT_STORE,)
    if gain_sweep:
        sweep = sweeping.sweep_gains(inputs, output, models, **common)
        for summary in sweep.predictions.values():
            _echo_predicted(summary)
        click.echo(f"set them side by side with: {program_name()} evaluate LABELS {output}")
        summaries = list(sweep.predictions.values())
    else:
        explaining = None
        if explain is not None:
            explaining = ExplainConfig(
                classes=explain, n_steps=explain_steps, max_windows=explain_windows, form=explain_format
            )
        summary = prediction.predict(inputs, output, models, json_path=json_path, explain=explaining, **common)
        _echo_predicted(summary)
        if explaining is not None:
            click.echo(f"{summary.n_explained:,} explained in {output / 'explained'}")
        if summary.n_unexplained:
            click.echo(f"{summary.n_unexplained:,} without a positive label are not; --explain top explains all")
        summaries = [summary]
    # what cannot be read cannot be read at any gain
    echo_some([f"note {text}" for text in summaries[0].notes])
    echo_some([f"doubtful {text}" for text in summaries[len(summaries) // 2].doubts])
    echo_some([f"skipped {name_reason(reject.record, reject.reason)}" for reject in summaries[0].rejects])
    echo_some([describe_aside(summaries[0].aside)] * bool(summaries[0].aside))
    n_unexplained = sum(reject.stage == "explain" for reject in summaries[0].rejects)
    n_without = len(summaries[0].rejects) - n_unexplained
    if n_unexplained:
        click.echo(f"{n_unexplained} record(s) could not be explained, but are predicted")
    if n_without:
        raise click.ClickException(f"{n_without} record(s) could not be read and have no prediction")
    if n_unexplained:
        raise click.exceptions.Exit(1)


def _echo_predicted(summary: Any) -> None:
    from ecg12.ecg.scores.challenge_csv import sort_scores

    only, names = summary.only, summary.names
    if only is not None and names.unit is not None:
        told = "; ".join(map(names.format_number, only.codes, only.scores))
        click.echo(f"{only.record_name}: {told}")
    elif only is not None:
        ordered = sort_scores(only, names.name_of, names.class_of)
        found = [f"{name} {score:.2f}" for name, score, label in ordered if label]
        click.echo(f"{only.record_name}: {'; '.join(found) or 'none of the classes'}")
    word = "prediction" if summary.n_records == 1 else "predictions"
    click.echo(f"{summary.n_records:,} {word} in {summary.output}, by {summary.model}")
