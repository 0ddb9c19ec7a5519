"""Configurations that have a name."""

from collections.abc import Mapping
from typing import Any

from ecg12.ecg.errors import ConfigError

REFERENCE_TRAIN: Mapping[str, Any] = {
    "seed": 2,
    "epochs": 200,
    "batch_size": 32,
    "valid_batch_size": 256,
    "lr": 1e-3,
    "optimizer": "adam",
    "weight_decay": 0.0,
    "schedule": "steps",
    "milestones": (75, 125, 175),
    "lr_factor": 0.1,
    "valid_split": 0.3,
    "n_total": None,
    "shuffle": True,
    "max_windows_per_record": None,
    "output_layer": "softmax",
    "train_classes": "scored",
    "valid_classes": "scored",
    "correction_factor": "uniform",
    "correction_limits": (0.0, 30.0),
    "decision": "rank",
    "scale_by_rank": (30.0, 1.0, 0.9, 0.9, 0.8, 0.7, 0.0),
    "combination_strategy": "mean",
    "predict_before_collapse": False,
    "precision": "fp32",
    "kernels": "plain",
    "compile": False,
    "augment": (),
    "loss": "layer",
    "ema": 0.0,
    "class_weights": "none",
    "label_smoothing": 0.0,
    "finetuning": False,
    "train_share": 1.0,
    "layer_decay": 1.0,
    "random_stage": False,
    "save_last": False,
    "task": "challenge2020",
    "select_by": "auto",
    "split": "random",
    "torn_patients": False,
}
"""Every default of the reference system's training, and its rule. An option of ours that it lacks stands here with
the value that switches it off, so that later changes of our own defaults leave the preset as it is."""

REFERENCE_MODEL: Mapping[str, Any] = {
    "model": "resnet1d",
    "normalisation": "none",
    "window_length": 4096,
    "net_filter_size": (64, 128, 196, 256, 320),
    "net_seq_length": (4096, 1024, 256, 64, 16),
    "kernel_size": 17,
    "dropout_rate": 0.5,
    "pred_stage_type": "linear",
    "pred_stage_hidd": 400,
    "pred_stage_n_layer": 1,
    "pooling": "flatten",
    "squeeze_excitation": False,
    "patient": False,
    "pretrain_output_size": 64,
    "eval_transformer": False,
    "probe": False,
    "model_options": (),
}

PRESETS: Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = {"reference": (REFERENCE_TRAIN, REFERENCE_MODEL)}
"""Name → fields of `TrainConfig`, and of `ModelConfig`."""


def preset_values(name: str | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a preset says of training and of the model; nothing without a name.

    Raises
    ------
    ConfigError
        If no preset has that name.
    """
    if name is None:
        return {}, {}
    if name not in PRESETS:
        raise ConfigError(f"preset {name!r} not known; expected {', '.join(PRESETS)}")
    train, model = PRESETS[name]
    return dict(train), dict(model)
