"""Bytes of WFDB signal files ⇄ counts of samples, and bytes → samples, for every format that is not compressed.

A file is one long row of samples, frame after frame; what belongs to which signal is the reader's business. Every
length is told from the number of bytes before anything is made of it.

Source: WFDB Applications Guide, signal(5).
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

COMPRESSED = ("508", "516", "524")
"""FLAC; how long such a file is tells only its reader."""

_ALIGNED = {"8": "i1", "16": "<i2", "61": ">i2", "80": "u1", "160": "<u2", "32": "<i4"}
_BYTES = {"8": 1, "16": 2, "61": 2, "80": 1, "160": 2, "24": 3, "32": 4}
# a pair of samples in three bytes, three samples in four: bytes that 0, 1, … samples beyond whole blocks take
_BLOCKS = {"212": (3, (0, 2)), "310": (4, (0, 2, 4)), "311": (4, (0, 2, 3))}

FORMATS = (*_BYTES, *_BLOCKS, *COMPRESSED)


def bytes_needed(fmt: str, n_samples: int) -> int:
    """Bytes that so many samples of an uncompressed format take."""
    if fmt in _BYTES:
        return _BYTES[fmt] * n_samples
    size, rests = _BLOCKS[fmt]
    blocks, rest = divmod(n_samples, len(rests))
    return size * blocks + rests[rest]


def samples_in(fmt: str, n_bytes: int) -> int | None:
    """Samples that so many bytes hold; None where the format leaves that open: it packs samples, or compresses them."""
    return n_bytes // _BYTES[fmt] if fmt in _BYTES else None


def decode_samples(fmt: str, data: NDArray[np.uint8], n_samples: int) -> NDArray[np.integer]:
    """The samples of an uncompressed format, as they lie in the file.

    Parameters
    ----------
    data : uint8 array, `bytes_needed(fmt, n_samples)` long

    Returns
    -------
    int16 array, shape (n_samples,), adu; int32 for formats 24 and 32; first differences (int8) for format 8
    """
    if fmt in _PACKED:
        return _PACKED[fmt](data, n_samples)
    if fmt == "24":
        # the third byte has the sign
        wide = data.reshape(-1, 3).astype(np.int32)
        return wide[:, 0] | wide[:, 1] << 8 | (wide[:, 2] << 24 >> 8)
    samples = data.view(_ALIGNED[fmt])
    if fmt == "80":
        return samples.astype(np.int16) - np.int16(128)
    if fmt == "160":
        return (samples.astype(np.int32) - 32768).astype(np.int16)
    return samples.astype(samples.dtype.newbyteorder("="), copy=False)


def _blocks(data: NDArray[np.uint8], size: int) -> NDArray[np.int16]:
    """Bytes as int16, shape (block, byte), the last block filled up with zeros."""
    blocks = np.zeros((-(-len(data) // size), size), np.int16)
    blocks.reshape(-1)[: len(data)] = data
    return blocks


def _signed(samples: NDArray[np.int16], n_bits: int, n_samples: int) -> NDArray[np.int16]:
    shift = 16 - n_bits
    return np.ascontiguousarray((samples << shift >> shift).reshape(-1)[:n_samples])


def _decode_212(data: NDArray[np.uint8], n_samples: int) -> NDArray[np.int16]:
    """12 bits: the low byte of the first, both high halves (the second's above), the low byte of the second."""
    low, high, second = _blocks(data, 3).T
    return _signed(np.stack([low | (high & 0x0F) << 8, second | (high & 0xF0) << 4], axis=1), 12, n_samples)


def _decode_310(data: NDArray[np.uint8], n_samples: int) -> NDArray[np.int16]:
    """10 bits: two words with a sample each above the lowest bit, whose highest five bits are halves of the third."""
    low_1, high_1, low_2, high_2 = _blocks(data, 4).T
    first, second = low_1 >> 1 | (high_1 & 0x07) << 7, low_2 >> 1 | (high_2 & 0x07) << 7
    return _signed(np.stack([first, second, high_1 >> 3 | (high_2 & 0xF8) << 2], axis=1), 10, n_samples)


def _decode_311(data: NDArray[np.uint8], n_samples: int) -> NDArray[np.int16]:
    """10 bits: three samples one after another in the lower thirty bits of a word."""
    one, two, three, four = _blocks(data, 4).T
    first, second, third = one | (two & 0x03) << 8, two >> 2 | (three & 0x0F) << 6, three >> 4 | (four & 0x3F) << 4
    return _signed(np.stack([first, second, third], axis=1), 10, n_samples)


_PACKED: dict[str, Callable[[NDArray[np.uint8], int], NDArray[np.int16]]] = {
    "212": _decode_212,
    "310": _decode_310,
    "311": _decode_311,
}
