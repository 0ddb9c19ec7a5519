"""What a score rests on, drawn behind the traces of an ECG like a marker pen.

What speaks for a class is orange and solid, what speaks against it violet and striped, in four grades from pale to
dark: the two are told apart by readers who see colours otherwise, and on a printer that has none.
Colours: ColorBrewer's PuOr, safe for colour-blind readers, without its darkest, on which a trace would be lost.
"""

import numpy as np
from matplotlib.axes import Axes

from ecg12.ecg.drawing.paper import MM_PER_INCH, Sheet
from ecg12.ecg.drawing.score_map import GRADES, ScoreMap, runs_of, strongest, to_grades
from ecg12.ecg.signals.recording import Recording

FOR = ("#fee3c0", "#fdc380", "#f6a04a", "#e07f1c")
AGAINST = ("#dedcee", "#bdb5da", "#9c8fc3", "#7c69ab")
MARK_MM = 2.6
_POINTS_PER_MM = 72 / MM_PER_INCH
_STRIPES = (0, (0.25, 0.2))
"""Drawn and left out, in widths of the mark."""
_LEADS_NAMED = 5


def draw_map(axes: Axes, sheet: Sheet, recording: Recording, score_map: ScoreMap) -> None:
    """Mark the strips of a sheet where the score rests on them."""
    smoothed = score_map.smooth()
    largest = strongest(smoothed)
    times = np.arange(smoothed.shape[1]) / score_map.fs
    for strip in sheet.strips:
        if strip.lead in score_map.leads:
            of_strip = strip.start_s + np.arange(len(strip.x_mm)) / recording.fs
            row = smoothed[score_map.leads.index(strip.lead)]
            grades = to_grades(np.interp(of_strip, times, row, right=0.0), largest)
            for first, stop, grade in runs_of(grades):
                _mark(axes, strip.x_mm[first : stop + 1], strip.y_mm[first : stop + 1], grade, f"map-{strip.lead}")


def draw_legend(axes: Axes, left_mm: float, top_mm: float, score_map: ScoreMap, *, size: float, colour: str) -> None:
    """What the marks mean: a line of patches with words, as tall as a line of text."""
    middle, width = top_mm - 1.3, 4.0
    low, high = ("against", "for") if score_map.unit is None else ("lower", "higher")
    axes.text(left_mm, top_mm, low, fontsize=size, va="top", color=colour)
    x = left_mm + 11.0
    for grade in (*range(-len(GRADES), 0), *range(1, len(GRADES) + 1)):
        _mark(axes, np.array([x, x + width - 0.4]), np.array([middle, middle]), grade, "legend")
        x += width
    largest = strongest(score_map.smooth())
    axes.text(x + 1.0, top_mm, f"{high}; darkest: {largest:.2g} in 0.1 s", fontsize=size, va="top", color=colour)


def describe_map(score_map: ScoreMap) -> str:
    """The picture in words: whose score, how much of it is there anyway, and which leads add most."""
    leads = "; ".join(
        f"{lead} {share:+.2f}".replace("-", "−") for lead, share in list(score_map.by_lead().items())[:_LEADS_NAMED]
    )
    decided = "" if score_map.is_positive else " (not decided for)"
    without = f"{score_map.silent:.2f} without a signal"
    said = f"{score_map.name} {score_map.score:.2f} {score_map.unit or ''}".rstrip()
    return f"{said}{decided}, {without}; most: {leads} [{score_map.method}]"


def _mark(axes: Axes, x: np.ndarray, y: np.ndarray, grade: int, gid: str) -> None:
    axes.plot(
        x,
        y,
        color=(FOR if grade > 0 else AGAINST)[abs(grade) - 1],
        linewidth=MARK_MM * _POINTS_PER_MM,
        linestyle="solid" if grade > 0 else _STRIPES,
        solid_capstyle="butt",
        dash_capstyle="butt",
        solid_joinstyle="round",
        zorder=2 + abs(grade) / 10,
        gid=gid,
    )
