"""Charts as a few lines of SVG each, drawn 360 wide: they read the same on a phone and side by side on a desk.

Colours, dashes and letters come from the page's style sheet, so that a chart follows light, dark and print; series
differ by dash or mark, too, and never by colour alone. Each chart is an image with a name and a description to a
screen reader, and has its numbers in a table below, folded away. Matplotlib's SVG begins at ten times the size and
knows nothing of the page's colours.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecg12.pipeline.report.drawing.bars import Bars as Bars
from ecg12.pipeline.report.drawing.bars import bar_chart as bar_chart
from ecg12.pipeline.report.drawing.bars import histogram as histogram
from ecg12.pipeline.report.drawing.frame import HEIGHT, N_COLOURS, WIDTH, Frame, at, make_figure, make_legend, path_of
from ecg12.pipeline.report.drawing.frame import in_columns as in_columns
from ecg12.pipeline.report.drawing.heat_map import heat_map as heat_map
from ecg12.pipeline.report.drawing.markup import EMPTY, Markup, each, element, join
from ecg12.pipeline.report.drawing.scales import Axis

SMALL_WIDTH, SMALL_HEIGHT = 180.0, 172.0


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Series:
    """A line, steps, or marks of a chart.

    Attributes
    ----------
    name : in the legend; "" for none
    x, y : float arrays, shape (point,); the line has a gap where one is NaN
    kind : "line", "steps" (level up to each point), "marks", or "guide" (a thin grey line that is no data)
    colour : number of its colour; None for its place among the series
    sizes : of marks, radius in units of the chart's width of 360; None for all alike
    """

    name: str
    x: Sequence[float] | NDArray
    y: Sequence[float] | NDArray
    kind: str = "line"
    colour: int | None = None
    sizes: Sequence[float] | NDArray | None = None


def line_chart(
    title: str,
    x: Axis,
    y: Axis,
    series: Sequence[Series],
    *,
    description: str,
    data: Markup | None = None,
    is_small: bool = False,
) -> Markup:
    """Lines and marks over two axes.

    Parameters
    ----------
    description : what is to be seen, for whoever does not see it
    data : the numbers as a table; None leaves that to a table that stands elsewhere on the page
    is_small : half as wide, for charts of which many stand together
    """
    width, height = (SMALL_WIDTH, SMALL_HEIGHT) if is_small else (WIDTH, HEIGHT)
    frame = Frame(x, y, width, height)
    coloured = _in_colours(series)
    drawn = each(_draw(frame, one, colour) for one, colour in coloured)
    legend = make_legend([(one.name, colour) for one, colour in coloured if one.name])
    shown = legend if sum(bool(one.name) for one in series) > 1 else EMPTY
    return make_figure(title, description, join(frame.draw(), drawn), height, shown, data, width=width)


def _in_colours(series: Sequence[Series]) -> list[tuple[Series, str]]:
    """Each series with the names of its style; guides take no colour of the others."""
    found, next_colour = [], 0
    for one in series:
        if one.kind == "guide":
            found.append((one, "guide"))
            continue
        number = next_colour if one.colour is None else one.colour
        next_colour += one.colour is None
        kind = "mark" if one.kind == "marks" else "line again" if number >= N_COLOURS else "line"
        found.append((one, f"s{number % N_COLOURS} {kind}"))
    return found


def _draw(frame: Frame, series: Series, style: str) -> Markup:
    x, y = np.asarray(series.x, np.float64), np.asarray(series.y, np.float64)
    if series.kind == "marks":
        there = np.isfinite(x) & np.isfinite(y)
        sizes = np.full(len(x), 3.6) if series.sizes is None else np.asarray(series.sizes, np.float64)
        places = zip(frame.x_of(x[there]), frame.y_of(y[there]), sizes[there], strict=True)
        return each(element("circle", cx=at(a), cy=at(b), r=at(r), class_=style) for a, b, r in places)
    if series.kind == "steps" and len(x):
        x, y = np.repeat(x, 2)[:-1], np.repeat(y, 2)[1:]
    return element("path", d=path_of(frame.x_of(x), frame.y_of(y)), class_=style)
