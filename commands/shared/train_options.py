"""The options of a training, which bench train takes, too."""

from collections.abc import Mapping
from typing import Any

import click

from ecg12.commands.shared.field_options import FieldCommand, Sections
from ecg12.commands.shared.options import FloatList, FoldNumber, NameOrPlugin, NamesOrNone, NumberList, PluginOptions
from ecg12.ecg.decisions.named_mappings import NAMED
from ecg12.ecg.models.config.option_names import AUGMENTATIONS, CLASS_WEIGHTS

TRAIN_OPTIONS: Sections = {
    "Task": (
        ("task", str, "What to tell: a name that tasks lists, or a TOML file."),
        ("select_by", str, "Figure by which the best epoch is chosen; auto: the task's own; or valid_loss."),
    ),
    "Records": (
        (
            "split",
            str,
            "Who trains, validates and tests: official, the task's; random; a column of the store, TABLE:COLUMN, or a "
            "folder of train_ids.txt, valid_ids.txt, test_ids.txt; auto: official where there is one.",
        ),
        ("torn_patients", bool, "Take a split although a patient is on two of its sides."),
        ("valid_split", float, "Share of the records to validate on; with 1 nothing trains."),
        ("folds", int, "Cross-validate: hold out one of so many folds of patients for testing."),
        ("fold", FoldNumber(), "Which, from 0; or all, as without it: one after the other, scored together."),
        (
            "leave_out",
            str,
            "Hold out this dataset for testing, or COLUMN:VALUE, such as site:3; or all, COLUMN:all, each in turn.",
        ),
        ("n_total", int, "Take so many of the records, chosen by a hash of their names."),
        ("train_share", float, "Learn from this share of the training patients only."),
        ("shuffle", bool, "A new order in each epoch."),
        ("max_windows_per_record", int, "Random windows of a long record in each epoch."),
        (
            "residency",
            click.Choice(["auto", "stream", "memory", "device"]),
            "Where windows are while an epoch lasts; auto goes by what fits.",
        ),
        ("check", bool, "Hold each chunk against its checksum when it is first decoded."),
    ),
    "Network": (
        ("model", NameOrPlugin(["resnet1d", "s4d"], "MODEL"), "Convolutions, state spaces, or a class of yours."),
        ("model_options", PluginOptions(), "Of a class of yours; also a JSON object."),
        ("normalisation", click.Choice(["record", "none"]), "Of the amplitude; none feeds mV."),
        ("window_length", int, "Samples in a window."),
        ("net_filter_size", NumberList(), "Filters of each block."),
        ("net_seq_length", NumberList(), "Positions after each block."),
        ("kernel_size", int, "Of the convolutions; odd."),
        ("dropout_rate", float, "Of the blocks."),
        ("squeeze_excitation", bool, "Weigh each block's filters by what the whole window shows."),
        ("patient", bool, "Age and sex as further input."),
        ("pred_stage_type", click.Choice(["linear", "rnn", "lstm", "gru"]), "The head."),
        ("pooling", click.Choice(["flatten", "average"]), "What a linear head does with the positions of a window."),
        ("pred_stage_hidd", int, "Hidden size of a recurrent head."),
        ("pred_stage_n_layer", int, "Layers of a recurrent head."),
        ("s4d_features", int, "s4d: features."),
        ("s4d_layers", int, "s4d: layers."),
        ("s4d_state", int, "s4d: size of each feature's system."),
        ("s4d_stride", int, "s4d: samples in a position."),
        ("s4d_dropout", float, "s4d: dropout."),
        ("pretrain_output_size", int, "Features that a pretrained stage gives."),
        ("eval_transformer", bool, "A small MLP in the place of ResNet and head, above a pretrained stage."),
        ("probe", bool, "Nothing but a linear layer above a pretrained stage; frozen: 60 epochs, lr 0.01, decay 0.1."),
        ("finetuning", bool, "Train the pretrained stage, too."),
        ("layer_decay", float, "Learning rate of each of its blocks over that of the block above."),
        ("random_stage", bool, "Leave its weights at random, to measure what pretraining is worth."),
    ),
    "Training": (
        ("epochs", int, "Passes over the training records."),
        ("seed", int, "Of weights, order and split."),
        ("batch_size", int, "Windows in a batch."),
        ("valid_batch_size", int, "The same in validation."),
        ("lr", float, "Highest learning rate."),
        ("optimizer", click.Choice(["adamw", "adam"]), "What moves the weights."),
        ("weight_decay", float, "Of the optimiser."),
        ("schedule", click.Choice(["one_cycle", "steps"]), "How the learning rate goes."),
        ("milestones", NumberList(), "Epochs from which the rate is lower, for --schedule steps."),
        ("lr_factor", float, "By how much."),
        ("augment", NamesOrNone(), f"Change windows: some of {','.join(AUGMENTATIONS)}, or MODULE:NAME, or none."),
        ("loss", NameOrPlugin(["layer"], "LOSS"), "That of the output layer, or a function or class of yours."),
        ("ema", float, "Decay of the weights' moving average, which becomes the model; 0 for none."),
        (
            "class_weights",
            click.Choice(list(CLASS_WEIGHTS)),
            "Weights in the sigmoid's loss: by the task's metric, or each class as much as its negatives.",
        ),
        ("label_smoothing", float, "Of the sigmoid's labels."),
        ("save_last", bool, "The last weights are the model, not the best."),
        ("save_logits", bool, "Write logits.csv of the validation windows with the model."),
    ),
    "Speed": (
        ("precision", click.Choice(["auto", "fp32", "bf16", "fp16"]), "Auto times a few steps when a run begins."),
        ("kernels", click.Choice(["auto", "plain", "flat", "folded"]), "How convolutions run; auto: by the device."),
        ("compile", bool, "Let torch compile the network, which takes a minute or so."),
    ),
    "Classes and decisions": (
        ("output_layer", str, f"{', '.join(NAMED)}, a mapping file, or MODULE:CLASS."),
        (
            "train_classes",
            click.Choice(["scored", "dset"]),
            "What softmax and sigmoid decide on: the task's; dset: all codes.",
        ),
        ("valid_classes", click.Choice(["scored", "dset"]), "What is judged and predicted."),
        ("correction_factor", click.Choice(["uniform", "train"]), "Of scores: 1 / frequency, or 1."),
        ("correction_limits", FloatList(), "Smallest and largest of these factors."),
        ("decision", click.Choice(["thresholds", "rank"]), "Fitted thresholds, or the reference system's rule."),
        ("scale_by_rank", FloatList(), "Factors of the largest score, the next, …, and the rest; for --decision rank."),
        ("combination_strategy", click.Choice(["mean", "max", "last"]), "How a record's windows become one."),
        ("predict_before_collapse", bool, "Decide on each window; for --decision rank."),
    ),
}
"""Of `train`, for `TrainConfig` and its `ModelConfig`."""


class TrainCommand(FieldCommand):
    """Shows its options in the sections of `TRAIN_OPTIONS`."""

    sections = TRAIN_OPTIONS

    def find_defaults(self) -> Mapping[str, Any]:
        """Of every option in the sections."""
        from ecg12.pipeline.runs.train_config import TrainConfig

        config = TrainConfig()
        return {
            name: getattr(config.model if hasattr(config.model, name) else config, name)
            for rows in self.sections.values()
            for name, _, _ in rows
        }


def split_options(given: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What was asked for, as fields of `TrainConfig` and as fields of `ModelConfig`."""
    from ecg12.ecg.models.config.model import ModelConfig

    names = set(ModelConfig.__dataclass_fields__)
    own = {key: value for key, value in given.items() if key not in names}
    return own, {key: value for key, value in given.items() if key in names}
