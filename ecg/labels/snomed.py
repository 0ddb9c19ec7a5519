"""The Challenge's classes: 111 SNOMED CT codes, the 24 scored classes and the weights between them.

Two small tables travel with the package and are read once, at import: `tables/classes.csv` (code, name,
abbreviation, scored or not, records per dataset) and `tables/weights.csv` (reward of answering the column's
class where the row's is true). The published weight matrix has 27 rows; rows and columns of equivalent codes
are identical in it, so the 24 x 24 matrix here holds the same numbers, and a test expands it back.

A code is a string everywhere: codes reach 14 digits, and one that is not in the table (a hospital's own) is
allowed wherever only a name is wanted.

Source: dx_mapping_scored.csv, dx_mapping_unscored.csv and weights.csv of the PhysioNet/CinC Challenge 2020's
official evaluation (August 2020), which also states the three equivalences.
"""

import csv
import difflib
import importlib.resources
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from ecg12.ecg.errors import UnknownCodeError
from ecg12.ecg.labels.class_columns import ClassColumns

NORMAL_CODE = "426783006"
"""Sinus rhythm, the answer of the inactive classifier that the challenge metric subtracts."""

EQUIVALENTS: Mapping[str, str] = MappingProxyType(
    {
        "59118001": "713427006",  # right bundle branch block = complete right bundle branch block
        "63593006": "284470004",  # supraventricular premature beats = premature atrial contraction
        "17338001": "427172004",  # ventricular premature beats = premature ventricular contractions
    }
)
"""Scored code -> the code that represents it; a code that is not a key represents itself."""

TEXT_LABELS: Mapping[str, str] = MappingProxyType(
    {
        "AF": "164889003",
        "I-AVB": "270492004",
        "LBBB": "164909002",
        "Normal": "426783006",
        "PAC": "284470004",
        "PVC": "164884008",
        "RBBB": "59118001",
        "STD": "429622005",
        "STE": "164931005",
    }
)
"""Text labels of the earliest CPSC headers (spring 2020) -> the code that the same records carry today.

PVC is the trap: CPSC's became ventricular ectopics, 164884008, which is not scored, while the class table
gives the abbreviation PVC to 427172004. Use this mapping for headers and `lookup` for everything else.
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class ClassInfo:
    """One row of the class table; `n_records` counts by dataset (keys as in `ecg.datasets`)."""

    code: str
    name: str
    abbreviation: str
    scored: bool
    n_records: Mapping[str, int] = field(hash=False)

    @property
    def n_records_total(self) -> int:
        """Records with this code in all six datasets, equivalent codes not included."""
        return sum(self.n_records.values())


def _read_rows(filename: str) -> list[dict[str, str]]:
    """The rows of a table that travels with the package."""
    text = importlib.resources.files("ecg12.ecg").joinpath("tables", filename).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def _class_info(row: dict[str, str]) -> ClassInfo:
    about = {key: row.pop(key) for key in ("code", "name", "abbreviation")}
    scored = row.pop("scored") == "1"
    return ClassInfo(**about, scored=scored, n_records={name: int(count) for name, count in row.items()})


def _read_weights() -> npt.NDArray[np.float64]:
    """Shape (24, 24), rows and columns in SCORED_CLASSES order, read-only."""
    rows = _read_rows("weights.csv")
    assert tuple(row["code"] for row in rows) == SCORED_CLASSES
    weights = np.array([[float(row[code]) for code in SCORED_CLASSES] for row in rows])
    weights.setflags(write=False)
    return weights


CLASSES: Mapping[str, ClassInfo] = MappingProxyType(
    {info.code: info for info in map(_class_info, _read_rows("classes.csv"))}
)
"""All 111 codes in published order, the 27 scored ones first."""

SCORED_CODES: tuple[str, ...] = tuple(info.code for info in CLASSES.values() if info.scored)
"""The 27 scored codes in the order of dx_mapping_scored.csv: the columns of a Challenge prediction."""

SCORED_CLASSES: tuple[str, ...] = tuple(code for code in SCORED_CODES if code not in EQUIVALENTS)
"""The 24 scored classes, one representative code each, in the official evaluator's order."""

NORMAL_INDEX = SCORED_CLASSES.index(NORMAL_CODE)

WEIGHTS = _read_weights()
"""float64, shape (24, 24): reward of the output (column) where the label (row) is true."""

CHALLENGE_COLUMNS = ClassColumns(SCORED_CLASSES, EQUIVALENTS)
"""The scored classes, and the codes that count as one of them."""

_CONCEPT_ID = re.compile(r"[1-9][0-9]{2,14}[01]0[0-9]")
_PERMUTATION = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)

_BY_TEXT = {info.abbreviation.lower(): info for info in CLASSES.values()} | {
    info.name.lower(): info for info in CLASSES.values()
}


def _multiply(a: int, b: int) -> int:
    """Product in the dihedral group of the pentagon: 0-4 are rotations, 5-9 reflections."""
    turned = (a - b) % 5 if a >= 5 else (a + b) % 5
    return turned if (a < 5) == (b < 5) else turned + 5


@lru_cache(maxsize=4096)
def is_concept_id(code: str) -> bool:
    """Whether `code` has the form of a SNOMED CT concept's identifier, its check digit included.

    Six to eighteen digits without leading zero, "00" or "10" before the last one, which is Verhoeff's check digit: it
    tells every wrong digit and every swap of neighbours. All codes of the class table have this form; whether a
    concept of that number exists, it does not say.

    Source: SNOMED CT Technical Implementation Guide, "SCTID"; J. Verhoeff, Error detecting decimal codes, 1969.
    """
    if _CONCEPT_ID.fullmatch(code) is None:
        return False
    check = 0
    for place, digit in enumerate(reversed(code)):
        turned = int(digit)
        for _ in range(place % 8):
            turned = _PERMUTATION[turned]
        check = _multiply(check, turned)
    return check == 0


def representative(code: str) -> str:
    """The code that stands for `code` in SCORED_CLASSES; any other code stands for itself."""
    return EQUIVALENTS.get(code, code)


def lookup(text: str) -> ClassInfo:
    """The class with this code, name or abbreviation.

    Names and abbreviations match in any case; no two of them are equal then (a test holds that), so nothing
    has to be guessed. Abbreviations are the class table's: PVC is 427172004 and RBBB is 59118001.

    Raises
    ------
    UnknownCodeError
        If the table has no such class, with the nearest entries.
    """
    key = text.strip()
    info = CLASSES.get(key) or _BY_TEXT.get(key.lower())
    if info is None:
        raise UnknownCodeError(
            f"class table: {text!r} not found; expected one of its {len(CLASSES)} SNOMED CT codes, names or "
            f"abbreviations, such as 164889003, atrial fibrillation or AF; {_remedy(key)}"
        )
    return info


def _remedy(key: str) -> str:
    """What the user of an unknown `key` may have meant."""
    for label, code in TEXT_LABELS.items():
        if key.lower() == label.lower():
            return f"the early text label {label} is {code}"
    near = difflib.get_close_matches(key.lower(), [*_BY_TEXT, *CLASSES], n=3)
    return f"did you mean {' or '.join(near)}?" if near else "check the spelling"


def name_of(code: str) -> str:
    """The diagnosis in words, or the code itself where no table has it."""
    return CLASSES[code].name if code in CLASSES else _further_names().get(code, (code, code))[0]


def abbreviation_of(code: str) -> str:
    """The abbreviation, or the code itself where no table has one."""
    return CLASSES[code].abbreviation if code in CLASSES else _further_names().get(code, (code, code))[1]


@cache
def _further_names() -> Mapping[str, tuple[str, str]]:
    """Name and abbreviation of codes beyond the class table: the Challenge's of 2021, and SCP-ECG's statements."""
    names = {row["code"]: (row["name"], row["abbreviation"]) for row in _read_rows("classes_2021.csv")}
    return names | {row["code"]: (row["name"], row["code"]) for row in _read_rows("scp_statements.csv")}
