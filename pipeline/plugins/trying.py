"""A plugin tried once on a few windows of noise, before anybody waits for it: what it gives must be of use.

Torch's own random numbers are left as they were.
"""

import torch
from torch import Tensor, nn

from ecg12.ecg.errors import PluginError
from ecg12.ecg.models.output_layers import OutputLayer
from ecg12.ecg.models.plugin_parts import ChangeWindows, GivenLayer, change_windows

N_WINDOWS = 3


def try_network(network: nn.Module, name: str, n_channels: int, window_length: int) -> None:
    """Let a network answer, in eval mode, on its device.

    Raises
    ------
    PluginError
        If it does not give one row of finite logits for each window.
    """
    values = next(network.parameters(), None)
    if values is None:
        raise PluginError(f"model {name} has no parameters; expected a network that can be trained")
    x = _noise(N_WINDOWS, n_channels, window_length).to(values.device)
    was_training = network.training
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        logits = network.eval()(x)
    network.train(was_training)
    if len(logits) != N_WINDOWS:
        raise PluginError(f"model {name} gives {len(logits)} rows of logits for {N_WINDOWS} windows; expected one each")
    _require_finite(logits, f"model {name}", "logits")


def try_augmentation(name: str, change: ChangeWindows, n_leads: int, window_length: int, fs: float) -> None:
    """Let an augmentation change windows; raises PluginError if that gives another shape, or what is no number."""
    signal = _noise(N_WINDOWS, n_leads, window_length)
    with torch.random.fork_rng(devices=[]):
        changed = change_windows(name, change, signal, fs=fs, seed=1)
    _require_finite(changed, f"augmentation {name}", "samples")


def try_loss(layer: OutputLayer, what: str, n_outputs: int) -> None:
    """Let a layer give a loss and its gradient; raises PluginError if it is no number that depends on the logits."""
    logits = _noise(N_WINDOWS, n_outputs).requires_grad_()
    labels = (torch.arange(N_WINDOWS * n_outputs).reshape(N_WINDOWS, n_outputs) % 2).float()
    with torch.random.fork_rng(devices=[]):
        loss = layer.compute_loss(logits, labels)
    _require_finite(loss.detach(), what, "a loss")
    if not loss.requires_grad:
        raise PluginError(f"{what} gives a loss without a gradient; expected one that follows from the logits in torch")
    (gradient,) = torch.autograd.grad(loss, logits, allow_unused=True)
    if gradient is None:
        raise PluginError(f"{what} gives a loss that does not depend on the logits; expected one that does")
    _require_finite(gradient, what, "gradients of a loss")


def try_output_layer(layer: GivenLayer, n_outputs: int) -> None:
    """Let an output layer give scores, and its loss; raises PluginError if scores are not between 0 and 1."""
    scores = layer.compute_scores(_noise(N_WINDOWS, n_outputs))
    what = f"output layer {layer.name}"
    _require_finite(scores, what, "scores")
    if float(scores.min()) < 0 or float(scores.max()) > 1:
        raise PluginError(
            f"{what} gives scores from {float(scores.min()):.3g} to {float(scores.max()):.3g}; expected 0 to 1"
        )
    if len(scores) != N_WINDOWS:
        raise PluginError(f"{what} gives {len(scores)} rows of scores for {N_WINDOWS} windows; expected one each")
    try_loss(layer, what, n_outputs)


def _require_finite(values: Tensor, what: str, which: str) -> None:
    if not bool(torch.isfinite(values).all()):
        raise PluginError(f"{what} gives {which} with NaN or infinite values on windows of noise")


def _noise(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))
