"""Batches: every window once, whatever the chunks; the order a pure function of seed and epoch."""

from collections import Counter

import numpy as np
import pytest
import torch

from cache.reader import Store
from cache.schema import StoreConfig
from ecg.errors import ChecksumError, ConfigError
from ecg.window import WindowConfig, plan_windows
from pipeline.batches import WindowBatches, _permutation
from pipeline.ingest import build_cache
from tests.records import write_record

WINDOWS = WindowConfig(window_length=1000)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Forty records of 2 to 30 s in small chunks; three are longer than a chunk."""
    folder = tmp_path_factory.mktemp("batches")
    rng = np.random.default_rng(5)
    for number in range(40):
        n_samples = 15_000 if number < 3 else int(rng.integers(1000, 6000))
        signal = rng.integers(-2000, 2000, (12, n_samples)).astype(np.int16)
        write_record(folder / "in", f"A{number:04d}", signal)
    path = folder / "ecg.zarr"
    build_cache([folder / "in"], path, StoreConfig(chunk_length=8192))
    return Store(path)


def windows_of(batches: WindowBatches) -> list[tuple[int, int]]:
    return [
        (record, number)
        for batch in batches
        for record, number in zip(batch.record.tolist(), batch.number.tolist(), strict=True)
    ]


def all_rows(store: Store) -> np.ndarray:
    return np.arange(store.n_records)


@pytest.mark.parametrize("seed", [None, 7])
@pytest.mark.parametrize("batch_size", [1, 7, 32, 1000])
def test_every_window_comes_once_and_holds_its_samples(store: Store, seed: int | None, batch_size: int) -> None:
    rows = all_rows(store)[::2]
    batches = WindowBatches(store, rows, WINDOWS, batch_size=batch_size, seed=seed)
    plan = plan_windows(store.lengths[rows], WINDOWS)
    expected = {(int(rows[r]), int(n)): i for i, (r, n) in enumerate(zip(plan.record, plan.number, strict=True))}
    seen = Counter()
    for batch in batches:
        assert batch.signal.dtype == torch.int16
        for place in range(len(batch)):
            key = (int(batch.record[place]), int(batch.number[place]))
            seen[key] += 1
            window = expected[key]
            signal = store.read_record(key[0])
            start, valid, pad = plan.start[window], plan.valid[window], plan.pad[window]
            naive = np.zeros((12, 1000), np.int16)
            naive[:, pad : pad + valid] = signal[:, start : start + valid]
            np.testing.assert_array_equal(batch.signal[place].numpy(), naive)
            assert (int(batch.valid[place]), int(batch.pad[place])) == (valid, pad)
            assert batch.scale[place] == store.column("record/scale")[key[0]]
    assert seen == Counter(dict.fromkeys(expected, 1))
    assert batches.n_windows == len(expected)


def test_all_batches_but_the_last_are_full(store: Store) -> None:
    batches = WindowBatches(store, all_rows(store), WINDOWS, batch_size=16, seed=3)
    sizes = [len(batch) for batch in batches]
    assert len(sizes) == len(batches)
    assert set(sizes[:-1]) == {16}


def test_the_order_follows_from_seed_and_epoch(store: Store) -> None:
    def order(seed: int, epoch: int) -> list[tuple[int, int]]:
        batches = WindowBatches(store, all_rows(store), WINDOWS, batch_size=8, seed=seed)
        batches.set_epoch(epoch)
        return windows_of(batches)

    assert order(1, 0) == order(1, 0)
    assert order(1, 0) != order(1, 1)
    assert order(1, 0) != order(2, 0)
    assert sorted(order(1, 0)) == sorted(order(1, 1))


def test_without_a_seed_the_order_is_the_stores(store: Store) -> None:
    batches = WindowBatches(store, all_rows(store), WINDOWS, batch_size=8)
    columns = [int(store.starts[record]) + number * 1000 for record, number in windows_of(batches)]
    assert [c // store.chunk_length for c in columns] == sorted(c // store.chunk_length for c in columns)


def test_long_records_give_other_windows_each_epoch(store: Store) -> None:
    batches = WindowBatches(store, all_rows(store), WINDOWS, batch_size=8, seed=1, max_windows_per_record=2)
    long = int(store.index_of("A0000"))
    chosen = []
    for epoch in range(6):
        batches.set_epoch(epoch)
        windows = windows_of(batches)
        assert len(windows) == batches.n_windows
        assert max(Counter(record for record, _ in windows).values()) == 2
        chosen.append(tuple(sorted(number for record, number in windows if record == long)))
    assert len(set(chosen)) > 1


def test_the_permutation_is_the_same_for_ever() -> None:
    assert _permutation(8, 2, 0, stream=1).tolist() == GOLDEN
    for n in (0, 1, 100):
        assert sorted(_permutation(n, 3, 4, stream=5).tolist()) == list(range(n))


GOLDEN = [0, 6, 4, 5, 1, 2, 3, 7]


def test_a_lost_chunk_stops_the_epoch_by_name(store: Store) -> None:
    victim = store.path / "signal" / "c" / "0" / "1"
    kept = victim.read_bytes()
    victim.unlink()
    try:
        with pytest.raises(ChecksumError, match="chunk 1: the file is missing; run verify"):
            list(WindowBatches(store, all_rows(store), WINDOWS, batch_size=8, seed=1))
    finally:
        victim.write_bytes(kept)


def test_bad_options_are_named(store: Store) -> None:
    with pytest.raises(ConfigError, match="batch_size is 0; expected at least 1 window"):
        WindowBatches(store, all_rows(store), WINDOWS, batch_size=0)
    with pytest.raises(ConfigError, match="max_windows_per_record is 0; expected at least 1"):
        WindowBatches(store, all_rows(store), WINDOWS, batch_size=1, max_windows_per_record=0)
