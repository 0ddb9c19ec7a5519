"""Whole chunks of the signal, as fast as they can be had and still be trusted.

Where a chunk's file is what this program writes, a Blosc frame and its crc32c, its bytes are read and decompressed
straight into the caller's array, at about two thirds of the time that zarr takes with its copies on the way. Any
other chain of codecs goes through zarr.
"""

import json
import struct
import sys
import threading
from pathlib import Path

import google_crc32c
import numcodecs.blosc
import numpy as np
from numpy.typing import NDArray

from cache.reader import Store
from cache.schema import SIGNAL
from ecg.errors import ChecksumError

_CRC_BYTES = 4
_RESIDUE = 0x48674BC7
"""crc32c of any bytes followed by their own crc32c, little-endian: so a file is checked without cutting it."""

_FRAME_HEADER = struct.Struct("<4x3I")
"""Of a Blosc 1 frame: after four bytes the decoded size, the block size and the frame's own size."""


class ChunkReader:
    """Reads a store's chunks; safe to use from several threads.

    Parameters
    ----------
    store : the store
    check : hold each chunk against its crc32c when it is decoded for the first time by this reader. Bytes on a disk
        seldom change between two epochs, so later on only the frame's sizes are looked at. False never checks.
    """

    def __init__(self, store: Store, *, check: bool = True) -> None:
        self.store = store
        self.shape = (len(store.leads), store.chunk_length)
        self._folder = store.path / SIGNAL.path / "c" / "0"
        self._direct = _is_blosc_and_crc(store.path / SIGNAL.path / "zarr.json")
        self._unchecked = np.full(store.n_chunks, check)
        self._memory = threading.local()

    def read(self, chunk: int, out: NDArray[np.int16] | None = None) -> NDArray[np.int16]:
        """A decoded chunk, int16, shape (n_leads, chunk_length), µV.

        Parameters
        ----------
        out : C-contiguous array of that shape and dtype to decode into; None makes one

        Raises
        ------
        ChecksumError
            If its file is missing or damaged, naming the chunk.
        """
        if out is None:
            out = np.empty(self.shape, np.int16)
        if not self._direct:
            out[...] = self.store.read_chunk(chunk)  # zarr checks the crc32c each time
            return out
        where = f"{self.store.path}/{SIGNAL.path} chunk {chunk}"
        try:
            encoded = self._read_bytes(chunk)
        except FileNotFoundError:
            raise ChecksumError(f"{where}: the file is missing; run verify") from None
        except OSError as error:
            raise ChecksumError(f"{where}: cannot be read ({error}); run verify") from error
        problem = self._problem(chunk, encoded, out)
        if problem:
            raise ChecksumError(f"{where}: damaged ({problem}); run verify")
        try:
            numcodecs.blosc.decompress(encoded, out)
        except (RuntimeError, ValueError) as error:
            raise ChecksumError(f"{where}: damaged ({error}); run verify") from error
        self._unchecked[chunk] = False
        return out

    def _problem(self, chunk: int, encoded: bytes | memoryview, out: NDArray[np.int16]) -> str | None:
        """What is wrong with a chunk's bytes, as far as it can be told before decoding."""
        if self._unchecked[chunk] and google_crc32c.value(encoded) != _RESIDUE:
            return "its crc32c is not the one written with it"
        n_bytes = len(encoded) - _CRC_BYTES
        if n_bytes < _FRAME_HEADER.size:
            return f"{len(encoded)} bytes"
        n_decoded, _, n_frame = _FRAME_HEADER.unpack_from(encoded)
        # Blosc trusts these two, so that a wrong one would make it read or write outside its arrays
        if (n_decoded, n_frame) != (out.nbytes, n_bytes):
            return f"a frame of {n_frame} bytes for {n_decoded}; expected {n_bytes} for {out.nbytes}"
        return None

    def _read_bytes(self, chunk: int) -> bytes | memoryview:
        """The chunk's file: bytes where they are to be checked, else a view of memory that the thread uses again."""
        with (self._folder / str(chunk)).open("rb") as file:
            if self._unchecked[chunk]:
                return file.read()  # google_crc32c takes nothing but bytes
            size = file.seek(0, 2)
            file.seek(0)
            kept = getattr(self._memory, "view", memoryview(bytearray()))
            if len(kept) < size:
                kept = self._memory.view = memoryview(bytearray(size + size // 8))
            return kept[: file.readinto(kept[:size])]


def _is_blosc_and_crc(metadata_file: Path) -> bool:
    """Whether each chunk is one file with a Blosc frame of native samples and its crc32c, as far as zarr.json says."""
    metadata = json.loads(metadata_file.read_text(encoding="utf-8"))
    codecs = [(codec["name"], codec.get("configuration", {})) for codec in metadata["codecs"]]
    return (
        [name for name, _ in codecs] == ["bytes", "blosc", "crc32c"]
        and codecs[0][1].get("endian") == "little" == sys.byteorder
        and metadata["chunk_key_encoding"] == {"name": "default", "configuration": {"separator": "/"}}
        and not metadata.get("storage_transformers")
    )
