"""The published run folders: all of a folder or nothing, proven by the digests that were seen first."""

import hashlib
import json
import os
from pathlib import Path
from unittest import mock

import pytest

from ecg12.ecg.errors import ConfigError, DownloadError
from ecg12.pipeline.download.published_weights import WEIGHTS_MANIFEST, WeightsSummary, download_address, fetch_weights
from ecg12.pipeline.download.sources import WEIGHTS, WeightFile
from ecg12.pipeline.http.transfer import HttpFetcher
from tests.pipeline.http_server import Act, Server
from tests.pipeline.published import FAST

FILES = {f"{row.folder}/{row.file}": f"{row.folder} {row.file}".encode() * 100 for row in WEIGHTS}


def bring(output: Path, **options: object) -> WeightsSummary:
    return fetch_weights(output, transfer=FAST, **options)


def on_disk(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and path.name not in (WEIGHTS_MANIFEST, ".download.lock")
    }


def test_all_folders_from_a_copy(tmp_path: Path) -> None:
    with Server(dict(FILES)) as server:
        summary = bring(tmp_path, url=server.url)
        assert summary.came == ("mdl", "mdls/mdl1", "mdls/mdl2", "mdls/mdl3", "mdls/mdl4", "mdls/mdl5", "mdls/mdl6")
        assert not summary.problems
        assert on_disk(tmp_path) == FILES
        again = bring(tmp_path, url=server.url)
        assert (again.came, again.kept) == ((), summary.came)
        assert len(server.seen) == len(WEIGHTS) == 42
    recorded = json.loads((tmp_path / WEIGHTS_MANIFEST).read_text())
    assert recorded == {name: hashlib.sha256(body).hexdigest() for name, body in FILES.items()}


@pytest.mark.parametrize(("weight_set", "n"), [("mdl", 6), ("mdls", 36)])
def test_one_set(weight_set: str, n: int, tmp_path: Path) -> None:
    with Server(dict(FILES)) as server:
        assert not bring(tmp_path, url=server.url, weight_set=weight_set).problems
    assert len(on_disk(tmp_path)) == n


def test_published_addresses_are_asked_for_the_file_and_not_its_page(tmp_path: Path) -> None:
    assert download_address("https://www.dropbox.com/s/abc/config.json?dl=0") == (
        "https://www.dropbox.com/s/abc/config.json?dl=1"
    )
    assert download_address("https://a.org/x?v=1&dl=0") == "https://a.org/x?v=1&dl=1"
    with Server({"s/x/config.json": b"{}"}) as server:
        rows = [WeightFile("mdl", "config.json", f"{server.url}/s/x/config.json?dl=0")]
        assert not bring(tmp_path, weights=rows).problems
    assert on_disk(tmp_path) == {"mdl/config.json": b"{}"}


def test_a_folder_comes_whole_or_not_at_all(tmp_path: Path) -> None:
    with Server(dict(FILES)) as server:
        server.always["mdls/mdl2/model.pth"] = Act(headers={"Content-Type": "text/html"})
        server.always["mdl/config.json"] = Act(status=404)
        summary = bring(tmp_path, url=server.url)
        assert sorted(summary.problems) == [
            f"mdl: nothing of it was kept: config.json: {server.url}: status 404 Not Found",
            f"mdls/mdl2: nothing of it was kept: model.pth: {server.url}: a web page instead of the file",
        ]
        assert {name.rpartition("/")[0] for name in on_disk(tmp_path)} == set(summary.came)
        server.always.clear()
        assert bring(tmp_path, url=server.url).came == ("mdl", "mdls/mdl2")
    assert on_disk(tmp_path) == FILES


def test_ctrl_c_leaves_whole_folders_and_the_next_run_goes_on(tmp_path: Path) -> None:
    fetch = HttpFetcher.fetch

    def stop(self: HttpFetcher, wanted: list, *args: object) -> None:
        fetch(self, wanted[:8], *args)
        raise KeyboardInterrupt

    with Server(dict(FILES)) as server:
        with mock.patch.object(HttpFetcher, "fetch", stop):
            summary = bring(tmp_path, url=server.url)
        assert summary.interrupted
        assert summary.came == ("mdl",)
        assert not summary.problems
        assert len(bring(tmp_path, url=server.url).came) == 6
    assert on_disk(tmp_path) == FILES


def test_folders_that_are_not_as_they_came_are_left_alone(tmp_path: Path) -> None:
    with Server(dict(FILES)) as server:
        bring(tmp_path, url=server.url, weight_set="mdl")
        (tmp_path / "mdl" / "config.json").write_bytes(b"mine")
        with pytest.raises(
            DownloadError, match=r"mdl/config.json: SHA-256 .*; expected .*, as it came: move .*mdl away"
        ):
            bring(tmp_path, url=server.url, weight_set="mdl")
        os.unlink(tmp_path / "mdl" / "config.json")
        with pytest.raises(DownloadError, match=r"mdl/config.json: SHA-256 is missing; expected"):
            bring(tmp_path, url=server.url, weight_set="mdl")
        os.unlink(tmp_path / WEIGHTS_MANIFEST)
        with pytest.raises(DownloadError, match="mdl: is there, but did not come by this command; name another folder"):
            bring(tmp_path, url=server.url, weight_set="mdl")
        (tmp_path / WEIGHTS_MANIFEST).write_text("{")
        with pytest.raises(DownloadError, match=r"weights-manifest.json: not JSON .* away"):
            bring(tmp_path, url=server.url, weight_set="mdl")
        (tmp_path / WEIGHTS_MANIFEST).write_text("[1]")
        with pytest.raises(DownloadError, match=r"weights-manifest.json: damaged; expected names and digests: move it"):
            bring(tmp_path, url=server.url, weight_set="mdl")


def test_options_are_checked(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="set 'mdl7'; expected mdl or mdls"):
        bring(tmp_path, weight_set="mdl7")
    with pytest.raises(ConfigError, match="mirror 'x': not an address"):
        bring(tmp_path, url="x")
