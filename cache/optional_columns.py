"""The columns that a store has only where there is something to say: see FORMAT.md, section 2, "MAY".

`label/rank` came first and has a digest of its own. Each of the others is covered by its entry in the root attribute
`array_digests`, so that a program that knows some of them proves a store that has more.
"""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecg12.cache.schema import Column
from ecg12.ecg.errors import StoreError
from ecg12.ecg.labels.snomed import is_concept_id

ARRAY_DIGESTS = "array_digests"
"""Root attribute, where there are such arrays: path → SHA-256."""

SNOMED, SCP, OWN = "snomed-ct", "scp-ecg", "own"
VOCABULARIES = (SNOMED, SCP, OWN)
"""Where two sources take one code from different vocabularies, the first of these has it."""

_RECORD = ("record",)

RANK = Column(
    path="label/rank",
    dtype="uint8",
    dims=("record", "class"),
    meaning="place of the code among the record's labels, from 1; 0 where it is not annotated",
)
FURTHER_COLUMNS: tuple[Column, ...] = (
    Column(path="label/vocabulary", dtype="string", dims=("class",), meaning="vocabulary of the code"),
    Column(
        path="label/likelihood",
        dtype="float32",
        dims=("record", "class"),
        units="percent",
        missing="NaN",
        meaning="likelihood that the source states beside the code",
    ),
    Column(path="record/fold", dtype="string", dims=_RECORD, meaning="fold or side of the source's own split"),
    Column(path="record/site", dtype="string", dims=_RECORD, meaning="where it was recorded"),
    Column(path="record/device", dtype="string", dims=_RECORD, meaning="what it was recorded with"),
    Column(path="record/date", dtype="string", dims=_RECORD, meaning="when it was recorded (ISO 8601)"),
    Column(path="record/quality_note", dtype="string", dims=_RECORD, meaning="the source's notes on quality"),
    Column(path="target/name", dtype="string", dims=("target",), meaning="what is measured"),
    Column(
        path="target/value",
        dtype="float64",
        dims=("record", "target"),
        missing="NaN",
        meaning="value of the measurement",
    ),
)
OPTIONAL_COLUMNS: tuple[Column, ...] = (RANK, *FURTHER_COLUMNS)
"""Tables that a store of this format may lack."""

FURTHER: Mapping[str, Column] = {column.path: column for column in FURTHER_COLUMNS}

_PATH = re.compile(r"[A-Za-z0-9_]+/[A-Za-z0-9_]+")
_MOST_ARRAYS = 1000


def vocabulary_by_form(code: str) -> str:
    """The vocabulary of a code of which nothing else is known."""
    return SNOMED if is_concept_id(code) else OWN


def first_vocabulary(first: str, second: str) -> str:
    """The one that has a code which both claim; one that this version does not know comes last."""
    return min(first, second, key=lambda one: VOCABULARIES.index(one) if one in VOCABULARIES else len(VOCABULARIES))


def missing_values(column: Column, shape: tuple[int, ...]) -> NDArray:
    """What stands in an optional column's place where a store lacks it: empty texts or NaN."""
    return np.full(shape, "", object) if column.dtype == "string" else np.full(shape, np.nan, column.dtype)


def listed_arrays(attributes: Mapping[str, Any], where: str) -> dict[str, str]:
    """The root attribute `array_digests`: path → SHA-256; empty where there is none.

    Raises
    ------
    StoreError
        If it is not such an object.
    """
    stated = attributes.get(ARRAY_DIGESTS, {})
    if (
        not isinstance(stated, dict)
        or len(stated) > _MOST_ARRAYS
        or not all(_PATH.fullmatch(path) and isinstance(digest, str) for path, digest in stated.items())
    ):
        raise StoreError(
            f"{where}: attribute {ARRAY_DIGESTS} changed; expected a SHA-256 for each path: build the store again"
        )
    return stated
