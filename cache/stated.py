"""What a source states of a record beside its codes, age and sex: most of it optional columns of the tables."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self

TEXTS = ("fold", "site", "device", "date", "quality_note")
"""Fields that are columns `record/…` of texts, empty where nothing is stated."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Stated:
    """What a source states of one record; empty where it does not.

    Attributes
    ----------
    vocabularies : code → its vocabulary, of codes whose form does not tell it
    likelihoods : code → per cent
    targets : name → value of a measurement
    fold, site, device, date, quality_note : as stated; the date in ISO 8601
    annotated : the source states that the record has none of the codes that it asks for
    """

    vocabularies: Mapping[str, str] = field(default_factory=dict)
    likelihoods: Mapping[str, float] = field(default_factory=dict)
    targets: Mapping[str, float] = field(default_factory=dict)
    fold: str = ""
    site: str = ""
    device: str = ""
    date: str = ""
    quality_note: str = ""
    annotated: bool = False

    def to_dict(self) -> dict[str, Any]:
        """What is stated, as JSON has it; empty for `NOTHING`."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        return {name: dict(value) if isinstance(value, Mapping) else value for name, value in values.items() if value}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`; raises TypeError or ValueError if the values are not of that form."""
        texts = {name: values[name] for name in TEXTS if name in values}
        numbers: dict[str, Any] = {
            name: {str(key): float(value) for key, value in dict(values[name]).items()}
            for name in ("likelihoods", "targets")
            if name in values
        }
        vocabularies = dict(values.get("vocabularies", {}))
        wrong = [value for value in (*texts.values(), *vocabularies.values()) if not isinstance(value, str)]
        annotated = values.get("annotated", False)
        unknown = values.keys() - {one.name for one in fields(cls)}
        if wrong or unknown or not isinstance(annotated, bool):
            raise TypeError(f"{[*wrong, *sorted(unknown)] or annotated!r} where something else is expected")
        return cls(vocabularies=vocabularies, annotated=annotated, **texts, **numbers)


NOTHING = Stated()
