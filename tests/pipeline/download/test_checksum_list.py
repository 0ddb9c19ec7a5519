"""Lists as coreutils, PhysioNet, BSD and OpenSSL write them: the names and digests that `sha256sum --check` reads."""

import hashlib
import os
import random
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from ecg12.ecg.errors import DownloadError
from ecg12.pipeline.download.checksum_list import MOST_LIST_BYTES, parse_checksum_list, read_checksum_list

DIGEST = "0123456789abcdef" * 4
OTHER = "fedcba9876543210" * 4

needs_sha256sum = pytest.mark.skipif(shutil.which("sha256sum") is None, reason="needs sha256sum of GNU coreutils")


def names_in(text: str | bytes, **options: str) -> list[str]:
    data = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
    listed = parse_checksum_list(data, where="x", **options)
    assert {line.sha256 for line in listed.entries} <= {DIGEST, OTHER}
    return [line.name for line in listed.entries]


FORMS = {
    "sha256sum": f"{DIGEST}  a\n{DIGEST}  b/c d\n",
    "sha256sum --binary": f"{DIGEST} *a\n{DIGEST} *b/c d\n",
    "sha256sum --tag": f"SHA256 (a) = {DIGEST}\nSHA256 (b/c d) = {DIGEST}\n",
    "PhysioNet": f"{DIGEST} a\n{DIGEST} b/c d\n",
    "OpenSSL 1": f"SHA256(a)= {DIGEST}\nSHA256(b/c d)= {DIGEST}\n",
    "OpenSSL 3": f"SHA2-256(a)= {DIGEST}\nSHA2-256(b/c d)= {DIGEST}\n",
    "the algorithm's own name": f"SHA-256 (a) = {DIGEST}\nSHA-256 (b/c d) = {DIGEST}\n",
    "sha256sum -z": f"{DIGEST}  a\0{DIGEST}  b/c d\0",
    "a tab": f"{DIGEST}\ta\n{DIGEST}\tb/c d\n",
    "CRLF": f"{DIGEST}  a\r\n{DIGEST}  b/c d\r\n",
    "PhysioNet with CRLF": f"{DIGEST} a\r\n{DIGEST} b/c d\r\n",
    "upper case": f"{DIGEST.upper()}  a\n{DIGEST.upper()}  b/c d\n",
    "no end of line": f"{DIGEST}  a\n{DIGEST}  b/c d",
    "comments and empty lines": f"# of a release\n\n{DIGEST}  a\n   \n\r\n#\n{DIGEST}  b/c d\n\n",
    "blanks before": f"  {DIGEST}  a\n\t{DIGEST}  b/c d\n",
    "a byte order mark": f"\ufeff{DIGEST}  a\n{DIGEST}  b/c d\n",
    "UTF-16 of PowerShell": f"\ufeff{DIGEST}  a\r\n{DIGEST}  b/c d\r\n".encode("utf-16-le"),
    "UTF-16 the other way": f"\ufeff{DIGEST}  a\n{DIGEST}  b/c d\n".encode("utf-16-be"),
    "tags between": f"{DIGEST}  a\nSHA256 (b/c d) = {DIGEST}\n",
}


@pytest.mark.parametrize("text", FORMS.values(), ids=FORMS.keys())
def test_every_form_is_read(text: str | bytes) -> None:
    assert names_in(text) == ["a", "b/c d"]


NAMES = {
    "blanks around, two separators": (f"{DIGEST}   a \n", [" a "]),
    "blanks around, one separator": (f"{DIGEST} a \n{DIGEST}  b\n", ["a ", " b"]),
    "a star after one separator": (f"{DIGEST} a\n{DIGEST} *b\n", ["a", "*b"]),
    "a star after two": (f"{DIGEST}  a\n{DIGEST}  *b\n", ["a", "*b"]),
    "a tab after a blank": (f"{DIGEST} \ta\n", ["\ta"]),
    "one letter, one separator": (f"{DIGEST} *\n", ["*"]),
    "escaped": (f"\\{DIGEST}  a\\nb\\\\c\\rd\n", ["a\nb\\c\rd"]),
    "escaped and tagged": (f"\\SHA256 (a\\nb) = {DIGEST}\n", ["a\nb"]),
    "not escaped": (f"{DIGEST}  a\\nb\n", ["a\\nb"]),
    "brackets": (f"SHA256 (a) = (b)) = {DIGEST}\n", ["a) = (b)"]),
    "a carriage return of its own": (f"{DIGEST}  a\r\r\n", ["a\r"]),
    "ends of lines of other kinds": (f"{DIGEST}  a\u2028b\x0cc\x85d\n", ["a\u2028b\x0cc\x85d"]),
    "a line feed with -z": (f"{DIGEST}  a\nb\0", ["a\nb"]),
    "no UTF-8": (f"{DIGEST}  caf\udce9\n", ["caf\udce9"]),
    "like a tag": (f"{DIGEST}  SHA256 (a) = {OTHER}\n", [f"SHA256 (a) = {OTHER}"]),
}


@pytest.mark.parametrize(("text", "names"), NAMES.values(), ids=NAMES.keys())
def test_names_are_what_they_were(text: str, names: list[str]) -> None:
    assert names_in(text) == names


LINES = {
    "the beginning of an entry": (DIGEST[:7], "expected a SHA-256 and a path"),
    "another order": (f"b: {DIGEST}", "expected a SHA-256 and a path"),
    "base64 with a tag": ("SHA256 (b) = K2YC4aHh9XPZ+ehe1Iva81MUWRaNaETqRav/k+NO5vs=", "expected a SHA-256 and a path"),
    "a short digest": (f"{DIGEST[1:]}  b", "expected a SHA-256 and a path, not 63 hex digits$"),
    "an MD5": (f"{DIGEST[:32]}  b", "expected a SHA-256 and a path, not 32 hex digits as of MD5"),
    "a SHA-512": (f"{DIGEST * 2}  b", "not 128 hex digits as of SHA-512"),
    "a tagged MD5": (f"MD5 (b) = {DIGEST[:32]}", "expected a SHA-256 and a path, not a digest by MD5"),
    "a digest alone": (DIGEST, f"'{DIGEST}'; expected a SHA-256 and a path$"),
    "no name": (f"{DIGEST} ", "expected a SHA-256 and a path"),
    "no separator": (f"{DIGEST}b", "expected a SHA-256 and a path"),
    "one separator among two": (f"{DIGEST} b", "expected two separators, as before"),
    "a wrong escape": (f"\\{DIGEST}  a\\tb", r"expected \\n, \\r or \\\\ in an escaped name"),
    "half an escape": (f"\\{DIGEST}  a\\", r"expected \\n, \\r or"),
    "more after a tag": (f"SHA256 (b) = {DIGEST} ", "expected a SHA-256 and a path"),
}


@pytest.mark.parametrize(("line", "message"), LINES.values(), ids=LINES.keys())
def test_a_line_that_is_none_is_refused_by_number_and_stops_no_other(line: str, message: str) -> None:
    listed = parse_checksum_list(f"{DIGEST}  a\n{line}\n{OTHER}  c\n".encode(), where="x")
    assert [(entry.line, entry.name) for entry in listed.entries] == [(1, "a"), (3, "c")]
    with pytest.raises(DownloadError, match=f"^x line 2: .*{message}"):
        raise DownloadError(*listed.refused)


COMMENTS = ["; a comment", " # comment", "// of 2022", "Checksums of the release 1.0.2", "total 88253", "hello"]


@needs_sha256sum
@pytest.mark.parametrize("line", COMMENTS)
def test_a_line_that_was_not_meant_as_an_entry_is_passed_over(line: str, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a")
    text = f"{line}\n{hashlib.sha256(b'a').hexdigest()}  a\n"
    (tmp_path / "list").write_text(text)
    assert subprocess.run(["sha256sum", "--check", "list"], cwd=tmp_path, capture_output=True).returncode == 0
    listed = parse_checksum_list(text.encode(), where="x")
    assert [entry.name for entry in listed.entries] == ["a"]
    assert not listed.refused
    [passed] = listed.passed
    assert passed.startswith(f"x line 1: {line!r}; expected a SHA-256 and a path")


def test_the_armour_of_a_signature_is_passed_over() -> None:
    # as gpg --clear-sign writes it; a line of the signature may begin like a digest
    text = (
        "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n"
        f"{DIGEST}  a\n{OTHER[:40]}  b\n{OTHER}  c\n"
        f"-----BEGIN PGP SIGNATURE-----\n\n{'0a' * 32}\niQIzBAEBCgAdFiEE=\n=abcd\n-----END PGP SIGNATURE-----\n"
    )
    listed = parse_checksum_list(text.encode(), where="x")
    assert [entry.name for entry in listed.entries] == ["a", "c"]
    assert len(listed.passed) == 7
    [refused] = listed.refused
    assert "not 40 hex digits as of SHA-1" in refused


PAGES = {
    "nothing": (b"", "x: is empty; expected a SHA-256 and a path on each line"),
    "comments": (b"# nothing\n\n", "x: is empty"),
    "a web page": (
        b"\n<!DOCTYPE html>\n<html><title>Sign in</title>",
        "x: a web page or an error document ('<!DOCTYPE html> <html><title>Sign in</title>')",
    ),
    "an error of S3": (
        b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code></Error>',
        "x: a web page or an error document ('<?xml version",
    ),
    "JSON": (b'{"message": "rate limit"}\n', 'x line 1: \'{"message": "rate limit"}\'; expected a SHA-256 and a path'),
    "bytes": (bytes(range(1, 200)), "x line 1: "),
}


@pytest.mark.parametrize(("data", "message"), PAGES.values(), ids=PAGES.keys())
def test_what_is_no_list_is_refused_as_a_whole(data: bytes, message: str) -> None:
    with pytest.raises(DownloadError) as caught:
        parse_checksum_list(data, where="x")
    assert str(caught.value).startswith(message)


def test_a_digest_alone_is_of_the_one_file_that_is_meant() -> None:
    assert names_in(f"\ufeff{DIGEST.upper()}\r\n", bare="table.csv") == ["table.csv"]
    with pytest.raises(DownloadError, match="x line 1"):
        names_in(f"{DIGEST}\n{DIGEST}\n", bare="table.csv")


def test_a_file_too_long_for_a_list_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "list").open("wb") as file:
        file.truncate(MOST_LIST_BYTES + 1)
    with pytest.raises(DownloadError, match=r"list: more than 67,108,864 bytes; expected a SHA-256 and a path on each"):
        read_checksum_list(tmp_path / "list")


def test_a_list_as_long_as_the_releases(tmp_path: Path) -> None:
    """86,202 files and the form of PhysioNet's own writer."""
    names = [f"training/ptb-xl/g{n // 1000}/HR{n:05d}.{ext}" for n in range(43_101) for ext in ("hea", "mat")]
    path = tmp_path / "SHA256SUMS.txt"
    path.write_text("".join(f"{DIGEST} {name}\n" for name in names))
    listed = read_checksum_list(path)
    assert [line.name for line in listed.entries] == names
    assert not listed.refused


ODD_NAMES = ["plain", "a b", " before", "after ", "*star", "back\\slash", "new\nline", "return\r", "#", "é", "(a) = b"]


@needs_sha256sum
@pytest.mark.parametrize("options", [[], ["--binary"], ["--text"], ["--tag"], ["--zero"], ["--tag", "--zero"]])
def test_lists_that_sha256sum_really_writes(options: list[str], tmp_path: Path) -> None:
    names = [*ODD_NAMES, os.fsdecode(b"caf\xe9")]
    for name in names:
        (tmp_path / name).write_text(name, errors="surrogateescape")
    said = subprocess.run(["sha256sum", *options, "--", *names], cwd=tmp_path, capture_output=True, check=True)
    listed = parse_checksum_list(said.stdout, where="x")
    assert not listed.refused
    assert {line.name: line.sha256 for line in listed.entries} == {
        name: hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() for name in names
    }


def line_of(draw: random.Random) -> str:
    """A line that may be one of a list, or nearly."""
    name = draw.choice(
        ["a", "b c", " d", "*", "*e", "f ", "g\\nh", "i\\", "(j) = k", "SHA256 (l", " ", "m\tn", "-", "#o"]
    )
    digest = draw.choice([hashlib.sha256(b"x").hexdigest()] * 4 + [DIGEST.upper(), DIGEST[1:], DIGEST + "0", "xyz"])
    before = draw.choice(["", "", "", " ", "\t", "\\", " \\", "#", " #"])
    between = draw.choice([" ", "  ", " *", "\t", "\t ", "\t*", "", "   "])
    after = draw.choice(["", "", "", " ", "\r", "\r\r"])
    plain = f"{digest}{between}{name}"
    tagged = (
        draw.choice(["SHA256 (", "SHA256(", "MD5 (", "SHA256  (", "SHA256"]) + name + draw.choice([") = ", ")=", ") "])
    )
    return before + draw.choice([plain, plain, tagged + digest]) + after


@needs_sha256sum
def test_sha256sum_itself_reads_the_same_names(tmp_path: Path) -> None:
    """Its own complaints are the oracle: each line that it understands names a file that is not there."""
    draw = random.Random(15)
    environment = {**os.environ, "LC_ALL": "C"}
    for number in range(40):
        path = tmp_path / f"list{number}"
        path.write_bytes("".join(line_of(draw) + "\n" for _ in range(12)).encode())
        said = subprocess.run(
            ["sha256sum", "--check", "--warn", path],
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=environment,
            check=False,
        )
        understood = [re.sub(rb": FAILED( open or read)?$", b"", line) for line in said.stdout.split(b"\n")[:-1]]
        refused = [line.split(b": ")[2] for line in said.stderr.split(b"\n") if b": improperly formatted" in line]
        names, texts = _read(path.read_bytes())
        assert names == [_plain(line) for line in understood]
        numbers = [text.split(" ")[2].rstrip(":") for text in texts]
        assert numbers == [line.decode() for line in refused][: None if names else 1]


def _read(data: bytes) -> tuple[list[str], list[str]]:
    """The names of a list and what is no entry in it: the first line, if none is understood."""
    try:
        listed = parse_checksum_list(data, where="x")
    except DownloadError as error:
        return [], [str(error)]
    texts = sorted([*listed.refused, *listed.passed], key=lambda text: int(text.split(" ")[2].rstrip(":")))
    return [line.name for line in listed.entries], texts


def _plain(line: bytes) -> str:
    """A name as sha256sum shows it: with a backslash before it if it is escaped, which depends on its version."""
    if not line.startswith(b"\\"):
        return line.decode()
    return re.sub(r"\\(.)", lambda escape: {"n": "\n", "r": "\r"}.get(escape[1], escape[1]), line[1:].decode())
