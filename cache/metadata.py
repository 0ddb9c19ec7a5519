"""The zarr.json of a store's arrays: what FORMAT.md says it is, held against what it says.

Everything in it follows from the format and from sizes that stand elsewhere, so it is not believed but compared: what a
reader needs before it decodes anything (`read_array`), and all of it where a store is proven (`describe_array`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ecg12.cache.compression import codec_metadata
from ecg12.cache.schema import SIGNAL, Column, StoreConfig
from ecg12.cache.storage.location import Location
from ecg12.cache.storage.small_file import read_json
from ecg12.ecg.errors import RemoteError, StoreError

METADATA = "zarr.json"

MOST_CHUNKS = 65_536
"""Of a table: of 65,536 rows each, if they are the writer's; of a store in small chunks still more than there are."""

_KEYS = {"name": "default", "configuration": {"separator": "/"}}


@dataclass(frozen=True, slots=True)
class ArrayForm:
    """An array's sizes as its metadata states them, every one of them an integer that is not negative."""

    shape: tuple[int, ...]
    chunks: tuple[int, ...]

    @property
    def grid(self) -> tuple[int, ...]:
        """Chunks along each dimension."""
        return tuple(-(-size // width) for size, width in zip(self.shape, self.chunks, strict=True))


def read_array(store: Location, column: Column, codec: str | None = None) -> ArrayForm:
    """The form of an array whose chunks are encoded as the format says.

    Parameters
    ----------
    codec : of the signal; None for a table

    Raises
    ------
    StoreError
        If its metadata is missing, damaged, or says otherwise than the format, naming what.
    RemoteError
        If it is remote and the server cannot be had.
    """
    where, again = f"{store}/{column.path}: cannot be {'opened' if column is SIGNAL else 'read'}", _AGAIN
    metadata = _read(store / column.path / METADATA, where)
    found = _codecs(metadata.get("codecs"))
    expected = codec_metadata(column.dtype, codec)
    if not _same_chain(found, expected):
        names = ", ".join(one["name"] for one in expected)
        raise StoreError(f"{where} (codecs {_brief(found)}; expected {names}); {again}")
    grid = metadata.get("chunk_grid")
    stated = {
        "zarr_format": 3,
        "node_type": "array",
        "data_type": column.dtype,
        "chunk_key_encoding": _KEYS,
        "storage_transformers": [],
    }
    for key, value in stated.items():
        if metadata.get(key, value) != value:
            raise StoreError(f"{where} ({key} {_brief(metadata[key])}; expected {_brief(value)}); {again}")
    chunks = grid.get("configuration") if isinstance(grid, dict) and grid.get("name") == "regular" else None
    shape, chunk_shape = metadata.get("shape"), chunks.get("chunk_shape") if isinstance(chunks, dict) else None
    if not _are_sizes(shape, 0, len(column.dims)) or not _are_sizes(chunk_shape, 1, len(column.dims)):
        raise StoreError(
            f"{where} (shape {_brief(shape)} in chunks {_brief(chunk_shape)}; expected {len(column.dims)} sizes each); "
            f"{again}"
        )
    return ArrayForm(tuple(shape), tuple(chunk_shape))  # type: ignore[arg-type]


_AGAIN = "build the store again"


def _read(file: Location, where: str) -> dict[str, Any]:
    try:
        metadata = read_json(file)
    except RemoteError:
        raise
    except (OSError, ValueError) as error:
        raise StoreError(f"{where} ({METADATA}: {error}); {_AGAIN}") from error
    if not isinstance(metadata, dict):
        raise StoreError(f"{where} ({METADATA}: {_brief(metadata)}); {_AGAIN}")
    return metadata


def _codecs(stated: Any) -> list[Any]:  # noqa: ANN401 - any JSON value
    return stated if isinstance(stated, list) else [stated]


def _same_chain(found: list[Any], expected: list[dict[str, Any]]) -> bool:
    """Whether chunks can be decoded by the expected chain: its names in order, and its byte order."""
    return (
        all(isinstance(one, dict) for one in found)
        and [one.get("name") for one in found] == [one["name"] for one in expected]
        and _endian(found) == _endian(expected)
    )


def _endian(codecs: list[Any]) -> Any:  # noqa: ANN401 - any JSON value
    first = codecs[0].get("configuration") if codecs else None
    return first.get("endian") if isinstance(first, dict) else None


def _are_sizes(values: Any, least: int, number: int) -> bool:  # noqa: ANN401 - any JSON value
    return (
        isinstance(values, list)
        and len(values) == number
        and all(type(value) is int and least <= value < 2**62 for value in values)
    )


def _brief(value: Any, most: int = 80) -> str:  # noqa: ANN401 - any JSON value
    text = repr(value)
    return text if len(text) <= most else f"{text[:most]}…"


def describe_array(column: Column, form: ArrayForm, codec: str | None = None) -> dict[str, Any]:
    """All that the format says of an array's metadata, given its sizes; see `read_array`."""
    text = column.dtype == "string"
    return {
        "shape": list(form.shape),
        "data_type": column.dtype,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(form.chunks)}},
        "chunk_key_encoding": _KEYS,
        "fill_value": "" if text else column.dtype != "bool" and _zero(column.dtype),
        "codecs": codec_metadata(column.dtype, codec),
        "attributes": column.attributes(),
        "dimension_names": list(column.dims),
        "zarr_format": 3,
        "node_type": "array",
        "storage_transformers": [],
    }


def _zero(dtype: str) -> int | float:
    return 0.0 if np.dtype(dtype).kind == "f" else 0


GROUP: Mapping[str, Any] = {"attributes": {}, "zarr_format": 3, "node_type": "group"}
"""The metadata of every group but the root."""


def signal_problem(form: ArrayForm, config: StoreConfig) -> str | None:
    """What is wrong with the signal's sizes, in words; None where nothing is."""
    expected = (len(config.leads), config.chunk_length)
    if form.shape[0] != expected[0] or form.chunks != expected or form.shape[1] % config.chunk_length:
        return (
            f"shape {form.shape} in chunks {form.chunks}; expected int16 in chunks {expected}, a whole number of them"
        )
    return None
