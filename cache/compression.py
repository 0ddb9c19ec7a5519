"""Codec name → zarr codec objects; the only module that knows zarr's codec classes.

Every chain ends in zarr's crc32c, so that any zarr reader notices a damaged chunk. Blosc never uses its own
threads: its threaded output differs from run to run, and tasks already use every core.
"""

from typing import Any, Literal

import numcodecs.blosc
from zarr.codecs import BloscCodec, Crc32cCodec, ZstdCodec

numcodecs.blosc.use_threads = False


def signal_compressors(codec: str) -> list[Any]:
    """Compressors of the signal: Blosc with bitshuffle over 2-byte samples, then crc32c."""
    cname: Literal["lz4", "zstd"] = "lz4" if codec == "lz4" else "zstd"
    return [
        BloscCodec(cname=cname, clevel=5 if codec == "lz4" else 1, shuffle="bitshuffle", typesize=2),
        Crc32cCodec(),
    ]


def table_compressors() -> list[Any]:
    """Compressors of every table column."""
    return [ZstdCodec(level=5), Crc32cCodec()]
