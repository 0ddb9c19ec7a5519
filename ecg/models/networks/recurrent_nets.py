"""Recurrent nets, which run in half precision where the processor can."""

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from ecg12.ecg.errors import ConfigError


class Lstm(nn.LSTM):
    """torch's LSTM; in float32 where autocast asks for a precision that the processor's LSTM has not got.

    Torch's own raises there: oneDNN has no LSTM in bfloat16 for processors without AVX-512, though it has everything
    else.
    """

    def forward(self, x: Tensor, state: Any = None) -> Any:  # type: ignore[override]  # noqa: ANN401 - as torch has it
        """As `torch.nn.LSTM`."""
        device = x.device.type
        if not torch.is_autocast_enabled(device) or has_half_lstm(device, torch.get_autocast_dtype(device)):
            return super().forward(x, state)
        with torch.autocast(device, enabled=False):
            return super().forward(x.float(), state)


@cache
def has_half_lstm(device: str, dtype: torch.dtype) -> bool:
    """Whether an LSTM runs forward and back under autocast to `dtype`; tried, once, for no flag of a processor says."""
    if device != "cpu":
        return True
    with torch.random.fork_rng(devices=[]), torch.enable_grad(), torch.inference_mode(False):
        net, x = nn.LSTM(4, 4, batch_first=True), torch.zeros(2, 3, 4)
        try:
            with torch.autocast(device, dtype):
                net(x)[0].float().sum().backward()
        except RuntimeError:
            return False
    return True


def keeps_float32(net: nn.Module, device: str, dtype: torch.dtype) -> bool:
    """Whether LSTM layers of a net stay in float32 when it runs under autocast to `dtype`."""
    return any(isinstance(part, Lstm) for part in net.modules()) and not has_half_lstm(device, dtype)


def recurrent_net(kind: str, n_inputs: int, hidden_size: int, n_layers: int, dropout: float = 0.0) -> nn.RNNBase:
    """A recurrent net over (row, time, input); dropout lies between its layers, so one layer has none.

    Raises
    ------
    ConfigError
        If there is no such kind.
    """
    nets: dict[str, Callable[..., nn.RNNBase]] = {"rnn": nn.RNN, "lstm": Lstm, "gru": nn.GRU}
    if kind not in nets:
        raise ConfigError(f"recurrent net {kind!r}; expected {', '.join(nets)}")
    return nets[kind](n_inputs, hidden_size, n_layers, batch_first=True, dropout=dropout if n_layers > 1 else 0.0)
