"""What all charts are made of: a frame with axes, lines, letters, a legend in HTML, and the figure around them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ecg12.pipeline.report.drawing.markup import Content, Markup, each, element, join
from ecg12.pipeline.report.drawing.scales import Axis, format_tick
from ecg12.pipeline.report.drawing.tables import scrolling

WIDTH, HEIGHT = 360.0, 240.0
RIGHT, TOP, BOTTOM = 10.0, 10.0, 38.0
N_COLOURS = 6
"""Series colours in the style sheet: s0 to s5; later series begin again with another dash."""


class Frame:
    """Axes of a chart: where values are on it, and lines and letters around it."""

    def __init__(self, x: Axis, y: Axis, width: float, height: float) -> None:
        self.x, self.y = x, y
        longest = max((len(format_tick(mark)) for mark in y.marks()), default=1)
        self.left = 20.0 + 6.4 * longest
        self.right, self.bottom = width - RIGHT, height - BOTTOM

    def x_of(self, values: Sequence[float] | NDArray) -> NDArray[np.float64]:
        """Where values of the level axis are."""
        return self.left + self.x.place(values) * (self.right - self.left)

    def y_of(self, values: Sequence[float] | NDArray) -> NDArray[np.float64]:
        """Where values of the upright axis are, from the top."""
        return self.bottom - self.y.place(values) * (self.bottom - TOP)

    def draw(self) -> Markup:
        """Grid, ticks and labels."""
        parts = []
        for mark in self.y.marks():
            (place,) = self.y_of([mark])
            parts.append(draw_line(self.left, place, self.right, place, "grid"))
            parts.append(draw_label(format_tick(mark), self.left - 5, place + 3.8, anchor="end"))
        for mark in self.x.marks():
            (place,) = self.x_of([mark])
            parts.append(draw_line(place, self.bottom, place, self.bottom + 4, "tick-line"))
            parts.append(draw_label(format_tick(mark), place, self.bottom + 15, anchor="middle"))
        parts.append(draw_line(self.left, self.bottom, self.right, self.bottom, "tick-line"))
        middle = (self.left + self.right) / 2
        parts.append(
            element(
                "text",
                self.x.label,
                x=at(middle),
                y=at(self.bottom + 31),
                class_="axis",
                text_anchor="middle",
            )
        )
        place = f"translate(10 {at((TOP + self.bottom) / 2)}) rotate(-90)"
        parts.append(element("text", self.y.label, transform=place, class_="axis", text_anchor="middle"))
        return each(parts)


def path_of(x: NDArray[np.float64], y: NDArray[np.float64]) -> str:
    """Points as the `d` of a path, to a tenth of a unit, each as a step from the one before; NaN lifts the pen."""
    x10, y10 = np.round(x * 10), np.round(y * 10)
    parts, before = [], None
    for a, b in zip(x10.tolist(), y10.tolist(), strict=True):
        if a != a or b != b:
            before = None
        elif before is None:
            parts.append(f"M{a / 10:g} {b / 10:g}l")
            before = (a, b)
        elif (a, b) != before:
            parts.append(f"{(a - before[0]) / 10:g} {(b - before[1]) / 10:g} ")
            before = (a, b)
    return "".join(parts).rstrip(" l")


def draw_line(x1: float, y1: float, x2: float, y2: float, name: str) -> Markup:
    return element("path", d=f"M{at(x1)} {at(y1)}L{at(x2)} {at(y2)}", class_=name)


def draw_label(content: Content, x: float, y: float, *, anchor: str) -> Markup:
    return element("text", content, x=at(x), y=at(y), class_="tick", text_anchor=anchor)


def make_legend(names: Sequence[tuple[str, str]]) -> Markup:
    """A legend in HTML, whose letters do not shrink with the chart."""
    items = []
    for name, colour in names:
        if colour.endswith("fill"):
            sign = element("rect", x="2", y="2", width="16", height="8", class_=colour)
        elif colour.endswith("mark"):
            sign = element("circle", cx="10", cy="6", r="4", class_=colour)
        else:
            sign = element("path", d="M0 6L20 6", class_=colour)
        svg = element("svg", sign, viewBox="0 0 20 12", width="20", height="12", aria_hidden="true")
        items.append(element("li", svg, name))
    return element("ul", each(items), class_="legend")


def make_figure(
    title: str,
    description: str,
    drawing: Markup,
    height: float,
    legend: Markup,
    data: Markup | None,
    *,
    width: float = WIDTH,
    is_wide: bool = False,
) -> Markup:
    svg = element(
        "svg",
        element("title", title),
        element("desc", description),
        drawing,
        viewBox=f"0 0 {at(width)} {at(height)}",
        role="img",
        class_="wide" if is_wide else None,
        **{"width": at(width), "height": at(height)} if is_wide else {},
    )
    shown = scrolling(svg, title) if is_wide else svg
    folded = element("details", element("summary", "Data: ", title), data) if data else None
    caption = element("figcaption", title)
    return element("figure", caption, shown, legend, folded, class_="chart wide" if is_wide else "chart")


def in_columns(*figures: Markup) -> Markup:
    """Charts side by side, as many as there is room for."""
    return element("div", join(*figures), class_="columns")


def at(value: float) -> str:
    """A at, to a hundredth."""
    return f"{round(float(value), 2):g}"


def shorten(name: str, most: int) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"
