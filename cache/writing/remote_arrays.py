"""Arrays of a remote store that is written: zarr writes memory, and the objects are put side by side.

zarr's own way to fsspec asks for one object after another and raises whatever the driver does; this way every request
goes through `cache.storage.location`, with its tries and its errors, and the order in which objects appear is ours.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import zarr
from zarr.core.buffer import default_buffer_prototype
from zarr.storage import MemoryStore

from ecg12.cache.compression import codecs_beyond_zarr
from ecg12.cache.metadata import METADATA
from ecg12.cache.storage.location import Location, RemotePath, in_parallel


def open_array(store: Location, path: str) -> zarr.Array:
    """An array of a store, to ask it for its sizes; of a remote one its metadata alone.

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
