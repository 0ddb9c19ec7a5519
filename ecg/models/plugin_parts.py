"""Code from outside this program in the places of our own: a network, a loss, an output layer, a change to windows.

Each is held to its form wherever it is called, as far as that makes nobody wait; whatever it raises becomes one line
that names it. Where the code comes from is not known here.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ecg12.ecg.errors import EcgError, PluginError
from ecg12.ecg.models.config.model import ModelConfig
from ecg12.ecg.models.networks.half_precision_stage import HasPrecision
from ecg12.ecg.models.output_layers import OutputLayer
from ecg12.ecg.plugin_names import unpack_options

MakeNetwork = Callable[..., nn.Module]
"""Called with n_channels, n_outputs, window_length, fs and the model's own options, all by name."""

ChangeWindows = Callable[..., Tensor]
"""Called with float32 (window, lead, sample), and by name with fs and a generator of random numbers."""

GivenLoss = Callable[[Tensor, Tensor], Tensor]
"""Logits and labels, (window, output), to a scalar."""


@contextmanager
def calling(what: str) -> Iterator[None]:
    """Turn what a plugin raises into a PluginError that names it; our own errors, and a lack of memory, pass."""
    try:
        yield
    except (EcgError, MemoryError):
        raise
    except (Exception, SystemExit) as error:  # other people's code: whatever it is, it is one line to the user
        if isinstance(error, RuntimeError) and "memory" in str(error).lower():
            raise
        reason = " ".join(str(error).split()) or "no reason given"
        raise PluginError(f"{what} raised {type(error).__name__}: {reason[:300]}") from error


class GivenNetwork(HasPrecision, nn.Module):
    """A plugin's network among our own modules.

    Parameters
    ----------
    inner : (window, channel, sample) → (window, output) logits
    name : the plugin's
    n_patient : channels below the leads that tell of the patient
    """

    def __init__(self, inner: nn.Module, name: str, n_outputs: int, n_patient: int) -> None:
        super().__init__()
        self.inner, self.name, self.n_outputs, self.n_patient = inner, name, n_outputs, n_patient

    def forward(self, x: Tensor) -> Tensor:
        """x: float32 (window, channel, sample); in half precision it runs under torch's autocast."""
        with calling(f"model {self.name}"):
            if self.dtype is None:
                logits = self.inner(x)
            else:
                with torch.autocast(x.device.type, self.dtype):
                    logits = self.inner(x).float()
        if not isinstance(logits, Tensor) or logits.ndim != 2 or logits.shape[1] != self.n_outputs:
            raise PluginError(
                f"model {self.name} gives {_describe(logits)}; expected logits (window, output) with {self.n_outputs} "
                "outputs"
            )
        return logits


def make_network(
    config: ModelConfig, n_channels: int, n_outputs: int, make: MakeNetwork | None, *, n_patient: int
) -> GivenNetwork:
    """The network of a plugin's class, untrained.

    Raises
    ------
    PluginError
        If there is no class, it cannot be built, or gives no module.
    """
    if make is None:
        raise PluginError(f"model {config.model}: its code was not loaded; expected the class with it")
    options = unpack_options(config.model_options)
    with calling(f"model {config.model}, to be built with options {options or 'none'},"):
        inner = make(
            n_channels=n_channels, n_outputs=n_outputs, window_length=config.window_length, fs=config.fs, **options
        )
    if not isinstance(inner, nn.Module):
        raise PluginError(f"model {config.model} is built as {_describe(inner)}; expected a torch.nn.Module")
    return GivenNetwork(inner, config.model, n_outputs, n_patient)


class GivenLayer:
    """A plugin's output layer; `name` as it stands in out_layer.txt."""

    def __init__(self, name: str, inner: Any) -> None:  # noqa: ANN401 - checked where it was loaded
        self.name, self._inner = name, inner

    def compute_loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """A scalar; logits and labels are (window, output)."""
        with calling(f"output layer {self.name}"):
            loss = self._inner.compute_loss(logits, labels)
        return _as_scalar(loss, f"output layer {self.name}")

    def compute_scores(self, logits: Tensor) -> Tensor:
        """Float32 (window, output) scores."""
        with calling(f"output layer {self.name}"):
            scores = self._inner.compute_scores(logits)
        if not isinstance(scores, Tensor) or scores.ndim != 2 or scores.shape[1] != logits.shape[1]:
            raise PluginError(
                f"output layer {self.name} gives scores of {_describe(scores)}; expected the logits' shape, (window, "
                f"{logits.shape[1]})"
            )
        return scores.float()


class LayerWithLoss:
    """An output layer that is trained with a plugin's loss.

    Parameters
    ----------
    layer : gives the scores
    loss : (logits, labels) → a scalar
    """

    def __init__(self, layer: OutputLayer, name: str, loss: GivenLoss) -> None:
        self.name, self._layer, self._of, self._loss = layer.name, layer, name, loss

    def compute_loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """A scalar; logits and labels are (window, output)."""
        with calling(f"loss {self._of}"):
            loss = self._loss(logits, labels)
        return _as_scalar(loss, f"loss {self._of}")

    def compute_scores(self, logits: Tensor) -> Tensor:
        """The output layer's."""
        return self._layer.compute_scores(logits)


def change_windows(name: str, change: ChangeWindows, signal: Tensor, *, fs: float, seed: int) -> Tensor:
    """What a plugin's augmentation makes of windows.

    Parameters
    ----------
    signal : float32 (window, lead, sample)
    fs : Hz
    seed : of the generator that it gets, on the signal's device

    Raises
    ------
    PluginError
        If it raises anything, or gives another shape, type or device.
    """
    generator = torch.Generator(device=signal.device).manual_seed(seed)
    shape = signal.shape
    with calling(f"augmentation {name}"):
        changed = change(signal, fs=fs, generator=generator)
    if not isinstance(changed, Tensor) or changed.shape != shape or not changed.is_floating_point():
        raise PluginError(
            f"augmentation {name} gives {_describe(changed)}; expected the windows' own shape, {tuple(shape)}"
        )
    return changed.to(signal.device, torch.float32)


def _as_scalar(loss: Any, what: str) -> Tensor:  # noqa: ANN401 - whatever a plugin gives
    if not isinstance(loss, Tensor) or loss.ndim or not loss.is_floating_point():
        raise PluginError(f"{what} gives a loss of {_describe(loss)}; expected a scalar tensor, such as a mean")
    return loss


def _describe(value: Any) -> str:  # noqa: ANN401 - whatever a plugin gives
    if isinstance(value, Tensor):
        return f"shape {tuple(value.shape)} and type {str(value.dtype).removeprefix('torch.')}"
    return f"a {type(value).__name__}"
