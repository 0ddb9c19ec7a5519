"""Tarballs that would fill memory or disk, or hide a file, are refused before they do."""

import bz2
import gzip
import io
import lzma
import tarfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from ecg12.ecg.errors import DownloadError, InputError
from ecg12.pipeline.download.archives import Bounds, unpack
from ecg12.pipeline.files import inflating
from ecg12.pipeline.recordings import tarballs
from ecg12.pipeline.recordings.tarballs import unpacked
from ecg12.pipeline.runtime.progress import silent
from tests.fuzz import Fuzzed, run_cases

BLOCK = tarfile.BLOCKSIZE


def refuse(archive: Path, message: str) -> None:
    beside = archive.parent / "out"
    with pytest.raises(InputError, match=message), unpacked([archive], beside):
        pass
    assert not list(beside.iterdir())


def header(kind: bytes, size: int, name: str = "x") -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size
    return info.tobuf(tarfile.GNU_FORMAT)


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK])
def test_headers_that_state_gigabytes(tmp_path: Path, kind: bytes) -> None:
    (tmp_path / "a.tar").write_bytes(header(kind, 2**33) + bytes(20 * BLOCK))
    refuse(tmp_path / "a.tar", r"a\.tar: a member's header states 8,589,934,592 bytes; expected at most 1,048,576")


def test_headers_upon_headers_end(tmp_path: Path) -> None:
    """Each header makes tarfile call itself once more."""
    (tmp_path / "a.tar").write_bytes((header(tarfile.GNUTYPE_LONGNAME, 2) + b"n".ljust(BLOCK, b"\0")) * 5000)
    refuse(tmp_path / "a.tar", r"a\.tar: not a whole tarball \(maximum recursion depth")


def test_long_names_are_read(tmp_path: Path) -> None:
    name = "/".join(["folder" * 10] * 5) + "/ecg.csv"
    for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        with tarfile.open(tmp_path / "a.tar", "w", format=form) as tar:
            tar.addfile(tarfile.TarInfo(name))
        with unpacked([tmp_path / "a.tar"], tmp_path / "out") as (folder,):
            assert (folder / name).is_file()


@pytest.mark.parametrize(("suffix", "compress"), [("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress)])
def test_what_inflates_too_far(
    tmp_path: Path, suffix: str, compress: Callable[[bytes], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inflating, "INFLATED_BYTES", 2**20)
    content = header(tarfile.REGTYPE, 2**24) + bytes(2**24) + bytes(2 * BLOCK)
    archive = tmp_path / f"a.tar.{suffix}"
    archive.write_bytes(compress(content))
    refuse(archive, rf"a\.tar\.{suffix}: inflates to more than 1 MiB and 100 times its size; unpack it")
    archive.write_bytes(compress(header(tarfile.REGTYPE, 9) + b"I,II\n1,2\n".ljust(BLOCK, b"\0") + bytes(2 * BLOCK)))
    with unpacked([archive], tmp_path / "out") as (folder,):
        assert (folder / "x").read_bytes() == b"I,II\n1,2\n"
    archive.write_bytes(archive.read_bytes()[:-30])
    refuse(archive, rf"a\.tar\.{suffix}: not a whole tarball")


def test_several_xz_streams_and_their_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = header(tarfile.REGTYPE, 2000) + bytes(range(250)) * 8 + bytes(48) + bytes(2 * BLOCK)
    archive = tmp_path / "a.tar.xz"
    archive.write_bytes(lzma.compress(content[:700]) + lzma.compress(content[700:]) + bytes(4))
    with unpacked([archive], tmp_path / "out") as (folder,):
        assert (folder / "x").read_bytes() == bytes(range(250)) * 8
    monkeypatch.setattr(inflating, "XZ_MEMORY", 1000)
    refuse(archive, r"not a whole tarball \(Memory usage limit exceeded\)")


def test_names_that_meet_and_too_many_members(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = tmp_path / "a.tar"
    with tarfile.open(archive, "w") as tar:
        for content in (b"first", b"other"):
            info = tarfile.TarInfo("p/ecg.csv")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    refuse(archive, r"member 'p/ecg\.csv': there twice, or another name differs only in capitals")
    with tarfile.open(archive, "w") as tar:
        tar.addfile(tarfile.TarInfo("p"))
        tar.addfile(tarfile.TarInfo("p/ecg.csv"))
    refuse(archive, r"a\.tar: cannot be unpacked \((Not a directory|File exists)")
    with tarfile.open(archive, "w") as tar:
        for number in range(4):
            tar.addfile(tarfile.TarInfo(f"{number}.csv"))
    monkeypatch.setattr(tarballs, "MOST_MEMBERS", 3)
    refuse(archive, r"a\.tar: more than 3 members")


def test_a_sparse_member(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(header(tarfile.GNUTYPE_SPARSE, 100) + bytes(20 * BLOCK))
    refuse(tmp_path / "a.tar", r"a\.tar: member 'x': a sparse file; expected it in full")


def _seeds() -> list[bytes]:
    """In each of the three ways of writing long names, and one of them compressed."""
    seeds = []
    for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        file = io.BytesIO()
        with tarfile.open(fileobj=file, mode="w", format=form) as tar:
            tar.addfile(header_of("g1", tarfile.DIRTYPE))
            for name in ("g1/A0001.hea", "g1/" + "deep/" * 18 + "A0002.hea", "café.csv"):
                member = header_of(name)
                member.size = 700
                tar.addfile(member, io.BytesIO(b"x" * 700))
        seeds.append(file.getvalue())
    return seeds


def header_of(name: str, kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = kind
    return info


def _with_checksums(content: bytes) -> bytes:
    """Each header's checksum made right again, without which tarfile looks no further."""
    data = bytearray(content)
    for at in range(0, len(data) - BLOCK + 1, BLOCK):
        if data[at + 257 : at + 262] == b"ustar":
            data[at + 148 : at + 156] = b" " * 8
            data[at + 148 : at + 156] = b"%06o\0 " % sum(data[at : at + BLOCK])
    return bytes(data)


def _read_both(archive: Path) -> None:
    """As predict unpacks it, and as download does; a refusal of one is no reason to spare the other."""
    with TemporaryDirectory(dir=archive.parent) as folder:
        with suppress(DownloadError):
            unpack(archive, Path(folder) / "data", Bounds(n_members=100, n_bytes=10**6), silent("", 0, ""))
        with unpacked([archive], Path(folder) / "out"):
            pass


FUZZED = Fuzzed(seeds=_seeds, read=_read_both, name="a.tar", wraps=(_with_checksums,) * 5 + (gzip.compress,))


def test_damaged_tarballs_are_unpacked_or_refused(tmp_path: Path) -> None:
    tally = run_cases(FUZZED, tmp_path, range(300))
    assert not tally.failures
    assert tally.n_read > 20
    assert tally.refusals.total() > 50
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar"]
