"""Lists of SHA-256 as other programs write them: a digest and a name on each line, in every form that is in use.

What `sha256sum --check` (GNU coreutils) reads is read here, and read as the same names: digest and name with one
separator (PhysioNet, BSD's `sha256 -r`) or two (sha256sum), the tagged form (`sha256sum --tag`, BSD, OpenSSL), escaped
names, CRLF, comments, empty lines. Beyond that: a byte order mark, UTF-16 (a PowerShell redirection), `sha256sum -z`,
OpenSSL 3's name of the algorithm. The trade-off is sha256sum's own: one separator and two are never told apart line by
line but by the first line of a list, because a name may begin with a blank.

A line that is none is refused by its number and stops no other. What cannot have been meant as one (a `;` comment, a
title, the armour of a PGP signature, which is not checked) is passed over, as `sha256sum --check` does, and counted.

Source: coreutils, src/digest.c (`split_3`, `bsd_split_3`, `filename_unescape`, `digest_check`); physionet-build,
`make_checksum_file`, which writes `'{} {}\\n'`.
"""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ecg12.ecg.errors import DownloadError

MOST_LIST_BYTES: Final = 64 * 1024**2
"""Of a list: that of the release has 8 MB."""

_HEX = r"[0-9a-fA-F]"
_PLAIN = re.compile(rf"[ \t]*(\\?)({_HEX}{{64}})[ \t](.+)", re.DOTALL)
_TAGGED = re.compile(rf"[ \t]*(\\?)SHA(?:2?-)?256 ?\((.*)\)[ \t]*=[ \t]*({_HEX}{{64}})", re.DOTALL)
_OTHER_TAG = re.compile(r"[ \t]*\\?([A-Z][\w/-]*) ?\(.*\)[ \t]*=")
_OTHER_DIGEST = re.compile(rf"[ \t]*\\?({_HEX}{{32,}})(?:[ \t]|$)")
_ESCAPED = re.compile(r"(?:[^\\]|\\[nr\\])*", re.DOTALL)
_ESCAPES = {"n": "\n", "r": "\r", "\\": "\\"}
_ALGORITHMS = {32: "MD5", 40: "SHA-1", 56: "SHA-224", 96: "SHA-384", 128: "SHA-512"}
_ENTRY_LIKE = re.compile(rf"\\?{_HEX}{{8,}}[\s*]|\\?{_HEX}*\s*$|[\w/-]+ ?\(.*\)\s*=|[{{\[<]|.*{_HEX}{{32}}", re.DOTALL)
"""What may have been meant: it begins with a digest, perhaps a cut one, or has one in it, or a tag; or it is data."""
_LOOKED_AT = 1000
"""Letters of a line that is no entry."""
_ARMOUR = re.compile(r"-----(BEGIN|END) PGP ([A-Z ]+)-----[ \t]*")
_EXPECTED = "expected a SHA-256 and a path"


@dataclass(frozen=True, slots=True)
class Listed:
    """One line: `name` as it was meant, escapes undone, but not yet looked at as a path; `sha256` in lower case."""

    line: int
    name: str
    sha256: str


@dataclass(kw_only=True, slots=True)
class ChecksumList:
    """What a list says; `refused` has a text on each line that is none, `passed` on those not meant as one."""

    entries: list[Listed] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    passed: list[str] = field(default_factory=list)


def read_checksum_list(path: Path, *, where: str | None = None, bare: str | None = None) -> ChecksumList:
    """The list in a file; see `parse_checksum_list`.

    Raises
    ------
    DownloadError
        Also if the file is too long for a list.
    """
    where = where or str(path)
    with path.open("rb") as file:
        data = file.read(MOST_LIST_BYTES + 1)
    if len(data) > MOST_LIST_BYTES:
        raise DownloadError(f"{where}: more than {MOST_LIST_BYTES:,} bytes; {_EXPECTED} on each line of a list")
    return parse_checksum_list(data, where=where, bare=bare)


def parse_checksum_list(data: bytes, *, where: str, bare: str | None = None) -> ChecksumList:
    """What a list says, line by line.

    Parameters
    ----------
    where : of the list, for errors
    bare : the name that is meant where a list is nothing but one digest, as many `.sha256` files are

    Raises
    ------
    DownloadError
        If no line is understood, naming the first one, or it is a web page or an error document.
    """
    text = _decode(data)
    if text.lstrip()[:1] == "<":
        shown = " ".join(text.split())[:80]
        raise DownloadError(f"{where}: a web page or an error document ({shown!r}); {_EXPECTED} on each line of a list")
    if bare is not None and re.fullmatch(rf"\s*{_HEX}{{64}}\s*", text):
        return ChecksumList(entries=[Listed(1, bare, text.strip().lower())])
    listed = _read_lines(_zero_ended(text) if "\0" in text else _lines(text), where)
    if not listed.entries:
        reasons = [*(listed.refused or listed.passed), f"{where}: is empty; {_EXPECTED} on each line of a list"]
        raise DownloadError(reasons[0])
    return listed


def _decode(data: bytes) -> str:
    for mark, encoding in ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")):
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, errors="replace")
    # names are bytes; what is no UTF-8 must not become another file's name
    return data.removeprefix(codecs.BOM_UTF8).decode("utf-8", errors="surrogateescape")


def _lines(text: str) -> Iterator[tuple[int, str, bool]]:
    """Number, line, and whether a backslash before it means that its name is escaped."""
    # not splitlines: it would also cut a name at U+2028 or a form feed
    for number, line in enumerate(text.split("\n"), start=1):
        line = line.removesuffix("\r")
        if line.strip(" \t") and not line.startswith("#"):
            yield number, line, True


def _zero_ended(text: str) -> Iterator[tuple[int, str, bool]]:
    """The same of `sha256sum -z`, where nothing is escaped."""
    for number, line in enumerate(text.split("\0"), start=1):
        if line.strip():
            yield number, line, False


def _read_lines(lines: Iterator[tuple[int, str, bool]], where: str) -> ChecksumList:
    listed = ChecksumList()
    one_separator: bool | None = None  # not known before the first line with a digest in front
    in_armour = False
    for number, line, escapes in lines:
        if armour := _ARMOUR.fullmatch(line):
            in_armour = armour[1] == "BEGIN" and armour[2] != "SIGNED MESSAGE"
        if in_armour or armour:
            listed.passed.append(f"{where} line {number}: {_refuse(line)}")
            continue
        if match := _PLAIN.fullmatch(line):
            backslash, digest, name = match.groups()
            if len(name) == 1 or name[0] not in " *":
                if one_separator is False:
                    listed.refused.append(f"{where} line {number}: {line[:80]!r}; expected two separators, as before")
                    continue
                one_separator = True
            elif not one_separator:
                one_separator, name = False, name[1:]
        elif match := _TAGGED.fullmatch(line):
            backslash, name, digest = match.groups()
        else:
            texts = listed.refused if _ENTRY_LIKE.match(line[:_LOOKED_AT].lstrip(" \t")) else listed.passed
            texts.append(f"{where} line {number}: {_refuse(line)}")
            continue
        if backslash and (not escapes or _ESCAPED.fullmatch(name) is None):
            listed.refused.append(f"{where} line {number}: {line[:80]!r}; expected \\n, \\r or \\\\ in an escaped name")
            continue
        if backslash:
            name = re.sub(r"\\(.)", lambda escape: _ESCAPES[escape[1]], name)
        listed.entries.append(Listed(number, name, digest.lower()))
    return listed


def _refuse(line: str) -> str:
    """What is wrong with a line that is none."""
    shown = f"{line[:80]!r}; {_EXPECTED}"
    if (match := _OTHER_TAG.match(line)) and match[1] not in ("SHA256", "SHA2-256", "SHA-256"):
        return f"{shown}, not a digest by {match[1]}"
    if (match := _OTHER_DIGEST.match(line)) and len(match[1]) != 64:
        known = _ALGORITHMS.get(len(match[1]))
        return f"{shown}, not {len(match[1])} hex digits{f' as of {known}' if known else ''}"
    return shown
