"""Tarballs: the good ones unpack, the others are refused by name and leave nothing."""

import gzip
import hashlib
import io
import os
import tarfile
from pathlib import Path

import pytest

from ecg12.ecg.errors import DownloadError
from ecg12.pipeline.download.archives import Bounds, Unpacked, unpack
from ecg12.pipeline.runtime.progress import silent
from tests.pipeline.published import tarball_of

AMPLE = Bounds(n_members=100, n_bytes=1_000_000)


def open_up(archive: Path, folder: Path, bounds: Bounds = AMPLE) -> list[Unpacked]:
    return unpack(archive, folder, bounds, silent("", 0, ""))


def write_tar(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for member, body in members:
            member.size = len(body)
            tar.addfile(member, io.BytesIO(body))
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def left(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_the_leading_folder_goes(tmp_path: Path) -> None:
    archive = write_tar(
        tmp_path / "a.tar.gz",
        (member("./", tarfile.DIRTYPE), b""),
        (member("./Training_WFDB", tarfile.DIRTYPE), b""),
        (member("./Training_WFDB/A0001.hea"), b"header"),
        (member("Training_WFDB/deep/A0002.hea"), b"another"),
        (member("alone.hea"), b"flat"),
    )
    unpacked = open_up(archive, tmp_path / "Training_CPSC")
    assert left(tmp_path / "Training_CPSC") == ["A0001.hea", "alone.hea", "deep/A0002.hea"]
    assert unpacked[0].sha256 == hashlib.sha256(b"header").hexdigest()
    assert {file.before for file in unpacked} == {""}
    assert archive.exists()


def test_what_is_there_stays_if_it_is_the_same_and_is_kept_if_not(tmp_path: Path) -> None:
    archive = tmp_path / "a.tar"
    archive.write_bytes(gzip.decompress(tarball_of({"x/same": b"same", "x/other": b"new", "x/fresh": b"fresh"})))
    folder = tmp_path / "f"
    folder.mkdir()
    (folder / "same").write_bytes(b"same")
    (folder / "other").write_bytes(b"old")
    before = (folder / "same").stat().st_mtime_ns
    unpacked = open_up(archive, folder)
    assert {file.path.name: file.before for file in unpacked} == {"same": "same", "other": "other", "fresh": ""}
    assert left(folder) == ["fresh", "other", "other.bad", "same"]
    assert (folder / "other").read_bytes() == b"new"
    assert (folder / "other.bad").read_bytes() == b"old"
    assert (folder / "same").stat().st_mtime_ns == before


REFUSED = {
    "absolute": (member("/tmp/ecg12-escaped"), "member '/tmp/ecg12-escaped': the path .* is refused"),
    "dots": (member("x/../../escaped"), r"member 'x/../../escaped': the path .* is refused; expected one below"),
    "symbolic link": (member("x/link", tarfile.SYMTYPE, "/etc/passwd"), "member 'x/link': a link, a device or another"),
    "hard link": (member("x/link", tarfile.LNKTYPE, "x/good"), "member 'x/link': a link, a device"),
    "device": (member("x/null", tarfile.CHRTYPE), "member 'x/null': a link, a device"),
    "pipe": (member("x/pipe", tarfile.FIFOTYPE), "member 'x/pipe': a link, a device"),
    "twice": (member("y/good"), "member 'y/good': good comes twice; expected each file once"),
    "strange": (member("x/a\\b"), "expected plain names"),
    "folder with dots": (member("x/..", tarfile.DIRTYPE), r"member 'x/\.\.': the path"),
}


@pytest.mark.parametrize(("bad", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_a_member_that_is_no_plain_file_is_refused_by_name(bad: tarfile.TarInfo, message: str, tmp_path: Path) -> None:
    archive = write_tar(tmp_path / "a.tar.gz", (member("x/good"), b"good"), (bad, b""))
    with pytest.raises(DownloadError, match=message):
        open_up(archive, tmp_path / "f")
    assert left(tmp_path) == ["a.tar.gz"]
    assert not Path("/tmp/ecg12-escaped").exists()


def test_tarfiles_own_filter_has_the_last_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(info: tarfile.TarInfo, folder: str) -> None:
        raise tarfile.OutsideDestinationError(info, folder)

    monkeypatch.setattr(tarfile, "data_filter", refuse)
    archive = write_tar(tmp_path / "a.tar.gz", (member("x/good"), b"good"))
    with pytest.raises(DownloadError, match=r"member 'x/good': refused \('x/good' would be extracted"):
        open_up(archive, tmp_path / "f")


def test_a_sparse_file_is_refused(tmp_path: Path) -> None:
    # GNU format 1.0: a file of 1 GB that is a kilobyte in the archive
    info = member("x/GNUSparseFile.0/big")
    info.pax_headers = {
        "GNU.sparse.major": "1",
        "GNU.sparse.minor": "0",
        "GNU.sparse.name": "x/big",
        "GNU.sparse.realsize": "1000000000",
    }
    archive = tmp_path / "a.tar.gz"
    with tarfile.open(archive, "w:gz", format=tarfile.PAX_FORMAT) as tar:
        body = b"0\n".ljust(512, b"\0")
        info.size = len(body)
        tar.addfile(info, io.BytesIO(body))
    with pytest.raises(DownloadError, match="member 'x/big': a link, a device or another special member"):
        open_up(archive, tmp_path / "f", Bounds(n_members=9, n_bytes=10**10))
    with pytest.raises(DownloadError, match="member 'x/big': more than 9 members or 1,000,000 bytes"):
        open_up(archive, tmp_path / "f", Bounds(n_members=9, n_bytes=10**6))
    assert left(tmp_path) == ["a.tar.gz"]


def test_a_bomb_is_stopped(tmp_path: Path) -> None:
    many = write_tar(tmp_path / "a.tar.gz", *((member(f"x/{number}"), b"") for number in range(101)))
    with pytest.raises(DownloadError, match=r"member 'x/100': more than 100 members or 1,000,000 bytes; .* refused"):
        open_up(many, tmp_path / "f")
    large = write_tar(tmp_path / "b.tar.gz", (member("x/a"), bytes(600_000)), (member("x/b"), bytes(600_000)))
    with pytest.raises(DownloadError, match="member 'x/b': more than"):
        open_up(large, tmp_path / "f")
    assert left(tmp_path) == ["a.tar.gz", "b.tar.gz"]


@pytest.mark.parametrize("what", ["cut", "damaged", "no tar", "empty"])
def test_a_damaged_archive_leaves_nothing(what: str, tmp_path: Path) -> None:
    whole = tarball_of({f"x/{number}": os.urandom(50_000) for number in range(5)})
    middle = len(whole) // 2
    body = {
        "cut": whole[:middle],
        "damaged": whole[:middle] + bytes(1000) + whole[middle + 1000 :],
        "no tar": b"<html>moved</html>" * 100,
        "empty": b"",
    }[what]
    archive = tmp_path / "a.tar.gz"
    archive.write_bytes(body)
    with pytest.raises(DownloadError, match=r"a.tar.gz: not a whole tarball \(.*\); fetch it again"):
        open_up(archive, tmp_path / "f")
    assert left(tmp_path) == ["a.tar.gz"]


def test_a_folder_where_a_file_belongs_stops_the_archive_before_any_has_its_name(tmp_path: Path) -> None:
    archive = write_tar(tmp_path / "a.tar.gz", (member("x/a"), b"a"), (member("x/b"), b"b"), (member("x/c"), b"c"))
    (tmp_path / "f" / "b").mkdir(parents=True)
    with pytest.raises(DownloadError, match=r"member 'x/b': .*f/b is there, and is no regular file; move it away"):
        open_up(archive, tmp_path / "f")
    assert left(tmp_path) == ["a.tar.gz"]


def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    archive = write_tar(tmp_path / "a.tar.gz", (member("x/a"), b"a"), (member("x/b"), b"b"))

    class Full:
        def advance(self, n: int = 1, **figures: object) -> None:
            self.n = getattr(self, "n", 0) + 1
            if self.n == 2:
                raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        unpack(archive, tmp_path / "f", AMPLE, Full())
    assert left(tmp_path) == ["a.tar.gz"]
