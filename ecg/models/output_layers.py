"""What logits mean: the loss they are trained with and the scores they become."""

import torch
from torch import Tensor
from torch.nn import functional


class SigmoidLayer:
    """Every class for itself: score = sigmoid(logit), loss = binary cross-entropy."""

    name = "sigmoid"

    def compute_loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Mean over (window, class) of the binary cross-entropy; labels are 0.0 or 1.0."""
        return functional.binary_cross_entropy_with_logits(logits, labels)

    def compute_scores(self, logits: Tensor) -> Tensor:
        """(window, class) scores between 0 and 1, float32."""
        return torch.sigmoid(logits.float())
