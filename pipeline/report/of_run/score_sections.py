"""What answers are worth: official figures with intervals, by dataset and part, by class, calibration, confusion."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ecg12.ecg.labels.snomed import SCORED_CLASSES, WEIGHTS, abbreviation_of, name_of
from ecg12.ecg.scores.calibration import Reliability, compute_reliability
from ecg12.ecg.scores.challenge_metric import compute_challenge_confusion
from ecg12.ecg.scores.lost_score_by_class import compute_lost_score
from ecg12.pipeline.evaluation.result import OFFICIAL_COLUMNS, EvaluateSummary, PartScores
from ecg12.pipeline.report.drawing.charts import Bars, Series, bar_chart, heat_map, in_columns, line_chart
from ecg12.pipeline.report.drawing.markup import EMPTY, Markup, each, element, join
from ecg12.pipeline.report.drawing.page import Tile
from ecg12.pipeline.report.drawing.scales import Axis, share_axis
from ecg12.pipeline.report.drawing.tables import make_table
from ecg12.pipeline.report.of_run.class_cards import operating_point
from ecg12.pipeline.report.of_run.run_answers import RunAnswers

NAMES = tuple(map(abbreviation_of, SCORED_CLASSES))
MOST_CONFUSIONS = 12
SMALL_SHARE = Axis(label="score", low=0.0, high=1.0, ticks=(0.0, 0.5, 1.0))


def make_tiles(summary: EvaluateSummary) -> tuple[Tile, ...]:
    """The most important figures with their intervals."""
    tiles = []
    for title in ("Challenge metric", "AUROC", "AUPRC", "F-measure"):
        name = OFFICIAL_COLUMNS[title]
        remark = ""
        if summary.intervals is not None:
            low, high = summary.intervals.macro[name]
            remark = f"{summary.intervals.level:.0%} interval {_figure(low)} to {_figure(high)}"
        shown = title if title == "Challenge metric" else f"{title}, macro"
        tiles.append(Tile(name=shown, value=_figure(getattr(summary.scores, name)), remark=remark))
    remark = f"ECE, mean of classes, {summary.n_bins} bins"
    return (*tiles, Tile(name="Calibration error", value=_figure(summary.calibration), remark=remark))


def show_scores(summary: EvaluateSummary) -> Markup:
    """All official figures, then those of each dataset and part."""
    intervals = summary.intervals
    header = ["figure", "value", *(["from", "to"] if intervals else [])]
    rows = [
        [title, getattr(summary.scores, name), *(intervals.macro[name] if intervals else ())]
        for title, name in OFFICIAL_COLUMNS.items()
    ]
    caption = "Official figures; macro means over the classes where a figure is defined"
    if intervals:
        caption += f"; {intervals.level:.0%} intervals from {intervals.n_replicates:,} weightings of "
        caption += f"{intervals.n_units:,} patients"
    found = [make_table(caption, header, rows)]
    if len(summary.datasets) > 1:
        found += [element("h3", "By dataset"), _parts("dataset", summary.datasets)]
    if summary.held_out:
        found += [element("h3", "By part"), _parts("part", summary.held_out)]
    return join(*found)


def _parts(title: str, parts: Sequence[PartScores]) -> Markup:
    header = [title, "records", "unlabelled", *OFFICIAL_COLUMNS]
    rows = [
        [part.name, part.n_records, part.n_unlabelled]
        + [getattr(part.scores, name) for name in OFFICIAL_COLUMNS.values()]
        for part in parts
    ]
    mean = EvaluateSummary.mean_of_parts(parts)
    total = [sum(part.n_records for part in parts), sum(part.n_unlabelled for part in parts)]
    caption = f"By {title}; below the line sums, and the plain mean of each figure"
    names = [part.name for part in parts]
    charts = [
        bar_chart(
            f"{shown} by {title}",
            names,
            [Bars(name="", values=[getattr(part.scores, figure) for part in parts])],
            axis=Axis(label=shown, low=min(0.0, *(getattr(part.scores, figure) for part in parts)), high=1.0),
            description="; ".join(f"{part.name} {getattr(part.scores, figure):.3f}" for part in parts) + ".",
            data=EMPTY,
        )
        for shown, figure in (("Challenge metric", "challenge_metric"), ("AUROC", "auroc"))
    ]
    return join(make_table(caption, header, rows, foot=[["sum; mean", *total, *mean.values()]]), in_columns(*charts))


def show_classes(answers: RunAnswers, summary: EvaluateSummary) -> Markup:
    """A row for each class: how many there are, how well they are told, and by which threshold."""
    scores, intervals, rows = summary.scores, summary.intervals, list[list[object]]()
    for number, code in enumerate(SCORED_CLASSES):
        point = operating_point(answers.truth[:, number], answers.binary[:, number])
        ends = intervals.classes["auroc"][number] if intervals else (math.nan, math.nan)
        rows.append(
            [
                element("abbr", NAMES[number], title=name_of(code)),
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
                name_of(code),
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
    return make_table(f"The scored classes, among {len(answers.rows):,} {answers.population}", header, rows)


def show_class_charts(answers: RunAnswers, summary: EvaluateSummary) -> Markup:
    """Areas of each class that has a positive, with their intervals, and its threshold, where thresholds decide."""
    there = [number for number in range(len(NAMES)) if summary.scores.n_positive[number]]
    names = [NAMES[number] for number in there]
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
    reliability = compute_reliability(answers.truth, answers.scores)
    shown = [
        number for number in range(len(NAMES)) if answers.truth[:, number].any() and reliability.n_records[number].any()
    ]
    if not shown:
        return element("p", "The scores leave the range from 0 to 1, so they are no probabilities to be calibrated.")
    small = (_reliability_of(reliability, number, summary.calibration_classes[number]) for number in shown)
    pooled = _pooled(answers, shown)
    return join(
        in_columns(pooled), element("h3", "Class by class"), element("div", each(small), class_="columns small")
    )


def _pooled(answers: RunAnswers, shown: Sequence[int]) -> Markup:
    """Every pair of a record and a class as one question."""
    truth = answers.truth[:, shown].reshape(-1, 1)
    one = compute_reliability(truth, answers.scores[:, shown].reshape(-1, 1))
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


def _reliability_of(reliability: Reliability, number: int, error: float) -> Markup:
    return line_chart(
        f"{NAMES[number]}, ECE {_figure(error)}",
        SMALL_SHARE,
        Axis(label="positives", low=0.0, high=1.0, ticks=(0.0, 0.5, 1.0)),
        _reliability_series(reliability, number),
        description=f"Reliability of {name_of(SCORED_CLASSES[number])}: share of positives by mean score, "
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


def show_confusion(answers: RunAnswers) -> Markup:
    """The challenge metric's confusion matrix, what the metric loses by class, and its dearest confusions."""
    matrix = compute_challenge_confusion(answers.truth, answers.binary)
    labelled = answers.truth.sum(axis=0)
    there = np.flatnonzero((labelled > 0) | (matrix.sum(axis=0) > 0))
    names = [NAMES[number] for number in there]
    part = matrix[np.ix_(there, there)]
    cells = [[name, *map(float, row)] for name, row in zip(names, part, strict=True)]
    shown = np.divide(part, labelled[there, None], out=np.zeros_like(part), where=labelled[there, None] > 0)
    picture = heat_map(
        "Challenge confusion, shares of each label's records",
        names,
        names,
        shown,
        description="Each row is a label, each column what was answered; the diagonal is right. "
        + " ".join(f"{name}: {share:.2f} right." for name, share in zip(names, np.diag(shown), strict=True)),
        row_label="label",
        column_label="answer",
        shades=shown,
        data=make_table("The matrix itself: rows labels, columns answers", ["", *names], cells),
    )
    return join(element("div", picture, _lost(answers, labelled), class_="beside"), _dearest(matrix, labelled))


def _lost(answers: RunAnswers, labelled: NDArray[np.integer]) -> Markup:
    lost = compute_lost_score(answers.truth, answers.binary)
    there = [number for number in np.argsort(-lost) if labelled[number] > 0 and lost[number] == lost[number]]
    if not there:
        return EMPTY
    return bar_chart(
        "What the challenge metric loses to each label",
        [NAMES[number] for number in there],
        [Bars(name="", values=[float(lost[number]) for number in there])],
        label="points of the metric",
        description=f"The metric misses 1 by {lost.sum():.3f}, most of it on "
        + ", ".join(f"{NAMES[number]} ({lost[number]:.3f})" for number in there[:3])
        + ".",
    )


def _dearest(matrix: NDArray[np.float64], labelled: NDArray[np.integer]) -> Markup:
    """Pairs of a label and another answer by what the metric does not pay for them."""
    cost = matrix * (1 - WEIGHTS)
    np.fill_diagonal(cost, 0.0)
    order = np.argsort(-cost, axis=None)[:MOST_CONFUSIONS]
    pairs = [(int(place) // len(cost), int(place) % len(cost)) for place in order]
    rows = [
        [NAMES[label], NAMES[answer], float(matrix[label, answer]), float(WEIGHTS[label, answer]), int(labelled[label])]
        for label, answer in pairs
        if cost[label, answer] > 0
    ]
    return make_table(
        "The dearest confusions: credit is what the metric pays for that answer",
        ["label", "answer", "weight of records", "credit", "records with the label"],
        rows,
    )


def _figure(value: float) -> str:
    return "–" if value != value else f"{value:.3f}"
