import json

import numcodecs.blosc
import numpy as np
import pytest
import zarr

from ecg12.cache import compression
from ecg12.cache.compression import codecs_beyond_zarr, encode_signal, signal_codecs, table_compressors
from ecg12.cache.reader import Store, read_chunk_of
from ecg12.cache.schema import CODECS, COLUMNS, StoreConfig
from ecg12.cache.verify import verify_store
from ecg12.ecg.errors import ConfigError
from tests.cache.small_store import CONFIG, contents, write_store
from tests.records import pulses_uv


def codecs_of(array_folder):
    return json.loads((array_folder / "zarr.json").read_text())["codecs"]


def test_every_array_ends_in_crc32c(tmp_path):
    write_store(tmp_path / "s.zarr")
    for path in ("signal", *(column.path for column in COLUMNS)):
        assert codecs_of(tmp_path / "s.zarr" / path)[-1]["name"] == "crc32c", path


@pytest.mark.parametrize("codec", ["lz4", "zstd"])
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


@pytest.mark.parametrize(
    "codecs", [*map(signal_codecs, CODECS), {"compressors": table_compressors()}], ids=[*CODECS, "tables"]
)
def test_what_goes_in_comes_out_and_noise_too(tmp_path, codecs):
    values = np.concatenate([pulses_uv(1000), np.random.default_rng(0).integers(-32767, 32767, (12, 1000))], axis=1)
    values = values.astype(np.int16)
    with codecs_beyond_zarr():
        array = zarr.create_array(tmp_path / "a", shape=values.shape, dtype="int16", **codecs)
        array[...] = values.copy()  # zarr hands pcodec the view it was given
        assert np.array_equal(zarr.open_array(tmp_path / "a", mode="r")[...], values)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("kind", ["beats", "noise", "zeros"])
def test_a_chunk_is_encoded_as_zarr_itself_would(tmp_path, codec, kind):
    values = {
        "beats": pulses_uv(3000)[:, 500:2548],  # not contiguous
        "noise": np.random.default_rng(0).integers(-32767, 32767, (12, 2048)).astype(np.int16),
        "zeros": np.zeros((12, 2048), np.int16),
    }[kind]
    with codecs_beyond_zarr():
        array = zarr.create_array(
            tmp_path / "a",
            shape=values.shape,
            dtype="int16",
            config={"write_empty_chunks": True},
            **signal_codecs(codec),
        )
        array[...] = values.copy()  # zarr hands pcodec the view it was given
    assert encode_signal(codec, values) == (tmp_path / "a" / "c" / "0" / "0").read_bytes()


def test_pcodec_is_zarrs_own_and_a_store_of_it_reads_as_any(tmp_path):
    signals = write_store(tmp_path / "s.zarr", config=StoreConfig(chunk_length=2048, codec="pcodec"))
    assert codecs_of(tmp_path / "s.zarr" / "signal") == [
        {"name": "numcodecs.pcodec", "configuration": {"level": 8}},
        {"name": "crc32c"},
    ]
    store = Store(tmp_path / "s.zarr")
    for row, name in enumerate(store.names):
        assert np.array_equal(store.read_record(row), signals[name])
    assert np.array_equal(read_chunk_of(tmp_path / "s.zarr", 0), store.read_chunk(0))
    assert verify_store(tmp_path / "s.zarr") == ()


def test_pcodec_without_its_package_is_told(tmp_path, monkeypatch):
    write_store(tmp_path / "s.zarr", config=StoreConfig(chunk_length=2048, codec="pcodec"))
    monkeypatch.setattr(compression, "find_spec", lambda name: None)
    for use in (lambda: signal_codecs("pcodec"), lambda: Store(tmp_path / "s.zarr")):
        with pytest.raises(
            ConfigError, match="the package pcodec is not installed; pip install pcodec, or choose another"
        ):
            use()


def test_blosc_never_uses_threads_of_its_own():
    """Its threaded output differs from run to run."""
    assert numcodecs.blosc.use_threads is False


def test_the_same_records_give_the_same_bytes(tmp_path):
    for name in ("first", "second"):
        write_store(tmp_path / name, config=CONFIG)
    assert contents(tmp_path / "first") == contents(tmp_path / "second")
