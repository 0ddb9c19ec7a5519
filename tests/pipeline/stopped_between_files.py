"""A run's folder at every moment at which its process could be killed, and a disk that is full at a given file."""

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

PASSING = {"seconds", "windows_per_second", "waiting"}
"""Columns of a history that go by the clock."""


def take_snapshots(folder: Path, into: Path, do: Callable[[], object]) -> list[Path]:
    """Copies of `folder` as it was before each file got its name or went, while something is done that does both."""
    made: list[Path] = []

    def snap() -> None:
        made.append(into / f"{len(made):03d}")
        shutil.copytree(folder, made[-1])

    with pytest.MonkeyPatch.context() as patch:
        for name in ("replace", "unlink"):
            real = getattr(Path, name)

            def after_snap(self: Path, *args: Any, real: Any = real, **options: Any) -> Any:
                if self.parent == folder:
                    snap()
                return real(self, *args, **options)

            patch.setattr(Path, name, after_snap)
        do()
    return made


@contextmanager
def full_disk_at(number: int) -> Iterator[list[int]]:
    """The disk is full at the `number`th file to be flushed, counted from 0; gives a list of those that were."""
    flushed: list[int] = []
    real = os.fsync

    def fsync(file: int) -> None:
        flushed.append(file)
        if len(flushed) == number + 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(file)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        yield flushed


def contents(folder: Path) -> dict[str, Any]:
    """All files of a run folder by name, for comparison by `same`; what goes by the clock is left out."""
    found: dict[str, Any] = {}
    for path in folder.iterdir():
        if path.suffix == ".pth":
            found[path.name] = without_times(torch.load(path, weights_only=True))
        elif path.name.endswith("history.csv"):
            names, *rows = [line.split(",") for line in path.read_text().splitlines()]
            found[path.name] = [
                {name: value for name, value in zip(names, row, strict=True) if name not in PASSING} for row in rows
            ]
        else:
            found[path.name] = path.read_bytes()
    return found


def without_times(state: Any) -> Any:
    if isinstance(state, dict) and "history" in state:
        rows = [{key: value for key, value in row.items() if key not in PASSING} for row in state["history"]]
        return state | {"history": rows}
    return state


def same(one: Any, other: Any) -> bool:
    """Whether two trees of plain values and tensors are the same to the bit; NaN is NaN."""
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other or (one != one and other != other))
