"""MATLAB files give what scipy.io.loadmat makes of them, and damaged ones a message and never a crash."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import scipy.io
from scipy.io import loadmat, savemat
from scipy.sparse import csc_array

from ecg12.ecg.errors import SignalError
from ecg12.pipeline.formats.matlab import INFLATED_BYTES, MOST_VARIABLES, read_matlab, read_matlab_file
from tests.fuzz import Fuzzed, run_cases

MATLABS_OWN = Path(scipy.io.__file__).parent / "matlab" / "tests" / "data"
"""Files that MATLAB 4 to 7 and 8 wrote on Solaris, Linux and Windows, where scipy was installed with its tests."""

# scipy refuses the first for its name's letter, which is UTF-8 where the format allows it; the others are damaged
OURS_ALONE = ("bad_miutf8_array_name.mat",)
REFUSED = (
    "bad_miuint32",
    "corrupted_zlib_checksum",
    "corrupted_zlib_data",
    "debigged_m4",
    "malformed1",
    "testhdf5_7.4",
)
VALUES = np.arange(-12, 12).reshape(4, 6)
TYPES = ("i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8")


def check_as_scipy(path: Path) -> None:
    found, expected = read_matlab_file(path), loadmat(path, spmatrix=False)
    held = {name: values for name, values in expected.items() if not name.startswith("__")}
    assert set(found.arrays) | set(found.others) == set(held)
    for name, values in found.arrays.items():
        assert values.dtype == held[name].dtype.newbyteorder("=")
        assert values.dtype.isnative
        np.testing.assert_array_equal(values, held[name])
    for name in found.others:  # nothing that is plain numbers is passed over
        values = held[name]
        assert not isinstance(values, np.ndarray) or values.dtype.kind in "cOUV"


@pytest.mark.parametrize("level", ["4", "5"])
@pytest.mark.parametrize("compressed", [False, True])
def test_what_scipy_writes(tmp_path: Path, level: Literal["4", "5"], compressed: bool) -> None:
    path = tmp_path / "a.mat"
    types = TYPES if level == "5" else ("f8", "f4", "i4", "i2", "u2", "u1")
    held: dict[str, Any] = {f"of_{kind}": VALUES.astype(kind) for kind in types}
    held |= {"row": np.arange(5.0), "scalar": 7, "empty": np.zeros((0, 3)), "turned": np.asfortranarray(VALUES * 0.5)}
    held |= {"text": "500 Hz", "complicated": VALUES * 1j, "thin": csc_array(np.eye(3)), "a": VALUES[:1], "x": np.nan}
    if level == "5":
        held |= {"cube": np.arange(24.0).reshape(2, 3, 4), "yes": VALUES > 0, "cell": np.array([1, "a"], object)}
        held |= {"deep": {"val": {"val": VALUES}}, "unicode": "µV"}
    savemat(path, held, format=level, do_compression=compressed and level == "5", oned_as="column")
    check_as_scipy(path)
    assert read_matlab(path)["row"].shape == (5, 1)
    assert read_matlab_file(path).others["text"] == "char"


@pytest.mark.skipif(not MATLABS_OWN.is_dir(), reason="scipy is installed without its tests' files")
def test_what_matlab_itself_wrote() -> None:
    paths = sorted(MATLABS_OWN.glob("*.mat"))
    assert len(paths) > 90
    refused = [path for path in paths if path.name.startswith(REFUSED)]
    for path in refused:
        with pytest.raises(SignalError, match=r"MATLAB|damaged"):
            read_matlab(path)
    for path in set(paths) - set(refused) - {MATLABS_OWN / name for name in OURS_ALONE}:
        check_as_scipy(path)


def element(kind: int, content: bytes, order: str = "<") -> bytes:
    return struct.pack(f"{order}2I", kind, len(content)) + content + bytes(-len(content) % 8)


def matrix(
    *, number: int = 6, shape: tuple[int, ...] = (2, 3), kind: int = 9, values: bytes = bytes(48), name: bytes = b"val"
) -> bytes:
    """A variable's element by the format's own words."""
    parts = element(6, struct.pack("<2I", number, 0)) + element(5, struct.pack(f"<{len(shape)}i", *shape))
    return element(14, parts + element(1, name) + element(kind, values))


def write(path: Path, *elements: bytes) -> Path:
    path.write_bytes(b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM" + b"".join(elements))
    return path


def compressed(content: bytes) -> bytes:
    packed = zlib.compress(content)
    return struct.pack("<2I", 15, len(packed)) + packed


def test_big_endian_small_elements_and_narrower_types(tmp_path: Path) -> None:
    """As MATLAB on a SPARC wrote it: a double stored as int8 where its values fit, in the tag's own four bytes."""
    parts = element(6, struct.pack(">2I", 6, 0), ">") + element(5, struct.pack(">2i", 2, 1), ">")
    parts += struct.pack(">2H4s", 3, 1, b"val\0") + struct.pack(">2H2b2x", 2, 1, -5, 7)
    path = tmp_path / "a.mat"
    path.write_bytes(b"MATLAB 5.0 MAT-file".ljust(124) + b"\x01\x00MI" + element(14, parts, ">"))
    check_as_scipy(path)
    np.testing.assert_array_equal(read_matlab(path)["val"], [[-5], [7]])


@pytest.mark.parametrize(
    ("elements", "message"),
    [
        ([matrix(shape=(2**31 - 1, 2**31 - 1))], "48 bytes for shape .2147483647, 2147483647. of float64"),
        ([matrix(shape=(2**16,) * 4)], "48 bytes for shape"),  # 2^64 values are none in 64 bits
        ([matrix(shape=(2**31 - 1, 0, 2**31 - 1), values=b"")], r"cannot be read as a MATLAB file|damaged"),
        ([matrix(shape=(-2, -3))], r"shape \(-2, -3\); the file is damaged"),
        ([matrix(shape=(1,) * 33)], "the file is damaged"),
        ([matrix(kind=16)], "stored as type 16"),
        ([matrix(name=b"n" * 5000)], "a variable's name of type 1 and 5,000 bytes"),
        ([matrix(), matrix()], "two variables called 'val'; expected each once"),
        ([matrix()[:-1]], "104 bytes stated where 103 are left; the file is cut short or damaged"),
        ([element(1, b"text")], "element of type 1 at byte 128; expected a variable"),
        ([compressed(element(1, b"text"))], "element of type 1 in a compressed one; expected a variable"),
        ([compressed(compressed(matrix()))], "element of type 15 in a compressed one"),
        ([compressed(matrix()[:-1])], "a compressed variable of other than its 104 bytes"),
        ([compressed(matrix() + b"more")], "a compressed variable of other than its 104 bytes"),
        ([compressed(matrix())[:-1]], "bytes stated where"),
        ([compressed(b"")], "a compressed variable of 0 bytes"),
        ([struct.pack("<2I", 15, 8) + b"not zlib"], "cannot be read as a MATLAB file"),
        (
            [matrix(shape=(0, 0), values=b"", name=b"v%d" % n) for n in range(MOST_VARIABLES + 1)],
            "more than 10,000 var",
        ),
    ],
)
def test_what_a_file_states_is_held_against_what_it_has(tmp_path: Path, elements: list[bytes], message: str) -> None:
    with pytest.raises(SignalError, match=message):
        read_matlab(write(tmp_path / "a.mat", *elements))


def test_nesting_costs_nothing(tmp_path: Path) -> None:
    """Cells in cells, a thousand deep; only the outermost is looked at."""
    content = b""
    for _ in range(1000):
        content = matrix(number=1, shape=(1, 1), kind=14, values=content)
    assert read_matlab_file(write(tmp_path / "a.mat", content)).others == {"val": "cell"}


def test_what_is_inflated_is_bounded(tmp_path: Path) -> None:
    n_values = INFLATED_BYTES // 8 + 1
    bomb = compressed(matrix(shape=(1, n_values), values=bytes(8 * n_values)))
    assert len(bomb) < INFLATED_BYTES // 500
    with pytest.raises(SignalError, match=r"compressed variables take more than 64 MiB .*\(-v6\)"):
        read_matlab(write(tmp_path / "a.mat", bomb))
    half = [
        compressed(matrix(shape=(1, n_values // 2), values=bytes(n_values // 2 * 8), name=b"%d" % n)) for n in (1, 2)
    ]
    with pytest.raises(SignalError, match="compressed variables take more than 64 MiB"):
        read_matlab(write(tmp_path / "a.mat", *half))
    # what holds no numbers is not inflated at all
    cell = compressed(matrix(number=1, shape=(1, 1), values=bytes(8 * n_values)))
    assert read_matlab_file(write(tmp_path / "a.mat", cell, matrix(name=b"x"))).others == {"val": "cell"}


def test_hdf5_and_other_files_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "a.mat"
    head = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM"
    for content, message in (
        (head + bytes(384) + b"\x89HDF\r\n\x1a\n" + bytes(64), r"MATLAB 7.3 \(HDF5\) is not read; save with -v7"),
        (b"\x89HDF\r\n\x1a\n" + bytes(64), r"MATLAB 7.3 \(HDF5\)"),
        (b"", "0 bytes; expected a MATLAB file"),
        (b"I,II\n" * 100, "begins unlike a MATLAB file of version 4 to 7"),
        (bytes(4) + b"\xff" * 100, "a variable of -1 x -1|no variable of MATLAB 4"),
        (struct.pack("<5i4s", 30, 12, 5000, 0, 4, b"val\0") + bytes(1000), "120,000 bytes stated where 1,000 are left"),
        (struct.pack("<5i4s", 30, 2**31 - 1, 2**31 - 1, 0, 4, b"val\0"), "bytes stated where 0 are left"),
    ):
        path.write_bytes(content)
        with pytest.raises(SignalError, match=message):
            read_matlab(path)


def _seeds() -> list[bytes]:
    """What scipy writes of both levels, compressed and not, with text, cells and structs beside the samples."""
    seeds = []
    held: dict[str, Any] = {"val": np.arange(600, dtype="i2").reshape(12, 50), "x": VALUES / 7, "name": "A0001"}
    for more, level, compressed in (
        ({}, "4", False),
        ({"cell": np.array([1, "a"], object), "s": {"deep": VALUES}}, "5", False),
        ({"cell": np.array([1, "a"], object), "yes": VALUES > 0}, "5", True),
    ):
        file = io.BytesIO()
        savemat(file, held | more, format=level, do_compression=compressed)
        seeds.append(file.getvalue())
    return seeds


FUZZED = Fuzzed(seeds=_seeds, read=read_matlab, name="ecg.mat")


def test_damaged_files_give_numbers_or_a_message(tmp_path: Path) -> None:
    """Not one of these must raise anything else; scipy's reader dies of some with a signal."""
    tally = run_cases(FUZZED, tmp_path, range(1500))
    assert not tally.failures
    assert tally.n_read > 50
    assert tally.refusals.total() > 500
