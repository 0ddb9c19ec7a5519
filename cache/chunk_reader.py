"""Whole chunks of the signal, as fast as they can be had and still be trusted.

The bytes of a remote chunk may be fetched first (`fetch`), by other threads than those that decode.
"""

import numpy as np
from numpy.typing import NDArray

from ecg12.cache.reader import Store
from ecg12.cache.several_stores import StoreUnion


class ChunkReader:
    """Reads a store's chunks; safe to use from several threads.

    Parameters
    ----------
    store : the store, or several read as one
    check : hold each chunk against its crc32c, and then against `chunk/digest`, when it is decoded for the first time
        since the store was opened. Bytes on a disk seldom change between two epochs, so later on only the frame's sizes
        are looked at; what comes over a network is held against its crc32c each time. False never checks.
    """

    def __init__(self, store: Store, *, check: bool = True) -> None:
        self.store = store
        self.check = check
        self.shape = (len(store.leads), store.chunk_length)
        self._members: tuple[ChunkReader, ...] = ()
        if isinstance(store, StoreUnion):
            self._members = tuple(ChunkReader(member, check=check) for member in store.members)

    @property
    def is_remote(self) -> bool:
        """Whether chunks, or some of them, come over a network."""
        return any(one.is_remote for one in self._members) if self._members else self.store.files.is_remote

    def fetch(self, chunk: int) -> bytes | None:
        """The bytes of a remote chunk, for `read`; None where it is a file.

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
        return bytes(self.store.files.encoded(chunk)) if self.is_remote else None

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
            If its file is missing, damaged or another chunk's, naming the chunk.
        RemoteError
            If it is remote and the server cannot be had.
        """
        if out is None:
            out = np.empty(self.shape, np.int16)
        if isinstance(self.store, StoreUnion):
            member, there = self.store.locate_chunk(chunk)
            return self._members[member].read(there, out, fetched=fetched)
        files = self.store.files
        unproven = self.check and not self.store.proven[chunk]
        encoded = files.encoded(chunk, reuse=not unproven) if fetched is None else fetched
        files.decode(chunk, encoded, out, check=unproven or (self.check and files.is_remote))
        if unproven:
            self.store.prove(chunk, out)
        return out
