"""What a caller writes, for mypy (`make lint`): right uses have their types, and wrong ones are seen.

Nothing here runs. Each line that is wrong says so to mypy, which complains where it is right after all.
"""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader

import ecg12


def uses_stores() -> None:
    store: ecg12.Store = ecg12.open_store(["data/a.zarr", Path("data/b.zarr")])
    recording: ecg12.Recording = store[0]
    several: list[ecg12.Recording] = store[:2]
    signal: NDArray[np.float32] = recording.signal
    samples: NDArray[np.int16] = store.read_int16(recording.name)
    fs: float = several[0].fs + store.fs
    built: ecg12.Store = ecg12.build_store(["a", "b"], "s.zarr", fs=500, leads=("I", "II"))
    assert [built, signal, samples, fs]
    ecg12.open_stor("x")  # type: ignore[attr-defined]
    wrong: int = recording.signal  # type: ignore[assignment]
    store.labels(3)  # type: ignore[arg-type]
    assert wrong


def uses_models() -> None:
    store, model = ecg12.open_store("data/ecg.zarr"), ecg12.load_model(Path("runs/example"))
    predictions: ecg12.Predictions = model.predict([store[0], np.zeros((12, 5000))], fs=500.0)
    scores: NDArray[np.float32] = predictions.scores
    value: float = ecg12.evaluate(store, predictions).figures["auroc"]
    run: ecg12.TrainedRun = ecg12.train(store, "runs/x", epochs=3, net_filter_size=(4, 6))
    folder: Path = run.folder
    assert [scores, value, folder]
    ecg12.train(store, "runs/x", epochz=3)  # type: ignore[call-arg]
    model.predict(store[0], fs="fast")  # type: ignore[arg-type]
    try:
        ecg12.read_recording("a.edf", fs=500)
    except ecg12.errors.StoreError as error:
        text: str = str(error)
        assert text


def uses_windows() -> None:
    windows = ecg12.Windows("data/ecg.zarr", batch_size=32, dtype=torch.int16, labels=["AF"])
    windows.load_state_dict(windows.state_dict())
    for batch in DataLoader(windows, batch_size=None):
        assert batch
    indexed = ecg12.IndexedWindows("data/ecg.zarr")
    loader = DataLoader(indexed, batch_sampler=indexed.batch_sampler(32, n_workers=2))
    n: int = len(windows) + len(loader)
    assert n
    ecg12.Windows("data/ecg.zarr", batchsize=32)  # type: ignore[call-arg]
