"""Which parameters are moved how far: each block of a pretrained stage less than the one above it, and what a module
says is `undecayed`, such as a state space's own constants, without decay.
"""

from collections.abc import Iterator
from typing import Any, Protocol, runtime_checkable

from torch import nn

from ecg12.ecg.models.stages import NEW_LAYERS


@runtime_checkable
class KeepsParameters(Protocol):
    """A module some of whose parameters take no weight decay."""

    def undecayed(self) -> list[nn.Parameter]:
        """Which."""


Groups = Iterator[nn.Parameter] | list[dict[str, Any]]


def group_parameters(network: nn.Module, *, lr: float, layer_decay: float = 1.0) -> Groups:
    """What an optimiser takes: all parameters alike, or groups of those that are to be trained.

    Parameters
    ----------
    network : with a pretrained stage in front where `layer_decay` is not 1
    lr : of what is new
    layer_decay : rate of each of the stage's blocks over that of the block above it
    """
    keepers = [module for module in network.modules() if isinstance(module, KeepsParameters)]
    if layer_decay == 1 and not keepers:
        return network.parameters()
    kept = {id(values) for keeper in keepers for values in keeper.undecayed()}
    depths = stage_depths(network) if layer_decay != 1 else {}
    groups: dict[tuple[int, bool], list[nn.Parameter]] = {}
    for name, values in network.named_parameters():
        if values.requires_grad:
            groups.setdefault((depths.get(name, 0), id(values) in kept), []).append(values)
    return [
        {"params": groups[depth, keeps], "lr": lr * layer_decay**depth} | ({"weight_decay": 0.0} if keeps else {})
        for depth, keeps in sorted(groups)
    ]


def stage_depths(network: nn.Module) -> dict[str, int]:
    """How deep each parameter of a network above a pretrained stage lies, by name.

    0 for all that is new, 1 for the stage's last block, and so on down to its input; embeddings that belong to no block
    lie beside the input.
    """
    blocks = network[0].blocks()  # type: ignore[index]
    depth_of = {
        id(values): len(blocks) - number for number, block in enumerate(blocks) for values in block.parameters()
    }
    depths = {}
    for name, values in network.named_parameters():
        module, _, rest = name.partition(".")
        is_new = module != "0" or rest.startswith(NEW_LAYERS)
        depths[name] = 0 if is_new else depth_of.get(id(values), len(blocks))
    return depths
