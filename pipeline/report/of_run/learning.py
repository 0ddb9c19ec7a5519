"""How a run learned: its history as curves, and those of a cross-validation's runs side by side."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ecg12.ecg.tasks.task import LESS_IS_BETTER, LOSS, METRIC, NUMBER, Task
from ecg12.pipeline.report.drawing.charts import Series, in_columns, line_chart
from ecg12.pipeline.report.drawing.markup import Markup, element, join
from ecg12.pipeline.report.drawing.scales import Axis, axis_over
from ecg12.pipeline.report.drawing.tables import make_table

History = Sequence[Mapping[str, Any]]

FIGURES = {
    "challenge_metric": "challenge metric",
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "f_measure": "F1",
    "f_beta": "F2",
    "g_beta": "G2",
    "geom_mean": "mean of F2 and G2",
    "mae": "mean absolute error",
    "rmse": "root mean square error",
    "r2": "R²",
    "pearson": "Pearson's correlation",
    LOSS: "validation loss",
}
"""Columns of a history that may be curves, and their names."""

OF_METRIC = ("challenge_metric", "auroc", "auprc", "f_beta", "g_beta")
OF_CLASSES = ("auroc", "auprc", "f_measure", "accuracy")
ERRORS, SHARES = ("mae", "rmse"), ("r2", "pearson")
MOST_CURVES = 5


def curves_of(task: Task, select: str) -> tuple[str, ...]:
    """The figures of a task that are drawn over epochs; the one that the weights were chosen by is among them."""
    if task.kind == NUMBER:
        return (*ERRORS, *SHARES)
    if task.metric is not None:
        return OF_METRIC
    return tuple(dict.fromkeys([*([select] if select in task.figures else []), *OF_CLASSES]))[:MOST_CURVES]


def best_epoch(history: History, select: str = METRIC) -> int | None:
    """Place of the first epoch with the best figure, by which the weights are chosen; None where none has it."""
    sign = -1.0 if select in LESS_IS_BETTER else 1.0
    values = [sign * float(row.get(select, math.nan)) for row in history]
    known = [value for value in values if not math.isnan(value)]
    return values.index(max(known)) if known else None


def show_learning(history: History, task: Task, select: str) -> Markup:
    """Loss, figures and learning rate of one run, and its whole history as a table.

    Parameters
    ----------
    select : the figure by which the weights were chosen
    """
    best = best_epoch(history, select)
    charts = [_losses(history, best)]
    curves = curves_of(task, select)
    groups = [ERRORS, SHARES] if task.kind == NUMBER else [curves]
    titles = ["Errors", "R² and correlation"] if task.kind == NUMBER else ["Figures"]
    for title, names in zip(titles, groups, strict=True):
        there = {name: FIGURES[name] for name in names if _column(history, name) is not None}
        if there:
            charts.append(_figures(title, history, there, best, select, _unit(task) if names is ERRORS else ""))
    if _column(history, "lr") is not None:
        charts.append(_rate(history))
    columns = list(history[0])
    rows = [[place + 1, *(row[name] for name in columns if name != "epoch")] for place, row in enumerate(history)]
    table = make_table("History", ["epoch", *(name for name in columns if name != "epoch")], rows)
    return join(in_columns(*charts), element("details", element("summary", "Data: every epoch"), table))


def _unit(task: Task) -> str:
    return task.number.unit if task.number is not None else ""


def show_several(histories: Mapping[str, History], select: str) -> Markup:
    """The figure that weights were chosen by, and losses, of several runs, a line for each."""
    every = [row for history in histories.values() for row in history]
    epochs = _epochs(max(len(history) for history in histories.values()))
    charts = []
    shown = {select: _capital(FIGURES[select]), LOSS: "Validation loss", "train_loss": "Training loss"}
    for name, title in shown.items():
        if all(_column(history, name) is None for history in histories.values()):
            continue
        series = [_series(part, history, name) for part, history in histories.items()]
        axis = axis_over(title.lower(), [float(row.get(name, math.nan)) for row in every])
        charts.append(line_chart(title, epochs, axis, series, description=_describe_several(title, histories, name)))
    header = ["part", "epochs", "best epoch", f"{FIGURES[select]} there", "train_loss", "valid_loss"]
    rows = [[part, len(history), *_best_row(history, select)] for part, history in histories.items()]
    return join(in_columns(*charts), make_table("The runs, on their validation records", header, rows))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _best_row(history: History, select: str) -> list[float | int | None]:
    best = best_epoch(history, select)
    row = history[-1 if best is None else best]
    figures = (row.get(name) for name in (select, "train_loss", LOSS))
    return [None if best is None else best + 1, *figures]


def _losses(history: History, best: int | None) -> Markup:
    names = {"train_loss": "training", "valid_loss": "validation"}
    series = [_series(title, history, name) for name, title in names.items() if _column(history, name) is not None]
    axis = axis_over("loss", np.concatenate([one.y for one in series]), with_zero=True)
    said = "; ".join(f"{one.name} from {one.y[0]:.4g} to {one.y[-1]:.4g}" for one in series)
    return line_chart("Loss", _epochs(len(history)), axis, [*_guide(best, axis), *series], description=f"Loss: {said}.")


def _figures(
    title: str, history: History, there: Mapping[str, str], best: int | None, select: str, unit: str
) -> Markup:
    """Curves of some columns: name → title; `unit` of all of them."""
    series = [_series(title, history, name) for name, title in there.items()]
    values = np.concatenate([np.asarray(one.y, np.float64) for one in series])
    with_one = [1.0] if np.nanmax(values) > 0.7 and not unit and "mae" not in there else []
    label = unit or "on validation records"
    axis = axis_over(label, np.append(values, [0.0, *with_one]))
    marks = []
    if best is not None and select in there:
        value = float(history[best][select])
        marks = [Series(name="", x=(best + 1,), y=(value,), kind="marks", colour=list(there).index(select))]
    said = "; ".join(f"{one.name} ends at {one.y[-1]:.3f}" for one in series)
    if marks:
        said += f"; best {there[select]} {marks[0].y[0]:.3f} in epoch {best + 1 if best is not None else 0}"
    chart = [*_guide(best, axis), *series, *marks]
    return line_chart(title, _epochs(len(history)), axis, chart, description=f"After each epoch: {said}.")


def _rate(history: History) -> Markup:
    series = _series("", history, "lr")
    axis = axis_over("learning rate", series.y, with_zero=True)
    said = f"Learning rate, at most {max(series.y):.3g}."
    return line_chart("Learning rate", _epochs(len(history)), axis, [series], description=said)


def _guide(best: int | None, axis: Axis) -> list[Series]:
    """An upright line where the best epoch is."""
    return [] if best is None else [Series(name="", x=(best + 1,) * 2, y=(axis.low, axis.high), kind="guide")]


def _epochs(n: int) -> Axis:
    step = max(1, math.ceil(n / 6))
    ticks = tuple(float(epoch) for epoch in (1, *range(step, n + 1, step)) if epoch == 1 or epoch > 1)
    return Axis(label="epoch", low=1.0, high=float(max(n, 2)), ticks=tuple(dict.fromkeys(ticks)))


def _column(history: History, name: str) -> list[float] | None:
    """A column's values; None if it is not there, or has nothing but NaN."""
    values = [float(row.get(name, math.nan)) for row in history]
    return None if all(map(math.isnan, values)) else values


def _series(title: str, history: History, name: str) -> Series:
    values = np.array(_column(history, name) or [math.nan] * len(history))
    return Series(name=title, x=np.arange(1, len(values) + 1), y=values, kind="line" if len(values) > 1 else "marks")


def _describe_several(title: str, histories: Mapping[str, History], name: str) -> str:
    ends = [f"{part} ends at {float(history[-1].get(name, math.nan)):.3f}" for part, history in histories.items()]
    return f"{title} by epoch: {'; '.join(ends)}."
