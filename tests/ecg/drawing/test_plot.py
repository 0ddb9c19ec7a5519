"""The paper: true to scale in every format, nothing over anything else, every lead there, every remark made."""

import io
from itertools import pairwise

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from ecg12.ecg.drawing.paper import GAP_MM, LABEL_MM, MM_PER_INCH, PaperConfig, plan_sheet
from ecg12.ecg.drawing.plot import Caption, draw_ecg
from ecg12.ecg.errors import ConfigError
from ecg12.ecg.signals.leads import LEADS
from ecg12.ecg.signals.recording import Recording, make_recording
from tests.records import pulses_uv


def recording_of(signal_uv=None, *, leads=LEADS, fs: float = 500, **facts) -> Recording:
    return make_recording("made", pulses_uv(5000, seed=1) if signal_uv is None else signal_uv, leads, fs, **facts)


def texts_of(figure: Figure) -> str:
    return "\n".join(text.get_text() for text in figure.axes[0].texts)


def line(figure: Figure, gid: str) -> np.ndarray:
    """Points of a line on the sheet, mm, shape (2, point)."""
    found = next(one for one in figure.axes[0].lines if one.get_gid() == gid)
    return np.array(found.get_data(), float)


@pytest.mark.parametrize("speed", [12.5, 25, 50])
@pytest.mark.parametrize("gain", [2.5, 5, 10, 20])
@pytest.mark.parametrize("layout", ["3x4", "6x2", "12x1"])
def test_a_second_and_a_millivolt_have_their_length(speed: float, gain: float, layout: str) -> None:
    signal = np.zeros((12, 5000))
    signal[:, 100:] = 1000  # one step of 1 mV at 0.2 s
    config = PaperConfig(layout=layout, speed=speed, gain=gain)
    for strip in plan_sheet(recording_of(signal), config).strips:
        np.testing.assert_allclose(np.diff(strip.x_mm), speed / 500, rtol=1e-9)
        if strip.start_s == 0:
            assert strip.y_mm[100] - strip.y_mm[99] == pytest.approx(gain)
            assert strip.x_mm[100] - strip.left_mm == pytest.approx(0.2 * speed)


def test_a_millimetre_is_a_millimetre_in_the_file() -> None:
    figure = draw_ecg(recording_of())
    for dpi in (72, 150, 254):
        file = io.BytesIO()
        figure.savefig(file, format="png", dpi=dpi)
        image = Image.open(file)
        assert image.info["dpi"] == pytest.approx((dpi, dpi), abs=0.05)
        assert image.size == pytest.approx((297 / MM_PER_INCH * dpi, 210 / MM_PER_INCH * dpi), abs=1)
    axes = figure.axes[0]
    figure.set_dpi(100)
    pixels = axes.transData.transform([(0, 0), (25, 10)])
    np.testing.assert_allclose(pixels[1] - pixels[0], np.array([25, 10]) / MM_PER_INCH * 100)


def test_the_calibration_pulse_is_a_millivolt_and_a_fifth_of_a_second_in_every_row() -> None:
    figure = draw_ecg(recording_of(), PaperConfig(gain=5))
    pulses = [np.array(one.get_data()) for one in figure.axes[0].lines if one.get_gid() == "pulse"]
    assert len(pulses) == 4
    for x, y in pulses:
        assert np.ptp(y) == pytest.approx(5)
        assert x[y > y.min() + 1].max() - x[y > y.min() + 1].min() == pytest.approx(5)


def test_the_grid_has_whole_boxes() -> None:
    sheet = plan_sheet(recording_of(), PaperConfig())
    left, bottom, width, height = sheet.grid_mm
    assert width % 5 == 0
    assert height % 5 == 0
    assert left >= 5
    assert bottom >= 5
    assert all((baseline - bottom) % 1 == 0 for baseline in sheet.rows_mm)


def test_three_by_four_shows_all_leads_one_after_another_and_the_rhythm() -> None:
    sheet = plan_sheet(recording_of(), PaperConfig(rhythm="V1"))
    assert sheet.layout == "3x4"
    shown = {(strip.lead, strip.start_s) for strip in sheet.strips}
    assert shown == {(lead, 2.5 * (number // 3)) for number, lead in enumerate(LEADS)} | {("V1", 0.0)}
    by_row = {row: [s for s in sheet.strips if s.baseline_mm == row] for row in sheet.rows_mm}
    assert [len(strips) for strips in by_row.values()] == [4, 4, 4, 1]
    for strips in by_row.values():
        for one, following in pairwise(strips):
            assert one.x_mm[-1] == pytest.approx(following.left_mm)


@pytest.mark.parametrize("layout", ["3x4", "6x2", "12x1"])
@pytest.mark.parametrize("factor", [0.2, 1, 3, 10, 100])
def test_traces_and_names_never_meet_those_of_the_next_row(layout: str, factor: float) -> None:
    signal = pulses_uv(5000, seed=1).astype(float) * factor
    signal[::2] *= -1
    sheet = plan_sheet(recording_of(signal), PaperConfig(layout=layout))
    rows = [[strip for strip in sheet.strips if strip.baseline_mm == row] for row in sheet.rows_mm]
    top = sheet.grid_mm[1] + sheet.grid_mm[3]
    for strips in rows:
        highest = max(max(strip.y_mm.max(), strip.label_mm[1] + LABEL_MM[1]) for strip in strips)
        assert highest <= top - GAP_MM / 2
        top = min(strip.y_mm.min() for strip in strips)
    assert top >= sheet.grid_mm[1] + GAP_MM / 2
    assert sheet.size_mm[1] <= 297 + 5
    is_cut = any(strip.is_cut for strip in sheet.strips)
    assert is_cut if factor == 100 else not is_cut or factor == 10


def test_names_stand_above_what_is_below_them() -> None:
    for strip in plan_sheet(recording_of(pulses_uv(5000, seed=1) * 2), PaperConfig()).strips:
        x, y = strip.label_mm
        below = strip.y_mm[(strip.x_mm >= x) & (strip.x_mm <= x + LABEL_MM[0] - 1)]
        assert y > below.max()


def test_the_gain_is_halved_where_there_is_no_room_and_the_sheet_says_so() -> None:
    large = recording_of(pulses_uv(5000, seed=1).astype(float) * 8)
    assert plan_sheet(large, PaperConfig(layout="12x1")).gain < 10
    assert plan_sheet(large, PaperConfig(layout="12x1", gain=10)).gain == 10
    figure = draw_ecg(large, PaperConfig(layout="12x1"))
    assert "25 mm/s   2.5 mm/mV" in texts_of(figure)


def test_short_recordings_show_every_lead() -> None:
    for n_samples in (1, 30, 700, 3000):
        sheet = plan_sheet(recording_of(pulses_uv(n_samples)), PaperConfig())
        assert {strip.lead for strip in sheet.strips} == set(LEADS)
        assert all(len(strip.x_mm) for strip in sheet.strips)
        draw_ecg(recording_of(pulses_uv(n_samples)))
    # six seconds: the last column shows the last 2.5 s
    assert max(strip.start_s for strip in sheet.strips) == pytest.approx(3.5)


def test_long_recordings_begin_where_they_are_told() -> None:
    long = recording_of(pulses_uv(60 * 500))
    sheet = plan_sheet(long, PaperConfig(start_s=30))
    assert (sheet.start_s, sheet.end_s) == (30, 40)
    np.testing.assert_allclose(sheet.strips[0].x_mm[0], sheet.strips[0].left_mm)
    assert "30–40 s" in texts_of(draw_ecg(long, PaperConfig(start_s=30)))
    with pytest.raises(ConfigError, match="made: start at 60 s; expected less than its 60 s"):
        plan_sheet(long, PaperConfig(start_s=60))


def test_fewer_leads_stand_one_below_the_other_and_what_is_missing_is_said() -> None:
    recording = recording_of(pulses_uv(5000)[[6, 1, 0]], leads=("V1", "II", "I"))
    sheet = plan_sheet(recording, PaperConfig())
    assert (sheet.layout, [strip.lead for strip in sheet.strips]) == ("12x1", ["I", "II", "V1"])
    assert "not recorded: III aVR aVL aVF V2 V3 V4 V5 V6" in texts_of(draw_ecg(recording))
    assert {strip.lead for strip in plan_sheet(recording, PaperConfig(layout="3x4")).strips} == {"I", "II", "V1"}
    other = recording_of(pulses_uv(500)[:2], leads=("MLII", "MLIII"))
    assert [strip.lead for strip in plan_sheet(other, PaperConfig()).strips] == ["MLII", "MLIII"]


def test_the_head_says_who_and_what() -> None:
    caption = Caption(
        labels=("sinus rhythm", "left axis deviation"),
        predictions=(("atrial fibrillation", 0.931, True), ("sinus rhythm", 0.2, False)),
        model="run",
        source="ward",
    )
    texts = texts_of(draw_ecg(recording_of(age=300, sex="Female"), None, caption))
    for text in (
        "made",
        "older than 89 years, female",
        "Ventricular rate: 92/min",
        "500 Hz, 10 s, ward",
        "sinus rhythm; left axis deviation",
        "atrial fibrillation 0.93 (next: sinus rhythm 0.20) [run]",
        "10 mm/mV",
        "For research, not for diagnosis",
    ):
        assert text in texts
    assert "age unknown, sex unknown" in texts_of(draw_ecg(recording_of()))
    doubtful = texts_of(draw_ecg(recording_of(pulses_uv(5000) / 1000)))
    assert "typical amplitude" in doubtful


def test_no_text_meets_another_or_the_edge() -> None:
    many = 40
    caption = Caption(
        labels=tuple(f"finding number {number}" for number in range(many)),
        predictions=tuple((f"prediction number {number}", 0.9, number < 20) for number in range(many)),
        model="a/rather/long/name/of/a/run/folder",
        source="a source with a long name " * 3,
    )
    recording = make_recording("a-name-that-is-longer-than-anything-" * 3, pulses_uv(5000), LEADS, 500)
    figure = draw_ecg(recording, None, caption)
    figure.set_dpi(72)
    figure.savefig(io.BytesIO(), format="png", dpi=72)
    boxes = [text.get_window_extent() for text in figure.axes[0].texts if text.get_text()]
    width, height = figure.get_size_inches() * 72
    for number, box in enumerate(boxes):
        assert 0 <= box.x0
        assert box.x1 <= width
        assert 0 <= box.y0
        assert box.y1 <= height
        assert not [text for text in boxes[number + 1 :] if box.overlaps(text)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layout": "4x3"}, "layout is '4x3'; expected auto, 3x4, 6x2, 12x1"),
        ({"speed": 20}, "speed is 20; expected 12.5, 25.0, 50.0"),
        ({"gain": 0}, "gain is 0; expected 20.0, 10.0, 5.0, 2.5"),
        ({"rhythm": "X"}, "rhythm is 'X'; expected I, II"),
        ({"start_s": -1}, "start_s is -1; expected 0 or more seconds"),
    ],
)
def test_configuration_is_checked(options: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        PaperConfig(**options)


def test_configuration_round_trip() -> None:
    config = PaperConfig(layout="6x2", gain=5.0, start_s=2.0)
    assert PaperConfig.from_dict(config.to_dict()) == config
