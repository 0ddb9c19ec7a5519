"""Recordings on ECG paper as inline SVG: the sheet that `ecg.drawing.paper` plans, in the page's colours.

A trace keeps only the points that it needs to stay within `TOLERANCE_MM` of the recorded one, a fifth of the width of
its line, which leaves a sheet 20 to 45 kB.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecg12.ecg.drawing.paper import PULSE_MM, PaperConfig, Sheet, plan_sheet
from ecg12.ecg.labels.annotations import OLDER_THAN_89
from ecg12.ecg.signals.heart_rate import compute_heart_rate
from ecg12.ecg.signals.recording import Recording, describe_quality, doubt_amplitude
from ecg12.pipeline.report.drawing.markup import Markup, each, element
from ecg12.pipeline.report.drawing.tables import make_facts, scrolling
from ecg12.pipeline.report.drawing.thinning import thin

TOLERANCE_MM = 0.06
UNIT_MM = 0.02
"""Coordinates of traces are whole numbers of these."""
_FOOT_MM = 5.0


def show_recording(
    recording: Recording, title: str, facts: Sequence[tuple[str, Any]] = (), config: PaperConfig | None = None
) -> Markup:
    """A recording's beginning on paper, true in its proportions, with what is known of it below.

    Parameters
    ----------
    title : of the figure
    facts : name and value of what is to be said of it first, such as labels

    Raises
    ------
    ConfigError
        If the sheet would begin after the recording's end.
    """
    sheet = plan_sheet(recording, config or PaperConfig())
    known = [*facts, *_facts_of(recording, sheet)]
    drawing = scrolling(draw_sheet(sheet, f"{title}: ECG", _describe(recording, sheet)), f"ECG: {title}")
    return element("figure", element("figcaption", title), drawing, make_facts(known), class_="ecg")


def draw_sheet(sheet: Sheet, title: str, description: str) -> Markup:
    """A planned sheet's grid, pulses, traces and lead names; what stands above and below them is the page's."""
    _, _, width, height = sheet.grid_mm
    return element(
        "svg",
        element("title", title),
        element("desc", description),
        element("path", d=_grid(width, height, 1), class_="fine"),
        element("path", d=_grid(width, height, 5), class_="bold"),
        element("g", each(_traces(sheet)), transform=f"scale({UNIT_MM:g})"),
        each(_names(sheet)),
        element("text", _scale(sheet), x="1", y=f"{height + 3.6:g}", class_="scale"),
        viewBox=f"0 0 {width:g} {height + _FOOT_MM:g}",
        role="img",
    )


def _traces(sheet: Sheet) -> list[Markup]:
    left, bottom, _, height = sheet.grid_mm
    top = bottom + height
    pulse_s, pulse_mv = 0.2, 1.0
    width = pulse_s * sheet.speed
    first = (PULSE_MM - width) / 2
    pulse_x = np.array([first - 2, first, first, first + width, first + width, first + width + 2])
    pulse_y = pulse_mv * sheet.gain * np.array([0.0, 0, 1, 1, 0, 0])
    drawn = [element("path", d=_steps(pulse_x, top - row - pulse_y), class_="trace") for row in sheet.rows_mm]
    for strip in sheet.strips:
        kept = thin(strip.x_mm, strip.y_mm, TOLERANCE_MM)
        shape = _steps(strip.x_mm[kept] - left, top - strip.y_mm[kept])
        drawn.append(element("path", d=shape, class_="trace"))
        if strip.left_mm > left + PULSE_MM:  # where one lead ends and the next begins
            x, y = strip.left_mm - left, top - strip.baseline_mm
            drawn.append(element("path", d=_steps(np.array([x, x]), np.array([y - 2, y + 2])), class_="trace"))
    return drawn


def _steps(x: NDArray[np.float64], y: NDArray[np.float64]) -> str:
    """A line in whole units, each point as a step from the one before."""
    places = np.round(np.stack([x, y], axis=1) / UNIT_MM).astype(np.int64)
    steps = np.diff(places, axis=0)
    text = "".join(f"{value:d}" if value < 0 else f" {value:d}" for value in steps.ravel().tolist())
    return f"M{places[0, 0]} {places[0, 1]}l{text.lstrip()}"


def _grid(width: float, height: float, step: int) -> str:
    upright = "".join(f"M{x} 0v{height:g}" for x in range(0, round(width) + 1, step))
    return upright + "".join(f"M0 {y}h{width:g}" for y in range(0, round(height) + 1, step))


def _names(sheet: Sheet) -> list[Markup]:
    left, bottom, _, height = sheet.grid_mm
    return [
        element("text", strip.lead, x=f"{strip.label_mm[0] - left:.1f}", y=f"{bottom + height - strip.label_mm[1]:.1f}")
        for strip in sheet.strips
    ]


def _scale(sheet: Sheet) -> str:
    """What a box stands for, too: on a screen nothing is a millimetre."""
    box = f"a small box is {1 / sheet.speed:g} s and {1 / sheet.gain:g} mV"
    return f"{sheet.speed:g} mm/s, {sheet.gain:g} mm/mV: {box}; {sheet.start_s:g}–{sheet.end_s:.4g} s, unfiltered"


def _describe(recording: Recording, sheet: Sheet) -> str:
    leads = ", ".join(dict.fromkeys(strip.lead for strip in sheet.strips))
    return (
        f"{sheet.end_s - sheet.start_s:.4g} seconds of {recording.name} at {sheet.speed:g} mm/s and "
        f"{sheet.gain:g} mm/mV, leads {leads}"
    )


def _facts_of(recording: Recording, sheet: Sheet) -> list[tuple[str, str]]:
    shown = slice(round(sheet.start_s * recording.fs), round(sheet.end_s * recording.fs))
    rate = compute_heart_rate(recording.signal_uv[:, shown], recording.fs)
    age = "age unknown" if recording.age is None else f"{recording.age:.0f} years"
    age = "older than 89 years" if recording.age == OLDER_THAN_89 else age
    facts = [
        ("Patient", f"{age}, {(recording.sex or 'sex unknown').lower()}"),
        ("Ventricular rate", "not found" if rate is None else f"{rate:.0f}/min"),
        ("Recording", f"{recording.duration_s:.4g} s at {recording.fs:g} Hz"),
    ]
    remarks = [describe_quality(recording), doubt_amplitude(recording.amplitude_uv).partition(";")[0]]
    quality = "; ".join(remark for remark in remarks if remark)
    return [*facts, ("Quality", quality)] if quality else facts
