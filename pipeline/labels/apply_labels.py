"""What tables of labels state, onto the rows of a store: codes united with the header's, all else before it."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from ecg12.cache.optional_columns import OWN, first_vocabulary, vocabulary_by_form
from ecg12.cache.schema import RecordRow
from ecg12.cache.stated import Stated
from ecg12.ecg.labels.annotations import LONGEST_REMARK, MOST_REMARKS
from ecg12.pipeline.labels.read_labels import Labels
from ecg12.pipeline.labels.row_facts import Facts
from ecg12.pipeline.runtime.printable_names import printable

OWN_CODE, UNREAD_CELL, OTHER_VOCABULARY = "label_code", "label_value", "label_vocabulary"
OTHER_AGE, OTHER_SEX = "label_age", "label_sex"
"""Kinds of remarks, see FORMAT.md, section 3."""


def apply_labels(rows: Sequence[RecordRow], labels: Labels) -> list[RecordRow]:
    """The rows with what tables state of their records; a record without a row in one stays as it is."""
    found = [_apply(row, labels.facts.get((row.dataset, row.name))) for row in rows]
    vocabularies = _vocabularies(found)
    return [_with_other_vocabularies(row, vocabularies) for row in found]


def _apply(row: RecordRow, facts: Facts | None) -> RecordRow:
    if facts is None:
        return row
    remarks = [
        *((OWN_CODE, code) for code in facts.codes if _vocabulary(facts.stated, code) == OWN),
        *((UNREAD_CELL, f"{column}: {cell}") for column, cell in facts.unread),
    ]
    if facts.age is not None and row.age is not None and facts.age != row.age:
        remarks.append((OTHER_AGE, f"{row.age:g} → {facts.age:g}"))
    if facts.sex is not None and row.sex is not None and facts.sex != row.sex:
        remarks.append((OTHER_SEX, f"{row.sex} → {facts.sex}"))
    kept = [(kind, printable(value[:LONGEST_REMARK])[:LONGEST_REMARK]) for kind, value in remarks]
    return replace(
        row,
        age=row.age if facts.age is None else facts.age,
        sex=row.sex if facts.sex is None else facts.sex,
        dx_codes=tuple(dict.fromkeys((*row.dx_codes, *facts.codes))),
        stated=_united(row.stated, facts.stated),
        remarks=(*row.remarks, *_at_most(kept)),
    )


def _at_most(remarks: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """So many of each kind as are kept of a record."""
    kept: list[tuple[str, str]] = []
    for kind in dict.fromkeys(kind for kind, _ in remarks):
        kept += [remark for remark in remarks if remark[0] == kind][:MOST_REMARKS]
    return kept


def _united(header: Stated, table: Stated) -> Stated:
    values: dict[str, Any] = {}
    for one in fields(Stated):
        first, second = getattr(header, one.name), getattr(table, one.name)
        values[one.name] = {**first, **second} if isinstance(first, Mapping) else second or first
    return Stated(**values)


def _vocabulary(stated: Stated, code: str) -> str:
    return stated.vocabularies.get(code) or vocabulary_by_form(code)


def _vocabularies(rows: Sequence[RecordRow]) -> dict[str, str]:
    found: dict[str, str] = {}
    for row in rows:
        for code in row.dx_codes:
            one = _vocabulary(row.stated, code)
            found[code] = first_vocabulary(found.get(code, one), one)
    return found


def _with_other_vocabularies(row: RecordRow, vocabularies: Mapping[str, str]) -> RecordRow:
    """A row with a remark for each code that other records' sources take from another vocabulary."""
    others = [code for code in row.dx_codes if _vocabulary(row.stated, code) != vocabularies[code]]
    if not others:
        return row
    remarks = [(OTHER_VOCABULARY, f"{code}: {_vocabulary(row.stated, code)}") for code in others[:MOST_REMARKS]]
    return replace(row, remarks=(*row.remarks, *remarks))
