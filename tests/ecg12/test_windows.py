"""Windows for torch: each once, whoever shares them; the same after a stop; by numbers as by the stream."""

import copy
import json
import multiprocessing
import pickle
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, RandomSampler

import ecg12
from ecg12.cache.reader import Store as Reader
from ecg12.cache.schema import StoreConfig
from ecg12.ecg.signals.window import WindowConfig, plan_windows
from ecg12.errors import ChecksumError, ConfigError, StoreError
from ecg12.pipeline.ingest.build_cache import build_cache
from tests.records import write_record

# torch advises against more workers than cores, whatever they do
pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")

LENGTH = 1000
Key = tuple[int, int]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty records of 2 to 30 s in small chunks; three are longer than a chunk; every third has no label."""
    folder = tmp_path_factory.mktemp("windows")
    rng = np.random.default_rng(6)
    for number in range(30):
        n_samples = 15_000 if number < 3 else int(rng.integers(1000, 6000))
        signal = rng.integers(-2000, 2000, (12, n_samples)).astype(np.int16)
        dx = (None, "164889003", "426783006,59118001")[number % 3]
        write_record(folder / "in", f"A{number:04d}", signal, dx=dx)
    build_cache([folder / "in"], folder / "ecg.zarr", StoreConfig(chunk_length=8192))
    return folder / "ecg.zarr"


@pytest.fixture(scope="module")
def naive(path: Path) -> dict[Key, np.ndarray]:
    """Every window by record and number, cut by hand of records as they are read one by one; int16, µV."""
    store = Reader(path)
    plan = plan_windows(store.lengths, WindowConfig(window_length=LENGTH))
    found = {}
    for window, (record, number) in enumerate(zip(plan.record.tolist(), plan.number.tolist(), strict=True)):
        out = np.zeros((12, LENGTH), np.int16)
        start, valid, pad = plan.start[window], plan.valid[window], plan.pad[window]
        out[:, pad : pad + valid] = store.read_record(record)[:, start : start + valid]
        found[record, number] = out
    return found


def keys_of(items: Iterable[Any]) -> list[Key]:
    found: list[Key] = []
    for item in items:
        records, numbers = item["record"].reshape(-1).tolist(), item["number"].reshape(-1).tolist()
        found += zip(records, numbers, strict=True)
    return found


def windows(path: Path, **options: Any) -> ecg12.Windows:
    return ecg12.Windows(path, **{"window_length": LENGTH, "buffer_chunks": 2, "seed": 3} | options)


def load(dataset: Any, n_workers: int, **options: Any) -> DataLoader:
    return DataLoader(dataset, num_workers=n_workers, **{"batch_size": None} | options)


def test_items_hold_their_windows(path: Path, naive: dict[Key, np.ndarray]) -> None:
    for item in windows(path, dtype=torch.int16):
        assert item["signal"].dtype == torch.int16
        np.testing.assert_array_equal(item["signal"].numpy(), naive[int(item["record"]), int(item["number"])])
        assert "label" not in item
    seen = []
    for batch in windows(path, batch_size=7, labels=["AF", "RBBB"]):
        assert batch["signal"].dtype == torch.float32
        for place, key in enumerate(keys_of([batch])):
            np.testing.assert_array_equal(batch["signal"][place].numpy(), naive[key].astype(np.float32) / 1000)
            expected = [[0, 0], [1, 0], [0, 1]][key[0] % 3]
            assert batch["label"][place].tolist() == expected
            seen.append(key)
        assert (batch["valid"] + batch["pad"] <= LENGTH).all()
    assert Counter(seen) == Counter(naive.keys())


@pytest.mark.parametrize("batch_size", [None, 1, 7, 32, 1000])
@pytest.mark.parametrize("n_workers", [0, 2, 3])
def test_workers_share_an_epoch(
    path: Path, naive: dict[Key, np.ndarray], n_workers: int, batch_size: int | None
) -> None:
    dataset = windows(path, batch_size=batch_size)
    items = list(load(dataset, n_workers))
    assert Counter(keys_of(items)) == Counter(naive.keys())
    assert len(items) == len(dataset)
    if batch_size is not None:
        assert [len(item["record"]) for item in items].count(batch_size) >= len(items) - 1
        alone = [keys_of([item]) for item in windows(path, batch_size=batch_size)]
        assert sorted(alone) == sorted(keys_of([item]) for item in items)  # the same batches, in another sequence


@pytest.mark.parametrize(("world_size", "n_workers"), [(2, 0), (3, 0), (4, 0), (3, 2)])
def test_ranks_share_an_epoch(path: Path, naive: dict[Key, np.ndarray], world_size: int, n_workers: int) -> None:
    shares = [windows(path, batch_size=5, rank=rank, world_size=world_size) for rank in range(world_size)]
    found = [keys_of(load(share, n_workers)) for share in shares]
    assert Counter(key for share in found for key in share) == Counter(naive.keys())
    assert [len(share) for share in found] == [share.n_windows for share in shares]
    assert max(map(len, found)) - min(map(len, found)) <= 1


def test_even_ranks_are_equally_long_and_say_what_comes_again(path: Path, naive: dict[Key, np.ndarray]) -> None:
    world_size = next(n for n in (4, 5, 7) if len(naive) % n)
    shares = [windows(path, rank=rank, world_size=world_size, even_ranks=True) for rank in range(world_size)]
    items = [list(share) for share in shares]
    assert len(set(map(len, items))) == 1
    counted = [item for share in items for item in share if item["counted"]]
    assert Counter(keys_of(counted)) == Counter(naive.keys())
    assert sum(map(len, items)) > len(counted)


def test_more_workers_than_batches_and_more_ranks_than_windows(path: Path) -> None:
    few = windows(path, records=[5], batch_size=1000)
    assert len(list(load(few, 3))) == 1
    none = windows(path, records=[], batch_size=4)
    assert (len(none), list(none), list(load(none, 2))) == (0, [], [])
    with pytest.raises(ConfigError, match="expected at least one for each"):
        list(windows(path, records=[5], window_length=60_000, rank=0, world_size=2))


def test_each_epoch_has_its_order(path: Path) -> None:
    dataset = windows(path, batch_size=8)
    first = keys_of(dataset)
    assert keys_of(dataset) == first
    dataset.set_epoch(1)
    second = keys_of(dataset)
    assert second != first
    assert sorted(second) == sorted(first)
    assert keys_of(windows(path, batch_size=8, seed=4)) != first
    unshuffled = windows(path, shuffle=False, batch_size=8)
    assert keys_of(unshuffled) == keys_of(unshuffled)
    with pytest.raises(ConfigError, match="epoch is -1"):
        dataset.set_epoch(-1)


@pytest.mark.parametrize("persistent", [False, True])
def test_workers_hear_of_the_next_epoch(path: Path, persistent: bool) -> None:
    """Persistent workers got their copy of the dataset before the first epoch, and never get another."""
    dataset = windows(path, batch_size=8)
    loader = load(dataset, 2, persistent_workers=persistent)
    orders = []
    for epoch in range(3):
        dataset.set_epoch(epoch)
        orders.append(keys_of(loader))
        alone = windows(path, batch_size=8)
        alone.set_epoch(epoch)
        assert sorted(keys_of([item]) for item in alone) == sorted(keys_of([item]) for item in loader)
    assert len({tuple(order) for order in orders}) == 3


def test_long_records_give_some_windows_each_epoch(path: Path) -> None:
    dataset = windows(path, max_windows_per_record=2)
    keys = keys_of(dataset)
    assert max(Counter(record for record, _ in keys).values()) == 2
    assert len(keys) == len(dataset)


def stop_and_go_on(dataset: ecg12.Windows, other: ecg12.Windows, n: int, n_workers: int) -> tuple[list, list]:
    """What is given after `n` items of an epoch; what another dataset gives that goes on from there."""
    loader = iter(load(dataset, n_workers))
    for _ in range(n):
        next(loader)
    state = json.loads(json.dumps(dataset.state_dict(batches=n) if n_workers else dataset.state_dict()))
    rest = keys_of(loader)
    other.load_state_dict(state)
    return rest, keys_of(load(other, n_workers))


@pytest.mark.parametrize(("n_workers", "batch_size"), [(0, None), (0, 7), (2, 7)])
@pytest.mark.parametrize("n", [0, 1, 5, "all"])
def test_a_stopped_iteration_goes_on(path: Path, n_workers: int, batch_size: int | None, n: int | str) -> None:
    dataset, other = (windows(path, batch_size=batch_size) for _ in range(2))
    dataset.set_epoch(2)
    n_items = len(dataset) if n == "all" else int(n)
    rest, resumed = stop_and_go_on(dataset, other, n_items, n_workers)
    assert resumed == rest
    assert bool(rest) == (n != "all")
    assert other.epoch == 2
    if n_workers and rest:  # and once more: what was taken before counts
        again = windows(path, batch_size=batch_size)
        other.load_state_dict(dataset.state_dict(batches=n_items))
        loader = iter(load(other, n_workers))
        next(loader)
        again.load_state_dict(other.state_dict(batches=n_items + 1))
        assert keys_of(load(again, n_workers)) == keys_of(loader)
    # what comes after goes through whole epochs again
    for epoch in (2, 3):
        dataset.set_epoch(epoch)
        other.set_epoch(epoch)
        assert keys_of(load(other, n_workers)) == keys_of(load(dataset, n_workers))
        assert len(keys_of(load(other, n_workers))) == dataset.n_windows


def test_a_stop_can_be_gone_on_with_twice(path: Path) -> None:
    whole = keys_of(windows(path, batch_size=4))
    taken: list[Key] = []
    state = windows(path, batch_size=4).state_dict()
    while len(taken) < len(whole):
        dataset = windows(path, batch_size=4)
        dataset.load_state_dict(state)
        dataset.set_epoch(0)
        iterator = iter(dataset)
        taken += keys_of(islice(iterator, 3))
        state = dataset.state_dict()
    assert taken == whole


def test_another_epoch_forgets_a_state(path: Path) -> None:
    dataset, other = windows(path, batch_size=4), windows(path, batch_size=4)
    iterator = iter(dataset)
    next(iterator)
    other.load_state_dict(dataset.state_dict())
    other.set_epoch(1)
    dataset.set_epoch(1)
    assert keys_of(other) == keys_of(dataset)
    assert len(keys_of(other)) == dataset.n_windows


def test_a_state_tells_what_it_cannot(path: Path) -> None:
    dataset = windows(path, batch_size=4)
    next(iter(load(dataset, 2)))
    with pytest.raises(ConfigError, match=r"2 workers are ahead.*tell state_dict how many batches"):
        dataset.state_dict()
    state = dataset.state_dict(batches=1)
    other = windows(path, batch_size=4)
    other.load_state_dict(state)
    with pytest.raises(ConfigError, match="the state is of 2 processes that read, here are 1"):
        next(iter(other))
    one_by_one = windows(path)
    next(iter(load(one_by_one, 1)))
    with pytest.raises(ConfigError, match="make batches in Windows"):
        one_by_one.state_dict(batches=1)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"seed": 9}, "seed 3 there, 9 here"),
        ({"batch_size": 5}, "batch_size 4 there, 5 here"),
        ({"window_length": 900}, "window_length 1000 there, 900 here"),
        ({"records": [1, 2]}, "selection"),
        ({"batch_size": None}, "one_by_one False there, True here"),
        ({"even_ranks": True}, "even False there, True here"),
        ({"rank": 0, "world_size": 2}, "world_size 1 there, 2 here"),
    ],
)
def test_a_state_of_other_windows_is_refused(path: Path, options: dict[str, Any], text: str) -> None:
    state = windows(path, batch_size=4).state_dict()
    with pytest.raises(ConfigError, match=text):
        windows(path, **{"batch_size": 4} | options).load_state_dict(state)


@pytest.mark.parametrize("state", [{}, {"epoch": "x"}, {"epoch": 0, "items": -1, "workers": 0}, []])
def test_what_is_no_state_is_refused(path: Path, state: Any) -> None:
    dataset = windows(path, batch_size=4)
    if state and isinstance(state, dict) and "items" in state:
        state |= {"windows": dataset.state_dict()["windows"]}
    with pytest.raises(ConfigError, match=r"not the state of Windows|expected 0 or more"):
        dataset.load_state_dict(state)


def test_a_workers_own_state_is_gone_on_with_there(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As torchdata's StatefulDataLoader does: in each worker it asks the dataset, and gives the state back there."""
    from torch.utils.data._utils import worker

    for number in range(2):
        monkeypatch.setattr(worker, "_worker_info", worker.WorkerInfo(id=number, num_workers=2, seed=0, dataset=None))
        dataset, other = windows(path, batch_size=4), windows(path, batch_size=4)
        iterator = iter(dataset)
        next(iterator), next(iterator)
        state = dataset.state_dict()
        assert (state["items"], state["worker"], state["workers"]) == (2, number, 2)
        rest = keys_of(iterator)
        other.load_state_dict(state)
        assert keys_of(other) == rest
        monkeypatch.setattr(worker, "_worker_info", None)
        with pytest.raises(ConfigError, match=f"the state is of worker {number} of 2"):
            windows(path, batch_size=4).load_state_dict(state)


def test_the_transform_has_the_last_word(path: Path) -> None:
    def halve(item: dict[str, torch.Tensor]) -> torch.Tensor:
        return item["signal"] / 2

    plain = [item["signal"] for item in windows(path)]
    for halved, whole in zip(load(windows(path, transform=halve), 0), plain, strict=True):
        torch.testing.assert_close(halved, whole / 2)
    assert next(iter(windows(path, batch_size=4, transform=halve))).shape == (4, 12, LENGTH)
    indexed = ecg12.IndexedWindows(path, window_length=LENGTH, transform=halve)
    assert next(iter(DataLoader(indexed, batch_size=4))).shape == (4, 12, LENGTH)


def test_labels_may_be_an_array(path: Path) -> None:
    own = np.arange(60, dtype=np.float64).reshape(30, 2)
    for item in windows(path, labels=own):
        assert item["label"].tolist() == own[int(item["record"])].tolist()
        assert item["label"].dtype == torch.float32
    dataset = windows(path, labels="scored")
    assert len(dataset.classes) == 24 == len(next(iter(dataset))["label"])
    assert windows(path, labels=own).classes == ()
    with pytest.raises(ConfigError, match=r"labels have shape \(2, 2\); expected \(30, classes\)"):
        windows(path, labels=own[:2])


def test_records_are_chosen(path: Path) -> None:
    store = ecg12.open_store(path)
    annotated = store.records.query("annotated").index
    assert {record for record, _ in keys_of(windows(path, records=annotated))} == {n for n in range(30) if n % 3}
    assert {record for record, _ in keys_of(windows(path, records=[4, 9]))} == {4, 9}
    with pytest.raises(StoreError, match="no record called 'Z'"):
        ecg12.Windows(store, records=["Z"])


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"batch_size": 0}, "batch_size is 0"),
        ({"window_length": 0}, "window_length is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"rank": 2, "world_size": 2}, "rank is 2 of 2"),
        ({"rank": 1}, "rank is 1 and world_size None; expected both, or neither"),
        ({"dtype": torch.float64}, "dtype is torch.float64; expected torch.float32 or torch.int16"),
        ({"labels": "most"}, "classes are 'most'"),
        ({"buffer_chunks": 0}, "buffer_chunks is 0"),
    ],
)
def test_options_that_make_no_sense_are_refused(path: Path, options: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        windows(path, **options)


def test_the_rank_is_torchruns(path: Path, naive: dict[Key, np.ndarray], monkeypatch: pytest.MonkeyPatch) -> None:
    found: Counter[Key] = Counter()
    for rank in range(2):
        monkeypatch.setenv("RANK", str(rank))
        monkeypatch.setenv("WORLD_SIZE", "2")
        found.update(keys_of(windows(path)))
    assert found == Counter(naive.keys())


def test_a_damaged_chunk_is_told_wherever_it_is_met(path: Path, tmp_path: Path) -> None:
    import shutil

    damaged = tmp_path / "ecg.zarr"
    shutil.copytree(path, damaged)
    chunk = next(file for file in sorted((damaged / "signal" / "c").rglob("*")) if file.is_file())
    content = bytearray(chunk.read_bytes())
    content[100] ^= 0xFF
    chunk.write_bytes(content)
    for n_workers in (0, 2):
        with pytest.raises(ChecksumError, match="crc32c"):
            list(load(windows(damaged, batch_size=4), n_workers))
    with pytest.raises(ChecksumError, match="crc32c"):
        ecg12.IndexedWindows(damaged, window_length=LENGTH)


@pytest.fixture(scope="module", params=["memory", "chunks"])
def indexed(request: pytest.FixtureRequest, path: Path) -> ecg12.IndexedWindows:
    return ecg12.IndexedWindows(path, window_length=LENGTH, labels=["AF"], keep=request.param, cache_chunks=3)


def test_a_window_by_its_number(indexed: ecg12.IndexedWindows, path: Path, naive: dict[Key, np.ndarray]) -> None:
    assert len(indexed) == len(naive)
    many = indexed.__getitems__(list(range(len(indexed)))[::-1])[::-1]
    for number, (key, item) in enumerate(zip(naive, many, strict=True)):
        alone = indexed[number]
        for one in (item, alone):
            assert keys_of([one]) == [key]
            np.testing.assert_array_equal(one["signal"].numpy(), naive[key].astype(np.float32) / 1000)
            assert one["label"].tolist() == [float(key[0] % 3 == 1)]
    assert keys_of([indexed[-1]]) == [list(naive)[-1]]
    with pytest.raises(IndexError):
        indexed[len(indexed)]
    of_stream = {keys_of([item])[0]: item for item in windows(path, labels=["AF"])}
    for item in many:
        same = of_stream[keys_of([item])[0]]
        assert item.keys() == same.keys()
        for name, values in item.items():
            assert values.dtype == same[name].dtype
            torch.testing.assert_close(values, same[name])


@pytest.mark.parametrize("n_workers", [0, 2])
def test_a_shuffled_loader(indexed: ecg12.IndexedWindows, naive: dict[Key, np.ndarray], n_workers: int) -> None:
    loader = DataLoader(indexed, batch_size=7, shuffle=True, num_workers=n_workers)
    first, second = keys_of(loader), keys_of(loader)
    assert Counter(first) == Counter(second) == Counter(naive.keys())
    assert first != second
    assert set(keys_of(DataLoader(indexed, sampler=RandomSampler(indexed, num_samples=5)))) <= naive.keys()


@pytest.mark.parametrize("n_workers", [0, 2, 3])
def test_batches_of_a_few_chunks(path: Path, naive: dict[Key, np.ndarray], n_workers: int) -> None:
    dataset = ecg12.IndexedWindows(path, window_length=LENGTH, keep="chunks")
    sampler = dataset.batch_sampler(7, seed=5, n_workers=n_workers)
    batches = list(sampler)
    assert len(batches) == len(sampler)
    assert sorted(number for batch in batches for number in batch) == list(range(len(dataset)))
    loader = DataLoader(dataset, batch_sampler=sampler, num_workers=n_workers)
    assert Counter(keys_of(loader)) == Counter(naive.keys())
    sampler.set_epoch(1)
    assert list(sampler) != batches
    shares = [list(dataset.batch_sampler(7, rank=rank, world_size=3)) for rank in range(3)]
    assert sorted(n for share in shares for batch in share for n in batch) == list(range(len(dataset)))
    for text, options in (("batch_size is 0", {"batch_size": 0}), ("seed is -1", {"batch_size": 1, "seed": -1})):
        with pytest.raises(ConfigError, match=text):
            dataset.batch_sampler(**options)


def test_the_sampler_decodes_each_chunk_about_once(path: Path) -> None:
    dataset = ecg12.IndexedWindows(path, window_length=LENGTH, keep="chunks")
    for batch in dataset.batch_sampler(7):
        dataset.__getitems__(batch)
    ordered = dataset._random.chunks.n_decoded
    n_chunks = Reader(path).n_chunks
    assert n_chunks <= ordered <= 2 * n_chunks  # windows of long records go over their chunk's end
    other = ecg12.IndexedWindows(path, window_length=LENGTH, keep="chunks", cache_chunks=1)
    for number in torch.randperm(len(other), generator=torch.Generator().manual_seed(1)).tolist():
        other[number]
    assert other._random.chunks.n_decoded > 3 * ordered


def test_what_is_kept(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ecg12.pipeline.loading import residency

    assert ecg12.IndexedWindows(path, window_length=LENGTH).keep == "memory"
    monkeypatch.setattr(residency, "available_bytes", lambda: 1000)
    assert ecg12.IndexedWindows(path, window_length=LENGTH).keep == "chunks"
    with pytest.raises(ConfigError, match="keep is 'disk'; expected auto, memory, chunks"):
        ecg12.IndexedWindows(path, keep="disk")
    with pytest.raises(ConfigError, match="cache_chunks is 0"):
        ecg12.IndexedWindows(path, keep="chunks", cache_chunks=0)


def test_datasets_travel(path: Path, naive: dict[Key, np.ndarray]) -> None:
    """Copies and pickles have what they are of, and open it themselves."""
    for travel in (copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))):
        stream = travel(windows(path, batch_size=4, labels="all"))
        assert Counter(keys_of(stream)) == Counter(naive.keys())
        indexed = travel(ecg12.IndexedWindows(path, window_length=LENGTH))
        assert Counter(keys_of(indexed[n] for n in range(len(indexed)))) == Counter(naive.keys())
    assert len(pickle.dumps(ecg12.IndexedWindows(path, window_length=LENGTH))) < 100_000


def test_workers_that_are_started_afresh(path: Path, naive: dict[Key, np.ndarray]) -> None:
    """Spawned and not forked, as on macOS and Windows: they get the epoch and what is decoded as shared memory."""
    context = multiprocessing.get_context("spawn")
    dataset = windows(path, batch_size=8)
    dataset.set_epoch(2)
    alone = windows(path, batch_size=8)
    alone.set_epoch(2)
    spawned = load(dataset, 1, multiprocessing_context=context)
    assert keys_of(spawned) == keys_of(alone)
    indexed = ecg12.IndexedWindows(path, window_length=LENGTH)
    loader = DataLoader(indexed, batch_size=8, shuffle=True, num_workers=1, multiprocessing_context=context)
    assert Counter(keys_of(loader)) == Counter(naive.keys())


def test_a_store_behind_a_url(path: Path, naive: dict[Key, np.ndarray], in_memory) -> None:
    place = in_memory / "ecg.zarr"
    for file in path.rglob("*"):
        if file.is_file():
            (place / file.relative_to(path).as_posix()).write_bytes(file.read_bytes())
    assert Counter(keys_of(windows(str(place), batch_size=4))) == Counter(naive.keys())
    indexed = ecg12.IndexedWindows(str(place), window_length=LENGTH, keep="chunks")
    assert keys_of([indexed[3]]) == [list(naive)[3]]


def test_an_iteration_that_is_left_leaves_no_threads(path: Path) -> None:
    import threading

    before = threading.active_count()
    iterator: Iterator[Any] = iter(windows(path, batch_size=4))
    next(iterator)
    iterator.close()  # type: ignore[attr-defined]
    assert threading.active_count() <= before
