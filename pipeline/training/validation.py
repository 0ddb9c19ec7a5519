"""What a network is worth: loss and official scores of the validation records, and the thresholds fitted on them."""

import hashlib
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ecg12.cache.reader import Store
from ecg12.ecg.decisions.reference_rules import AugustRule
from ecg12.ecg.decisions.threshold_rule import ThresholdRule
from ecg12.ecg.errors import TrainingError
from ecg12.ecg.models.output_layers import OutputLayer
from ecg12.ecg.scores.figures import compute_figures, compute_number_figures
from ecg12.ecg.scores.fit_thresholds import DEFAULT_THRESHOLD
from ecg12.ecg.scores.task_thresholds import fit_task_thresholds
from ecg12.ecg.tasks.task import LOSS, Task
from ecg12.pipeline.compute.ranks import ALONE, Ranks
from ecg12.pipeline.compute.window_logits import WindowLogits, compute_window_logits
from ecg12.pipeline.loading.batch import Batch
from ecg12.pipeline.runs.run_rule import make_rule
from ecg12.pipeline.runs.train_config import TrainConfig
from ecg12.pipeline.training.targets import Targets


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """What was found out about a network.

    Attributes
    ----------
    figures : valid_loss and the task's; NaN where there is nothing to judge by
    thresholds : float64, one for each of the targets' classes
    logits : of every window, each record's together and in order; None without validation records
    """

    figures: dict[str, float]
    thresholds: NDArray[np.float64]
    logits: WindowLogits | None


@dataclass(frozen=True, slots=True, eq=False)
class Decisions:
    """What was decided about records; classes are those of the targets.

    Attributes
    ----------
    rows : int64, shape (record,)
    scores : float64, shape (record, class)
    binary : 0 or 1, same shape; with thresholds, those that were fitted on other patients' records
    thresholds : float64, shape (class,), fitted on all of them; in the middle where another rule decides
    """

    rows: NDArray[np.int64]
    scores: NDArray[np.float64]
    binary: NDArray[Any]
    thresholds: NDArray[np.float64]


def no_judgement(targets: Targets) -> Judged:
    """Without validation records: nothing is known, and the thresholds are in the middle."""
    figures = dict.fromkeys((LOSS, *targets.task.figures), math.nan)
    return Judged(figures, middle_thresholds(targets), None)


def rule_of(folder: Path, config: TrainConfig, targets: Targets) -> ThresholdRule | AugustRule:
    """The rule that a run decides by, with thresholds in the middle."""
    return make_rule(
        folder, config, targets.task, targets.mapping, targets.correction, targets.columns, middle_thresholds(targets)
    )


def middle_thresholds(targets: Targets) -> NDArray[np.float64]:
    """Those of classes that nothing was fitted to; a number has none, which nothing exceeds."""
    return np.full(len(targets.classes), DEFAULT_THRESHOLD if targets.number is None else math.inf)


def validate(
    network: nn.Module,
    batches: Iterable[Batch],
    store: Store,
    targets: Targets,
    rule: ThresholdRule | AugustRule,
    output_layer: OutputLayer,
    *,
    normalisation: str,
    device: torch.device,
    ranks: Ranks = ALONE,
    known: Callable[[Batch], Tensor] | None = None,
) -> Judged:
    """Judge a network by all windows of the validation records, of which each rank's batches have a share.

    For `known` see `pipeline.compute.window_logits.compute_window_logits`.
    """
    found = compute_window_logits(network, batches, normalisation=normalisation, device=device, known=known)
    found = ranks.gather(found).sorted()
    return judge(found, store, targets, rule, output_layer)


def judge(
    found: WindowLogits, store: Store, targets: Targets, rule: ThresholdRule | AugustRule, output_layer: OutputLayer
) -> Judged:
    """Judge logits of windows, each record's together and in order.

    With thresholds, the labels that are judged come from thresholds that were fitted on other patients' records.
    """
    _check_finite(found, store)
    labels = torch.from_numpy(targets.labels[found.record.cpu().numpy()]).to(found.logits.device)
    loss = float(output_layer.compute_loss(found.logits, labels))
    decided = decide(found, store, targets, rule, output_layer)
    if targets.number is not None:
        figures = compute_number_figures(targets.number[decided.rows], decided.scores[:, 0])
    else:
        known = None if targets.known is None else targets.known[decided.rows]
        figures = compute_figures(targets.task, targets.truth[decided.rows], decided.binary, decided.scores, known)
    return Judged({LOSS: loss} | figures, decided.thresholds, found)


def decide(
    found: WindowLogits, store: Store, targets: Targets, rule: ThresholdRule | AugustRule, output_layer: OutputLayer
) -> Decisions:
    """What the logits of windows mean for their records; see `judge` for the thresholds."""
    record = found.record.cpu().numpy()
    scores = output_layer.compute_scores(found.logits).double().cpu().numpy()
    if isinstance(rule, AugustRule):
        decided = rule.decide(scores, record)
        by_class = targets.task.by_class
        pooled = by_class.merge_scores(targets.columns, decided.scores, targets.classes)
        binary: NDArray[Any] = by_class.merge_labels(targets.columns, decided.labels, targets.classes)
        return Decisions(decided.record, pooled, binary, np.full(len(targets.classes), DEFAULT_THRESHOLD))
    rows, pooled = rule.score(scores, record)
    if targets.number is not None:
        return Decisions(rows, pooled, np.zeros(pooled.shape, bool), middle_thresholds(targets))
    truth, known = targets.truth[rows], None if targets.known is None else targets.known[rows]
    binary = decide_across_halves(targets.task, truth, pooled, store.column("record/group")[rows], known)
    return Decisions(rows, pooled, binary, fit_task_thresholds(targets.task, truth, pooled, known))


def _check_finite(found: WindowLogits, store: Store) -> None:
    wrong = ~torch.isfinite(found.logits).all(dim=1)
    if wrong.any():
        names = store.ids[np.unique(found.record[wrong].cpu().numpy())]
        more = f" and {len(names) - 5} more" if len(names) > 5 else ""
        raise TrainingError(
            f"validation: the network's output is no number on records {', '.join(names[:5])}{more}; the weights of "
            "the epoch before are kept: look at these records, or try a smaller --lr"
        )


def decide_across_halves(
    task: Task,
    truth: NDArray[np.uint8],
    scores: NDArray[np.float64],
    groups: NDArray[np.object_],
    known: NDArray[np.bool_] | None = None,
) -> NDArray[np.bool_]:
    """Labels by thresholds that were fitted on other patients.

    The groups are halved by a hash of their names; each half is decided with the thresholds that are best on the
    other, so that what is reported was never fitted on itself.

    Parameters
    ----------
    truth, scores : shape (record, class), the task's classes first
    groups : shape (record,)
    known : bool (record, class): what counts; None for all of it

    Returns
    -------
    bool array, shape (record, class)
    """
    half = np.array([hashlib.sha256(str(group).encode()).digest()[0] % 2 for group in groups], bool)
    binary = np.zeros(scores.shape, bool)
    for here in (half, ~half):
        there = ~here
        thresholds = (
            fit_task_thresholds(task, truth[there], scores[there], None if known is None else known[there])
            if there.any()
            else np.full(scores.shape[1], DEFAULT_THRESHOLD)
        )
        binary[here] = scores[here] > thresholds
    return binary
