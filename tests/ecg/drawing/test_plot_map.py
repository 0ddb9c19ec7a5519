"""Marks behind the traces: in the right lead at the right time, two kinds that nobody takes for one another."""

import io

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from ecg12.ecg.drawing.paper import PaperConfig, plan_sheet
from ecg12.ecg.drawing.plot import Caption, draw_ecg
from ecg12.ecg.drawing.plot_map import AGAINST, FOR
from ecg12.ecg.signals.leads import LEADS
from tests.ecg.drawing.test_plot import recording_of, texts_of
from tests.ecg.drawing.test_score_map import map_of
from tests.records import pulses_uv

FS = 400.0


def drawn(values: np.ndarray, paper: PaperConfig | None = None) -> Figure:
    return draw_ecg(recording_of(), paper or PaperConfig(layout="12x1"), Caption(), map_of(values, leads=LEADS, fs=FS))


def marks(figure: Figure, gid: str) -> list:
    return [one for one in figure.axes[0].lines if one.get_gid() == gid]


def spike(lead: str, seconds: float, share: float) -> np.ndarray:
    values = np.zeros((12, 4000))
    values[LEADS.index(lead), round(seconds * FS)] = share
    return values


@pytest.mark.parametrize("layout", ["12x1", "3x4"])
def test_a_mark_is_in_its_lead_at_its_time(layout: str) -> None:
    figure = drawn(spike("V2", 6.0, 0.5), PaperConfig(layout=layout))
    strip = next(one for one in plan_sheet(recording_of(), PaperConfig(layout=layout)).strips if one.lead == "V2")
    found = marks(figure, "map-V2")
    assert found
    assert not [one for lead in LEADS if lead != "V2" for one in marks(figure, f"map-{lead}")]
    x = np.concatenate([one.get_xdata() for one in found])
    at = strip.left_mm + (6.0 - strip.start_s) * 25
    assert abs((x.min() + x.max()) / 2 - at) < 0.5
    assert x.max() - x.min() < 0.3 * 25
    darkest = max(found, key=lambda one: one.get_zorder())
    assert darkest.get_color() == FOR[-1]


def test_for_is_solid_and_against_is_striped_and_of_another_colour() -> None:
    figure = drawn(spike("I", 2.0, 0.5) + spike("I", 7.0, -0.5))
    lines = marks(figure, "map-I")
    solid = [one for one in lines if one.get_linestyle() == "-"]
    striped = [one for one in lines if one.get_linestyle() == "--"]
    assert len(solid) + len(striped) == len(lines)
    assert {one.get_color() for one in solid} <= set(FOR)
    assert {one.get_color() for one in striped} <= set(AGAINST)
    left = plan_sheet(recording_of(), PaperConfig(layout="12x1")).strips[0].left_mm
    assert all(one.get_xdata().max() < left + 4 * 25 for one in solid)
    assert all(one.get_xdata().min() > left + 5 * 25 for one in striped)


def test_marks_lie_behind_the_trace_and_above_the_grid() -> None:
    figure = drawn(spike("I", 2.0, 0.5))
    grid = max(one.get_zorder() for one in figure.axes[0].collections)
    traces = min(one.get_zorder() for one in figure.axes[0].lines if str(one.get_gid()).startswith("lead-"))
    assert all(grid < one.get_zorder() < traces for one in marks(figure, "map-I"))


@pytest.mark.parametrize("colours", [FOR, AGAINST])
def test_darker_is_more_in_grey_too_and_the_trace_stays_readable(colours: tuple[str, ...]) -> None:
    # luminance as in WCAG 2.1
    linear = [[c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(one)] for one in colours]
    luminance = [float(np.dot([0.2126, 0.7152, 0.0722], one)) for one in linear]
    assert luminance == sorted(luminance, reverse=True)
    ink = 0.0052
    assert min((one + 0.05) / (ink + 0.05) for one in luminance) > 3.5  # the ink of the trace on the darkest


def test_a_map_without_anything_marks_nothing() -> None:
    figure = drawn(np.zeros((12, 4000)))
    assert not [one for lead in LEADS for one in marks(figure, f"map-{lead}")]


def test_the_head_says_what_is_explained_and_how() -> None:
    values = spike("V1", 2.0, 0.5) + spike("aVR", 2.0, -0.25)
    score_map = map_of(values, leads=LEADS, fs=FS, method="integrated gradients, 24 steps", is_positive=False)
    figure = draw_ecg(recording_of(), None, Caption(labels=("sinus rhythm",)), score_map)
    text = " ".join(texts_of(figure).split())
    assert (
        "Explained atrial fibrillation 0.90 (not decided for), 0.10 without a signal; most: V1 +0.50; aVR −0.25" in text
    )
    assert "[integrated gradients, 24 steps]" in text
    assert "against" in text
    assert "for; darkest: " in text
    assert len(marks(figure, "legend")) == 2 * len(FOR)
    assert "Explained" not in texts_of(draw_ecg(recording_of()))


def test_no_text_of_a_full_head_meets_another() -> None:
    caption = Caption(
        labels=tuple(f"finding number {number}" for number in range(40)),
        predictions=tuple((f"prediction number {number}", 0.9, number < 20) for number in range(40)),
        model="a/rather/long/name/of/a/run/folder",
        source="a source with a long name " * 3,
    )
    score_map = map_of(spike("V1", 2.0, 0.5), leads=LEADS, fs=FS, name="a long name of a class " * 10)
    figure = draw_ecg(recording_of(pulses_uv(5000)), PaperConfig(layout="12x1"), caption, score_map)
    figure.set_dpi(72)
    figure.savefig(io.BytesIO(), format="png", dpi=72)
    boxes = [text.get_window_extent() for text in figure.axes[0].texts if text.get_text()]
    width, height = figure.get_size_inches() * 72
    for number, box in enumerate(boxes):
        assert box.x0 >= 0
        assert box.y0 >= 0
        assert box.x1 <= width
        assert box.y1 <= height
        assert not [text for text in boxes[number + 1 :] if box.overlaps(text)]
