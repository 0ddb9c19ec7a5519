"""The score of a class as a formula over a network's outputs: a mean of products of sums.

The rules calculate scores of many records at once, in numpy. Whoever wants to know how a score follows from outputs,
such as its gradient, gets the same formula here as numbers.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecg12.ecg.decisions.joint_rules import AnyRule
from ecg12.ecg.decisions.output_mapping import OutputMapping, Pair
from ecg12.ecg.decisions.reference_rules import APRIL_OUTPUTS, AprilRule
from ecg12.ecg.decisions.threshold_rule import ThresholdRule
from ecg12.ecg.labels.snomed import TEXT_LABELS


@dataclass(frozen=True, slots=True, eq=False)
class ScoreTerms:
    """mean over terms of ∏ over factors (constant + coefficients · outputs).

    Outputs are those of the output layer times their correction factors, pooled over a record's windows.

    Attributes
    ----------
    constants : a float64 array for each term, shape (factor,)
    coefficients : a float64 array for each term, shape (factor, output)
    """

    constants: tuple[NDArray[np.float64], ...]
    coefficients: tuple[NDArray[np.float64], ...]


def terms_of(rule: AnyRule, name: str) -> ScoreTerms | None:
    """How a rule makes the score of the class that it calls `name`; None if its model does not know the class."""
    if isinstance(rule, AprilRule):
        return _april_terms(name)
    codes = [code for code in rule.mapping.codes if code == name]
    if isinstance(rule, ThresholdRule):  # equivalent codes are one there
        codes = [code for code in rule.mapping.codes if rule.by_class.class_of(code) == rule.by_class.class_of(name)]
    if not codes:
        return None
    products = [_factors(rule.mapping, [pair for pair in rule.mapping.pairs if pair.code == code]) for code in codes]
    return ScoreTerms(tuple(one for one, _ in products), tuple(many for _, many in products))


def _factors(mapping: OutputMapping, pairs: Sequence[Pair]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Constants and coefficients of a class that all pairs must hold for."""
    constants, coefficients = np.zeros(len(pairs)), np.zeros((len(pairs), mapping.n_outputs))
    for row, pair in enumerate(pairs):
        first = sum(len(target.values) for target in mapping.targets[: pair.target])
        target = mapping.targets[pair.target]
        if pair.value == target.null:  # what the target's other values leave of 1
            constants[row], coefficients[row, first : first + len(target.values)] = 1.0, -1.0
        else:
            coefficients[row, first + target.values.index(pair.value)] = 1.0
    return constants, coefficients


def _april_terms(name: str) -> ScoreTerms | None:
    """By its name there, or the code that the name stands for."""
    name = next((text for text, code in TEXT_LABELS.items() if code == name), name)
    outputs = np.eye(len(APRIL_OUTPUTS))
    if name == "Normal":  # none of the others
        return ScoreTerms((np.ones(len(outputs)),), (-outputs,))
    if name not in APRIL_OUTPUTS:
        return None
    place = APRIL_OUTPUTS.index(name)
    return ScoreTerms((np.zeros(1),), (outputs[place : place + 1],))
