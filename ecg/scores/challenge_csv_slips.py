"""What the official evaluator makes of a prediction file that is not as it should be, in words.

It never stops at a slip within a file: what it cannot read counts as negative. The figures are the same here, but a
folder of files with semicolons must not look like a useless model. So each file is read as the evaluator reads it, and
what that lost is named.

Source: the official evaluator of the PhysioNet/CinC Challenge 2020 (evaluate_12ECG_score.py, `load_outputs`).
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from ecg12.ecg.labels.class_columns import ClassColumns
from ecg12.ecg.labels.dx_values import proven_codes
from ecg12.ecg.labels.snomed import CHALLENGE_COLUMNS
from ecg12.ecg.scores.challenge_csv import Prediction, is_positive, split_rows, to_prediction
from ecg12.ecg.scores.later_reading import is_one, take_later

NOTHING = "nothing"
LABELS = "labels"
SCORES = "scores"
SCORES_2021 = "scores-2021"
MANGLED = "mangled"
LACKING = "lacking"
OUTSIDE = "outside"
REPEATED = "repeated"
NAME = "name"
LINES = "lines"

MEANINGS = {
    NOTHING: "have no readable outputs and count as negative",
    LABELS: "have labels that are none of 1, True, true, T, t and count as negative",
    SCORES: "have scores that are no finite numbers: words count as 0, nan as not there, inf as it is",
    SCORES_2021: "have scores that are no finite numbers and count as 0",
    MANGLED: "write codes of the metric's classes in another form, and these are not looked at",
    REPEATED: "name a class twice: its label is any of them, its score the mean",
    LACKING: "lack classes, which count as negative with score 0",
    OUTSIDE: "have codes of no class of the metric, which are not looked at",
    LINES: "have more lines than three, which are not looked at",
    NAME: "name another record in their # line, which is not looked at",
}
"""Kind of slip → what the evaluator makes of it, said of files; the gravest first."""

GRAVE = (NOTHING, LABELS, SCORES, SCORES_2021, MANGLED)
"""Kinds by which what may have been meant is lost; an entrant may well mean the others."""

_FALSE = ("", "false", "f", "no", "n")
_SHOWN = 40
"""Letters of what stands in a file, in a message."""
_LONGEST_FORM = 100
"""Letters of a code in another form, such as an address of SNOMED CT's."""


@dataclass(frozen=True, slots=True)
class Slip:
    """`kind` is a key of `MEANINGS`; `text` says where in the file and what is there."""

    kind: str
    text: str


def read_outputs(
    content: bytes, name: str, by_class: ClassColumns = CHALLENGE_COLUMNS, *, later: bool = False
) -> tuple[Prediction, tuple[Slip, ...]]:
    """A prediction file as the official evaluator reads it, and what it lost on the way.

    Bytes that are no UTF-8, at which the evaluator would stop with all files, are taken for unknown letters.

    Parameters
    ----------
    content : of the file
    name : of the record, from the file's name, as the evaluator takes it, or its path in a folder of folders
    by_class : the metric's classes and what stands for them; those of the Challenge of 2020
    later : read as the evaluator of 2021 does, see `ecg.scores.later_reading`
    """
    rows = split_rows(content.decode("utf-8", "replace"))
    prediction = to_prediction(rows)
    rows = [row for row in rows if not row[1][0].startswith("#")]
    taken = take_later(rows, prediction, by_class) if later else prediction
    if not taken.codes or not _scored_codes(taken.codes, by_class):
        return taken, (Slip(NOTHING, _find_reason(content, rows, by_class)),)
    return taken, tuple(_find_slips(prediction, taken.codes, rows, name, by_class, later=later))


def _find_slips(
    prediction: Prediction,
    taken: tuple[str, ...],
    rows: Sequence[tuple[int, list[str]]],
    name: str,
    by_class: ClassColumns,
    *,
    later: bool,
) -> Iterator[Slip]:
    """Of a file that has outputs; `taken` are the codes that its own were taken for."""
    codes = prediction.codes
    (_, _), (label_line, labels), (score_line, scores) = rows[:3]
    if not set(labels) <= {"0", "1"}:
        odd = [
            (code, text)
            for code, text in zip(codes, labels, strict=True)
            if not (is_positive(text) or _is_no(text) or (later and is_one(text)))
        ]
        if odd:
            yield Slip(LABELS, f"line {label_line}: {_show(odd[0][1])} for {_plain(odd[0][0])}")
    if not all(map(math.isfinite, prediction.scores)) or 0.0 in prediction.scores:  # a word has become 0
        odd = [(code, text) for code, text in zip(codes, scores, strict=True) if not _is_finite(text)]
        if odd:
            yield Slip(
                SCORES_2021 if later else SCORES, f"line {score_line}: {_show(odd[0][1])} for {_plain(odd[0][0])}"
            )
    yield from _find_slips_of_codes(taken, by_class)
    if len(rows) > 3:
        yield Slip(LINES, f"line {rows[3][0]}: {_show(','.join(rows[3][1]))}")
    if prediction.record_name not in ("", name, name.rpartition("/")[2]):
        yield Slip(NAME, _show(prediction.record_name))


@lru_cache(maxsize=64)
def _find_slips_of_codes(codes: tuple[str, ...], by_class: ClassColumns) -> tuple[Slip, ...]:
    """Remembered: all files of an entrant have the same codes."""
    slips = []
    scored, classes = _scored_codes(codes, by_class), by_class.classes
    repeated = next((code for code in scored if codes.count(code) > 1), None)
    if repeated is not None:
        slips.append(Slip(REPEATED, f"{repeated}, {codes.count(repeated)} times"))
    there = set(map(by_class.class_of, scored))
    lacking = [code for code in classes if code not in there]
    if lacking:
        slips.append(Slip(LACKING, f"{len(lacking)} of {len(classes)}, such as {lacking[0]}"))
    outside = [code for code in codes if code not in scored]
    mangled = [code for code in outside if _meant(code, by_class)]
    if mangled:
        slips.append(Slip(MANGLED, f"{len(mangled)} of {len(codes)}, such as {_show(mangled[0])}"))
    outside = [code for code in outside if code not in mangled]
    if outside:
        slips.append(Slip(OUTSIDE, f"{len(outside)} of {len(codes)}, such as {_show(outside[0])}"))
    return tuple(slips)


@lru_cache(maxsize=64)
def _scored_codes(codes: tuple[str, ...], by_class: ClassColumns) -> tuple[str, ...]:
    return tuple(code for code in codes if by_class.class_of(code) in by_class.classes)


@lru_cache(maxsize=1024)
def _meant(code: str, by_class: ClassColumns) -> str:
    """The code of the metric's classes that a text is another form of: in quotes, behind a byte order mark, as a float.

    "" where it is none, which the code itself is not.
    """
    if len(code) > _LONGEST_FORM:
        return ""
    found = proven_codes(code.replace("\0", ""))
    return found[0] if len(found) == 1 and found[0] != code and _scored_codes(found, by_class) else ""


def _show(text: str) -> str:
    return f"{text[:_SHOWN]!r}"


def _plain(code: str) -> str:
    """A code as it may stand in a line of text."""
    return code[:_SHOWN] if code.isprintable() else _show(code)


def _is_no(text: str) -> bool:
    """Whether a label that counts as negative was meant so."""
    try:
        return float(text) == 0
    except ValueError:
        return text.lower() in _FALSE


def _is_finite(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _find_reason(content: bytes, rows: Sequence[tuple[int, list[str]]], by_class: ClassColumns) -> str:
    """Why nothing in a file counts."""
    if not content.strip():
        return "empty"
    if content.startswith((b"\xff\xfe", b"\xfe\xff")) or content.count(0) > len(content) // 4:
        return "UTF-16 text (the official evaluator stops at it); expected UTF-8"
    if b"\0" in content:
        return "not a text"
    form = "expected codes, labels and scores below the line with #"
    if content.startswith(b"\xef\xbb\xbf"):
        return "begins with a byte order mark, so that its line with # is taken for one of codes; save it without"
    if len(rows) < 3:
        return f"{len(rows)} of three lines; {form}"
    return _find_separator(rows) or _find_uneven(rows) or _find_foreign(*rows[0], by_class)


def _find_separator(rows: Sequence[tuple[int, list[str]]]) -> str:
    number, fields = rows[0]
    for separator in (";", "\t", "|", " "):
        if separator in fields[0] and len(fields[0].split(separator)) > len(fields):
            return f"line {number}: {'a tab' if separator == chr(9) else repr(separator)} where ',' is expected"
    return ""


def _find_uneven(rows: Sequence[tuple[int, list[str]]]) -> str:
    number, first = rows[0]
    for line, fields in rows[1:]:
        if len(fields) != len(first):
            commas = "; decimal commas?" if len(fields) == 2 * len(first) else ""
            return f"line {line}: {len(fields)} fields; expected {len(first)}, as many as in line {number}{commas}"
    return ""


def _find_foreign(number: int, codes: Sequence[str], by_class: ClassColumns) -> str:
    """What stands where codes of the metric's classes should."""
    code = codes[0]
    expected = f"{_show(code)} where a code of the metric's classes is expected"
    first = next((code for code in codes if _meant(code, by_class)), "")
    if first:
        meant = _meant(first, by_class)
        return f"line {number}: {_show(first)} where {meant} is expected"
    if _is_finite(code) and abs(float(code)) <= 1:
        return f"line {number}: {expected}; lines in another order?"
    return f"line {number}: {expected}, and no other of {len(codes)} is one"
