"""ECG paper: every trace where its recording has it, however few points are left."""

import re

import numpy as np
import pytest

from ecg12.ecg.drawing.paper import PaperConfig, plan_sheet
from ecg12.ecg.errors import ConfigError
from ecg12.ecg.signals.leads import LEADS
from ecg12.ecg.signals.recording import make_recording
from ecg12.pipeline.report.drawing.ecg_paper import TOLERANCE_MM, UNIT_MM, draw_sheet, show_recording
from tests.pipeline.report.page_reader import PageReader

FS = 400.0


def recording(name: str = "a", seconds: float = 10.0):
    generator = np.random.default_rng(1)
    time = np.arange(round(seconds * FS)) / FS
    beats = 900.0 * np.exp(-(((time % 0.8) - 0.3) ** 2) / 2e-4)
    signal = np.stack([beats * (1 + row / 12) for row in range(12)]) + generator.normal(0, 8, (12, len(time)))
    return make_recording(name, signal, LEADS, FS, age=61.0, sex="Female", dx_codes=("426783006",))


def points(path: str) -> np.ndarray:
    """Points of a trace in mm, from the upper left corner."""
    start, _, steps = path.removeprefix("M").partition("l")
    moved = np.array(re.findall(r"-?\d+", steps), float).reshape(-1, 2)
    first = np.array(start.split(), float)
    return np.vstack([first, first + np.cumsum(moved, axis=0)]) * UNIT_MM


def test_traces_are_where_the_sheet_has_them() -> None:
    sheet = plan_sheet(recording(), PaperConfig())
    left, bottom, _, height = sheet.grid_mm
    drawn = [points(path) for path in re.findall(r'<path d="(M[^"]+)" class="trace">', draw_sheet(sheet, "t", "d"))]
    for strip in sheet.strips:
        x, y = strip.x_mm - left, bottom + height - strip.y_mm
        (trace,) = [one for one in drawn if len(one) > 6 and np.allclose(one[0], [x[0], y[0]], atol=UNIT_MM)]
        assert trace[-1] == pytest.approx([x[-1], y[-1]], abs=UNIT_MM)
        # where the line is steep, half a unit to the side is more than one in height
        steepest = np.abs(np.diff(y) / np.diff(x)).max()
        missed = np.abs(np.interp(x, trace[:, 0], trace[:, 1]) - y)
        assert missed.max() < TOLERANCE_MM + UNIT_MM * (1 + steepest)
        assert np.median(missed) < TOLERANCE_MM
        assert len(trace) < 0.7 * len(x)


def test_a_sheet_is_small_and_says_what_it_shows() -> None:
    figure = show_recording(recording(), "a <b>", [("Labels", "none <i>")])
    assert len(figure) < 60_000
    page = PageReader(figure)
    assert page.figures == ["a <b>"]
    for text in (
        "none <i>",
        "61 years, female",
        "75/min",
        "10 s at 400 Hz",
        "a small box is 0.04 s and 0.1 mV",
        "10 seconds of a at 25 mm/s",
    ):
        assert text in page.text
    for lead in LEADS:
        assert re.search(rf"<text [^>]+>{lead}</text>", figure)


def test_a_sheet_cannot_begin_after_the_end() -> None:
    with pytest.raises(ConfigError):
        show_recording(recording(), "a", config=PaperConfig(start_s=20))
