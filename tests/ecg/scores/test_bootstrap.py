"""Bootstrap intervals: each replicate is what the metric gives for records written out as often as they count."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecg12.ecg.errors import ConfigError, PredictionError
from ecg12.ecg.labels.snomed import SCORED_CLASSES
from ecg12.ecg.scores import bootstrap
from ecg12.ecg.scores.bootstrap import bootstrap_scores, compute_replicates, draw_weights
from ecg12.ecg.scores.scores import OF_CLASSES, challenge, compute_scores

MACRO_FIGURES = challenge().report

N = len(SCORED_CLASSES)


def some_records(seed: int, n: int = 40) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, outputs and scores; a rare class, ties, an infinite score."""
    rng = np.random.default_rng(seed)
    labels = rng.random((n, N)) < np.linspace(0.02, 0.6, N)
    scores = np.round(rng.random((n, N)) * 0.7 + labels * 0.3 * rng.random((n, N)), 1)
    scores[0, 3] = np.inf
    return labels, scores > 0.55, scores


@settings(max_examples=20)
@given(st.integers(0, 2**32))
def test_a_replicate_equals_the_metric_of_repeated_records(seed: int) -> None:
    labels, binary, scores = some_records(seed)
    counts = np.random.default_rng(seed).integers(0, 4, (len(labels), 3))
    counts[0] = 1  # nobody is left only by the hardest luck
    figures = compute_replicates(labels, binary, scores, counts)
    for number in range(3):
        times = counts[:, number]
        expected = compute_scores(*(np.repeat(values, times, axis=0) for values in (labels, binary, scores)))
        for name in MACRO_FIGURES:
            assert figures[name][number] == pytest.approx(getattr(expected, name), abs=1e-12, nan_ok=True)
        for name in OF_CLASSES:
            np.testing.assert_allclose(
                figures[f"{name}_classes"][number], getattr(expected, f"{name}_classes"), atol=1e-12
            )


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    records = some_records(1)
    units = [f"p{i // 2}" for i in range(40)]
    whole = bootstrap_scores(*records, units, n_replicates=20, seed=4)
    monkeypatch.setattr(bootstrap, "BLOCK", 7)
    in_blocks = bootstrap_scores(*records, units, n_replicates=20, seed=4)
    for name in MACRO_FIGURES:
        assert in_blocks.macro[name] == pytest.approx(whole.macro[name], abs=1e-6)
    assert (whole.n_replicates, whole.n_units, whole.level) == (20, 20, 0.95)


def test_the_order_of_records_does_not_matter_and_the_seed_does() -> None:
    records = some_records(2)
    units = np.array([f"p{i // 2}" for i in range(40)], object)
    order = np.random.default_rng(0).permutation(40)
    one = bootstrap_scores(*records, units, n_replicates=50, seed=4)
    other = bootstrap_scores(*(values[order] for values in records), units[order], n_replicates=50, seed=4)
    for name in MACRO_FIGURES:
        assert one.macro[name] == pytest.approx(other.macro[name], abs=1e-6)
    assert bootstrap_scores(*records, units, n_replicates=50, seed=5).macro != one.macro


def test_whole_groups_are_weighed() -> None:
    """Pairs of equal records: weighed one by one they would look like twice as many independent ones."""
    rng = np.random.default_rng(3)
    half = [values[:60] for values in some_records(3, 60)]
    doubled = [np.repeat(values, 2, axis=0) for values in half]
    by_pair = [f"p{i // 2}" for i in range(120)]
    widths = [
        np.diff(bootstrap_scores(*records, units, n_replicates=600, seed=int(rng.integers(99))).macro["auroc"])[0]
        for records, units in ((half, list(map(str, range(60)))), (doubled, by_pair), (doubled, list(range(120))))
    ]
    assert widths[1] == pytest.approx(widths[0], rel=0.15)
    assert widths[2] == pytest.approx(widths[0] / np.sqrt(2), rel=0.15)


def test_the_interval_of_accuracy_is_the_binomial_one() -> None:
    """100 records, 30 wholly right: the standard error is sqrt(0.3 * 0.7 / 100)."""
    labels = np.zeros((100, N), np.uint8)
    labels[:, 0] = 1
    binary = labels.copy()
    binary[30:, 1] = 1
    found = bootstrap_scores(labels, binary, binary, range(100), n_replicates=4000, seed=1)
    low, high = found.macro["accuracy"]
    half_width = 1.96 * np.sqrt(0.3 * 0.7 / 100)
    assert (low, high) == pytest.approx((0.3 - half_width, 0.3 + half_width), abs=0.012)
    assert np.isnan(found.classes["auroc"][5]).all()  # no positive, no area, ever
    assert found.classes["f_measure"][0] == pytest.approx((1.0, 1.0))


def test_weights_are_one_on_average_and_do_not_depend_on_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = list(draw_weights(1700, 2 * bootstrap.BLOCK + 5, seed=1))
    assert [block.shape for block in blocks] == [(1700, bootstrap.BLOCK), (1700, bootstrap.BLOCK), (1700, 5)]
    whole = np.concatenate(blocks, axis=1)
    assert whole.mean() == pytest.approx(1, abs=0.02)
    assert whole.std() == pytest.approx(1, abs=0.02)  # of the exponential distribution
    monkeypatch.setattr(bootstrap, "BLOCK", 7)
    np.testing.assert_array_equal(np.concatenate(list(draw_weights(1700, 69, seed=1)), axis=1), whole)


def test_a_rare_class_is_in_every_replicate() -> None:
    """Two positives of 200, at ranks 3 and 8 from the top: their average precision lies within its interval."""
    labels, scores = np.zeros((200, N), bool), np.linspace(1, 0, 200)[:, None].repeat(N, axis=1)
    labels[[2, 7], 4] = True
    labels[:100, 0] = True
    point = compute_scores(labels, labels, scores)
    found = bootstrap_scores(labels, labels, scores, range(200), n_replicates=500, seed=3)
    assert point.auprc_classes[4] == pytest.approx((1 / 3 + 2 / 8) / 2)
    low, high = found.classes["auprc"][4]
    assert low < point.auprc_classes[4] < high
    low, high = found.macro["auprc"]
    assert low < point.auprc < high


def test_bad_arguments_are_named() -> None:
    labels, binary, scores = some_records(1)
    with pytest.raises(ConfigError, match=r"0 replicates at level 0\.95; expected at least 1, between 0 and 1"):
        bootstrap_scores(labels, binary, scores, range(40), n_replicates=0)
    with pytest.raises(ConfigError, match=r"10 replicates at level 1\.0"):
        bootstrap_scores(labels, binary, scores, range(40), n_replicates=10, level=1.0)
    with pytest.raises(PredictionError, match=r"labels have shape \(40, 3\); expected at least one record and the 24"):
        bootstrap_scores(labels[:, :3], binary[:, :3], scores[:, :3], range(40))
