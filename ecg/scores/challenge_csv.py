"""The Challenge's prediction file as text, both ways: `#record_name`, codes, 0/1 labels, scores.

Two readers in one function. By default a file is read as the official evaluator reads it, which never stops
at an entrant's slip and counts it as a negative; the same file therefore gets the same score here. With
`strict=True` the same slips are errors that name the line, for files that we wrote or want to check.

Source: the official evaluator of the PhysioNet/CinC Challenge 2020 (last version, August 2020) and the
organisers' driver, which writes the form.
"""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from ecg12.ecg.errors import PredictionError
from ecg12.ecg.labels.class_columns import ClassColumns
from ecg12.ecg.labels.snomed import CHALLENGE_COLUMNS, name_of, representative
from ecg12.ecg.scores.challenge_metric import merge_equivalents

_POSITIVE = ("1", "True", "true", "T", "t")
_NEGATIVE = ("0", "False", "false", "F", "f")


@dataclass(frozen=True, slots=True)
class Prediction:
    """What one record got: per code a label (0 or 1) and a score.

    A score lies in 0-1 for our own models and may exceed 1 for a reference folder. It is NaN only where a
    foreign file says so: `merge_equivalents` of the challenge metric needs to see it to average as the evaluator does.

    Raises
    ------
    PredictionError
        If codes, labels and scores differ in number, or a label is neither 0 nor 1.
    """

    record_name: str
    codes: tuple[str, ...]
    labels: tuple[int, ...]
    scores: tuple[float, ...]

    def __post_init__(self) -> None:
        if not len(self.codes) == len(self.labels) == len(self.scores):
            raise PredictionError(
                f"{self.record_name}: {len(self.codes)} codes, {len(self.labels)} labels, "
                f"{len(self.scores)} scores; expected as many of each"
            )
        for code, label in zip(self.codes, self.labels, strict=True):
            if label not in (0, 1):
                raise PredictionError(f"{self.record_name} class {code}: label {label!r}; expected 0 or 1")


def sort_scores(
    prediction: Prediction, name: Callable[[str], str] = name_of, stands_for: Callable[[str], str] = representative
) -> tuple[tuple[str, float, bool], ...]:
    """Classes in words with their scores and labels, highest first, equivalent ones once.

    Parameters
    ----------
    name, stands_for : of a code: what it is called, and its class; as in the Challenge of 2020 where nobody says
    """
    rows = zip(prediction.codes, prediction.scores, prediction.labels, strict=True)
    kept = [(name(code), score, label == 1) for code, score, label in rows if stands_for(code) == code]
    return tuple(sorted(kept, key=lambda row: -row[1]))


def format_prediction(prediction: Prediction) -> str:
    """The four lines, comma-separated and newline-terminated; scores as `format_scores` writes them.

    Raises
    ------
    PredictionError
        If there is no class or one twice, if the record name or a code would not survive the form (empty,
        or with a comma, line break or surrounding blank; a code that starts with #), or if a score is no
        finite float32. What is written can therefore be read with `strict`.
    """
    name = prediction.record_name
    if not _survives(name, forbidden="\r\n"):
        raise PredictionError(f"record name {name!r} cannot be written; expected one line of visible text")
    if problem := _find_unwritable(prediction.codes):
        raise PredictionError(f"{name}: {problem}")
    labels = [str(int(label)) for label in prediction.labels]
    lines = map(",".join, (prediction.codes, labels, format_scores(prediction)))
    return "".join(f"{line}\n" for line in (f"#{name}", *lines))


def format_scores(prediction: Prediction) -> list[str]:
    """Each score with the fewest digits that read back as the same float32, the precision models work in.

    So 0.9 and not 0.8999999761581421.

    Raises
    ------
    PredictionError
        If a score is no finite float32, naming the class.
    """
    with np.errstate(over="ignore"):
        rounded = np.array(prediction.scores, np.float32)
    finite = np.isfinite(rounded)
    if not finite.all():
        place = int(finite.argmin())
        raise PredictionError(
            f"{prediction.record_name} class {prediction.codes[place]}: score {prediction.scores[place]} cannot be "
            "written; expected a finite float32"
        )
    written: list[str] = rounded.astype(str).tolist()
    return written


@lru_cache(maxsize=16)
def _find_unwritable(codes: tuple[str, ...]) -> str | None:
    """Why codes cannot be written; None if they can. Remembered: all records of a model have the same."""
    if not codes:
        return "no classes; expected at least one to write a prediction"
    unwritable = (code for code in codes if not _survives(code, forbidden="\r\n,") or code.startswith("#"))
    return _find_misfit(codes) or next(
        (f"class {code!r} cannot be written; expected a SNOMED CT code" for code in unwritable), None
    )


def _survives(text: str, *, forbidden: str) -> bool:
    """Whether `text` reads back as itself once it is written between commas or at the end of a line."""
    return bool(text) and text == text.strip() and not set(text) & set(forbidden)


def parse_prediction(text: str, *, where: str = "", strict: bool = False) -> Prediction:
    """Read a prediction file, as the official evaluator does or (`strict`) only if nothing is wrong with it.

    The evaluator's reading: blank lines and lines that begin with # are dropped. If fewer than three lines
    remain, or the remaining lines (all of them, a fourth one too) have not equally many fields, the record
    has no outputs and every class is negative: codes, labels and scores come back empty. Else the first three
    are codes, labels and scores; blanks around commas do not matter; a label is positive if it is one of
    1, True, true, T, t; a score that is no number is 0. A score "nan" stays NaN here, since it is left
    out of the mean of equivalent classes and becomes 0 only after that.

    The record name, which the evaluator takes from the file's name, is the first # line's text, or "".

    Parameters
    ----------
    text : the file's contents
    where : what to call the file in an error, usually its name
    strict : refuse instead of forgive. Exactly four lines, the first `#record_name`; equally many fields;
        no code twice or empty; labels 0 or 1 (or True/False, true/false, T/F, t/f); finite scores

    Raises
    ------
    PredictionError
        With `strict`, naming the line and what is wrong in it.
    """
    lines = _visible_lines(text)
    if strict:
        _check_lines(lines, where or "prediction")
    return to_prediction(_to_rows(lines))


def _visible_lines(text: str) -> list[tuple[int, str]]:
    """Stripped lines that are not blank, with their numbers from 1."""
    # Line breaks as in a file opened as text; str.splitlines would also break at rarer characters.
    lines = ((number, line.strip()) for number, line in enumerate(re.split("\r\n|\r|\n", text), start=1))
    return [(number, line) for number, line in lines if line]


def split_rows(text: str) -> list[tuple[int, list[str]]]:
    """The lines of a prediction file that are not blank: number, and fields; one that begins with # has that one."""
    return _to_rows(_visible_lines(text))


def _to_rows(lines: list[tuple[int, str]]) -> list[tuple[int, list[str]]]:
    return [(number, [line] if line.startswith("#") else _fields(line)) for number, line in lines]


def to_prediction(rows: Sequence[tuple[int, list[str]]]) -> Prediction:
    """What the official evaluator makes of the rows of a file: see `parse_prediction`."""
    names = [fields[0][1:].strip() for _, fields in rows if fields[0].startswith("#")]
    values = [fields for _, fields in rows if not fields[0].startswith("#")]
    if len(values) < 3 or len(set(map(len, values))) != 1:
        values = [[], [], []]
    return Prediction(
        record_name=names[0] if names else "",
        codes=tuple(values[0]),
        labels=tuple(int(label in _POSITIVE) for label in values[1]),
        scores=tuple(map(_parse_score, values[2])),
    )


def is_positive(label: str) -> bool:
    """Whether the official evaluator takes this text for a positive label."""
    return label in _POSITIVE


def _fields(line: str) -> list[str]:
    return [part.strip() for part in line.split(",")]


def _parse_score(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _check_lines(lines: list[tuple[int, str]], where: str) -> None:
    """Raise the first thing that strict reading refuses in the numbered, non-blank lines."""
    form = "expected four lines: #record_name, codes, labels, scores"
    if not lines:
        raise PredictionError(f"{where}: empty; {form}")
    number, first = lines[0]
    if not first.startswith("#") or not first[1:].strip():
        raise PredictionError(f"{where} line {number}: {first[:40]!r} is no record name; {form}")
    for number, line in lines[1:]:
        if line.startswith("#"):
            raise PredictionError(f"{where} line {number}: a second # line, {line[:40]!r}; {form}")
    if len(lines) != 4:
        raise PredictionError(f"{where} line {lines[-1][0]}: the last of {len(lines)} lines; {form}")
    codes = _fields(lines[1][1])
    for number, line in lines[2:]:
        if len(_fields(line)) != len(codes):
            raise PredictionError(
                f"{where} line {number}: {len(_fields(line))} fields; expected {len(codes)}, one per code"
            )
    if misfit := _find_misfit(codes):
        raise PredictionError(f"{where} line {lines[1][0]}: {misfit}")
    for number, line in lines[2:]:
        _check_values(codes, _fields(line), f"{where} line {number}", is_labels=number == lines[2][0])


def _find_misfit(codes: Sequence[str]) -> str | None:
    """What no list of codes may have; None if it has not."""
    for code in codes:
        if not code:
            return "an empty code; expected SNOMED CT codes between commas"
        if codes.count(code) > 1:
            return f"code {code} occurs {codes.count(code)} times; expected once"
    return None


def _check_values(codes: Sequence[str], values: Sequence[str], where: str, *, is_labels: bool) -> None:
    for code, value in zip(codes, values, strict=True):
        if is_labels and value not in _POSITIVE + _NEGATIVE:
            raise PredictionError(
                f"{where}: label {value!r} of class {code} not understood; expected 0 or 1 "
                f"(the official evaluator would count it as negative)"
            )
        if not is_labels and not _is_finite(value):
            raise PredictionError(f"{where}: score {value!r} of class {code}; expected a finite number")


def _is_finite(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def to_scored_matrices(
    predictions: Sequence[Prediction],
    by_class: ClassColumns = CHALLENGE_COLUMNS,
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float64]]:
    """Labels and scores of all records over the classes that are scored, by the official merging rule.

    Every prediction may have its own codes in its own order; those with the same codes are merged together.

    Parameters
    ----------
    by_class : the classes and what stands for them; those of the Challenge of 2020

    Returns
    -------
    labels : uint8 array, shape (n_records, n_classes), columns as the classes
    scores : float64 array, same shape
    """
    rows_of: dict[tuple[str, ...], list[int]] = {}
    for row, prediction in enumerate(predictions):
        rows_of.setdefault(prediction.codes, []).append(row)
    labels = np.zeros((len(predictions), len(by_class.classes)), dtype=np.uint8)
    scores = np.zeros(labels.shape, dtype=np.float64)
    for codes, rows in rows_of.items():
        shape = (len(rows), len(codes))
        own_labels = np.array([predictions[row].labels for row in rows], dtype=np.uint8).reshape(shape)
        own_scores = np.array([predictions[row].scores for row in rows], dtype=np.float64).reshape(shape)
        labels[rows], scores[rows] = merge_equivalents(codes, own_labels, own_scores, by_class)
    return labels, scores
