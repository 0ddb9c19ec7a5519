"""The records of a run: how many of each class, dataset and patient are on which side, and what is wrong with them."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecg12.cache.reader import Store
from ecg12.ecg.signals.quality import LeadFlag
from ecg12.ecg.tasks.named import CHALLENGE_2020
from ecg12.ecg.tasks.task import Task
from ecg12.pipeline.report.drawing.charts import Bars, bar_chart, in_columns
from ecg12.pipeline.report.drawing.markup import Markup, element, join
from ecg12.pipeline.report.drawing.tables import make_table
from ecg12.pipeline.report.of_run.confusion_section import names_of
from ecg12.pipeline.report.of_run.number_sections import show_numbers
from ecg12.pipeline.report.of_run.run_answers import RunAnswers
from ecg12.pipeline.runs.prediction_folders import CROSS_VALIDATION, TEST_IDS
from ecg12.pipeline.runs.run_folder import TRAIN_IDS, VALID_IDS
from ecg12.pipeline.tasks.stored_labels import labels_of
from ecg12.pipeline.training.train_rows import rows_of

SIDES = {TRAIN_IDS: "training", VALID_IDS: "validation", TEST_IDS: "held out"}
LEAST_COMPARED = 5
"""Records with a flag that make a comparison of errors worth stating."""


def find_sides(folder: Path, store: Store) -> dict[str, NDArray[np.int64]]:
    """Rows of the records on each side that the run's id files name; of a cross-validation none.

    Raises
    ------
    StoreError
        If the store lacks one of them.
    """
    if (folder / CROSS_VALIDATION).is_file():
        return {}
    return {side: rows_of(store, folder / name) for name, side in SIDES.items() if (folder / name).is_file()}


def show_data(store: Store, task: Task, sides: Mapping[str, NDArray[np.int64]], answers: RunAnswers | None) -> Markup:
    """Counts by side: of the task's classes, or its numbers; of datasets, of patients."""
    if answers is not None and not sides:
        sides = {name: answers.rows[places] for name, places in answers.parts.items()}
    found = labels_of(store, task)
    own = _classes(found.matrix, task, sides) if found.number is None else show_numbers(found.number, task, sides)
    return join(own, element("h3", "By dataset"), _datasets(store, sides))


def _classes(matrix: NDArray[np.uint8], task: Task, sides: Mapping[str, NDArray[np.int64]]) -> Markup:
    counts = {side: matrix[rows].sum(axis=0, dtype=np.int64) for side, rows in sides.items()}
    total = np.sum(list(counts.values()), axis=0)
    order = [int(number) for number in np.argsort(-total, kind="stable")]
    names = [names_of(task)[number] for number in order]
    rows = [
        [task.abbreviation_of(code), *(int(counts[side][number]) for side in sides), code, task.name_of(code)]
        for number, code in ((number, task.codes[number]) for number in order)
    ]
    what = "scored class" if task.name == CHALLENGE_2020 else "class"
    table = make_table(f"Records with each {what}", ["class", *sides, "code", "name"], rows)
    bars = [Bars(name=side, values=[int(counts[side][number]) for number in order]) for side in sides]
    missing = [names_of(task)[number] for number in order if total[number] == 0]
    said = f"Most common: {', '.join(names[:3])}." + (f" Without a record: {', '.join(missing)}." if missing else "")
    if len(bars) > 3:  # parts of a cross-validation: together
        bars = [Bars(name="", values=[int(total[number]) for number in order])]
    return in_columns(bar_chart("Records with each class", names, bars, label="records", description=said, data=table))


def _datasets(store: Store, sides: Mapping[str, NDArray[np.int64]]) -> Markup:
    datasets, groups = store.datasets.astype(str), store.column("record/group")
    everyone = np.concatenate(list(sides.values()))
    rows: list[list[object]] = [
        [name, *(int((datasets[rows] == name).sum()) for rows in sides.values())]
        for name in np.unique(datasets[everyone])
    ]
    hours = [float(store.lengths[rows].sum() / store.fs / 3600) for rows in sides.values()]
    foot: list[list[object]] = [
        ["all", *(len(rows) for rows in sides.values())],
        ["patients", *(len(set(groups[rows])) for rows in sides.values())],
        ["hours", *hours],
    ]
    caption = "Records of each dataset; a record whose patient nobody knows counts as a patient of its own"
    return make_table(caption, ["dataset", *sides], rows, foot=foot)


def show_quality(store: Store, answers: RunAnswers) -> Markup:
    """Flags of the judged records, and whether records that have them are decided worse."""
    flags = store.column("record/lead_flags")[answers.rows]
    right, figure, meaning = _worth(answers)
    rows: list[list[object]] = []
    for flag in LeadFlag:
        leads = (flags & flag.value) != 0
        own = leads.any(axis=1)
        if own.any():
            examples = ", ".join(map(str, store.ids[answers.rows[own][:3]]))
            rows.append([_name(flag), int(own.sum()), int(leads.sum()), _mean(right, own), examples])
    clean = (flags == 0).all(axis=1)
    foot: list[list[object]] = [
        ["no flag", int(clean.sum()), None, _mean(right, clean), None],
        ["all", len(right), None, _mean(right, np.ones(len(right), bool)), None],
    ]
    n_invalid = int(store.column("record/n_invalid")[answers.rows].sum())
    n_clipped = int(store.column("record/n_clipped")[answers.rows].sum())
    samples = f"{n_invalid:,} of their samples were interpolated, {n_clipped:,} clipped."
    header = ["flag", "records", "leads", figure, "such as"]
    caption = f"Flags of the {answers.population}; {figure} is {meaning}, from {LEAST_COMPARED}"
    return join(make_table(f"{caption} records on", header, rows, foot=foot), element("p", samples))


def _worth(answers: RunAnswers) -> tuple[NDArray[np.number | np.bool_], str, str]:
    """What each record is answered worth; and of the mean over records its name and meaning."""
    if answers.number is not None:
        return np.abs(answers.scores[:, 0] - answers.number), "mean error", "that of the number's size, without sign"
    right = answers.truth == answers.binary
    if answers.known is not None:
        right |= ~answers.known
    return right.all(axis=1), "accuracy", "the share with every class right"


def _mean(right: NDArray[np.number | np.bool_], own: NDArray[np.bool_]) -> float | None:
    return float(right[own].mean()) if own.sum() >= LEAST_COMPARED else None


def _name(flag: LeadFlag) -> str:
    return (flag.name or "").lower().replace("_", " ")
