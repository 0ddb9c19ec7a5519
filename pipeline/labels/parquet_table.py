"""Parquet files as rows of text, by pyarrow, which need not be installed."""

import io
import json
from collections.abc import Callable, Iterator
from datetime import date, datetime
from typing import Any

from ecg12.ecg.errors import InputError

PARQUET_MARK = b"PAR1"
MOST_DECODED_BYTES = 4 * 2**30
_BATCH_ROWS = 4096


def parquet_rows(data: bytes, where: str) -> tuple[list[str], Callable[[], Iterator[tuple[int, list[str]]]]]:
    """The columns of a Parquet file, and a function that gives its rows as text.

    Raises
    ------
    InputError
        If pyarrow is not installed, or the file is damaged, which its rows may tell only later.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise InputError(
            f"{where}: a Parquet file, which needs pyarrow: pip install 'ecg12[parquet]', or save the table as CSV"
        ) from error
    broken = (pyarrow.lib.ArrowException, OSError, ValueError)

    def opened() -> Any:  # noqa: ANN401 - pyarrow has no types
        return pyarrow.parquet.ParquetFile(io.BytesIO(data))

    def rows() -> Iterator[tuple[int, list[str]]]:
        number = 0
        try:
            for batch in opened().iter_batches(batch_size=_BATCH_ROWS):
                for cells in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                    number += 1
                    yield number, list(map(_as_text, cells))
        except broken as error:
            raise _unreadable(where, error) from error

    try:
        file = opened()
        size = sum(file.metadata.row_group(group).total_byte_size for group in range(file.metadata.num_row_groups))
        if size > MOST_DECODED_BYTES:
            raise InputError(f"{where}: {size:,} bytes; expected at most {MOST_DECODED_BYTES:,}: leave columns out")
        return list(map(str, file.schema_arrow.names)), rows
    except InputError:
        raise
    except broken as error:
        raise _unreadable(where, error) from error


def _unreadable(where: str, error: Exception) -> InputError:
    said = str(error).partition("\n")[0]
    return InputError(f"{where}: cannot be read as a table of labels ({said}); write it again")


def _as_text(value: Any) -> str:  # noqa: ANN401 - any value of Arrow's
    """A value as a CSV would have it; of a struct or map only what is there."""
    if value is None or value != value:
        return ""
    if isinstance(value, (datetime, date)):
        return value.isoformat(" ") if isinstance(value, datetime) else value.isoformat()
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace").strip()
    if isinstance(value, dict):
        return json.dumps({key: one for key, one in value.items() if one is not None}, default=str)
    if isinstance(value, list):
        of_pairs = bool(value) and all(isinstance(one, tuple) for one in value)
        return json.dumps(dict(value) if of_pairs else value, default=str)
    return str(value).strip()
