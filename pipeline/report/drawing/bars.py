"""Charts of bars: level ones with a name and a number each, and counts between edges."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ecg12.pipeline.report.drawing.frame import (
    BOTTOM,
    HEIGHT,
    N_COLOURS,
    TOP,
    WIDTH,
    Frame,
    at,
    draw_label,
    draw_line,
    make_figure,
    make_legend,
    path_of,
    shorten,
)
from ecg12.pipeline.report.drawing.markup import EMPTY, Markup, each, element, join
from ecg12.pipeline.report.drawing.scales import Axis, axis_over, format_tick
from ecg12.pipeline.report.drawing.tables import make_table


@dataclass(frozen=True, kw_only=True, slots=True)
class Bars:
    """One number for each name; a None or NaN has no bar. Several `Bars` stand side by side.

    `intervals` are (low, high) for each name, drawn as a line across the bar's end.
    """

    name: str
    values: Sequence[float | None]
    intervals: Sequence[tuple[float, float]] | None = None


def bar_chart(
    title: str,
    names: Sequence[str],
    bars: Sequence[Bars],
    *,
    description: str,
    label: str = "",
    axis: Axis | None = None,
    data: Markup | None = None,
) -> Markup:
    """Horizontal bars, a group for each name, with their numbers behind them; as high as it must be.

    Parameters
    ----------
    label : of the axis, with the unit
    axis : None for one from 0 to the largest value
    data : None makes a table of the names and values
    """
    found = [[np.nan if value is None else float(value) for value in one.values] for one in bars]
    axis = axis or axis_over(label, np.array(found, np.float64).ravel(), with_zero=True)
    thickness = 12.0 if len(bars) == 1 else 10.0
    pitch = thickness * len(bars) + 7.0
    room = min(164.0, max(40.0, 6.7 * max((min(len(name), 23) for name in names), default=0) + 12.0))
    height = TOP + pitch * len(names) + BOTTOM
    ruler = _Ruler(axis, room, WIDTH - 44.0, _form_of(found))
    parts = [_level_ticks(ruler, height)]
    for row, name in enumerate(names):
        top = TOP + row * pitch + 3.5
        middle = top + thickness * len(bars) / 2
        parts.append(draw_label(shorten(name, 23), room - 6, middle + 3.8, anchor="end"))
        for number, one in enumerate(bars):
            interval = None if one.intervals is None else one.intervals[row]
            parts.append(_bar(ruler, found[number][row], interval, number, top + number * thickness, thickness))
    if data is None:
        rows = [[name, *(values[row] for values in ([*one.values] for one in bars))] for row, name in enumerate(names)]
        data = make_table(title, ["", *(one.name or label for one in bars)], rows)
    legend = make_legend([(one.name, f"s{number % N_COLOURS} fill") for number, one in enumerate(bars)])
    return make_figure(title, description, each(parts), height, legend if len(bars) > 1 else EMPTY, data)


def histogram(
    title: str,
    x: Axis,
    edges: Sequence[float] | NDArray,
    counts: Sequence[Bars],
    *,
    description: str,
    label: str = "records",
    data: Markup | None = None,
) -> Markup:
    """Counts between edges as steps, a line for each series; the first is filled.

    Parameters
    ----------
    edges : shape (bin + 1,)
    counts : each with a value for every bin
    """
    edges = np.asarray(edges, np.float64)
    values = [np.nan_to_num(np.array(one.values, np.float64)) for one in counts]
    y = axis_over(label, np.concatenate([[0.0], *values]), with_zero=True)
    frame = Frame(x, y, WIDTH, HEIGHT)
    outlines = [(np.repeat(edges, 2), np.concatenate([[0.0], np.repeat(one, 2), [0.0]])) for one in values]
    parts = [frame.draw()]
    for number, (places, heights) in enumerate(outlines):
        shape = path_of(frame.x_of(places), frame.y_of(heights))
        parts.append(element("path", d=shape, class_=f"s{number % N_COLOURS} {'area' if number == 0 else 'line'}"))
    if data is None:
        rows = [
            [f"{format_tick(low)} to {format_tick(high)}", *(float(one[place]) for one in values)]
            for place, (low, high) in enumerate(pairwise(edges.tolist()))
        ]
        data = make_table(title, [x.label, *(one.name or label for one in counts)], rows)
    legend = make_legend([(one.name, f"s{number % N_COLOURS} fill") for number, one in enumerate(counts)])
    return make_figure(title, description, each(parts), HEIGHT, legend if len(counts) > 1 else EMPTY, data)


@dataclass(frozen=True, slots=True, eq=False)
class _Ruler:
    """The axis of horizontal bars, where it begins and ends on the chart, and how numbers are written."""

    axis: Axis
    left: float
    right: float
    form: str

    def x_of(self, value: float) -> float:
        return self.left + float(self.axis.place([value])[0]) * (self.right - self.left)


def _bar(
    ruler: _Ruler, value: float, interval: tuple[float, float] | None, number: int, top: float, thickness: float
) -> Markup:
    """A bar, its number behind it, and its interval; then the number stands where the line cannot reach."""
    if np.isnan(value):
        return EMPTY
    zero, end = ruler.x_of(0.0), ruler.x_of(value)
    length = max(abs(end - zero), 0.6)
    colour = f"s{number % N_COLOURS} fill"
    box = element(
        "rect",
        x=at(min(zero, end)),
        y=at(top),
        width=at(length),
        height=at(thickness - 1),
        class_=colour,
    )
    x = max(zero, end) + 4 if interval is None else ruler.right + 6
    written = element("text", format(value, ruler.form), x=at(x), y=at(top + thickness / 2 + 2.8), class_="behind")
    return join(box, written, EMPTY if interval is None else _interval(ruler, interval, top + thickness / 2))


def _interval(ruler: _Ruler, ends: tuple[float, float], middle: float) -> Markup:
    """A line between the ends, with a stroke across each; nothing where they are not known."""
    if not np.isfinite(ends).all():
        return EMPTY
    low, high = map(ruler.x_of, ends)
    strokes = "".join(f"M{at(x)} {at(middle - 3.5)}V{at(middle + 2.5)}" for x in (low, high))
    return element("path", d=f"{strokes}M{at(low)} {at(middle - 0.5)}H{at(high)}", class_="interval")


def _form_of(values: Sequence[Sequence[float]]) -> str:
    """How to write the numbers behind bars: alike, whole ones without a point."""
    known = np.array(values, np.float64).ravel()
    known = known[np.isfinite(known)]
    if (known == np.round(known)).all():
        return ",.0f"
    return ".3f" if np.abs(known).max() < 10 else ",.1f"


def _level_ticks(ruler: _Ruler, height: float) -> Markup:
    """Upright grid lines with numbers below, for horizontal bars."""
    bottom = height - BOTTOM
    parts = []
    for mark in ruler.axis.marks(5):
        place = ruler.x_of(mark)
        parts.append(draw_line(place, TOP, place, bottom, "grid"))
        parts.append(draw_label(format_tick(mark), place, bottom + 14, anchor="middle"))
    middle = (ruler.left + ruler.right) / 2
    parts.append(
        element(
            "text",
            ruler.axis.label,
            x=at(middle),
            y=at(bottom + 30),
            class_="axis",
            text_anchor="middle",
        )
    )
    return each(parts)
