"""Tables that a screen reader can announce: a caption, scoped headers, numbers to the right."""

import math
from collections.abc import Sequence
from typing import Any

from ecg12.pipeline.report.drawing.markup import Markup, each, element, join

NOTHING = "–"
LONG = 36
"""Letters of a cell from which on it may have several lines."""


class Rounded(float):
    """A number of which a cell shows three digits, or all before the point: 0.0123, 12.5, 1,234."""

    __slots__ = ()

    def __str__(self) -> str:
        return f"{self:,.0f}" if abs(self) >= 100 else f"{self:.3g}"


def format_value(value: Any) -> str | Markup:  # noqa: ANN401 - a cell may be anything
    """As in a cell: three digits after the point, thousands apart, a dash for what is not there."""
    if isinstance(value, Markup):
        return value
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return NOTHING
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, Rounded):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:,.3f}"


def make_table(
    caption: str,
    header: Sequence[str],
    rows: Sequence[Sequence[Any]],
    *,
    foot: Sequence[Sequence[Any]] = (),
    is_caption_shown: bool = True,
) -> Markup:
    """A table in a box of its own that scrolls sideways, by keys too, where it is wider than the screen.

    Parameters
    ----------
    header : a title for each column
    rows : cells: text, numbers, `Markup`, or None for what is not known; the first cell of a row is its header
    foot : rows below a line, such as sums
    is_caption_shown : False leaves the caption to screen readers, where a heading says the same
    """
    right = [_is_number_column([*rows, *foot], column) for column in range(len(header))]
    head = each(
        element("th", title, scope="col", class_="number" if is_right else None)
        for title, is_right in zip(header, right, strict=True)
    )
    table = element(
        "table",
        element("caption", caption, class_=None if is_caption_shown else "unseen"),
        element("thead", element("tr", head)),
        element("tbody", each(_row(row, right) for row in rows)),
        element("tfoot", each(_row(row, right) for row in foot)) if foot else None,
    )
    return scrolling(table, caption)


def make_facts(facts: Sequence[tuple[str, Any]]) -> Markup:
    """Names and values in two columns, for what is no table."""
    pairs = (join(element("dt", name), element("dd", format_value(value))) for name, value in facts)
    return element("dl", each(pairs), class_="facts")


def scrolling(content: Markup, label: str) -> Markup:
    """A box that scrolls sideways, which keys reach."""
    return element("div", content, class_="scrolling", role="region", aria_label=label, tabindex="0")


def _is_number_column(rows: Sequence[Sequence[Any]], column: int) -> bool:
    cells = [row[column] for row in rows if row[column] is not None]
    return bool(cells) and all(isinstance(cell, int | float) and not isinstance(cell, bool) for cell in cells)


def _cell(value: Any, *, is_right: bool) -> Markup:  # noqa: ANN401 - a cell may be anything
    shown = format_value(value)
    is_long = not isinstance(shown, Markup) and len(shown) > LONG
    return element("td", shown, class_="number" if is_right else "long" if is_long else None)


def _row(row: Sequence[Any], right: Sequence[bool]) -> Markup:
    first, *others = row
    cells = (_cell(value, is_right=is_right) for value, is_right in zip(others, right[1:], strict=True))
    header = element("th", format_value(first), scope="row", class_="number" if right[0] else None)
    return element("tr", header, each(cells))
