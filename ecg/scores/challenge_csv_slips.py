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

from ecg12.ecg.labels.dx_values import proven_codes
from ecg12.ecg.labels.snomed import SCORED_CLASSES, representative
from ecg12.ecg.scores.challenge_csv import Prediction, is_positive, split_rows, to_prediction

NOTHING = "nothing"
LABELS = "labels"
SCORES = "scores"
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
    MANGLED: "write codes of the metric's classes in another form, and these are not looked at",
    REPEATED: "name a class twice: its label is any of them, its score the mean",
    LACKING: "lack classes, which count as negative with score 0",
    OUTSIDE: "have codes of no class of the metric, which are not looked at",
    LINES: "have more lines than three, which are not looked at",
    NAME: "name another record in their # line, which is not looked at",
}
"""Kind of slip → what the evaluator makes of it, said of files; the gravest first."""

GRAVE = (NOTHING, LABELS, SCORES, MANGLED)
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


def read_outputs(content: bytes, name: str) -> tuple[Prediction, tuple[Slip, ...]]:
    """A prediction file as the official evaluator reads it, and what it lost on the way.

    Bytes that are no UTF-8, at which the evaluator would stop with all files, are taken for unknown letters.

    Parameters
    ----------
    content : of the file
    name : of the record, from the file's name, as the evaluator takes it, or its path in a folder of folders
    """
    rows = split_rows(content.decode("utf-8", "replace"))
    prediction = to_prediction(rows)
    rows = [row for row in rows if not row[1][0].startswith("#")]
    if not prediction.codes or not _scored_codes(prediction.codes):
        return prediction, (Slip(NOTHING, _find_reason(content, rows)),)
    return prediction, tuple(_find_slips(prediction, rows, name))


def _find_slips(prediction: Prediction, rows: Sequence[tuple[int, list[str]]], name: str) -> Iterator[Slip]:
    """Of a file that has outputs."""
    codes = prediction.codes
    (_, _), (label_line, labels), (score_line, scores) = rows[:3]
    if not set(labels) <= {"0", "1"}:
        odd = [
            (code, text) for code, text in zip(codes, labels, strict=True) if not is_positive(text) and not _is_no(text)
        ]
        if odd:
            yield Slip(LABELS, f"line {label_line}: {_show(odd[0][1])} for {_plain(odd[0][0])}")
    if not all(map(math.isfinite, prediction.scores)) or 0.0 in prediction.scores:  # a word has become 0
        odd = [(code, text) for code, text in zip(codes, scores, strict=True) if not _is_finite(text)]
        if odd:
            yield Slip(SCORES, f"line {score_line}: {_show(odd[0][1])} for {_plain(odd[0][0])}")
    yield from _find_slips_of_codes(codes)
    if len(rows) > 3:
        yield Slip(LINES, f"line {rows[3][0]}: {_show(','.join(rows[3][1]))}")
    if prediction.record_name not in ("", name, name.rpartition("/")[2]):
        yield Slip(NAME, _show(prediction.record_name))


@lru_cache(maxsize=64)
def _find_slips_of_codes(codes: tuple[str, ...]) -> tuple[Slip, ...]:
    """Remembered: all files of an entrant have the same codes."""
    slips = []
    scored = _scored_codes(codes)
    repeated = next((code for code in scored if codes.count(code) > 1), None)
    if repeated is not None:
        slips.append(Slip(REPEATED, f"{repeated}, {codes.count(repeated)} times"))
    lacking = [code for code in SCORED_CLASSES if code not in set(map(representative, scored))]
    if lacking:
        slips.append(Slip(LACKING, f"{len(lacking)} of {len(SCORED_CLASSES)}, such as {lacking[0]}"))
    outside = [code for code in codes if representative(code) not in SCORED_CLASSES]
    mangled = [code for code in outside if _meant(code)]
    if mangled:
        slips.append(Slip(MANGLED, f"{len(mangled)} of {len(codes)}, such as {_show(mangled[0])}"))
    outside = [code for code in outside if code not in mangled]
    if outside:
        slips.append(Slip(OUTSIDE, f"{len(outside)} of {len(codes)}, such as {_show(outside[0])}"))
    return tuple(slips)


@lru_cache(maxsize=64)
def _scored_codes(codes: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(code for code in codes if representative(code) in SCORED_CLASSES)


@lru_cache(maxsize=1024)
def _meant(code: str) -> str:
    """The code of the metric's classes that a text is another form of: in quotes, behind a byte order mark, as a float.

    "" where it is none, which the code itself is not.
    """
    if len(code) > _LONGEST_FORM:
        return ""
    found = proven_codes(code.replace("\0", ""))
    return found[0] if len(found) == 1 and found[0] != code and _scored_codes(found) else ""


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


def _find_reason(content: bytes, rows: Sequence[tuple[int, list[str]]]) -> str:
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
    return _find_separator(rows) or _find_uneven(rows) or _find_foreign(*rows[0])


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


def _find_foreign(number: int, codes: Sequence[str]) -> str:
    """What stands where codes of the metric's classes should."""
    code = codes[0]
    expected = f"{_show(code)} where a code of the metric's classes is expected"
    meant = next(filter(None, map(_meant, codes)), "")
    if meant:
        first = next(code for code in codes if _meant(code))
        return f"line {number}: {_show(first)} where {meant} is expected"
    if _is_finite(code) and abs(float(code)) <= 1:
        return f"line {number}: {expected}; lines in another order?"
    return f"line {number}: {expected}, and no other of {len(codes)} is one"
