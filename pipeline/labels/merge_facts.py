"""What several rows or tables state of one record: together, or where they differ."""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from ecg12.cache.stated import Stated
from ecg12.ecg.errors import InputError
from ecg12.pipeline.labels.row_facts import Facts

_NAMES = {"vocabularies": "vocabulary", "likelihoods": "likelihood", "targets": "measurement"}
_NAMES |= {"annotated": "list of codes", "quality_note": "note on quality", "codes": "list of codes"}


def name_difference(first: Facts, second: Facts) -> str:
    """In a word, what two that differ state otherwise."""
    for one in ("codes", "age", "sex", "patient"):
        if getattr(first, one) != getattr(second, one):
            return _NAMES.get(one, one)
    names = (one.name for one in fields(Stated))
    found = next(name for name in names if getattr(first.stated, name) != getattr(second.stated, name))
    return _NAMES.get(found, found)


def merge_facts(first: tuple[Facts, str], second: tuple[Facts, str], record: str) -> Facts:
    """What two tables state of one record, each with where it stands.

    Raises
    ------
    InputError
        If they state different values of one thing. Codes add up.
    """
    (here, where), (other, there) = first, second
    both = _Merger(where=where, there=there, record=record)
    return replace(
        here,
        codes=tuple(dict.fromkeys((*here.codes, *other.codes))),
        age=both.one("age", here.age, other.age),
        sex=both.one("sex", here.sex, other.sex),
        patient=both.one("patient", here.patient, other.patient),
        stated=both.stated(here.stated, other.stated),
        unread=(*here.unread, *other.unread),
    )


class _Merger:
    def __init__(self, *, where: str, there: str, record: str) -> None:
        self.where, self.there, self.record = where, there, record

    def one(self, what: str, here: Any, other: Any) -> Any:  # noqa: ANN401 - values of any field
        """The value that either has."""
        if here is None or here is False or here == "":
            return other
        if other is not None and other is not False and other not in ("", here):
            raise InputError(
                f"{self.there}: record {self.record} has {what} {other}, and {here} in {self.where}; expected one"
            )
        return here

    def stated(self, here: Stated, other: Stated) -> Stated:
        values: dict[str, Any] = {}
        for one in fields(Stated):
            first, second = getattr(here, one.name), getattr(other, one.name)
            name = _NAMES.get(one.name, one.name)
            is_map = isinstance(first, Mapping)
            values[one.name] = self.united(name, first, second) if is_map else self.one(name, first, second)
        return Stated(**values)

    def united(self, what: str, here: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
        for key in here.keys() & other.keys():
            if here[key] != other[key] and what != "vocabulary":  # of which the first in order has the code
                self.one(f"{what} of {key}", str(here[key]), str(other[key]))
        return {**here, **other}
