"""What a header's comments say about the patient and the diagnoses.

The Challenge's files hold one `key: value` a comment: Age, Sex, Dx, Rx, Hx, Sx. The databases that they came from, and
others beside them, have forms of their own, and those are read as well: `docs/guide/stores.md` has them. What a file
does not say is None or empty, never a default, and nothing here refuses a record: a recording without a readable
diagnosis can still be predicted. Diagnoses that are not codes are handed over in `dx_text` instead of being lost, and
`remarks` has whatever was taken otherwise than as stated, or could not be.

Source: the Challenge's data page and the headers of all its issues, in which the same keys are written
`#Dx:`, `# Dx:` and (the original PTB database) `# age:`; headers of PTB, INCART, LUDB, the European and the Long-Term
ST databases, MIT-BIH and STAFF III as PhysioNet publishes them.
"""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ecg12.ecg.labels.dx_values import is_stated, plain_text, proven_codes, read_dx

OLDER_THAN_89 = 300.0
"""The age PTB-XL states for everyone older than 89 years (204 records of the Challenge)."""

OLDEST = 130.0
"""No patient is older; 999 and 1975 are no ages."""

LONGEST_REMARK = 80
"""Characters of a remark's value that are kept."""

MOST_REMARKS = 20
"""Of one kind that are kept of a record."""

_SEXES = dict.fromkeys(("female", "f", "woman", "w", "weiblich", "frau", "femme", "féminin", "feminin"), "Female")
_SEXES |= dict.fromkeys(("femenino", "feminino", "femminile", "mujer", "女", "ж", "жен"), "Female")
_SEXES |= dict.fromkeys(("male", "m", "man", "männlich", "maennlich", "mann", "homme", "masculin"), "Male")
_SEXES |= dict.fromkeys(("masculino", "maschile", "hombre", "男", "м", "муж"), "Male")

_AGE = re.compile(r"[0-9]+\.?[0-9]*")
_AGE_IN_UNITS = re.compile(r"([0-9]+(?:[.,][0-9]+)?)\s*-?\s*([a-z/. ]+)")
_AGE_IN_DICOM = re.compile(r"([0-9]{3})([DWMY])")
_DECIMAL_COMMA = re.compile(r"[0-9]+,[0-9]+")
_AGE_BOUND = re.compile(r"(?:(>|>=|≥|over|older than|above)\s*([0-9]+)|([0-9]+)\s*\+)\s*(?:y|yrs?|years?|years old)?")
_UNITS = dict.fromkeys(("y", "yr", "yrs", "year", "years", "yo", "y/o", "y.o", "years old", "year old"), 1.0)
_UNITS |= dict.fromkeys(("j", "jahre", "ans", "años", "anos", "anni"), 1.0)
_UNITS |= dict.fromkeys(("mo", "mos", "month", "months", "monate", "mois"), 1 / 12)
_UNITS |= dict.fromkeys(("wk", "wks", "week", "weeks"), 7 / 365.25) | dict.fromkeys(("d", "day", "days"), 1 / 365.25)
_DICOM_UNITS = {"Y": 1.0, "M": 1 / 12, "W": 7 / 365.25, "D": 1 / 365.25}

_KEYS = {key: key for key in ("age", "sex", "dx", "rx", "hx", "sx")}
_KEYS |= {"gender": "sex", "patient age": "age", "patient sex": "sex", "age (years)": "age", "age [years]": "age"}
_KEYS |= dict.fromkeys(
    ("diagnosis", "diagnoses", "diagnose", "diagnosis report", "reason for admission", "additional diagnoses"), "words"
)
_KEYS |= {"labels": "labels"}
_KEYS |= dict.fromkeys(("acute infarction (localization)", "former infarction (localization)"), "named words")
_HEADINGS = ("diagnosis", "diagnoses", "diagnose")
# Several fields in one comment: "<age>: 65 <sex>: F <diagnoses> Coronary artery disease", "Age: 62  Sex: M".
_FIELD = re.compile(r"<(age|sex|diagnoses)>\s*:?|(?<![\w<])(age|sex|gender|nyha class|diagnos[ie]s|dx)\s*[:=]", re.I)
# One field, written otherwise than with a bare key and a colon: "age=60", "Age(years): 60", "<age> 61".
_ONE_FIELD = re.compile(
    r"[#<\s]*(?:patient'?s?\s+)?(age|sex|gender)\s*(?:[(\[]\s*(?:in\s+)?(?:y|yrs?|years?|[mf]/[mf])\s*[)\]]\s*)?(?:>\s*:?|[:=])(.*)",
    re.I,
)
_SIMPLE_KEYS = ("age", "sex")
# "Chagas label: True", as the Challenge of 2025 has it.
_ONE_LABEL = re.compile(r"([^:]*\S) label", re.I)
_YES, _NO = "true", "false"
_MIT_BIH = re.compile(r"(-?[0-9]{1,3}|\?)\s+([MF])(?:\s+[0-9]+\s+[0-9]+\s+x[0-9]+)?")
_PATIENT_NUMBER = re.compile(r"patient\s+[0-9]+", re.I)


class Remark(NamedTuple):
    """A value of a header that was not taken as stated; `kind` is one of the constants below it."""

    kind: str
    value: str


NO_CODE = "dx_text"
"""Remark on a diagnosis that is no code, and so no label."""
MENDED = "dx_mended"
"""Remark on a value of Dx whose codes were written otherwise than as themselves."""
UNREAD_AGE = "age"
UNREAD_SEX = "sex"
"""Remarks on an age or sex that is stated and not understood."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Annotations:
    """What the comments state; None or empty where they do not.

    Attributes
    ----------
    dx_codes : the diagnoses as strings, in the stated order, of repeats the last: SNOMED CT codes, or a hospital's
        own codes unchanged; behind them labels, which the Challenges of 2024 and 2025 state by their names
    states_none : a label is stated not to be the record's
    dx_text : diagnoses in words and values that are no codes, which cannot be used as labels
    age : years; `OLDER_THAN_89` is not an age but PTB-XL's mark for the oldest
    sex : "Female", "Male" or None
    rx, hx, sx : medication, history, symptoms, as stated
    remarks : values that were mended or are not understood
    """

    dx_codes: tuple[str, ...] = ()
    states_none: bool = False
    dx_text: tuple[str, ...] = ()
    age: float | None = None
    sex: str | None = None
    rx: str | None = None
    hx: str | None = None
    sx: str | None = None
    remarks: tuple[Remark, ...] = ()


def parse_annotations(comments: Sequence[str]) -> Annotations:
    """Read the comments of a header, as `Header.comments` holds them (without `#`).

    Keys are matched regardless of case. Several Dx lines add up; of the others the first that states
    something counts. Nothing is raised: what cannot be read is not stated.
    """
    values: dict[str, list[str]] = {"age": [], "sex": [], "dx": [], "rx": [], "hx": [], "sx": [], "words": []}
    values |= {"labels": [], "no label": []}
    for key, value in _fields(comments):
        if is_stated(value):
            values[key].append(value)
    codes, texts, mended = read_dx(values["dx"])
    labels, others = _read_labels(values["labels"])
    codes = tuple(dict.fromkeys((*codes, *labels)))
    texts = tuple(dict.fromkeys([*texts, *values["words"], *others]))
    age = next((age for age in map(read_age, values["age"]) if age is not None), None)
    sex = next((sex for sex in map(read_sex, values["sex"]) if sex is not None), None)
    remarks = [(NO_CODE, texts), (MENDED, mended)]
    if age is None:  # -1 is the Challenge's own way of not stating one
        remarks.append((UNREAD_AGE, tuple(value for value in values["age"] if not value.startswith("-"))))
    if sex is None:
        remarks.append((UNREAD_SEX, tuple(values["sex"])))
    return Annotations(
        dx_codes=codes,
        states_none=bool(values["no label"]),
        dx_text=texts,
        age=age,
        sex=sex,
        rx=next(iter(values["rx"]), None),
        hx=next(iter(values["hx"]), None),
        sx=next(iter(values["sx"]), None),
        remarks=tuple(Remark(kind, one[:LONGEST_REMARK]) for kind, found in remarks for one in found[:MOST_REMARKS]),
    )


def _fields(comments: Sequence[str]) -> Iterator[tuple[str, str]]:
    """What the comments state: a key of `parse_annotations` and its value.

    After a heading for diagnoses, or a comment with age and sex together, lines without a key are diagnoses.
    """
    lines_follow, all_follow = False, False
    for raw in comments:
        comment = raw if raw.isascii() else plain_text(raw)
        stated, colon, value = comment.partition(":")
        name, value = stated.strip("#<> \t").lower(), value.strip()
        key = _KEYS.get(name) if colon else None
        if (key in _SIMPLE_KEYS or name.startswith("age>")) and (":" in value or "<" in comment):
            several = _several_fields(comment)
            lines_follow, all_follow = bool(several) or lines_follow, False
            if several:
                yield from several
                continue
        if key is not None:
            lines_follow = not value and name in _HEADINGS
            all_follow = lines_follow and "<" in stated
            if value:
                yield from _diagnosis(stated, key, value) if key.endswith("words") else ((key, value),)
        elif found := _ONE_FIELD.fullmatch(comment):
            yield from _several_fields(comment) or [(_KEYS[found[1].lower()], found[2].strip())]
        elif found := _MIT_BIH.fullmatch(comment.strip("# \t")):
            yield "age", found[1]
            yield "sex", found[2]
        elif colon and (one := _ONE_LABEL.fullmatch(stated.strip("# \t"))) and value.lower() in (_YES, _NO):
            yield ("labels" if value.lower() == _YES else "no label"), one[1]
        elif colon and (not all_follow or not value):
            lines_follow = False
        elif (lines_follow or all_follow) and not _PATIENT_NUMBER.fullmatch(comment.strip()):
            yield from _diagnosis("", "words", comment.strip("# \t"))


def _read_labels(lines: Sequence[str]) -> tuple[list[str], list[str]]:
    """Labels by their names, as they stand (`Old MI`, `AFIB/AFL`), and what is none; numbers as those of Dx."""
    codes: dict[str, None] = {}
    texts: dict[str, None] = {}
    for line in lines:
        for item in filter(is_stated, map(str.strip, line.split(","))):
            if item[0].isdecimal() and any(map(str.isdecimal, item[1:])):
                found, others, _ = read_dx([item])
                codes |= dict.fromkeys(found)
                texts |= dict.fromkeys(others)
            elif len(item) <= LONGEST_REMARK and item.isprintable() and any(map(str.isalnum, item)):
                codes[item] = None
            else:
                texts[item] = None
    return list(codes), list(texts)


def _several_fields(comment: str) -> list[tuple[str, str]]:
    """The fields of a comment that has at least two; none of any other."""
    found = list(_FIELD.finditer(comment))
    if len(found) < 2:
        return []
    ends = [*(one.start() for one in found[1:]), len(comment)]
    fields: list[tuple[str, str]] = []
    for one, end in zip(found, ends, strict=True):
        key, value = _KEYS.get((one[1] or one[2]).lower()), comment[one.end() : end].strip(" \t,;")
        if key is not None:
            fields += _diagnosis("", key, value) if key.endswith("words") else [(key, value)]
    return fields


def _diagnosis(stated: str, key: str, value: str) -> Iterator[tuple[str, str]]:
    """A field with diagnoses in words, as one of codes or of texts."""
    if not is_stated(value) or value.lower() in ("no", "none"):
        return
    if key == "named words":  # "infero-lateral" alone would not say of what
        yield "words", f"{stated.strip()}: {value}"
    elif proven_codes(value):
        yield "dx", value
    else:
        yield from (("words", text) for part in re.split("[,;]", value) if (text := part.strip().rstrip(".")))


def read_age(value: str) -> float | None:
    """Years that a value states; None where it is no number, or no one's age.

    `60M` may be months or a man of sixty; DICOM's form of three digits is not open to that.
    """
    text = value.strip("'\"").strip()
    if _AGE.fullmatch(text):
        age = float(text)
    elif found := _AGE_IN_DICOM.fullmatch(text.upper()):
        age = int(found[1]) * _DICOM_UNITS[found[2]]
    elif found := _AGE_BOUND.fullmatch(text.lower()):
        return _oldest(above=found[1], bound=int((found[2] or found[3])[:4]))
    elif found := _AGE_IN_UNITS.fullmatch(text.lower()):
        age = float(found[1].replace(",", ".")) * _UNITS.get(found[2].strip(" ."), math.nan)
    else:
        found = _DECIMAL_COMMA.fullmatch(text)
        age = float(text.replace(",", ".")) if found else math.nan
    return age if 0 <= age <= OLDEST or age == OLDER_THAN_89 else None


def _oldest(*, above: str | None, bound: int) -> float | None:
    """The mark for older than 89 where a bound says just that or more: `>89`, `90+`."""
    strict = above not in (None, ">=", "≥")
    return OLDER_THAN_89 if bound + strict >= 90 and bound <= OLDEST else None


def read_sex(value: str) -> str | None:
    """Female or Male; None for what could be either, such as 0 and 1, which files number both ways."""
    return _SEXES.get(value.strip(" '\".").lower())
