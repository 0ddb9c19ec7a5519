"""The columns that a store has only where there is something to say, from its records' rows."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ecg12.cache.optional_columns import first_vocabulary, vocabulary_by_form
from ecg12.cache.schema import RecordRow
from ecg12.cache.stated import TEXTS


def further_columns(rows: Sequence[RecordRow], codes: Sequence[str]) -> dict[str, NDArray]:
    """Path → values of each of `FURTHER_COLUMNS` that has any.

    Parameters
    ----------
    rows : in the order of the tables
    codes : as in `label/code`
    """
    columns = _texts(rows) | _targets(rows)
    vocabularies = _vocabularies(rows, codes)
    if vocabularies != list(map(vocabulary_by_form, codes)):
        columns["label/vocabulary"] = np.array(vocabularies, object)
    if any(row.stated.likelihoods for row in rows):
        columns["label/likelihood"] = _likelihoods(rows, codes)
    return columns


def _texts(rows: Sequence[RecordRow]) -> dict[str, NDArray]:
    columns = {f"record/{name}": [getattr(row.stated, name) for row in rows] for name in TEXTS}
    return {path: np.array(values, object) for path, values in columns.items() if any(values)}


def _targets(rows: Sequence[RecordRow]) -> dict[str, NDArray]:
    names = sorted({name for row in rows for name in row.stated.targets})
    if not names:
        return {}
    values = [[row.stated.targets.get(name, np.nan) for name in names] for row in rows]
    return {"target/name": np.array(names, object), "target/value": np.array(values, np.float64)}


def _vocabularies(rows: Sequence[RecordRow], codes: Sequence[str]) -> list[str]:
    """Of each code: what the sources say; where they say nothing or differ, see `first_vocabulary`."""
    found: dict[str, str] = {}
    for row in rows:
        for code in row.dx_codes:
            vocabulary = row.stated.vocabularies.get(code) or vocabulary_by_form(code)
            found[code] = first_vocabulary(found.get(code, vocabulary), vocabulary)
    return [found[code] for code in codes]


def _likelihoods(rows: Sequence[RecordRow], codes: Sequence[str]) -> NDArray[np.float32]:
    column_of = {code: number for number, code in enumerate(codes)}
    values = np.full((len(rows), len(codes)), np.nan, np.float32)
    for number, row in enumerate(rows):
        for code, likelihood in row.stated.likelihoods.items():
            values[number, column_of[code]] = likelihood
    return values
