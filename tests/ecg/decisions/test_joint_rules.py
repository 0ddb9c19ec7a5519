"""Several models as one: a common rule where they are alike, a vote by code where they are not."""

import numpy as np
import pytest

from ecg12.ecg.decisions.joint_rules import (
    Vote,
    already_corrected,
    average_known,
    codes_of,
    combine_rules,
    known_to,
    pooling_of,
)
from ecg12.ecg.decisions.named_mappings import named_mapping
from ecg12.ecg.decisions.output_mapping import parse_mapping
from ecg12.ecg.decisions.reference_rules import APRIL_CLASSES, AprilRule, AugustRule, Decided
from ecg12.ecg.decisions.threshold_rule import ThresholdRule
from ecg12.ecg.errors import ConfigError
from ecg12.ecg.labels.snomed import CHALLENGE_COLUMNS, SCORED_CODES

COLUMNS = {"classes": SCORED_CODES, "by_class": CHALLENGE_COLUMNS}

TWO = parse_mapping("sigmoid\n0->1/0->1\n164889003,0,1\n713427006,1,1\n")
OTHER = parse_mapping("sigmoid\n0->1/0->1\n164889003,0,1\n900000000001,1,1\n")


def threshold_rule(level: float, correction: float = 1.0, **options) -> ThresholdRule:
    classes = options.pop("classes", ("164889003", "713427006"))
    ones = np.ones(2)
    return ThresholdRule(
        mapping=TWO,
        correction=ones * correction,
        thresholds=ones * level,
        classes=classes,
        by_class=CHALLENGE_COLUMNS,
        **options,
    )


def test_thresholds_and_corrections_have_a_mean() -> None:
    rule = combine_rules([threshold_rule(0.2, 1.0), threshold_rule(0.4, 3.0)])
    assert isinstance(rule, ThresholdRule)
    assert rule.thresholds == pytest.approx([0.3, 0.3])
    assert rule.correction == pytest.approx([2.0, 2.0])
    august = combine_rules([AugustRule(mapping=TWO, correction=np.array([1.0, level])) for level in (2.0, 4.0)])
    assert isinstance(august, AugustRule)
    assert august.correction.tolist() == [1.0, 3.0]
    april = combine_rules([AprilRule(thresholds=np.full(8, level)) for level in (0.1, 0.3)])
    assert isinstance(april, AprilRule)
    assert april.thresholds == pytest.approx(np.full(8, 0.2))


@pytest.mark.parametrize(
    "other",
    [
        AugustRule(mapping=TWO, correction=np.ones(2)),
        AprilRule(thresholds=np.ones(8)),
        threshold_rule(0.2, combination_strategy="max"),
        ThresholdRule(
            mapping=OTHER,
            correction=np.ones(2),
            thresholds=np.ones(2),
            classes=("164889003", "713427006"),
            by_class=CHALLENGE_COLUMNS,
        ),
    ],
)
def test_other_kinds_have_no_common_rule(other) -> None:
    assert combine_rules([threshold_rule(0.2), other]) is None


def test_august_rules_must_scale_alike() -> None:
    one = AugustRule(mapping=TWO, correction=np.ones(2))
    other = AugustRule(mapping=TWO, correction=np.ones(2), scale_by_n_predictions=(30.0, 0.5))
    assert combine_rules([one, other]) is None


def test_what_models_know() -> None:
    assert pooling_of(threshold_rule(0.1, combination_strategy="max")) == "max"
    assert pooling_of(AprilRule(thresholds=np.ones(8))) == "mean"
    whole = ThresholdRule(mapping=TWO, correction=np.ones(2), thresholds=np.ones(24), **COLUMNS)
    known = {code for code, known in zip(SCORED_CODES, known_to(whole), strict=True) if known}
    assert known == {"164889003", "713427006", "59118001"}  # the last is the other's equivalent
    august = AugustRule(mapping=TWO, correction=np.ones(2))
    assert sum(known_to(august)) == 2
    april = AprilRule(thresholds=np.ones(8))
    assert known_to(april).all()
    assert codes_of(april)[APRIL_CLASSES.index("PVC")] == "164884008"  # the trap: not the scored 427172004


def test_a_vote_joins_by_code() -> None:
    """AF is known to both, right bundle branch block to one, another code to the other."""
    first = threshold_rule(0.5)
    second = ThresholdRule(
        mapping=OTHER,
        correction=np.ones(2),
        thresholds=np.ones(2),
        classes=("900000000001", "164889003"),
        by_class=CHALLENGE_COLUMNS,
    )
    vote = Vote([first, second])
    assert vote.classes == (*SCORED_CODES, "900000000001")
    rows = np.array([3, 5])
    joined = vote.join(
        [
            Decided(rows, np.array([[1, 0], [0, 1]], np.uint8), np.array([[0.8, 0.1], [0.2, 0.6]])),
            Decided(rows, np.array([[1, 0], [0, 0]], np.uint8), np.array([[0.7, 0.4], [0.3, 0.0]])),
        ]
    )
    column = {code: number for number, code in enumerate(vote.classes)}
    assert joined.record.tolist() == [3, 5]
    assert joined.scores[:, column["164889003"]] == pytest.approx([0.6, 0.1])
    assert joined.labels[:, column["164889003"]].tolist() == [1, 0]  # one of two is half
    assert joined.scores[:, column["713427006"]] == pytest.approx([0.1, 0.6])
    assert joined.labels[:, column["900000000001"]].tolist() == [1, 0]
    assert joined.scores[:, column["426783006"]].tolist() == [0.0, 0.0]
    assert joined.labels[:, column["426783006"]].tolist() == [0, 0]  # nobody knows it, nobody says it


def test_answers_about_other_records_are_refused() -> None:
    rule = threshold_rule(0.5)
    answers = [Decided(np.array([row]), np.zeros((1, 2), np.uint8), np.zeros((1, 2))) for row in (1, 2)]
    with pytest.raises(ConfigError, match="answered for different records"):
        Vote([rule, rule]).join(answers)


def test_april_alone_speaks_in_codes_of_todays_records() -> None:
    vote = Vote([AprilRule(thresholds=np.ones(8)), threshold_rule(0.5, classes=("164889003", "713427006"))])
    assert set(vote.classes) >= set(SCORED_CODES)
    assert "429622005" in vote.classes  # STD
    assert named_mapping("sigmoid").codes[0] in vote.classes


def test_who_never_saw_a_class_has_no_say_about_it() -> None:
    rules = [AugustRule(mapping=TWO, correction=np.array(pair)) for pair in ([2.0, 0.0], [4.0, 0.0], [0.0, 0.0])]
    joint = combine_rules(rules)
    assert isinstance(joint, AugustRule)
    assert joint.correction.tolist() == [3.0, 0.0]
    corrected = already_corrected(joint)
    assert isinstance(corrected, AugustRule)
    assert corrected.correction.tolist() == [1.0, 0.0]
    scores = np.array([[[0.2, 0.5]], [[0.4, 0.5]], [[0.9, 0.5]]])  # (model, record, output)
    known = np.array([[True, False], [True, False], [False, False]])
    np.testing.assert_allclose(average_known(scores, known), [[0.3, 0.0]])
