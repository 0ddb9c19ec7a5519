"""What every exported program has in common: a plugin that cannot be exported is said in a line, ours is a fault."""

import sys

import pytest
import torch
from torch import nn

from ecg12.ecg.errors import PluginError
from ecg12.ecg.models.config.model import ModelConfig
from ecg12.pipeline.export.exported_program import following


class Portable(nn.Module):
    """As much of a portable model as is looked at."""

    def __init__(self, model: str) -> None:
        super().__init__()
        self.config, self.output_layer = ModelConfig(model=model), object()


def fail() -> None:
    print("the whole graph")
    print("the whole graph", file=sys.stderr)
    try:
        torch.ones(2).reshape(3)
    except RuntimeError as error:
        raise ValueError("step 1 of 3") from error


def test_a_plugin_is_named_with_the_root_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(PluginError, match=r"model a:B cannot be exported as onnx: .*RuntimeError: .*ends in \.pt2"):
        with following(Portable("a:B"), "onnx"):  # type: ignore[arg-type]
            fail()
    assert capsys.readouterr() == ("", "")


def test_what_is_ours_passes() -> None:
    with pytest.raises(ValueError, match="step 1 of 3"), following(Portable("resnet1d"), "onnx"):  # type: ignore[arg-type]
        fail()


def test_a_full_disk_is_no_fault_of_a_plugin() -> None:
    with pytest.raises(OSError, match="full"), following(Portable("a:B"), "torch"):  # type: ignore[arg-type]
        raise OSError("full")
