"""The files of a WFDB record: the header's text, and the signal files that it names, below its own folder."""

import codecs
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ecg12.cache.storage.location import Location, RemotePath
from ecg12.ecg.errors import HeaderError, RemoteError, SignalError
from ecg12.ecg.headers.header import Header, SignalSpec, parse_header
from ecg12.pipeline.files.regular_files import HEADER_BYTES, RegularFile, check_regular, open_regular, read_regular
from ecg12.pipeline.runtime.printable_names import printable

if TYPE_CHECKING:
    pass

_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_header_text(path: Location) -> str:
    """The text of the header file at `path`; raises HeaderError if it cannot be read or is no text of a header."""
    try:
        if isinstance(path, RemotePath):
            data = path.read_bytes()
            if len(data) > HEADER_BYTES:
                raise HeaderError(f"{printable(path.name)}: {len(data):,} bytes; expected at most {HEADER_BYTES:,}")
        else:
            data = read_regular(path, HEADER_BYTES, error=HeaderError)
    except RemoteError:
        raise
    except OSError as error:
        raise HeaderError(f"{printable(path.name)}: cannot be read ({error.strerror})") from error
    try:
        return data.decode("utf-16" if data.startswith(_UTF_16) else "utf-8")  # Notepad's "Unicode"
    except UnicodeDecodeError:
        return data.decode("latin-1")  # comments of the older databases


def file_size(path: Location, header: Header, spec: SignalSpec) -> int:
    """Bytes of a signal file of the header at `path`.

    Raises
    ------
    HeaderError
        If its name leads out of the header's folder.
    SignalError
        If it is not there, or is no regular file.
    """
    check_file_name(header, spec)
    try:
        if isinstance(path, RemotePath):
            return _remote_size(path, spec.file_name)
        found = os.stat(signal_path(path, header, spec))
        check_regular(spec.file_name, found)
    except RemoteError:
        raise
    except SignalError as error:
        error.args = (f"{header.name}: {error}",)
        raise
    except OSError as error:
        raise SignalError(f"{header.name}: signal file {spec.file_name}: {error.strerror}") from error
    return found.st_size


def _remote_size(path: RemotePath, name: str) -> int:
    try:
        return (path.parent / name).stat().st_size
    except FileNotFoundError:
        found = alike_in(name, path.parent.files())
        if not found:
            raise
        return (path.parent / found[0]).stat().st_size


def open_signal(path: Path, header: Header, spec: SignalSpec) -> RegularFile:
    """A signal file of the header at `path`, without a buffer; raises as `file_size`."""
    check_file_name(header, spec)
    try:
        try:
            return open_regular(os.path.join(os.path.dirname(path), spec.file_name))
        except FileNotFoundError:
            return open_regular(signal_path(path, header, spec))
    except SignalError as error:
        error.args = (f"{header.name}: {error}",)
        raise
    except OSError as error:
        raise SignalError(f"{header.name}: signal file {spec.file_name}: {error.strerror}") from error


def check_file_name(header: Header, spec: SignalSpec) -> None:
    """Refuse the name of a signal file that is none, or leads out of the header's own folder."""
    name = spec.file_name
    foreign = os.sep != "/" and (os.sep in name or ":" in name)
    # sub/X.mat lies below the header; //X, /X, ./X and sub/../X are nobody's way to say where a file lies
    if "\0" in name or foreign or name in ("-", "~") or not {"", ".", ".."}.isdisjoint(name.split("/")):
        raise HeaderError(f"{header.name}: signal file {name[:200]!r}; expected a file in the header's own folder")


def signal_path(path: Path, header: Header, spec: SignalSpec) -> Path:
    """Where a signal file is: as stated, else beside the header, else there in other capitals (X.DAT for X.dat).

    As stated where it is nowhere there.

    Raises
    ------
    SignalError
        If several files differ from the name in nothing but capitals.
    """
    stated = path.parent / spec.file_name
    beside = path.parent / stated.name  # a header that was written one folder above names sub/X.mat
    for file in dict.fromkeys((stated, beside)):
        if os.path.lexists(file):
            return file
    for file in dict.fromkeys((stated, beside)):
        alike = _alike(file)
        if len(alike) > 1:
            raise SignalError(f"{spec.file_name}: not there, but {' and '.join(alike[:3])} are; expected one of them")
        if alike:
            return file.with_name(alike[0])
    return stated


def _alike(file: Path) -> list[str]:
    """Names in a file's folder that differ from its own in capitals alone."""
    try:
        return sorted(name for name in os.listdir(file.parent) if name.lower() == file.name.lower())
    except OSError:
        return []


def read_header(path: Location) -> Header:
    """Parse the header file at `path`.

    Raises
    ------
    HeaderError
        If it cannot be read or understood.
    """
    return parse_header(read_header_text(path))


def is_below(name: str) -> bool:
    """Whether a signal file's name is one of a file in or below its header's folder, as `check_file_name` wants it."""
    return "\0" not in name and name not in ("-", "~") and {"", ".", ".."}.isdisjoint(name.split("/"))


def alike_in(name: str, there: Iterable[str]) -> list[str]:
    """Where else a signal file may be, as on this machine: beside its header, and in other capitals."""
    beside = name.rpartition("/")[2]
    for one in dict.fromkeys((name, beside)):
        found = [other for other in there if other == one] or [other for other in there if other.lower() == one.lower()]
        if found:
            return sorted(found)
    return []
