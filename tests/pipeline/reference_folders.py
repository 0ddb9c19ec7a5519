"""Small run folders as the reference system writes them, with random weights, for tests."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ecg12.ecg.decisions.output_mapping import parse_mapping
from ecg12.ecg.labels.snomed import SCORED_CODES
from ecg12.ecg.models.build import build_model
from ecg12.ecg.models.config.model import ModelConfig
from ecg12.ecg.models.config.stage import StageConfig
from ecg12.ecg.models.stages import build_pretraining_net

SIGMOID = "sigmoid\n0->1/0->1/0->1\n" + "".join(f"{code},{n},1\n" for n, code in enumerate(SCORED_CODES[:3]))
LAYERS_OF_CHOICE = {
    "softmax": "softmax\n0->2\n270492004,0,1\n164889003,0,2\n",
    "standard_softmax": "standard_softmax\nNone->1\n270492004,0,0\n164889003,0,1\n",
    "cvx_softmax_2": "cvx_softmax_2\nNone->1\n270492004,0,0\n164889003,0,1\n",
    "concat:softmax:2-sigmoid:1": (
        "concat:softmax:2-sigmoid:1\n0->2/0->1\n270492004,0,1\n164889003,0,2\n426783006,1,1\n"
    ),
}
"""out_layer.txt by the name of its layer."""

NETWORK: dict[str, Any] = {
    "net_filter_size": [4, 6],
    "net_seq_length": [256, 16],
    "kernel_size": 5,
    "dropout_rate": 0.5,
    "seq_length": 4096,
    "sample_freq": 400,
    "pretrain_output_size": 3,
}
TRAINING: dict[str, Any] = {
    "seed": 2,
    "epochs": 200,
    "batch_size": 32,
    "lr": 0.001,
    "milestones": [75],
    "lr_factor": 0.1,
}
PRETRAINING: dict[str, Any] = TRAINING | {
    "seq_length": 4096,
    "sample_freq": 400,
    "dropout": 0.2,
    "hidden_size_rnn": 5,
    "num_layers": 1,
    "k_steps_ahead": [10, 20],
    "num_heads": 2,
    "num_trans_layers": 2,
    "dim_model": 8,
    "dim_inner": 12,
    "steps_concat": 4,
    "trans_train_type": "flipping",
    "mem_len": 100,
}


def write_august(folder: Path, out_layer: str = SIGMOID, stage: str | None = None, **options: Any) -> Path:
    """A folder of August 2020; `stage` is a pretrain_model, options are those of config.json or its stage's."""
    pretrain_names = {"hidden_size_rnn", "num_layers", "steps_concat", "trans_train_type"}
    pretraining = PRETRAINING | {name: value for name, value in options.items() if name in pretrain_names}
    values = (
        TRAINING
        | NETWORK
        | {
            "finetuning": False,
            "eval_transformer": False,
            "combination_strategy": "mean",
            "predict_before_collapse": False,
            "scale_by_n_predictions": [30, 1.0, 0.9, 0.9, 0.8, 0.7, 0],
            "pred_stage_type": "linear",
            "pred_stage_n_layer": 1,
            "pred_stage_hidd": 7,
            "valid_classes": "scored_classes",
        }
        | {name: value for name, value in options.items() if name not in pretrain_names}
    )
    mapping = parse_mapping(out_layer)
    network = build_model(_model_config(values, values["net_seq_length"], pretraining, stage), mapping.n_outputs)
    _write(folder, values, _randomised(network))
    (folder / "out_layer.txt").write_text(out_layer)
    factors = np.linspace(0.5, 3, mapping.n_outputs)
    (folder / "correction_factor.txt").write_text("".join(f"{factor:.10f}\n" for factor in factors))
    if stage is not None:
        _write_pretraining(folder, pretraining | {"pretrain_model": stage}, stage)
    return folder


def write_april(folder: Path, stage: str | None = None, threshold: object = None, **options: Any) -> Path:
    """A folder of April 2020, where the last layer belongs to the ResNet and thresholds lie beside the weights."""
    values = TRAINING | NETWORK | {"finetunning": False} | options
    length = values.pop("net_seq_length")
    values["net_seq_lengh"] = length
    network = build_model(_model_config(values, length, PRETRAINING, stage), 8)
    resnet = "1" if stage else "0"
    head = str(int(resnet) + 1)
    weights = {
        f"{resnet}.{name.removeprefix(f'{head}.')}" if name.startswith(f"{head}.") else name: value
        for name, value in _randomised(network).items()
    }
    threshold = np.linspace(0.2, 0.6, 8) if threshold is None else threshold
    _write(folder, values, weights, threshold=threshold)
    if stage is not None:
        values = PRETRAINING | {"rnn_type": stage}
        values["hidden_size"] = values.pop("hidden_size_rnn")
        _write_pretraining(folder, values, stage)
    return folder


def change_config(folder: Path, name: str = "config.json", **values: Any) -> None:
    """Set values of a folder's configuration; None takes a key out."""
    path = folder / name
    changed = json.loads(path.read_text()) | values
    path.write_text(json.dumps({key: value for key, value in changed.items() if value is not None}))


def _model_config(
    values: dict[str, Any], net_seq_length: list[int], pretraining: dict[str, Any], stage: str | None
) -> ModelConfig:
    return ModelConfig(
        fs=float(values["sample_freq"]),
        window_length=values["seq_length"],
        net_filter_size=tuple(values["net_filter_size"]),
        net_seq_length=tuple(net_seq_length),
        kernel_size=values["kernel_size"],
        pred_stage_type=values.get("pred_stage_type", "linear"),
        pred_stage_hidd=values.get("pred_stage_hidd", 400),
        pred_stage_n_layer=values.get("pred_stage_n_layer", 1),
        pretrain_output_size=values["pretrain_output_size"],
        eval_transformer=values.get("eval_transformer", False),
        pooling="flatten",
        squeeze_excitation=False,
        stage=_stage_config(pretraining, stage) if stage else None,
    )


def _stage_config(pretraining: dict[str, Any], stage: str) -> StageConfig:
    known = {name: value for name, value in pretraining.items() if name in StageConfig.__dataclass_fields__}
    return StageConfig.from_dict(known | {"pretrain_model": stage.lower()})


def _randomised(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Weights and running means that are no constants, so that a wrong one is noticed."""
    generator = torch.Generator().manual_seed(6)
    weights = network.state_dict()
    for name, values in weights.items():
        if values.is_floating_point() and not name.endswith(".pe"):
            values.copy_(torch.randn(values.shape, generator=generator) * 0.2)
        if name.endswith("running_var"):
            values.abs_().add_(0.5)
    return weights


def _write(folder: Path, values: dict[str, Any], weights: dict[str, torch.Tensor], **extra: Any) -> None:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(values, indent="\t"))
    torch.save({"epoch": 4, "model": weights, "optimizer": {}, **extra}, folder / "model.pth")


def _write_pretraining(folder: Path, values: dict[str, Any], stage: str) -> None:
    (folder / "pretrain_config.json").write_text(json.dumps(values))
    net = build_pretraining_net(_stage_config(PRETRAINING | values, stage), 12, values["seq_length"])
    torch.save({"epoch": 3, "model": _randomised(net), "optimizer": {}}, folder / "pretrain_model.pth")
