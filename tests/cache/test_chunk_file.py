"""Chunks are proven when they are first decoded, and what lies in their place is never waited for, nor believed."""

import os
import shutil

import numpy as np
import pytest
import zarr

from ecg12.cache.chunk_file import ChunkFiles
from ecg12.cache.chunk_reader import ChunkReader
from ecg12.cache.compression import encode_signal
from ecg12.cache.reader import Store, read_chunk_of
from ecg12.cache.schema import StoreConfig
from ecg12.cache.several_stores import open_stores
from ecg12.ecg.errors import ChecksumError, ConfigError, StoreError
from tests.cache.small_store import CONFIG, contents, edit_json, flip_byte, write_store


def chunk_file(path, chunk):
    return path / "signal" / "c" / "0" / str(chunk)


def swap(path, first, second):
    one, other = chunk_file(path, first).read_bytes(), chunk_file(path, second).read_bytes()
    chunk_file(path, first).write_bytes(other)
    chunk_file(path, second).write_bytes(one)


def rewrite_a_sample(path):
    zarr.open_array(path, path="signal", mode="r+")[3, 100] += 1


def readings(path):
    store = Store(path)
    yield store.read_chunk
    yield lambda chunk: Store(path).read_columns(chunk * 2048 + 5, chunk * 2048 + 9)
    yield ChunkReader(store).read
    yield ChunkReader(open_stores([path])).read


SAID = r"s\.zarr/signal chunk 0: SHA-256 [0-9a-f]{64}; expected [0-9a-f]{64}: build the store again, or copy it again"


@pytest.mark.parametrize(
    "change",
    [
        lambda path: swap(path, 0, 1),
        lambda path: shutil.copy(chunk_file(path, 1), chunk_file(path, 0)),
        rewrite_a_sample,
        lambda path: chunk_file(path, 0).write_bytes(encode_signal("lz4", np.zeros((12, 2048), np.int16))),
    ],
    ids=["swapped", "copied", "rewritten", "emptied"],
)
def test_a_chunk_whose_crc_is_right_is_held_against_its_digest(path, change):
    change(path)
    for read in readings(path):
        with pytest.raises(ChecksumError, match=SAID):
            read(0)


def test_the_digests_of_a_union_are_its_members(path, tmp_path):
    other = tmp_path / "t.zarr"
    write_store(other, {name: {"name": f"Z{name}"} for name in ("A0001", "A0002", "B", "C")})
    swap(other, 0, 1)
    reader = ChunkReader(open_stores([path, other]))
    failed = []
    for chunk in range(reader.store.n_chunks):
        try:
            reader.read(chunk)
        except ChecksumError as error:
            failed.append(str(error))
    assert [f"{other}/signal chunk {chunk}: SHA-256" in one for chunk, one in enumerate(failed)] == [True, True]


def test_a_remote_chunk_is_proven_too(whole_store, in_memory):
    for name, data in contents(whole_store).items():
        (in_memory / "s.zarr" / name).write_bytes(data)
    one = (in_memory / "s.zarr" / "signal" / "c" / "0" / "1").read_bytes()
    (in_memory / "s.zarr" / "signal" / "c" / "0" / "0").write_bytes(one)
    reader = ChunkReader(Store(in_memory / "s.zarr"))
    for fetched in (None, reader.fetch(0)):
        with pytest.raises(ChecksumError, match="chunk 0: SHA-256"):
            reader.read(0, fetched=fetched)


def test_it_is_proven_once(path, monkeypatch):
    store, hashed = Store(path), []
    monkeypatch.setattr(
        "ecg12.cache.reader.chunk_digest", lambda block: hashed.append(1) or store.column("chunk/digest")[0]
    )
    ChunkReader(store).read(0)
    ChunkReader(store).read(0)
    store.read_chunk(0)
    assert hashed == [1]


def test_without_check_nothing_is_proven(path):
    swap(path, 0, 1)
    ChunkReader(Store(path), check=False).read(0)


def test_other_readers_are_not_misled_by_one_that_does_not_check(path):
    swap(path, 0, 1)
    store = Store(path)
    ChunkReader(store, check=False).read(0)
    with pytest.raises(ChecksumError, match="chunk 0: SHA-256"):
        ChunkReader(store).read(0)


def test_a_chunk_that_is_being_built_has_no_digest_yet(path):
    swap(path, 0, 1)
    assert np.array_equal(read_chunk_of(path, 0), zarr.open_array(path, path="signal", mode="r")[:, :2048])


def test_a_fifo_in_a_chunks_place_is_not_waited_for(path):
    chunk_file(path, 1).unlink()
    os.mkfifo(chunk_file(path, 1))
    for read in readings(path):
        with pytest.raises(ChecksumError, match=r"chunk 1: cannot be read \(a FIFO; expected a file\); run verify"):
            read(1)


def test_a_file_longer_than_a_chunk_can_be_is_not_read(path):
    with chunk_file(path, 1).open("r+b") as file:
        file.truncate(2**40)
    for read in readings(path):
        with pytest.raises(ChecksumError, match=r"chunk 1: cannot be read \(1,099,511,627,776 bytes; expected less"):
            read(1)


def test_a_missing_chunk_is_found_before_anything_is_allocated(path, monkeypatch):
    store = Store(path)
    chunk_file(path, 2).unlink()
    monkeypatch.setattr("ecg12.cache.reader.np.empty", None)
    with pytest.raises(ChecksumError, match="chunk 2: the file is missing"):
        store.read_columns(0, 3 * 2048)


def test_what_is_reused_is_as_long_as_the_file(path):
    """A short chunk after a long one, in memory that was the long one's."""
    files = ChunkFiles(path, CONFIG)
    sizes = [chunk_file(path, chunk).stat().st_size for chunk in range(files.form.grid[1])]
    for chunk in sorted(range(len(sizes)), key=lambda chunk: -sizes[chunk]):
        assert bytes(files.encoded(chunk, reuse=True)) == chunk_file(path, chunk).read_bytes()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda values: values.update(shape=[12, 10**12 // 2048 * 2048]), None),
        (lambda values: values.update(shape=[12, 2**70]), "an integer of 22 digits"),
        (lambda values: values.update(shape=[12, 2**63]), "sizes each"),
        (lambda values: values.update(shape=[12, -2048]), "sizes each"),
        (lambda values: values.update(shape=[12, 6144.0]), "sizes each"),
        (lambda values: values.update(shape=[12, True]), "sizes each"),
        (lambda values: values.update(shape=[12]), "sizes each"),
        (lambda values: values["chunk_grid"]["configuration"].update(chunk_shape=[12, 0]), "sizes each"),
        (lambda values: values["chunk_grid"]["configuration"].update(chunk_shape=[12, 10**15]), "expected int16 in"),
        (lambda values: values["chunk_grid"].update(name="rectangular"), "sizes each"),
        (lambda values: values.update(chunk_grid=[]), "sizes each"),
        (lambda values: values.update(codecs=None), "codecs"),
        (lambda values: values.update(codecs=[1, 2, 3]), "codecs"),
        (lambda values: values["codecs"].insert(2, {"name": "gzip", "configuration": {"level": 9}}), "codecs"),
        (lambda values: values.update(codecs=[{"name": "sharding_indexed", "configuration": {}}]), "codecs"),
        (lambda values: values.update(storage_transformers=[{"name": "x"}]), "storage_transformers"),
        (lambda values: values.update(zarr_format=2), "zarr_format"),
        (lambda values: values.update(node_type="group"), "node_type"),
    ],
)
def test_a_signals_metadata_is_held_against_the_format(path, change, message):
    """With a trillion samples the store opens, as its metadata are in order; nothing is allocated for them."""
    edit_json(path / "signal" / "zarr.json", change)
    if message:
        with pytest.raises(StoreError, match=f"s\\.zarr/signal: .*{message}.*build the store again"):
            Store(path)
        return
    store = Store(path)
    for ask in (lambda: store.starts, lambda: store.read_chunk(0), lambda: store.read_record(0)):
        with pytest.raises(StoreError, match=r"chunk/digest: shape \(3,\) along chunk; expected \(488281250,\)"):
            ask()


def test_a_chunk_has_a_size_that_fits_memory():
    with pytest.raises(ConfigError, match=r"chunk_length is 1,000,000,000,000; expected at most 2,796,202 samples"):
        StoreConfig(chunk_length=10**12)


@pytest.mark.parametrize("n_records", [-1, 6145, 10**12])
def test_there_are_no_more_records_than_columns(path, n_records):
    edit_json(path / "zarr.json", lambda metadata: metadata["attributes"].update(n_records=n_records))
    with pytest.raises(StoreError, match=r"records in 6,144 columns of signal; expected at most one a column"):
        Store(path)


def test_flipped_bytes_are_still_found_by_the_crc(path):
    flip_byte(chunk_file(path, 0))
    for read in readings(path):
        with pytest.raises(ChecksumError, match=r"chunk 0: damaged .its crc32c is not the one written with it"):
            read(0)
