"""Drawing an ECG as clinicians are used to see it: on pink paper with boxes of 1 and 5 mm, true to scale.

The figure's one pair of axes counts in millimetres and fills the sheet, so that a millimetre is a millimetre in every
format and at every resolution.
"""

import textwrap
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from ecg12.ecg.drawing.paper import HEAD_MM, MM_PER_INCH, PULSE_MM, SIDE_MM, PaperConfig, Sheet, plan_sheet
from ecg12.ecg.drawing.plot_map import describe_map, draw_legend, draw_map
from ecg12.ecg.drawing.score_map import ScoreMap
from ecg12.ecg.signals.heart_rate import compute_heart_rate
from ecg12.ecg.signals.leads import LEADS
from ecg12.ecg.signals.recording import Recording, describe_quality, doubt_amplitude

POINTS_PER_MM = 72 / MM_PER_INCH

_FINE, _BOLD, _PAPER, _INK, _GREY = "#f7d3d3", "#e8a3a3", "#fffafa", "#101010", "#555555"
_PALE_FINE, _PALE_BOLD = "#efefef", "#d6d6d6"
"""The grid below marks: pink would be taken for one."""
_TRACE_MM, _FINE_MM, _BOLD_MM = 0.28, 0.1, 0.22
_SMALL, _TEXT, _TITLE = 7.0, 8.0, 12.0
_MM_PER_LETTER = 0.2
"""Of a text, for each point of its size, on average; a little more than it is, so that lines do not meet the edge."""
_PULSE_S, _PULSE_MV = 0.2, 1.0
OLDER_THAN_89 = 300.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Caption:
    """What stands above the traces, beside what the recording says.

    Attributes
    ----------
    labels : diagnoses of an annotator, in words
    predictions : what a model says: class in words, score, and whether it decided for it; highest first
    number : or a number that it says, in words
    model : what the model is called
    source : where the recording is from
    """

    labels: tuple[str, ...] = ()
    predictions: tuple[tuple[str, float, bool], ...] = ()
    number: str = ""
    model: str = ""
    source: str = ""


def draw_ecg(
    recording: Recording,
    config: PaperConfig | None = None,
    caption: Caption | None = None,
    score_map: ScoreMap | None = None,
) -> Figure:
    """A sheet of ECG paper.

    Parameters
    ----------
    recording : its standard leads are drawn; all of them if none is standard
    score_map : what a score rests on, to be marked behind the traces, on a grid in grey

    Raises
    ------
    ConfigError
        If the sheet would begin after the recording's end.
    """
    config, caption = config or PaperConfig(), caption or Caption()
    sheet = plan_sheet(recording, config)
    figure = Figure(figsize=(sheet.size_mm[0] / MM_PER_INCH, sheet.size_mm[1] / MM_PER_INCH), facecolor="white")
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_xlim(0, sheet.size_mm[0])
    axes.set_ylim(0, sheet.size_mm[1])
    axes.set_axis_off()
    _draw_grid(axes, sheet, pale=score_map is not None)
    _draw_pulses(axes, sheet)
    _draw_strips(axes, sheet)
    _draw_head(axes, sheet, recording, caption, score_map)
    if score_map is not None:
        draw_map(axes, sheet, recording, score_map)
    _draw_foot(axes, sheet, recording)
    return figure


def _draw_grid(axes: Axes, sheet: Sheet, *, pale: bool) -> None:
    fine, bold, paper = (_PALE_FINE, _PALE_BOLD, "white") if pale else (_FINE, _BOLD, _PAPER)
    left, bottom, width, height = sheet.grid_mm
    axes.fill([left, left + width, left + width, left], [bottom, bottom, bottom + height, bottom + height], color=paper)
    for step, colour, line_mm in ((1, fine, _FINE_MM), (5, bold, _BOLD_MM)):
        upright = [((x, bottom), (x, bottom + height)) for x in left + np.arange(0, width + 0.5, step)]
        level = [((left, y), (left + width, y)) for y in bottom + np.arange(0, height + 0.5, step)]
        axes.add_collection(
            LineCollection(upright + level, colors=colour, linewidths=line_mm * POINTS_PER_MM, zorder=1 + step / 10)
        )


def _draw_pulses(axes: Axes, sheet: Sheet) -> None:
    """1 mV for 0.2 s in front of every row."""
    width, height = _PULSE_S * sheet.speed, _PULSE_MV * sheet.gain
    x = sheet.grid_mm[0] + (PULSE_MM - width) / 2 + np.array([-2.0, 0, 0, width, width, width + 2])
    for baseline in sheet.rows_mm:
        y = baseline + height * np.array([0, 0, 1, 1, 0, 0])
        axes.plot(x, y, color=_INK, linewidth=_TRACE_MM * POINTS_PER_MM, solid_joinstyle="miter", zorder=3, gid="pulse")


def _draw_strips(axes: Axes, sheet: Sheet) -> None:
    first = sheet.grid_mm[0] + PULSE_MM
    for strip in sheet.strips:
        axes.plot(
            strip.x_mm,
            strip.y_mm,
            color=_INK,
            linewidth=_TRACE_MM * POINTS_PER_MM,
            solid_joinstyle="round",
            zorder=4,
            gid=f"lead-{strip.lead}",
        )
        x, y = strip.label_mm
        axes.text(x, y, strip.lead, fontsize=_TITLE - 3, fontweight="bold", color=_INK, va="bottom", zorder=5)
        if strip.left_mm > first:  # where one lead ends and the next begins
            tick = np.array([-2.0, 2.0])
            axes.plot([strip.left_mm] * 2, strip.baseline_mm + tick, color=_INK, linewidth=0.6, zorder=3)


def _draw_head(axes: Axes, sheet: Sheet, recording: Recording, caption: Caption, score_map: ScoreMap | None) -> None:
    top, left = sheet.size_mm[1] - 6.0, SIDE_MM
    middle = left + 74.0
    axes.text(left, top, _shorten(recording.name, 24), fontsize=_TITLE, fontweight="bold", va="top", color=_INK)
    y = top - 6.5
    for line in _facts(sheet, recording, caption):
        axes.text(left, y, _shorten(line, 42), fontsize=_TEXT, va="top", color=_INK)
        y -= 4.0
    if score_map is not None:
        draw_legend(axes, left, y, score_map, size=_SMALL, colour=_INK)
    room = HEAD_MM - 7.0
    findings = _findings(caption, score_map)
    for place, (title, text) in enumerate(findings):
        y = top - (HEAD_MM - 7.0 - room)
        axes.text(middle, y, title, fontsize=_TEXT, fontweight="bold", va="top", color=_INK)
        lines = _wrap(text, sheet.size_mm[0] - SIDE_MM - middle - 24.0, _TEXT)
        # what follows has its share of the room, too
        fitting = max(1, int((room - (HEAD_MM - 7.0) * (1 - (place + 1) / len(findings))) // 4.0))
        if len(lines) > fitting:
            lines = [*lines[: fitting - 1], f"{lines[fitting - 1][:-2]} …"]
        axes.text(middle + 24.0, y, "\n".join(lines), fontsize=_TEXT, va="top", color=_INK, linespacing=1.19)
        room -= 4.0 * len(lines) + 1.0


def _facts(sheet: Sheet, recording: Recording, caption: Caption) -> list[str]:
    """Lines below the name."""
    age = "age unknown" if recording.age is None else f"{recording.age:.0f} years"
    age = "older than 89 years" if recording.age == OLDER_THAN_89 else age
    shown = slice(round(sheet.start_s * recording.fs), round(sheet.end_s * recording.fs))
    rate = compute_heart_rate(recording.signal_uv[:, shown], recording.fs)
    return [
        f"{age}, {(recording.sex or 'sex unknown').lower()}",
        "Ventricular rate: not found" if rate is None else f"Ventricular rate: {rate:.0f}/min",
        f"{recording.fs:g} Hz, {recording.duration_s:.4g} s" + (f", {caption.source}" if caption.source else ""),
    ]


def _findings(caption: Caption, score_map: ScoreMap | None) -> list[tuple[str, str]]:
    found = [("Explained", describe_map(score_map))] if score_map is not None else []
    if caption.labels:
        found.append(("Labels", "; ".join(caption.labels)))
    if caption.number:
        found.append(("Prediction", caption.number + (f" [{caption.model}]" if caption.model else "")))
    if caption.predictions:
        decided = [f"{name} {score:.2f}" for name, score, label in caption.predictions if label]
        others = [f"{name} {score:.2f}" for name, score, label in caption.predictions if not label][:3]
        text = f"{'; '.join(decided) or 'none'} (next: {'; '.join(others)})" if others else "; ".join(decided)
        found.append(("Prediction", text + (f" [{caption.model}]" if caption.model else "")))
    return found


def _draw_foot(axes: Axes, sheet: Sheet, recording: Recording) -> None:
    left, bottom, width, _ = sheet.grid_mm
    scale = f"{sheet.speed:g} mm/s   {sheet.gain:g} mm/mV   {sheet.start_s:g}–{sheet.end_s:.4g} s   unfiltered"
    axes.text(left, bottom - 1.5, scale, fontsize=_TEXT, fontweight="bold", va="top", color=_INK)
    remarks = [
        describe_quality(recording),
        doubt_amplitude(recording.amplitude_uv).partition(";")[0],
    ]
    if any(strip.is_cut for strip in sheet.strips):
        remarks.append("deflections cut")
    missing = [lead for lead in LEADS if lead not in recording.leads]
    if missing and len(missing) < len(LEADS):
        remarks.append(f"not recorded: {' '.join(missing)}")
    text = _shorten("; ".join(remark for remark in remarks if remark), 110)
    axes.text(left + 98.0, bottom - 1.6, text, fontsize=_SMALL, va="top", color=_GREY)
    notice = "For research, not for diagnosis"
    axes.text(left + width, bottom - 1.6, notice, fontsize=_SMALL, va="top", ha="right", color=_GREY)


def _wrap(text: str, width_mm: float, size: float) -> list[str]:
    return textwrap.wrap(text, max(20, int(width_mm / (_MM_PER_LETTER * size)))) or [""]


def _shorten(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
