"""What one row of a table of labels states of its record."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ecg12.cache.optional_columns import SCP
from ecg12.cache.stated import NOTHING, Stated
from ecg12.ecg.labels.annotations import read_age, read_sex
from ecg12.ecg.labels.snomed import is_concept_id
from ecg12.pipeline.formats.text_tables.cells import is_missing, to_number
from ecg12.pipeline.labels.code_cells import CellCodes
from ecg12.pipeline.labels.column_names import (
    AGE,
    DATE,
    DEVICE,
    FEMALE,
    FOLD,
    MALE,
    PATIENT,
    QUALITY,
    ROLES,
    SEX,
    SITE,
)
from ecg12.pipeline.labels.column_values import NO, YES, TableColumns
from ecg12.pipeline.labels.dates import read_date
from ecg12.pipeline.runtime.printable_names import printable

_MALE_COLUMN = dict.fromkeys(YES, "Male") | dict.fromkeys(NO, "Female")
_FEMALE_COLUMN = dict.fromkeys(YES, "Female") | dict.fromkeys(NO, "Male")
_PTBXL_SEXES = _FEMALE_COLUMN
"""In PTB-XL's own table; most others number them the other way round."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """What tables state of a record.

    Attributes
    ----------
    codes : in the stated order, without repeats
    age, sex, patient : None where they are not stated
    stated : all else
    unread : (column, cell) of what is not understood
    """

    codes: tuple[str, ...] = ()
    age: float | None = None
    sex: str | None = None
    patient: str | None = None
    stated: Stated = NOTHING
    unread: tuple[tuple[str, str], ...] = field(default=(), compare=False)

    def to_list(self) -> list[Any]:
        """As JSON has it, for a digest."""
        return [list(self.codes), self.age, self.sex, self.patient, self.stated.to_dict(), list(map(list, self.unread))]


class RowReader:
    """Rows of one table as facts.

    Attributes
    ----------
    columns : what is known of its columns
    names : what they are called
    """

    def __init__(self, columns: TableColumns, names: Sequence[str]) -> None:
        self.columns, self.names = columns, names
        self._first = {role: columns.roles.first(role) for role in ROLES}

    def read(self, cells: Sequence[str]) -> Facts:
        """What a row states."""
        unread: list[tuple[str, str]] = []
        codes = self._codes(cells, unread)
        none_of_them = self._add_labels(codes, cells, unread)
        texts = {name: self._text(role, cells) for name, role in _TEXT_ROLES.items()}
        return Facts(
            codes=tuple(codes),
            age=self._age(cells, unread),
            sex=self._sex(cells, unread),
            patient=self._text(PATIENT, cells) or None,
            stated=Stated(
                vocabularies={code: SCP for code in codes if code in self.columns.scp and not is_concept_id(code)},
                likelihoods={code: likelihood for code, likelihood in codes.items() if likelihood is not None},
                targets=self._targets(cells, unread),
                annotated=none_of_them,
                date=self._date(cells, unread),
                quality_note=self._quality(cells),
                **texts,
            ),
            unread=tuple(unread),
        )

    def _codes(self, cells: Sequence[str], unread: list[tuple[str, str]]) -> dict[str, float | None]:
        codes: dict[str, float | None] = {}
        for place, known in self.columns.codes.items():
            found = known.get(cells[place], CellCodes({}))
            for code, likelihood in found.codes.items():
                codes.setdefault(code, likelihood)
            unread += [(self.names[place], part) for part in found.unread]
        return codes

    def _add_labels(self, codes: dict[str, float | None], cells: Sequence[str], unread: list[tuple[str, str]]) -> bool:
        """The columns that are a label each; whether the row says of any that the record has it not."""
        denied = False
        for place, code in self.columns.labels.items():
            value = cells[place].lower()
            if value in YES:
                codes.setdefault(code, None)
            elif value in NO:
                denied = True
            elif not is_missing(value):
                unread.append((self.names[place], cells[place]))
        return denied

    def _targets(self, cells: Sequence[str], unread: list[tuple[str, str]]) -> dict[str, float]:
        values = {}
        for place, decimal in self.columns.targets.items():
            cell = cells[place]
            if is_missing(cell) or cell in self.columns.roles.unmeasured:
                continue
            try:
                value = to_number(cell, decimal)
                if abs(value) == float("inf"):
                    raise ValueError(cell)
                values[self.names[place]] = value
            except ValueError:
                unread.append((self.names[place], cell))
        return values

    def _text(self, role: str, cells: Sequence[str]) -> str:
        """A text as it stands; numbers without the `.0` that a column with gaps gives them."""
        place = self._first[role]
        if place is None or is_missing(cells[place]):
            return ""
        cell = cells[place]
        text = cell[:-2] if cell.endswith((".0", ",0")) and cell[:-2].lstrip("-").isdecimal() else cell
        return text if text.isprintable() else printable(" ".join(text.splitlines()))

    def _age(self, cells: Sequence[str], unread: list[tuple[str, str]]) -> float | None:
        place = self._first[AGE]
        if place is None or is_missing(cells[place]) or cells[place].startswith("-"):
            return None
        age = read_age(cells[place])
        if age is None:
            unread.append((self.names[place], cells[place]))
        return age

    def _sex(self, cells: Sequence[str], unread: list[tuple[str, str]]) -> str | None:
        ways = {SEX: _PTBXL_SEXES if self.columns.roles.is_ptbxl else {}, MALE: _MALE_COLUMN, FEMALE: _FEMALE_COLUMN}
        for role, numbers in ways.items():
            place = self._first[role]
            if place is None or is_missing(cells[place]):
                continue
            sex = numbers.get(cells[place].lower()) or (read_sex(cells[place]) if role == SEX else None)
            if sex is not None:
                return sex
            unread.append((self.names[place], cells[place]))
        return None

    def _date(self, cells: Sequence[str], unread: list[tuple[str, str]]) -> str:
        place = self._first[DATE]
        if place is None or is_missing(cells[place]):
            return ""
        date = read_date(cells[place], self.columns.date_order)
        if date is None:
            unread.append((self.names[place], cells[place]))
        return date or ""

    def _quality(self, cells: Sequence[str]) -> str:
        places = self.columns.roles.by_role.get(QUALITY, ())
        notes = [(self.names[place], " ".join(cells[place].strip(" ,;").split())) for place in places]
        return printable("; ".join(f"{name}: {note}" for name, note in notes if note and not is_missing(note)))


_TEXT_ROLES = {"fold": FOLD, "site": SITE, "device": DEVICE}
