"""The files or objects in which the chunks of a signal lie, and what they decode to.

Their bytes are read and decompressed straight into the caller's array, at about two thirds of the time that zarr takes
with its copies on the way.
"""

import os
import stat
import threading

import numpy as np
from numpy.typing import NDArray

from ecg12.cache.decompression import check_crc, decode_signal
from ecg12.cache.metadata import ArrayForm, read_array, signal_problem
from ecg12.cache.schema import SIGNAL, StoreConfig
from ecg12.cache.storage.location import Location, RemotePath
from ecg12.cache.storage.small_file import describe_kind
from ecg12.ecg.errors import ChecksumError, RemoteError, StoreError

RUN_VERIFY = "; run verify"
"""What to do about a damaged chunk; whoever does that already says something else instead."""


class ChunkFiles:
    """A signal's chunks; safe to use from several threads.

    Parameters
    ----------
    store : the store, complete or not
    config : how it was built

    Attributes
    ----------
    form : the signal's sizes
    shape : of a chunk, (n_leads, chunk_length)
    is_remote : whether they come over a network

    Raises
    ------
    StoreError
        If the signal's metadata is missing, damaged, or not that of such a store.
    """

    def __init__(self, store: Location, config: StoreConfig) -> None:
        self.store = store
        self.codec = config.codec
        self.form: ArrayForm = read_array(store, SIGNAL, config.codec)
        problem = signal_problem(self.form, config)
        if problem:
            raise StoreError(f"{store}/signal: {SIGNAL.dtype} of {problem}: build the store again")
        self.shape = (len(config.leads), config.chunk_length)
        self.is_remote = isinstance(store, RemotePath)
        # no codec makes samples longer but by a few bytes
        self._most_bytes = 2 * int(np.prod(self.shape)) * np.dtype(np.int16).itemsize + 1024
        self._folder: Location = store / SIGNAL.path / "c" / "0"
        self._memory = threading.local()

    def where(self, chunk: int) -> str:
        """What a chunk is called in messages."""
        return f"{self.store}/{SIGNAL.path} chunk {chunk}"

    def missing(self, chunk: int) -> ChecksumError:
        """The error of a chunk whose file is not there."""
        return ChecksumError(f"{self.where(chunk)}: the file is missing{RUN_VERIFY}")

    def is_there(self, chunk: int) -> bool:
        """Whether a chunk has a file, whatever is in it; of a remote one it is not asked."""
        return isinstance(self._folder, RemotePath) or (self._folder / str(chunk)).exists()

    def encoded(self, chunk: int, *, reuse: bool = False) -> bytes | memoryview:
        """A chunk's bytes; with `reuse` a view of memory that this thread uses again for the next one.

        Raises
        ------
        ChecksumError
            If its file is missing, cannot be read, or is longer than a chunk can be.
        RemoteError
            If it is remote and the server cannot be had.
        """
        try:
            return self._read_bytes(chunk, reuse=reuse)
        except FileNotFoundError:
            raise self.missing(chunk) from None
        except RemoteError:
            raise
        except OSError as error:
            raise ChecksumError(f"{self.where(chunk)}: cannot be read ({error}){RUN_VERIFY}") from error

    def decode(self, chunk: int, encoded: bytes | memoryview, out: NDArray[np.int16], *, check: bool) -> None:
        """Decode a chunk's bytes into a C-contiguous array of `shape`; `check` holds them against their crc32c first.

        Raises
        ------
        ChecksumError
            If they are damaged.
        """
        try:
            if check:
                check_crc(bytes(encoded))
            decode_signal(self.codec, encoded, out)
        except ValueError as error:
            raise ChecksumError(f"{self.where(chunk)}: damaged ({error}){RUN_VERIFY}") from error

    def read(self, chunk: int) -> NDArray[np.int16]:
        """A decoded chunk, int16, shape (n_leads, chunk_length), µV, held against its crc32c."""
        out = np.empty(self.shape, np.int16)
        self.decode(chunk, self.encoded(chunk), out, check=True)
        return out

    def _read_bytes(self, chunk: int, *, reuse: bool) -> bytes | memoryview:
        if isinstance(self._folder, RemotePath):
            return (self._folder / str(chunk)).read_first(self._most_bytes)
        path = self._folder / str(chunk)
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(f"{describe_kind(path)}; expected a file")  # a FIFO would be waited for
        if status.st_size > self._most_bytes:
            raise OSError(f"{status.st_size:,} bytes; expected less than {self._most_bytes:,}")
        with path.open("rb", buffering=0) as file:
            if not reuse:
                return file.read()  # google_crc32c takes nothing but bytes
            kept = getattr(self._memory, "view", memoryview(bytearray()))
            if len(kept) < status.st_size:
                kept = self._memory.view = memoryview(bytearray(status.st_size + status.st_size // 8))
            return kept[: file.readinto(kept[: status.st_size])]
