"""pretrain: a net that learns from records without their labels."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from ecg12.commands.shared.field_options import FieldCommand, Sections, field_options
from ecg12.commands.shared.options import DEFAULT_STORE, NumberList, cuda_option, stores_argument
from ecg12.commands.shared.printing import count_epochs, echo_epoch_row, program_name
from ecg12.commands.shared.progress import Bar

EPOCH_COLUMNS = {
    "train loss": ("train_loss", ".4f"),
    "valid loss": ("valid_loss", ".4f"),
    "lr": ("lr", ".2e"),
    "windows/s": ("windows_per_second", ".1f"),
    "waiting": ("waiting", ".4f"),
    "s": ("seconds", ".1f"),
}

PRETRAIN_OPTIONS: Sections = {
    "Net": (
        (
            "pretrain_model",
            click.Choice(["rnn", "lstm", "gru", "transformer", "transformerxl", "cpc", "mae"], case_sensitive=False),
            "The net, and with it what it is asked.",
        ),
        ("trans_train_type", click.Choice(["flipping", "masking"]), "What a transformer is asked."),
        ("dropout", float, "Of the net."),
        ("window_length", int, "Samples in a window."),
        ("normalisation", click.Choice(["record", "none"]), "Of the amplitude; none feeds mV."),
    ),
    "Records": (
        ("valid_split", float, "Share of the records to validate on."),
        ("n_total", int, "Take so many of the records, chosen by a hash of their names."),
        ("max_windows_per_record", int, "Random windows of a long record in each epoch."),
        ("residency", click.Choice(["auto", "stream", "memory", "device"]), "Where windows are while an epoch lasts."),
        ("check", bool, "Hold each chunk against its checksum when it is first decoded."),
    ),
    "Training": (
        ("epochs", int, "Passes over the training records."),
        ("seed", int, "Of weights, order, split and masks."),
        ("batch_size", int, "Windows in a batch."),
        ("lr", float, "Highest learning rate."),
        ("optimizer", click.Choice(["adam", "adamw"]), "What moves the weights."),
        ("weight_decay", float, "Of the optimiser."),
        ("schedule", click.Choice(["steps", "one_cycle"]), "How the learning rate goes."),
        ("milestones", NumberList(), "Epochs from which the rate is lower, for --schedule steps."),
        ("lr_factor", float, "By how much."),
        ("clip_value", float, "Largest norm of the gradient."),
        ("train_noise_std", float, "Noise added to the input, not to what is wanted."),
        (
            "precision",
            click.Choice(["auto", "fp32", "bf16", "fp16"]),
            "Auto, the default of cpc and mae, times a few steps; fp16 on a GPU only.",
        ),
        ("compile", bool, "Let torch compile the net."),
    ),
    "rnn, lstm, gru": (
        ("hidden_size_rnn", int, "Size."),
        ("num_layers", int, "Layers."),
        ("k_steps_ahead", NumberList(), "Samples ahead to predict."),
    ),
    "transformer, transformerxl; in part mae": (
        ("num_heads", int, "Heads of attention; mae, too."),
        ("num_trans_layers", int, "Layers; mae, too."),
        ("dim_model", int, "Features of a token; mae, too."),
        ("dim_inner", int, "Features between a layer's two linear ones; mae, too."),
        ("steps_concat", int, "Samples in a token."),
        ("dropout_attn", float, "Of the attention; slow. The reference system has 0.2."),
        ("mem_len", int, "transformerxl: tokens remembered of the window before."),
        (
            "mask",
            click.Choice(["attention", "input", "both"]),
            "masking and transformerxl: what is hidden; attention alone is the reference system's.",
        ),
        ("num_masked_samples", int, "The same: tokens hidden together."),
        ("perc_masked_samp", float, "The same: share of tokens to hide."),
    ),
    "cpc": (
        ("context", click.Choice(["lstm", "s4d"]), "What reads the past."),
        ("dim_encoder", int, "Features of the convolutions."),
        ("encoder_strides", NumberList(), "Of the convolutions."),
        ("dim_context", int, "Features of the context."),
        ("context_layers", int, "Layers of the context; none: 2 of an LSTM, 4 of s4d."),
        ("state_size", int, "s4d: size of each feature's system."),
        ("cpc_steps", int, "Positions ahead to predict."),
        ("negatives", int, "Latents to tell the true one from."),
    ),
    "mae": (
        ("patch_length", int, "Samples in a patch."),
        ("dim_decoder", int, "Features of the decoder."),
        ("decoder_layers", int, "Layers of the decoder."),
        ("hidden_leads", int, "Leads to hide whole."),
        ("hidden_share", float, "Share of the time to hide."),
        ("hidden_span", int, "Patches hidden together."),
    ),
}
"""Of `pretrain`, for `PretrainConfig` and what it is made of."""


class PretrainCommand(FieldCommand):
    """Shows its options in the sections of `PRETRAIN_OPTIONS`."""

    sections = PRETRAIN_OPTIONS

    def find_defaults(self) -> Mapping[str, Any]:
        """Of every option in the sections."""
        from ecg12.pipeline.runs.pretrain_config import PretrainConfig

        defaults = PretrainConfig().to_flat()
        return {name: tuple(value) if isinstance(value, list) else value for name, value in defaults.items()}


@click.command(cls=PretrainCommand)
@stores_argument
@click.option(
    "--folder",
    type=click.Path(file_okay=False),
    help="The run folder; PATH/ makes a dated one in PATH; one with an unfinished pretraining is continued.  "
    "[default: output_DATE_TIME]",
)
@field_options(PRETRAIN_OPTIONS)
@cuda_option
def pretrain(stores: tuple[Any, ...], folder: str | None, cuda: bool, **options: Any) -> None:
    """Pretrain a net on every record of a store, labelled or not; train --folder takes it from there.

    rnn, lstm and gru predict the signal ahead; transformer gives hidden signal back or tells flipped leads;
    transformerxl remembers a record's windows; cpc (contrastive predictive coding) tells what comes from what does
    not; mae (masked autoencoder) fills in hidden leads and times. Defaults are the reference system's; cpc and mae,
    which it has not, train for 50 epochs with AdamW and one cycle of the learning rate. Ctrl-C stops after the last
    whole epoch; the same command with --folder goes on from there.
    """
    from ecg12.pipeline.pretraining import pretrain as pretraining

    summary = pretraining.pretrain(
        stores or (DEFAULT_STORE,),
        folder=None if folder is None else Path(folder),
        dated=folder is not None and folder.endswith("/"),
        options={key: value for key, value in options.items() if value is not None},
        cuda=cuda,
        progress=Bar,
        report=echo_pretrain_epoch,
    )
    best = summary.history[summary.best_epoch]
    click.echo(
        f"{'stopped' if summary.interrupted else 'done'} after {count_epochs(len(summary.history))} of "
        f"{summary.pretrain_model} ({summary.n_parameters:,} parameters) on {summary.n_train:,} records "
        f"({summary.residency}), validated on {summary.n_valid:,}; best epoch {summary.best_epoch + 1}: "
        f"validation loss {best['valid_loss']:.4f}"
    )
    click.echo(f"run folder: {summary.folder}")
    named = " ".join(map(str, stores or (DEFAULT_STORE,)))
    if summary.interrupted:
        click.echo(f"continue with: {program_name()} pretrain {named} --folder {summary.folder}")
        raise SystemExit(130)
    click.echo(f"classify with: {program_name()} train {named} --folder {summary.folder}")


def echo_pretrain_epoch(row: Mapping[str, float]) -> None:
    """Print the figures of one epoch."""
    echo_epoch_row(row, EPOCH_COLUMNS)
