"""Where everything of an ECG stands on a sheet of paper, in millimetres from its lower left corner: no drawing here.

The sheet is as wide as A4 landscape, which holds ten seconds at 25 mm/s; it is as high as A4, or higher where large
deflections would else run into each other, up to a square; beyond that the gain is halved, which the sheet says.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecg12.ecg.config import Config
from ecg12.ecg.errors import ConfigError
from ecg12.ecg.signals.leads import LEADS
from ecg12.ecg.signals.recording import Recording

LAYOUTS = ("auto", "3x4", "6x2", "12x1")
SPEEDS = (12.5, 25.0, 50.0)
GAINS = (20.0, 10.0, 5.0, 2.5)
MM_PER_INCH = 25.4

SHEET_MM = (297.0, 210.0)
TALLEST_MM = 297.0
TRACE_MM = 250.0
PULSE_MM = 15.0
"""Width that the calibration pulse takes in front of the traces."""
HEAD_MM, FOOT_MM = 33.0, 9.0
SIDE_MM = (SHEET_MM[0] - TRACE_MM - PULSE_MM - 5.0) / 2
TALLEST_TOLD_MM = 594.0
"""The most where the gain was told."""
LABEL_MM = (9.0, 3.2)
"""Room for a lead's name."""
GAP_MM = 2.5

_PITCH_MM = {"3x4": 30.0, "6x2": 21.0, "12x1": 12.5}
_COLUMNS = {"3x4": 4, "6x2": 2, "12x1": 1}


@dataclass(frozen=True, kw_only=True, slots=True)
class PaperConfig(Config):
    """How to put an ECG on paper.

    Attributes
    ----------
    layout : "3x4" (with a rhythm strip below), "6x2", "12x1", or "auto": 3x4 where all twelve leads are there, else
        one below the other
    rhythm : lead of the rhythm strip; without it the first that is there
    speed : mm/s
    gain : mm/mV; None for 10, or less where the sheet would else be too high
    start_s : where in the recording the sheet begins, seconds
    """

    layout: str = "auto"
    rhythm: str = "II"
    speed: float = 25.0
    gain: float | None = None
    start_s: float = 0.0

    def __post_init__(self) -> None:
        for name, allowed in (("layout", LAYOUTS), ("rhythm", LEADS), ("speed", SPEEDS), ("gain", (None, *GAINS))):
            if getattr(self, name) not in allowed:
                expected = ", ".join(str(value) for value in allowed if value is not None)
                raise ConfigError(f"{name} is {getattr(self, name)!r}; expected {expected}")
        if not 0 <= self.start_s < float("inf"):
            raise ConfigError(f"start_s is {self.start_s}; expected 0 or more seconds")

    @property
    def seconds(self) -> float:
        """What a sheet holds."""
        return TRACE_MM / self.speed


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Strip:
    """A lead over some time.

    Attributes
    ----------
    start_s : of its first sample, in the recording
    x_mm, y_mm : float arrays, shape (sample,), on the sheet
    left_mm, baseline_mm : where its time begins, and where its median lies
    label_mm : lower left corner of the lead's name
    is_cut : whether a deflection went too far
    """

    lead: str
    start_s: float
    x_mm: NDArray[np.float64]
    y_mm: NDArray[np.float64]
    left_mm: float
    baseline_mm: float
    label_mm: tuple[float, float]
    is_cut: bool


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Sheet:
    """A planned sheet.

    Attributes
    ----------
    size_mm : width and height
    grid_mm : left, bottom, width and height of the grid, whole boxes of 5 mm
    rows_mm : baseline of each row, from the top
    """

    size_mm: tuple[float, float]
    grid_mm: tuple[float, float, float, float]
    rows_mm: tuple[float, ...]
    strips: tuple[Strip, ...]
    layout: str
    speed: float
    gain: float
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True, eq=False)
class _Piece:
    """A strip before its row has a place: deflections in mm from its baseline."""

    row: int
    lead: str
    start_s: float
    left_mm: float
    x_mm: NDArray[np.float64]
    rise_mm: NDArray[np.float64]
    label_mm: float
    is_cut: bool


def plan_sheet(recording: Recording, config: PaperConfig) -> Sheet:
    """Put a recording on a sheet.

    Raises
    ------
    ConfigError
        If the sheet would begin after the recording's end.
    """
    if config.start_s >= recording.duration_s:
        raise ConfigError(
            f"{recording.name}: start at {config.start_s:g} s; expected less than its {recording.duration_s:g} s"
        )
    layout = _choose_layout(recording, config)
    rows = _rows_of(recording, layout, config.rhythm)
    gains = [config.gain] if config.gain is not None else [gain for gain in GAINS if gain <= 10]
    room = (TALLEST_MM if config.gain is None else TALLEST_TOLD_MM) - HEAD_MM - FOOT_MM
    # what is too large even so is cut, which the sheet says
    share = room / len(rows) / 2 - GAP_MM - LABEL_MM[1]
    for gain, largest in [*((gain, float("inf")) for gain in gains), (gains[-1], share)]:
        pieces = _cut(recording, rows, config, gain, largest)
        drops = _pitches(pieces, len(rows), _PITCH_MM[layout], pulse_mm=gain)
        height = _boxes(sum(drops))
        if height <= room:
            break
    return _place(recording, config, layout, gain, pieces, drops, height)


def _choose_layout(recording: Recording, config: PaperConfig) -> str:
    if config.layout != "auto":
        return config.layout
    return "3x4" if set(LEADS) <= set(recording.leads) else "12x1"


def _rows_of(recording: Recording, layout: str, rhythm: str) -> list[tuple[str, ...]]:
    """Leads of each row, from left to right; one that is not there leaves its place empty."""
    n_columns = _COLUMNS[layout]
    if n_columns == 1:
        standard = [lead for lead in LEADS if lead in recording.leads]
        return [(lead,) for lead in standard or recording.leads]
    n_rows = len(LEADS) // n_columns
    rows = [tuple(LEADS[row::n_rows]) for row in range(n_rows)]
    if layout == "3x4":
        rows.append((rhythm if rhythm in recording.leads else recording.leads[0],))
    return rows


def _cut(
    recording: Recording, rows: Sequence[tuple[str, ...]], config: PaperConfig, gain: float, largest_mm: float
) -> list[_Piece]:
    """Every strip; what goes further than `largest_mm` from its baseline is cut."""
    pieces = []
    for row, leads in enumerate(rows):
        seconds = config.seconds / len(leads)
        for column, lead in enumerate(leads):
            if lead in recording.leads:
                # of a recording that ends early the later columns show its last seconds again, not nothing
                begin = min(config.start_s + column * seconds, max(config.start_s, recording.duration_s - seconds))
                left = column * TRACE_MM / len(leads)
                pieces.append(_piece(recording, row, lead, (begin, seconds), left, config.speed, gain, largest_mm))
    return pieces


def _piece(
    recording: Recording,
    row: int,
    lead: str,
    time_s: tuple[float, float],
    left_mm: float,
    speed: float,
    gain: float,
    largest_mm: float,
) -> _Piece:
    """The strip that begins at the first of `time_s` and lasts as long as the second says."""
    begin_s, seconds = time_s
    # one sample more than the time holds, so that a trace reaches the next one's place
    first, last = round(begin_s * recording.fs), round((begin_s + seconds) * recording.fs) + 1
    samples = recording.signal_uv[recording.leads.index(lead), first:last].astype(np.float64)
    rise = (samples - np.median(samples)) / 1000 * gain
    x = left_mm + np.arange(len(samples)) / recording.fs * speed
    below = rise[x < left_mm + LABEL_MM[0]]
    return _Piece(
        row=row,
        lead=lead,
        start_s=begin_s,
        left_mm=left_mm,
        x_mm=x,
        rise_mm=np.clip(rise, -largest_mm, largest_mm),
        label_mm=min(max(3.0, float(below.max(initial=0)) + 1.0), largest_mm),
        is_cut=bool(np.abs(rise).max(initial=0) > largest_mm),
    )


def _pitches(pieces: Sequence[_Piece], n_rows: int, usual: float, *, pulse_mm: float) -> list[float]:
    """From the grid's top to the first baseline, from each to the next, and from the last to the bottom, mm."""
    rises, falls = [0.0] * n_rows, [0.0] * n_rows
    for piece in pieces:
        top = max(float(piece.rise_mm.max(initial=0)), piece.label_mm + LABEL_MM[1])
        rises[piece.row] = max(rises[piece.row], top)
        falls[piece.row] = max(falls[piece.row], -float(piece.rise_mm.min(initial=0)))
    between = [max(usual, falls[row] + rises[row + 1] + GAP_MM) for row in range(n_rows - 1)]
    return [max(usual / 2, rises[0] + GAP_MM, pulse_mm + GAP_MM), *between, max(usual / 2, falls[-1] + GAP_MM)]


def _boxes(length_mm: float) -> float:
    """At least so many millimetres, in whole boxes of 5 mm."""
    return 5.0 * np.ceil(length_mm / 5.0 - 1e-9)


def _place(
    recording: Recording,
    config: PaperConfig,
    layout: str,
    gain: float,
    pieces: Sequence[_Piece],
    drops: Sequence[float],
    height: float,
) -> Sheet:
    free = SHEET_MM[1] - HEAD_MM - FOOT_MM - height
    spread = 5.0 * np.floor(max(free, 0.0) / 5.0)  # on a low page the rows stand further apart
    drops = [drop + spread / len(drops) for drop in drops]
    height += spread
    sheet_height = max(SHEET_MM[1], HEAD_MM + height + FOOT_MM)
    left, bottom = SIDE_MM, sheet_height - HEAD_MM - height
    # baselines on lines of the grid
    rows = [round((bottom + height - total) - bottom) + bottom for total in np.cumsum(drops)[:-1]]
    strips = []
    for piece in pieces:
        x0, baseline = left + PULSE_MM, float(rows[piece.row])
        strips.append(
            Strip(
                lead=piece.lead,
                start_s=piece.start_s,
                x_mm=x0 + piece.x_mm,
                y_mm=baseline + piece.rise_mm,
                left_mm=x0 + piece.left_mm,
                baseline_mm=baseline,
                label_mm=(x0 + piece.left_mm + 1.0, baseline + piece.label_mm),
                is_cut=piece.is_cut,
            )
        )
    return Sheet(
        size_mm=(SHEET_MM[0], sheet_height),
        grid_mm=(left, bottom, SHEET_MM[0] - 2 * SIDE_MM, height),
        rows_mm=tuple(map(float, rows)),
        strips=tuple(strips),
        layout=layout,
        speed=config.speed,
        gain=gain,
        start_s=config.start_s,
        end_s=min(config.start_s + config.seconds, recording.duration_s),
    )
