"""One epoch: a pass over the training windows, then the official scores of the validation records."""

import hashlib
import math
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from cache.reader import Store
from ecg.errors import TrainingError
from ecg.metric import compute_scores, fit_thresholds
from ecg.models.output_layers import SigmoidLayer
from ecg.snomed import SCORED_CLASSES
from pipeline.batches import WindowBatches
from pipeline.inference import compute_logits, pool_scores, to_input
from pipeline.progress import Progress
from pipeline.train_config import TrainConfig

OFFICIAL_FIGURES = ("challenge_metric", "auroc", "auprc", "accuracy", "f_measure", "f_beta", "g_beta")


@dataclass(kw_only=True, slots=True)
class TrainState:
    """All that changes from epoch to epoch."""

    network: nn.Module
    optimizer: torch.optim.Optimizer
    scheduler: LambdaLR
    next_epoch: int = 0
    best_epoch: int = -1
    best_metric: float = -math.inf
    history: list[dict[str, Any]] = field(default_factory=list)

    def checkpoint(self, epoch: int) -> dict[str, Any]:
        return {
            "epoch": epoch,
            "model": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
        }


def compute_learning_rate(step: int, n_steps: int) -> float:
    """Share of the highest learning rate at a step: linear over the first tenth, then a cosine to zero.

    Source: Smith and Topin 2019 (one cycle), with the cosine of Loshchilov and Hutter 2017.
    """
    warm_up = max(1, n_steps // 10)
    if step < warm_up:
        return (step + 1) / warm_up
    return 0.5 * (1 + math.cos(math.pi * (step - warm_up) / max(1, n_steps - warm_up)))


def train_epoch(
    state: TrainState,
    epoch: int,
    config: TrainConfig,
    batches: WindowBatches,
    device: torch.device,
    progress: Progress,
) -> dict[str, float]:
    """One pass over the training windows; every random choice in it follows from seed and epoch."""
    torch.manual_seed(config.seed * 1_000_003 + epoch)
    state.network.train()
    batches.set_epoch(epoch)
    output_layer = SigmoidLayer()
    total, n_windows, begun = 0.0, 0, time.perf_counter()
    with progress(f"epoch {epoch + 1}/{config.epochs}", batches.n_windows, "windows") as task:
        for batch in batches:
            if len(batch) == 1:
                continue  # batch norm cannot learn from a single window
            logits = state.network(to_input(batch, device, config.model.normalisation))
            loss = output_layer.compute_loss(logits[batch.counted], batch.label[batch.counted])
            value = float(loss.item())
            if not math.isfinite(value):
                names = batches.store.ids[np.unique(batch.record.cpu().numpy())]
                raise TrainingError(
                    f"epoch {epoch + 1}: the loss is {value} on records {', '.join(names)}; the weights of the epoch "
                    "before are kept: look at these records, or try a smaller --lr"
                )
            state.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            state.optimizer.step()
            state.scheduler.step()
            total += value * len(batch)
            n_windows += len(batch)
            waiting = batches.waited_s / (time.perf_counter() - begun)
            task.advance(len(batch), loss=total / n_windows, waiting=f"{waiting:.1%}")
    seconds = time.perf_counter() - begun
    return {
        "train_loss": total / max(n_windows, 1),
        "lr": float(state.scheduler.get_last_lr()[0]),
        "windows_per_second": round(n_windows / seconds, 1),
        "waiting": round(batches.waited_s / seconds, 4),
    }


def validate(
    state: TrainState,
    store: Store,
    config: TrainConfig,
    batches: WindowBatches,
    device: torch.device,
) -> tuple[dict[str, float], NDArray[np.float64]]:
    """Loss and official scores of the validation records (NaN if there are none), and fitted thresholds."""
    truth_of_row = store.column("label/scored")
    figures: dict[str, float] = dict.fromkeys(("valid_loss", *OFFICIAL_FIGURES), math.nan)
    if not len(batches):
        return figures, np.full(len(SCORED_CLASSES), 0.5)
    logits, record = compute_logits(state.network, batches, normalisation=config.model.normalisation, device=device)
    label = torch.from_numpy(truth_of_row[record.cpu().numpy()].astype(np.float32)).to(device)
    figures["valid_loss"] = float(SigmoidLayer().compute_loss(logits, label))
    rows, scores = pool_scores(logits, record)
    truth = truth_of_row[rows]
    binary = decide_across_halves(truth, scores, store.column("record/group")[rows])
    official = compute_scores(truth, binary, scores)
    figures |= {name: getattr(official, name) for name in OFFICIAL_FIGURES}
    return figures, fit_thresholds(truth, scores)


def decide_across_halves(
    truth: NDArray[np.uint8], scores: NDArray[np.float64], groups: NDArray[np.object_]
) -> NDArray[np.bool_]:
    """Labels by thresholds that were fitted on other patients.

    The groups are halved by a hash of their names; each half is decided with the thresholds that maximise the
    challenge metric on the other, so that what is reported was never fitted on itself.

    Parameters
    ----------
    truth, scores : shape (record, class)
    groups : shape (record,)

    Returns
    -------
    bool array, shape (record, class)
    """
    half = np.array([hashlib.sha256(str(group).encode()).digest()[0] % 2 for group in groups], bool)
    binary = np.zeros(scores.shape, bool)
    for here in (half, ~half):
        there = ~here
        thresholds = fit_thresholds(truth[there], scores[there]) if there.any() else np.full(scores.shape[1], 0.5)
        binary[here] = scores[here] > thresholds
    return binary
