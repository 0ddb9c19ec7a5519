"""What a loader is measured against: the one a user would write, a naive zarr layout, and plain numpy in memory."""

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
import zarr
from numpy.typing import NDArray
from scipy.io import loadmat
from scipy.signal import resample_poly
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from zarr.codecs import BloscCodec

from ecg12.ecg.signals.window import WindowPlan, cut_window


class Files(Dataset[Tensor]):
    """Challenge files, read and resampled to 400 Hz each time, padded to a window of 4,096 samples in mV."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Tensor:
        signal = loadmat(self.paths[index])["val"].astype(np.float32) / 1000
        signal = resample_poly(signal, 4, 5, axis=1)
        window = np.zeros((len(signal), 4096), np.float32)
        pad = (4096 - signal.shape[1]) // 2
        window[:, pad : pad + signal.shape[1]] = signal
        return torch.from_numpy(window)


@cache
def file_batches(paths: tuple[Path, ...], *, batch_size: int, workers: int) -> DataLoader[Tensor]:
    """torch's own loader over the files, shuffled; it and its workers stay from epoch to epoch."""
    options: dict[str, Any] = {"persistent_workers": True} if workers else {}
    return DataLoader(Files(paths), batch_size=batch_size, shuffle=True, num_workers=workers, **options)


def count_file_batches(paths: tuple[Path, ...], batch_size: int, workers: int) -> int:
    """Windows of an epoch of it."""
    torch.set_num_threads(1)
    return count(lambda: iter(file_batches(paths, batch_size=batch_size, workers=workers)))


def write_naive(path: Path, windows: Iterator[Tensor], n_windows: int, shape: tuple[int, int]) -> zarr.Array:
    """An array of windows, one a chunk, with the store's own compressor."""
    array = zarr.create_array(
        path,
        shape=(n_windows, *shape),
        chunks=(1, *shape),
        dtype="int16",
        compressors=BloscCodec(cname="lz4", clevel=5, shuffle="bitshuffle", typesize=2),
    )
    first = 0
    while first < n_windows:
        batch = next(windows).numpy()[: n_windows - first]
        array[first : first + len(batch)] = batch
        first += len(batch)
    return array


def naive_batches(array: zarr.Array, order: NDArray[np.int64], *, batch_size: int) -> Iterator[Tensor]:
    """Windows of it in random order, one read each."""
    for first in range(0, len(order), batch_size):
        windows = [np.asarray(array[int(window)]) for window in order[first : first + batch_size]]
        yield torch.from_numpy(np.stack(windows))


def gathered(
    signal: NDArray[np.int16],
    columns: NDArray[np.int64],
    plan: WindowPlan,
    order: NDArray[np.int64],
    *,
    batch_size: int,
) -> Iterator[NDArray[np.float32]]:
    """The ceiling: all signals in memory as the store lays them out, windows copied to float32 as they are used."""
    for first in range(0, len(order), batch_size):
        windows = order[first : first + batch_size]
        batch: NDArray[np.float32] = np.empty((len(windows), len(signal), plan.window_length), np.float32)
        for place, window in enumerate(windows.tolist()):
            cut_window(signal, columns[window], plan.valid[window], plan.pad[window], batch[place])
        yield batch


def taken(windows: NDArray[np.int16], order: NDArray[np.int64], *, batch_size: int) -> Iterator[NDArray[np.float32]]:
    """The same with windows that lie in memory cut out already."""
    for first in range(0, len(order), batch_size):
        yield windows[order[first : first + batch_size]].astype(np.float32)


def count(batches: Callable[[], Iterator[Any]]) -> int:
    """Windows of all batches, each let go of before the next one."""
    return sum(len(batch) for batch in batches())
