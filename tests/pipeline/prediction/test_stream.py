"""Records of a store in groups for prediction."""

import numpy as np
import pytest

from ecg12.cache.reader import Store
from ecg12.cache.schema import StoreConfig
from ecg12.pipeline.ingest.build_cache import build_cache
from ecg12.pipeline.prediction.stream import group_by_chunks
from tests.records import pulses_uv, write_record

CHUNK = 4096


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Thirty records of 500 to 1,500 samples, and one that goes over several chunks."""
    folder = tmp_path_factory.mktemp("predicted")
    rng = np.random.default_rng(4)
    for number in range(30):
        write_record(folder / "in", f"A{number:04d}", pulses_uv(int(rng.integers(500, 1500)), seed=number))
    write_record(folder / "in", "long", pulses_uv(3 * CHUNK, seed=99))
    path = folder / "ecg.zarr"
    build_cache([folder / "in"], path, StoreConfig(fs=500, chunk_length=CHUNK))
    return Store(path)


@pytest.mark.parametrize("every", [1, 3])
@pytest.mark.parametrize("size", [1, 3000, 10_000, 10**9])
def test_chunks_are_not_divided_and_groups_have_about_the_size(store: Store, size: int, every: int) -> None:
    rows = np.arange(store.n_records)[::every]
    groups = group_by_chunks(store, rows, size)
    together = np.concatenate(groups)
    assert sorted(together) == sorted(rows)
    assert (np.diff(store.starts[together]) > 0).all()
    chunks = [set((store.starts[group] // CHUNK).tolist()) for group in groups]
    assert sum(map(len, chunks)) == len(set().union(*chunks))
    for group, held in zip(groups, chunks, strict=True):
        samples = store.lengths[group]
        in_last = store.starts[group] // CHUNK == max(held)
        assert samples[~in_last].sum() < size
    assert len(groups) == (1 if size == 10**9 else len(set().union(*chunks)) if size == 1 else len(groups))


def test_no_records_are_no_groups(store: Store) -> None:
    assert group_by_chunks(store, np.array([], np.int64), 1000) == []
