"""The tarballs of 2020, from a mirror: proven by either MD5, unpacked, proven again without them."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

from ecg12.pipeline.download.download import DownloadConfig, DownloadSummary, download
from ecg12.pipeline.download.manifest import MANIFEST
from ecg12.pipeline.download.sources import SOURCES
from ecg12.pipeline.download.tarballs import issue_of
from tests.pipeline.http_server import Act, Server
from tests.pipeline.published import FAST, Published, tarball_of, tree


def bring(
    output: Path, published: Published, *mirrors: str, sources: object = None, **options: object
) -> DownloadSummary:
    config = DownloadConfig(mirrors=mirrors, **options)
    return download(output, config, transfer=FAST, sources=sources or published.sources, table=None)


def unpacked(published: Published) -> dict[str, bytes]:
    """What all tarballs hold, by its path: the records of the release in flat folders."""
    return {
        f"{source.dataset.folder}/{name.rpartition('/')[2]}": body
        for source in published.sources
        for name, body in published.of(source.dataset.name).items()
        if not name.endswith("RECORDS")
    }


def test_every_tarball_is_fetched_proven_unpacked_and_removed(
    published: Published, tarball_server: Server, tmp_path: Path
) -> None:
    summary = bring(tmp_path, published, tarball_server.url, source="tarballs", verify=True)
    assert not summary.problems
    assert tree(tmp_path) == unpacked(published)
    assert {name: archive.issue for name, archive in summary.archives.items()} == {
        "cpsc": "both",
        "cpsc-extra": "both",
        "georgia": "last",
        "incart": "last",
        "ptb": "last",
        "ptb-xl": "last",
    }
    for report in summary.reports:
        assert report.n_files == report.n_fetched == report.n_verified == 2 * report.n_records
        assert report.disk_bytes == report.expected_disk_bytes
        assert report.headers_right == report.n_records == report.expected_records
    again = bring(tmp_path, published, tarball_server.url, verify=True)
    assert not again.problems
    assert sum(report.n_verified for report in again.reports) == 96
    assert len(tarball_server.seen) == 6
    assert json.loads((tmp_path / MANIFEST).read_text())["archives"]["ptb"]["issue"] == "last"


def test_archives_are_kept_on_request_and_used_again(
    published: Published, tarball_server: Server, tmp_path: Path
) -> None:
    options = {"source": "tarballs", "datasets": ("ptb", "incart"), "keep_archives": True}
    bring(tmp_path, published, tarball_server.url, **options)
    kept = [source.tarball for source in published.sources if source.dataset.name in ("ptb", "incart")]
    assert {name for name in tree(tmp_path) if name.endswith(".tar.gz")} == set(kept)
    damaged = next(path for path in sorted((tmp_path / "Training_PTB").iterdir()) if path.suffix == ".mat")
    before = damaged.read_bytes()
    damaged.write_bytes(b"wrong")
    summary = bring(tmp_path, published, tarball_server.url, datasets=("ptb", "incart"), verify=True)
    assert not summary.problems
    assert damaged.read_bytes() == before
    assert damaged.with_name(f"{damaged.name}.bad").read_bytes() == b"wrong"
    assert [report.n_repaired for report in summary.reports] == [0, 1]
    assert "differs from the tarball; kept as" in summary.notes[0]
    assert len(tarball_server.seen) == 2


def test_a_damaged_file_brings_the_tarball_again(published: Published, tarball_server: Server, tmp_path: Path) -> None:
    bring(tmp_path, published, tarball_server.url, source="tarballs", datasets=("cpsc",))
    (tmp_path / "Training_CPSC" / "A0001.hea").unlink()
    summary = bring(tmp_path, published, tarball_server.url, datasets=("cpsc",))
    assert not summary.problems
    [report] = summary.reports
    assert (report.n_fetched, report.n_verified, report.n_trusted) == (1, 1, 13)
    assert len(tarball_server.seen) == 2


def test_a_kept_archive_that_is_wrong_is_put_aside(
    published: Published, tarball_server: Server, tmp_path: Path
) -> None:
    tarball = next(source.tarball for source in published.sources if source.dataset.name == "ptb")
    (tmp_path / tarball).write_bytes(b"wrong")
    summary = bring(tmp_path, published, tarball_server.url, source="tarballs", datasets=("ptb",))
    assert not summary.problems
    assert (
        f"{tarball}: MD5 {hashlib.md5(b'wrong').hexdigest()}; expected 4035a2b496067c4331eecab74695bc67 or "
        in (summary.notes[0])
    )
    assert (tmp_path / f"{tarball}.bad").read_bytes() == b"wrong"


def test_a_tarball_of_no_issue_is_kept_as_bad(published: Published, tarball_server: Server, tmp_path: Path) -> None:
    tarball = next(source.tarball for source in published.sources if source.dataset.name == "ptb")
    tarball_server.always[tarball] = Act(body=b"something else")
    summary = bring(tmp_path, published, tarball_server.url, source="tarballs", datasets=("ptb", "cpsc"))
    [problem] = summary.problems
    assert problem.startswith(f"ptb: {tarball} is missing: {tarball_server.url}: md5 ")
    assert f"the wrong file is kept as {tmp_path / tarball}.bad" in problem
    assert "name a copy with --mirror, or files on disk with --from" in problem
    assert not (tmp_path / "Training_PTB").exists()
    assert len(list((tmp_path / "Training_CPSC").iterdir())) == 14


def test_a_proven_tarball_that_is_hostile_is_refused_and_nothing_leaves_the_folder(
    published: Published, tmp_path: Path
) -> None:
    """MD5 tells damage, not malice: whoever can forge one still cannot write elsewhere."""
    body = tarball_of({"Training_WFDB/S0001.hea": b"x", "Training_WFDB/../../escaped": b"x"})
    source = next(source for source in published.sources if source.dataset.name == "ptb")
    source = replace(source, md5_last=hashlib.md5(body).hexdigest())
    output = tmp_path / "data"
    with Server({source.tarball: body}) as server:
        summary = bring(output, published, server.url, source="tarballs", datasets=("ptb",), sources=[source])
    assert "member 'Training_WFDB/../../escaped': the path" in summary.problems[0]
    assert tree(tmp_path / "data").keys() == {source.tarball}
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_a_tarball_that_is_refused_stops_no_other(published: Published, tarball_server: Server, tmp_path: Path) -> None:
    source = next(source for source in published.sources if source.dataset.name == "cpsc")
    body = tarball_of({"Training_WFDB/A0001.hea": b"x", "Training_WFDB/a0001.hea": b"x"})
    md5 = hashlib.md5(body).hexdigest()
    sources = [replace(s, md5_first=md5, md5_last=md5) if s is source else s for s in published.sources]
    tarball_server.files[source.tarball] = body
    options = {"source": "tarballs", "datasets": ("cpsc", "ptb", "incart"), "sources": sources}
    (tmp_path / "Training_StPetersburg").write_bytes(b"a file where the folder belongs")
    summary = bring(tmp_path, published, tarball_server.url, **options)
    texts = [text for text in summary.problems if "records in" not in text]
    assert len(texts) == 2
    assert "member 'Training_WFDB/a0001.hea': the path 'a0001.hea' is refused; it differs from 'A0001.hea'" in texts[0]
    assert "Training_StPetersburg" in texts[1]
    assert not (tmp_path / "Training_CPSC").exists() or not any((tmp_path / "Training_CPSC").iterdir())
    assert len(list((tmp_path / "Training_PTB").iterdir())) == 2 * summary.reports[2].n_records > 0


def test_a_dropped_tarball_is_resumed(published: Published, tarball_server: Server, tmp_path: Path) -> None:
    source = next(source for source in published.sources if source.dataset.name == "ptb-xl")
    size = len(published.tarballs[source.tarball])
    tarball_server.act(source.tarball, Act(drop_at=size // 3), Act(drop_at=size // 3))
    assert not bring(tmp_path, published, tarball_server.url, source="tarballs", datasets=("ptb-xl",)).problems
    assert tarball_server.n_bytes(source.tarball) == size


def test_the_published_issues_are_told_apart() -> None:
    ptb = next(source for source in SOURCES if source.dataset.name == "ptb")
    cpsc = next(source for source in SOURCES if source.dataset.name == "cpsc")
    assert issue_of(ptb, "4035a2b496067c4331eecab74695bc67") == "first"
    assert issue_of(ptb, "349316b6985cd21940210e36af9415ec") == "last"
    assert issue_of(cpsc, "7b6b1f1ab1b4c59169c639d379575a87") == "both"
    assert issue_of(cpsc, "4035a2b496067c4331eecab74695bc67") is None
