"""What the scores of a record rest on, over its leads and its time, by one model or by several.

A model's shares are those of its own score; of an ensemble they are the mean over the members that know the class.
A record with more windows than are wanted is explained in those where the classes score highest, as they are among the
others.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ecg12.ecg.decisions.joint_rules import pooling_of
from ecg12.ecg.decisions.score_terms import terms_of
from ecg12.ecg.models.attribution import Attribution, ClassScores, integrate_gradients
from ecg12.ecg.models.portable.record_score import RecordScore
from ecg12.ecg.signals.window import plan_windows
from ecg12.pipeline.compute.window_feeds import Windows
from ecg12.pipeline.compute.window_logits import takes_patient, to_input
from ecg12.pipeline.loading.batch import Batch
from ecg12.pipeline.prediction.interface import Predictor
from ecg12.pipeline.prediction.members import MemberInput, rules_of, shown_members

ALLOWED_GAP, SMALLEST_GAP = 0.05, 0.01
"""What shares may lack of the change of a score, as a part of it; and in any case."""
MOST_REFINED = 4
"""Where they lack more, steps are doubled, to so many times as many at most."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class RecordMaps:
    """Shares of some classes' scores in one record.

    Attributes
    ----------
    values : float32 array, shape (class, lead, sample), leads as the predictor's, at `fs`; 0 for a sample that the
        model is not shown, NaN in windows that were not explained
    score, silent : float64 arrays, shape (class,): with the signal, and without it in what is explained
    gap : float64 array, shape (class,): what the values lack of the difference
    fs : Hz
    n_windows, n_explained : of the model with the most windows
    n_steps : of the model that took most
    """

    values: NDArray[np.float32]
    score: NDArray[np.float64]
    silent: NDArray[np.float64]
    gap: NDArray[np.float64]
    fs: float
    n_windows: int
    n_explained: int
    n_steps: int


@dataclass(frozen=True, slots=True, eq=False)
class _MemberMaps:
    values: NDArray[np.float32]
    ends: NDArray[np.float64]
    """(3, class): score, silent, gap."""
    known: NDArray[np.bool_]
    fs: float
    n_windows: int
    n_explained: int
    n_steps: int


def explain_windows(
    predictor: Predictor,
    windows: Windows,
    classes: Sequence[str],
    device: torch.device,
    *,
    n_samples: int,
    fs: float,
    n_steps: int,
    max_windows: int,
) -> RecordMaps:
    """Shares of the scores that a predictor gives a record in some of its classes.

    Parameters
    ----------
    predictor : its network is on `device`
    windows : all of the record's, and of no other
    classes : names of the predictor's columns, each known to at least one model
    n_samples, fs : of the recording before it was resampled
    n_steps, max_windows : see `pipeline.prediction.explain_config.ExplainConfig`
    """
    found = []
    for member in shown_members(predictor, windows):
        of_member = _explain_member(member, classes, device, n_samples, fs, n_steps, max_windows)
        if of_member is not None:
            found.append((member.config.leads, of_member))
    first = found[0][1]
    total = np.zeros((len(classes), len(predictor.leads), first.values.shape[2]), np.float32)
    for leads, one in found:
        rows = [predictor.leads.index(lead) for lead in leads]
        total[:, rows] += to_grid(one.values, first.values.shape[2])
    n_knowing = np.maximum(np.sum([one.known for _, one in found], axis=0), 1)
    score, silent, gap = np.sum([one.ends for _, one in found], axis=0) / n_knowing
    return RecordMaps(
        values=total / n_knowing[:, None, None].astype(np.float32),
        score=score,
        silent=silent,
        gap=gap,
        fs=first.fs,
        n_windows=max(one.n_windows for _, one in found),
        n_explained=max(one.n_explained for _, one in found),
        n_steps=max(one.n_steps for _, one in found),
    )


def knows(predictor: Predictor, name: str) -> bool:
    """Whether a model of the predictor has something to say about a class."""
    return any(terms_of(rule, name) is not None for rule in rules_of(predictor))


def _explain_member(
    member: MemberInput,
    classes: Sequence[str],
    device: torch.device,
    n_samples: int,
    fs: float,
    n_steps: int,
    max_windows: int,
) -> _MemberMaps | None:
    """The maps of one model, 0 in classes that it does not know; None where it knows none."""
    terms = [terms_of(member.rule, name) for name in classes]
    known = np.array([one is not None for one in terms])
    if not known.any():
        return None
    scores = RecordScore(
        member.network,
        member.output_layer,
        member.correction,
        pooling_of(member.rule),
        [one for one in terms if one is not None],
    )
    batch = _in_order(member.batch)
    x = to_input(batch, device, member.config.normalisation, takes_patient(member.network))
    chosen = _highest(scores, x, max_windows)
    found, n_steps = _integrate(scores.with_fixed(x, chosen), x[chosen], len(member.config.leads), n_steps)
    ends = np.zeros((3, len(classes)))
    ends[:, known] = torch.stack([found.score, found.silent, found.gap]).double().cpu().numpy()
    length = member.length_of(n_samples, fs)
    values = np.zeros((len(classes), len(member.config.leads), length), np.float32)
    values[known] = _on_timeline(found.values.cpu().numpy(), batch, chosen.tolist(), member, length)
    return _MemberMaps(values, ends, known, member.config.fs, len(x), len(chosen), n_steps)


def _integrate(scores: ClassScores, x: Tensor, n_leads: int, n_steps: int) -> tuple[Attribution, int]:
    """Integrated gradients whose shares add up as well as they should, if `MOST_REFINED` allows; and the steps taken.

    Where layers divide by the size of what they see, the score changes fast near silence and takes more steps.
    """
    most = n_steps * MOST_REFINED
    while True:
        found = integrate_gradients(scores, x, n_leads=n_leads, n_steps=n_steps)
        allowed = torch.clamp(ALLOWED_GAP * (found.score - found.silent).abs(), min=SMALLEST_GAP)
        if bool((found.gap.abs() <= allowed).all()) or 2 * n_steps > most:
            return found, n_steps
        n_steps *= 2


def _in_order(batch: Batch) -> Batch:
    order = torch.argsort(batch.number)
    return batch if bool((order[1:] > order[:-1]).all()) else batch.take(order)


def _highest(scores: RecordScore, x: Tensor, most: int) -> Tensor:
    """At most so many windows, int64, ascending: those in which a class scores highest."""
    if len(x) <= most:
        return torch.arange(len(x), device=x.device)
    with torch.no_grad():
        highest = scores.of_windows(x).amax(dim=1)
    return highest.topk(most).indices.sort().values


def _on_timeline(
    values: NDArray[np.float32], batch: Batch, chosen: Sequence[int], member: MemberInput, length: int
) -> NDArray[np.float32]:
    """Values of windows (class, window, lead, sample) where they are in the record: (class, lead, length)."""
    plan = plan_windows(np.array([length]), member.windows)
    record = np.zeros((len(values), values.shape[2], length), np.float32)
    place = {number: row for row, number in enumerate(chosen)}
    for number, (start, valid, pad) in enumerate(
        zip(plan.start, batch.valid.tolist(), batch.pad.tolist(), strict=True)
    ):
        there = record[:, :, start : start + valid]
        if number in place:
            there[:] = values[:, place[number], :, pad : pad + there.shape[2]]
        else:
            there[:] = np.nan
    return record


def to_grid(values: NDArray[np.float32], n_samples: int) -> NDArray[np.float32]:
    """Shares of as many samples as are wanted for the same time, with the same sums; values: (…, sample)."""
    n = values.shape[-1]
    if n == n_samples:
        return values
    known = np.nan_to_num(values.astype(np.float64))
    before = np.concatenate([np.zeros((*known.shape[:-1], 1)), known.cumsum(axis=-1)], axis=-1)
    edges = np.linspace(0, n, n_samples + 1)
    flat = [np.interp(edges, np.arange(n + 1), row) for row in before.reshape(-1, n + 1)]
    spread = np.diff(np.array(flat)).reshape(*values.shape[:-1], n_samples)
    missing = np.isnan(values[..., np.minimum(edges[:-1].astype(int), n - 1)])
    return np.where(missing, np.nan, spread).astype(np.float32)
