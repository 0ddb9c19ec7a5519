"""Batches from a store that is not here are those of a local one, and its server's faults reach the caller."""

import threading

import numpy as np
import pytest
import torch

from ecg12.cache.reader import Store
from ecg12.cache.storage.location import RemotePath, in_parallel
from ecg12.ecg.errors import ChecksumError, RemoteError
from ecg12.ecg.signals.window import WindowConfig
from ecg12.pipeline.loading.window_batches import WindowBatches
from ecg12.pipeline.runtime.prefetch import THREAD_NAME
from tests.cache.small_store import contents, write_store
from tests.s3_server import Fault

WINDOWS = WindowConfig(window_length=512)


@pytest.fixture
def stores(tmp_path, s3):
    """The same small store here and there; record B goes on from one chunk to the next."""
    write_store(tmp_path / "s.zarr")
    place, files = RemotePath("s3://bucket/s.zarr"), contents(tmp_path / "s.zarr")
    in_parallel(lambda name: (place / name).write_bytes(files[name]), files)
    return Store(tmp_path / "s.zarr"), Store(place)


def batches(store, residency="stream", **options):
    return WindowBatches(
        store, np.arange(4), WINDOWS, batch_size=3, seed=7, residency=residency, buffer_chunks=2, threads=2, **options
    )


def same(one, other):
    return torch.equal(one.signal, other.signal) and torch.equal(one.record, other.record)


@pytest.mark.parametrize("residency", ["stream", "memory", "device"])
def test_they_are_the_same_batches(stores, residency):
    here, there = (batches(store, residency) for store in stores)
    for epoch in range(2):
        here.set_epoch(epoch)
        there.set_epoch(epoch)
        pairs = list(zip(here, there, strict=True))
        assert len(pairs) == len(here) > 2
        assert all(same(*pair) for pair in pairs)


def test_a_state_of_one_resumes_the_other(stores):
    here, there = map(batches, stores)
    begun = iter(here)
    next(begun)
    state = here.state_dict()
    there.load_state_dict(state)
    assert all(same(*pair) for pair in zip(begun, there, strict=True))


def test_errors_that_pass_are_not_noticed(stores, s3):
    s3.faults = [Fault(kind=kind, path="signal/c/0/", times=2) for kind in ("503", "reset", "500")]
    here, there = map(batches, stores)
    assert all(same(*pair) for pair in zip(here, there, strict=True))
    assert s3.injected == {"503": 2, "reset": 2, "500": 2}


def test_what_is_wrong_reaches_the_caller_and_no_thread_is_left(stores, s3):
    there = stores[1]
    damaged = there.path / "signal" / "c" / "0" / "1"
    s3.faults = [Fault(kind="403", path="signal/c/0/1", times=99)]
    with pytest.raises(RemoteError, match=r"s3://bucket/s.zarr/signal/c/0/1: cannot be read: access denied"):
        list(batches(there))
    s3.faults = []
    data = damaged.read_bytes()
    damaged.write_bytes(data[:100] + bytes([data[100] ^ 255]) + data[101:])
    with pytest.raises(ChecksumError, match=r"s3://bucket/s.zarr/signal chunk 1: damaged .its crc32c.*; run verify"):
        list(batches(there))
    damaged.unlink()
    with pytest.raises(ChecksumError, match=r"s3://bucket/s.zarr/signal chunk 1: the file is missing; run verify"):
        list(batches(there))
    assert not [thread for thread in threading.enumerate() if thread.name.startswith(THREAD_NAME)]


def test_leaving_early_leaves_no_thread(stores):
    for _ in batches(stores[1]):
        break
    assert not [thread for thread in threading.enumerate() if thread.name.startswith(THREAD_NAME)]
