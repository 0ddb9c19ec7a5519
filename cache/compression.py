"""Codec name → zarr codec objects; the only module that knows zarr's codec classes.

Every chain ends in zarr's crc32c, so that any zarr reader notices a damaged chunk. Blosc never uses its own
threads: its threaded output differs from run to run, and tasks already use every core.
"""

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any, Literal

import google_crc32c
import numcodecs.blosc
import numpy as np
from numcodecs.blosc import Blosc
from numpy.typing import NDArray
from zarr.codecs import BloscCodec, Crc32cCodec, ZstdCodec

from ecg12.ecg.errors import ConfigError

numcodecs.blosc.use_threads = False

_LEVELS = {"lz4": 5, "zstd": 1, "pcodec": 8}
_TABLE_LEVEL = 5


def signal_codecs(codec: str) -> dict[str, Any]:
    """zarr's codecs of the signal: Blosc with bitshuffle over 2-byte samples, or pcodec; then crc32c.

    Raises
    ------
    ConfigError
        If the codec is pcodec and its package is not installed.
    """
    if codec == "pcodec":
        require_codec(codec)
        from zarr.codecs.numcodecs import PCodec

        with codecs_beyond_zarr():
            return {"serializer": PCodec(level=_LEVELS[codec]), "compressors": [Crc32cCodec()]}
    cname: Literal["lz4", "zstd"] = "lz4" if codec == "lz4" else "zstd"
    blosc = BloscCodec(cname=cname, clevel=_LEVELS[codec], shuffle="bitshuffle", typesize=2)
    return {"compressors": [blosc, Crc32cCodec()]}


def encode_signal(codec: str, block: NDArray[np.int16]) -> bytes:
    """A chunk of the signal as it lies in its file: what zarr itself would write, without its copies on the way.

    Parameters
    ----------
    block : int16 array, shape (n_leads, chunk_length), µV
    """
    if codec == "pcodec":
        from numcodecs.pcodec import PCodec

        encoder: Any = PCodec(level=_LEVELS[codec])
    else:
        encoder = Blosc(cname=codec, clevel=_LEVELS[codec], shuffle=Blosc.BITSHUFFLE)
    encoded = bytes(encoder.encode(np.ascontiguousarray(block, "<i2")))
    return encoded + google_crc32c.value(encoded).to_bytes(4, "little")


def require_codec(codec: str) -> None:
    """Raise ConfigError if a codec's package is not there: pcodec's is not one of this program's requirements."""
    if codec == "pcodec" and find_spec("pcodec") is None:
        raise ConfigError("codec pcodec: the package pcodec is not installed; pip install pcodec, or choose another")


_FILTERS = threading.RLock()
"""Held while the filters of warnings are other ones: they are the whole process's, and threads open arrays, too."""


@contextmanager
def codecs_beyond_zarr() -> Iterator[None]:
    """Without zarr's warning, at every opening, that pcodec is not in its specification: FORMAT.md says so."""
    with _FILTERS, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Numcodecs codecs are not in the Zarr version 3 specification", UserWarning)
        yield


def codec_metadata(dtype: str, codec: str | None = None) -> list[dict[str, Any]]:
    """The codecs of an array as its zarr.json has them: of the signal, encoded by `codec`, or of a table's column."""
    if codec is None:
        serializer = _BYTES | _endian_of(dtype) if dtype != "string" else {"name": "vlen-utf8", "configuration": {}}
        return [serializer, {"name": "zstd", "configuration": {"level": _TABLE_LEVEL, "checksum": False}}, _CRC]
    if codec == "pcodec":
        return [{"name": "numcodecs.pcodec", "configuration": {"level": _LEVELS[codec]}}, _CRC]
    blosc = {"typesize": 2, "cname": codec, "clevel": _LEVELS[codec], "shuffle": "bitshuffle", "blocksize": 0}
    return [_BYTES | _endian_of(dtype), {"name": "blosc", "configuration": blosc}, _CRC]


_BYTES, _CRC = {"name": "bytes"}, {"name": "crc32c"}


def _endian_of(dtype: str) -> dict[str, Any]:
    """What has one byte a value has no byte order."""
    return {"configuration": {"endian": "little"}} if np.dtype(dtype).itemsize > 1 else {}


def table_compressors() -> list[Any]:
    """Compressors of every table column."""
    return [ZstdCodec(level=_TABLE_LEVEL), Crc32cCodec()]
