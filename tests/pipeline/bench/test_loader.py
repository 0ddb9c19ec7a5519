"""The benchmarks of the loader run, and their figures are about what they say; how fast is never a test."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from ecg12.cache.reader import Store
from ecg12.cache.schema import StoreConfig
from ecg12.cache.verify import verify_store
from ecg12.ecg.errors import InputError
from ecg12.pipeline.bench import footprint, loader, pool, shuffling, training
from ecg12.pipeline.bench.loader import LoaderRow
from ecg12.pipeline.runtime.progress import silent

CONFIG = StoreConfig(chunk_length=32_768)


@pytest.fixture(scope="module")
def simulated_pool() -> list:
    return pool.simulate_pool(20)


def test_the_pool_is_of_ten_seconds(simulated_pool) -> None:
    assert len(simulated_pool) == 20
    assert {(record.fs, record.signal.shape) for record in simulated_pool} == {(500.0, (12, 5000))}
    assert len({record.signal.tobytes() for record in simulated_pool}) >= 19


def test_the_store_verifies_and_repeats_chunks(simulated_pool, tmp_path: Path) -> None:
    path = tmp_path / "s.zarr"
    pool.write_pool_store(path, simulated_pool, 50, CONFIG, distinct_chunks=3)
    assert not verify_store(path)
    store = Store(path)
    assert (store.n_records, store.n_chunks) == (50, 7)  # eight records a chunk
    np.testing.assert_array_equal(store.read_chunk(0), store.read_chunk(3))
    assert (store.read_chunk(0) != store.read_chunk(1)).any()
    assert not (tmp_path / "s.zarr.build").exists()


def test_a_kept_store_must_be_the_one_wanted(simulated_pool, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(loader, "simulate_pool", lambda n, progress: simulated_pool)
    monkeypatch.setattr(loader, "POOL_RECORDS", 20)
    monkeypatch.setattr(pool, "POOL_RECORDS", 20)
    path, files = loader.open_store(tmp_path, 30, progress=silent)
    assert len(files) == 20
    assert loader.open_store(tmp_path, 30, progress=silent) == (path, files)
    path.rename(tmp_path / "pool-31.zarr")
    with pytest.raises(InputError, match=r"pool-31\.zarr: is not the benchmark's store of 31 records; choose another"):
        loader.open_store(tmp_path, 31, progress=silent)


def test_every_way_is_measured(simulated_pool, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(loader, "simulate_pool", lambda n, progress: simulated_pool)
    threads = torch.get_num_threads()
    result = loader.run(n_records=70, rounds=1, folder=tmp_path / "new")
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["mat", "pool-70.zarr"]
    assert torch.get_num_threads() == threads
    ways = [(row.what, row.gives) for row in result.rows]
    assert {("stream", "int16"), ("memory", "float32"), ("device", "int16")} <= set(ways)
    assert len(ways) == 11
    assert all(row.best > 0 and len(row.rates) == 1 for row in result.rows)
    assert result.row(loader.CEILING).gives == "float32"
    assert min(result.zarr_ms, result.checked_ms, result.unchecked_ms) > 0


def test_a_rows_figures() -> None:
    row = LoaderRow(what="x", gives="int16", rates=[1.0, 5.0, 3.0])
    assert (row.best, row.median) == (5, 3)


def test_shuffling_is_compared_with_a_true_permutation(monkeypatch) -> None:
    monkeypatch.setattr(shuffling, "BUFFERS", (1, 4))
    monkeypatch.setattr(shuffling, "EPOCHS", 1)
    result = shuffling.run(n_records=2500)
    true, one, four = result.rows
    assert (true.label_spread, true.dataset_spread) == (1, 1)
    assert true.apart == pytest.approx(1 - math.sqrt(0.5), abs=0.03)
    assert one.chunks < four.chunks < true.chunks
    assert one.together < four.together < true.together
    assert set(result.padding) == {8, 32, 64, 128}


def test_footprints_are_of_fresh_processes(simulated_store: Path) -> None:
    planned = footprint.of_a_plan(1000, streamed=True)
    assert 0 < planned.seconds < 60
    assert planned.peak_bytes >= planned.begun_bytes > 0
    assert footprint._plan(1000, False) > 0
    assert footprint._stream(simulated_store, 1) > 0
    assert footprint._footprint(footprint._plan, (10, True)).peak_bytes > 0


def test_training_is_compared_in_pairs(simulated_store: Path, monkeypatch) -> None:
    tiny = {"net_filter_size": (4,), "net_seq_length": (16,)}
    monkeypatch.setattr(training, "SMALL", tiny)
    monkeypatch.setattr(training, "BATCH", 8)
    rows = training.run(simulated_store, pairs=3, steps={"small": 2})
    assert [(row.model, row.residency, row.pairs) for row in rows] == [("small", "memory", 3), ("small", "stream", 3)]
    for row in rows:
        assert row.low <= row.ratio <= row.high
        assert 0 < row.waiting < 1


def test_the_interval_of_a_median() -> None:
    # of nine, the second lowest and second highest: 1 - 2 (1 + 9) / 512
    assert training._coverage(9, 2) == pytest.approx(1 - 20 / 512)
    row = training._row("m", "memory", 1, [1.0] * 9, [0.1 * k for k in range(1, 10)], 0.9)
    assert (row.ratio, row.low, row.high) == pytest.approx((0.5, 0.2, 0.8))
    assert row.waiting == pytest.approx(0.1)
