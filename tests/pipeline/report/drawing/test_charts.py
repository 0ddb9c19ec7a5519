"""Charts: named images whose shapes are where their numbers say, with the numbers in a table."""

import re

import numpy as np
import pytest

from ecg12.pipeline.report.drawing.charts import Bars, Series, bar_chart, heat_map, histogram, in_columns, line_chart
from ecg12.pipeline.report.drawing.frame import path_of
from ecg12.pipeline.report.drawing.markup import element
from ecg12.pipeline.report.drawing.scales import Axis, share_axis
from tests.pipeline.report.page_reader import PageReader

SHARE = share_axis("share")


def points(path: str) -> np.ndarray:
    """Absolute points of a path of one stroke: `Mx ylx y x y…`."""
    start, _, steps = path.removeprefix("M").partition("l")
    first = np.array(start.split(), float)
    moved = np.array(steps.split(), float).reshape(-1, 2)
    return np.vstack([first, first + np.cumsum(moved, axis=0)])


def test_a_path_passes_its_points_to_a_twentieth() -> None:
    generator = np.random.default_rng(0)
    x, y = np.sort(generator.random(50)) * 300, generator.random(50) * 200
    assert np.abs(points(path_of(x, y)) - np.stack([x, y], axis=1)).max() <= 0.05 + 1e-9


def test_a_path_has_gaps_where_nothing_is_known() -> None:
    assert path_of(np.array([0.0, 1, 2, 3, 4]), np.array([0.0, 1, np.nan, 1, 2])) == "M0 0l1 1 M3 1l1 1"
    assert path_of(np.array([1.0]), np.array([np.nan])) == ""


def test_steps_are_level_up_to_each_point() -> None:
    chart = line_chart("a", SHARE, SHARE, [Series(name="", x=[0, 1], y=[0, 1], kind="steps")], description="d")
    (path,) = re.findall(r'<path d="([^"]+)" class="s0 line">', chart)
    low, high = points(path)[0], points(path)[-1]
    assert points(path).tolist() == [low.tolist(), [low[0], high[1]], high.tolist()]


def test_a_chart_is_an_image_with_a_name_and_its_numbers() -> None:
    data = element("p", "numbers")
    chart = line_chart(
        "Loss <1>",
        SHARE,
        SHARE,
        [Series(name="a", x=[0], y=[1]), Series(name="b", x=[0], y=[0])],
        description="falls & falls",
        data=data,
    )
    page = PageReader(chart)
    assert page.figures == ["Loss <1>"]
    assert "<title>Loss &lt;1&gt;</title><desc>falls &amp; falls</desc>" in chart
    assert 'role="img"' in chart
    assert "<details><summary>Data: Loss &lt;1&gt;</summary><p>numbers</p></details>" in chart
    assert re.findall(r"</svg>(\w)</li>", chart) == ["a", "b"]


def test_guides_take_no_colour_and_more_series_than_colours_differ() -> None:
    series = [Series(name="", x=[0, 1], y=[0, 1], kind="guide")]
    series += [Series(name=str(number), x=[0, 1], y=[0, 1]) for number in range(8)]
    chart = line_chart("a", SHARE, SHARE, series, description="d")
    styles = re.findall(r'l[^"]*" class="((?:s\d|guide)[^"]*)">', chart)
    assert styles == ["guide", *(f"s{n} line" for n in range(6)), "s0 line again", "s1 line again"]


def test_bars_are_as_long_as_their_numbers() -> None:
    chart = bar_chart(
        "n",
        ["a", "<b>", "c"],
        [Bars(name="train", values=[10, 5, None]), Bars(name="valid", values=[0, 2, 1])],
        description="d",
        axis=Axis(label="records", low=0, high=10),
    )
    widths = [float(width) for width in re.findall(r'<rect x="[\d.]+" y="[\d.]+" width="([\d.]+)"', chart)][:5]
    assert widths[0] == pytest.approx(2 * widths[2], abs=0.02)  # a: 10 and 0, <b>: 5 and 2, c: none and 1
    assert widths[0] == pytest.approx(5 * widths[3], abs=0.05)
    page = PageReader(chart)
    assert page.tables["n"] == [["", "train", "valid"], ["a", "10", "0"], ["<b>", "5", "2"], ["c", "–", "1"]]


def test_bars_below_zero_and_intervals() -> None:
    chart = bar_chart(
        "n",
        ["a", "b"],
        [Bars(name="", values=[-0.5, 0.5], intervals=[(-0.7, -0.1), (np.nan, np.nan)])],
        description="d",
    )
    assert chart.count('class="interval"') == 1
    assert ">-0.500<" in chart
    assert ">0.500<" in chart


def test_a_histogram_covers_its_counts() -> None:
    chart = histogram(
        "h", Axis(label="s", low=0, high=3), [0, 1, 2, 3], [Bars(name="all", values=[4, 0, 2])], description="d"
    )
    (path,) = re.findall(r'<path d="([^"]+)" class="s0 area">', chart)
    corners = points(path)
    assert corners[0][1] == corners[-1][1] == corners[:, 1].max()  # begins and ends on the axis
    rise = corners[0][1] - corners[:, 1].min()
    assert corners[0][1] - corners[-2][1] == pytest.approx(rise / 2, abs=0.2)
    assert PageReader(chart).tables["h"][1:] == [["0 to 1", "4.000"], ["1 to 2", "0.000"], ["2 to 3", "2.000"]]


def test_a_heat_map_shades_by_its_numbers() -> None:
    values = np.array([[0.5, 0.0], [np.nan, 1.0]])
    chart = heat_map("m", ["a", "b"], ["c", "d"], values, description="d", row_label="rows", column_label="columns")
    assert re.findall(r'class="cell" fill-opacity="([\d.]+)"', chart) == ["0.5", "1"]
    assert chart.count('class="empty"') == 4
    assert PageReader(chart).tables["m: rows rows, columns columns"][1:] == [
        ["a", "0.500", "0.000"],
        ["b", "–", "1.000"],
    ]
    assert 'tabindex="0"' in chart  # wider than a phone: keys must reach it


def test_numbers_on_deep_shades_say_so() -> None:
    values = np.array([[0.3, 0.6, 0.9]])
    chart = heat_map(
        "m", ["a"], ["b", "c", "d"], values, description="d", row_label="r", column_label="c", shades=values
    )
    assert re.findall(r'class="(in-cell[^"]*)"', chart) == ["in-cell", "in-cell strong", "in-cell strong full"]


def test_charts_side_by_side() -> None:
    assert in_columns(element("p"), element("p")) == '<div class="columns"><p></p><p></p></div>'


def test_a_heat_map_of_large_cells_has_large_letters_and_room_for_long_names() -> None:
    rows, values = ["a long name", "b"], np.array([[1.0], [0.2]])
    small, large = (
        heat_map("m", rows, ["c"], values, description="", row_label="", column_label="", side=side)
        for side in (24, 36)
    )
    assert "in-cell large" in large
    assert "large" not in small
    assert ">a long name<" in small
