"""Decoded chunks: those asked for last stay, and columns are the store's wherever chunks end."""

import threading
from pathlib import Path

import numpy as np
import pytest

from ecg12.cache.chunk_reader import ChunkReader
from ecg12.cache.reader import Store
from ecg12.cache.schema import StoreConfig
from ecg12.pipeline.ingest.build_cache import build_cache
from ecg12.pipeline.loading.chunk_cache import ChunkCache
from tests.records import pulses_uv, write_record


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    folder: Path = tmp_path_factory.mktemp("cache")
    for number in range(12):
        write_record(folder / "in", f"A{number:04d}", pulses_uv(4000, seed=number))
    build_cache([folder / "in"], folder / "ecg.zarr", StoreConfig(chunk_length=4096))
    return Store(folder / "ecg.zarr")


def test_chunks_are_kept_up_to_the_bound_those_asked_for_last(store: Store) -> None:
    cache = ChunkCache(ChunkReader(store), 2)
    for number in (0, 1, 0, 2, 0):  # 1 goes for 2
        np.testing.assert_array_equal(cache.chunk(number), store.read_chunk(number))
    assert cache.n_decoded == 3
    cache.chunk(1)
    assert cache.n_decoded == 4
    cache.chunk(0)
    assert cache.n_decoded == 4


def test_columns_go_over_the_ends_of_chunks(store: Store) -> None:
    cache = ChunkCache(ChunkReader(store), 1)
    for start, stop in ((0, 10), (4000, 4200), (4096, 8192), (10, 12_000), (5, 5)):
        np.testing.assert_array_equal(cache.columns(start, stop), store.read_columns(start, stop))
    copy = cache.columns(0, 10)
    copy[:] = 0
    np.testing.assert_array_equal(cache.columns(0, 10), store.read_columns(0, 10))


def test_several_threads_may_ask(store: Store) -> None:
    cache = ChunkCache(ChunkReader(store), 2)
    wrong: list[int] = []

    def ask(seed: int) -> None:
        for number in np.random.default_rng(seed).integers(0, store.n_chunks, 30).tolist():
            if not np.array_equal(cache.chunk(number), store.read_chunk(number)):
                wrong.append(number)

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
