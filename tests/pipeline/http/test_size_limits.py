"""Bodies that do not end: stopped by name at the bound of their kind, and the others come."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ecg12.ecg.errors import ConfigError
from ecg12.pipeline.download.download import DownloadConfig, download
from ecg12.pipeline.download.from_disk import FolderFetcher
from ecg12.pipeline.download.sources import RELEASE_LIST, SOURCES
from ecg12.pipeline.http import size_limits as bounds
from ecg12.pipeline.http.hosts import make_hosts
from ecg12.pipeline.http.size_limits import most_bytes_of, most_bytes_of_release, most_bytes_of_tarball
from ecg12.pipeline.http.transfer import HttpFetcher
from ecg12.pipeline.http.wanted_files import Fetcher, TransferConfig, Wanted
from ecg12.pipeline.runtime.progress import silent
from tests.pipeline.published import FAST, Published, tree
from tests.pipeline.raw_server import Answerer, Asked, RawServer, nginx

BODY = b"x" * 5000
ENDLESS = {
    "the connection's end": b"HTTP/1.0 200 OK\r\n\r\n",
    "chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    "a length": b"HTTP/1.1 200 OK\r\nContent-Length: 9999999999999\r\n\r\n",
}


def endless(head: bytes, files: dict[str, bytes], *names: str) -> Answerer:
    """Files, but no end for some."""
    good, block = nginx(files), bytes(65_536)

    def go_on() -> Iterator[bytes]:
        yield head
        while True:
            yield b"%x\r\n" % len(block) + block + b"\r\n" if b"chunked" in head else block

    return lambda asked: go_on() if asked.target[1:] in names else good(asked)


def fetch(fetcher: Fetcher, wanted: list[Wanted], **options: int) -> tuple[list[str], dict[str, str]]:
    done: list[str] = []
    failed: dict[str, str] = {}
    fetcher.fetch(
        wanted,
        silent("", 0, ""),
        lambda file: done.append(file.wanted.name),
        lambda one, reason: failed.update({one.name: reason}),
        **options,
    )
    return done, failed


def one(folder: Path, name: str, most_bytes: int | None = 1_000_000, body: bytes = BODY) -> Wanted:
    digest = hashlib.sha256(body).hexdigest()
    return Wanted(path=folder / name, name=name, accepted=(digest,), most_bytes=most_bytes)


def test_bounds_are_multiples_of_what_is_published() -> None:
    assert most_bytes_of("training/ptb/g1/S0001.HEA") == 1024**2 > 1000 * 700
    assert most_bytes_of("training/st_petersburg_incart/g1/I0001.mat") == 100_000_000 > 8 * (462_600 * 24 + 24)
    assert most_bytes_of("ptbxl_database.csv") == most_bytes_of("RECORDS") == 100_000_000
    assert most_bytes_of("mdl/model.pth") == 1_000_000_000
    assert 16 * 1024**3 < most_bytes_of_release(source.size_bytes for source in SOURCES) < 18 * 1024**3
    assert all(most_bytes_of_tarball(source.size_bytes) > 2 * source.size_bytes for source in SOURCES)


@pytest.mark.parametrize("head", ENDLESS.values(), ids=ENDLESS.keys())
def test_a_body_without_an_end_is_stopped_and_the_others_come(head: bytes, tmp_path: Path) -> None:
    names = [f"f{number}" for number in range(30)]
    with RawServer(endless(head, dict.fromkeys(names, BODY), "f3", "f7")) as server:
        done, failed = fetch(HttpFetcher(make_hosts((server.url,)), FAST), [one(tmp_path, name) for name in names])
    assert sorted(done) == sorted(set(names) - {"f3", "f7"})
    for name in ("f3", "f7"):
        assert failed[name].startswith(f"{server.url}: ")
        assert "expected at most 1,000,000 of such a file (--max-file-size lifts the bound)" in failed[name]
    assert {path.name for path in tmp_path.iterdir()} == set(done)


def test_the_bound_is_for_a_file_that_is_gone_on_with_too(tmp_path: Path) -> None:
    body = b"x" * 300_000
    cut = [b'HTTP/1.1 200 OK\r\nETag: "a"\r\nContent-Length: 200000\r\n\r\n' + body[:100_000]]

    def answer(asked: Asked) -> bytes | Iterator[bytes]:
        if cut:
            return iter([cut.pop()])
        return b'HTTP/1.1 206 Partial Content\r\nETag: "a"\r\nContent-Range: bytes 100000-*/*\r\n\r\n' + body

    with RawServer(answer) as server:
        _, failed = fetch(HttpFetcher(make_hosts((server.url,)), FAST), [one(tmp_path, "f", 200_000)])
    assert failed
    assert not any(path.stat().st_size > 200_000 for path in tmp_path.iterdir())


def test_the_option_lowers_and_lifts(tmp_path: Path) -> None:
    with RawServer(nginx({"f": BODY})) as server:
        hosts = (server.url,)
        low = HttpFetcher(make_hosts(hosts), replace(FAST, max_file_bytes=4999))
        assert "5,000 bytes or more; expected at most 4,999" in fetch(low, [one(tmp_path, "f")])[1]["f"]
        assert "at most 100 of" in fetch(HttpFetcher(make_hosts(hosts), FAST), [one(tmp_path, "f", 100)])[1]["f"]
        high = HttpFetcher(make_hosts(hosts), replace(FAST, max_file_bytes=5000))
        assert fetch(high, [one(tmp_path, "f", 100)], most_bytes=1) == (["f"], {})
    with pytest.raises(ConfigError, match="max_file_bytes is 0; expected 1 at least"):
        TransferConfig(max_file_bytes=0)


def test_all_files_together_have_a_bound(tmp_path: Path) -> None:
    """Wrong files that are kept count, too: a host that lies for each file fills no disk."""
    names = [f"f{number:02d}" for number in range(40)]
    config = replace(FAST, connections=2)
    with RawServer(nginx(dict.fromkeys(names, BODY))) as server:
        fetcher = HttpFetcher(make_hosts((server.url,)), config)
        done, failed = fetch(fetcher, [one(tmp_path, name) for name in names], most_bytes=60_000)
    assert 10 <= len(done) <= 12
    assert len(done) + len(failed) == 40
    assert "more than 60,000 bytes came in all; expected a release of the published size" in str(failed)
    assert "no other host is left" in fetcher.notes[0]
    with RawServer(nginx(dict.fromkeys(names, BODY[:-1] + b"y"))) as server:
        fetcher = HttpFetcher(make_hosts((server.url,)), config)
        done, failed = fetch(fetcher, [one(tmp_path / "bad", name) for name in names], most_bytes=60_000)
    assert not done
    assert sum(path.stat().st_size for path in (tmp_path / "bad").iterdir()) <= 60_000 + 2 * 5000


def test_files_on_disk_have_bounds_too(tmp_path: Path) -> None:
    given = tmp_path / "given"
    (given / "folder").mkdir(parents=True)
    for name in ("long", "good", "empty", "locked"):
        (given / name).write_bytes(b"" if name == "empty" else BODY)
    with (given / "sparse").open("wb") as file:
        file.truncate(10**12)
    (tmp_path / "data" / "locked").mkdir(parents=True)
    names = {"long": 100, "good": 5000, "sparse": 10**6, "folder": 100, "locked": 5000}
    wanted = [one(tmp_path / "data", name, most) for name, most in names.items()]
    wanted.append(one(tmp_path / "data", "empty", 5000, b""))
    done, failed = fetch(FolderFetcher(given), wanted)
    assert done == ["good", "empty"]
    assert failed["long"] == (
        f"{given}/long: 5,000 bytes; expected at most 100 of such a file (--max-file-size lifts the bound)"
    )
    assert "1,000,000,000,000 bytes; expected at most 1,000,000" in failed["sparse"]
    assert failed["folder"] == f"{given}/folder: is no regular file"
    assert "data/locked" in failed["locked"]
    assert fetch(FolderFetcher(given, 5000), [one(tmp_path / "data", "long", 100)])[0] == ["long"]


def test_one_endless_file_of_a_release_is_one_problem(
    published: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "MOST_FILE_BYTES", 3_000_000)
    name = next(name for name in published.of("ptb") if name.endswith(".mat"))
    header = name.replace(".mat", ".hea")
    with RawServer(endless(ENDLESS["chunks"], published.release, name, header)) as server:
        config = DownloadConfig(mirrors=(server.url,), datasets=("ptb", "cpsc"))
        summary = download(tmp_path, config, transfer=FAST, sources=published.sources, table=None)
    [problem] = summary.problems
    assert problem.startswith("ptb: training/ptb/")
    assert problem.endswith("; and 1 more files; the same command tries again")
    missing = summary.reports[1].missing
    assert "expected at most 3,000,000 of such a file" in missing[name]
    assert "expected at most 1,048,576 of such a file" in missing[header]
    others = {"LICENSE.txt", "RECORDS", RELEASE_LIST} | published.of("ptb").keys() | published.of("cpsc").keys()
    assert tree(tmp_path).keys() == others - {name, header}


def test_an_endless_list_is_stopped(published: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ecg12.pipeline.download.release.MOST_LIST_BYTES", 1_000_000)
    with RawServer(endless(ENDLESS["chunks"], {}, RELEASE_LIST)) as server:
        config = DownloadConfig(mirrors=(server.url,))
        with pytest.raises(OSError, match=r"could not be had: .* expected at most 1,000,000 of such a file"):
            download(tmp_path, config, transfer=FAST, sources=published.sources, table=None)
    assert not tree(tmp_path)
