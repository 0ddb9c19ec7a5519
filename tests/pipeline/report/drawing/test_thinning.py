"""Thinned lines stay close to the whole ones."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ecg12.pipeline.report.drawing.thinning import thin

heights = st.lists(st.floats(-50, 50, allow_nan=False), min_size=1, max_size=60)


@given(heights, st.floats(0.001, 5))
def test_no_point_is_further_than_the_tolerance(values: list[float], tolerance: float) -> None:
    x, y = np.arange(len(values)) * 0.3, np.array(values)
    kept = thin(x, y, tolerance)
    assert kept[0] == 0
    assert kept[-1] == len(values) - 1
    assert (np.diff(kept) > 0).all()
    assert np.abs(np.interp(x, x[kept], y[kept]) - y).max() <= tolerance + 1e-9


def test_a_straight_line_needs_its_ends_alone() -> None:
    x = np.linspace(0, 1, 500)
    assert thin(x, 3 * x, 0.01).tolist() == [0, 499]
