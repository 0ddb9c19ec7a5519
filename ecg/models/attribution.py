"""How much each sample of each lead adds to a score: integrated gradients.

The leads are faded in from silence to what was recorded, and the score's gradient is averaged on the way; a sample's
value times that mean is its share. All shares add up to what the recording changes about the score, and a sample that
the score does not depend on gets none. Scaling a lead and its gradient alike changes nothing, so that it does not
matter whether samples are in millivolts or normalised.

Source: Sundararajan, Taly and Yan, "Axiomatic attribution for deep networks", ICML 2017.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

ClassScores = Callable[[Tensor], Tensor]
"""(window, channel, sample) of a record → (class,)."""


@dataclass(frozen=True, slots=True, eq=False)
class Attribution:
    """Shares of some classes' scores.

    Attributes
    ----------
    values : float32 tensor, shape (class, window, lead, sample)
    score : float32 tensor, shape (class,), of the windows as they are
    silent : the same with zeros in every lead
    """

    values: Tensor
    score: Tensor
    silent: Tensor

    @property
    def gap(self) -> Tensor:
        """What the shares lack of the change of the score, (class,): the error of the sum over steps."""
        return self.score - self.silent - self.values.sum(dim=(1, 2, 3))


def integrate_gradients(scores: ClassScores, x: Tensor, *, n_leads: int, n_steps: int) -> Attribution:
    """Integrated gradients on the straight line from silence to the windows.

    Parameters
    ----------
    scores : what is to be explained; differentiable
    x : float32 tensor, shape (window, channel, sample)
    n_leads : the first channels, which are faded in; the others stay as they are
    n_steps : points of a Gauss-Legendre rule; memory does not grow with them
    """
    with torch.no_grad():
        ends = [scores(_faded(x, share, n_leads)).float() for share in (1.0, 0.0)]
    nodes, weights = np.polynomial.legendre.leggauss(n_steps)
    total = x.new_zeros(len(ends[0]), len(x), n_leads, x.shape[2])
    for node, weight in zip(nodes.tolist(), weights.tolist(), strict=True):
        # the rule is for -1 to 1
        faded = _faded(x, (node + 1) / 2, n_leads)
        for of_class, gradient in zip(total, _gradients(scores, faded), strict=True):
            of_class.add_(gradient[:, :n_leads], alpha=weight / 2)
    return Attribution(total.mul_(x[:, :n_leads]), *ends)


def _faded(x: Tensor, share: float, n_leads: int) -> Tensor:
    return torch.cat([x[:, :n_leads] * share, x[:, n_leads:]], dim=1)


def _gradients(scores: ClassScores, x: Tensor) -> list[Tensor]:
    """Gradient of each class's score, in the shape of x."""
    with torch.enable_grad():
        found = scores(x.requires_grad_())
        last = len(found) - 1
        return [torch.autograd.grad(one, x, retain_graph=place < last)[0] for place, one in enumerate(found)]
