"""Names of one list or archive: what can lie side by side on every disk, and what cannot."""

import unicodedata
from pathlib import Path

import pytest

from ecg12.ecg.errors import DownloadError
from ecg12.pipeline.download.listed_names import Namespace, fold, is_own
from ecg12.pipeline.http.part_file import Partial, bad_path, part_path


def test_names_that_differ_stand_side_by_side() -> None:
    names = Namespace()
    plain = ["a", "ab", "b/a", "b/c/a", "a.parted", "a.part.jsonl", "x.bad.hea", "x", "é", "e", "y.part", "z.part.json"]
    for name in [*plain, "w.bad1"]:
        names.add(name, where="x")


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        ("b/a", "b/a", "b/a comes twice; expected each file once"),
        ("b/a", "b/A", "the path 'b/A' is refused; it differs from 'b/a' in case or accents only"),
        ("B/a", "b/a", "in case or accents only, which are one file on many disks"),
        ("é", unicodedata.normalize("NFD", "é"), "in case or accents only"),
        ("É", "é", "in case or accents only"),
        ("straße", "STRASSE", "in case or accents only"),
        ("a", "a/b", "the path 'a/b' is refused; 'a' cannot be a file and a folder"),
        ("a", "A/b/c", "the path 'A/b/c' is refused; 'a' cannot be a file and a folder"),
        ("a/b", "a", "the path 'a' is refused; 'a' cannot be a file and a folder"),
        ("a/b/c", "a", "'a' cannot be a file and a folder"),
        ("f/a", "f/a.part", "the path 'f/a.part' is refused; beside 'f/a' one of them is what the other is called"),
        ("f/a.part", "f/a", "the path 'f/a' is refused; beside 'f/a.part' one of them"),
        ("a", "a.part.json", "beside 'a' one of them"),
        ("a.part.json", "a", "beside 'a.part.json' one of them"),
        ("a", "a.bad", "beside 'a' one of them"),
        ("a", "A.BAD12", "beside 'a' one of them"),
        ("a.bad7", "a", "beside 'a.bad7' one of them"),
        ("a.part", "a.part.part", "beside 'a.part' one of them"),
    ],
)
def test_the_second_of_two_that_cannot_is_refused(first: str, second: str, reason: str) -> None:
    names = Namespace()
    names.add(first, where="list line 1")
    with pytest.raises(DownloadError, match=rf"^list line 2: .*{reason}"):
        names.add(second, where="list line 2")
    names.add("another", where="list line 3")


def test_every_name_that_a_transfer_makes_is_known(tmp_path: Path) -> None:
    """What is really written beside a file may be in no list with it."""
    path = tmp_path / "a"
    partial = Partial(path=path, algorithm="sha256")
    partial.open()
    partial.remember("http://x/a", '"tag"', None)
    made = {file.name for file in tmp_path.iterdir()} | {part_path(path).name, bad_path(path).name}
    partial.close()
    assert made == {"a.part", "a.part.json", "a.bad"}
    for name in made:
        names = Namespace()
        names.add("a", where="x")
        with pytest.raises(DownloadError, match="is refused"):
            names.add(name, where="x")


@pytest.mark.parametrize(
    "name",
    [
        "SHA256SUMS.txt",
        "sha256sums.TXT",
        "SHA256SUMS.txt.new",
        "SHA256SUMS.txt.new.part.json",
        "SHA256SUMS.txt.bad3",
        "download-manifest.json",
        "download-manifest.json.4711.partial",
        "download-manifest.json.4711-0badcafe.partial",
        ".download.lock",
        "ptbxl_database.csv",
        "ptbxl_database.csv.sha256",
        "ptbxl_database.csv.sha256.new",
        "ptbxl_database.csv.part",
    ],
)
def test_own_names(name: str) -> None:
    assert is_own(name)


@pytest.mark.parametrize("name", ["SHA256SUMS.txt.asc", "training/SHA256SUMS.txt", "SHA256SUMS", "scp_statements.csv"])
def test_names_that_are_not_own(name: str) -> None:
    assert not is_own(name)


def test_folding_is_the_same_for_one_file() -> None:
    assert fold("Ǆ") == fold("ǆ") != fold("d")
    assert fold("A/É.hea") == fold(unicodedata.normalize("NFD", "a/é.HEA"))
