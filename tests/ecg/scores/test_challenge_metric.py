import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ecg12.ecg.errors import ConfigError, PredictionError
from ecg12.ecg.labels.snomed import NORMAL_INDEX, SCORED_CLASSES, WEIGHTS
from ecg12.ecg.scores import challenge_metric as metric
from ecg12.ecg.scores.scores import OF_CLASSES, challenge, compute_scores
from tests.ecg.scored_labels import scored_matrix

SMALL_WEIGHTS = np.array([[1.0, 0.5, 0.3], [0.5, 1.0, 0.2], [0.3, 0.2, 1.0]])
NAN = math.nan


@pytest.fixture(scope="module")
def official(shared):
    return json.loads((shared / "fixtures" / "evaluation" / "official_scores.json").read_text())


@pytest.fixture(scope="module")
def official_arrays(official):
    """Labels, binary outputs and scores of the 300 recorded pairs over the 24 classes."""
    records = official["records"]
    labels = scored_matrix([record["dx"] for record in records])
    merged = metric.merge_equivalents(
        official["codes"],
        [record["labels"] for record in records],
        [record["scores"] for record in records],
    )
    return labels, *merged


def binary_matrices(n_classes=3, max_records=12):
    return st.integers(0, max_records).flatmap(
        lambda n: st.tuples(*[hnp.arrays(np.bool_, (n, n_classes)) for _ in range(2)])
    )


# Few distinct scores, so that ties are the rule.
tied_scores = st.sampled_from([-math.inf, 0.0, 0.1, 0.25, 0.5, 0.9, 1.0, 3.0, math.inf])
labelled_scores = st.integers(1, 15).flatmap(
    lambda n: st.tuples(hnp.arrays(np.bool_, (n, 2)), hnp.arrays(np.float64, (n, 2), elements=tied_scores))
)


def naive_areas(labels, scores):
    """One class; a fresh count at every threshold."""
    n_positive = sum(labels)
    n_negative = len(labels) - n_positive
    if not n_positive:
        return NAN, NAN
    auroc = auprc = recall_before = 0.0
    specificity_before = 1.0
    for threshold in sorted(set(scores), reverse=True):
        predicted = [score >= threshold for score in scores]
        true_positives = sum(p and y for p, y in zip(predicted, labels, strict=True))
        false_positives = sum(predicted) - true_positives
        recall = true_positives / n_positive
        auprc += (recall - recall_before) * true_positives / sum(predicted)
        if n_negative:
            specificity = (n_negative - false_positives) / n_negative
            auroc += (recall - recall_before) * (specificity + specificity_before) / 2
            specificity_before = specificity
        recall_before = recall
    return auroc if n_negative else NAN, auprc


def pair_counting_auroc(labels, scores):
    """Probability that a positive scores above a negative, ties half."""
    pairs = [(p, n) for p in scores[labels] for n in scores[~labels]]
    return sum((p > n) + 0.5 * (p == n) for p, n in pairs) / len(pairs) if pairs else NAN


def naive_confusion(labels, outputs):
    n_classes = labels.shape[1]
    confusion = np.zeros((n_classes, n_classes))
    for x, y in zip(labels, outputs, strict=True):
        union = max(sum(a or b for a, b in zip(x, y, strict=True)), 1)
        for i in range(n_classes):
            for j in range(n_classes):
                if x[i] and y[j]:
                    confusion[i, j] += 1 / union
    return confusion


def naive_challenge_metric(labels, outputs, weights, normal_index):
    inactive = np.zeros_like(labels)
    inactive[:, normal_index] = True
    s, s_correct, s_inactive = (
        np.sum(weights * naive_confusion(labels, answer)) for answer in (outputs, labels, inactive)
    )
    return (s - s_inactive) / (s_correct - s_inactive) if s_correct != s_inactive else 0.0


class TestOracle:
    """The official evaluator's recorded results."""

    pytestmark = pytest.mark.shared

    def test_every_figure(self, official, official_arrays):
        scores = compute_scores(*official_arrays)
        expected = dict(official["expected"])
        assert tuple(expected.pop("classes")) == SCORED_CLASSES
        assert len(expected) == 10
        for name, value in expected.items():
            np.testing.assert_allclose(getattr(scores, name), value, rtol=0, atol=1e-9, err_msg=name)

    def test_tuned_thresholds_beat_the_recorded_outputs(self, official_arrays):
        labels, binary, scores = official_arrays
        tuned = metric.compute_challenge_metric(labels, scores > metric.fit_thresholds(labels, scores))
        assert tuned > metric.compute_challenge_metric(labels, binary)
        assert tuned > metric.compute_challenge_metric(labels, scores > 0.5)


class TestAreas:
    @pytest.mark.parametrize(
        ("labels", "scores", "auroc", "auprc"),
        [
            ([1, 1, 0, 0], [0.9, 0.8, 0.2, 0.1], 1.0, 1.0),
            ([0, 0, 1, 1], [0.9, 0.8, 0.2, 0.1], 0.0, 0.5 * 1 / 3 + 0.5 * 2 / 4),
            ([1, 0, 1, 0], [0.9, 0.8, 0.2, 0.1], 0.75, 0.5 * 1 + 0.5 * 2 / 3),
            ([1, 0, 1, 0], [0.5, 0.5, 0.5, 0.5], 0.5, 0.5),
            ([1, 0, 1, 0], [0.9, 0.9, 0.2, 0.1], 0.625, 0.5 * 1 / 2 + 0.5 * 2 / 3),
            ([1, 1, 1], [0.9, 0.2, 0.1], NAN, 1.0),  # no negatives: precision is 1 throughout
            ([0, 0, 0], [0.9, 0.2, 0.1], NAN, NAN),
            ([1, 0], [math.inf, math.inf], 0.5, 0.5),
        ],
    )
    def test_by_hand(self, labels, scores, auroc, auprc):
        areas = metric.compute_areas(np.array([labels]).T, np.array([scores]).T)
        np.testing.assert_allclose(np.concatenate(areas), [auroc, auprc], rtol=1e-15)

    @settings(deadline=None)
    @given(labelled_scores)
    def test_equals_the_naive_loop(self, pair):
        labels, scores = pair
        naive = [naive_areas(labels[:, k].tolist(), scores[:, k].tolist()) for k in range(2)]
        np.testing.assert_allclose(np.transpose(metric.compute_areas(labels, scores)), naive, atol=1e-12)

    @settings(deadline=None)
    @given(labelled_scores)
    def test_auroc_counts_pairs(self, pair):
        labels, scores = pair
        pairs = [pair_counting_auroc(labels[:, k], scores[:, k]) for k in range(2)]
        np.testing.assert_allclose(metric.compute_areas(labels, scores)[0], pairs, atol=1e-12)

    def test_order_of_records_does_not_matter(self):
        rng = np.random.default_rng(0)
        labels, scores = rng.random((200, 3)) < 0.3, rng.integers(0, 9, (200, 3)) / 8
        order = rng.permutation(200)
        np.testing.assert_array_equal(
            metric.compute_areas(labels, scores), metric.compute_areas(labels[order], scores[order])
        )

    def test_no_classes(self):
        assert [len(area) for area in metric.compute_areas(np.zeros((3, 0)), np.zeros((3, 0)))] == [0, 0]


class TestCounts:
    # record by record: both right; one of two labels missed; a false alarm; nothing at all
    LABELS = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 0]])
    OUTPUTS = np.array([[1, 0, 0], [1, 0, 0], [1, 1, 0], [0, 0, 0]])

    def test_accuracy(self):
        assert metric.compute_accuracy(self.LABELS, self.OUTPUTS) == 0.5

    def test_accuracy_without_records(self):
        assert math.isnan(metric.compute_accuracy(np.zeros((0, 3)), np.zeros((0, 3))))

    def test_f_measure(self):
        # class 0: TP 2, FP 1; class 1: TP 1, FN 1; class 2: neither labelled nor predicted
        f_measure = metric.compute_f_measure(self.LABELS, self.OUTPUTS)
        np.testing.assert_allclose(f_measure, [4 / 5, 2 / 3, NAN], rtol=1e-15)

    def test_beta_measures(self):
        # weights of the records: 1, 1/2, 1, 1. class 0: TP 1 + 1/2, FP 1; class 1: TP 1, FN 1/2
        f_beta, g_beta = metric.compute_beta_measures(self.LABELS, self.OUTPUTS)
        np.testing.assert_allclose(f_beta, [5 * 1.5 / (5 * 1.5 + 1), 5 / (5 + 4 * 0.5), NAN], rtol=1e-15)
        np.testing.assert_allclose(g_beta, [1.5 / (1.5 + 1), 1 / (1 + 2 * 0.5), NAN], rtol=1e-15)

    def test_false_alarm_on_a_record_without_labels_counts_fully(self):
        f_beta, g_beta = metric.compute_beta_measures([[1], [0]], [[1], [1]])
        np.testing.assert_allclose((f_beta[0], g_beta[0]), (5 / 6, 1 / 2), rtol=1e-15)

    def test_beta_one_without_weights_is_f1(self):
        one_label = [[1, 0], [0, 1], [1, 0]]
        outputs = [[1, 0], [1, 0], [0, 0]]
        f_one, _ = metric.compute_beta_measures(one_label, outputs, beta=1.0)
        np.testing.assert_allclose(f_one, metric.compute_f_measure(one_label, outputs), rtol=1e-15)

    def test_macro_mean_is_over_defined_classes(self):
        assert metric.macro_mean(np.array([0.2, NAN, 0.4])) == pytest.approx(0.3)
        assert math.isnan(metric.macro_mean(np.array([NAN, NAN])))


class TestChallengeMetric:
    def test_confusion_by_hand(self):
        # {0} answered {0, 1}: 1/2 each; {0, 1} answered {1, 2}: union 3; {2} answered nothing
        confusion = metric.compute_challenge_confusion(
            [[1, 0, 0], [1, 1, 0], [0, 0, 1]], [[1, 1, 0], [0, 1, 1], [0, 0, 0]]
        )
        third = 1 / 3
        expected = [[1 / 2, 1 / 2 + third, third], [0, third, third], [0, 0, 0]]
        np.testing.assert_allclose(confusion, expected, rtol=1e-15)

    def test_metric_by_hand(self):
        # One record {0}, answered {0, 1}: s = (1 + 0.5) / 2. Correct: 1. Inactive {2}: 0.3 / 2.
        score = metric.compute_challenge_metric([[1, 0, 0]], [[1, 1, 0]], SMALL_WEIGHTS, 2)
        assert score == pytest.approx((0.75 - 0.15) / (1 - 0.15), rel=1e-15)

    @settings(deadline=None)
    @given(binary_matrices())
    def test_equals_the_naive_loop(self, pair):
        labels, outputs = pair
        np.testing.assert_allclose(
            metric.compute_challenge_confusion(labels, outputs), naive_confusion(labels, outputs), atol=1e-12
        )
        assert metric.compute_challenge_metric(labels, outputs, SMALL_WEIGHTS, 2) == pytest.approx(
            naive_challenge_metric(labels, outputs, SMALL_WEIGHTS, 2), abs=1e-9
        )

    def test_one_for_the_truth_and_zero_for_always_normal(self):
        labels = np.random.default_rng(0).random((50, 24)) < 0.1
        inactive = np.zeros_like(labels)
        inactive[:, NORMAL_INDEX] = True
        assert metric.compute_challenge_metric(labels, labels) == 1.0
        assert metric.compute_challenge_metric(labels, inactive) == 0.0

    def test_zero_where_the_inactive_answer_is_correct(self):
        labels = np.zeros((7, 24))
        assert metric.compute_challenge_metric(labels, np.ones((7, 24))) == 0.0
        labels[:, NORMAL_INDEX] = 1
        assert metric.compute_challenge_metric(labels, np.ones((7, 24))) == 0.0

    def test_records_without_labels_add_nothing(self):
        rng = np.random.default_rng(1)
        labels, outputs = rng.random((2, 40, 24)) < 0.1
        labels[20:] = False
        assert metric.compute_challenge_metric(labels, outputs) == pytest.approx(
            metric.compute_challenge_metric(labels[:20], outputs[:20]), rel=1e-12
        )

    def test_weights_of_another_size(self):
        with pytest.raises(PredictionError, match=r"labels have 2 classes, weights the shape \(24, 24\)"):
            metric.compute_challenge_metric([[1, 0]], [[1, 0]])


class TestMergeEquivalents:
    def test_columns_go_where_they_belong_in_any_order(self):
        codes = ["426783006", "17338001", "164884008", "164889003"]
        binary, scores = metric.merge_equivalents(codes, [[1, 1, 1, 0]], [[0.1, 0.2, 0.9, 0.4]])
        expected = np.zeros(24)
        expected[[NORMAL_INDEX, SCORED_CLASSES.index("427172004"), 1]] = [0.1, 0.2, 0.4]
        np.testing.assert_array_equal(scores, [expected])
        np.testing.assert_array_equal(np.flatnonzero(binary), [13, NORMAL_INDEX])
        assert (binary.dtype, scores.dtype) == (np.uint8, np.float64)

    def test_any_and_mean_over_equivalent_columns(self):
        pair = ["59118001", "713427006"]
        binary, scores = metric.merge_equivalents(pair, [[0, 1], [0, 0]], [[0.2, 0.6], [0.1, 0.2]])
        np.testing.assert_array_equal(binary[:, 4], [1, 0])
        np.testing.assert_allclose(scores[:, 4], [0.4, 0.15], rtol=1e-15)

    def test_nan_is_left_out_of_the_mean_and_zero_if_alone(self):
        pair = ["59118001", "713427006"]
        _, scores = metric.merge_equivalents(pair, [[0, 0], [0, 0]], [[0.2, NAN], [NAN, NAN]])
        np.testing.assert_array_equal(scores[:, 4], [0.2, 0.0])

    def test_opposite_infinities_have_no_mean(self):
        pair = ["59118001", "713427006"]
        assert metric.merge_equivalents(pair, [[0, 0]], [[math.inf, -math.inf]])[1][0, 4] == 0.0

    def test_the_24_classes_are_left_as_they_are(self):
        rng = np.random.default_rng(0)
        binary, scores = rng.integers(0, 2, (5, 24)), rng.random((5, 24))
        merged = metric.merge_equivalents(SCORED_CLASSES, binary, scores)
        np.testing.assert_array_equal(merged, (binary, scores))

    @pytest.mark.parametrize(("n_codes", "shape"), [(2, (1, 3)), (3, (1, 2))])
    def test_shapes(self, n_codes, shape):
        with pytest.raises(PredictionError, match=r"binary outputs have shape .* each of the \d codes"):
            metric.merge_equivalents(SCORED_CLASSES[:n_codes], np.zeros((1, 3)), np.zeros(shape))


class TestComputeScores:
    def test_undefined_classes(self):
        labels = np.zeros((4, 24), dtype=np.uint8)
        labels[:2, 0] = 1
        scores = compute_scores(labels, labels, labels * 0.8)
        assert (scores.auroc, scores.auprc, scores.accuracy, scores.f_measure) == (1.0, 1.0, 1.0, 1.0)
        assert (scores.f_beta, scores.g_beta, scores.challenge_metric) == (1.0, 1.0, 1.0)
        assert scores.n_positive == (2, *[0] * 23)
        assert np.isnan(scores.auroc_classes[1:]).all()
        assert np.isnan(scores.g_beta_classes[1:]).all()

    def test_to_dict_is_json(self):
        labels = np.zeros((4, 24), dtype=np.uint8)
        labels[:2, 0] = 1
        scores = compute_scores(labels, labels, labels * 0.8)
        again = json.loads(json.dumps(scores.to_dict(), allow_nan=False))
        assert again["classes"] == list(SCORED_CLASSES)
        assert again["auroc_classes"] == [1.0, *[None] * 23]
        assert set(again) == {"classes", "n_positive", *challenge().report} | {f"{name}_classes" for name in OF_CLASSES}

    def test_nothing_defined_is_none_in_json(self):
        nothing = np.zeros((2, 24))
        as_dict = compute_scores(nothing, nothing, nothing).to_dict()
        assert as_dict["auroc"] is None
        assert (as_dict["accuracy"], as_dict["challenge_metric"]) == (1.0, 0.0)

    @pytest.mark.parametrize("shape", [(0, 24), (3, 27)])
    def test_shape(self, shape):
        with pytest.raises(PredictionError, match=r"labels have shape .*at least one record and the 24 classes"):
            compute_scores(np.zeros(shape), np.zeros(shape), np.zeros(shape))

    def test_outputs_of_another_shape(self):
        with pytest.raises(PredictionError, match=r"outputs have shape \(3, 24\); expected the labels' \(2, 24\)"):
            compute_scores(np.zeros((2, 24)), np.zeros((3, 24)), np.zeros((2, 24)))

    def test_scores_of_another_shape(self):
        with pytest.raises(PredictionError, match=r"scores have shape \(2, 3\); expected the labels' \(2, 24\)"):
            compute_scores(np.zeros((2, 24)), np.zeros((2, 24)), np.zeros((2, 3)))

    def test_scores_passed_for_outputs(self):
        outputs = np.full((2, 24), 0.0)
        outputs[1, 2] = 0.37
        with pytest.raises(PredictionError, match=r"outputs hold 0.37 at record 1, column 2; expected 0 or 1"):
            compute_scores(np.zeros((2, 24)), outputs, outputs)

    def test_labels_of_one_dimension(self):
        with pytest.raises(PredictionError, match=r"labels have shape \(3,\); expected two dimensions"):
            metric.compute_accuracy([0, 1, 0], [0, 1, 0])

    def test_nan_score(self):
        scores = np.zeros((2, 24))
        scores[1, 3] = NAN
        with pytest.raises(PredictionError, match=r"scores hold nan at record 1, column 3; .*merge_equivalents"):
            compute_scores(np.zeros((2, 24)), np.zeros((2, 24)), scores)


def simulate(n_records, seed):
    """Labels of rising frequency and informative scores that 0.5 suits badly."""
    rng = np.random.default_rng(seed)
    labels = rng.random((n_records, 24)) < np.linspace(0.005, 0.3, 24)
    logits = rng.normal(size=labels.shape) * 1.2 + 2.2 * labels - 2.5
    return labels, (1 / (1 + np.exp(-logits))).astype(np.float32)


class TestFitThresholds:
    @settings(deadline=None)
    @given(
        st.integers(0, 20).flatmap(
            lambda n: st.tuples(
                hnp.arrays(np.bool_, (n, 3)),
                hnp.arrays(np.float64, (n, 3), elements=st.sampled_from([-1.0, 0.0, 0.2, 0.5, 0.6, 1.0, 2.0])),
            )
        ),
        st.integers(1, 5),
    )
    def test_never_worse_than_one_half(self, pair, n_candidates):
        labels, scores = pair
        thresholds = metric.fit_thresholds(labels, scores, weights=SMALL_WEIGHTS, n_candidates=n_candidates)
        tuned, plain = (
            metric.compute_challenge_metric(labels, scores > at, SMALL_WEIGHTS, 2) for at in (thresholds, 0.5)
        )
        assert tuned >= plain

    @settings(max_examples=30, deadline=None)
    @given(st.integers(0, 1000))
    def test_no_single_threshold_could_do_better(self, seed):
        rng = np.random.default_rng(seed)
        labels = rng.random((12, 3)) < 0.4
        scores = rng.random((12, 3)).round(1) + 0.05
        # as many candidates as records: every cut between two scores is among them
        thresholds = metric.fit_thresholds(labels, scores, weights=SMALL_WEIGHTS, n_candidates=100)
        # The metric's numerator: records without labels aside, the normalisation does not depend on outputs.
        reached = np.sum(SMALL_WEIGHTS * naive_confusion(labels, scores > thresholds))
        for index in np.flatnonzero(labels.any(axis=0)):
            for cut in np.arange(0.0, 1.2, 0.1):
                other = thresholds.copy()
                other[index] = cut
                assert np.sum(SMALL_WEIGHTS * naive_confusion(labels, scores > other)) <= reached + 1e-8

    def test_separable_classes_are_separated(self):
        labels, _ = simulate(200, 0)
        scores = np.where(labels, 0.2, 0.1)
        thresholds = metric.fit_thresholds(labels, scores)
        assert metric.compute_challenge_metric(labels, scores > thresholds) == 1.0
        found = labels.any(axis=0)
        np.testing.assert_allclose(thresholds[found], 0.15)  # the middle of the gap

    def test_gains_much_and_repeats_itself(self):
        labels, scores = simulate(2000, 1)
        thresholds = metric.fit_thresholds(labels, scores)
        assert thresholds.shape == (24,)
        assert thresholds.dtype == np.float64
        plain, tuned = (metric.compute_challenge_metric(labels, scores > at) for at in (0.5, thresholds))
        assert tuned > plain + 0.3
        np.testing.assert_array_equal(metric.fit_thresholds(labels, scores), thresholds)

    def test_order_of_records_does_not_matter(self):
        labels, scores = simulate(500, 2)
        order = np.random.default_rng(0).permutation(500)
        np.testing.assert_array_equal(
            metric.fit_thresholds(labels[order], scores[order]), metric.fit_thresholds(labels, scores)
        )

    def test_class_without_positives_keeps_one_half(self):
        labels, scores = simulate(500, 3)
        labels[:, [0, 7]] = False
        thresholds = metric.fit_thresholds(labels, scores)
        assert (thresholds[[0, 7]] == 0.5).all()
        assert (thresholds[8:] != 0.5).all()

    def test_no_labels_at_all(self):
        assert (metric.fit_thresholds(np.zeros((3, 24)), np.ones((3, 24))) == 0.5).all()
        assert (metric.fit_thresholds(np.zeros((0, 24)), np.zeros((0, 24))) == 0.5).all()

    def test_hopeless_class_is_switched_off(self):
        # class 1 is always absent where it scores high, and each false alarm costs half of class 0's credit
        labels = np.array([[1, 0, 0]] * 9 + [[0, 1, 0]])
        scores = np.array([[0.9, 0.8, 0.0]] * 9 + [[0.1, 0.7, 0.0]])
        thresholds = metric.fit_thresholds(labels, scores, weights=np.eye(3))
        assert thresholds[1] == 0.8

    @pytest.mark.parametrize("value", [NAN, math.inf])
    def test_scores_must_be_finite(self, value):
        with pytest.raises(PredictionError, match=rf"scores hold {value} at record 0, column 0; .*finite numbers"):
            metric.fit_thresholds(np.ones((1, 24)), np.full((1, 24), value))

    def test_weights_of_another_size(self):
        with pytest.raises(PredictionError, match=r"labels have 24 classes, weights the shape \(3, 3\)"):
            metric.fit_thresholds(np.ones((1, 24)), np.ones((1, 24)), weights=SMALL_WEIGHTS)

    @pytest.mark.parametrize("option", ["n_candidates", "max_rounds"])
    def test_options(self, option):
        with pytest.raises(ConfigError, match=rf"{option} 0.*expected at least 1 each"):
            metric.fit_thresholds(np.ones((1, 24)), np.ones((1, 24)), **{option: 0})


def test_weights_fit_the_default_classes():
    assert WEIGHTS.shape == (len(SCORED_CLASSES),) * 2
