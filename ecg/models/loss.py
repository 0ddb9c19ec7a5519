"""The sigmoid's loss with its classes weighted, its labels softened, or some of them not known.

The challenge metric does not count every class alike, and what a miss costs follows from its weights: who misses class
i and calls the record normal keeps w(i, normal) of the w(i, i) = 1 that was to be had, so 1 - w(i, normal) is lost.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ecg12.ecg.models.output_layers import SigmoidLayer
from ecg12.ecg.tasks.task import Task

LARGEST_BALANCE = 100.0
"""A class with fewer positives than one in so many gets no larger weight: a single record would drown all others."""


class WeightedSigmoid(SigmoidLayer):
    """A sigmoid layer with another loss.

    Parameters
    ----------
    weights : float array, shape (class,), each class's share in the loss, 1 in the mean; None for all alike
    smoothing : labels go from 0 and 1 by half of this towards each other
    of_positives : float array, shape (class,), weight of each class's positives over its negatives; None for 1
    some_unknown : labels may be NaN, which counts for nothing
    """

    def __init__(
        self,
        weights: NDArray[np.float64] | None,
        smoothing: float,
        *,
        of_positives: NDArray[np.float64] | None = None,
        some_unknown: bool = False,
    ) -> None:
        self.weights = None if weights is None else torch.from_numpy(weights.astype(np.float32))
        self.of_positives = None if of_positives is None else torch.from_numpy(of_positives.astype(np.float32))
        self.smoothing, self.some_unknown = smoothing, some_unknown

    def compute_loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Weighted mean over (window, class) of the binary cross-entropy with softened labels."""
        known = None
        if self.some_unknown:
            known = (~torch.isnan(labels)).to(logits.dtype)
            labels = torch.nan_to_num(labels)
        softened = labels * (1 - self.smoothing) + self.smoothing / 2
        weights = None if self.weights is None else self.weights.to(logits.device)
        positive = None if self.of_positives is None else self.of_positives.to(logits.device)
        loss = functional.binary_cross_entropy_with_logits
        if known is None:
            return loss(logits, softened, weights, pos_weight=positive)
        each = loss(logits, softened, weights, pos_weight=positive, reduction="none")
        return (each * known).sum() / known.sum().clamp(min=1)


def metric_weights(codes: Sequence[str | None], task: Task) -> NDArray[np.float64]:
    """What each class counts by the task's challenge metric, 1 in the mean.

    Parameters
    ----------
    codes : of each output; one that is not the task's, or None, counts as much as the mean of those that are

    Returns
    -------
    float64 array, shape (output,). The normal class itself, which nothing is lost against, counts as the mean, too.
    """
    assert task.metric is not None
    normal = task.metric.normal_index
    lost = 1 - task.metric.weights[:, normal]
    lost[normal] = np.delete(lost, normal).mean()
    of_code = dict(zip(task.codes, lost, strict=True))
    known = [np.nan if code is None else of_code.get(task.by_class.class_of(code), np.nan) for code in codes]
    weights = np.where(np.isnan(known), lost.mean(), known)
    return weights / weights.mean()


def balancing_weights(labels: NDArray[np.float32]) -> NDArray[np.float64]:
    """What a positive of each class counts, so that a class's positives weigh as much as its negatives.

    Parameters
    ----------
    labels : 0, 1 or NaN (not known), shape (record, class)

    Returns
    -------
    float64 array, shape (class,), 1 / `LARGEST_BALANCE` to `LARGEST_BALANCE`; 1 for a class without positives
    """
    positives, negatives = (labels == 1).sum(axis=0), (labels == 0).sum(axis=0)
    share = negatives / np.maximum(positives, 1)
    return np.where(positives > 0, np.clip(share, 1 / LARGEST_BALANCE, LARGEST_BALANCE), 1.0)
