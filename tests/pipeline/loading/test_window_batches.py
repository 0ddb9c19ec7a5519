"""Batches: every window once, whatever the chunks; the order a pure function of seed and epoch."""

import gc
import json
import threading
import time
from collections import Counter

import numpy as np
import pytest
import torch

from ecg12.cache.reader import Store
from ecg12.cache.schema import StoreConfig
from ecg12.ecg.errors import ChecksumError, ConfigError
from ecg12.ecg.signals.window import WindowConfig, plan_windows
from ecg12.pipeline.ingest.build_cache import build_cache
from ecg12.pipeline.loading.window_batches import WindowBatches
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


RESIDENCIES = ("stream", "memory", "device")


@pytest.mark.parametrize("residency", RESIDENCIES)
@pytest.mark.parametrize("seed", [None, 7])
@pytest.mark.parametrize("batch_size", [1, 7, 32, 1000])
def test_every_window_comes_once_and_holds_its_samples(
    store: Store, seed: int | None, batch_size: int, residency: str
) -> None:
    rows = all_rows(store)[::2]
    batches = WindowBatches(
        store, rows, WINDOWS, batch_size=batch_size, seed=seed, residency=residency, buffer_chunks=2, threads=3
    )
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
        assert batch.counted.all()
        assert batch.reset.all()
        assert batch.label.shape == (len(batch), 0)
    assert seen == Counter(dict.fromkeys(expected, 1))
    assert batches.n_windows == len(expected)


def test_all_batches_but_the_last_are_full(store: Store) -> None:
    batches = WindowBatches(store, all_rows(store), WINDOWS, batch_size=16, seed=3)
    sizes = [len(batch) for batch in batches]
    assert len(sizes) == len(batches)
    assert set(sizes[:-1]) == {16}


@pytest.mark.parametrize("residency", RESIDENCIES)
def test_the_order_follows_from_seed_and_epoch(store: Store, residency: str) -> None:
    def order(seed: int, epoch: int) -> list[tuple[int, int]]:
        batches = WindowBatches(store, all_rows(store), WINDOWS, batch_size=8, seed=seed, residency=residency)
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


def loader(store: Store, **options) -> WindowBatches:
    return WindowBatches(store, all_rows(store), WINDOWS, **{"batch_size": 8, "seed": 1, "buffer_chunks": 2} | options)


def test_residencies_give_the_same_windows_and_memory_and_device_the_same_order(store: Store) -> None:
    orders = {residency: windows_of(loader(store, residency=residency)) for residency in RESIDENCIES}
    assert orders["memory"] == orders["device"]
    assert orders["stream"] != orders["memory"]
    assert sorted(orders["stream"]) == sorted(orders["memory"])
    assert loader(store, residency="auto").residency == "memory"


@pytest.mark.parametrize("residency", RESIDENCIES)
def test_ranks_share_an_epoch(store: Store, residency: str) -> None:
    shares = [loader(store, residency=residency, rank=rank, world_size=4, seed=5) for rank in range(4)]
    everything = windows_of(loader(store))
    assert len(everything) % 4, "four ranks should need a repeat"
    counted = []
    for share in shares:
        assert share.n_windows == -(-len(everything) // 4)
        batches = list(share)
        assert [len(batch) for batch in batches[:-1]] == [8] * (len(share) - 1)
        for batch in batches:
            keys = zip(batch.record.tolist(), batch.number.tolist(), batch.counted.tolist(), strict=True)
            counted += [(record, number) for record, number, counts in keys if counts]
    assert sorted(counted) == sorted(everything)


@pytest.mark.parametrize("residency", RESIDENCIES)
@pytest.mark.parametrize("done", [0, 1, 5, 13])
def test_a_resumed_loader_gives_exactly_what_was_left(store: Store, residency: str, done: int) -> None:
    options = {"residency": residency, "max_windows_per_record": 5}
    whole = loader(store, **options)
    whole.set_epoch(3)
    expected = list(whole)
    assert len(expected) > 14
    stopped = loader(store, **options)
    stopped.set_epoch(3)
    iterator = iter(stopped)
    for _ in range(done):
        next(iterator)
    state = json.loads(json.dumps(stopped.state_dict()))
    resumed = loader(store, **options)
    resumed.load_state_dict(state)
    resumed.set_epoch(3)
    left = list(resumed)
    assert len(left) == len(expected) - done
    for one, other in zip(left, expected[done:], strict=True):
        assert torch.equal(one.signal, other.signal)
        assert torch.equal(one.record, other.record)
    resumed.set_epoch(4)  # and the next epoch is whole
    whole.set_epoch(4)
    assert windows_of(resumed) == windows_of(whole)


def test_the_state_of_a_finished_epoch_leaves_nothing(store: Store) -> None:
    batches = loader(store)
    list(batches)
    state = batches.state_dict()
    batches.load_state_dict(state)
    assert list(batches) == []
    assert len(list(batches)) == len(batches)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 9}, "batch_size 8 there, 9 here"),
        ({"residency": "memory"}, "residency stream there, memory here; buffer_chunks 2 there, None here"),
        ({"buffer_chunks": 3}, "buffer_chunks 2 there, 3 here"),
        ({"seed": 2}, "seed 1 there, 2 here"),
        ({"world_size": 2}, "world_size 1 there, 2 here"),
        ({"max_windows_per_record": 2}, "max_windows_per_record None there, 2 here"),
    ],
)
def test_a_state_of_another_loader_is_refused(store: Store, options: dict, message: str) -> None:
    state = loader(store).state_dict()
    with pytest.raises(ConfigError, match=rf"state is of another loader \(.*{message}.*\); make it the same to go on"):
        loader(store, **options).load_state_dict(state)


def test_a_state_of_other_records_windows_or_stores_is_refused(store: Store) -> None:
    state = loader(store).state_dict()
    fewer = WindowBatches(store, all_rows(store)[1:], WINDOWS, batch_size=8, seed=1, buffer_chunks=2)
    with pytest.raises(ConfigError, match=r"\(selection \w{64} there, \w{64} here\)"):
        fewer.load_state_dict(state)
    longer = WindowConfig(window_length=1001)
    with pytest.raises(ConfigError, match="window_length 1000 there, 1001 here"):
        WindowBatches(store, all_rows(store), longer, batch_size=8, seed=1, buffer_chunks=2).load_state_dict(state)
    state["loader"]["store_digests"] = ["another"]
    with pytest.raises(ConfigError, match=r"store_digests \['another'\] there"):
        loader(store).load_state_dict(state)


def test_what_is_no_state_is_refused(store: Store) -> None:
    with pytest.raises(ConfigError, match=r"not the state of a loader \(KeyError: 'loader'\); expected epoch, batches"):
        loader(store).load_state_dict({})
    with pytest.raises(ConfigError, match=r"the loader's state is after 1000 batches; an epoch has \d+"):
        loader(store).load_state_dict(loader(store).state_dict() | {"batches": 1000})


def test_labels_come_with_their_records(store: Store) -> None:
    labels = np.arange(store.n_records * 2, dtype=np.float32).reshape(-1, 2)
    for batch in loader(store, labels=labels):
        np.testing.assert_array_equal(batch.label.numpy(), labels[batch.record.numpy()])


def test_waiting_is_measured(store: Store) -> None:
    batches = loader(store)
    begun = time.perf_counter()
    for _ in batches:
        time.sleep(0.001)
    assert 0 < batches.waited_s < time.perf_counter() - begun - 0.001 * len(batches)


def our_threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "ecg12-prefetch"}


@pytest.mark.parametrize("residency", RESIDENCIES)
def test_leaving_early_leaves_no_thread(store: Store, residency: str) -> None:
    batches = loader(store, residency=residency)
    for _ in batches:
        break
    assert our_threads() == set()

    def fail() -> None:
        for _ in batches:
            raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        fail()
    assert our_threads() == set()
    iterator = iter(batches)
    next(iterator)
    del iterator
    gc.collect()
    assert our_threads() == set()
    assert len(list(batches)) == len(batches)
    assert our_threads() == set()


@pytest.mark.parametrize("residency", RESIDENCIES)
def test_a_lost_chunk_stops_the_epoch_by_name(store: Store, residency: str) -> None:
    victim = store.path / "signal" / "c" / "0" / "1"
    kept = victim.read_bytes()
    victim.unlink()
    try:
        with pytest.raises(ChecksumError, match="chunk 1: the file is missing; run verify"):
            list(loader(store, residency=residency))
    finally:
        victim.write_bytes(kept)
    assert our_threads() == set()


def test_damage_is_found_at_the_first_decode_unless_not_wanted(store: Store) -> None:
    store = Store(store.path)  # which has decoded none of them yet
    batches, unchecked = loader(store), loader(store, check=False)
    victim = store.path / "signal" / "c" / "0" / "1"
    kept = victim.read_bytes()
    victim.write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))  # of the crc itself, so that the samples are right
    try:
        with pytest.raises(ChecksumError, match=r"chunk 1: damaged \(its crc32c .*\); run verify"):
            list(batches)
        assert len(list(unchecked)) == len(unchecked)
    finally:
        victim.write_bytes(kept)
    list(batches)
    victim.write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))
    try:
        assert len(list(batches)) == len(batches)  # checked already
    finally:
        victim.write_bytes(kept)


def test_bad_options_are_named(store: Store) -> None:
    for name in ("batch_size", "max_windows_per_record", "buffer_chunks", "threads"):
        with pytest.raises(ConfigError, match=f"{name} is 0; expected at least 1"):
            loader(store, **{name: 0})
    with pytest.raises(ConfigError, match="rank is 2 of 2; expected 0 to 1"):
        loader(store, rank=2, world_size=2)
    with pytest.raises(ConfigError, match="residency is 'ram'; expected auto"):
        loader(store, residency="ram")
    one = WindowBatches(store, all_rows(store)[-1:], WindowConfig(window_length=10_000), batch_size=1, world_size=2)
    with pytest.raises(ConfigError, match="1 windows for 2 ranks; expected at least one for each"):
        list(one)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("residency", RESIDENCIES)
def test_batches_go_to_the_gpu(store: Store, residency: str) -> None:
    expected = list(loader(store, residency=residency))
    for one, other in zip(loader(store, residency=residency, device=torch.device("cuda")), expected, strict=True):
        assert one.signal.is_cuda
        assert torch.equal(one.signal.cpu(), other.signal)
        assert torch.equal(one.record.cpu(), other.record)
    assert loader(store, residency="auto", device=torch.device("cuda")).residency == "device"
