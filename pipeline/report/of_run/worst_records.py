"""The records that were decided most wrongly, to be looked at: as a table, and a few as ECG paper."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecg12.cache.reader import Store
from ecg12.ecg.errors import ChecksumError
from ecg12.ecg.labels.snomed import name_of
from ecg12.ecg.scores.fit_thresholds import DEFAULT_THRESHOLD
from ecg12.ecg.tasks.named import CHALLENGE_2020
from ecg12.ecg.tasks.task import ONE
from ecg12.pipeline.pictures.plot import read_stored
from ecg12.pipeline.report.drawing.ecg_paper import show_recording
from ecg12.pipeline.report.drawing.markup import Markup, element, join
from ecg12.pipeline.report.drawing.tables import make_table
from ecg12.pipeline.report.of_run.confusion_section import names_of
from ecg12.pipeline.report.of_run.run_answers import RunAnswers
from ecg12.pipeline.runtime.progress import Progress

MOST_ROWS = 15


@dataclass(frozen=True, kw_only=True, slots=True)
class WrongAnswer:
    """A record and a class that were decided wrongly.

    Attributes
    ----------
    place : of the record among the answers
    number : of the class
    is_positive : whether the class was decided (a false positive)
    margin : by which the score is on the wrong side, as a share of the way from the threshold to the end of the scale
    """

    place: int
    number: int
    is_positive: bool
    margin: float


def find_worst(answers: RunAnswers, n: int, *, positive: bool) -> list[WrongAnswer]:
    """False positives, or false negatives, with the largest margin first; a record comes once.

    Where no thresholds decide, the middle stands for them.
    """
    thresholds = np.array(answers.thresholds or (DEFAULT_THRESHOLD,) * answers.truth.shape[1])
    decided, truth = answers.binary.astype(bool), answers.truth.astype(bool)
    wrong = decided & ~truth if positive else ~decided & truth
    if answers.known is not None:
        wrong &= answers.known
    margin = _margin(answers.scores, thresholds, positive=positive)
    found: dict[int, WrongAnswer] = {}
    order = np.argsort(np.where(wrong, -margin, np.inf), axis=None, kind="stable")[: int(wrong.sum())]
    for flat in order.tolist():
        place, number = divmod(flat, wrong.shape[1])
        if place not in found:
            found[place] = WrongAnswer(
                place=place, number=number, is_positive=positive, margin=float(margin[place, number])
            )
        if len(found) == n:
            break
    return list(found.values())


def _margin(scores: NDArray[np.float64], thresholds: NDArray[np.float64], *, positive: bool) -> NDArray[np.float64]:
    room = np.maximum(1 - thresholds, 1e-9) if positive else np.maximum(thresholds, 1e-9)
    return (scores - thresholds) / room if positive else (thresholds - scores) / room


def show_worst(answers: RunAnswers, store: Store, n_examples: int, progress: Progress) -> Markup:
    """Tables of the worst false positives and negatives, and the first `n_examples` of each drawn."""
    most = max(MOST_ROWS, n_examples)
    kinds = {
        "False positives": find_worst(answers, most, positive=True),
        "False negatives": find_worst(answers, most, positive=False),
    }
    if answers.task.kind == ONE:  # what is missed of one class is answered as another
        kinds = {"Wrong answers": kinds["False positives"]}
    parts = []
    with progress("draw", sum(len(worst[:n_examples]) for worst in kinds.values()), "ECGs") as task:
        for title, worst in kinds.items():
            parts.append(element("h3", title))
            parts.append(_table(title, worst, answers, store) if worst else element("p", "None."))
            for one in worst[:n_examples]:
                parts.append(_draw(one, answers, store))
                task.advance()
    return join(*parts)


def _table(title: str, worst: list[WrongAnswer], answers: RunAnswers, store: Store) -> Markup:
    rows = []
    for one in worst:
        row = int(answers.rows[one.place])
        rows.append(
            [
                str(store.ids[row]),
                str(store.datasets[row]),
                names_of(answers.task)[one.number],
                float(answers.scores[one.place, one.number]),
                answers.thresholds[one.number] if answers.thresholds else None,
                _classes(answers, answers.truth[one.place]),
                _classes(answers, answers.binary[one.place]),
            ]
        )
    header = ["record", "dataset", "class", "score", "threshold", "labels", "decided"]
    return make_table(f"{title}, furthest from the threshold first; each record once", header, rows)


def _draw(one: WrongAnswer, answers: RunAnswers, store: Store) -> Markup:
    row = int(answers.rows[one.place])
    try:
        recording = read_stored(store, row)
    except ChecksumError as error:  # one damaged chunk costs the pictures of its records, and no more
        return element("p", f"{store.ids[row]} ({store.datasets[row]}): cannot be drawn ({error})")
    name = _names(answers)[one.number]
    said = "decided, but not labelled" if one.is_positive else "labelled, but not decided"
    threshold = f", threshold {answers.thresholds[one.number]:.3f}" if answers.thresholds else ""
    facts = [
        ("Wrong", f"{name} {said}: score {answers.scores[one.place, one.number]:.3f}{threshold}"),
        ("Labels", "; ".join(map(name_of, recording.dx_codes)) or "none"),
        *_truth_of(answers, one.place),
        ("Decided", _scores(answers, one.place)),
    ]
    return show_recording(recording, f"{store.ids[row]} ({store.datasets[row]}): {name} {said}", facts)


def _scores(answers: RunAnswers, place: int) -> str:
    """Decided classes with their scores, highest first."""
    decided = np.flatnonzero(answers.binary[place])
    order = decided[np.argsort(-answers.scores[place, decided], kind="stable")]
    names = _names(answers)
    return "; ".join(f"{names[number]} {answers.scores[place, number]:.3f}" for number in order) or "no class"


def _names(answers: RunAnswers) -> tuple[str, ...]:
    return tuple(map(answers.task.name_of, answers.task.codes))


def _truth_of(answers: RunAnswers, place: int) -> list[tuple[str, str]]:
    """The task's classes of a record, where these are not the labels themselves."""
    if answers.task.name == CHALLENGE_2020:
        return []
    names = _names(answers)
    return [("Classes", "; ".join(names[number] for number in np.flatnonzero(answers.truth[place])) or "none")]


def _classes(answers: RunAnswers, row: NDArray[np.integer]) -> str:
    return " ".join(names_of(answers.task)[number] for number in np.flatnonzero(row)) or "–"
