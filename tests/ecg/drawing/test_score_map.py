"""Maps for pictures: sums kept, grades and stretches as they should be, the best ten seconds found."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecg12.ecg.drawing.score_map import GRADES, UNIT_S, ScoreMap, runs_of, strongest, to_grades


def map_of(values: np.ndarray, **changes: object) -> ScoreMap:
    facts = {"name": "atrial fibrillation", "leads": ("I", "V1"), "fs": 400.0, "score": 0.9, "silent": 0.1}
    facts |= {"is_positive": True, "method": "integrated gradients", "values": values.astype(np.float32)}
    return ScoreMap(**(facts | changes))


def test_smoothing_keeps_sums_and_gives_shares_of_a_tenth_of_a_second() -> None:
    values = np.zeros((2, 4000))
    values[0, [0, 100, 3999]] = 0.1, -0.2, 0.4
    values[1, 2000:2400] = 0.01
    smoothed = map_of(values).smooth()
    np.testing.assert_allclose(smoothed.sum(axis=1) / 400 / UNIT_S, values.sum(axis=1), rtol=1e-6)
    assert smoothed[1, 2200] == pytest.approx(0.01 * 40)  # forty samples in a tenth of a second
    assert smoothed[0, 100 - 40 : 100 + 40].sum() / 40 == pytest.approx(-0.2, rel=2e-3)


def test_what_was_not_calculated_counts_as_nothing() -> None:
    values = np.ones((2, 800))
    values[:, :400] = np.nan
    one = map_of(values)
    assert np.isfinite(one.smooth()).all()
    assert one.by_lead() == {"I": 400.0, "V1": 400.0}


def test_leads_by_what_they_add() -> None:
    values = np.stack([np.full(100, 0.001), np.full(100, -0.003)])
    shares = map_of(values).by_lead()
    assert list(shares) == ["V1", "I"]
    assert shares["V1"] == pytest.approx(-0.3, rel=1e-5)


def test_a_sheet_begins_where_most_is() -> None:
    values = np.zeros((2, 400 * 60))
    values[0, 400 * 33 : 400 * 34] = 0.01
    values[1, 400 * 41 : 400 * 42] = -0.01
    assert 32 <= map_of(values).find_start(10) <= 33
    assert map_of(values[:, :4000]).find_start(10) == 0
    assert map_of(values[:, :100]).find_start(10) == 0


def test_grades_follow_size_and_sign() -> None:
    largest = 2.0
    values = np.array([0.0, 0.05, GRADES[0], -GRADES[0], GRADES[1], -GRADES[3], 5.0]) * largest
    assert to_grades(values, largest).tolist() == [0, 0, 1, -1, 2, -4, 4]
    assert to_grades(np.zeros(5), strongest(np.zeros(5))).tolist() == [0] * 5


def test_the_strongest_leaves_outliers_aside() -> None:
    values = np.linspace(-1, 1, 10_000)
    values[::5000] = 50
    assert 0.99 < strongest(values) < 1.1


def test_a_score_that_hardly_depends_on_the_signal_is_not_painted() -> None:
    values = np.random.default_rng(0).normal(scale=1e-5, size=(2, 4000))
    assert not to_grades(values, strongest(values)).any()
    assert to_grades(values * 1000, strongest(values * 1000)).any()


@given(st.lists(st.integers(-2, 2), min_size=1, max_size=40))
def test_stretches_cover_every_graded_sample_once(grades: list[int]) -> None:
    drawn = np.zeros(len(grades), int)
    for first, stop, grade in runs_of(np.array(grades)):
        assert grade != 0
        assert set(grades[first:stop]) == {grade}
        assert first == 0 or grades[first - 1] != grade
        assert stop == len(grades) or grades[stop] != grade
        drawn[first:stop] += 1
    np.testing.assert_array_equal(drawn, np.array(grades) != 0)
