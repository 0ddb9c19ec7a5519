"""Chunks decoded directly: what zarr gives, and damage named, at the first decode or always."""

import numpy as np
import pytest
import zarr

from ecg12.cache.chunk_reader import ChunkReader
from ecg12.cache.reader import Store
from ecg12.ecg.errors import ChecksumError, StoreError
from tests.cache.small_store import StoreConfig, edit_json, flip_byte, truncate, write_store


def chunk_file(path, chunk):
    return path / "signal" / "c" / "0" / str(chunk)


@pytest.mark.parametrize("codec", ["lz4", "zstd"])
@pytest.mark.parametrize("check", [True, False])
def test_chunks_are_what_zarr_reads(tmp_path, codec, check):
    write_store(tmp_path / "s.zarr", config=StoreConfig(chunk_length=2048, seed=1, codec=codec))
    store = Store(tmp_path / "s.zarr")
    reader = ChunkReader(store, check=check)
    signal = zarr.open_array(tmp_path / "s.zarr", path="signal", mode="r")
    out = np.empty((12, 2048), np.int16)
    for chunk in [*range(store.n_chunks), *range(store.n_chunks)]:
        assert reader.read(chunk, out) is out
        np.testing.assert_array_equal(out, signal[:, chunk * 2048 : (chunk + 1) * 2048])
        np.testing.assert_array_equal(store.read_chunk(chunk), out)
        np.testing.assert_array_equal(reader.read(chunk), out)


@pytest.mark.parametrize(
    "change",
    [
        lambda metadata: metadata["codecs"].insert(0, {"name": "transpose", "configuration": {"order": [0, 1]}}),
        lambda metadata: metadata["chunk_key_encoding"].update(name="v2"),
        lambda metadata: metadata["codecs"][0]["configuration"].update(endian="big"),
    ],
    ids=["another codec", "other keys", "other byte order"],
)
def test_codecs_that_the_format_does_not_have_are_refused(path, change):
    """The transposed chunk would decode to as many bytes, leads and times mixed up."""
    edit_json(path / "signal" / "zarr.json", change)
    with pytest.raises(StoreError, match=r"signal: cannot be opened \((codecs|chunk_key_encoding) .*; expected .*\)"):
        Store(path)


def test_a_missing_chunk_is_named(path):
    chunk_file(path, 1).unlink()
    for check in (True, False):
        with pytest.raises(ChecksumError, match=r"s\.zarr/signal chunk 1: the file is missing; run verify"):
            ChunkReader(Store(path), check=check).read(1)


def test_a_chunk_that_cannot_be_read_is_named(path):
    chunk_file(path, 1).unlink()
    chunk_file(path, 1).mkdir()
    with pytest.raises(ChecksumError, match=r"s\.zarr/signal chunk 1: cannot be read \(.*directory.*\); run verify"):
        ChunkReader(Store(path)).read(1)


def test_every_byte_is_guarded_at_the_first_decode(path):
    store = Store(path)
    original = chunk_file(path, 0).read_bytes()
    for position in range(0, len(original), 997):
        flip_byte(chunk_file(path, 0), position)
        with pytest.raises(ChecksumError, match=r"signal chunk 0: damaged .its crc32c is not the one written with it"):
            ChunkReader(store).read(0)
        chunk_file(path, 0).write_bytes(original)


def test_a_damaged_chunk_stays_unchecked_until_it_is_whole(path):
    reader = ChunkReader(Store(path))
    original = chunk_file(path, 0).read_bytes()
    flip_byte(chunk_file(path, 0), 100)
    for _ in range(2):
        with pytest.raises(ChecksumError, match="chunk 0: damaged"):
            reader.read(0)
    chunk_file(path, 0).write_bytes(original)
    reader.read(0)
    flip_byte(chunk_file(path, 0), -1)  # of the crc itself: decoded a second time, it is not looked at
    reader.read(0)


def test_without_check_the_frame_must_still_fit(path):
    store = Store(path)
    for damage in (truncate, lambda file: file.write_bytes(b""), lambda file: flip_byte(file, 5)):
        original = chunk_file(path, 1).read_bytes()
        damage(chunk_file(path, 1))
        with pytest.raises(ChecksumError, match=r"chunk 1: damaged \(.* bytes.*\); run verify"):
            ChunkReader(store, check=False).read(1)
        chunk_file(path, 1).write_bytes(original)


def test_a_frame_that_blosc_refuses_is_named(path):
    data = bytearray(chunk_file(path, 1).read_bytes())
    data[16:-4] = bytes(len(data) - 20)
    chunk_file(path, 1).write_bytes(data)
    with pytest.raises(ChecksumError, match=r"chunk 1: damaged \(error during blosc decompression.*\); run verify"):
        ChunkReader(Store(path), check=False).read(1)
