"""Decision rules: hand-made cases for each sentence, and rank scaling against a loop written from its sentence."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from ecg12.ecg.decisions.output_mapping import parse_mapping
from ecg12.ecg.decisions.output_parts import parse_layer
from ecg12.ecg.decisions.reference_rules import (
    APRIL_CLASSES,
    APRIL_OUTPUTS,
    RANK_FACTORS,
    AprilRule,
    AugustRule,
    compute_correction,
    decide_outputs,
    pool_windows,
    scale_by_rank,
)
from ecg12.ecg.errors import ConfigError
from ecg12.ecg.labels.snomed import SCORED_CODES

RECORD = np.array([3, 3, 5])
SIGMOID = parse_mapping("sigmoid\n0->1/0->1/0->1\n270492004,0,1\n164889003,1,1\n426783006,2,1\n")


def rule(mapping=SIGMOID, correction=None, **options):
    correction = np.ones(mapping.n_outputs) if correction is None else np.array(correction, float)
    return AugustRule(mapping=mapping, correction=correction, **options)


def column(values, code):
    return values[:, SCORED_CODES.index(code)].tolist()


class TestCorrection:
    def test_uniform_is_one_over_the_frequency_up_to_thirty(self):
        frequency = np.array([0.5, 0.25, 0.01, 0.0])
        np.testing.assert_allclose(compute_correction(frequency, "uniform"), [2.0, 4.0, 30.0, 0.0])

    def test_train_is_one_where_the_class_occurs(self):
        assert compute_correction(np.array([0.5, 0.01, 0.0]), "train").tolist() == [1.0, 1.0, 0.0]

    def test_others_are_refused(self):
        with pytest.raises(ConfigError, match="correction factor 'none'; expected uniform or train"):
            compute_correction(np.ones(1), "none")


class TestPooling:
    VALUES = np.array([[1.0, 8.0], [3.0, 4.0], [5.0, 6.0]])

    @pytest.mark.parametrize(
        ("strategy", "expected"),
        [
            ("mean", [[2.0, 6.0], [5.0, 6.0]]),
            ("max", [[3.0, 8.0], [5.0, 6.0]]),
            ("last", [[3.0, 4.0], [5.0, 6.0]]),
        ],
    )
    def test_one_row_a_record(self, strategy, expected):
        records, pooled = pool_windows(self.VALUES, RECORD, strategy)
        assert records.tolist() == [3, 5]
        assert pooled.tolist() == expected

    def test_the_record_called_zero_is_one_too(self):
        assert pool_windows(self.VALUES, np.array([0, 0, 1]), "mean")[0].tolist() == [0, 1]

    def test_others_are_refused(self):
        with pytest.raises(ConfigError, match="combination_strategy is 'median'; expected mean, max, last"):
            pool_windows(self.VALUES, RECORD, "median")


def scale_naively(row, factors):
    """For i = 0…: take the (i+1)-th largest of the row as already modified; everything not yet treated and at
    least that is multiplied by s[i] and is treated; what remains is multiplied by the last factor."""
    row, treated = list(row), [False] * len(row)
    for i, factor in enumerate(factors[:-1]):
        if i >= len(row):
            break
        bar = sorted(row, reverse=True)[i]
        due = [place for place in range(len(row)) if not treated[place] and row[place] >= bar]
        for place in due:
            row[place] *= factor
            treated[place] = True
    return [value if done else value * factors[-1] for value, done in zip(row, treated, strict=True)]


SCORES = npst.arrays(
    np.float64,
    st.tuples(st.integers(1, 4), st.integers(1, 12)),
    elements=st.sampled_from([0.0, 0.01, 0.2, 0.3, 0.45, 0.5, 0.6]) | st.floats(0, 40),
)


class TestRankScaling:
    @given(SCORES)
    def test_it_is_what_the_sentence_says(self, scores):
        expected = [scale_naively(row, RANK_FACTORS) for row in scores]
        np.testing.assert_array_equal(scale_by_rank(scores, RANK_FACTORS), expected)

    @given(SCORES, st.lists(st.floats(0, 40), min_size=1, max_size=9))
    def test_with_any_factors(self, scores, factors):
        np.testing.assert_array_equal(scale_by_rank(scores, factors), [scale_naively(row, factors) for row in scores])

    def test_by_hand(self):
        scores = np.array([[0.1, 0.6, 0.5, 0.4, 0.3, 0.2, 0.05]])
        expected = [[0.1 * 0.7, 0.6 * 30, 0.5, 0.4 * 0.9, 0.3 * 0.9, 0.2 * 0.8, 0.0]]
        np.testing.assert_allclose(scale_by_rank(scores, RANK_FACTORS), expected)

    def test_ties_go_together(self):
        found = scale_by_rank(np.array([[0.5, 0.5, 0.2, 0.1]]), RANK_FACTORS)
        np.testing.assert_allclose(found, [[15.0, 15.0, 0.18, 0.09]])

    def test_the_row_counts_as_it_then_is(self):
        """0.40 becomes 0.36, so the fourth largest is 0.36 and 0.39 is above it; only then comes 0.35."""
        found = scale_by_rank(np.array([[1.0, 0.5, 0.40, 0.39, 0.35]]), (30, 1, 0.9, 0.8, 0.5, 0))
        np.testing.assert_allclose(found, [[30, 0.5, 0.36, 0.312, 0.175]])

    def test_the_input_is_not_changed(self):
        scores = np.array([[0.5, 0.2]])
        scale_by_rank(scores, RANK_FACTORS)
        assert scores.tolist() == [[0.5, 0.2]]


class TestDecisions:
    @pytest.mark.parametrize(
        ("layer", "row", "expected"),
        [
            ("sigmoid", [0.5, 0.51, 7.0], [0, 1, 1]),
            ("softmax", [0.3, 0.2, 0.1], [0, 0, 0]),  # 0.4 is left for none
            ("softmax", [0.3, 0.45, 0.0], [0, 1, 0]),
            ("softmax", [0.25, 0.25, 0.25], [0, 0, 0]),  # none comes first among equals
            ("softmax", [0.4, 0.4, 0.1], [1, 0, 0]),
            ("softmax", [9.0, 0.4, 0.1], [1, 0, 0]),
            ("standard_softmax", [0.3, 0.2, 0.1], [1, 0, 0]),
            ("standard_softmax", [0.0, 0.0, 0.0], [1, 0, 0]),
            ("cvx_softmax_3", [0.1, 0.2, 0.1], [0, 1, 0]),
            ("concat:softmax:2-sigmoid:1", [0.3, 0.2, 0.6], [0, 0, 1]),
            ("concat:sigmoid:1-standard_softmax:2", [0.6, 0.1, 0.2], [1, 0, 1]),
        ],
    )
    def test_each_layer_decides_by_its_own_rule(self, layer, row, expected):
        assert decide_outputs(np.array([row]), parse_layer(layer, 3)).tolist() == [expected]


class TestAugust:
    def test_scores_are_corrected_and_pooled_but_not_scaled(self):
        windows = np.array([[0.1, 0.4, 0.2], [0.3, 0.2, 0.6], [0.1, 0.1, 0.1]])
        found = rule(correction=[10, 1, 2]).decide(windows, RECORD)
        assert found.record.tolist() == [3, 5]
        np.testing.assert_allclose(column(found.scores, "270492004"), [2.0, 1.0])
        np.testing.assert_allclose(column(found.scores, "164889003"), [0.3, 0.1])
        np.testing.assert_allclose(column(found.scores, "426783006"), [0.8, 0.2])

    def test_labels_come_from_a_scaled_copy(self):
        """30 × 0.02 is above a half, 1 × 0.6 too, 0.9 × 0.55 is not."""
        windows = np.array([[0.02, 0.01, 0.0], [0.9, 0.6, 0.55]])
        found = rule().decide(windows, np.array([0, 1]))
        assert column(found.labels, "270492004") == [1, 1]
        assert column(found.labels, "164889003") == [0, 1]
        assert column(found.labels, "426783006") == [0, 0]

    def test_classes_that_the_mapping_lacks_are_zero(self):
        found = rule().decide(np.full((3, 3), 0.9), RECORD)
        others = [n for n, code in enumerate(SCORED_CODES) if code not in SIGMOID.codes]
        assert found.scores.shape == (2, 27)
        assert not found.scores[:, others].any()
        assert not found.labels[:, others].any()

    def test_deciding_before_pooling_takes_what_any_window_has(self):
        windows = np.array([[0.9, 0.0, 0.0], [0.0, 0.9, 0.0], [0.0, 0.0, 0.9]])
        options = {"scale_by_n_predictions": (1.0, 0.0), "combination_strategy": "last"}
        after = rule(**options).decide(windows, RECORD)
        before = rule(**options, predict_before_collapse=True).decide(windows, RECORD)
        assert column(after.labels, "270492004") == [0, 0]
        assert column(before.labels, "270492004") == [1, 0]
        assert column(before.labels, "164889003") == [1, 0]
        np.testing.assert_array_equal(before.scores, after.scores)
        assert column(before.scores, "164889003") == [0.9, 0.0]

    def test_several_pairs_and_null_pairs(self):
        mapping = parse_mapping(
            "concat:softmax:2-sigmoid:1\n0->2/0->1\n270492004,0,1\n164889003,0,1\n164889003,1,1\n426783006,0,0\n"
        )
        windows = np.array([[0.5, 0.2, 0.6]])
        found = rule(mapping, scale_by_n_predictions=(1.0,)).decide(windows, np.array([0]))
        assert column(found.labels, "164889003") == [1]
        assert column(found.labels, "426783006") == [0]
        np.testing.assert_allclose(column(found.scores, "164889003"), [0.3])
        np.testing.assert_allclose(column(found.scores, "426783006"), [0.3])

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"correction": [1, 2]}, "2 correction factors; expected 3, one for each output"),
            ({"combination_strategy": "median"}, "combination_strategy is 'median'; expected mean, max, last"),
            ({"scale_by_n_predictions": ()}, "scale_by_n_predictions is empty; expected at least one factor"),
        ],
    )
    def test_what_does_not_fit_is_refused(self, options, message):
        with pytest.raises(ConfigError, match=message):
            rule(**options)


class TestApril:
    def test_labels_are_means_above_their_thresholds(self):
        thresholds = np.linspace(0.1, 0.8, 8)
        windows = np.stack([thresholds - 0.05, thresholds + 0.07, thresholds - 0.01])
        found = AprilRule(thresholds=thresholds).decide(windows, RECORD)
        assert found.labels.tolist() == [[int(name != "Normal") for name in APRIL_CLASSES], [0, 0, 0, 1, 0, 0, 0, 0, 0]]

    def test_columns_are_the_files(self):
        scores = np.linspace(0.1, 0.8, 8)[None]
        found = AprilRule(thresholds=np.ones(8)).decide(scores, np.array([0]))
        by_name = dict(zip(APRIL_CLASSES, found.scores[0], strict=True))
        assert APRIL_OUTPUTS == ("AF", "I-AVB", "RBBB", "LBBB", "PAC", "PVC", "STD", "STE")
        assert APRIL_CLASSES == ("AF", "I-AVB", "LBBB", "Normal", "RBBB", "PAC", "PVC", "STD", "STE")
        for name, score in zip(APRIL_OUTPUTS, scores[0], strict=True):
            assert by_name[name] == score
        assert by_name["Normal"] == pytest.approx(np.prod(1 - scores))

    def test_a_score_at_its_threshold_is_no_label(self):
        found = AprilRule(thresholds=np.full(8, 0.5)).decide(np.full((1, 8), 0.5), np.array([0]))
        assert found.labels.tolist() == [[0, 0, 0, 1, 0, 0, 0, 0, 0]]

    def test_other_thresholds_are_refused(self):
        with pytest.raises(ConfigError, match=r"thresholds of shape \(9,\); expected 8 of them"):
            AprilRule(thresholds=np.ones(9))
