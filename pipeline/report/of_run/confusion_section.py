"""Which labels are answered by which: the challenge metric's own matrix, or, of one-of-many, plain counts."""

import numpy as np
from numpy.typing import NDArray

from ecg12.ecg.scores.challenge_metric import compute_challenge_confusion
from ecg12.ecg.scores.lost_score_by_class import compute_lost_score
from ecg12.ecg.tasks.task import ONE, Task
from ecg12.pipeline.report.drawing.charts import Bars, bar_chart, heat_map
from ecg12.pipeline.report.drawing.markup import EMPTY, Markup, element, join
from ecg12.pipeline.report.drawing.tables import make_table
from ecg12.pipeline.report.of_run.run_answers import RunAnswers

MOST_CONFUSIONS = 12
FEW = 8
"""Classes whose cells have room for larger numbers."""


def describe_confusion(task: Task) -> str:
    """How to read the section."""
    if task.kind == ONE:
        return "Records by what they are and what was answered; where no class was answered, they are in no column."
    whose = "The challenge metric's own matrix: a" if task.metric is not None else "A"
    return (
        f"{whose} record with several labels or answers is shared among its pairs. So a row adds up to less than 1 "
        "where labels were missed."
    )


def show_confusion(answers: RunAnswers) -> Markup:
    """A confusion matrix; of a task with a metric what that loses by class, and its dearest confusions, too.

    Records of which a label is not known are left out.
    """
    whole, names_of_all = answers.whole, names_of(answers.task)
    truth, binary = answers.truth[whole], answers.binary[whole]
    labelled = truth.sum(axis=0)
    if not labelled.any():
        return element("p", "No record of which every label is known has one of the classes.")
    if answers.task.kind == ONE:
        return _counts(truth, binary, names_of_all)
    matrix = compute_challenge_confusion(truth, binary)
    there = np.flatnonzero((labelled > 0) | (matrix.sum(axis=0) > 0))
    names = [names_of_all[number] for number in there]
    part = matrix[np.ix_(there, there)]
    cells = [[name, *map(float, row)] for name, row in zip(names, part, strict=True)]
    shown = np.divide(part, labelled[there, None], out=np.zeros_like(part), where=labelled[there, None] > 0)
    picture = heat_map(
        "Challenge confusion, shares of each label's records"
        if answers.task.metric is not None
        else "Confusion, shares of each label's records",
        names,
        names,
        shown,
        description="Each row is a label, each column what was answered; the diagonal is right. "
        + " ".join(f"{name}: {share:.2f} right." for name, share in zip(names, np.diag(shown), strict=True)),
        row_label="label",
        column_label="answer",
        shades=shown,
        side=24.0 if answers.task.metric is not None or len(there) > FEW else 36.0,
        data=make_table("The matrix itself: rows labels, columns answers", ["", *names], cells),
    )
    if answers.task.metric is None:
        return join(picture, _most_frequent(matrix, labelled, names_of_all))
    lost = _lost(truth, binary, answers.task, names_of_all)
    return join(element("div", picture, lost, class_="beside"), _dearest(matrix, labelled, answers.task, names_of_all))


def names_of(task: Task) -> tuple[str, ...]:
    """What its classes are called in short."""
    return tuple(map(task.abbreviation_of, task.codes))


def _counts(truth: NDArray[np.integer], binary: NDArray[np.integer], names: tuple[str, ...]) -> Markup:
    """Plain counts, shaded by the shares of each row."""
    matrix = truth.astype(np.int64).T @ binary.astype(np.int64)
    labelled = truth.sum(axis=0)
    shares = matrix / np.maximum(labelled, 1)[:, None]
    rows = [
        [name, int(n), *map(int, line), float(share) if n else None]
        for name, n, line, share in zip(names, labelled, matrix, np.diag(shares), strict=True)
    ]
    right = int(np.trace(matrix))
    foot = [["all", len(truth), *map(int, matrix.sum(axis=0)), right / len(truth)]]
    table = make_table(
        "Records by what they are (rows) and what was answered (columns)",
        ["", "records", *names, "right"],
        rows,
        foot=foot,
    )
    picture = heat_map(
        "Confusion, shares of each class's records",
        names,
        names,
        shares,
        description=f"{right:,} of {len(truth):,} records are answered right. "
        + " ".join(f"{name}: {share:.2f} right." for name, share in zip(names, np.diag(shares), strict=True)),
        row_label="class",
        column_label="answer",
        shades=shares,
        side=36,
        data=EMPTY,
    )
    return element("div", picture, table, class_="columns two")


def _most_frequent(matrix: NDArray[np.float64], labelled: NDArray[np.integer], names: tuple[str, ...]) -> Markup:
    """Pairs of a label and another answer by how many records they have."""
    others = matrix.copy()
    np.fill_diagonal(others, 0.0)
    rows = [
        [names[label], names[answer], float(others[label, answer]), int(labelled[label])]
        for label, answer in _largest(others)
    ]
    header = ["label", "answer", "weight of records", "records with the label"]
    return make_table("The most frequent confusions", header, rows) if rows else element("p", "None is confused.")


def _largest(values: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Places of the largest values above 0."""
    order = np.argsort(-values, axis=None)[:MOST_CONFUSIONS]
    pairs = [(int(place) // len(values), int(place) % len(values)) for place in order]
    return [pair for pair in pairs if values[pair] > 0]


def _lost(truth: NDArray[np.integer], binary: NDArray[np.integer], task: Task, names: tuple[str, ...]) -> Markup:
    assert task.metric is not None
    labelled = truth.sum(axis=0)
    lost = compute_lost_score(truth, binary, task.metric.weights, task.metric.normal_index)
    there = [number for number in np.argsort(-lost) if labelled[number] > 0 and lost[number] == lost[number]]
    if not there:
        return EMPTY
    return bar_chart(
        "What the challenge metric loses to each label",
        [names[number] for number in there],
        [Bars(name="", values=[float(lost[number]) for number in there])],
        label="points of the metric",
        description=f"The metric misses 1 by {lost.sum():.3f}, most of it on "
        + ", ".join(f"{names[number]} ({lost[number]:.3f})" for number in there[:3])
        + ".",
    )


def _dearest(matrix: NDArray[np.float64], labelled: NDArray[np.integer], task: Task, names: tuple[str, ...]) -> Markup:
    """Pairs of a label and another answer by what the metric does not pay for them."""
    assert task.metric is not None
    weights = task.metric.weights
    cost = matrix * (1 - weights)
    np.fill_diagonal(cost, 0.0)
    rows = [
        [names[label], names[answer], float(matrix[label, answer]), float(weights[label, answer]), int(labelled[label])]
        for label, answer in _largest(cost)
    ]
    return make_table(
        "The dearest confusions: credit is what the metric pays for that answer",
        ["label", "answer", "weight of records", "credit", "records with the label"],
        rows,
    )
