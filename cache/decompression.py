"""Decoding bytes that nobody vouches for: every size that they state is held against what is expected first.

A crc32c only says that bytes are the ones it was made for. What the decompressors then read in them (a decoded size, a
block size, a number of texts) decides what they allocate and where they write, so it is looked at before they are
asked: nothing is decoded that would not come to exactly the bytes, or within the bound, that the caller has room for.
"""

import struct
import sys

import google_crc32c
import numcodecs.blosc
import numcodecs.zstd
import numpy as np
from numcodecs.vlen import VLenUTF8
from numpy.typing import NDArray

CRC_BYTES = 4
_RESIDUE = 0x48674BC7
"""crc32c of any bytes followed by their own crc32c, little-endian: so a file is checked without cutting it."""

_FRAME = struct.Struct("<4B3I")
"""Of a Blosc 1 frame: version, its codec's, flags, bytes a value; then the decoded size, the block's, the frame's."""

_FRAME_VERSION, _SAMPLE_BYTES = 2, 2

_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"


def check_crc(encoded: bytes) -> None:
    """Raise ValueError if a chunk's file does not end in the crc32c of the rest of it."""
    if google_crc32c.value(encoded) != _RESIDUE:
        raise ValueError("its crc32c is not the one written with it")


def decode_signal(codec: str, encoded: bytes | memoryview, out: NDArray[np.int16]) -> None:
    """A chunk of the signal, as it lies in its file with its crc32c, into a C-contiguous array.

    Raises
    ------
    ValueError
        If it does not come to exactly that many samples, or is damaged.
    """
    if codec == "pcodec":
        _decode_pcodec(bytes(encoded[:-CRC_BYTES]), out)
    else:
        _decode_blosc(encoded, out)
    if sys.byteorder == "big":
        out.byteswap(inplace=True)


def _decode_blosc(encoded: bytes | memoryview, out: NDArray[np.int16]) -> None:
    n_bytes = len(encoded) - CRC_BYTES
    if n_bytes < _FRAME.size:
        raise ValueError(f"{len(encoded)} bytes")
    version, _, _, n_value, n_decoded, n_block, n_frame = _FRAME.unpack_from(encoded)
    # Blosc trusts these, so that a wrong one would make it read or write outside its arrays
    if (n_decoded, n_frame) != (out.nbytes, n_bytes):
        raise ValueError(f"a frame of {n_frame} bytes for {n_decoded}; expected {n_bytes} for {out.nbytes}")
    if version != _FRAME_VERSION or n_value != _SAMPLE_BYTES or not 0 < n_block <= n_decoded:
        raise ValueError(f"a frame of version {version} for values of {n_value} bytes in blocks of {n_block} bytes")
    try:
        numcodecs.blosc.decompress(encoded, out)
    except (RuntimeError, SystemError) as error:
        raise ValueError(str(error)) from error


def _decode_pcodec(encoded: bytes, out: NDArray[np.int16]) -> None:
    from pcodec import standalone  # type: ignore[import-untyped]

    try:
        done = standalone.simple_decompress_into(encoded, out.reshape(-1))
    except RuntimeError as error:
        raise ValueError(str(error)) from error
    if done.n_processed != out.size or not done.finished:
        raise ValueError(f"{done.n_processed} samples; expected {out.size}")


def decode_table(encoded: bytes, dtype: str, n_values: int, most: int) -> NDArray:
    """A chunk of a table's column, as it lies in its file with its crc32c: so many values, texts as an object array.

    Parameters
    ----------
    most : bytes that it may come to, decoded

    Raises
    ------
    ValueError
        If it is damaged or comes to more, or to another number of values.
    """
    check_crc(encoded)
    frame = encoded[:-CRC_BYTES]
    n_bytes = zstd_size(frame)
    if n_bytes > most:
        raise ValueError(f"{n_bytes:,} bytes in {len(encoded):,}; expected at most {most:,}")
    expected = None if dtype == "string" else n_values * np.dtype(dtype).itemsize
    if expected is not None and n_bytes != expected:
        raise ValueError(f"{n_bytes} bytes; expected {expected}")
    data = _decode_zstd(frame, n_bytes)
    return _texts(data, n_values) if expected is None else _numbers(data, dtype)


def _decode_zstd(frame: bytes, n_bytes: int) -> bytes:
    data = np.empty(n_bytes, np.uint8)
    try:
        numcodecs.zstd.decompress(frame, data)
    except (RuntimeError, SystemError) as error:
        raise ValueError(str(error)) from error
    return data.tobytes()


def zstd_size(frame: bytes) -> int:
    """Bytes that a Zstandard frame says it decodes to, which need not be true but is all that will be written.

    Raises
    ------
    ValueError
        If it is none, or does not say.

    Source: RFC 8878, section 3.1.1.1.
    """
    if frame[:4] != _ZSTD_MAGIC or len(frame) < 5:
        raise ValueError("no Zstandard frame")
    descriptor = frame[4]
    single, flag = bool(descriptor & 0x20), descriptor >> 6
    width = (1 if single else 0, 2, 4, 8)[flag]
    first = 5 + (not single) + (0, 1, 2, 4)[descriptor & 3]
    field = frame[first : first + width]
    if not width or len(field) < width:
        raise ValueError("a Zstandard frame that does not say how much it holds")
    return int.from_bytes(field, "little") + (256 if width == 2 else 0)


def _texts(data: bytes, n_values: int) -> NDArray[np.object_]:
    """Zarr's vlen-utf8: their number, then each one's length and bytes."""
    stated = int.from_bytes(data[:4], "little")
    if len(data) < 4 + 4 * n_values or stated != n_values:
        raise ValueError(f"{stated} texts in {len(data)} bytes; expected {n_values}")
    return np.asarray(VLenUTF8().decode(data), object)


def _numbers(data: bytes, dtype: str) -> NDArray:
    values = np.frombuffer(data, np.dtype("u1" if dtype == "bool" else dtype).newbyteorder("<"))
    if dtype != "bool":
        return values.astype(dtype)
    if values.size and values.max() > 1:
        raise ValueError(f"a truth value of {values.max()}; expected 0 or 1")
    return values.astype(bool)
