"""The tables of a finished store: columns, counts and root attributes, from its records' rows."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from ecg12.cache.compression import table_compressors
from ecg12.cache.optional_columns import RANK
from ecg12.cache.schema import (
    COLUMNS,
    FORMAT_NAME,
    FORMAT_VERSION,
    SEX_CODES,
    Column,
    RecordRow,
    Reject,
    StoreConfig,
)

TABLE_CHUNK_ROWS = 65_536


LARGEST_RANK = 255
"""Labels from here on have the same place in `label/rank`."""


def root_attributes(config: StoreConfig, *, complete: bool) -> dict[str, Any]:
    return {
        "format": FORMAT_NAME,
        "format_version": FORMAT_VERSION,
        "complete": complete,
        "fs": config.fs,
        "leads": list(config.leads),
        "build": config.to_dict(),
        "build_digest": config.digest(),
    }


def dataset_counts(rows: Sequence[RecordRow], rejects: Sequence[Reject], fs: float) -> dict[str, dict[str, float]]:
    names = sorted({row.dataset for row in rows} | {reject.dataset for reject in rejects})
    return {
        name: {
            "records": sum(row.dataset == name for row in rows),
            "rejects": sum(reject.dataset == name for reject in rejects),
            "hours": round(sum(row.length for row in rows if row.dataset == name) / fs / 3600, 6),
        }
        for name in names
    }


def table_columns(
    rows: Sequence[RecordRow],
    chunk_digests: Mapping[int, str],
    scored_classes: Sequence[str],
    representative: Mapping[str, str],
    *,
    n_leads: int,
) -> dict[str, NDArray]:
    codes = sorted({code for row in rows for code in row.dx_codes})
    class_of = {code: number for number, code in enumerate(codes)}
    scored_of = {code: number for number, code in enumerate(scored_classes)}
    matrix = np.zeros((len(rows), len(codes)), np.uint8)
    rank = np.zeros(matrix.shape, np.uint8)
    scored = np.zeros((len(rows), len(scored_classes)), np.uint8)
    for number, row in enumerate(rows):
        for place, code in enumerate(row.dx_codes, start=1):
            matrix[number, class_of[code]] = 1
            rank[number, class_of[code]] = min(place, LARGEST_RANK)
            if code in representative:
                scored[number, scored_of[representative[code]]] = 1
    plain = {
        f"record/{name}": _column([getattr(row, name) for row in rows], dtype) for name, dtype in _PLAIN_FIELDS.items()
    }
    return plain | {
        "record/age": _column([np.nan if row.age is None else row.age for row in rows], "float32"),
        "record/sex": _column([SEX_CODES[row.sex] for row in rows], "int8"),
        "record/lead_flags": _column([row.lead_flags for row in rows], "uint16").reshape(-1, n_leads),
        "record/offset": _column([row.offset for row in rows], "int32").reshape(-1, n_leads),
        "label/code": _column(codes, "string"),
        "label/matrix": matrix,
        RANK.path: rank,
        "label/annotated": _column([bool(row.dx_codes) or row.stated.annotated for row in rows], "bool"),
        "label/scored_code": _column(list(scored_classes), "string"),
        "label/scored": scored,
        "chunk/digest": _column([chunk_digests[chunk] for chunk in sorted(chunk_digests)], "string"),
    }


_PLAIN_FIELDS = {
    column.path.removeprefix("record/"): column.dtype
    for column in COLUMNS
    if column.path.startswith("record/")
    and column.path not in ("record/age", "record/sex", "record/lead_flags", "record/offset")
}


def _column(values: Sequence[Any], dtype: str) -> NDArray:
    return np.array(values, dtype=object if dtype == "string" else dtype)


def write_column(root: zarr.Group, column: Column, values: NDArray) -> None:
    rows = min(max(len(values), 1), TABLE_CHUNK_ROWS)
    array = root.create_array(
        column.path,
        shape=values.shape,
        chunks=(rows, *(max(size, 1) for size in values.shape[1:])),
        dtype=column.dtype,
        dimension_names=column.dims,
        compressors=table_compressors(),
        attributes=column.attributes(),
        config={"write_empty_chunks": True},
        overwrite=True,
    )
    if values.size:
        array[...] = values
