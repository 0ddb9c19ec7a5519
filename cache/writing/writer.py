"""Writing a store: create → whole chunks by whoever owns them → journal → tables and `complete` last.

While it is built the store and its journal live in the sibling folder `STORE.build`; the finished store is
renamed into place, so that whatever stands at its own path is whole. What a remote store has instead of renames and
locks is in `cache.writing.remote_build`.
"""

import logging

import numpy as np
import zarr
from numpy.typing import NDArray

from ecg12.cache.checksum import chunk_digest
from ecg12.cache.compression import codecs_beyond_zarr, encode_signal, signal_codecs
from ecg12.cache.schema import (
    SIGNAL,
    Part,
    StoreConfig,
)
from ecg12.cache.storage.atomic import _write_text
from ecg12.cache.storage.half_written import partial_of
from ecg12.cache.storage.location import Location, RemotePath, remove_tree
from ecg12.cache.writing.remote_arrays import written_group
from ecg12.cache.writing.tables import root_attributes
from ecg12.ecg.errors import StoreError

logger = logging.getLogger(__name__)


"""Files of the build folder that a build holds, and its tasks; they are removed with it, and never replaced."""


def create_store(path: Location, config: StoreConfig, n_chunks: int) -> None:
    """Make an empty, incomplete store with `n_chunks` chunks of signal still to be written."""
    attributes = root_attributes(config, complete=False)
    if isinstance(path, RemotePath):
        remove_tree(path)
        with written_group(path, attributes) as root:
            _create_signal(root, config, n_chunks)
        return
    root = zarr.create_group(path, zarr_format=3, overwrite=True, attributes=attributes)
    _create_signal(root, config, n_chunks)


def _create_signal(root: zarr.Group, config: StoreConfig, n_chunks: int) -> None:
    codecs = signal_codecs(config.codec)
    with codecs_beyond_zarr():
        root.create_array(
            SIGNAL.path,
            shape=(len(config.leads), n_chunks * config.chunk_length),
            chunks=(len(config.leads), config.chunk_length),
            dtype=SIGNAL.dtype,
            fill_value=0,
            dimension_names=SIGNAL.dims,
            attributes=SIGNAL.attributes(),
            **codecs,
        )


def write_chunk(path: Location, config: StoreConfig, chunk: int, block: NDArray[np.int16]) -> str:
    """Write one whole chunk of `signal`, or nothing of it, and give back its digest.

    All-zero chunks are written too, so that a missing file always means a lost one.

    Parameters
    ----------
    block : int16 array, shape (n_leads, chunk_length), µV

    Raises
    ------
    StoreError
        If the block has another form.
    OSError
        If it cannot be written.
    """
    expected = (len(config.leads), config.chunk_length)
    if block.shape != expected or block.dtype != np.int16:
        raise StoreError(f"{path} chunk {chunk}: block of {block.dtype} {block.shape}; expected int16 {expected}")
    file = path / SIGNAL.path / "c" / "0" / str(chunk)
    if isinstance(file, RemotePath):
        file.write_bytes(encode_signal(config.codec, block))
        return chunk_digest(block)
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = partial_of(file)
    try:
        partial.write_bytes(encode_signal(config.codec, block))
        partial.replace(file)
    except OSError:
        partial.unlink(missing_ok=True)
        raise
    return chunk_digest(block)


def part_path(folder: Location, partition: int) -> Location:
    """Where a partition's journal entry is kept."""
    return folder / f"part-{partition}.json"


def write_part(folder: Location, part: Part) -> None:
    """Write a journal entry: whole or not at all, whatever kills the process.

    It is not flushed to the disk. Should the machine itself stop, an entry may be torn or its chunks may: both are
    noticed by the next run, which checks the digests, while waiting for the disk would cost every task.
    """
    _write_text(part_path(folder, part.partition), part.to_json(), flush=False)
