"""The release's list: what can be taken of it, and what is left out by line and reason."""

from pathlib import Path

import pytest

from ecg12.ecg.errors import DownloadError
from ecg12.pipeline.download.release import ReleaseList, read_list

DIGEST = "0123456789abcdef" * 4
OTHER = "fedcba9876543210" * 4


def listed(folder: Path, text: str) -> ReleaseList:
    (folder / "list").write_text(text)
    return read_list(folder / "list", where="x")


@pytest.mark.parametrize("separator", ["  ", " *", " ", "\t"])
def test_a_list_is_read(separator: str, tmp_path: Path) -> None:
    text = f"{DIGEST}{separator}LICENSE.txt\n{DIGEST.upper()}{separator}./training/ptb/g1/S0001.hea\n"
    assert listed(tmp_path, text).digests == {"LICENSE.txt": DIGEST, "training/ptb/g1/S0001.hea": DIGEST}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "x: is empty; expected a SHA-256 and a path on each line"),
        ("<html>\n", r"x: a web page or an error document \('<html>'\); expected a SHA-256 and a path"),
        (f"{DIGEST[1:]}  b\n", "x line 1: .*; expected a SHA-256 and a path"),
        (f"{DIGEST}  ../a\n", r"x line 1: the path '\.\./a' is refused"),
        (f"{DIGEST}  /etc/passwd\n", "x line 1: the path '/etc/passwd' is refused"),
        (f"{DIGEST}  SHA256SUMS.txt\n", "x: names no file of a release; expected all of them"),
    ],
)
def test_a_list_that_is_none_is_refused(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=message):
        listed(tmp_path, text)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{}", "x line 2: '{}'; expected a SHA-256 and a path"),
        (f"{DIGEST}  ../../etc/passwd", "x line 2: the path '../../etc/passwd' is refused"),
        (f"\\{DIGEST}  b\\nc", "x line 2: the path 'b\\nc' is refused; expected plain names"),
        (f"\\{DIGEST}  b\\\\c", "x line 2: the path 'b\\\\c' is refused; expected plain names"),
        (f"{DIGEST}  A", "x line 2: the path 'A' is refused; it differs from 'a' in case or accents only"),
        (f"{DIGEST}  a.part", "x line 2: the path 'a.part' is refused; beside 'a' one of them is what the other"),
        (f"{DIGEST}  a/b", "x line 2: the path 'a/b' is refused; 'a' cannot be a file and a folder"),
    ],
)
def test_a_line_that_cannot_be_taken_stops_no_other(line: str, message: str, tmp_path: Path) -> None:
    found = listed(tmp_path, f"{DIGEST}  a\n{line}\n{OTHER}  z\n")
    assert found.digests == {"a": DIGEST, "z": OTHER}
    [text] = found.refused
    assert text.startswith(message)


@pytest.mark.parametrize("name", ["./././b/c", ".//b/c", "b//c", "b/./c", "./b/.//c"])
def test_a_path_is_the_same_however_a_folder_was_named(name: str, tmp_path: Path) -> None:
    """As after `find ././ …`, `find . -type f | xargs sha256sum` in odd places, or `sha256sum b//c`."""
    assert listed(tmp_path, f"{DIGEST}  a\n{OTHER}  {name}\n") == ReleaseList(digests={"a": DIGEST, "b/c": OTHER})
    assert listed(tmp_path, f"{DIGEST}  a\n{DIGEST}  ././/SHA256SUMS.txt\n").own == ["SHA256SUMS.txt"]


@pytest.mark.parametrize("name", ["/b", "//b", "b/", "./", ".", "b/../c", "./../c"])
def test_a_path_that_is_none_below_the_folder_stays_refused(name: str, tmp_path: Path) -> None:
    found = listed(tmp_path, f"{DIGEST}  a\n{OTHER}  {name}\n")
    assert found.digests == {"a": DIGEST}
    assert len(found.refused) == 1


@pytest.mark.parametrize("name", ["b" * 100_000, "../" * 30_000 + "b", "b/" * 30_000 + "\x07", "caf\udce9" * 9_000])
def test_a_giant_path_makes_no_giant_line(name: str, tmp_path: Path) -> None:
    (tmp_path / "list").write_bytes(f"{DIGEST}  a\n{OTHER}  {name}\n".encode("utf-8", "surrogateescape"))
    [text] = read_list(tmp_path / "list", where="x").refused
    assert text.startswith("x line 2: the path ")
    assert len(text) < 1500


def test_a_file_listed_twice_is_one_unless_its_digests_differ(tmp_path: Path) -> None:
    assert listed(tmp_path, f"{DIGEST}  a\n{DIGEST}  ./a\n") == ReleaseList(digests={"a": DIGEST})
    found = listed(tmp_path, f"{DIGEST}  a\n{OTHER}  a\n{DIGEST}  a\n{DIGEST}  b\n")
    assert found.digests == {"b": DIGEST}
    assert found.refused == [
        f"x line {number}: 'a' is listed with another digest before; expected one a file" for number in (2, 3)
    ]


def test_names_of_this_programs_own_files_are_kept_apart(tmp_path: Path) -> None:
    own = ["SHA256SUMS.txt", "download-manifest.json", ".download.lock", "ptbxl_database.csv.sha256", "Sha256Sums.TXT"]
    found = listed(tmp_path, "".join(f"{DIGEST}  {name}\n" for name in [*own, "training/SHA256SUMS.txt"]))
    assert found == ReleaseList(digests={"training/SHA256SUMS.txt": DIGEST}, own=own)
