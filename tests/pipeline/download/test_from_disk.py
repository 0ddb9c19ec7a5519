"""`--from`: releases, tarballs and loose records that are on disk already; they are only read."""

import json
import os
from pathlib import Path

import pytest

from ecg12.ecg.errors import InputError
from ecg12.pipeline.download.download import DownloadConfig, DownloadSummary, download
from ecg12.pipeline.download.sources import RELEASE_LIST
from tests.pipeline.download.test_tarballs import unpacked
from tests.pipeline.http_server import Server
from tests.pipeline.published import FAST, Published, tree
from tests.records import write_record


def take(output: Path, published: Published, given: Path | None, **options: object) -> DownloadSummary:
    return download(
        output, DownloadConfig(given=given, **options), transfer=FAST, sources=published.sources, table=None
    )


def write_tarballs(folder: Path, published: Published, *names: str) -> Path:
    folder.mkdir(parents=True)
    for source in published.sources:
        if source.dataset.name in names or not names:
            (folder / f"copy of {source.dataset.name}.tgz").write_bytes(published.tarballs[source.tarball])
    return folder


def test_a_release_on_disk(published: Published, tmp_path: Path) -> None:
    given = published.write(tmp_path / "given")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "LICENSE.txt.part").write_bytes(b"of a host")
    note = {"url": "http://a/LICENSE.txt", "validator": '"a"', "total": 20}
    (tmp_path / "data" / "LICENSE.txt.part.json").write_text(json.dumps(note))
    summary = take(tmp_path / "data", published, given, verify=True)
    assert not summary.problems
    assert tree(tmp_path / "data") == tree(given) == published.release
    assert sum(report.headers_right for report in summary.reports) == 48
    assert str(given) not in (tmp_path / "data" / "download-manifest.json").read_text()


def test_a_damaged_release_on_disk_gives_what_is_good_and_hosts_the_rest(
    published: Published, release_server: Server, tmp_path: Path
) -> None:
    given = published.write(tmp_path / "given")
    names = sorted(published.of("ptb-xl"))
    (given / names[0]).write_bytes(b"wrong")
    (given / names[1]).unlink()
    summary = take(tmp_path / "data", published, given)
    [problem] = summary.problems
    assert problem.startswith(f"ptb-xl: {names[0]} is missing: {given / names[0]}: sha256 ")
    assert problem.endswith("; and 1 more files; the same command tries again")
    missing = next(report.missing for report in summary.reports if report.name == "ptb-xl")
    assert missing[names[1]] == f"{given / names[1]}: not there"
    assert (given / names[0]).read_bytes() == b"wrong"
    config = DownloadConfig(mirrors=(release_server.url,))
    assert not download(tmp_path / "data", config, transfer=FAST, sources=published.sources, table=None).problems
    assert tree(tmp_path / "data") == published.release
    assert {seen.path for seen in release_server.seen} == set(names[:2])


def test_tarballs_on_disk_whatever_they_are_called(published: Published, tmp_path: Path) -> None:
    given = write_tarballs(tmp_path / "given", published)
    before = tree(given)
    summary = take(tmp_path / "data", published, given, verify=True)
    assert not summary.problems
    assert tree(tmp_path / "data") == unpacked(published)
    assert tree(given) == before
    one = take(tmp_path / "one", published, given / "copy of ptb.tgz", datasets=("ptb",))
    assert not one.problems
    assert one.archives["ptb"].issue == "last"


def test_a_tarball_that_is_none_of_the_published_is_told(published: Published, tmp_path: Path) -> None:
    given = write_tarballs(tmp_path / "given", published, "ptb")
    (given / "x.tar.gz").write_bytes(b"x")
    summary = take(tmp_path / "data", published, given, datasets=("ptb",))
    [problem] = summary.problems
    assert problem.startswith(
        f"{given / 'x.tar.gz'}: MD5 9dd4e461268c8034f5c8564e155c67a6 is not of a dataset asked for;"
    )
    assert "expected one of: PhysioNetChallenge2020_Training_PTB.tar.gz 4035a2b496067c4331eecab74695bc67 or" in problem


def test_a_dataset_that_is_not_among_the_files_is_missing(published: Published, tmp_path: Path) -> None:
    given = write_tarballs(tmp_path / "given", published, "ptb")
    summary = take(tmp_path / "data", published, given, datasets=("ptb", "cpsc"))
    assert summary.problems == (
        f"{given}: holds nothing of cpsc; take it from elsewhere, or leave it out with --datasets",
    )


def test_loose_records_are_laid_into_folders_and_proven_by_their_headers(published: Published, tmp_path: Path) -> None:
    given = published.write(tmp_path / "given" / "deep")
    (given / RELEASE_LIST).unlink()
    write_record(given, "hospital1")
    summary = take(tmp_path / "data", published, given.parent, verify=True)
    assert not summary.problems
    assert tree(tmp_path / "data") == unpacked(published)
    assert {report.way for report in summary.reports} == {"folder"}
    assert summary.notes == ("1 records are of none of the datasets of challenge-2020 and were left where they are",)
    proven = take(tmp_path / "data", published, None, verify=True)
    assert not proven.problems
    assert sum(report.n_verified for report in proven.reports) == 96
    assert sum(report.headers_right for report in proven.reports) == 48


def test_tarballs_and_loose_records_together(published: Published, tmp_path: Path) -> None:
    given = write_tarballs(tmp_path / "given", published, "ptb", "georgia")
    for name, body in unpacked(published).items():
        if name.startswith("Training_CPSC"):
            (given / name).parent.mkdir(exist_ok=True)
            (given / name).write_bytes(body)
    summary = take(tmp_path / "data", published, given, datasets=("cpsc", "georgia", "ptb"))
    assert not summary.problems
    assert [report.way for report in summary.reports] == ["folder", "tarballs", "tarballs"]


def test_damaged_loose_records_are_not_taken(published: Published, tmp_path: Path) -> None:
    given = tmp_path / "given"
    write_record(given, "S0001", fs=1000)
    write_record(given, "S0002", fs=1000, checksums=[1] * 12)
    write_record(given, "S0003", fs=1000)
    (given / "S0003.mat").write_bytes(b"short")
    (given / "S0004.hea").write_bytes(b"\n")
    summary = take(tmp_path / "data", published, given, datasets=("ptb",))
    texts = "\n".join(summary.problems)
    assert f"{given}/S0002.hea: the samples do not have the header's checksums; not taken" in texts
    assert f"{given}/S0003.hea: S0003: S0003.mat has 5 bytes" in texts
    assert f"{given}/S0004.hea: " in texts
    assert sorted(tree(tmp_path / "data")) == ["Training_PTB/S0001.hea", "Training_PTB/S0001.mat"]


def test_a_loose_record_never_replaces_another(published: Published, tmp_path: Path) -> None:
    write_record(tmp_path / "a", "S0001", fs=1000)
    write_record(tmp_path / "b", "S0001", fs=1000, age="61")
    first = take(tmp_path / "data", published, tmp_path / "a", datasets=("ptb",))
    assert not first.problems
    before = tree(tmp_path / "data")
    second = take(tmp_path / "data", published, tmp_path / "b", datasets=("ptb",))
    [problem] = second.problems
    assert "b/S0001.hea: differs from " in problem
    assert problem.endswith("which was left as it is; move one of them away")
    assert tree(tmp_path / "data") == before


def test_loose_records_that_changed_or_went_are_told(published: Published, tmp_path: Path) -> None:
    write_record(tmp_path / "a", "S0001", fs=1000)
    take(tmp_path / "data", published, tmp_path / "a", datasets=("ptb",))
    (tmp_path / "data" / "Training_PTB" / "S0001.mat").write_bytes(b"x")
    (tmp_path / "data" / "Training_PTB" / "S0001.hea").unlink()
    texts = take(tmp_path / "data", published, None, datasets=("ptb",)).problems
    assert "S0001.mat: SHA-256 2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881; expected" in texts[0]
    assert "ptb: Training_PTB/S0001.hea is missing: was here: take it again with --from" in texts[1]
    (tmp_path / "data" / "Training_PTB" / "S0001.mat").unlink()
    assert not take(tmp_path / "data", published, tmp_path / "a", datasets=("ptb",)).problems


def test_nothing_to_take_is_an_error(published: Published, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere: does not exist; expected tarballs, a release, or a folder of rec"):
        take(tmp_path / "data", published, tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="empty: no WFDB record there"):
        take(tmp_path / "data", published, tmp_path / "empty")
    (tmp_path / "release.zip").touch()
    with pytest.raises(
        InputError, match=r"release.zip: expected a folder or a tarball \(.tar.gz, .tgz, .tar\); unpack"
    ):
        take(tmp_path / "data", published, tmp_path / "release.zip")
    with pytest.raises(InputError, match="is given with --from and is the output; expected two folders"):
        take(tmp_path / "empty", published, tmp_path / "empty")


def test_a_record_that_cannot_be_taken_stops_no_other(published: Published, tmp_path: Path) -> None:
    given = published.write(tmp_path / "given")
    (given / RELEASE_LIST).unlink()
    record = next(name for name in sorted(published.of("georgia")) if name.endswith(".hea"))
    (tmp_path / "data" / "Training_E" / Path(record).name).mkdir(parents=True)
    summary = take(tmp_path / "data", published, given)
    [report] = [report for report in summary.reports if report.problems]
    assert report.name == "georgia"
    assert report.problems == [f"{tmp_path}/data/Training_E/{Path(record).name}: Is a directory; not taken"]
    assert sum(report.n_fetched for report in summary.reports) == 2 * 48 - 2


def test_a_pipe_is_not_waited_for(published: Published, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.tar.gz")
    with pytest.raises(InputError, match=r"pipe.tar.gz: is no folder and no regular file; expected tarballs"):
        take(tmp_path / "data", published, tmp_path / "pipe.tar.gz")
