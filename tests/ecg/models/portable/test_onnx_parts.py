"""Replaced parts of a network against the parts that they replace; recurrent nets by way of onnxruntime."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from ecg12.ecg.models.config.model import S4dConfig
from ecg12.ecg.models.networks.s4d import DiagonalStateSpace, S4dNet
from ecg12.ecg.models.portable.onnx_parts import KernelSpace, RecurrentOperator, to_onnx_parts
from ecg12.pipeline.export.exported_program import quietly

onnxruntime = pytest.importorskip("onnxruntime")


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("n_positions", [1, 7, 64])
def test_a_state_space_is_the_convolution_with_its_kernel(n_positions: int, bidirectional: bool) -> None:
    torch.manual_seed(1)
    space = DiagonalStateSpace(5, 4, bidirectional=bidirectional)
    x = torch.randn(3, 5, n_positions)
    with torch.inference_mode():
        torch.testing.assert_close(KernelSpace(space, n_positions)(x), space(x), atol=1e-5, rtol=1e-4)


def test_all_state_spaces_of_a_network_are_replaced_in_a_copy() -> None:
    net = S4dNet(S4dConfig(n_features=6, n_layers=2, n_state=4), 3).eval()
    replaced = to_onnx_parts(nn.Sequential(net), 3, 64)
    kinds = [type(module) for module in replaced.modules()]
    assert kinds.count(KernelSpace) == 2
    assert DiagonalStateSpace not in kinds
    assert any(isinstance(module, DiagonalStateSpace) for module in net.modules())
    x = torch.randn(2, 3, 64)
    with torch.inference_mode():
        torch.testing.assert_close(replaced(x), net(x), atol=1e-5, rtol=1e-4)


class Nets(nn.Module):
    """Each kind of recurrent net, side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.nets = nn.ModuleList(
            [
                nn.LSTM(3, 5, 2, batch_first=True),
                nn.GRU(3, 5, 2, batch_first=True),
                nn.RNN(3, 5, 2, batch_first=True),
            ]
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x: (row, time, input)."""
        return torch.cat([net(x)[0] for net in self.nets], dim=2)


def test_recurrent_nets_are_onnx_operators(tmp_path: Path) -> None:
    torch.manual_seed(2)
    nets = Nets().eval()
    replaced = Nets()
    replaced.nets = nn.ModuleList(RecurrentOperator(net) for net in nets.nets)
    axes = ({0: torch.export.Dim("row"), 1: torch.export.Dim("time")},)
    with quietly():
        program = torch.onnx.export(
            replaced, (torch.zeros(2, 4, 3),), dynamo=True, verbose=False, opset_version=20, dynamic_shapes=axes
        )
    kinds = [node.op_type for node in program.model_proto.graph.node]
    assert [kinds.count(kind) for kind in ("LSTM", "GRU", "RNN")] == [2, 2, 2]
    (tmp_path / "nets.onnx").write_bytes(program.model_proto.SerializeToString())
    session = onnxruntime.InferenceSession(tmp_path / "nets.onnx", providers=["CPUExecutionProvider"])
    x = torch.randn(4, 9, 3)
    (found,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    np.testing.assert_allclose(found, nets(x).detach(), atol=1e-6)
