"""An exponential moving average of a network's weights, which is validated and kept in the network's place.

Source: Polyak and Juditsky 1992; with the decay rising from nothing, as in Tarvainen and Valpola 2017.
"""

import copy
from typing import Any

import torch
from torch import Tensor, nn


class WeightAverage:
    """The average, as a network of its own.

    After update t the old average counts min(decay, (1 + t) / (10 + t)), the network's weights the rest; so it is no
    memory of the first, random weights. Running statistics of batch norm are averaged as weights are; counters are
    copied.

    Parameters
    ----------
    network : is followed; on its device
    decay : 0 to 1; an average of 0.99 reaches about a hundred steps back
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.n_updates = 0
        self.network = copy.deepcopy(network).requires_grad_(False)
        pairs = list(zip(_tensors(self.network), _tensors(network), strict=True))
        self._pairs = [pair for pair in pairs if pair[0].is_floating_point()]
        self._counters = [pair for pair in pairs if not pair[0].is_floating_point()]

    @torch.no_grad()
    def update(self) -> None:
        """Take the network's present weights in."""
        decay = min(self.decay, (1 + self.n_updates) / (10 + self.n_updates))
        mine, theirs = ([pair[side] for pair in self._pairs] for side in (0, 1))
        torch._foreach_lerp_(mine, theirs, 1 - decay)
        for own, other in self._counters:
            own.copy_(other)
        self.n_updates += 1

    def state_dict(self) -> dict[str, Any]:
        """What a continued run needs."""
        return {"network": self.network.state_dict(), "n_updates": self.n_updates}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take it over."""
        self.network.load_state_dict(state["network"])
        self.n_updates = int(state["n_updates"])


def _tensors(network: nn.Module) -> list[Tensor]:
    return [*network.parameters(), *network.buffers()]
