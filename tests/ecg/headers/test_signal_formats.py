import warnings

import numpy as np
import pytest
import wfdb

from ecg12.ecg.headers.signal_formats import COMPRESSED, FORMATS, bytes_needed, decode_samples, samples_in

BITS = {"8": 8, "80": 8, "212": 12, "310": 10, "311": 10, "24": 24, "32": 32}


@pytest.mark.parametrize("fmt", [fmt for fmt in FORMATS if fmt not in COMPRESSED])
@pytest.mark.parametrize("n_samples", [1, 2, 3, 4, 5, 6, 300])
def test_bytes_as_wfdb_reads_them(tmp_path, fmt, n_samples):
    random = np.random.default_rng(n_samples)
    data = random.integers(0, 256, bytes_needed(fmt, n_samples), np.uint8)
    if fmt == "311":
        data[3::4] &= 0x3F  # its two unused bits, which wfdb takes for a part of the sample
    data.tofile(tmp_path / "x.dat")
    (tmp_path / "x.hea").write_text(f"x 1 500 {n_samples}\nx.dat {fmt} 1000/mV 16 0 0 0 0 I\n")
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        expected = wfdb.rdrecord(str(tmp_path / "x"), physical=False).d_signal[:, 0]
    found = decode_samples(fmt, data, n_samples)
    assert np.array_equal(found.cumsum(dtype=np.int64) if fmt == "8" else found, expected)
    assert found.dtype == {"8": np.int8, "24": np.int32, "32": np.int32}.get(fmt, np.int16)


def test_samples_of_every_value_come_back():
    """By signal(5): two of 12 bits in three bytes, three of 10 bits in four."""
    for fmt, n_bits, pack in (("212", 12, pack_212), ("310", 10, pack_310), ("311", 10, pack_311)):
        values = np.resize(np.arange(-(2 ** (n_bits - 1)), 2 ** (n_bits - 1)), 6 * 2**n_bits)
        data = np.frombuffer(b"".join(pack(values[at : at + 6]) for at in range(0, len(values), 6)), np.uint8)
        assert np.array_equal(decode_samples(fmt, data, len(values)), values)


def pack_212(values):
    pairs = values.reshape(-1, 2).tolist()
    return b"".join(bytes([a & 255, (a >> 8 & 15) | (b >> 8 & 15) << 4, b & 255]) for a, b in pairs)


def pack_310(values):
    words = []
    for a, b, c in (values.reshape(-1, 3) & 1023).tolist():
        words += [a << 1 | (c & 31) << 11, b << 1 | c >> 5 << 11]
    return np.array(words, "<u2").tobytes()


def pack_311(values):
    triples = (values.reshape(-1, 3) & 1023).tolist()
    return np.array([a | b << 10 | c << 20 for a, b, c in triples], "<u4").tobytes()


def test_how_many_samples_a_file_holds():
    assert [samples_in(fmt, 12) for fmt in ("8", "16", "24", "32", "61", "80", "160")] == [12, 6, 4, 3, 6, 12, 6]
    assert [samples_in(fmt, 12) for fmt in ("212", "310", "311", "508", "7")] == [None] * 5
    assert [bytes_needed(fmt, 5) for fmt in ("212", "310", "311")] == [8, 8, 7]
