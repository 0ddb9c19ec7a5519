"""Tarballs that would fill memory or disk, or hide a file, are refused before they do."""

import bz2
import gzip
import io
import lzma
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from ecg.errors import InputError
from pipeline.inputs import inflating, tarballs
from pipeline.inputs.tarballs import unpacked

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
