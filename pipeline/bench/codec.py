"""`bench codecs`: how small and how fast each way of compressing the signal is, on a store's own chunks.

Blosc and pcodec run in one thread, as in the ingest; the best of several goes counts. Decoding is what training waits
for, encoding what the ingest pays, and the size what the disk holds and the network carries.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numcodecs import Delta
from numcodecs.blosc import Blosc
from numpy.typing import NDArray

from ecg12.cache.compression import require_codec
from ecg12.cache.reader import Store
from ecg12.cache.schema import CODECS
from ecg12.pipeline.runtime.progress import Progress, silent

REPEATS = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class CodecRow:
    """One codec: how many times smaller, and megabytes of signal a second in and out; `choice` for build-cache."""

    what: str
    choice: str
    ratio: float
    encode_mb_s: float
    decode_mb_s: float


def run(store: Path, *, n_chunks: int = 4, progress: Progress = silent) -> list[CodecRow]:
    """Measure on evenly spread chunks of `store`.

    Raises
    ------
    StoreError
        If there is no complete store of this version.
    """
    opened = Store(store)
    chosen = np.unique(np.linspace(0, opened.n_chunks - 1, n_chunks).astype(int))
    blocks = [np.ascontiguousarray(opened.read_chunk(int(chunk))) for chunk in chosen]
    for codec in CODECS:
        require_codec(codec)
    ways = _ways()
    with progress("bench codecs", len(ways), "codecs") as task:
        rows = []
        for what, (choice, encode, decode) in ways.items():
            rows.append(_measure(what, choice, encode, decode, blocks))
            task.advance()
    return rows


def _ways() -> dict[str, tuple[str, Callable[[NDArray], bytes], Callable[[bytes], Any]]]:
    from numcodecs.pcodec import PCodec

    ways: dict[str, tuple[str, Callable[[NDArray], bytes], Callable[[bytes], Any]]] = {}
    for cname, level, choice in (("lz4", 5, "lz4"), ("lz4", 1, ""), ("zstd", 1, "zstd"), ("zstd", 5, "")):
        blosc = Blosc(cname=cname, clevel=level, shuffle=Blosc.BITSHUFFLE)
        ways[f"{cname}-{level}, bitshuffle"] = (choice, blosc.encode, blosc.decode)
    zstd, delta = Blosc(cname="zstd", clevel=1, shuffle=Blosc.BITSHUFFLE), Delta("<i2")
    ways["delta, zstd-1, bitshuffle"] = (
        "",
        lambda block: zstd.encode(delta.encode(block)),
        lambda data: delta.decode(np.frombuffer(zstd.decode(data), "<i2")),
    )
    for level, choice in ((8, "pcodec"), (4, "")):
        pcodec = PCodec(level=level)
        ways[f"pcodec-{level}"] = (choice, pcodec.encode, pcodec.decode)
    return ways


def _measure(
    what: str,
    choice: str,
    encode: Callable[[NDArray], bytes],
    decode: Callable[[bytes], Any],
    blocks: list[NDArray[np.int16]],
) -> CodecRow:
    n_bytes = sum(block.nbytes for block in blocks)
    encoded = [encode(block) for block in blocks]
    encode_s = min(_seconds(lambda: [encode(block) for block in blocks]) for _ in range(REPEATS))
    decode_s = min(_seconds(lambda: [decode(data) for data in encoded]) for _ in range(REPEATS))
    return CodecRow(
        what=what,
        choice=choice,
        ratio=n_bytes / sum(map(len, encoded)),
        encode_mb_s=n_bytes / encode_s / 1e6,
        decode_mb_s=n_bytes / decode_s / 1e6,
    )


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun
