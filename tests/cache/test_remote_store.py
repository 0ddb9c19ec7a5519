"""A store that is not here: it reads as one that is, and says what is wrong by its URL."""

import json

import numpy as np
import pytest

from ecg12.cache.chunk_reader import ChunkReader
from ecg12.cache.reader import Store
from ecg12.cache.schema import COLUMNS, StoreConfig
from ecg12.cache.several_stores import open_stores
from ecg12.cache.storage import location
from ecg12.cache.storage.location import in_parallel
from ecg12.cache.verify import verify_store
from ecg12.ecg.errors import ChecksumError, FormatVersionError, RemoteError, StoreError
from tests.cache.small_store import contents, write_store
from tests.s3_server import Fault


@pytest.fixture
def remote(whole_store, in_memory):
    """A copy of `whole_store` in memory, to be damaged."""
    for name, data in contents(whole_store).items():
        (in_memory / "s.zarr" / name).write_bytes(data)
    return in_memory / "s.zarr"


def chunk_of(remote, chunk):
    return remote / "signal" / "c" / "0" / str(chunk)


def edit(place, change):
    values = json.loads(place.read_text())
    change(values)
    place.write_text(json.dumps(values))


def test_it_is_written_with_the_same_bytes(in_memory, tmp_path):
    changes = {"B": {"offset": (0,) * 6 + (15000,) + (0,) * 5}}
    write_store(tmp_path / "s.zarr", changes)
    write_store(in_memory / "s.zarr", changes)
    files = (in_memory / "s.zarr").files()
    assert {name: (in_memory / "s.zarr" / name).read_bytes() for name in files} == contents(tmp_path / "s.zarr")


@pytest.mark.parametrize("codec", ["lz4", "zstd", "pcodec"])
def test_it_reads_as_a_local_one(in_memory, tmp_path, codec):
    if codec == "pcodec":
        pytest.importorskip("pcodec")
    config = StoreConfig(chunk_length=2048, seed=1, codec=codec)
    write_store(tmp_path / "s.zarr", config=config)
    write_store(in_memory / "s.zarr", config=config)
    here, there = Store(tmp_path / "s.zarr"), Store(in_memory / "s.zarr")
    assert here.attributes == there.attributes
    assert (here.n_chunks, here.leads, here.fs) == (there.n_chunks, there.leads, there.fs)
    for column in COLUMNS:
        np.testing.assert_array_equal(here.column(column.path), there.column(column.path))
    for row in range(here.n_records):
        assert np.array_equal(here.read_microvolts(row), there.read_microvolts(row))
    readers = ChunkReader(here), ChunkReader(there)
    for chunk in range(here.n_chunks):
        assert np.array_equal(readers[0].read(chunk), readers[1].read(chunk))
        assert np.array_equal(readers[0].read(chunk), readers[1].read(chunk, fetched=readers[1].fetch(chunk)))
    assert [reader.is_remote for reader in readers] == [False, True]
    assert readers[0].fetch(0) is None


def test_it_verifies(remote):
    done = []
    assert verify_store(remote, workers=1, advance=done.append) == ()
    assert done == [1] * Store(remote).n_chunks


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda place: place.unlink(), "chunk 1: the file is missing; run verify"),
        (lambda place: place.write_bytes(place.read_bytes()[:-1]), "chunk 1: damaged"),
        (lambda place: place.write_bytes(bytes(place.size())), "chunk 1: damaged"),
        (
            lambda place: place.write_bytes(place.read_bytes()[:40] + b"\x00\xff" + place.read_bytes()[42:]),
            "chunk 1: d",
        ),
        (lambda place: place.write_bytes(b""), "chunk 1: damaged"),
    ],
)
def test_a_damaged_object_is_named(remote, damage, message):
    store = Store(remote)
    damage(chunk_of(remote, 1))
    whole = f"memory://place/s.zarr/signal {message}"
    for read in (store.read_chunk, ChunkReader(store).read):
        with pytest.raises(ChecksumError) as caught:
            read(1)
        assert whole in str(caught.value)
    (problem,) = verify_store(remote)
    assert whole.removesuffix("; run verify") in problem


def test_what_comes_over_a_network_is_checked_each_time(remote):
    reader = ChunkReader(Store(remote))
    reader.read(0)
    data = bytearray(chunk_of(remote, 0).read_bytes())
    data[-1] ^= 1  # of the crc32c itself, which Blosc does not look at
    chunk_of(remote, 0).write_bytes(bytes(data))
    with pytest.raises(ChecksumError, match=r"chunk 0: damaged .its crc32c"):
        reader.read(0)


def test_a_lost_or_damaged_table_is_named(remote):
    (remote / "record" / "age" / "c" / "0").unlink()
    with pytest.raises(StoreError, match=r"memory://place/s\.zarr/record/age: 1 of its files missing; build"):
        Store(remote).column("record/age")
    (remote / "record" / "sex" / "zarr.json").unlink()
    with pytest.raises(StoreError, match=r"memory://place/s\.zarr/record/sex: cannot be read"):
        Store(remote).column("record/sex")
    (remote / "signal" / "zarr.json").write_text("{")
    with pytest.raises(StoreError, match=r"memory://place/s\.zarr/signal: cannot be opened"):
        Store(remote)


def test_what_is_no_store(remote, in_memory):
    with pytest.raises(StoreError, match=r"memory://place/none: no store there; make one with build-cache"):
        Store(in_memory / "none")
    (in_memory / "half.build" / "plan").write_text("x")
    with pytest.raises(StoreError, match=r"half: no store there; memory://place/half\.build holds an unfinished build"):
        Store(in_memory / "half")
    with pytest.raises(StoreError, match=r"zarr\.json: a file; expected the folder of a store"):
        Store(remote / "zarr.json")
    with pytest.raises(StoreError, match=r"memory://place/s\.zarr/signal: not a store of this program"):
        Store(remote / "signal")
    edit(remote / "zarr.json", lambda values: values["attributes"].update(complete=False))
    with pytest.raises(StoreError, match="the store is incomplete; run build-cache again"):
        Store(remote)
    edit(remote / "zarr.json", lambda values: values["attributes"].update(format_version=9))
    with pytest.raises(FormatVersionError, match="format version 9; this program reads version 1"):
        Store(remote)


def test_several_stores_here_and_there(remote, whole_store, in_memory, tmp_path):
    names = {"A0001": "Z1", "A0002": "Z2", "B": "Z3", "C": "Z4"}
    write_store(tmp_path / "t.zarr", {name: {"name": other} for name, other in names.items()})
    mixed, local = open_stores([remote, tmp_path / "t.zarr"]), open_stores([whole_store, tmp_path / "t.zarr"])
    assert mixed.attributes["digest"] == local.attributes["digest"]
    readers = ChunkReader(mixed), ChunkReader(local)
    assert [reader.is_remote for reader in readers] == [True, False]
    for chunk in range(local.n_chunks):
        fetched = readers[0].fetch(chunk)
        assert np.array_equal(readers[0].read(chunk, fetched=fetched), readers[1].read(chunk))
    assert sum(readers[0].fetch(chunk) is None for chunk in range(local.n_chunks)) == local.n_chunks // 2


def test_a_server_that_is_gone_ends_verification(s3, whole_store, monkeypatch):
    place = location.RemotePath("s3://bucket/s.zarr")
    files = contents(whole_store)
    in_parallel(lambda name: (place / name).write_bytes(files[name]), files)
    assert verify_store(place) == ()
    s3.faults = [Fault(kind="403", path="signal/c/0/1", times=99)]
    with pytest.raises(RemoteError, match=r"s3://bucket/s.zarr/signal/c/0/1: cannot be read: access denied"):
        verify_store(place)
    s3.faults = [Fault(kind="403", path=r"s\.zarr/zarr.json", times=99)]
    with pytest.raises(RemoteError, match=r"s3://bucket/s.zarr/zarr.json: cannot be read: access denied"):
        Store(place)
    s3.faults = [Fault(kind="403", path="record", times=99)]
    with pytest.raises(RemoteError, match=r"s3://bucket/s.zarr/record/.*: access denied"):
        verify_store(place)
