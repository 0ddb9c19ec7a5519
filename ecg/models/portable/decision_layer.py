"""Decision rules as part of a network: those of `ecg.decisions` once more, in operations of torch.

What they share: scores of windows come in, float64 (record, window, output), with a truth value for each window that
is there; scores and labels of records go out, (record, class). Every step is exact in float64 or a comparison, so
that both ways agree wherever the scores do.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from ecg12.ecg.decisions.output_mapping import OutputMapping
from ecg12.ecg.decisions.output_parts import LayerPart
from ecg12.ecg.decisions.reference_rules import APRIL_OUTPUTS, AprilRule, AugustRule, Rule
from ecg12.ecg.decisions.threshold_rule import ThresholdRule
from ecg12.ecg.errors import ConfigError


def pool(scores: Tensor, present: Tensor, strategy: str) -> Tensor:
    """One row for each record: mean, maximum or last of its windows that are there.

    Parameters
    ----------
    scores : float64 (record, window, output)
    present : bool (record, window)
    strategy : see `ecg.decisions.reference_rules.pool_windows`

    Returns
    -------
    float64 (record, output)
    """
    there = present[:, :, None]
    if strategy == "mean":
        return torch.where(there, scores, 0.0).sum(dim=1) / there.sum(dim=1)
    if strategy == "max":
        return torch.where(there, scores, -torch.inf).amax(dim=1)
    number = torch.arange(scores.shape[1])
    last = torch.where(present, number, 0).amax(dim=1)
    return scores.gather(1, last[:, None, None].expand(-1, 1, scores.shape[2]))[:, 0]


class ClassValues(nn.Module):
    """An `OutputMapping` as two small tables: outputs → a value for each pair → classes.

    A pair is an output, or for a null value 1 less the sum of its target's outputs.
    """

    weight: Tensor
    offset: Tensor
    pairs_of: Tensor

    def __init__(self, mapping: OutputMapping) -> None:
        super().__init__()
        first = np.cumsum([0, *(len(target.values) for target in mapping.targets)])
        weight = np.zeros((mapping.n_outputs, len(mapping.pairs)))
        offset = np.zeros(len(mapping.pairs))
        for number, pair in enumerate(mapping.pairs):
            target = mapping.targets[pair.target]
            if pair.value == target.null:
                weight[first[pair.target] : first[pair.target + 1], number] = -1
                offset[number] = 1
            else:
                weight[first[pair.target] + target.values.index(pair.value), number] = 1
        own = [[n for n, pair in enumerate(mapping.pairs) if pair.code == code] for code in mapping.codes]
        most = max(map(len, own))
        # what is beyond a class's pairs is a column of ones
        padded = [[*pairs, *[len(mapping.pairs)] * (most - len(pairs))] for pairs in own]
        self.register_buffer("weight", torch.from_numpy(weight))
        self.register_buffer("offset", torch.from_numpy(offset))
        self.register_buffer("pairs_of", torch.tensor(padded))

    def forward(self, outputs: Tensor) -> list[Tensor]:
        """(record, output) → the values of each class's first pair, of its second, …, each (record, class)."""
        values = outputs @ self.weight + self.offset
        values = torch.cat([values, torch.ones_like(values[:, :1])], dim=1)
        return [values[:, place] for place in self.pairs_of.unbind(1)]


def multiply(factors: Sequence[Tensor]) -> Tensor:
    """The product of tensors of one shape, from the first to the last."""
    product = factors[0]
    for factor in factors[1:]:
        product = product * factor
    return product


class ByThreshold(nn.Module):
    """`ThresholdRule`."""

    correction: Tensor
    merge: Tensor
    thresholds: Tensor
    columns: Tensor

    def __init__(self, rule: ThresholdRule) -> None:
        super().__init__()
        self.strategy, self.values = rule.combination_strategy, ClassValues(rule.mapping)
        kept = [rule.by_class.class_of(code) for code in rule.mapping.codes]
        shares = np.array([[float(own == code) for code in rule.merged] for own in kept])
        merge = shares / shares.sum(axis=0).clip(min=1)
        # a class that the model lacks is never there
        thresholds = np.where(shares.any(axis=0), rule.thresholds, np.inf)
        place = {code: number for number, code in enumerate(rule.merged)}
        self.register_buffer("correction", torch.from_numpy(rule.correction))
        self.register_buffer("merge", torch.from_numpy(merge))
        self.register_buffer("thresholds", torch.from_numpy(thresholds))
        columns = [place[rule.by_class.class_of(code)] for code in rule.classes]
        self.register_buffer("columns", torch.tensor(columns))

    def forward(self, scores: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        """See the module's docstring."""
        pooled = pool(scores * self.correction, present, self.strategy)
        merged = multiply(self.values(pooled)) @ self.merge
        labels = (merged > self.thresholds).long()
        return merged[:, self.columns], labels[:, self.columns]


class ByRank(nn.Module):
    """`AugustRule`."""

    correction: Tensor
    arrange: Tensor

    def __init__(self, rule: AugustRule) -> None:
        super().__init__()
        self.strategy, self.values = rule.combination_strategy, ClassValues(rule.mapping)
        self.factors, self.parts = rule.scale_by_n_predictions, rule.mapping.parts
        self.before_collapse = rule.predict_before_collapse
        arrange = np.array([[float(own == code) for code in rule.classes] for own in rule.mapping.codes])
        self.register_buffer("correction", torch.from_numpy(rule.correction))
        self.register_buffer("arrange", torch.from_numpy(arrange))

    def forward(self, scores: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        """See the module's docstring."""
        corrected = scores * self.correction
        pooled = pool(corrected, present, self.strategy)
        if self.before_collapse:
            n_records, n_windows, n_outputs = corrected.shape
            of_windows = self._decide(corrected.reshape(n_records * n_windows, n_outputs))
            decided = pool(of_windows.reshape(n_records, n_windows, n_outputs), present, "max")
        else:
            decided = self._decide(pooled)
        labels = multiply([(value > 0).double() for value in self.values(decided)])
        return multiply(self.values(pooled)) @ self.arrange, (labels @ self.arrange).long()

    def _decide(self, corrected: Tensor) -> Tensor:
        return decide_outputs(scale_by_rank(corrected, self.factors), self.parts)


class ByFinding(nn.Module):
    """`AprilRule`."""

    thresholds: Tensor
    order: Tensor

    def __init__(self, rule: AprilRule) -> None:
        super().__init__()
        names = (*APRIL_OUTPUTS, "Normal")
        self.register_buffer("thresholds", torch.from_numpy(rule.thresholds))
        self.register_buffer("order", torch.tensor([names.index(name) for name in rule.classes]))

    def forward(self, scores: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        """See the module's docstring."""
        pooled = pool(scores, present, "mean")
        labels = (pooled > self.thresholds).long()
        normal = multiply([1.0 - score for score in pooled.unbind(1)])
        has_none = (labels.sum(dim=1) == 0).long()
        scores = torch.cat([pooled, normal[:, None]], dim=1)
        return scores[:, self.order], torch.cat([labels, has_none[:, None]], dim=1)[:, self.order]


def build_decision(rule: Rule) -> nn.Module:
    """A rule as a module: (scores, present) → (scores, labels), float64 and int64 (record, class).

    Raises
    ------
    ConfigError
        If it is a rule of another kind.
    """
    if isinstance(rule, ThresholdRule):
        return ByThreshold(rule)
    if isinstance(rule, AugustRule):
        return ByRank(rule)
    if isinstance(rule, AprilRule):
        return ByFinding(rule)
    raise ConfigError(f"a rule of kind {type(rule).__name__}; expected one of a run folder")


def scale_by_rank(scores: Tensor, factors: Sequence[float]) -> Tensor:
    """`ecg.decisions.reference_rules.scale_by_rank`: float64 (row, output) of the same shape."""
    scaled, waiting = scores, torch.ones_like(scores, dtype=torch.bool)
    for rank, factor in enumerate(factors[:-1]):
        if rank >= scores.shape[1]:
            break
        bar = scaled.sort(dim=1).values[:, scores.shape[1] - 1 - rank, None]
        chosen = waiting & (scaled >= bar)
        scaled = torch.where(chosen, scaled * factor, scaled)
        waiting = waiting & ~chosen
    return torch.where(waiting, scaled * factors[-1], scaled)


def decide_outputs(scaled: Tensor, parts: Sequence[LayerPart]) -> Tensor:
    """`ecg.decisions.reference_rules.decide_outputs`: 0 or 1, float64 (row, output)."""
    decided = []
    for part, own in zip(parts, scaled.split([part.n_outputs for part in parts], dim=1), strict=True):
        if part.decides_each:
            decided.append((own > 0.5).double())
            continue
        best = own.argmax(dim=1, keepdim=True)
        chosen = torch.arange(part.n_outputs) == best
        if part.kind == "softmax":  # without a null class something is always chosen
            chosen = chosen & (own.amax(dim=1, keepdim=True) > 1.0 - own.sum(dim=1, keepdim=True))
        decided.append(chosen.double())
    return torch.cat(decided, dim=1)
