"""A disk that fills while a download writes: it stops with a word, and what has come stays."""

import errno
import hashlib
import json
import shutil
from pathlib import Path

import pytest

from ecg12.ecg.errors import DownloadError
from ecg12.pipeline.download.download import DownloadConfig, download
from ecg12.pipeline.download.manifest import MANIFEST
from ecg12.pipeline.http import disk_space as room_module
from ecg12.pipeline.http.disk_space import Room, is_of_the_disk, stopped_by
from tests.pipeline.http_server import Server
from tests.pipeline.published import FAST, Published, tree


def test_the_disk_is_looked_at_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[Path] = []
    usage = shutil.disk_usage(tmp_path)

    def look(path: Path) -> object:
        looks.append(path)
        return usage._replace(free=10**10 if len(looks) < 3 else 60_000_000)

    monkeypatch.setattr(room_module.shutil, "disk_usage", look)
    room = Room()
    for _ in range(47):
        room.take(tmp_path / "a", 1024**2)
    assert looks == [tmp_path, tmp_path]
    with pytest.raises(DownloadError, match="60 MB are free, expected 67 MB at least: stopped before the disk is full"):
        room.take(tmp_path / "a", 16 * 1024**2)


@pytest.mark.parametrize("way", ["hosts", "disk"])
def test_a_disk_that_fills_up_stops_the_download_cleanly(
    way: str, published: Published, release_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = 0
    usage = shutil.disk_usage(tmp_path)

    def look(path: Path) -> object:
        nonlocal seen
        seen += 1
        return usage._replace(free=10**11 if seen < 20 else 1_000_000)

    monkeypatch.setattr(room_module, "_LOOK_EVERY_BYTES", 1000)
    monkeypatch.setattr(room_module.shutil, "disk_usage", look)
    config = DownloadConfig(mirrors=(release_server.url,))
    if way == "disk":
        config = DownloadConfig(given=published.write(tmp_path / "given"))
    output = tmp_path / "data"
    with pytest.raises(DownloadError, match=r"1 MB are free, .* make room, and give the same command again"):
        download(output, config, transfer=FAST, sources=published.sources, table=None)
    came = {name: body for name, body in tree(output).items() if not name.endswith(".part")}
    assert 2 < len(came) < len(published.release)
    assert all(published.release[name] == body for name, body in came.items())
    recorded = json.loads((output / MANIFEST).read_text())["files"]
    assert {name: entry["sha256"] for name, entry in recorded.items()} == {
        name: hashlib.sha256(body).hexdigest() for name, body in came.items() if name != "SHA256SUMS.txt"
    }
    monkeypatch.undo()
    assert not download(output, config, transfer=FAST, sources=published.sources, table=None).problems
    assert tree(output) == published.release


def test_what_is_of_the_disk() -> None:
    full = OSError(errno.ENOSPC, "No space left on device")
    assert is_of_the_disk(full)
    assert str(stopped_by(full, "data")) == (
        "data: No space left on device; what has come is kept: make room, and give the same command again"
    )
    broken = OSError(errno.EIO, "Input/output error", "data/a.part")
    assert is_of_the_disk(broken)
    assert str(stopped_by(broken, "data")) == (
        "data/a.part: Input/output error; what has come is kept; nothing more can be written there"
    )
    assert not is_of_the_disk(OSError(errno.EISDIR, "Is a directory"))
