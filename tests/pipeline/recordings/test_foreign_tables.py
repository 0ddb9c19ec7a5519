"""Columns of another store: the crc32c of each is right, and no label or place is."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import zarr

from ecg12.ecg.errors import StoreError
from ecg12.pipeline.evaluation.evaluate import evaluate
from ecg12.pipeline.prediction.predict import predict
from ecg12.pipeline.pretraining.pretrain import pretrain
from ecg12.pipeline.report.of_store.report import report_store
from ecg12.pipeline.training.train import train


@pytest.fixture
def mixed(simulated_store: Path, tmp_path: Path) -> Path:
    """A store whose labels are in the order of other records."""
    store = Path(shutil.copytree(simulated_store, tmp_path / "mixed.zarr"))
    matrix = zarr.open_array(store, path="label/matrix", mode="r+")
    values = np.asarray(matrix[:])
    matrix[:] = np.roll(values, 1, axis=values.shape.index(80))
    return store


READERS: dict[str, Callable[[Path, Path, Path], object]] = {
    "train": lambda store, folder, run: train(store, folder=folder / "run"),
    "pretrain": lambda store, folder, run: pretrain(store, folder=folder / "run"),
    "predict": lambda store, folder, run: predict([store], folder / "out", run),
    "evaluate": lambda store, folder, run: evaluate(store, run),
    "report": lambda store, folder, run: report_store([store], folder / "report.html"),
}


@pytest.mark.parametrize("read", READERS.values(), ids=READERS.keys())
def test_no_reader_takes_them(
    read: Callable[[Path, Path, Path], object], mixed: Path, run: Path, tmp_path: Path
) -> None:
    with pytest.raises(StoreError, match=r"mixed\.zarr: tables and attributes have SHA-256 .*: build the store again"):
        read(mixed, tmp_path, run)
