"""What a network is worth: loss and official scores of the validation records, and the thresholds fitted on them."""

import hashlib
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ecg12.cache.reader import Store
from ecg12.ecg.decisions.reference_rules import AugustRule
from ecg12.ecg.decisions.threshold_rule import ThresholdRule
from ecg12.ecg.errors import TrainingError
from ecg12.ecg.labels.class_columns import merge_labels, merge_scores
from ecg12.ecg.labels.snomed import SCORED_CLASSES
from ecg12.ecg.models.output_layers import OutputLayer
from ecg12.ecg.scores.challenge_metric import (
    compute_accuracy,
    compute_areas,
    compute_beta_measures,
    compute_challenge_metric,
    compute_f_measure,
    macro_mean,
)
from ecg12.ecg.scores.fit_thresholds import DEFAULT_THRESHOLD, fit_thresholds
from ecg12.pipeline.compute.ranks import ALONE, Ranks
from ecg12.pipeline.compute.window_logits import WindowLogits, compute_window_logits
from ecg12.pipeline.loading.batch import Batch
from ecg12.pipeline.training.targets import Targets

OFFICIAL_FIGURES = ("challenge_metric", "auroc", "auprc", "accuracy", "f_measure", "f_beta", "g_beta")
FIGURES = (*OFFICIAL_FIGURES, "geom_mean")
"""The official ones, and √(f_beta · g_beta), which the reference system's histories have."""

N_SCORED = len(SCORED_CLASSES)


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """What was found out about a network.

    Attributes
    ----------
    figures : valid_loss and `FIGURES`; NaN where there is nothing to judge by
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
    figures = dict.fromkeys(("valid_loss", *FIGURES), math.nan)
    return Judged(figures, np.full(len(targets.classes), DEFAULT_THRESHOLD), None)


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
    figures = compute_figures(targets.truth[decided.rows], decided.binary, decided.scores)
    return Judged({"valid_loss": loss} | figures, decided.thresholds, found)


def decide(
    found: WindowLogits, store: Store, targets: Targets, rule: ThresholdRule | AugustRule, output_layer: OutputLayer
) -> Decisions:
    """What the logits of windows mean for their records; see `judge` for the thresholds."""
    record = found.record.cpu().numpy()
    scores = output_layer.compute_scores(found.logits).double().cpu().numpy()
    if isinstance(rule, AugustRule):
        decided = rule.decide(scores, record)
        pooled = merge_scores(targets.columns, decided.scores, targets.classes)
        binary: NDArray[Any] = merge_labels(targets.columns, decided.labels, targets.classes)
        return Decisions(decided.record, pooled, binary, np.full(len(targets.classes), DEFAULT_THRESHOLD))
    rows, pooled = rule.score(scores, record)
    binary = decide_across_halves(targets.truth[rows], pooled, store.column("record/group")[rows])
    return Decisions(rows, pooled, binary, fit_all_thresholds(targets.truth[rows], pooled))


def _check_finite(found: WindowLogits, store: Store) -> None:
    wrong = ~torch.isfinite(found.logits).all(dim=1)
    if wrong.any():
        names = store.ids[np.unique(found.record[wrong].cpu().numpy())]
        more = f" and {len(names) - 5} more" if len(names) > 5 else ""
        raise TrainingError(
            f"validation: the network's output is no number on records {', '.join(names[:5])}{more}; the weights of "
            "the epoch before are kept: look at these records, or try a smaller --lr"
        )


def compute_figures(
    truth: NDArray[np.uint8], binary: NDArray[np.integer], scores: NDArray[np.float64]
) -> dict[str, float]:
    """`FIGURES`, macro over all classes; the challenge metric is that of the first 24, the scored ones.

    Parameters
    ----------
    truth, binary, scores : shape (record, class), columns as `ecg.labels.class_columns.merged_classes` orders them
    """
    auroc, auprc = compute_areas(truth, scores)
    f_beta, g_beta = map(macro_mean, compute_beta_measures(truth, binary))
    return {
        "challenge_metric": compute_challenge_metric(truth[:, :N_SCORED], binary[:, :N_SCORED]),
        "auroc": macro_mean(auroc),
        "auprc": macro_mean(auprc),
        "accuracy": compute_accuracy(truth, binary),
        "f_measure": macro_mean(compute_f_measure(truth, binary)),
        "f_beta": f_beta,
        "g_beta": g_beta,
        "geom_mean": math.sqrt(f_beta * g_beta),
    }


def fit_all_thresholds(truth: NDArray[np.uint8], scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Thresholds of all classes: fitted where the challenge metric counts them, in the middle elsewhere."""
    thresholds = np.full(scores.shape[1], DEFAULT_THRESHOLD)
    thresholds[:N_SCORED] = fit_thresholds(truth[:, :N_SCORED], scores[:, :N_SCORED])
    return thresholds


def decide_across_halves(
    truth: NDArray[np.uint8], scores: NDArray[np.float64], groups: NDArray[np.object_]
) -> NDArray[np.bool_]:
    """Labels by thresholds that were fitted on other patients.

    The groups are halved by a hash of their names; each half is decided with the thresholds that maximise the
    challenge metric on the other, so that what is reported was never fitted on itself.

    Parameters
    ----------
    truth, scores : shape (record, class), the scored classes first
    groups : shape (record,)

    Returns
    -------
    bool array, shape (record, class)
    """
    half = np.array([hashlib.sha256(str(group).encode()).digest()[0] % 2 for group in groups], bool)
    binary = np.zeros(scores.shape, bool)
    for here in (half, ~half):
        there = ~here
        thresholds = (
            fit_all_thresholds(truth[there], scores[there])
            if there.any()
            else np.full(scores.shape[1], DEFAULT_THRESHOLD)
        )
        binary[here] = scores[here] > thresholds
    return binary
