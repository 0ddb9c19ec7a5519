"""The chunks of a store that were decoded last, for whoever reads records or windows in an order of their own."""

import threading
from collections import OrderedDict

import numpy as np
from numpy.typing import NDArray

from ecg12.cache.chunk_reader import ChunkReader


class ChunkCache:
    """Keeps decoded chunks up to a bound, those asked for last; safe to use from several threads.

    Parameters
    ----------
    reader : gives the chunks
    n_chunks : to keep, at least 1

    Attributes
    ----------
    n_decoded : chunks that were decoded so far
    """

    def __init__(self, reader: ChunkReader, n_chunks: int) -> None:
        self.reader = reader
        self.n_chunks = n_chunks
        self.n_decoded = 0
        self._kept: OrderedDict[int, NDArray[np.int16]] = OrderedDict()
        self._lock = threading.Lock()

    def chunk(self, number: int) -> NDArray[np.int16]:
        """A decoded chunk, int16, shape (n_leads, chunk_length), µV; not to be changed.

        Raises
        ------
        ChecksumError
            If it is missing or damaged.
        """
        with self._lock:
            if number in self._kept:
                self._kept.move_to_end(number)
                return self._kept[number]
        block = self.reader.read(number)
        with self._lock:
            self.n_decoded += 1
            self._kept[number] = block
            self._kept.move_to_end(number)
            while len(self._kept) > self.n_chunks:
                self._kept.popitem(last=False)
        return block

    def columns(self, start: int, stop: int) -> NDArray[np.int16]:
        """Columns `start` to `stop` of the signal, int16, shape (n_leads, stop - start), µV; the caller's own.

        Raises
        ------
        ChecksumError
            If a chunk that they lie in is missing or damaged.
        """
        width = self.reader.shape[1]
        out = np.empty((self.reader.shape[0], stop - start), np.int16)
        for number in range(start // width, -(-stop // width)):
            first = number * width
            begin, end = max(start, first), min(stop, first + width)
            out[:, begin - start : end - start] = self.chunk(number)[:, begin - first : end - first]
        return out
