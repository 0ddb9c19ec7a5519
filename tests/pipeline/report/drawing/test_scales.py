"""Scales: round ticks, and places on them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecg12.pipeline.report.drawing.scales import Axis, axis_over, format_tick, round_step, share_axis

numbers = st.floats(-1e6, 1e6, allow_nan=False)


@given(st.lists(numbers, min_size=1, max_size=20), st.booleans())
def test_an_axis_holds_its_values_and_has_ticks(values: list[float], with_zero: bool) -> None:
    axis = axis_over("x", values, with_zero=with_zero)
    width = axis.high - axis.low
    assert axis.low - 1e-6 * width <= min(values)
    assert max(values) <= axis.high + 1e-6 * width
    assert 2 <= len(axis.marks()) <= 12
    assert not with_zero or axis.low <= 0 <= axis.high
    assert ((axis.place(values) >= 0) & (axis.place(values) <= 1)).all()


def test_an_axis_over_nothing() -> None:
    assert axis_over("x", [np.nan]).marks()
    assert axis_over("x", []).low < axis_over("x", []).high


def test_places() -> None:
    assert Axis(label="", low=10, high=20).place([5, 10, 15, 25]).tolist() == [0, 0, 0.5, 1]
    logarithmic = Axis(label="", low=1, high=100, is_log=True)
    assert logarithmic.place([0, 1, 10, 100]).tolist() == [0, 0, 0.5, 1]
    assert logarithmic.marks() == (1, 10, 100)
    assert share_axis("").marks()[-1] == 1


@pytest.mark.parametrize(("width", "step"), [(0.3, 0.5), (1.0, 1.0), (1.1, 2.0), (6.0, 10.0)])
def test_round_steps(width: float, step: float) -> None:
    assert round_step(width) == pytest.approx(step)


@pytest.mark.parametrize(
    ("value", "text"), [(0.2, "0.2"), (1000.0, "1,000"), (20_000.0, "20k"), (3e6, "3M"), (0.1 + 0.2, "0.3"), (-5, "-5")]
)
def test_ticks_are_short(value: float, text: str) -> None:
    assert format_tick(value) == text
