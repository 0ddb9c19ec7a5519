"""The whole download against real sockets: the published tree byte for byte, or the named error."""

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ecg12.cache.storage.lock import hold
from ecg12.ecg.errors import ConfigError, DownloadError, InputError
from ecg12.pipeline.download import job as job_module
from ecg12.pipeline.download.download import DownloadConfig, DownloadSummary, download
from ecg12.pipeline.download.job import LOCK
from ecg12.pipeline.download.manifest import MANIFEST
from ecg12.pipeline.download.prove_files import Proof, prove_file
from ecg12.pipeline.download.sources import RELEASE_LIST
from tests.pipeline.http_server import Act, Server
from tests.pipeline.published import FAST, IMPATIENT, Published, list_of, tree

ROOT = Path(__file__).resolve().parents[3]


def bring(
    output: Path, published: Published, *mirrors: str, config: object = FAST, **options: object
) -> DownloadSummary:
    wanted = DownloadConfig(mirrors=mirrors, **options)
    return download(output, wanted, transfer=config, sources=published.sources, table=None)


def total(summary: DownloadSummary, figure: str) -> int:
    return sum(getattr(report, figure) for report in summary.reports)


def test_the_release_comes_whole(release_server: Server, published: Published, tmp_path: Path) -> None:
    summary = bring(tmp_path / "data", published, release_server.url, verify=True)
    assert not summary.problems
    assert tree(tmp_path / "data") == published.release
    n = len(published.release) - 1  # the list is not in the list
    assert total(summary, "n_files") == total(summary, "n_fetched") == total(summary, "n_verified") == n
    assert total(summary, "headers_right") == 48
    for report, source in zip(summary.reports, published.sources, strict=False):
        assert (report.name, report.way, report.folder) == (source.dataset.name, "release", source.release_path)
        assert report.n_records == report.expected_records == source.dataset.n_records
        assert report.n_bytes == sum(map(len, published.of(report.name).values()))
    assert summary.reports[-1].name == "release"
    # at most one request a file: nothing is asked twice, gN/RECORDS are but files
    assert len(release_server.seen) == len(published.release)


def test_a_finished_tree_is_proven_without_the_network(
    release_server: Server, published: Published, tmp_path: Path
) -> None:
    bring(tmp_path, published, release_server.url)
    with Server({}) as nothing:
        gone = nothing.url
    proven = bring(tmp_path, published, gone, verify=True)
    assert not proven.problems
    assert total(proven, "n_verified") == len(published.release) - 1
    assert (total(proven, "n_fetched"), total(proven, "headers_right")) == (0, 48)
    trusted = bring(tmp_path, published, gone)
    assert not trusted.problems
    assert (total(trusted, "n_trusted"), total(trusted, "n_verified")) == (len(published.release) - 1, 0)


def test_some_datasets(release_server: Server, published: Published, tmp_path: Path) -> None:
    summary = bring(tmp_path, published, release_server.url, datasets=("georgia", "cpsc"))
    assert [report.name for report in summary.reports] == ["cpsc", "georgia", "release"]
    others = {"LICENSE.txt", "RECORDS", RELEASE_LIST}
    assert set(tree(tmp_path)) == {*published.of("cpsc"), *published.of("georgia"), *others}
    rest = bring(tmp_path, published, release_server.url)
    assert not rest.problems
    assert tree(tmp_path) == published.release
    assert total(rest, "n_fetched") == len(published.release) - 3 - len(published.of("cpsc") | published.of("georgia"))


def test_damage_is_found_kept_and_repaired(release_server: Server, published: Published, tmp_path: Path) -> None:
    bring(tmp_path, published, release_server.url)
    names = sorted(published.of("ptb-xl"))
    mat, hea, lost = names[2], names[3], names[5]
    assert mat.endswith(".mat") != hea.endswith(".mat")
    stamp = (tmp_path / mat).stat()
    damaged = b"x" * len(published.release[mat])
    (tmp_path / mat).write_bytes(damaged)
    os.utime(tmp_path / mat, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))  # rot leaves no trace in the times
    (tmp_path / hea).write_bytes(b"touched")
    (tmp_path / lost).unlink()
    n_before = len(release_server.seen)
    summary = bring(tmp_path, published, release_server.url, verify=True)
    assert not summary.problems
    report = next(report for report in summary.reports if report.name == "ptb-xl")
    assert (report.n_repaired, report.n_fetched, report.headers_right) == (2, 3, 24)
    assert len(release_server.seen) - n_before == 3
    assert (tmp_path / f"{mat}.bad").read_bytes() == damaged
    assert any(f"{mat}: SHA-256 " in note and "; kept as " in note for note in summary.notes)
    assert tuple(json.loads((tmp_path / MANIFEST).read_text())["report"]["notes"]) == summary.notes
    assert {name: body for name, body in tree(tmp_path).items() if ".bad" not in name} == published.release


def test_a_header_that_was_published_wrong_is_told_and_no_problem(published: Published, tmp_path: Path) -> None:
    """The list says what was published; what was published may disagree with itself."""
    files = {name: body for name, body in published.release.items() if name != RELEASE_LIST}
    name = next(name for name in sorted(published.of("ptb")) if name.endswith(".mat"))
    files[name] = files[name][:-1] + bytes([files[name][-1] ^ 1])
    with Server(files | {RELEASE_LIST: list_of(files)}) as server:
        summary = bring(tmp_path, published, server.url, datasets=("ptb",), verify=True)
    assert not summary.problems
    assert summary.reports[0].headers_right == 0
    [text] = summary.reports[0].headers_wrong
    assert text == f"{Path(name).stem}: the samples of V6 do not have the header's checksum"


def test_a_file_that_goes_while_it_is_proven_is_fetched(
    published: Published, release_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bring(tmp_path, published, release_server.url, datasets=("ptb",))
    name = next(iter(published.of("ptb")))

    def slowly(paths: list[Path], **options: object) -> Iterator[Proof]:
        (tmp_path / name).unlink()
        return map(lambda path: prove_file(path, headers=False), paths)

    with monkeypatch.context() as patched:
        patched.setattr("ecg12.pipeline.download.compare_folder.prove_files", slowly)
        patched.setattr("ecg12.pipeline.download.compare_folder.check_headers", lambda *args: None)
        patched.setattr("ecg12.pipeline.download.release.check_headers", lambda *args: None)
        summary = bring(tmp_path, published, release_server.url, datasets=("ptb",), verify=True)
    assert not summary.problems
    assert summary.reports[0].n_fetched == 1


def test_without_a_manifest_every_file_is_compared(
    release_server: Server, published: Published, tmp_path: Path
) -> None:
    """As after `aws s3 sync`, or a kill before the manifest was written."""
    published.write(tmp_path)
    (tmp_path / RELEASE_LIST).unlink()
    name = next(iter(published.of("ptb")))
    (tmp_path / name).write_bytes(b"wrong")
    summary = bring(tmp_path, published, release_server.url)
    assert not summary.problems
    assert [seen.path for seen in release_server.seen] == [RELEASE_LIST, name]
    assert json.loads((tmp_path / MANIFEST).read_text())["files"].keys() >= published.of("ptb").keys()


MISBEHAVIOUR = {
    "drops": Act(drop_at=3000),
    "states more than it sends": Act(stated_more=5),
    "cuts": Act(cut_at=3000),
    "is not there": Act(status=404),
    "has too many requests": Act(status=429, headers={"Retry-After": "0"}),
    "is not available": Act(status=503),
    "refuses ranges": Act(drop_at=3000, no_range=True),
    "is another version": Act(drop_at=3000, body=b"another" * 9000),
    "stalls": Act(stall_at=3000),
    "has a wrong byte": Act(wrong_byte=100),
}


@pytest.mark.parametrize("act", MISBEHAVIOUR.values(), ids=MISBEHAVIOUR.keys())
def test_once_is_survived_and_for_ever_is_named(act: Act, published: Published, tmp_path: Path) -> None:
    """Each misbehaviour on two files: once, then for ever on the only host."""
    names = [name for name in sorted(published.of("georgia")) if name.endswith(".mat")][:2]
    with Server(dict(published.release)) as server:
        for name in names:
            server.act(name, act)
        if act.status == 404:  # once is enough for "not there": the same host is not asked again
            for name in names:
                server.acts.pop(name)
        config = FAST if act.stall_at is None else IMPATIENT
        summary = bring(tmp_path / "once", published, server.url, config=config, datasets=("georgia",))
        assert not summary.problems
        kept = {*published.of("georgia"), "LICENSE.txt", "RECORDS", RELEASE_LIST}
        assert tree(tmp_path / "once") == {name: published.release[name] for name in kept}
        for name in names:
            server.always[name] = act
        if act.no_range:
            return  # refused ranges alone never stop a file
        summary = bring(tmp_path / "always", published, server.url, config=config, datasets=("georgia",))
    [problem] = summary.problems
    assert problem.startswith(f"georgia: {names[0]} is missing: {server.url}: ") or problem.startswith(
        f"georgia: {names[1]} is missing: {server.url}: "
    )
    assert problem.endswith("; and 1 more files; the same command tries again")
    good = {name: body for name, body in tree(tmp_path / "always").items() if not name.endswith((".part", ".bad"))}
    assert good == {name: published.release[name] for name in kept - set(names)}


def test_the_next_host_gives_what_the_first_has_not(published: Published, tmp_path: Path) -> None:
    name = next(iter(published.of("ptb")))
    with Server(dict(published.release)) as first, Server(dict(published.release)) as second:
        first.always[name] = Act(wrong_byte=1)
        summary = bring(tmp_path, published, first.url, second.url)
        assert not summary.problems
        assert [seen.path for seen in second.seen] == [name]
        assert json.loads((tmp_path / MANIFEST).read_text())["hosts"] == [first.url, second.url]
    assert {path: body for path, body in tree(tmp_path).items() if not path.endswith(".bad")} == published.release


def test_a_host_that_is_down_is_told(published: Published, release_server: Server, tmp_path: Path) -> None:
    with Server({}) as gone:
        dead = gone.url
    summary = bring(tmp_path, published, dead, release_server.url)
    assert not summary.problems
    alone = tmp_path / "alone"
    with pytest.raises(
        DownloadError, match=f"{RELEASE_LIST}, the list of the release, could not be had: {dead}: no con"
    ):
        bring(alone, published, dead)
    assert tree(alone) == {}


def test_the_list_is_held_to_its_first_version(published: Published, release_server: Server, tmp_path: Path) -> None:
    bring(tmp_path, published, release_server.url)
    (tmp_path / RELEASE_LIST).write_bytes(list_of(published.of("ptb")))
    summary = bring(tmp_path, published, release_server.url)
    assert not summary.problems
    assert "SHA256SUMS.txt: changed since it came; kept as SHA256SUMS.txt.bad, and fetched again" in summary.notes[0]
    assert (tmp_path / RELEASE_LIST).read_bytes() == published.release[RELEASE_LIST]


def test_a_list_that_was_left_there_and_is_none_is_fetched_again(
    published: Published, release_server: Server, tmp_path: Path
) -> None:
    """As a browser saves a page under the list's name."""
    (tmp_path / RELEASE_LIST).write_bytes(b"<html><title>Log in</title></html>")
    summary = bring(tmp_path, published, release_server.url)
    assert not summary.problems
    assert summary.notes[0].startswith(f"{tmp_path / RELEASE_LIST}: a web page or an error document ('<html>")
    assert summary.notes[0].endswith("; kept as SHA256SUMS.txt.bad, and fetched again")
    assert (tmp_path / RELEASE_LIST).read_bytes() == published.release[RELEASE_LIST]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"hello\n", r"SHA256SUMS.txt line 1: 'hello'; expected a SHA-256 and a path"),
        (b"0" * 64 + b"  ../../etc/passwd\n", r"line 1: the path '../../etc/passwd' is refused"),
        (
            b"0" * 64 + b"  training/ptb/g1/a\n",
            r"SHA256SUMS.txt: nothing below training/cpsc_2018 \(its first file is 'training/ptb/g1/a'\); "
            "expected 7 records of cpsc: leave it",
        ),
    ],
)
def test_a_list_that_is_none_stops_the_download(
    body: bytes, message: str, published: Published, tmp_path: Path
) -> None:
    with Server({RELEASE_LIST: body}) as server, pytest.raises(DownloadError, match=message):
        bring(tmp_path / "data", published, server.url)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
    assert not (tmp_path / "data" / "training").exists()


def test_a_list_that_is_of_no_use_is_not_kept(published: Published, release_server: Server, tmp_path: Path) -> None:
    """As of a mirror with other folders, or cut on the way: another mirror is asked for its own."""
    files = {f"data/{name}": body for name, body in published.of("ptb").items()}
    with (
        Server(files | {RELEASE_LIST: list_of(files)}) as server,
        pytest.raises(DownloadError, match=r"nothing below training/cpsc_2018 \(its first file is 'data/training/ptb"),
    ):
        bring(tmp_path, published, server.url)
    assert not tree(tmp_path)
    summary = bring(tmp_path, published, release_server.url)
    assert (summary.problems, summary.notes) == ((), ())
    assert tree(tmp_path) == published.release


def test_a_list_with_some_datasets_gives_way_to_one_with_those_that_are_wanted(
    published: Published, release_server: Server, tmp_path: Path
) -> None:
    files = published.of("ptb")
    some = files | {RELEASE_LIST: list_of(files)}
    with Server(some) as server:
        assert not bring(tmp_path, published, server.url, datasets=("ptb",)).problems
        with pytest.raises(DownloadError, match=r"nothing below training/incart|nothing below training/st_peters"):
            bring(tmp_path, published, server.url, datasets=("ptb", "incart"))
    assert tree(tmp_path) == some  # what was there is not lost
    summary = bring(tmp_path, published, release_server.url, datasets=("ptb", "incart"))
    assert not summary.problems
    assert re.search("nothing below training/st_petersburg_incart .* kept as SHA256SUMS.txt.bad", summary.notes[0])
    assert tree(tmp_path)[RELEASE_LIST] == published.release[RELEASE_LIST]


def physionets_list_of(files: dict[str, bytes]) -> bytes:
    """As physionet-build writes it: one blank, sorted by folder, the list itself left out."""
    return "".join(f"{hashlib.sha256(files[name]).hexdigest()} {name}\n" for name in sorted(files)).encode()


@pytest.mark.parametrize("way", ["hosts", "disk"])
def test_the_release_comes_by_a_list_in_physionets_form(way: str, published: Published, tmp_path: Path) -> None:
    files = {name: body for name, body in published.release.items() if name != RELEASE_LIST}
    files |= {RELEASE_LIST: physionets_list_of(files)}
    if way == "hosts":
        with Server(files) as server:
            summary = bring(tmp_path / "data", published, server.url, verify=True)
    else:
        replace(published, release=files).write(tmp_path / "given")
        summary = bring(tmp_path / "data", published, given=tmp_path / "given", verify=True)
    assert (summary.problems, summary.notes) == ((), ())
    assert tree(tmp_path / "data") == files
    assert total(summary, "headers_right") == 48


def test_lines_that_cannot_be_taken_are_told_and_stop_no_file(published: Published, tmp_path: Path) -> None:
    files = {name: body for name, body in published.release.items() if name != RELEASE_LIST}
    digest = "0" * 64
    lines = [digest[1:], f"{digest} ../../etc/passwd", f"{digest} LICENSE.TXT", f"{digest} LICENSE.txt.part"]
    odd = "".join(f"{line}\n" for line in [*lines, *(f"{digest} /{number}" for number in range(30))])
    with Server(files | {RELEASE_LIST: physionets_list_of(files) + odd.encode()}) as server:
        summary = bring(tmp_path / "data", published, server.url)
    assert total(summary, "n_fetched") == len(files)
    number = len(files) + 1
    assert summary.problems[0] == (
        f"{server.url} {RELEASE_LIST} line {number}: {digest[1:]!r}; expected a SHA-256 and a path, not 63 hex digits; "
        "the line is left out"
    )
    assert f"line {number + 1}: the path '../../etc/passwd' is refused" in summary.problems[1]
    assert f"line {number + 2}: the path 'LICENSE.TXT' is refused; it differs from 'LICENSE.txt'" in summary.problems[2]
    assert f"line {number + 3}: the path 'LICENSE.txt.part' is refused; beside 'LICENSE.txt'" in summary.problems[3]
    assert summary.problems[20:] == (f"{RELEASE_LIST}: 14 more lines are left out",)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_lines_that_are_no_entries_are_counted_and_no_problem(published: Published, tmp_path: Path) -> None:
    files = dict(published.release)
    files[RELEASE_LIST] = b"; of 2022\n" + files[RELEASE_LIST] + b"-----BEGIN PGP SIGNATURE-----\n\niQIz\n"
    with Server(files) as server:
        summary = bring(tmp_path, published, server.url)
    assert not summary.problems
    assert summary.notes == (
        f"3 line(s) of the list are no entries and passed over: {server.url} {RELEASE_LIST} line 1: '; of 2022'; "
        "expected a SHA-256 and a path",
    )
    assert tree(tmp_path) == files


def test_a_list_made_of_a_folder_that_this_program_filled(
    published: Published, release_server: Server, tmp_path: Path
) -> None:
    """`sha256sum` over everything there, the list itself, the manifest and the empty lock among it."""
    bring(tmp_path / "mirror", published, release_server.url)
    mirror = {path.relative_to(tmp_path / "mirror").as_posix(): path for path in (tmp_path / "mirror").rglob("*.*")}
    files = {name: path.read_bytes() for name, path in mirror.items() if path.is_file()}
    assert {".download.lock", MANIFEST, RELEASE_LIST} < files.keys()
    with Server(files | {RELEASE_LIST: list_of(files)}) as server:
        summary = bring(tmp_path / "data", published, server.url)
    assert not summary.problems
    [note] = summary.notes
    assert note.startswith(f"{RELEASE_LIST} names files that this program writes itself (")
    assert (tmp_path / "data" / RELEASE_LIST).read_bytes() == list_of(files)
    assert json.loads((tmp_path / "data" / MANIFEST).read_text())["hosts"] == [server.url]


@pytest.mark.parametrize("way", ["hosts", "disk"])
def test_what_stands_in_a_files_place_is_one_problem(way: str, published: Published, tmp_path: Path) -> None:
    """A folder, a pipe, links: nothing is opened that might never end, and all other files come."""
    output, names = tmp_path / "data", sorted(published.of("ptb-xl"))
    for name, make in zip(
        names[:5], (Path.mkdir, os.mkfifo, _link_to_itself, _link_to_nothing, Path.mkdir), strict=True
    ):
        path = output / name if name != names[4] else output / f"{name}.part"
        path.parent.mkdir(parents=True, exist_ok=True)
        make(path)
    (output / published.sources[0].release_path).parent.joinpath("ptb").write_bytes(b"a file where a folder belongs")
    with Server(published.release) as server:
        place = {"mirrors": (server.url,)} if way == "hosts" else {"given": published.write(tmp_path / "given")}
        config = DownloadConfig(verify=True, **place)
        summary = download(output, config, transfer=FAST, sources=published.sources, table=None)
    missing = {name: reason for report in summary.reports for name, reason in report.missing.items()}
    assert missing.keys() == {names[0], names[1], names[2], names[4], *published.of("ptb")}
    assert missing[names[0]] == missing[names[1]].replace(names[1], names[0])
    assert missing[names[1]] == f"{output / names[1]}: is no regular file; move it away"
    assert f"{output / names[2]}: " in missing[names[2]]
    assert f"{names[4]}.part: Is a directory" in missing[names[4]]
    good = {name: body for name, body in published.release.items() if name not in missing}
    assert all((output / name).read_bytes() == body for name, body in good.items())
    assert len(summary.problems) == 2


def _link_to_itself(path: Path) -> None:
    path.symlink_to(path.name)


def _link_to_nothing(path: Path) -> None:
    path.symlink_to("nowhere")


def test_a_release_with_too_few_records_is_no_success(
    published: Published, release_server: Server, tmp_path: Path
) -> None:
    sources = [
        replace(source, dataset=replace(source.dataset, n_records=9)) if source.dataset.name == "ptb" else source
        for source in published.sources
    ]
    config = DownloadConfig(mirrors=(release_server.url,))
    summary = download(tmp_path, config, transfer=FAST, sources=sources, table=None)
    assert summary.problems == (f"ptb: 1 records in {tmp_path}/training/ptb; expected 9: take the rest",)
    (tmp_path / "training" / "cpsc_2018" / "stray.hea").touch()
    summary = bring(tmp_path, published, release_server.url)
    assert summary.problems == (f"cpsc: 8 records in {tmp_path}/training/cpsc_2018; expected 7: look for strays there",)


def test_another_size_than_published_is_told(published: Published, release_server: Server, tmp_path: Path) -> None:
    bring(tmp_path, published, release_server.url, datasets=("ptb", "cpsc"))
    (tmp_path / "training" / "ptb" / "g1" / "mine.zip").write_bytes(bytes(1_000_000))
    summary = bring(tmp_path, published, release_server.url, datasets=("ptb", "cpsc"))
    assert not summary.problems
    assert summary.notes == (
        f"ptb: {tmp_path}/training/ptb takes 1 MB; expected about 0 MB as published: "
        "look for files that do not belong there",
    )


def test_a_full_disk_is_known_before(
    published: Published, release_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=60_000_000)
    monkeypatch.setattr(job_module.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(DownloadError, match=r"0.1 GB free; expected 0.1 GB for what is still to come: make room, name"):
        bring(tmp_path, published, release_server.url)
    assert [seen.path for seen in release_server.seen] == [RELEASE_LIST]


def test_one_download_at_a_time(published: Published, release_server: Server, tmp_path: Path) -> None:
    with hold(tmp_path / ".download.lock"):
        with pytest.raises(DownloadError, match="another download is filling it; wait for it or stop it"):
            bring(tmp_path, published, release_server.url)
    assert not release_server.seen
    assert not bring(tmp_path, published, release_server.url).problems


def test_a_folder_that_cannot_be_written_is_told(published: Published, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name in ("file/below", "locked"):
        (tmp_path / "locked" / LOCK).mkdir(parents=True, exist_ok=True)
        with pytest.raises(DownloadError, match=r"cannot be written \(.*\); expected a folder to fill"):
            bring(tmp_path / name, published, "http://127.0.0.1:9")


def test_outputs_that_cannot_be(published: Published, release_server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="file: is a file; expected a folder for the data"):
        bring(tmp_path / "file", published, release_server.url)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "training").symlink_to(tmp_path)
    with pytest.raises(DownloadError, match=r"is a link to .*; nothing is written outside"):
        bring(tmp_path / "data", published, release_server.url)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"datasets": ("cpsc", "chapman")}, "datasets chapman; expected some of cpsc, cpsc-extra, georgia"),
        ({"datasets": ()}, "datasets none; expected some of"),
        ({"source": "zip"}, "source 'zip'; expected release or tarballs"),
        ({"given": Path("x"), "mirrors": ("http://a",)}, "--from takes files on disk; expected it without --source"),
    ],
)
def test_options_are_checked(options: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        DownloadConfig(**options)


def test_a_mirror_that_is_none_is_refused_before_anything(published: Published, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="mirror 'ftp://x': not an address"):
        bring(tmp_path / "data", published, "ftp://x")
    assert not (tmp_path / "data").exists()


def test_the_manifest_is_written_now_and_then(
    published: Published, release_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_module, "SAVE_EVERY_S", 0.0)
    release_server.pace_s = 0.001
    bring(tmp_path, published, release_server.url, datasets=("ptb",))
    assert len(json.loads((tmp_path / MANIFEST).read_text())["files"]) == len(published.of("ptb")) + 2


SCRIPT = """
import signal
import sys
from pathlib import Path
from ecg12.pipeline.download.download import DownloadConfig, download
from tests.pipeline.published import FAST, publish
signal.signal(signal.SIGINT, signal.default_int_handler)  # shells have what they start with & ignore it
summary = download(
    Path(sys.argv[1]), DownloadConfig(mirrors=(sys.argv[2],)), transfer=FAST, sources=publish().sources, table=None
)
sys.exit(130 if summary.interrupted else len(summary.problems))
"""


def start(output: Path, server: Server, n_files: int) -> subprocess.Popen:
    """A download in a process of its own, once it has brought `n_files`."""
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, str(output), server.url], cwd=ROOT)
    deadline = time.monotonic() + 60
    while len([path for path in output.rglob("*.mat")]) < n_files:
        assert process.poll() is None, process.returncode
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return process


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_download_goes_on_and_fetches_no_file_twice(
    end: signal.Signals, published: Published, release_server: Server, tmp_path: Path
) -> None:
    release_server.pace_s = 0.01
    process = start(tmp_path, release_server, 10)
    process.send_signal(end)
    code = process.wait(120)
    assert code == (130 if end == signal.SIGINT else -end)
    whole = {name for name in tree(tmp_path) if not name.endswith((".part", ".new"))}
    assert 10 <= len(whole) < len(published.release)
    for name in whole:
        assert (tmp_path / name).read_bytes() == published.release[name]
    with Server(dict(published.release)) as again:  # the first may still be answering what the dead one asked
        summary = bring(tmp_path, published, again.url, verify=True)
        assert not summary.problems
        assert tree(tmp_path) == published.release
        assert {seen.path for seen in again.seen} == set(published.release) - whole
        assert len(again.seen) == len(published.release) - len(whole)
