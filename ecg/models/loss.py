"""The sigmoid's loss with its classes weighted and its labels softened.

The challenge metric does not count every class alike, and what a miss costs follows from its weights: who misses class
i and calls the record normal keeps w(i, normal) of the w(i, i) = 1 that was to be had, so 1 - w(i, normal) is lost.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ecg12.ecg.labels.snomed import NORMAL_INDEX, SCORED_CLASSES, WEIGHTS, representative
from ecg12.ecg.models.output_layers import SigmoidLayer


class WeightedSigmoid(SigmoidLayer):
    """A sigmoid layer with another loss.

    Parameters
    ----------
    weights : float array, shape (class,), each class's share in the loss, 1 in the mean; None for all alike
    smoothing : labels go from 0 and 1 by half of this towards each other
    """

    def __init__(self, weights: NDArray[np.float64] | None, smoothing: float) -> None:
        self.weights = None if weights is None else torch.from_numpy(weights.astype(np.float32))
        self.smoothing = smoothing

    def compute_loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Weighted mean over (window, class) of the binary cross-entropy with softened labels."""
        softened = labels * (1 - self.smoothing) + self.smoothing / 2
        weights = None if self.weights is None else self.weights.to(logits.device)
        return functional.binary_cross_entropy_with_logits(logits, softened, weights)


def metric_weights(codes: Sequence[str | None]) -> NDArray[np.float64]:
    """What each class counts by the challenge metric, 1 in the mean.

    Parameters
    ----------
    codes : of each output; one that is not scored, or None, counts as much as the mean of those that are

    Returns
    -------
    float64 array, shape (output,). The normal class itself, which nothing is lost against, counts as the mean, too.
    """
    lost = 1 - WEIGHTS[:, NORMAL_INDEX]
    lost[NORMAL_INDEX] = np.delete(lost, NORMAL_INDEX).mean()
    of_code = dict(zip(SCORED_CLASSES, lost, strict=True))
    weights = np.array([np.nan if code is None else of_code.get(representative(code), np.nan) for code in codes])
    weights = np.where(np.isnan(weights), lost.mean(), weights)
    return weights / weights.mean()
