import json

import numcodecs.blosc
import numpy as np
import pytest
import zarr

from cache.compression import signal_compressors, table_compressors
from cache.schema import CODECS, COLUMNS, StoreConfig
from tests.cache.small_store import CONFIG, contents, write_store
from tests.records import pulses_uv


def codecs_of(array_folder):
    return json.loads((array_folder / "zarr.json").read_text())["codecs"]


def test_every_array_ends_in_crc32c(tmp_path):
    write_store(tmp_path / "s.zarr")
    for path in ("signal", *(column.path for column in COLUMNS)):
        assert codecs_of(tmp_path / "s.zarr" / path)[-1]["name"] == "crc32c", path


@pytest.mark.parametrize("codec", CODECS)
def test_signal_goes_through_blosc_with_bitshuffle(tmp_path, codec):
    write_store(tmp_path / "s.zarr", config=StoreConfig(chunk_length=2048, codec=codec))
    first, blosc, last = codecs_of(tmp_path / "s.zarr" / "signal")
    assert first == {"name": "bytes", "configuration": {"endian": "little"}}
    assert blosc["name"] == "blosc"
    stated = blosc["configuration"]
    assert (stated["cname"], stated["shuffle"], stated["typesize"]) == (codec, "bitshuffle", 2)
    assert last["name"] == "crc32c"


@pytest.mark.parametrize(("path", "first"), [("record/name", "vlen-utf8"), ("record/age", "bytes")])
def test_tables_go_through_zstd(tmp_path, path, first):
    write_store(tmp_path / "s.zarr")
    assert [codec["name"] for codec in codecs_of(tmp_path / "s.zarr" / path)] == [first, "zstd", "crc32c"]


@pytest.mark.parametrize("compressors", [signal_compressors("lz4"), signal_compressors("zstd"), table_compressors()])
def test_what_goes_in_comes_out_and_noise_too(tmp_path, compressors):
    values = np.concatenate([pulses_uv(1000), np.random.default_rng(0).integers(-32767, 32767, (12, 1000))], axis=1)
    values = values.astype(np.int16)
    array = zarr.create_array(tmp_path / "a", shape=values.shape, dtype="int16", compressors=compressors)
    array[...] = values
    assert np.array_equal(zarr.open_array(tmp_path / "a", mode="r")[...], values)


def test_blosc_never_uses_threads_of_its_own():
    """Its threaded output differs from run to run."""
    assert numcodecs.blosc.use_threads is False


def test_the_same_records_give_the_same_bytes(tmp_path):
    for name in ("first", "second"):
        write_store(tmp_path / name, config=CONFIG)
    assert contents(tmp_path / "first") == contents(tmp_path / "second")
