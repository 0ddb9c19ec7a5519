"""How several models decide as one: a common rule where they are alike, else the mean of scores and a vote.

Models are alike if they have the same outputs and decide in the same way, up to thresholds and correction factors,
of which the common rule has the means. A correction factor of 0 marks an output that a model never saw a positive of:
such a model has no say about it. Models of other classes are brought together by code: a class's score is the
mean over the models that know the class, and its label is 1 where at least half of these say so.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ecg12.ecg.decisions.reference_rules import AprilRule, AugustRule, Decided
from ecg12.ecg.decisions.threshold_rule import ThresholdRule
from ecg12.ecg.errors import ConfigError
from ecg12.ecg.labels.snomed import CHALLENGE_COLUMNS, SCORED_CODES, TEXT_LABELS

AnyRule = ThresholdRule | AugustRule | AprilRule


def combine_rules(rules: Sequence[AnyRule]) -> AnyRule | None:
    """The rule of models that are alike, or None if they are not."""
    first = rules[0]
    if any(_kind_of(rule) != _kind_of(first) for rule in rules):
        return None
    if isinstance(first, AprilRule):
        return AprilRule(thresholds=_mean([rule.thresholds for rule in rules if isinstance(rule, AprilRule)]))
    correction = average_known(*corrections_of(rules))
    if isinstance(first, AugustRule):
        return replace(first, correction=correction)
    thresholds = _mean([rule.thresholds for rule in rules if isinstance(rule, ThresholdRule)])
    return replace(first, correction=correction, thresholds=thresholds)


def _kind_of(rule: AnyRule) -> tuple[object, ...]:
    """What must be equal for two rules to have a mean."""
    if isinstance(rule, AprilRule):
        return (AprilRule,)
    common = (type(rule), rule.mapping, rule.classes, rule.combination_strategy)
    if isinstance(rule, ThresholdRule):
        return (*common, rule.by_class)
    if isinstance(rule, AugustRule):
        return (*common, rule.scale_by_n_predictions, rule.predict_before_collapse)
    return common


def corrections_of(rules: Sequence[AnyRule]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Correction factors of alike models, and which of them are not 0; both of shape (model, output)."""
    factors = np.array([np.ones(len(r.thresholds)) if isinstance(r, AprilRule) else r.correction for r in rules])
    return factors, factors > 0


def average_known(values: NDArray[np.float64], known: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Mean over the models that know an output, 0 where none does.

    Parameters
    ----------
    values : shape (model, …, output)
    known : shape (model, output)
    """
    known = known.reshape(len(known), *(1,) * (values.ndim - 2), known.shape[1])
    return (values * known).sum(axis=0) / np.maximum(known.sum(axis=0), 1)


def already_corrected(rule: AnyRule) -> AnyRule:
    """The rule for scores that the correction factors are in."""
    return rule if isinstance(rule, AprilRule) else replace(rule, correction=(rule.correction > 0).astype(np.float64))


def _mean(values: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    return np.mean(values, axis=0)


def pooling_of(rule: AnyRule) -> str:
    """How a rule makes one of a record's windows: "mean", "max" or "last"."""
    return "mean" if isinstance(rule, AprilRule) else rule.combination_strategy


def codes_of(rule: AnyRule) -> tuple[str, ...]:
    """The codes of a rule's columns; April's names stand for the codes that CPSC's records carry today."""
    if isinstance(rule, AprilRule):
        return tuple(TEXT_LABELS[name] for name in rule.classes)
    return rule.classes


def known_to(rule: AnyRule) -> NDArray[np.bool_]:
    """Which of a rule's columns its model tells something about; shape (column,)."""
    if isinstance(rule, AprilRule):
        return np.ones(len(rule.classes), bool)
    known = set(rule.mapping.codes)
    if isinstance(rule, ThresholdRule):  # equivalent codes are one there
        known = set(map(rule.by_class.class_of, known))
        return np.array([rule.by_class.class_of(code) in known for code in rule.classes])
    return np.array([code in known for code in rule.classes])


def _answers_challenge(rule: AnyRule) -> bool:
    """Whether a model is one of the Challenge of 2020: the reference system's, or one for its classes and columns."""
    if isinstance(rule, ThresholdRule):
        return rule.by_class == CHALLENGE_COLUMNS
    return isinstance(rule, AprilRule) or set(SCORED_CODES) <= set(rule.classes)


class Vote:
    """Models of different classes, brought together by code.

    Attributes
    ----------
    classes : the Challenge's 27 scored codes if any model answers the Challenge, then all others, as they come
    """

    def __init__(self, rules: Sequence[AnyRule]) -> None:
        self._codes = [codes_of(rule) for rule in rules]
        self._known = [known_to(rule) for rule in rules]
        everything = tuple(dict.fromkeys(code for codes in self._codes for code in codes))
        scored = SCORED_CODES if any(map(_answers_challenge, rules)) else ()
        self.classes = (*scored, *(code for code in everything if code not in scored))
        place = {code: number for number, code in enumerate(self.classes)}
        self._places = [np.array([place[code] for code in codes]) for codes in self._codes]

    def join(self, decided: Sequence[Decided]) -> Decided:
        """The models' answers as one.

        Raises
        ------
        ConfigError
            If they are not about the same records.
        """
        record = decided[0].record
        if any(not np.array_equal(one.record, record) for one in decided):
            raise ConfigError("the models answered for different records; expected the same for all")
        shape = (len(record), len(self.classes))
        scores, votes, knowing = np.zeros(shape), np.zeros(shape), np.zeros(len(self.classes))
        for one, places, known in zip(decided, self._places, self._known, strict=True):
            scores[:, places[known]] += one.scores[:, known]
            votes[:, places[known]] += one.labels[:, known]
            knowing[places[known]] += 1
        labels = (knowing > 0) & (2 * votes >= knowing)
        return Decided(record, labels.astype(np.uint8), scores / np.maximum(knowing, 1))
