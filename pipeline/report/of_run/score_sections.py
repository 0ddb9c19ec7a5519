"""What answers are worth: official figures with intervals, by dataset and part, by class, calibration, confusion."""

import math
from collections.abc import Sequence

import numpy as np

from ecg12.ecg.scores.calibration import Reliability, compute_reliability
from ecg12.ecg.scores.scores import Scores
from ecg12.ecg.tasks.named import CHALLENGE_2020
from ecg12.ecg.tasks.task import NUMBER, ONE, Task
from ecg12.pipeline.evaluation.result import EvaluateSummary, PartScores
from ecg12.pipeline.report.drawing.charts import Bars, Series, bar_chart, in_columns, line_chart
from ecg12.pipeline.report.drawing.markup import EMPTY, Markup, each, element, join
from ecg12.pipeline.report.drawing.page import Tile
from ecg12.pipeline.report.drawing.scales import Axis, axis_over, share_axis
from ecg12.pipeline.report.drawing.tables import make_table
from ecg12.pipeline.report.of_run.class_cards import operating_point
from ecg12.pipeline.report.of_run.confusion_section import names_of
from ecg12.pipeline.report.of_run.run_answers import RunAnswers

MACRO = ("auroc", "auprc", "f_measure")
IMPORTANT = ("challenge_metric", "accuracy", "balanced_accuracy", *MACRO, "mae", "rmse", "r2", "pearson")
ERRORS = ("mae", "rmse")
MOST_TILES = 4
MOST_GROUPS = 20
"""Of a column's groups that are shown, the largest."""
SMALL_SHARE = Axis(label="score", low=0.0, high=1.0, ticks=(0.0, 0.5, 1.0))


def make_tiles(summary: EvaluateSummary) -> tuple[Tile, ...]:
    """The most important figures with their intervals."""
    tiles, task, titles = [], summary.task, {name: title for title, name in summary.columns.items()}
    for name in important_figures(summary):
        title, remark = titles[name], ""
        if summary.intervals is not None:
            low, high = summary.intervals.macro[name]
            remark = f"{summary.intervals.level:.0%} interval {_figure(low)} to {_figure(high)}"
        shown = f"{title}, macro" if name in MACRO else with_unit(title, name, task)
        tiles.append(Tile(name=shown, value=_figure(getattr(summary.scores, name)), remark=remark))
    if task.kind == NUMBER:
        return tuple(tiles)
    remark = f"ECE, mean of classes, {summary.n_bins} bins"
    return (*tiles, Tile(name="Calibration error", value=_figure(summary.calibration), remark=remark))


def important_figures(summary: EvaluateSummary) -> list[str]:
    """The figures that tell most of a task, those that it reports: at most so many as there are tiles."""
    shown = [name for name in IMPORTANT if name in summary.columns.values()]
    if summary.task.kind != ONE:
        shown = [name for name in shown if name != "accuracy"]
    return shown[:MOST_TILES] or list(summary.columns.values())[:MOST_TILES]


def with_unit(title: str, figure: str, task: Task) -> str:
    """A figure's title; that of a number's error with its unit."""
    unit = task.number.unit if task.number is not None and figure in ERRORS else ""
    return f"{title}, {unit}" if unit else title


def show_scores(summary: EvaluateSummary) -> Markup:
    """All figures of the task, then those of each dataset, part and subgroup."""
    intervals = summary.intervals
    header = ["figure", "value", *(["from", "to"] if intervals else [])]
    rows = [
        [with_unit(title, name, summary.task), getattr(summary.scores, name)]
        + ([*intervals.macro[name]] if intervals else [])
        for title, name in summary.columns.items()
    ]
    caption = "Official figures" if summary.task.name == CHALLENGE_2020 else f"Figures of task {summary.task.name}"
    if summary.task.kind != NUMBER:
        caption += "; macro means over the classes where a figure is defined"
    if intervals:
        caption += f"; {intervals.level:.0%} intervals from {intervals.n_replicates:,} weightings of "
        caption += f"{intervals.n_units:,} patients"
    found = [make_table(caption, header, rows)]
    if len(summary.datasets) > 1:
        found += [element("h3", "By dataset"), _parts("dataset", summary.datasets, summary)]
    if summary.held_out:
        found += [element("h3", "By part"), _parts("part", summary.held_out, summary)]
    for column, groups in summary.by.items():
        if len(groups) > 1:
            found += [element("h3", f"By {column}"), _parts(column, largest_groups(groups), summary)]
            if len(groups) > MOST_GROUPS:
                found.append(element("p", f"The {MOST_GROUPS} largest of {len(groups)} groups."))
    return join(*found)


def largest_groups(groups: Sequence[PartScores]) -> list[PartScores]:
    """At most `MOST_GROUPS`, those with most records, in their order."""
    order = sorted(range(len(groups)), key=lambda place: (-groups[place].n_records, place))
    return [groups[place] for place in sorted(order[:MOST_GROUPS])]


def _parts(title: str, parts: Sequence[PartScores], summary: EvaluateSummary) -> Markup:
    columns, task = summary.columns, summary.task
    header = [title, "records", "unlabelled", *(with_unit(*pair, task) for pair in columns.items())]
    rows = [
        [part.name, part.n_records, part.n_unlabelled] + [getattr(part.scores, name) for name in columns.values()]
        for part in parts
    ]
    mean = EvaluateSummary.mean_of_parts(parts)
    total = [sum(part.n_records for part in parts), sum(part.n_unlabelled for part in parts)]
    caption = f"By {title}; below the line sums, and the plain mean of each figure"
    names = [part.name for part in parts]
    titles = {figure: shown for shown, figure in columns.items()}
    charts = []
    for figure in important_figures(summary)[:2]:
        shown, values = titles[figure], [float(getattr(part.scores, figure)) for part in parts]
        charts.append(
            bar_chart(
                f"{shown} by {title}",
                names,
                [Bars(name="", values=values)],
                axis=_axis_of(with_unit(shown, figure, task), figure, values),
                description="; ".join(f"{name} {value:.3f}" for name, value in zip(names, values, strict=True)) + ".",
                data=EMPTY,
            )
        )
    means = [mean[name] for name in columns.values()]
    return join(make_table(caption, header, rows, foot=[["sum; mean", *total, *means]]), in_columns(*charts))


def _axis_of(label: str, figure: str, values: Sequence[float]) -> Axis:
    """From 0, or below where a figure is, to 1; an error has no such end."""
    if figure in ERRORS:
        return axis_over(label, values, with_zero=True)
    known = [value for value in values if value == value]
    return Axis(label=label, low=min(0.0, *known, 0.0), high=1.0)


def show_classes(answers: RunAnswers, summary: EvaluateSummary) -> Markup:
    """A row for each class: how many there are, how well they are told, and by which threshold."""
    scores, intervals, rows = summary.scores, summary.intervals, list[list[object]]()
    assert isinstance(scores, Scores)
    task, names = answers.task, names_of(answers.task)
    for number, code in enumerate(task.codes):
        truth, binary, _ = answers.of_class(number)
        point = operating_point(truth, binary)
        ends = intervals.classes["auroc"][number] if intervals else (math.nan, math.nan)
        rows.append(
            [
                element("abbr", names[number], title=task.name_of(code)),
                scores.n_positive[number],
                scores.auroc_classes[number],
                *ends,
                scores.auprc_classes[number],
                scores.f_measure_classes[number],
                answers.thresholds[number] if answers.thresholds else None,
                point.sensitivity,
                point.specificity,
                point.precision,
                point.false_positives,
                point.false_negatives,
                summary.calibration_classes[number],
                task.name_of(code),
            ]
        )
    header = [
        "class",
        "positives",
        "AUROC",
        "from",
        "to",
        "AUPRC",
        "F",
        "threshold",
        "sensitivity",
        "specificity",
        "precision",
    ]
    header += ["false positives", "false negatives", "ECE", "name"]
    what = "The scored classes" if task.name == CHALLENGE_2020 else f"The classes of task {task.name}"
    return make_table(f"{what}, among {len(answers.rows):,} {answers.population}", header, rows)


def show_class_charts(answers: RunAnswers, summary: EvaluateSummary) -> Markup:
    """Areas of each class that has a positive, with their intervals, and its threshold, where thresholds decide."""
    assert isinstance(summary.scores, Scores)
    all_names = names_of(answers.task)
    there = [number for number in range(len(all_names)) if summary.scores.n_positive[number]]
    names = [all_names[number] for number in there]
    charts = []
    for title, figure in (("AUROC", "auroc"), ("AUPRC", "auprc")):
        values = getattr(summary.scores, f"{figure}_classes")
        intervals = [summary.intervals.classes[figure][number] for number in there] if summary.intervals else None
        areas = [values[number] for number in there]
        bars = Bars(name="", values=areas, intervals=intervals)
        said = ", ".join(f"{name} {_figure(area)}" for name, area in zip(names, areas, strict=True))
        charts.append(
            bar_chart(f"{title} by class", names, [bars], axis=share_axis(title), description=f"{said}.", data=EMPTY)
        )
    if answers.thresholds is not None:
        chosen = [answers.thresholds[number] for number in there]
        bars = Bars(name="", values=chosen)
        said = ", ".join(f"{name} {value:.3f}" for name, value in zip(names, chosen, strict=True))
        title = "Decision thresholds"
        charts.append(
            bar_chart(title, names, [bars], axis=share_axis("score above"), description=f"{said}.", data=EMPTY)
        )
    return in_columns(*charts)


def show_calibration(answers: RunAnswers, summary: EvaluateSummary) -> Markup:
    """Reliability of all classes together, and of each that has a positive."""
    reliability = compute_reliability(answers.truth, answers.scores, answers.known)
    shown = [
        number
        for number in range(len(answers.task.classes))
        if answers.of_class(number)[0].any() and reliability.n_records[number].any()
    ]
    if not shown:
        return element("p", "The scores leave the range from 0 to 1, so they are no probabilities to be calibrated.")
    small = (
        _reliability_of(answers.task, reliability, number, summary.calibration_classes[number]) for number in shown
    )
    pooled = _pooled(answers, shown)
    return join(
        in_columns(pooled), element("h3", "Class by class"), element("div", each(small), class_="columns small")
    )


def _pooled(answers: RunAnswers, shown: Sequence[int]) -> Markup:
    """Every pair of a record and a class as one question."""
    known = None if answers.known is None else answers.known[:, shown].reshape(-1, 1)
    truth, scores = answers.truth[:, shown].reshape(-1, 1), answers.scores[:, shown].reshape(-1, 1)
    one = compute_reliability(truth, scores, known)
    there = one.n_records[0] > 0
    rows = [
        [f"{low:g} to {high:g}", int(n), float(score), float(positive)]
        for low, high, n, score, positive in zip(
            np.round(one.edges[:-1], 3),
            np.round(one.edges[1:], 3),
            one.n_records[0],
            one.mean_score[0],
            one.positive_share[0],
            strict=True,
        )
    ]
    table = make_table("Scores against what was true", ["score", "answers", "mean score", "share of positives"], rows)
    said = ", ".join(
        f"{score:.2f} → {positive:.2f}"
        for score, positive in zip(one.mean_score[0][there], one.positive_share[0][there], strict=True)
    )
    return line_chart(
        "All classes together",
        share_axis("mean score"),
        share_axis("share of positives"),
        _reliability_series(one, 0),
        description=f"Mean score and share of positives of each bin: {said}.",
        data=table,
    )


def _reliability_of(task: Task, reliability: Reliability, number: int, error: float) -> Markup:
    code = task.codes[number]
    return line_chart(
        f"{task.abbreviation_of(code)}, ECE {_figure(error)}",
        SMALL_SHARE,
        Axis(label="positives", low=0.0, high=1.0, ticks=(0.0, 0.5, 1.0)),
        _reliability_series(reliability, number),
        description=f"Reliability of {task.name_of(code)}: share of positives by mean score, "
        f"expected calibration error {_figure(error)}.",
        is_small=True,
    )


def _reliability_series(reliability: Reliability, number: int) -> list[Series]:
    """The line of perfect calibration, and a mark for each bin, larger where there are more records."""
    there = reliability.n_records[number] > 0
    counts = reliability.n_records[number][there]
    x, y = reliability.mean_score[number][there], reliability.positive_share[number][there]
    sizes = 2.2 + 4.0 * np.sqrt(counts / counts.sum()) if len(counts) else counts
    return [
        Series(name="", x=(0, 1), y=(0, 1), kind="guide"),
        Series(name="", x=x, y=y, kind="marks", colour=0, sizes=sizes),
    ]


def _figure(value: float) -> str:
    return "–" if value != value else f"{value:.3f}"
