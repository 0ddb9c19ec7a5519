"""Finding WFDB records: every header in or below the inputs, here or behind a URL."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ecg12.cache.storage.location import Location, RemotePath
from ecg12.ecg.errors import InputError
from ecg12.pipeline.files.folders import walk_folders
from ecg12.pipeline.formats.describe_path import describe_what_is_there
from ecg12.pipeline.formats.wfdb.remote_records import headers_below
from ecg12.pipeline.runtime.printable_names import printable

HEADER_SUFFIXES = (".hea", ".HEA")


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundRecord:
    """A header file, and the input it was found under.

    Attributes
    ----------
    path : of the .hea file
    relative : posix path below the input, without .hea
    source : name of the input folder, which stands for the dataset where the record tells none
    """

    path: Location
    relative: str
    source: str

    @property
    def local_path(self) -> Path:
        """`path` of a record that was looked for on this machine only."""
        assert isinstance(self.path, Path)
        return self.path


def find_records(inputs: Sequence[Location]) -> list[FoundRecord]:
    """Every .hea file in or below the inputs: folders in any nesting, or single records with or without .hea.

    Inputs may be behind URLs, where whatever begins alike is a folder.

    The order is by path and does not depend on the order of the folder listing. A file reached by two ways
    is taken once.

    Raises
    ------
    InputError
        If an input does not exist or holds no record.
    RemoteError
        If one behind a URL cannot be listed.
    """
    found: dict[str, FoundRecord] = {}  # by the header file itself, whatever links lead to it
    for given in inputs:
        records = list(_records_below(given))
        if not records:
            raise InputError(f"{given}: {_instead(given)}")
        for file, record in records:
            found.setdefault(file, record)
    return sorted(found.values(), key=lambda record: (record.source, record.relative, str(record.path)))


def name_records(found: Sequence[FoundRecord]) -> dict[str, FoundRecord]:
    """What each record is called among the others: its file's name, or its path where two share the name."""
    times_named = Counter(record.path.stem for record in found)
    named: dict[str, FoundRecord] = {}
    for record in found:
        name = record.path.stem if times_named[record.path.stem] == 1 else record.relative
        if name in named:
            raise InputError(f"{record.path}: a second record called {name} in the inputs; name one input at a time")
        named[name] = record
    return named


def _records_below(given: Location) -> Iterator[tuple[str, FoundRecord]]:
    """Each record with the real path of its header; links are looked up by folder, not by file: a third faster."""
    if isinstance(given, RemotePath):
        yield from _records_behind(given)
        return
    if given.is_dir():
        root = given.resolve()
        for folder in walk_folders(root):
            for name in folder.files:
                if is_header(name):
                    header = os.path.join(folder.path, name)
                    file = os.path.realpath(header) if os.path.islink(header) else os.path.join(folder.real, name)
                    relative = printable(folder.prefix + name[: -len(".hea")])
                    yield file, FoundRecord(path=Path(header), relative=relative, source=printable(root.name))
        return
    single = header_named(given)
    if single is None:
        raise InputError(f"{given}: {describe_what_is_there(given)}")
    path = single.parent.resolve() / single.name  # a link's own name is the record's, not its target's
    found = FoundRecord(path=path, relative=printable(path.stem), source=printable(path.parent.name))
    yield str(path.resolve()), found


def _instead(given: Location) -> str:
    if isinstance(given, RemotePath):
        return "no WFDB record there; expected .hea files with their signal files beside"
    return describe_what_is_there(given)


def header_named(given: Path) -> Path | None:
    """The header of a record that is named with or without .hea, or by its signal file; None if there is none."""
    if is_header(given.name):
        return given if given.is_file() else None
    names = [f"{given.name}{suffix}" for suffix in HEADER_SUFFIXES]
    if given.suffix.lower() in (".mat", ".dat"):
        names += [f"{given.stem}{suffix}" for suffix in HEADER_SUFFIXES]
    return next((path for path in map(given.with_name, names) if path.is_file()), None)


def is_header(name: str) -> bool:
    """Whether a file's name is that of a header: .hea, or .HEA from a system that does not mind."""
    return name.lower().endswith(".hea") and not name.startswith(".")


def _records_behind(given: RemotePath) -> Iterator[tuple[str, FoundRecord]]:
    """The same behind a URL."""
    names = headers_below(given)
    for name in names:
        relative = printable(name[: -len(".hea")])
        yield f"{given}/{name}", FoundRecord(path=given / name, relative=relative, source=printable(given.name))
    if names:
        return
    names = [given.name] if is_header(given.name) else [f"{given.name}{suffix}" for suffix in HEADER_SUFFIXES]
    single = next((path for path in map(given.with_name, names) if path.is_file()), None)
    if single is None:
        raise InputError(f"{given}: no WFDB record there; expected .hea files with their signal files, or a record")
    source = printable(single.parent.name)
    yield str(single), FoundRecord(path=single, relative=printable(single.stem), source=source)
