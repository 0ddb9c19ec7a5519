"""A small store written with `cache` alone, and damage done to stores."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecg12.cache.layout import plan_layout
from ecg12.cache.schema import RecordRow, Reject, StoreConfig
from ecg12.cache.writing.finalise import finalise
from ecg12.cache.writing.writer import create_store, write_chunk
from tests.records import pulses_uv

CONFIG = StoreConfig(chunk_length=2048, seed=1)
LENGTHS = {"A0001": 1000, "A0002": 700, "B": 3000, "C": 900}
"""Record name → samples; B is longer than a chunk."""


def record_row(name: str, /, **changes: Any) -> RecordRow:
    """A row of the tables with nothing special about it but `changes`."""
    values = {
        "dataset": "cpsc" if name.startswith("A") else "ward",
        "name": name,
        "start": 0,
        "length": 1000,
        "fs_source": 500.0,
        "n_samples_source": 1250,
        "age": 60.0,
        "sex": "Female",
        "group": f"group of {name}",
        "scale": 100.0,
        "n_invalid": 0,
        "n_clipped": 0,
        "digest": hashlib.sha256(name.encode()).hexdigest(),
        "lead_flags": (0,) * 12,
        "offset": (0,) * 12,
        "dx_codes": ("426783006",),
    }
    return RecordRow(**(values | changes))


def write_store(
    path: Path,
    changes: dict[str, dict[str, Any]] | None = None,
    config: StoreConfig = CONFIG,
    lengths: dict[str, int] = LENGTHS,
) -> dict[str, NDArray[np.int16]]:
    """Write the records of `lengths` as a complete store and give back their signals by name."""
    names = list(lengths)
    signals = {name: pulses_uv(lengths[name], fs=400, seed=seed) for seed, name in enumerate(names)}
    keys = [(record_row(name).dataset, name) for name in names]
    layout = plan_layout(keys, np.array(list(lengths.values())), chunk_length=config.chunk_length, seed=config.seed)
    whole = np.zeros((12, layout.n_chunks * config.chunk_length), np.int16)
    for start, name in zip(layout.start, names, strict=True):
        whole[:, start : start + lengths[name]] = signals[name]
    create_store(path, config, layout.n_chunks)
    digests = {
        chunk: write_chunk(path, config, chunk, block)
        for chunk, block in enumerate(np.split(whole, layout.n_chunks, axis=1))
    }
    rows = [
        record_row(name, **{"start": int(start), "length": lengths[name], **(changes or {}).get(name, {})})
        for start, name in zip(layout.start, names, strict=True)
    ]
    finish_store(path, rows, digests, config)
    return signals


def finish_store(path: Path, rows: list[RecordRow], digests: dict[int, str], config: StoreConfig = CONFIG) -> None:
    """`finalise` with two scored classes and one reject."""
    finalise(
        path,
        config,
        rows,
        [Reject(dataset="ward", record="D", stage="signal", reason="D: cut short")],
        digests,
        scored_classes=("426783006", "713427006"),
        representative={"426783006": "426783006", "713427006": "713427006", "59118001": "713427006"},
        plan_digest="plan",
    )


def edit_json(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change a JSON file in place."""
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))


def flip_byte(path: Path, position: int = -20) -> None:
    """Turn over all bits of one byte of a file."""
    data = bytearray(path.read_bytes())
    data[position] ^= 0xFF
    path.write_bytes(data)


def truncate(path: Path) -> None:
    """Keep the first half of a file."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below `folder`, by its relative path."""
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
