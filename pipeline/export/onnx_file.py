"""ONNX: a portable model as bytes of one file, and a session of onnxruntime that runs it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ecg12.ecg.errors import ConfigError
from ecg12.ecg.models.portable.onnx_parts import to_onnx_parts
from ecg12.ecg.models.portable.whole_model import OUTPUTS, PortableModel
from ecg12.ecg.patient_features import N_PATIENT_FEATURES
from ecg12.pipeline.export.exported_program import Answer, Runner, dynamic_axes, example_inputs, quietly

PACKAGES = ("onnx", "onnxscript", "onnxruntime")
OPSET = 20


def to_onnx(portable: PortableModel, metadata: Mapping[str, str]) -> bytes:
    """The file's contents: one graph with its weights, inputs with defaults, and the metadata.

    An input that need not be given has an initialiser of one value of its name, which runtimes take in its place.
    """
    config = portable.config
    n_channels = len(config.leads) + (N_PATIENT_FEATURES if config.patient else 0)
    network = portable.network
    portable.network = to_onnx_parts(network, n_channels, config.window_length)  # type: ignore[assignment]
    try:
        with quietly(), torch.no_grad():
            program = torch.onnx.export(
                portable,
                example_inputs(portable),
                dynamo=True,
                verbose=False,
                opset_version=OPSET,
                input_names=[one.name for one in portable.inputs],
                output_names=list(OUTPUTS),
                dynamic_shapes=dynamic_axes(portable),
            )
    finally:
        portable.network = network
    if program is None:
        raise ConfigError("torch.onnx gave no program; expected one")
    return _finish(program.model_proto, portable, metadata)


def _finish(proto: Any, portable: PortableModel, metadata: Mapping[str, str]) -> bytes:  # noqa: ANN401
    import onnx
    from onnx import helper, numpy_helper

    for given, one in zip(proto.graph.input, portable.inputs, strict=True):
        if one.default is not None:
            # an axis of its own, for a single value stands for all records
            given.type.tensor_type.shape.dim[0].dim_param = f"{one.name}s"
            proto.graph.initializer.append(
                numpy_helper.from_array(np.array([one.default], np.float32), name=given.name)
            )
    proto.producer_name, proto.producer_version = "ecg12", ""
    for part in (proto.graph, *proto.graph.node):
        part.ClearField("metadata_props")  # where in which file of this machine it came from
        part.ClearField("doc_string")
    # shapes by which a runtime would take a single value's for that of all records; it finds them out by itself
    proto.graph.ClearField("value_info")
    helper.set_model_props(proto, dict(metadata))
    onnx.checker.check_model(proto)
    return proto.SerializeToString(deterministic=True)


def run_onnx(path: Path) -> Runner:
    """A runner of a file, on the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def run(inputs: Mapping[str, NDArray[np.float32]]) -> Answer:
        scores, labels = session.run(list(OUTPUTS), dict(inputs))
        return scores, labels

    return run
