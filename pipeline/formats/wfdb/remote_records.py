"""WFDB records behind URLs: found by listing, fetched whole, and read as files of this machine.

A record's header and signal files are fetched several records ahead of use and lie in a temporary folder while one is
read. So everything that is known about files (formats, damage, wfdb) holds for them, too, at a quarter of a millisecond
a record, which is little beside any network.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from ecg12.cache.storage.location import Location, RemotePath
from ecg12.ecg.errors import HeaderError
from ecg12.ecg.headers.header import parse_header

if TYPE_CHECKING:
    pass
from ecg12.pipeline.formats.wfdb.files import alike_in, is_below


def headers_below(given: RemotePath) -> list[str]:
    """Every header below a URL, by its path from there; hidden ones are left out."""
    names = ((name, name.rpartition("/")[2]) for name in given.files())
    return [name for name, last in names if last.lower().endswith(".hea") and not last.startswith(".")]


def fetch_record(header: RemotePath) -> dict[str, bytes]:
    """A record's files by their names: its header, and what of its signal files is there.

    A header that is not understood comes alone: whoever reads it finds the same and says so.

    Raises
    ------
    RemoteError
        If the server cannot be had.
    """
    try:
        files = {header.name: header.read_bytes()}
        named = {spec.file_name for spec in parse_header(files[header.name].decode("latin-1")).signals}
    except FileNotFoundError:
        return {}
    except HeaderError:
        return files
    there: dict[str, int] | None = None  # the folder's files, listed only where a name is not there as stated
    for name in sorted(named):
        if not is_below(name):
            continue
        try:
            files[name] = (header.parent / name).read_bytes()
        except FileNotFoundError:
            there = header.parent.files() if there is None else there
            for other in alike_in(name, there):
                files[other] = (header.parent / other).read_bytes()
    return files


@contextmanager
def laid_down(header: RemotePath, files: Mapping[str, bytes]) -> Iterator[Path]:
    """The path of a record's header in a temporary folder with its files."""
    with TemporaryDirectory(prefix="ecg12-") as folder:
        for name, data in files.items():
            file = Path(folder) / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
        yield Path(folder) / header.name


@contextmanager
def at_hand(path: Location) -> Iterator[Path]:
    """The header's path on this machine; a remote record is fetched and lies there for the length of the block."""
    if isinstance(path, RemotePath):
        with laid_down(path, fetch_record(path)) as local:
            yield local
    else:
        yield path
