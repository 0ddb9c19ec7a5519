"""NumPy's files give what numpy.load makes of them, and damaged ones a message."""

import io
import os
import struct
from pathlib import Path

import numpy as np
import pytest

from ecg12.ecg.errors import SignalError
from ecg12.pipeline.formats.bare_arrays import read_mat, read_npy
from ecg12.pipeline.formats.npy import read_npy_array
from ecg12.pipeline.formats.told_by_user import InputConfig
from tests.fuzz import Fuzzed, run_cases
from tests.records import pulses_uv

SIGNAL = pulses_uv(60)
ALL = InputConfig(fs=500, units="uV", leads=("standard",))


@pytest.mark.parametrize("kind", ["<i1", "<i2", ">i2", "<u2", "<i4", "<i8", "<f2", "<f4", ">f4", "<f8", "|b1", "<c8"])
@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_what_numpy_writes(tmp_path: Path, kind: str, version: tuple[int, int]) -> None:
    for array in (SIGNAL.astype(kind), np.asfortranarray(SIGNAL.astype(kind)), SIGNAL[0].astype(kind)):
        with (tmp_path / "a.npy").open("wb") as file:
            np.lib.format.write_array(file, array, version)
        found, expected = read_npy_array(tmp_path / "a.npy"), np.load(tmp_path / "a.npy")
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)
    np.save(tmp_path / "b.npy", np.float64(3))
    assert read_npy_array(tmp_path / "b.npy") == np.load(tmp_path / "b.npy")


def write(path: Path, header: str, content: bytes = b"") -> Path:
    path.write_bytes(b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header.encode() + content)
    return path


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (
            "{'descr': '<f8', 'fortran_order': False, 'shape': (12, 100000000000), }",
            "expected 9,600,000,000,000",
        ),
        (
            "{'descr': '<f8', 'fortran_order': False, 'shape': (4294967296, 4294967296), }",
            "8 bytes of samples; expected",
        ),
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (-1, 1), }", "a header that numpy.save does not write"),
        ("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", r"objects, text or records \('\|O'"),
        ("{'descr': '<U8', 'fortran_order': False, 'shape': (1,), }", "objects, text or records"),
        ("{'descr': '<M8[ms]', 'fortran_order': False, 'shape': (1,), }", "objects, text or records"),
        ("{'descr': [('I', '<f8')], 'fortran_order': False, 'shape': (1,), }", r"records \(\[\('I', '<f8'\)\]"),
        ("{'descr': '<f7', 'fortran_order': False, 'shape': (1,), }", "objects, text or records"),
        ("(" * 9000, "a header that numpy.save does not write"),
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (" + "1, " * 33 + "), }", "33 dimensions"),
        ("-" * 9000 + "1", "a header that numpy.save does not write"),
        ("x" * 20_000, "a header of 20,000 bytes; expected at most 10,000"),
    ],
)
def test_a_header_is_not_believed(tmp_path: Path, header: str, message: str) -> None:
    with pytest.raises(SignalError, match=rf"a\.npy: .*{message}"):
        read_npy(write(tmp_path / "a.npy", header, bytes(8)), ALL)


def test_what_is_no_regular_file_is_refused_at_once(tmp_path: Path) -> None:
    for suffix, read in (("npy", read_npy), ("mat", read_mat)):
        os.mkfifo(tmp_path / f"a.{suffix}")
        with pytest.raises(SignalError, match=rf"a\.{suffix}: a FIFO; expected a regular file"):
            read(tmp_path / f"a.{suffix}", ALL)
        with (tmp_path / f"b.{suffix}").open("wb") as file:
            file.truncate(2**40)
        with pytest.raises(SignalError, match=rf"b\.{suffix}: states 1,099,511,627,776 bytes"):
            read(tmp_path / f"b.{suffix}", ALL)


def _seeds() -> list[bytes]:
    seeds = []
    for array in (SIGNAL, SIGNAL.T.astype("f8"), np.asfortranarray(SIGNAL.astype(">f4"))):
        file = io.BytesIO()
        np.save(file, array)
        seeds.append(file.getvalue())
    return seeds


FUZZED = Fuzzed(seeds=_seeds, read=lambda path: read_npy(path, ALL), name="ecg.npy")


def test_damaged_files_give_a_recording_or_a_message(tmp_path: Path) -> None:
    tally = run_cases(FUZZED, tmp_path, range(400))
    assert not tally.failures
    assert tally.n_read > 20
    assert tally.refusals.total() > 100
