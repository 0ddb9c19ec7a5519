"""Arrays of a remote store: their objects are fetched side by side, and zarr then reads or writes memory.

zarr's own way to fsspec asks for one object after another and raises whatever the driver does; this way every request
goes through `cache.location`, with its tries and its errors, and the order in which objects appear is ours.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import zarr
from zarr.core.buffer import default_buffer_prototype
from zarr.storage import MemoryStore, StorePath

from cache.compression import codecs_beyond_zarr
from cache.location import Location, RemotePath, in_parallel

METADATA = "zarr.json"


def open_array(store: Location, path: str) -> zarr.Array:
    """An array of a store for reading; of a remote one its metadata alone, see `with_chunks` and `fetch_array`.

    Raises
    ------
    OSError, KeyError, TypeError, ValueError
        What zarr raises on metadata that is missing or damaged.
    RemoteError
        If the server cannot be had.
    """
    metadata = (store / path / METADATA).read_bytes() if isinstance(store, RemotePath) else b""
    with codecs_beyond_zarr():
        if isinstance(store, RemotePath):
            return _in_memory({METADATA: metadata})
        return zarr.open_array(store, path=path, mode="r")


def fetch_array(store: Location, path: str) -> zarr.Array:
    """An array of a store with all its chunks at hand; raises as `open_array` does."""
    if not isinstance(store, RemotePath):
        return open_array(store, path)
    names = list((store / path).files())
    return _in_memory(
        dict(zip(names, in_parallel(lambda name: (store / path / name).read_bytes(), names), strict=True))
    )


def with_chunks(array: zarr.Array, chunks: Mapping[str, bytes]) -> zarr.Array:
    """A remote array again, with these chunks (by their keys, such as c/0/7) at hand."""
    return zarr.Array(zarr.AsyncArray(metadata=array.metadata, store_path=StorePath(_memory_store(chunks))))


def _in_memory(objects: Mapping[str, bytes]) -> zarr.Array:
    return zarr.open_array(_memory_store(objects), mode="r")


def _memory_store(objects: Mapping[str, bytes]) -> MemoryStore:
    buffer = default_buffer_prototype().buffer
    return MemoryStore({key: buffer.from_bytes(data) for key, data in objects.items()})


@contextmanager
def written_group(path: RemotePath, attributes: Mapping[str, Any]) -> Iterator[zarr.Group]:
    """A new group to fill, in memory; at the end its objects are put at `path`, the group's own metadata last."""
    memory: dict[str, Any] = {}
    yield zarr.create_group(MemoryStore(memory), zarr_format=3, attributes=dict(attributes))
    send({key: value.to_bytes() for key, value in memory.items()}, path, last=METADATA)


def send(objects: Mapping[str, bytes], path: RemotePath, *, last: str) -> None:
    """Put objects below `path`, several at once, but the one called `last` when all others are there."""
    others: Sequence[str] = [name for name in objects if name != last]
    in_parallel(lambda name: (path / name).write_bytes(objects[name]), others)
    (path / last).write_bytes(objects[last])
