"""What logits mean: the loss they are trained with and the scores they become.

Scores are probabilities, (window, output); labels have the same shape, 1.0 at what is there. A loss is the mean
over windows and decisions of the cross-entropy: of each output for itself (sigmoid), or of one choice among
several (the softmaxes).
"""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from ecg12.ecg.decisions.output_parts import SMALLEST_PROBABILITY, LayerPart
from ecg12.ecg.errors import PluginError


class OutputLayer(Protocol):
    """What training and prediction need of an output layer."""

    @property
    def name(self) -> str:
        """As it is written in out_layer.txt."""

    def compute_loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The loss, a scalar; logits and labels are (window, output)."""

    def compute_scores(self, logits: Tensor) -> Tensor:
        """Scores between 0 and 1, float32 (window, output)."""


class SigmoidLayer:
    """Every class for itself: score = sigmoid(logit), loss = binary cross-entropy."""

    name = "sigmoid"

    def compute_loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Mean over (window, class) of the binary cross-entropy; labels are 0.0 or 1.0."""
        return functional.binary_cross_entropy_with_logits(logits, labels)

    def compute_scores(self, logits: Tensor) -> Tensor:
        """(window, class) scores between 0 and 1, float32."""
        return torch.sigmoid(logits.float())


class SoftmaxLayer:
    """One of the classes or none: softmax over a logit of 0 for "none" and the classes' own."""

    name = "softmax"

    def compute_loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Mean over windows of -Σ label · log(score); "none" has the label that the classes leave of 1."""
        labels = torch.cat([1.0 - labels.sum(dim=1, keepdim=True), labels], dim=1)
        return functional.cross_entropy(_with_null(logits), labels)

    def compute_scores(self, logits: Tensor) -> Tensor:
        """(window, class) scores, without the one of "none"."""
        return torch.softmax(_with_null(logits.float()), dim=1)[:, 1:]


class StandardSoftmaxLayer:
    """One of the classes: softmax over their logits."""

    name = "standard_softmax"

    def compute_loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Mean over windows of -Σ label · log(score)."""
        return functional.cross_entropy(logits, labels)

    def compute_scores(self, logits: Tensor) -> Tensor:
        """(window, class) scores that sum to 1."""
        return torch.softmax(logits.float(), dim=1)


class ConvexSoftmaxLayer:
    """One of the classes, each with a probability of at least `SMALLEST_PROBABILITY`: see `floored_softmax`."""

    def __init__(self, n_outputs: int) -> None:
        self.name = f"cvx_softmax_{n_outputs}"

    def compute_loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Mean over windows of -Σ label · log(score); no gradient reaches a logit whose score is the smallest."""
        return -(labels * floored_softmax(logits).log()).sum(dim=1).mean()

    def compute_scores(self, logits: Tensor) -> Tensor:
        """(window, class) scores that sum to 1."""
        return floored_softmax(logits).float()


class NumberLayer:
    """Each output a number, which is centre + scale · logit; its score is the number itself.

    The loss is Huber's, of squares up to an error of one scale, so that a few numbers that are far off do not outweigh
    all others.
    """

    def __init__(self, part: LayerPart) -> None:
        self.name, self.centre, self.scale = part.name, part.centre, part.scale

    def compute_loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Mean over (window, output) of Huber's loss of the scaled error; labels are numbers."""
        return functional.smooth_l1_loss(logits, (labels - self.centre) / self.scale)

    def compute_scores(self, logits: Tensor) -> Tensor:
        """(window, output) numbers, float32."""
        return logits.float() * self.scale + self.centre


class ConcatLayer:
    """Several layers side by side, each over so many outputs."""

    def __init__(self, layers: Sequence[OutputLayer], parts: Sequence[LayerPart]) -> None:
        self.layers = tuple(layers)
        self.lengths = [part.n_outputs for part in parts]
        # a softmax decides once, a sigmoid once for each output, so that several of them are one long sigmoid
        self.n_decisions = [part.n_outputs if part.decides_each else 1 for part in parts]
        self.name = "concat:" + "-".join(f"{part.name}:{part.n_outputs}" for part in parts)

    def compute_loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Mean over decisions of the parts' losses."""
        pieces = zip(self.layers, logits.split(self.lengths, 1), labels.split(self.lengths, 1), strict=True)
        losses = [layer.compute_loss(own, truth) for layer, own, truth in pieces]
        weighted = [loss * n for loss, n in zip(losses, self.n_decisions, strict=True)]
        return torch.stack(weighted).sum() / sum(self.n_decisions)

    def compute_scores(self, logits: Tensor) -> Tensor:
        """(window, output) scores, each part by its own layer."""
        pieces = zip(self.layers, logits.split(self.lengths, 1), strict=True)
        return torch.cat([layer.compute_scores(own) for layer, own in pieces], dim=1)


def build_output_layer(parts: Sequence[LayerPart], given: OutputLayer | None = None) -> OutputLayer:
    """The output layer of `parts` (see `ecg.decisions.output_parts.parse_layer`); `given` is that of a plugin.

    Raises
    ------
    PluginError
        If it is a plugin's, and none is given.
    """
    if given is not None:
        return given
    if parts[0].is_plugin:
        raise PluginError(f"output layer {parts[0].name}: its code was not loaded; expected the class with it")
    layers = [_build_part(part) for part in parts]
    return layers[0] if len(layers) == 1 else ConcatLayer(layers, parts)


def _build_part(part: LayerPart) -> OutputLayer:
    if part.kind == "cvx_softmax":
        return ConvexSoftmaxLayer(part.n_outputs)
    if part.kind == "number":
        return NumberLayer(part)
    kinds: dict[str, type[SigmoidLayer] | type[SoftmaxLayer] | type[StandardSoftmaxLayer]] = {
        "sigmoid": SigmoidLayer,
        "softmax": SoftmaxLayer,
        "standard_softmax": StandardSoftmaxLayer,
    }
    return kinds[part.kind]()


def _with_null(logits: Tensor) -> Tensor:
    """A logit of 0 in front."""
    return torch.cat([torch.zeros_like(logits[:, :1]), logits], dim=1)


def floored_softmax(logits: Tensor, smallest: float = SMALLEST_PROBABILITY) -> Tensor:
    """The probabilities y = max(smallest, c · exp(logits)) with the c for which they sum to 1.

    That is the softmax's own optimum, max Σ (y · logits - y · log y), under y ≥ smallest. In descending order
    of the logits, let c_k be the c for which the first k are above the floor and the others on it:
    c_k = (1 - (n - k) · smallest) / Σ_{i ≤ k} exp(logit_i). The k-th is above it under c_k for every k up to
    the right one and for none after, because the sum grows with c; so c follows without iteration.

    Parameters
    ----------
    logits : (window, output), at most 1 / smallest outputs

    Returns
    -------
    float64 tensor of the same shape
    """
    logits = logits.double()
    n_outputs = logits.shape[1]
    # the largest is subtracted, which c makes up for
    powers = torch.exp(logits - logits.amax(dim=1, keepdim=True).detach())
    descending = powers.sort(dim=1, descending=True).values
    rank = torch.arange(1, n_outputs + 1, dtype=logits.dtype, device=logits.device)
    factor = (1.0 - (n_outputs - rank) * smallest) / descending.cumsum(dim=1)
    n_above = (factor * descending > smallest).sum(dim=1, keepdim=True).clamp(min=1)
    return (powers * factor.gather(1, n_above - 1)).clamp(min=smallest)
