"""The benchmark of torch's datasets runs, and measures what it says; how fast is never a test."""

from pathlib import Path

import numpy as np
import pytest

import ecg12
from ecg12.cache.reader import Store
from ecg12.pipeline.bench import loader, pool, torch_datasets


@pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")  # torch's advice about cores
def test_every_way_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loader, "simulate_pool", lambda n, progress: pool.simulate_pool(20))
    monkeypatch.setattr(torch_datasets, "SLOW_WINDOWS", 8)
    monkeypatch.setattr(torch_datasets, "WORKERS", (0, 1))
    rows = torch_datasets.run(ecg12.Windows, ecg12.IndexedWindows, n_records=70, rounds=1, folder=tmp_path / "new")
    assert [row.n_workers for row in rows] == [0] * 6 + [1] * 6
    assert all(row.best > 0 and len(row.rates) == 1 for row in rows)
    n_windows = {row.what: row.n_windows for row in rows}
    whole = n_windows[torch_datasets.STREAM]
    assert whole >= 70
    assert sorted(n_windows.values()) == [8, 8, whole, whole, whole, whole]
    assert n_windows[torch_datasets.NAIVE] == 8


def test_the_naive_dataset_gives_the_same_windows(simulated_store: Path) -> None:
    naive = torch_datasets.NaiveRecords(Store(simulated_store))
    indexed = ecg12.IndexedWindows(simulated_store)
    assert len(naive) == len(indexed)
    for number in (0, 5, len(naive) - 1):
        np.testing.assert_array_equal(naive[number].numpy(), indexed[number]["signal"].numpy())
