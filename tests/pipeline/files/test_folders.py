"""Walking through folders: order, links, rings of links, what is left out, what cannot be listed."""

import os
from pathlib import Path

import pytest

from ecg12.ecg.errors import InputError
from ecg12.pipeline.files.folders import walk_folders


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("b/y.hea", "b/x.hea", "a/deep/z.hea", "store/zarr.json", "store/c/0", "top.hea"):
        path = tmp_path / "root" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return (tmp_path / "root").resolve()


def test_folders_and_files_come_in_order_with_their_place_below_the_root(root: Path) -> None:
    found = [(folder.prefix, folder.files) for folder in walk_folders(root)]
    assert found == [
        ("", ["top.hea"]),
        ("a/", []),
        ("a/deep/", ["z.hea"]),
        ("b/", ["x.hea", "y.hea"]),
        ("store/", ["zarr.json"]),
        ("store/c/", ["0"]),
    ]


def test_what_is_skipped_is_not_entered(root: Path) -> None:
    asked = []

    def skip(path: str) -> bool:
        asked.append(os.path.relpath(path, root))
        return path.endswith("store")

    assert [folder.prefix for folder in walk_folders(root, skip=skip)] == ["", "a/", "a/deep/", "b/"]
    assert sorted(asked) == ["a", "a/deep", "b", "store"]


def test_a_linked_folder_is_entered_once_and_a_ring_ends(root: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "o.hea").touch()
    for link, target in (("c-once", outside), ("d-again", outside), ("a/ring", root)):
        (root / link).symlink_to(target, target_is_directory=True)
    folders = {folder.prefix: folder for folder in walk_folders(root)}
    assert "c-once/" in folders
    assert not {"d-again/", "a/ring/"} & set(folders)
    assert folders["c-once/"].path == str(root / "c-once")
    assert folders["c-once/"].real == str(outside.resolve())


def test_a_folder_that_cannot_be_listed_is_named(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listing = os.scandir

    def refuse(path: str) -> object:
        if str(path).endswith("deep"):
            raise PermissionError(13, "Permission denied", path)
        return listing(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(InputError, match=r"a/deep: cannot be listed \(Permission denied\); expected a readable folder"):
        list(walk_folders(root))


def test_what_is_unfinished_in_an_output_among_inputs_is_no_input(tmp_path: Path) -> None:
    for name in ("a", "out/.predicting/unpacked", ".unfinished-x1", "out/.others"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "r.hea").touch()
    found = {folder.prefix for folder in walk_folders(tmp_path.resolve()) if folder.files}
    assert found == {"a/", "out/.others/"}
    named = walk_folders((tmp_path / "out/.predicting/unpacked").resolve())
    assert [folder.files for folder in named] == [["r.hea"]]
