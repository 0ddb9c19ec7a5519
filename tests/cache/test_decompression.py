"""Decoding what nobody vouches for: it comes to what is expected or is refused; nothing is allocated for a lie."""

import struct
import tracemalloc

import google_crc32c
import numcodecs.zstd
import numpy as np
import pytest
import zarr
from numcodecs.blosc import Blosc
from numcodecs.vlen import VLenUTF8

from ecg12.cache.compression import encode_signal, table_compressors
from ecg12.cache.decompression import check_crc, decode_signal, decode_table, zstd_size
from ecg12.ecg.errors import StoreError
from tests.fuzz import Fuzzed, run_cases
from tests.records import pulses_uv

SHAPE = (12, 2048)
BLOCK = pulses_uv(2048, fs=400, seed=1)
CODECS = ["lz4", "zstd", "pcodec"]


def with_crc(data):
    return bytes(data) + google_crc32c.value(bytes(data)).to_bytes(4, "little")


def table(data, level=5):
    return with_crc(numcodecs.zstd.compress(data, level))


@pytest.mark.parametrize("codec", CODECS)
def test_the_signal_comes_back(codec):
    encoded, out = encode_signal(codec, BLOCK), np.zeros(SHAPE, np.int16)
    check_crc(encoded)
    decode_signal(codec, encoded, out)
    assert np.array_equal(out, BLOCK)


@pytest.mark.parametrize(
    ("at", "value", "reason"),
    [
        (4, 2**31 - 17, "a frame of .* bytes for 2147483631; expected .* for 49152"),
        (4, 49_151, "a frame of .* bytes for 49151"),
        (12, 2**32 - 1, "a frame of 4294967295 bytes"),
        (12, 16, "a frame of 16 bytes"),
        (8, 0, "in blocks of 0 bytes"),
        (8, 49_153, "in blocks of 49153 bytes"),
        (8, 2**32 - 1, "in blocks of 4294967295 bytes"),
    ],
)
@pytest.mark.parametrize("codec", ["lz4", "zstd"])
def test_a_frame_that_lies_about_a_size_is_refused_before_it_is_decoded(codec, at, value, reason, monkeypatch):
    monkeypatch.setattr("numcodecs.blosc.decompress", None)
    data = bytearray(encode_signal(codec, BLOCK)[:-4])
    struct.pack_into("<I", data, at, value)
    with pytest.raises(ValueError, match=reason):
        decode_signal(codec, with_crc(data), np.empty(SHAPE, np.int16))


@pytest.mark.parametrize(("at", "value"), [(0, 1), (0, 255), (3, 0), (3, 1), (3, 255)])
def test_a_frame_of_another_version_or_width_is_refused(at, value):
    data = bytearray(encode_signal("lz4", BLOCK)[:-4])
    data[at] = value
    with pytest.raises(ValueError, match="a frame of version"):
        decode_signal("lz4", with_crc(data), np.empty(SHAPE, np.int16))


@pytest.mark.parametrize("size", [0, 3, 19])
def test_a_frame_that_is_cut_short_is_refused(size):
    with pytest.raises(ValueError, match=f"^{size} bytes"):
        decode_signal("lz4", encode_signal("lz4", BLOCK)[:size], np.empty(SHAPE, np.int16))


def test_chunks_of_other_sizes_are_refused_whatever_the_codec():
    for codec in CODECS:
        for width in (2047, 2049, 4096):
            other = np.zeros((12, width), np.int16)
            with pytest.raises(ValueError, match="expected"):
                decode_signal(codec, encode_signal(codec, other), np.empty(SHAPE, np.int16))


def mutations(encoded, number, seed):
    """The same bytes with a few of them changed, at the beginning more often than elsewhere, or cut short."""
    rng = np.random.default_rng(seed)
    for _ in range(number):
        data = bytearray(encoded)
        for _ in range(rng.integers(1, 5)):
            reach = len(data) if rng.random() < 0.4 else min(len(data), 100)
            data[rng.integers(reach)] = rng.choice([0, 1, 0x7F, 0x80, 0xFF, rng.integers(256)])
        yield data if rng.random() < 0.85 else data[: rng.integers(len(data))]


@pytest.mark.parametrize("codec", CODECS)
def test_damage_with_a_right_crc_is_refused_or_decodes_to_as_many_samples(codec):
    """Frames whose sizes are the right ones, so that the decompressor itself meets the damage."""
    refused, frame = 0, encode_signal(codec, BLOCK[:, :512])[:-4]
    for data in mutations(frame, 400, seed=3):
        if codec != "pcodec" and len(data) > 16:
            struct.pack_into("<4B", data, 0, *frame[:2], data[2], 2)
            struct.pack_into("<I", data, 4, 12 * 512 * 2)
            struct.pack_into("<I", data, 12, len(data))
        guarded = np.full(12 * 512 + 128, 7, np.int16)
        try:
            decode_signal(codec, with_crc(data), guarded[64:-64].reshape(12, 512))
        except ValueError:
            refused += 1
        assert (guarded[:64] == 7).all()
        assert (guarded[-64:] == 7).all()
    assert 0 < refused <= 400


def test_tables_are_what_zarr_writes(tmp_path):
    for dtype, values in {
        "int64": np.array([1, -5, 2**40]),
        "bool": np.array([True, False, True]),
        "float32": np.array([1.5, np.nan, 0], np.float32),
        "string": np.array(["a", "", "µV"], object),
    }.items():
        array = zarr.create_array(
            tmp_path / dtype, shape=3, chunks=3, dtype=dtype, compressors=table_compressors(), zarr_format=3
        )
        array[...] = values
        encoded = (tmp_path / dtype / "c" / "0").read_bytes()
        found = decode_table(encoded, dtype, 3, 1000)
        np.testing.assert_array_equal(found, values)
        assert found.dtype == (object if dtype == "string" else dtype)


def frame_of(size, width):
    """The header of a Zstandard frame that states a size in a field of so many bytes, and one empty block."""
    flag = {1: 0x20, 2: 0x40, 4: 0x80, 8: 0xC0}[width]
    window = b"" if width == 1 else b"\x00"
    return b"\x28\xb5\x2f\xfd" + bytes([flag]) + window + size.to_bytes(width, "little") + b"\x01\x00\x00"


@pytest.mark.parametrize(("width", "more"), [(1, 0), (2, 256), (4, 0), (8, 0)])
def test_the_size_that_a_zstandard_frame_states(width, more):
    assert zstd_size(frame_of(200, width)) == 200 + more


@pytest.mark.parametrize("size", [0, 1, 255, 256, 300, 65_791, 65_792, 10**6])
def test_the_size_is_that_of_what_was_compressed(size):
    assert zstd_size(numcodecs.zstd.compress(bytes(size), 5)) == size


@pytest.mark.parametrize(
    ("encoded", "reason"),
    [
        (b"", "crc32c"),
        (with_crc(b""), "no Zstandard frame"),
        (with_crc(b"no frame"), "no Zstandard frame"),
        (with_crc(frame_of(2**60, 8)), "1,152,921,504,606,846,976 bytes in .*; expected at most 1,000"),
        (with_crc(frame_of(24, 8)), "decompression"),
        (with_crc(b"\x28\xb5\x2f\xfd\x00\x00\x01\x00\x00"), "does not say how much it holds"),
        (with_crc(b"\x28\xb5\x2f\xfd\xc0\x00\x18"), "does not say how much it holds"),
        (table(bytes(16)), "16 bytes; expected 24"),
        (table(bytes(24)) + b"x", "crc32c"),
    ],
)
def test_a_table_that_lies_about_its_size_is_refused(encoded, reason):
    tracemalloc.start()
    with pytest.raises(ValueError, match=reason):
        decode_table(encoded, "int64", 3, 1000)
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()


@pytest.mark.parametrize(
    "data",
    [
        struct.pack("<I", 2**32 - 1) + bytes(12),
        struct.pack("<I", 4) + bytes(16),
        struct.pack("<4I", 3, 2**32 - 1, 0, 0),
        struct.pack("<4I", 3, 0, 0, 1),
        struct.pack("<4I", 3, 0, 0, 2) + b"\xff\xfe",
        struct.pack("<2I", 3, 0),
    ],
)
def test_texts_that_lie_about_their_number_or_length_are_refused(data):
    with pytest.raises(ValueError, match=r"texts in|corrupt|decode|buffer"):
        decode_table(table(data), "string", 3, 1000)


def test_a_truth_value_is_0_or_1():
    with pytest.raises(ValueError, match="a truth value of 2; expected 0 or 1"):
        decode_table(table(bytes([0, 1, 2])), "bool", 3, 1000)


@pytest.mark.parametrize("dtype", ["int64", "string"])
def test_damaged_tables_are_refused_or_decode_to_as_many_values(dtype):
    rng = np.random.default_rng(1)
    texts = np.array([f"record {number}" for number in rng.integers(0, 10**6, 200)], object)
    data = VLenUTF8().encode(texts) if dtype == "string" else rng.integers(0, 5000, 200).tobytes()
    plain, frame = bytes(data), numcodecs.zstd.compress(data, 5)
    n_refused = 0
    for number, damaged in enumerate((*mutations(frame, 400, seed=4), *mutations(plain, 400, seed=5))):
        try:
            found = decode_table(with_crc(damaged) if number < 400 else table(damaged), dtype, 200, 10_000)
        except ValueError:
            n_refused += 1
        else:
            assert found.shape == (200,)
    assert 0 < n_refused < 800


def test_the_crc_is_that_of_all_other_bytes():
    encoded = encode_signal("lz4", BLOCK)
    for position in range(0, len(encoded), 501):
        damaged = bytearray(encoded)
        damaged[position] ^= 1
        with pytest.raises(ValueError, match="its crc32c is not the one written with it"):
            check_crc(bytes(damaged))


def test_blosc_is_the_one_that_the_format_names():
    """Version and width of a value, as any Blosc writes them for 2-byte samples."""
    for cname in ("lz4", "zstd"):
        frame = Blosc(cname=cname, clevel=1, shuffle=Blosc.BITSHUFFLE).encode(BLOCK)
        assert frame[0] == 2
        assert frame[3] == 2


def _seeds():
    texts = [b"HR00001", "Größe".encode(), b""]
    lengths = b"".join(len(text).to_bytes(4, "little") + text for text in texts)
    plain = len(texts).to_bytes(4, "little") + lengths
    columns = [numcodecs.zstd.compress(data, 3) for data in (plain, np.arange(3, dtype="<i8").tobytes())]
    return [*(bytes(encode_signal(codec, BLOCK)) for codec in CODECS), *columns]


def _decode_each(path):
    """As a signal and as columns of three values: what one refuses is given to the next."""
    data, out, reasons = path.read_bytes(), np.zeros(SHAPE, np.int16), []
    for decode in (
        lambda: decode_signal("lz4", data, out),
        lambda: decode_signal("pcodec", data, out),
        lambda: decode_table(with_crc(data), "string", 3, 10**6),
        lambda: decode_table(with_crc(data), "int64", 3, 10**6),
    ):
        try:
            decode()
        except ValueError as error:
            reasons.append(str(error))
    if len(reasons) == 4:
        raise StoreError(f"a store's file: {reasons[0]}")


FUZZED = Fuzzed(seeds=_seeds, read=_decode_each, name="0")
"""A store's files, which the same damage may reach with a crc32c and a digest that are right for it."""


def test_damaged_files_of_a_store_are_decoded_or_refused(tmp_path):
    tally = run_cases(FUZZED, tmp_path, range(300))
    assert not tally.failures
    assert tally.n_read > 20
    assert tally.refusals.total() > 100
