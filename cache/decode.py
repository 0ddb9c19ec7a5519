"""Whole chunks of the signal, as fast as they can be had and still be trusted.

Where a chunk's file is what this program writes, a Blosc frame and its crc32c, its bytes are read and decompressed
straight into the caller's array, at about two thirds of the time that zarr takes with its copies on the way. Any
other chain of codecs goes through zarr. The bytes of a remote chunk may be fetched first (`fetch`), by other threads
than those that decode.
"""

import json
import struct
import sys
import threading

import google_crc32c
import numcodecs.blosc
import numpy as np
from numpy.typing import NDArray

from cache.location import Location, RemotePath
from cache.reader import Store
from cache.schema import SIGNAL
from cache.union import StoreUnion
from ecg.errors import ChecksumError, RemoteError

_CRC_BYTES = 4
_RESIDUE = 0x48674BC7
"""crc32c of any bytes followed by their own crc32c, little-endian: so a file is checked without cutting it."""

_FRAME_HEADER = struct.Struct("<4x3I")
"""Of a Blosc 1 frame: after four bytes the decoded size, the block size and the frame's own size."""


class ChunkReader:
    """Reads a store's chunks; safe to use from several threads.

    Parameters
    ----------
    store : the store, or several read as one
    check : hold each chunk against its crc32c when it is decoded for the first time by this reader. Bytes on a disk
        seldom change between two epochs, so later on only the frame's sizes are looked at; what comes over a network is
        checked each time. False never checks.
    """

    def __init__(self, store: Store, *, check: bool = True) -> None:
        self.store = store
        self.shape = (len(store.leads), store.chunk_length)
        self._members: tuple[ChunkReader, ...] = ()
        if isinstance(store, StoreUnion):
            self._members = tuple(ChunkReader(member, check=check) for member in store.members)
            return
        self._folder: Location = store.path / SIGNAL.path / "c" / "0"
        self._direct = _is_blosc_and_crc(store.path / SIGNAL.path / "zarr.json")
        self._unchecked = np.full(store.n_chunks, check)
        self._memory = threading.local()

    @property
    def is_remote(self) -> bool:
        """Whether chunks, or some of them, come over a network."""
        return any(one.is_remote for one in self._members) or isinstance(self.store.path, RemotePath)

    def fetch(self, chunk: int) -> bytes | None:
        """The bytes of a remote chunk, for `read`; None where it is a file, or comes through zarr.

        Raises
        ------
        ChecksumError
            If it is missing, naming the chunk.
        RemoteError
            If the server cannot be had.
        """
        if isinstance(self.store, StoreUnion):
            member, there = self.store.locate_chunk(chunk)
            return self._members[member].fetch(there)
        if not self._direct or not isinstance(self._folder, RemotePath):
            return None
        return bytes(self._encoded(chunk))

    def read(
        self, chunk: int, out: NDArray[np.int16] | None = None, *, fetched: bytes | None = None
    ) -> NDArray[np.int16]:
        """A decoded chunk, int16, shape (n_leads, chunk_length), µV.

        Parameters
        ----------
        out : C-contiguous array of that shape and dtype to decode into; None makes one
        fetched : what `fetch` gave for this chunk; None reads it now

        Raises
        ------
        ChecksumError
            If its file is missing or damaged, naming the chunk.
        RemoteError
            If it is remote and the server cannot be had.
        """
        if out is None:
            out = np.empty(self.shape, np.int16)
        if isinstance(self.store, StoreUnion):
            member, there = self.store.locate_chunk(chunk)
            return self._members[member].read(there, out, fetched=fetched)
        if not self._direct:
            out[...] = self.store.read_chunk(chunk)  # zarr checks the crc32c each time
            return out
        where = self._where(chunk)
        encoded = self._encoded(chunk) if fetched is None else fetched
        problem = self._problem(chunk, encoded, out)
        if problem:
            raise ChecksumError(f"{where}: damaged ({problem}); run verify")
        try:
            numcodecs.blosc.decompress(encoded, out)
        except (RuntimeError, ValueError) as error:
            raise ChecksumError(f"{where}: damaged ({error}); run verify") from error
        if not isinstance(self._folder, RemotePath):
            self._unchecked[chunk] = False
        return out

    def _where(self, chunk: int) -> str:
        return f"{self.store.path}/{SIGNAL.path} chunk {chunk}"

    def _encoded(self, chunk: int) -> bytes | memoryview:
        try:
            return self._read_bytes(chunk)
        except FileNotFoundError:
            raise ChecksumError(f"{self._where(chunk)}: the file is missing; run verify") from None
        except RemoteError:
            raise
        except OSError as error:
            raise ChecksumError(f"{self._where(chunk)}: cannot be read ({error}); run verify") from error

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
        if isinstance(self._folder, RemotePath):
            return (self._folder / str(chunk)).read_bytes()
        with (self._folder / str(chunk)).open("rb") as file:
            if self._unchecked[chunk]:
                return file.read()  # google_crc32c takes nothing but bytes
            size = file.seek(0, 2)
            file.seek(0)
            kept = getattr(self._memory, "view", memoryview(bytearray()))
            if len(kept) < size:
                kept = self._memory.view = memoryview(bytearray(size + size // 8))
            return kept[: file.readinto(kept[:size])]


def _is_blosc_and_crc(metadata_file: Location) -> bool:
    """Whether each chunk is one file with a Blosc frame of native samples and its crc32c, as far as zarr.json says."""
    metadata = json.loads(metadata_file.read_text(encoding="utf-8"))
    codecs = [(codec["name"], codec.get("configuration", {})) for codec in metadata["codecs"]]
    return (
        [name for name, _ in codecs] == ["bytes", "blosc", "crc32c"]
        and codecs[0][1].get("endian") == "little" == sys.byteorder
        and metadata["chunk_key_encoding"] == {"name": "default", "configuration": {"separator": "/"}}
        and not metadata.get("storage_transformers")
    )
