"""A number that a model tells: told against true, its errors, and the records that are furthest off."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ecg12.cache.reader import Store
from ecg12.ecg.errors import ChecksumError
from ecg12.ecg.labels.snomed import name_of
from ecg12.ecg.tasks.task import Task
from ecg12.pipeline.pictures.plot import read_stored
from ecg12.pipeline.report.drawing.charts import Bars, Series, histogram, in_columns, line_chart
from ecg12.pipeline.report.drawing.ecg_paper import show_recording
from ecg12.pipeline.report.drawing.markup import Markup, element, join
from ecg12.pipeline.report.drawing.scales import Axis, axis_over
from ecg12.pipeline.report.drawing.tables import make_table
from ecg12.pipeline.report.of_run.run_answers import RunAnswers
from ecg12.pipeline.runtime.progress import Progress

MOST_POINTS = 1500
"""Records that are drawn, evenly among all; tables count them all."""
N_BINS = 12
MOST_ROWS = 15


def show_told(answers: RunAnswers) -> Markup:
    """Each record's number as it is told over as it is true, the errors, and how they go with what is true."""
    true, told, unit = _pairs(answers)
    return join(in_columns(_scatter(true, told, unit), _errors(told - true, unit)), _by_size(true, told, unit))


def _pairs(answers: RunAnswers) -> tuple[NDArray[np.float64], NDArray[np.float64], str]:
    """True and told numbers of the records that have one, and the unit behind a comma."""
    assert answers.number is not None
    known = np.isfinite(answers.number)
    return answers.number[known], answers.scores[known, 0], unit_of(answers.task)


def unit_of(task: Task) -> str:
    """ ", years", or nothing."""
    return f", {task.number.unit}" if task.number is not None and task.number.unit else ""


def _scatter(true: NDArray[np.float64], told: NDArray[np.float64], unit: str) -> Markup:
    shown = np.unique(np.linspace(0, len(true) - 1, min(len(true), MOST_POINTS)).astype(int))
    both = axis_over("", np.concatenate([true, told]))
    x, y = (Axis(label=f"{label}{unit}", low=both.low, high=both.high) for label in ("true", "told"))
    sizes = np.full(len(shown), 2.4 if len(shown) <= 300 else 1.6)
    some = f" {len(shown):,} of {len(true):,} records are drawn." if len(shown) < len(true) else ""
    series = [
        Series(name="", x=(both.low, both.high), y=(both.low, both.high), kind="guide"),
        Series(name="", x=true[shown], y=told[shown], kind="marks", colour=0, sizes=sizes),
    ]
    return line_chart(
        "Told against true",
        x,
        y,
        series,
        description=f"Of {len(true):,} records the number that is told over the true one; on the dotted line they are "
        f"equal. True from {true.min():.4g} to {true.max():.4g}, told from {told.min():.4g} to {told.max():.4g}.{some}",
        data=_quartiles({"true": true, "told": told}, f"Numbers{unit}"),
    )


def _quartiles(of: Mapping[str, NDArray[np.float64]], caption: str) -> Markup:
    rows = [
        [name, len(values), *map(float, np.percentile(values, [0, 25, 50, 75, 100])), float(values.mean())]
        for name, values in of.items()
        if len(values)
    ]
    return make_table(caption, ["", "records", "lowest", "25\u00a0%", "median", "75\u00a0%", "highest", "mean"], rows)


def _errors(errors: NDArray[np.float64], unit: str) -> Markup:
    """How large errors are, with their sign."""
    largest = float(np.abs(errors).max()) or 1.0
    axis = axis_over(f"told − true{unit}", [-largest, largest])
    edges = np.linspace(axis.low, axis.high, N_BINS + 1)
    counts, _ = np.histogram(errors, edges)
    low, high = np.percentile(errors, [2.5, 97.5])
    return histogram(
        "Errors",
        axis,
        tuple(edges.tolist()),
        [Bars(name="", values=counts.tolist())],
        description=f"Errors of {len(errors):,} records: mean {errors.mean():+.3g}, 95 % of them from {low:.3g} to "
        f"{high:.3g}.",
    )


def _by_size(true: NDArray[np.float64], told: NDArray[np.float64], unit: str) -> Markup:
    """Errors of quarters of the records, from the lowest numbers to the highest."""
    edges = np.unique(np.percentile(true, [0, 25, 50, 75, 100]))
    place = np.clip(np.searchsorted(edges, true, side="right") - 1, 0, max(len(edges) - 2, 0))
    rows = []
    for number in np.unique(place):
        own = place == number
        errors = told[own] - true[own]
        ends = f"{true[own].min():.4g} to {true[own].max():.4g}"
        rows.append([ends, int(own.sum()), float(np.abs(errors).mean()), float(errors.mean())])
    errors = told - true
    foot = [["all", len(true), float(np.abs(errors).mean()), float(errors.mean())]]
    header = [f"true{unit}", "records", "mean absolute error", "mean of told − true"]
    caption = "Errors by what is true; above 0 it is told too high"
    return make_table(caption, header, rows, foot=foot)


def show_numbers(number: NDArray[np.float64], task: Task, sides: Mapping[str, NDArray[np.int64]]) -> Markup:
    """How the numbers of each side are spread."""
    known = {side: number[rows][np.isfinite(number[rows])] for side, rows in sides.items()}
    everything = np.concatenate(list(known.values()))
    name = f"{task.classes[0].name}{unit_of(task)}"
    if not len(everything):
        return element("p", "No record has a number.")
    axis = axis_over(name, everything)
    edges = np.linspace(axis.low, axis.high, N_BINS + 1)
    shown = known if len(known) <= 3 else {"": everything}
    bars = [Bars(name=side, values=np.histogram(own, edges)[0].tolist()) for side, own in shown.items()]
    chart = histogram(
        "Records by their number",
        axis,
        tuple(edges.tolist()),
        bars,
        description=f"Of {len(everything):,} records, half of them from {np.percentile(everything, 25):.4g} to "
        f"{np.percentile(everything, 75):.4g}.",
    )
    return join(in_columns(chart), _quartiles(known, f"Numbers of each side: {name}"))


def show_furthest(answers: RunAnswers, store: Store, n_examples: int, progress: Progress) -> Markup:
    """Tables of the records that are told much too high and much too low, and the first of each drawn."""
    assert answers.number is not None
    errors = np.where(np.isfinite(answers.number), answers.scores[:, 0] - answers.number, 0.0)
    most, parts = max(MOST_ROWS, n_examples), []
    with progress("draw", 2 * n_examples, "ECGs") as shown:
        for title, sign in (("Told too high", 1), ("Told too low", -1)):
            places = [
                int(place) for place in np.argsort(-sign * errors, kind="stable")[:most] if sign * errors[place] > 0
            ]
            parts.append(element("h3", title))
            parts.append(_table(title, places, answers, store) if places else element("p", "None."))
            for place in places[:n_examples]:
                parts.append(_draw(place, answers, store))
                shown.advance()
    return join(*parts)


def _table(title: str, places: Sequence[int], answers: RunAnswers, store: Store) -> Markup:
    assert answers.number is not None
    rows = []
    for place in places:
        row, true, told = int(answers.rows[place]), float(answers.number[place]), float(answers.scores[place, 0])
        rows.append([str(store.ids[row]), str(store.datasets[row]), true, told, told - true])
    unit = unit_of(answers.task)
    return make_table(f"{title}, furthest first{unit}", ["record", "dataset", "true", "told", "told − true"], rows)


def _draw(place: int, answers: RunAnswers, store: Store) -> Markup:
    assert answers.number is not None
    row = int(answers.rows[place])
    try:
        recording = read_stored(store, row)
    except ChecksumError as error:  # one damaged chunk costs the pictures of its records, and no more
        return element("p", f"{store.ids[row]} ({store.datasets[row]}): cannot be drawn ({error})")
    unit = unit_of(answers.task).replace(",", "")
    said = f"{answers.scores[place, 0]:.4g}{unit} told, {answers.number[place]:.4g}{unit} true"
    facts = [
        ("Wrong", f"{answers.task.classes[0].name}: {said}"),
        ("Labels", "; ".join(map(name_of, recording.dx_codes)) or "none"),
    ]
    return show_recording(recording, f"{store.ids[row]} ({store.datasets[row]}): {said}", facts)
