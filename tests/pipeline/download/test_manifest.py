"""The manifest: a round trip, and never believed when it is damaged."""

import json
from pathlib import Path

import pytest

from ecg12.ecg.errors import DownloadError
from ecg12.pipeline.download.manifest import MANIFEST, Archive, Entry, Manifest, read_manifest, write_manifest


def test_round_trip(tmp_path: Path) -> None:
    manifest = Manifest(
        ways={"cpsc": "tarballs"},
        archives={"cpsc": Archive(md5="7b6b", issue="both")},
        files={"b/ü": Entry(size=3, mtime_ns=5, sha256="ab"), "a": Entry(size=1, mtime_ns=2, sha256="cd")},
        list_sha256="ef",
        report={"cpsc": {"n_files": 2}},
        hosts=["https://a.org"],
    )
    write_manifest(tmp_path, manifest)
    assert read_manifest(tmp_path) == manifest
    write_manifest(tmp_path, Manifest())
    assert read_manifest(tmp_path) == Manifest() == read_manifest(tmp_path / "nowhere")


def test_a_file_is_recorded_and_a_touched_one_does_not_fit(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b.mat"
    path.parent.mkdir()
    path.write_bytes(b"123")
    manifest = Manifest()
    manifest.record(tmp_path, path, "digest")
    entry = manifest.below("a")["a/b.mat"]
    assert entry.fits(path.stat())
    assert not manifest.below("b")
    path.write_bytes(b"1234")
    assert not entry.fits(path.stat())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format_version": 2}, "format version 2; expected 1; move it away"),
        ({"format": "other"}, "format version None; expected 1"),
        ({"files": {"a": {"size": 1}}}, "damaged .TypeError: .*; move it away, and every file is read and compared"),
        ({"ways": None}, "damaged .AttributeError"),
        ({"ways": {"cpsc": "zip"}}, "damaged .ValueError: way 'zip'.; move it away"),
        ({"files": {"../a": {"size": 1, "mtime_ns": 1, "sha256": ""}}}, r"the path '\.\./a' is refused"),
    ],
)
def test_a_damaged_manifest_is_refused(change: dict, message: str, tmp_path: Path) -> None:
    data = json.loads(Manifest().to_json()) | change
    (tmp_path / MANIFEST).write_text(json.dumps(data))
    with pytest.raises(DownloadError, match=message):
        read_manifest(tmp_path)


@pytest.mark.parametrize("text", ['{"format": ', "[" * 100_000, "\udc80"])
def test_a_torn_manifest_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / MANIFEST).write_text(text, errors="surrogateescape")
    with pytest.raises(DownloadError, match=r"download-manifest.json: not JSON .*; move it away"):
        read_manifest(tmp_path)
