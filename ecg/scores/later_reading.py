"""How the official evaluator of 2021 takes the values of a prediction file, where that is not how the one of 2020 does.

A label is positive also as a number that is 1, such as 1.0; a score that is no finite number counts as 0, in the mean
of equivalent classes, too; and codes joined by | are one column of all their classes. Every task but that of 2020 is
read so: it is the later rule, and the one that knows classes of several codes. Where the evaluator of 2021 would stop,
at a missing line, that of 2020 goes on, and what it makes of it counts here.

Source: evaluate_model.py (`load_classifier_outputs`) and helper_code.py (`load_outputs`) of the PhysioNet/CinC
Challenge 2021.
"""

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache

from ecg12.ecg.labels.class_columns import ClassColumns
from ecg12.ecg.scores.challenge_csv import Prediction
from ecg12.ecg.tasks.named import CHALLENGE_2020
from ecg12.ecg.tasks.task import Task

JOINED = "|"


def reads_later(task: Task) -> bool:
    """Whether a task's files are read as in 2021."""
    return task.name != CHALLENGE_2020


def take_later(rows: Sequence[tuple[int, list[str]]], prediction: Prediction, by_class: ClassColumns) -> Prediction:
    """The prediction as the evaluator of 2021 takes it.

    Parameters
    ----------
    rows : of the file, as `ecg.scores.challenge_csv.split_rows` gives them
    prediction : as `ecg.scores.challenge_csv.to_prediction` reads it
    by_class : the classes and what stands for them
    """
    if not prediction.codes:
        return prediction
    texts = [fields for _, fields in rows if not fields[0].startswith("#")][1]
    labels = [int(label == 1 or is_one(text)) for label, text in zip(prediction.labels, texts, strict=True)]
    scores = [score if math.isfinite(score) else 0.0 for score in prediction.scores]
    places = _places(prediction.codes, by_class)
    return Prediction(
        record_name=prediction.record_name,
        codes=tuple(code for code, _ in places),
        labels=tuple(labels[place] for _, place in places),
        scores=tuple(scores[place] for _, place in places),
    )


@lru_cache(maxsize=64)
def _places(codes: tuple[str, ...], by_class: ClassColumns) -> tuple[tuple[str, int], ...]:
    """Each code with its column; a column of several codes once for each of their classes."""
    return tuple((code, place) for place, joined in enumerate(codes) for code in _split(joined, by_class))


def _split(joined: str, by_class: ClassColumns) -> Iterator[str]:
    if JOINED not in joined or by_class.class_of(joined) in by_class.classes:
        yield joined
        return
    seen = dict.fromkeys(by_class.class_of(part) for part in joined.split(JOINED))
    known = [code for code in seen if code in by_class.classes]
    yield from known or (joined,)


def is_one(text: str) -> bool:
    """Whether a label is positive as a number."""
    try:
        return float(text) == 1
    except ValueError:
        return False
