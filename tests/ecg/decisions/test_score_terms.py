"""Scores as formulas: the rules' own numbers."""

import numpy as np
import pytest

from ecg12.ecg.decisions.joint_rules import AnyRule
from ecg12.ecg.decisions.output_mapping import parse_mapping
from ecg12.ecg.decisions.reference_rules import APRIL_CLASSES, APRIL_OUTPUTS, AprilRule, AugustRule
from ecg12.ecg.decisions.score_terms import ScoreTerms, terms_of
from ecg12.ecg.decisions.threshold_rule import ThresholdRule
from ecg12.ecg.labels.snomed import CHALLENGE_COLUMNS, SCORED_CODES

PAC, SVPB, AF, AFL = "284470004", "63593006", "164889003", "164890007"
SEVERAL = f"concat:softmax:3-sigmoid:2\n0->3/0->1/0->1\n{AF},0,1\n{AF},1,1\n{AFL},0,0\n{PAC},0,2\n{SVPB},2,1\n"


def evaluate(terms: ScoreTerms, outputs: np.ndarray) -> float:
    pairs = zip(terms.constants, terms.coefficients, strict=True)
    return float(np.mean([np.prod(constant + factor @ outputs) for constant, factor in pairs]))


def rules() -> list[AnyRule]:
    mapping = parse_mapping(SEVERAL)
    correction = np.linspace(0.5, 2, mapping.n_outputs)
    merged = ThresholdRule(
        mapping=mapping,
        correction=correction,
        thresholds=np.full(24, 0.5),
        classes=SCORED_CODES,
        by_class=CHALLENGE_COLUMNS,
    )
    return [merged, AugustRule(mapping=mapping, correction=correction), AprilRule(thresholds=np.full(8, 0.5))]


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: type(rule).__name__)
def test_formulas_give_the_scores_of_the_rule(rule: AnyRule) -> None:
    n_outputs = len(APRIL_OUTPUTS) if isinstance(rule, AprilRule) else rule.mapping.n_outputs
    outputs = np.random.default_rng(0).uniform(0, 0.3, n_outputs)
    decided = rule.decide(outputs[None], np.zeros(1, np.int64))
    corrected = outputs if isinstance(rule, AprilRule) else outputs * rule.correction
    known = 0
    for name, score in zip(rule.classes, decided.scores[0], strict=True):
        terms = terms_of(rule, name)
        if terms is None:
            assert score == 0
        else:
            known += 1
            assert evaluate(terms, corrected) == pytest.approx(score), name
    assert known == {ThresholdRule: 4, AugustRule: 4, AprilRule: 9}[type(rule)]


def test_aprils_names_stand_for_codes_and_an_unknown_class_has_no_formula() -> None:
    april = rules()[2]
    for name, code in (("AF", AF), ("Normal", "426783006")):
        one, other = terms_of(april, name), terms_of(april, code)
        assert one is not None
        assert other is not None
        np.testing.assert_array_equal(one.coefficients[0], other.coefficients[0])
    assert terms_of(april, "59931005") is None
    assert set(APRIL_CLASSES) == {*APRIL_OUTPUTS, "Normal"}
