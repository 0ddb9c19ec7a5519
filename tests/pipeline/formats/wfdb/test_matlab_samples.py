"""MATLAB files beside WFDB headers, as MATLAB, scipy and the Challenge's organisers write them."""

import struct

import numpy as np
import pytest
import scipy.io

from ecg12.ecg.errors import SignalError
from ecg12.ecg.signals.quality import checksum_mismatches
from ecg12.pipeline.formats.wfdb.reading import read_wfdb
from ecg12.pipeline.formats.wfdb.records import read_record
from tests.records import checksum_of, mat_bytes, pulses_uv, write_record

SIGNAL = pulses_uv(700, seed=3)


def header_of(folder, fmt="16+24", **options):
    return write_record(folder, "X", SIGNAL, fmt=fmt, **options)


@pytest.mark.parametrize("options", [{}, {"do_compression": True}, {"format": "4"}])
@pytest.mark.parametrize("fmt", ["16+24", "16"])
@pytest.mark.parametrize("dtype", ["i2", "i4", "f8", ">i2", ">f8"])
def test_every_matlab_file_of_scipy_gives_the_samples_that_the_header_is_of(tmp_path, options, fmt, dtype):
    path = header_of(tmp_path, fmt)
    scipy.io.savemat(tmp_path / "X.mat", {"val": SIGNAL.astype(dtype)}, **options)
    record = read_record(path)
    assert record.signal.dtype == np.int16
    assert np.array_equal(record.signal, SIGNAL)
    assert checksum_mismatches(record) == []
    assert np.array_equal(read_wfdb(path).signal_uv, SIGNAL)


@pytest.mark.parametrize("length", ["", 0])
def test_a_length_that_is_not_stated_is_the_matrixs(tmp_path, length):
    path = header_of(tmp_path, stated_length=length)
    scipy.io.savemat(tmp_path / "X.mat", {"val": SIGNAL})
    assert np.array_equal(read_record(path).signal, SIGNAL)
    (tmp_path / "X.mat").write_bytes(mat_bytes(SIGNAL) + mat_bytes(SIGNAL))  # two variables
    assert np.array_equal(read_record(path).signal, SIGNAL)


def test_big_endian_and_wide_matrices_of_level_4(tmp_path):
    path = header_of(tmp_path)
    for code, dtype in ((1030, ">i2"), (1020, ">i4"), (20, "<i4"), (0, "<f8"), (10, "<f4"), (1000, ">f8")):
        head = struct.pack(f"{'>' if code >= 1000 else '<'}5i4s", code, *SIGNAL.shape, 0, 4, b"val\0")
        (tmp_path / "X.mat").write_bytes(head + SIGNAL.T.astype(dtype).tobytes())
        assert np.array_equal(scipy.io.loadmat(tmp_path / "X.mat")["val"], SIGNAL)
        assert np.array_equal(read_record(path).signal, SIGNAL), code


def test_samples_beyond_16_bits_and_missing_ones(tmp_path):
    wide = SIGNAL.astype(np.int64) * 100
    path = write_record(tmp_path, "W", SIGNAL, checksums=[checksum_of(lead) for lead in wide])
    scipy.io.savemat(tmp_path / "W.mat", {"val": wide.astype("i4")})
    record = read_record(path)
    assert record.signal.dtype == np.int32
    assert np.array_equal(record.signal, wide)
    assert checksum_mismatches(record) == []
    holes = SIGNAL.astype(float)
    holes[2, 5] = np.nan
    scipy.io.savemat(tmp_path / "W.mat", {"val": holes})
    assert read_record(path).signal[2, 5] == -32768


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"val": SIGNAL.T},
            r"X: X\.mat is a MATLAB file with 700 rows and 12 columns; the header says 12 leads of 700 s",
        ),
        ({"val": SIGNAL[:, :-1]}, r"X: X\.mat is a MATLAB file with 12 rows and 699 columns; the header says 12 leads"),
        ({"val": SIGNAL / 7}, r"X: X\.mat has values that are no whole numbers of 32 bits"),
        ({"val": SIGNAL * 1e9}, r"X: X\.mat has values that are no whole numbers of 32 bits"),
        ({"a": SIGNAL, "b": SIGNAL}, r"X: X\.mat is a MATLAB file with a, b; expected the matrix val"),
        ({"val": "text"}, r"X: X\.mat is a MATLAB file with no matrix; expected the matrix val"),
    ],
)
@pytest.mark.parametrize("level", ["4", "5"])
def test_a_matlab_file_that_contradicts_its_header(tmp_path, values, message, level):
    path = header_of(tmp_path)
    scipy.io.savemat(tmp_path / "X.mat", values, format=level)
    with pytest.raises(SignalError, match=message):
        read_record(path)


def test_a_matrix_that_is_longer_than_stated_is_read_as_far(tmp_path):
    path = header_of(tmp_path, stated_length=600)
    assert np.array_equal(read_record(path).signal, SIGNAL[:, :600])
    scipy.io.savemat(tmp_path / "X.mat", {"val": SIGNAL})
    assert np.array_equal(read_record(path).signal, SIGNAL[:, :600])


def test_what_is_neither(tmp_path):
    path = header_of(tmp_path)
    (tmp_path / "X.mat").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(20000))
    with pytest.raises(SignalError, match=r"X: X\.mat: MATLAB 7\.3 \(HDF5\) is not read; save with -v7"):
        read_record(path)
    (tmp_path / "X.mat").write_bytes(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + bytes(20000))
    with pytest.raises(SignalError, match=r"X: X\.mat: MATLAB 7\.3 \(HDF5\) is not read"):
        read_record(path)
    (tmp_path / "X.mat").write_bytes(bytes(24) + SIGNAL.T.tobytes())
    with pytest.raises(
        SignalError, match=r"X: X\.mat does not begin as a MATLAB file; expected one of version 4, whose"
    ):
        read_record(path)


def test_leads_and_frames_beside_other_matlab_files(tmp_path):
    path = header_of(tmp_path)
    scipy.io.savemat(tmp_path / "X.mat", {"val": SIGNAL})
    assert np.array_equal(read_record(path, ["V2", "I"]).signal, SIGNAL[[7, 0]])
    lines = path.read_text().splitlines()
    lines[4] = lines[4].replace("16+24", "16:2+24")  # skew: signal by signal, from the same matrix
    path.write_text("\n".join(lines) + "\n")
    record = read_record(path)
    assert np.array_equal(record.signal[3, :-2], SIGNAL[3, 2:])
    assert checksum_mismatches(record) == []
    path.write_text(path.read_text().replace("16+24", "16x2+24").replace("X 12 500 700", "X 12 500 350"))
    with pytest.raises(SignalError, match=r"X: X\.mat is a MATLAB file of another type, and the header states several"):
        read_record(path, ["I", "II"])
