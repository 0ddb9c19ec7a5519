"""What a header's comments say about the patient and the diagnoses.

The Challenge's files hold one `key: value` a comment: Age, Sex, Dx, Rx, Hx, Sx. What a file does not say is
None or empty, never a default, and nothing here refuses a record: a recording without a readable diagnosis
can still be predicted. Diagnoses that are not codes are handed over in `dx_text` instead of being lost.

Source: the Challenge's data page and the headers of all its issues, in which the same keys are written
`#Dx:`, `# Dx:` and (the original PTB database) `# age:`.
"""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ecg.snomed import TEXT_LABELS

OLDER_THAN_89 = 300.0
"""The age PTB-XL states for everyone older than 89 years (204 records of the Challenge)."""

# "Unknows" stands in CPSC's first issue (March 2020).
_NOT_STATED = frozenset({"", "unknown", "unknows", "n/a", "nan"})
_SEXES = {"female": "Female", "f": "Female", "male": "Male", "m": "Male"}
_AGE = re.compile(r"[0-9]+\.?[0-9]*")
_DX_SEPARATOR = re.compile(r"[,;]")


@dataclass(frozen=True, kw_only=True, slots=True)
class Annotations:
    """What the comments state; None or empty where they do not.

    Attributes
    ----------
    dx_codes : the diagnoses as strings, in the stated order, of repeats the last: SNOMED CT codes, or a hospital's
        own codes unchanged
    dx_text : diagnoses of several words, which are no codes and cannot be used as labels
    age : years; `OLDER_THAN_89` is not an age but PTB-XL's mark for the oldest
    sex : "Female", "Male" or None
    rx, hx, sx : medication, history, symptoms, as stated
    """

    dx_codes: tuple[str, ...] = ()
    dx_text: tuple[str, ...] = ()
    age: float | None = None
    sex: str | None = None
    rx: str | None = None
    hx: str | None = None
    sx: str | None = None


def parse_annotations(comments: Sequence[str]) -> Annotations:
    """Read the comments of a header, as `Header.comments` holds them (without `#`).

    Keys are matched regardless of case. Several Dx lines add up; of the others the first that states
    something counts. Nothing is raised: what cannot be read is not stated.
    """
    values: dict[str, list[str]] = {"age": [], "sex": [], "dx": [], "rx": [], "hx": [], "sx": []}
    for comment in comments:
        key, _, value = comment.partition(":")
        key, value = key.strip("# \t").lower(), value.strip()
        if key in values and _is_stated(value):
            values[key].append(value)
    dx_codes, dx_text = _diagnoses(values["dx"])
    return Annotations(
        dx_codes=dx_codes,
        dx_text=dx_text,
        age=_age(values["age"]),
        sex=next((_SEXES[value.lower()] for value in values["sex"] if value.lower() in _SEXES), None),
        rx=next(iter(values["rx"]), None),
        hx=next(iter(values["hx"]), None),
        sx=next(iter(values["sx"]), None),
    )


def _is_stated(value: str) -> bool:
    return value.lower() not in _NOT_STATED


def _age(values: Iterable[str]) -> float | None:
    """The first value that is a number of years; -1, NaN and text are not."""
    for value in values:
        if _AGE.fullmatch(value) and math.isfinite(age := float(value)):
            return age
    return None


def _diagnoses(lines: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Codes and texts of the Dx lines, each in order without repeats (631 records repeat a code)."""
    codes: dict[str, None] = {}
    texts: dict[str, None] = {}
    for line in lines:
        for item in map(str.strip, _DX_SEPARATOR.split(line)):
            if not _is_stated(item):
                continue
            words = item.split()
            # Several words are a phrase, except several numbers, which are codes a space apart.
            if len(words) == 1 or all(word.isdecimal() for word in words):
                for code in (TEXT_LABELS.get(word, word) for word in words):
                    codes.pop(code, None)  # of a repeated code the last place counts
                    codes[code] = None
            else:
                texts[item] = None
    return tuple(codes), tuple(texts)
