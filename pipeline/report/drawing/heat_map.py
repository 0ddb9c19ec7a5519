"""A matrix of numbers in shades."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ecg12.pipeline.report.drawing.frame import at, draw_label, make_figure, shorten
from ecg12.pipeline.report.drawing.markup import EMPTY, Markup, each, element, join
from ecg12.pipeline.report.drawing.tables import make_table


def heat_map(
    title: str,
    rows: Sequence[str],
    columns: Sequence[str],
    values: NDArray[np.number],
    *,
    description: str,
    row_label: str,
    column_label: str,
    form: str = ".2f",
    shades: NDArray[np.float64] | None = None,
    side: float = 24.0,
    data: Markup | None = None,
) -> Markup:
    """A matrix of numbers in shades; in a box that scrolls where it is wider than the screen.

    Parameters
    ----------
    values : shape (row, column); NaN leaves a cell empty, zeros have no number
    form : of a number in a cell
    shades : from 0 to 1, same shape; None takes values by the largest
    side : of a cell; from 28 on its number is in larger letters
    """
    values = np.asarray(values, np.float64)
    if shades is None:
        largest = np.nanmax(np.abs(values), initial=0.0)
        shades = np.abs(values) / largest if largest > 0 else np.zeros(values.shape)
    head = min(110.0, max(64.0, 6.3 * max((len(name) for name in rows), default=0) + 12.0))
    top = min(80.0, max(64.0, 5.4 * max((len(name) for name in columns), default=0) + 16.0))
    width, height = head + side * len(columns) + 22.0, top + side * len(rows) + 6.0
    parts = [
        element(
            "text",
            column_label,
            x=at(head + side * len(columns) / 2),
            y="9",
            class_="axis",
            text_anchor="middle",
        ),
        element(
            "text",
            row_label,
            class_="axis",
            text_anchor="middle",
            transform=f"translate({at(width - 6)} {at(top + side * len(rows) / 2)}) rotate(90)",
        ),
    ]
    for number, name in enumerate(columns):
        place = f"translate({at(head + side * (number + 0.65))} {at(top - 4)}) rotate(-60)"
        parts.append(element("text", shorten(name, 11), transform=place, class_="tick"))
    for row, name in enumerate(rows):
        parts.append(draw_label(shorten(name, 15), head - 4, top + side * (row + 0.65), anchor="end"))
        for column in range(len(columns)):
            corner = (head + side * column, top + side * row)
            parts.append(_cell(float(values[row, column]), float(shades[row, column]), form, corner, side))
    if data is None:
        cells = [[name, *map(float, line)] for name, line in zip(rows, values, strict=True)]
        data = make_table(f"{title}: rows {row_label}, columns {column_label}", ["", *columns], cells)
    return make_figure(title, description, each(parts), height, EMPTY, data, width=width, is_wide=True)


def _cell(value: float, shade: float, form: str, place: tuple[float, float], side: float) -> Markup:
    x, y = place
    shade = 0.0 if np.isnan(shade) else min(max(shade, 0.0), 1.0)
    square = {"x": at(x), "y": at(y), "width": at(side - 1), "height": at(side - 1)}
    empty = element("rect", **square, class_="empty")
    if np.isnan(value) or value == 0:
        return empty
    box = element("rect", **square, class_="cell", fill_opacity=at(shade))
    number = format(value, form).removeprefix("0") if abs(value) < 1 else format(value, form)
    is_large = side >= 28
    written = element(
        "text",
        number,
        x=at(x + (side - 1) / 2),
        y=at(y + side / 2 + (3.6 if is_large else 2.6)),
        text_anchor="middle",
        class_=" ".join(["in-cell", *["large"] * is_large, *_tones(shade)]),
    )
    return join(empty, box, written)


def _tones(shade: float) -> list[str]:
    """On how deep a shade a number stands: in the dark, letters must change earlier than in light to be read."""
    return ["strong"] * (shade > 0.55) + ["full"] * (shade > 0.78)
