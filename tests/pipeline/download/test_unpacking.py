"""Tarballs that say more than they hold: refused before anything grows, and the usual ones read to the end."""

import bz2
import gzip
import io
import lzma
import random
import tarfile
import tracemalloc
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ecg12.ecg.errors import DownloadError
from ecg12.pipeline.download import unpacking
from ecg12.pipeline.download.archives import Bounds, unpack
from ecg12.pipeline.download.unpacking import TarBytes
from ecg12.pipeline.runtime.progress import silent

BOUNDS = Bounds(n_members=1000, n_bytes=100_000_000)


def open_up(archive: Path, folder: Path, bounds: Bounds = BOUNDS) -> list[str]:
    unpacked = unpack(archive, folder, bounds, silent("", 0, ""))
    return [file.path.relative_to(folder).as_posix() for file in unpacked]


def tar_of(members: dict[str, bytes], form: int = tarfile.GNU_FORMAT) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=form) as tar:
        for name, body in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(body)
            tar.addfile(info, io.BytesIO(body))
    return raw.getvalue()


def header_of(kind: bytes, size: int, name: str = "././@LongLink") -> bytes:
    """A header's block alone, whatever follows it."""
    info = tarfile.TarInfo(name)
    info.type = kind
    block = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    block[124:136] = b"\x80" + size.to_bytes(11, "big")
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def zeros(n_bytes: int) -> Iterator[bytes]:
    for begin in range(0, n_bytes, 1 << 20):
        yield bytes(min(1 << 20, n_bytes - begin))


def write_gzip(path: Path, *pieces: bytes | Iterator[bytes]) -> Path:
    with gzip.open(path, "wb", compresslevel=1) as file:
        for piece in pieces:
            for block in [piece] if isinstance(piece, bytes) else piece:
                file.write(block)
    return path


def test_every_form_of_tar_with_long_names_is_read(tmp_path: Path) -> None:
    members = {f"x/{'long' * 30}/{'name' * 30}.{number}": bytes(number) for number in (0, 1, 511, 512, 513, 70_000)}
    for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        body = tar_of(members, form)
        (tmp_path / "a.tar").write_bytes(body)
        (tmp_path / "b.tar.gz").write_bytes(gzip.compress(body[:5000]) + gzip.compress(body[5000:]) + bytes(1000))
        for name in ("a.tar", "b.tar.gz"):
            folder = tmp_path / f"{name}.{form}"
            assert open_up(tmp_path / name, folder) == [key.removeprefix("x/") for key in members]
            assert all((folder / key.removeprefix("x/")).read_bytes() == body for key, body in members.items())


def test_padding_of_a_tape_is_read_to_the_end(tmp_path: Path) -> None:
    write_gzip(tmp_path / "a.tar.gz", tar_of({"x/a": b"a"}), zeros(1_000_000))
    assert open_up(tmp_path / "a.tar.gz", tmp_path / "f") == ["a"]


SAYING_MUCH = {
    "a name of a gigabyte": tarfile.GNUTYPE_LONGNAME,
    "a link's name of a gigabyte": tarfile.GNUTYPE_LONGLINK,
    "a pax header of a gigabyte": tarfile.XHDTYPE,
    "a global pax header of a gigabyte": tarfile.XGLTYPE,
    "Solaris' own": tarfile.SOLARIS_XHDTYPE,
}


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("kind", SAYING_MUCH.values(), ids=SAYING_MUCH.keys())
def test_a_header_that_goes_on_is_never_read_into_memory(kind: bytes, first: bool, tmp_path: Path) -> None:
    before = b"" if first else tar_of({"x/a": b"a"})[:1024]
    pieces = [before, header_of(kind, 1 << 30), zeros(30_000_000)]
    archive = write_gzip(tmp_path / "a.tar.gz", *pieces)
    tracemalloc.start()
    with pytest.raises(DownloadError, match="more than 262,144 bytes of headers for one member"):
        open_up(archive, tmp_path / "f")
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()
    assert not any(path.is_file() for path in (tmp_path / "f").rglob("*"))


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
def test_headers_about_headers_end(kind: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(header_of(kind, 0) * 2000)
    with pytest.raises(DownloadError, match=r"headers about headers|bytes of headers|not a whole tarball"):
        open_up(tmp_path / "a.tar", tmp_path / "f")


def test_a_size_below_nothing_is_refused(tmp_path: Path) -> None:
    block = bytearray(header_of(tarfile.REGTYPE, 0, "x/a"))
    block[124:136] = b"\xff" * 11 + b"\x00"
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    (tmp_path / "a.tar").write_bytes(bytes(block) + bytes(2048))
    with pytest.raises(DownloadError, match=r"a size of -256 bytes; the tarball is refused|not a whole tarball"):
        open_up(tmp_path / "a.tar", tmp_path / "f")


def test_a_bomb_of_gzip_is_stopped_by_its_ratio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "FREE_BYTES", 1_000_000)
    body = header_of(tarfile.REGTYPE, 50_000_000, "x/a")
    archive = write_gzip(tmp_path / "a.tar.gz", body, zeros(50_000_000), bytes(1024))
    assert archive.stat().st_size < 300_000
    with pytest.raises(DownloadError, match=r"a.tar.gz: unpacks to more than 100 times its size; expected"):
        open_up(archive, tmp_path / "f")
    after = write_gzip(tmp_path / "b.tar.gz", tar_of({"x/a": b"a"}), zeros(30_000_000))
    with pytest.raises(DownloadError, match=r"unpacks to more than 100 times its size|or after the last"):
        open_up(after, tmp_path / "f")
    assert not any(path.is_file() for path in (tmp_path / "f").rglob("*"))


def test_more_after_the_end_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / "a.tar"
    with archive.open("wb") as file:
        file.write(tar_of({"x/a": b"a"}))
        file.truncate(40_000_000)
    with pytest.raises(DownloadError, match="bytes of headers for one member, or after the last"):
        open_up(archive, tmp_path / "f")


def test_another_way_of_packing_is_named(tmp_path: Path) -> None:
    body = tar_of({"x/a": b"a"})
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as file:
        file.writestr("a", b"a")
    for packed, name in ((lzma.compress(body), "xz"), (bz2.compress(body), "bzip2"), (zipped.getvalue(), "zip")):
        (tmp_path / "a.tar.gz").write_bytes(packed)
        with pytest.raises(DownloadError, match=f"a.tar.gz: packed with {name}; expected .tar or .tar.gz: p"):
            open_up(tmp_path / "a.tar.gz", tmp_path / "f")


def test_names_that_cannot_lie_side_by_side_are_refused(tmp_path: Path) -> None:
    """And those of the program's own files lie in the dataset's folder, where they are nobody's."""
    own = ["download-manifest.json", ".download.lock", "SHA256SUMS.txt", "ptbxl_database.csv"]
    (tmp_path / "a.tar").write_bytes(tar_of({f"x/{name}": b"other" for name in own}))
    assert open_up(tmp_path / "a.tar", tmp_path / "f") == own
    pairs = {"a.part": "a", "a": "a.part", "b": "B", "c": "c/d", "e/f": "e", "g": "g.bad1", "é": "e\u0301"}
    for first, second in pairs.items():
        (tmp_path / "a.tar").write_bytes(tar_of({f"x/{first}": b"1", f"x/{second}": b"2"}))
        with pytest.raises(DownloadError, match="is refused"):
            open_up(tmp_path / "a.tar", tmp_path / "g")
        assert not any(path.is_file() for path in (tmp_path / "g").rglob("*"))


def test_a_read_that_is_allowed_is_whole(tmp_path: Path) -> None:
    body = random.Random(1).randbytes(500_000)
    (tmp_path / "a").write_bytes(gzip.compress(body))
    with (tmp_path / "a").open("rb") as raw:
        plain = TarBytes(raw, tmp_path / "a", 500_000)
        plain.allow(len(body))
        assert b"".join(iter(lambda: plain.read(7777), b"")) == body


def test_changed_bytes_never_leave_the_one_error(tmp_path: Path) -> None:
    """Of plain tar, where every byte reaches the reader of headers."""
    draw = random.Random(15)
    whole = [
        tar_of({"x/a": b"a" * 700, f"x/{'n' * 120}": b"b"}, form) for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)
    ]
    refused = 0
    for number in range(150):
        body = bytearray(draw.choice(whole))
        for _ in range(draw.randint(1, 4)):
            body[draw.randrange(min(len(body), 4096))] = draw.randrange(256)
        if draw.random() < 0.7:  # a checksum that fits lets the change through
            for begin in range(0, 4096, 512):
                block = body[begin : begin + 512]
                if block[257:262] == b"ustar":
                    block[148:156] = b" " * 8
                    body[begin + 148 : begin + 156] = b"%06o\0 " % sum(block)
        (tmp_path / "a.tar").write_bytes(bytes(body))
        try:
            open_up(tmp_path / "a.tar", tmp_path / f"f{number}", Bounds(n_members=10, n_bytes=100_000))
        except DownloadError:
            refused += 1
            assert not [path for path in (tmp_path / f"f{number}").rglob("*") if path.is_file()]
    assert 20 < refused < 150


def test_zlibs_errors_are_a_damaged_archive(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(tar_of({"x/a": random.Random(2).randbytes(5000)})))
    packed[-6] ^= 1  # the checksum of gzip itself
    (tmp_path / "a.tar.gz").write_bytes(packed)
    with pytest.raises(DownloadError, match=r"a.tar.gz: not a whole tarball \(.*Error -3 .*\); fetch it again"):
        open_up(tmp_path / "a.tar.gz", tmp_path / "f")
