"""Names that others wrote never lead out of the folder."""

from pathlib import Path, PurePosixPath

import pytest

from ecg12.ecg.errors import DownloadError
from ecg12.pipeline.download.paths import check_inside, check_name, check_relative


def test_plain_names_pass() -> None:
    assert check_relative("training/ptb-xl/g1/HR00001.hea", where="x") == PurePosixPath(
        "training/ptb-xl/g1/HR00001.hea"
    )


@pytest.mark.parametrize("name", ["a b", " a", "a ", "a+b%c#d?.mat", "é", "a.", ".a", "con", "a/aux.hea", "x" * 240])
def test_names_that_are_usual_somewhere_pass(name: str) -> None:
    check_name(name, where="x", windows=False)


@pytest.mark.parametrize(
    "name", ["con", "a/AUX.hea", "Com1.tar.gz", "nul .txt", "a?", "a*", "<a", "a|b", "a.", "a ", "a./b"]
)
def test_names_that_windows_has_no_files_for_are_refused_there(name: str) -> None:
    check_name("training/ptb/con1.hea", where="list line 3", windows=True)
    with pytest.raises(
        DownloadError, match=r"list line 3: the path .* is refused; expected one that Windows has files"
    ):
        check_name(name, where="list line 3", windows=True)


@pytest.mark.parametrize("name", ["/etc/passwd", "../x", "a/../../x", "a//b", "a/./b", "", ".", "a/"])
def test_paths_that_lead_elsewhere_are_refused(name: str) -> None:
    with pytest.raises(DownloadError, match=r"list line 3: the path .* is refused; expected one below the folder"):
        check_relative(name, where="list line 3")


@pytest.mark.parametrize("name", ["a\\..\\b", "c:x", "a\nb", "a\x00b", "x" * 241, "a/" + "é" * 121, "a/" * 512 + "a"])
def test_strange_names_are_refused(name: str) -> None:
    with pytest.raises(DownloadError, match="is refused; expected plain names of files and folders"):
        check_relative(name, where="list")


def test_a_folder_that_is_a_link_out_is_refused(tmp_path: Path) -> None:
    output, elsewhere = tmp_path / "data", tmp_path / "elsewhere"
    output.mkdir()
    elsewhere.mkdir()
    (output / "training").symlink_to(elsewhere)
    check_inside(output, [output / "x" / "y"])
    with pytest.raises(
        DownloadError, match=r"training: is a link to .*elsewhere; nothing is written outside .*data: name"
    ):
        check_inside(output, [output / "training" / "y"])
    (tmp_path / "link").symlink_to(output)
    check_inside(tmp_path / "link", [tmp_path / "link" / "x" / "y"])
