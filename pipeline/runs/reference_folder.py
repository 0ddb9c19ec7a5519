"""Run folders that the reference system wrote, both generations, as models ready to predict.

April 2020 (`net_seq_lengh` in config.json): eight outputs with fixed meaning, thresholds among the weights.
August 2020 (`net_seq_length`): out_layer.txt and correction_factor.txt say what the outputs mean. Either may
have a pretrained stage, described by pretrain_config.json. What is in the weights decides which parts a network
has; the configuration gives their sizes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from ecg12.cache.storage.small_file import read_small_text
from ecg12.ecg.decisions.named_mappings import CPSC_LAYER
from ecg12.ecg.decisions.output_mapping import OutputMapping, parse_mapping
from ecg12.ecg.decisions.output_parts import parse_layer
from ecg12.ecg.decisions.reference_rules import APRIL_OUTPUTS, AprilRule, AugustRule, Rule
from ecg12.ecg.errors import ConfigError, RunFolderError
from ecg12.ecg.models.build import build_for_weights
from ecg12.ecg.models.config.model import ModelConfig
from ecg12.ecg.models.config.stage import StageConfig
from ecg12.ecg.models.output_layers import OutputLayer, build_output_layer
from ecg12.ecg.models.stages import build_pretraining_net
from ecg12.pipeline.runs.checkpoint import CONFIG, fit_weights, load_checkpoint, read_json
from ecg12.pipeline.runs.presets import REFERENCE_MODEL

PRETRAIN_CONFIG, PRETRAIN_MODEL = "pretrain_config.json", "pretrain_model.pth"
MODEL, OUT_LAYER, CORRECTION = "model.pth", "out_layer.txt", "correction_factor.txt"

_RECONSTRUCT = np.empty(0).__reduce__()[0]

NUMPY_ARRAY: tuple[Any, ...] = (
    (_RECONSTRUCT, "numpy.core.multiarray._reconstruct"),
    (_RECONSTRUCT, "numpy._core.multiarray._reconstruct"),  # the same function's name since numpy 2
    np.ndarray,
    np.dtype,
    np.dtypes.Float64DType,
)
"""What unpickling an array of float64 calls: April's thresholds are one."""

_LAYOUT = {
    "window_length": "seq_length",
    "fs": "sample_freq",
    "net_filter_size": "net_filter_size",
    "kernel_size": "kernel_size",
    "dropout_rate": "dropout_rate",
    "pretrain_output_size": "pretrain_output_size",
}
_AUGUST_NAMES = _LAYOUT | {
    "net_seq_length": "net_seq_length",
    "pred_stage_type": "pred_stage_type",
    "pred_stage_hidd": "pred_stage_hidd",
    "pred_stage_n_layer": "pred_stage_n_layer",
    "eval_transformer": "eval_transformer",
}
_APRIL_NAMES = _LAYOUT | {"net_seq_length": "net_seq_lengh"}

_AUGUST_STAGE_NAMES = {name: name for name in StageConfig.__dataclass_fields__}
_APRIL_STAGE_NAMES = {
    "pretrain_model": "rnn_type",
    "hidden_size_rnn": "hidden_size",
    "num_layers": "num_layers",
    "k_steps_ahead": "k_steps_ahead",
    "dropout": "dropout",
}


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ReferenceModel:
    """A model of the reference system, ready to predict as it did.

    Attributes
    ----------
    generation : "april" or "august"
    config : what the network is built from, in this program's names
    network : in eval mode, on the CPU: (window, lead, sample) in mV → (window, output) logits
    output_layer : from logits to scores
    rule : from the scores of windows to the labels and scores of records
    epoch : the epoch its weights are from
    finetuning : whether its pretrained stage was trained further
    """

    folder: Path
    generation: str
    config: ModelConfig
    network: nn.Sequential
    output_layer: OutputLayer
    rule: Rule
    epoch: int
    finetuning: bool


def is_reference_config(values: Any) -> bool:  # noqa: ANN401 - any JSON value
    """Whether these are the contents of a config.json of the reference system."""
    return (
        isinstance(values, dict) and "model" not in values and bool({"net_seq_length", "net_seq_lengh"} & set(values))
    )


def load_reference_folder(folder: Path) -> ReferenceModel:
    """Load a run folder of the reference system.

    Raises
    ------
    RunFolderError
        If a file is missing, damaged, holds more than data, or does not fit the others.
    """
    values = read_json(folder / CONFIG)
    if not is_reference_config(values):
        raise RunFolderError(
            f"{folder / CONFIG}: neither net_seq_length nor net_seq_lengh in it; expected a run folder of the "
            "reference system"
        )
    is_april = "net_seq_lengh" in values
    path = folder / MODEL
    state = load_checkpoint(path, allowed=NUMPY_ARRAY if is_april else ())
    weights = _april_names(state["model"]) if is_april else state["model"]
    config = _read_model_config(folder, values, weights, is_april=is_april)
    if is_april:
        rule: Rule = _april_rule(path, state.get("threshold"))
        n_outputs, parts = len(APRIL_OUTPUTS), parse_layer(CPSC_LAYER, len(APRIL_OUTPUTS))
        finetuning = not values.get("finetunning", True)
    else:
        mapping = read_mapping(folder)
        rule = _august_rule(folder, values, mapping)
        n_outputs, parts = mapping.n_outputs, mapping.parts
        finetuning = bool(values.get("finetuning", False))
    try:
        network = build_for_weights(config, n_outputs, weights)
    except ConfigError as error:
        raise RunFolderError(f"{folder / CONFIG}: {error}") from error
    fit_weights(network, weights, path)
    return ReferenceModel(
        folder=folder,
        generation="april" if is_april else "august",
        config=config,
        network=network.eval(),
        output_layer=build_output_layer(parts),
        rule=rule,
        epoch=read_epoch(path, state),
        finetuning=finetuning,
    )


def load_pretrained_net(folder: Path, n_leads: int = 12) -> tuple[StageConfig, nn.Module]:
    """The net that a folder's pretraining trained, with its weights, in eval mode; see `build_pretraining_net`.

    `ecg.models.stages.transfer` puts what it learned into a classifier's stage.

    Raises
    ------
    RunFolderError
        If a file is missing, damaged, holds more than data, or does not fit the others.
    """
    values, config = _read_stage_config(folder)
    window_length = values.get("seq_length")
    if not isinstance(window_length, int) or window_length < 1:
        raise RunFolderError(
            f"{folder / PRETRAIN_CONFIG}: seq_length is {window_length!r}; expected a number of samples"
        )
    state = load_checkpoint(folder / PRETRAIN_MODEL)
    try:
        net = build_pretraining_net(config, n_leads, window_length)
    except ConfigError as error:
        raise RunFolderError(f"{folder / PRETRAIN_CONFIG}: {error}") from error
    fit_weights(net, state["model"], folder / PRETRAIN_MODEL)
    return config, net.eval()


def read_epoch(path: Path, state: Mapping[str, Any]) -> int:
    """The epoch that a checkpoint says its weights are from; raises RunFolderError where that is no number."""
    epoch = state.get("epoch", 0)
    if not isinstance(epoch, int):
        raise RunFolderError(f"{path}: epoch is {epoch!r}; expected a number")
    return epoch


def _april_names(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """April's weights under August's names: the last layer is a module of its own, not part of the ResNet."""
    if "conv1.weight" in weights:
        weights = {f"0.{name}": value for name, value in weights.items()}
    renamed = {}
    for name, value in weights.items():
        module, _, rest = name.partition(".")
        is_head = module.isdigit() and rest.startswith("lin.")
        renamed[f"{int(module) + 1}.{rest}" if is_head else name] = value
    return renamed


def _read_model_config(
    folder: Path, values: Mapping[str, Any], weights: Mapping[str, Tensor], *, is_april: bool
) -> ModelConfig:
    options = _translate(values, _APRIL_NAMES if is_april else _AUGUST_NAMES)
    if isinstance(options.get("pred_stage_type"), str):
        options["pred_stage_type"] = options["pred_stage_type"].lower()
    has_stage = "0.conv1.weight" not in weights
    options["stage"] = _read_stage_config(folder)[1] if has_stage else None
    # above no stage the option had no effect
    options["eval_transformer"] = has_stage and options.get("eval_transformer", False)
    try:
        return ModelConfig.from_dict(dict(REFERENCE_MODEL) | options)
    except ConfigError as error:
        raise RunFolderError(f"{folder / CONFIG}: {error}") from error


def _read_stage_config(folder: Path) -> tuple[dict[str, Any], StageConfig]:
    path = folder / PRETRAIN_CONFIG
    values = read_json(path)
    if not isinstance(values, dict):
        raise RunFolderError(f"{path}: {type(values).__name__}; expected an object")
    options = _translate(values, _APRIL_STAGE_NAMES if "rnn_type" in values else _AUGUST_STAGE_NAMES)
    if isinstance(options.get("pretrain_model"), str):
        options["pretrain_model"] = options["pretrain_model"].lower()
    try:
        return values, StageConfig.from_dict(options)
    except ConfigError as error:
        raise RunFolderError(f"{path}: {error}") from error


def _translate(values: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Options under this program's names; those that are not there keep their defaults."""
    return {own: values[theirs] for own, theirs in names.items() if theirs in values}


def _april_rule(path: Path, threshold: object) -> AprilRule:
    if not isinstance(threshold, np.ndarray) or threshold.dtype != np.float64:
        raise RunFolderError(f"{path}: threshold is {type(threshold).__name__}; expected an array of float64")
    try:
        return AprilRule(thresholds=threshold)
    except ConfigError as error:
        raise RunFolderError(f"{path}: {error}") from error


def read_mapping(folder: Path) -> OutputMapping:
    """What out_layer.txt says; raises RunFolderError where it is missing or not understood."""
    path = folder / OUT_LAYER
    try:
        return parse_mapping(_read_text(path), where=str(path))
    except ConfigError as error:
        raise RunFolderError(str(error)) from error


def _august_rule(folder: Path, values: Mapping[str, Any], mapping: OutputMapping) -> AugustRule:
    options = {
        name: values[name]
        for name in ("combination_strategy", "scale_by_n_predictions", "predict_before_collapse")
        if name in values
    }
    factors = options.get("scale_by_n_predictions")
    if factors is not None:
        if not isinstance(factors, list) or not all(isinstance(factor, int | float) for factor in factors):
            raise RunFolderError(f"{folder / CONFIG}: scale_by_n_predictions is {factors!r}; expected numbers")
        options["scale_by_n_predictions"] = tuple(map(float, factors))
    try:
        return AugustRule(mapping=mapping, correction=read_correction(folder), **options)
    except ConfigError as error:
        raise RunFolderError(f"{folder}: {error}") from error


def read_correction(folder: Path) -> NDArray[np.float64]:
    """The factors in correction_factor.txt, float64 (output,); raises RunFolderError where they cannot be had."""
    path = folder / CORRECTION
    words = _read_text(path).replace(",", " ").split()
    try:
        numbers = np.array([float(word) for word in words])
    except ValueError as error:
        raise RunFolderError(f"{path}: {error}; expected one number a line") from None
    if not np.isfinite(numbers).all():
        raise RunFolderError(f"{path}: a factor is not finite; expected one number a line")
    return numbers


def _read_text(path: Path) -> str:
    try:
        return read_small_text(path)
    except FileNotFoundError:
        raise RunFolderError(
            f"{path}: missing; expected a run folder made by train, or by the reference system"
        ) from None
    except (OSError, ValueError) as error:
        raise RunFolderError(f"{path}: cannot be read ({error})") from error


_TRAINING_NAMES = {
    "seed": "seed",
    "epochs": "epochs",
    "batch_size": "batch_size",
    "valid_batch_size": "valid_batch_size",
    "lr": "lr",
    "milestones": "milestones",
    "lr_factor": "lr_factor",
    "valid_split": "valid_split",
    "finetuning": "finetuning",
    "combination_strategy": "combination_strategy",
    "predict_before_collapse": "predict_before_collapse",
    "scale_by_rank": "scale_by_n_predictions",
}


def translate_training(folder: Path, values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Fields of a training and of its model that a config.json of the reference system states.

    Raises
    ------
    RunFolderError
        If it is of the April generation, whose eight fixed outputs this program does not train.
    """
    if "net_seq_lengh" in values:
        raise RunFolderError(
            f"{folder / CONFIG}: of the April generation of the reference system, which can be predicted with but not "
            "trained; expected one of August, or none: choose another --folder"
        )
    train = _translate(values, _TRAINING_NAMES)
    train["shuffle"] = not values.get("dont_shuffle", False)
    n_total = values.get("n_total", -1)
    train["n_total"] = n_total if isinstance(n_total, int) and n_total > 0 else None
    model = _translate(values, _AUGUST_NAMES)
    if isinstance(model.get("pred_stage_type"), str):
        model["pred_stage_type"] = model["pred_stage_type"].lower()
    return train, model
