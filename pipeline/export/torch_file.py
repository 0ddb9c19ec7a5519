"""Formats of torch's own world: a program that torch.export made (.pt2), and weights as safetensors."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ecg12.ecg.errors import ConfigError
from ecg12.ecg.models.config.model import ModelConfig
from ecg12.ecg.models.config.option_names import RECURRENT_KINDS
from ecg12.ecg.models.portable.whole_model import PortableModel
from ecg12.pipeline.export.exported_program import Answer, Runner, dynamic_axes, example_inputs, quietly

EXTRA = "ecg12.json"
"""What the metadata is called inside a .pt2 file."""


def check_exportable(config: ModelConfig, *, recordings: bool) -> None:
    """Raise ConfigError for what torch.export cannot follow, and ONNX can: it goes through recurrent nets step by step.

    Sixteen positions of a recurrent head are no trouble; 4,096 samples would take many minutes, and a number of
    windows that is not known cannot be followed at all.
    """
    stage = config.stage
    if stage is not None and (stage.pretrain_model in RECURRENT_KINDS or _has_lstm_context(config)):
        raise ConfigError(
            f"pretrained stage {stage.pretrain_model}: torch.export follows a recurrent net sample by sample, which "
            "takes longer than anyone waits; expected another net, or a file that ends in .onnx"
        )
    if recordings and config.has_recurrent_head:
        raise ConfigError(
            f"head {config.pred_stage_type}: torch.export fixes how many windows a recurrent net reads; expected "
            "windows instead of recordings, or a file that ends in .onnx"
        )


def _has_lstm_context(config: ModelConfig) -> bool:
    return config.stage is not None and (config.stage.pretrain_model, config.stage.context) == ("cpc", "lstm")


def to_program(portable: PortableModel) -> torch.export.ExportedProgram:
    """The model as torch.export has it, for any number of records."""
    with quietly(), torch.no_grad():
        return torch.export.export(portable, example_inputs(portable), dynamic_shapes=dynamic_axes(portable))


def write_program(program: torch.export.ExportedProgram, path: Path, metadata: Mapping[str, str]) -> None:
    """Write a .pt2 file, the metadata in it as `ecg12.json`."""
    text = json.dumps(dict(metadata), ensure_ascii=False)
    with quietly(), path.open("wb") as file:
        torch.export.save(program, file, extra_files={EXTRA: text})


def run_program(path: Path, portable: PortableModel) -> Runner:
    """A runner of a .pt2 file; inputs that are not given are `portable`'s defaults."""
    with quietly():
        module = torch.export.load(path).module()

    def run(inputs: Mapping[str, NDArray[np.float32]]) -> Answer:
        n_records = len(inputs["signal"])
        given = [
            torch.from_numpy(inputs[one.name])
            if one.name in inputs
            else torch.full((n_records,), one.default if one.default is not None else torch.nan)
            for one in portable.inputs
        ]
        with torch.inference_mode():
            scores, labels = module(*given)
        return scores.numpy(), labels.numpy()

    return run


def write_safetensors(network: torch.nn.Module, path: Path, metadata: Mapping[str, str]) -> None:
    """Write a network's weights under the run folder's own names, the metadata in the file's header."""
    from safetensors.torch import save

    weights = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    partial = path.with_name(f"{path.name}.partial")
    try:
        partial.write_bytes(save(weights, metadata=dict(metadata)))
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
