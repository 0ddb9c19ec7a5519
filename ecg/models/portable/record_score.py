"""The scores that a record gets, as a differentiable function of its windows.

Gradients go through everything within a window, and through the state of a recurrent head. What a stage below
remembers of the windows before (transformer-XL) is taken as it was with the record as it is.
"""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ecg12.ecg.decisions.score_terms import ScoreTerms
from ecg12.ecg.models.networks.carried_state import remembering_stage
from ecg12.ecg.models.networks.heads import RecurrentHead
from ecg12.ecg.models.networks.transformer_xl import Memory
from ecg12.ecg.models.output_layers import OutputLayer

PIECE_WINDOWS = 8
"""Windows whose intermediate results are held at once; those of other windows are calculated again when needed."""


class RecordScore:
    """Scores of some classes of one record, by one model, as prediction gives them.

    Parameters
    ----------
    network : of `ecg.models.build`, in eval mode
    output_layer, correction : from logits to corrected scores of outputs; correction has shape (output,)
    pooling : "mean", "max" or "last", over a record's windows
    terms : from pooled outputs to each class's score
    """

    def __init__(
        self,
        network: nn.Module,
        output_layer: OutputLayer,
        correction: NDArray[np.float64],
        pooling: str,
        terms: Sequence[ScoreTerms],
    ) -> None:
        last = network[-1] if isinstance(network, nn.Sequential) else None
        self._head = last if isinstance(last, RecurrentHead) else None
        self._body = network if self._head is None else network[:-1]  # type: ignore[index]
        self._stage = remembering_stage(network)
        self._layer, self._pooling = output_layer, pooling
        self._correction = torch.from_numpy(np.asarray(correction, np.float32))
        self._terms = [
            [
                (torch.from_numpy(constants).float(), torch.from_numpy(coefficients).float())
                for constants, coefficients in zip(one.constants, one.coefficients, strict=True)
            ]
            for one in terms
        ]
        # cuDNN's recurrent nets have no gradient outside training
        self._recurrent = any(isinstance(module, nn.RNNBase) for module in network.modules())

    def __call__(self, x: Tensor) -> Tensor:
        """(window, channel, sample), all of a record → (class,)."""
        return self._score(self._features(x))

    def of_windows(self, x: Tensor) -> Tensor:
        """(window, class): what each window says, among the others if the model remembers."""
        outputs = self._outputs(self._features(x))
        return torch.stack([self._classes(one) for one in outputs])

    def with_fixed(self, x: Tensor, free: Tensor) -> Callable[[Tensor], Tensor]:
        """The record's scores as a function of some of its windows, int64 (free,), while the others are as in x."""
        if self._stage is None and len(free) == len(x):
            return self
        with torch.no_grad():
            memories = self._memories(x)
            fixed = self._features(x, memories)
        own = None if memories is None else [memories[place] for place in free.tolist()]
        return lambda windows: self._score(fixed.index_copy(0, free, self._features(windows, own)))

    def _memories(self, x: Tensor) -> list[Memory | None] | None:
        """What the stage remembers at each window, if it does; x: all of a record."""
        if self._stage is None:
            return None
        found: list[Memory | None] = [None]
        for window in x[:-1].split(1):
            found.append(self._stage.step(window, found[-1])[1])
        return found

    def _features(self, x: Tensor, memories: Sequence[Memory | None] | None = None) -> Tensor:
        """What the head takes, or logits where it does not remember: (window, …).

        memories : the stage's, at each window; None calculates them, of the whole record that x is
        """
        if self._stage is not None:
            with torch.no_grad():
                memories = self._memories(x) if memories is None else memories
            pairs = zip(x.split(1), memories or (), strict=True)
            rest = self._body[1:]  # type: ignore[index]
            return torch.cat([rest(self._stage.step(window, memory)[0]).float() for window, memory in pairs])
        with torch.backends.cudnn.flags(enabled=torch.backends.cudnn.enabled and not self._recurrent):
            pieces = x.split(PIECE_WINDOWS)
            again = len(pieces) > 1 and torch.is_grad_enabled() and x.requires_grad
            run = partial(checkpoint, self._body, use_reentrant=False) if again else self._body
            return torch.cat([run(piece).float() for piece in pieces])

    def _score(self, features: Tensor) -> Tensor:
        outputs = self._outputs(features)
        if self._pooling == "max":
            return self._classes(outputs.amax(dim=0))
        return self._classes(outputs.mean(dim=0) if self._pooling == "mean" else outputs[-1])

    def _outputs(self, features: Tensor) -> Tensor:
        """Corrected scores, (window, output)."""
        logits = features if self._head is None else _over_time(self._head, features)
        return self._layer.compute_scores(logits) * self._correction.to(logits.device)

    def _classes(self, outputs: Tensor) -> Tensor:
        """(output,) → (class,)."""
        found = []
        for products in self._terms:
            of_code = [(c.to(outputs) + a.to(outputs) @ outputs).prod() for c, a in products]
            found.append(torch.stack(of_code).mean())
        return torch.stack(found)


def _over_time(head: RecurrentHead, x: Tensor) -> Tensor:
    """Logits of all windows of one record, as `RecurrentHead.over_records`, with gradients across windows.

    x: (window, filters, positions).
    """
    over_time = x.transpose(1, 2)  # (window, position, filter)
    with torch.backends.cudnn.flags(enabled=False):
        hidden, _ = head.rnn(over_time.reshape(1, -1, over_time.shape[2]))
    hidden = hidden.view(*over_time.shape[:2], -1)
    return head.linear((hidden + head.skip_connection(over_time)).flatten(1))
