"""Finding recordings on disk: in folders of any nesting, in tarballs, or named one by one.

In a folder a recording is what says itself that it is one: a WFDB header, an EDF, BDF or DICOM file by its bytes, a
table whose first lines name leads. Bare arrays and tables of numbers could be anything; they count where the user tells
what they hold (a rate), or where a folder has nothing else. What none of these is sure of, plugins are asked about.
Whatever is left is counted with what it is.
"""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ecg12.ecg.errors import EcgError, InputError
from ecg12.ecg.headers.segments import is_multi_segment
from ecg12.pipeline.files.folders import Folder, walk_folders
from ecg12.pipeline.files.regular_files import HEADER_BYTES, open_regular
from ecg12.pipeline.formats.file_kinds import UNKNOWN, kind_of
from ecg12.pipeline.formats.text_tables.reading import lists_records, names_leads
from ecg12.pipeline.formats.told_by_user import InputConfig
from ecg12.pipeline.formats.wfdb.find_headers import header_named
from ecg12.pipeline.recordings.path_patterns import PathPatterns
from ecg12.pipeline.recordings.plugin_readers import HIDDEN, PluginReaders, find_readers, is_plugin_kind
from ecg12.pipeline.recordings.set_aside import NotLookedAt, describe_aside
from ecg12.pipeline.runtime.printable_names import printable

KINDS = {".hea": "wfdb", ".edf": "edf", ".bdf": "edf", ".dcm": "dicom", ".dicom": "dicom", ".ima": "dicom"}
KINDS |= {".csv": "table", ".tsv": "table", ".txt": "table", ".npy": "npy", ".mat": "mat"}
TARBALLS = (".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
BARE = ("table", "npy", "mat")
"""Kinds that may be anything."""

OTHER = "other"
"""The kind of a file that is not read, which its reader says."""

_SIGNAL_FILES = (".mat", ".dat")
"""Beside a header of the same name they are the record's, at a glance; others are looked at."""

_SURE = ("edf", "dicom", "npy", "mat")
_TEXT_IN_FOLDERS = (".csv", ".tsv")
_WHY_BARE = {"table": "table without lead names", "npy": "bare .npy array", "mat": "bare .mat array"}


@dataclass(frozen=True, slots=True)
class FoundInput:
    """A file with a recording, and the input it was found under.

    Attributes
    ----------
    file : of the recording; of its header where it has one
    relative : posix path below the input, with the file's suffix
    source : name of the input
    kind : which module reads it, or `OTHER`; or a plugin's name
    named : whether its first lines name leads, of a table
    """

    file: str
    relative: str
    source: str
    kind: str
    named: bool = False

    @property
    def path(self) -> Path:
        """`file`, which is kept as text because a million paths take half a gigabyte more."""
        return Path(self.file)


def is_tarball(path: Path) -> bool:
    """Whether a file's name is that of a tarball."""
    return path.name.lower().endswith(TARBALLS) and path.is_file()


def find_inputs(
    inputs: Sequence[Path],
    told: InputConfig,
    aside: list[NotLookedAt] | None = None,
    patterns: PathPatterns | None = None,
) -> list[FoundInput]:
    """Every recording in or below the inputs; a file that is reached by two ways is taken once.

    The order is by path and does not depend on the order of the folder listing.

    Parameters
    ----------
    aside : takes every other file in or below the folders, in the same order; those that belong to a record are none
    patterns : which files are meant; others are neither found nor set aside, but counted there

    Raises
    ------
    InputError
        If an input does not exist, cannot be listed or holds no recording.
    PluginError
        If a reader that was told is not there, or no reader.
    """
    readers = find_readers(told.readers)
    found: dict[str, FoundInput] = {}
    left: dict[str, NotLookedAt] = {}
    patterns = patterns or PathPatterns()
    for given in inputs:
        is_folder = given.is_dir()
        below = _below(given, told, left, readers, patterns) if is_folder else [_single(given, readers)]
        for one in below if is_folder else filter(lambda one: patterns.takes(one.relative), below):
            # in a folder that is reached directly only links have another real path
            direct = is_folder and not os.path.islink(one.file)
            found.setdefault(one.file if direct else os.path.realpath(one.file), one)
    readers.tell()
    if aside is not None:
        taken = {one.file for one in found.values()} | found.keys()
        rest = (one for one in left.values() if one.file not in taken)
        aside.extend(sorted(rest, key=lambda one: (one.source, one.relative, one.file)))
    return sorted(found.values(), key=lambda one: (one.source, one.relative, one.file))


def name_inputs(found: Sequence[FoundInput]) -> Iterator[tuple[str, FoundInput]]:
    """What each recording is called among the others: its file's name, or its path where two share the name.

    Raises
    ------
    InputError
        If two have the same path below two inputs.
    """
    times = Counter(map(stem_of, found))
    shared = [one for one in found if times[stem_of(one)] > 1] if len(times) < len(found) else []
    paths = Counter(path_without_suffix(one) for one in shared)
    whole = Counter(one.relative for one in shared)
    for one in shared:
        if whole[one.relative] > 1:
            raise InputError(f"{one.file}: a second {one.relative} in the inputs; name one input at a time")
    for one in found:
        stem = stem_of(one)
        if times[stem] == 1:
            yield stem, one
        else:  # ecg.hea beside ecg.edf: only the suffix tells them apart
            path = path_without_suffix(one)
            yield (path if paths[path] == 1 else one.relative), one


def path_without_suffix(one: FoundInput) -> str:
    """Posix path of a recording below its input, without the suffix."""
    return one.relative[: one.relative.rfind("/") + 1] + stem_of(one)


def stem_of(one: FoundInput) -> str:
    """A recording's name: its file's without the suffix."""
    name = one.relative[one.relative.rfind("/") + 1 :]
    return os.path.splitext(name)[0] if is_plugin_kind(one.kind) else _cut_suffix(name)


def _cut_suffix(name: str) -> str:
    """A file's name without the suffix, where it is that of a recording."""
    if name.lower().endswith(".gz") and name.rfind(".", 0, -3) > 0:
        name = name[:-3] if os.path.splitext(name[:-3])[1].lower() in KINDS else name
    at = name.rfind(".")
    return name[:at] if at > 0 and name[at:].lower() in KINDS else name


def _below(
    root: Path, told: InputConfig, left: dict[str, NotLookedAt], readers: PluginReaders, patterns: PathPatterns
) -> list[FoundInput]:
    found: list[FoundInput] = []
    others: list[NotLookedAt] = []
    for one in _walk(root.resolve(), readers, patterns):
        (found if isinstance(one, FoundInput) else others).append(one)  # type: ignore[arg-type]
    sure = [one for one in found if one.kind not in BARE or one.named]
    taken = found if told.fs is not None or not sure else sure
    if len(taken) < len(found):
        bare = [one for one in found if one.kind in BARE and not one.named]
        others += [NotLookedAt(one.file, one.relative, one.source, _WHY_BARE[one.kind]) for one in bare]
    left.update((one.file, one) for one in others)
    if not taken:
        holds = describe_aside(others)
        raise InputError(
            f"{root}: no recording there; expected WFDB headers (.hea), EDF, BDF, DICOM, CSV, .npy or .mat files"
            + "".join(f", or {reader.name}" for reader in readers.readers.values())
            + (f" ({holds})" if holds else "")
        )
    return taken


def _walk(root: Path, readers: PluginReaders, patterns: PathPatterns) -> Iterator[FoundInput | NotLookedAt]:
    """Every file in or below a folder that may be a recording, and every other that belongs to none; stores as one."""
    source = printable(root.name)
    stores: list[str] = []

    def skip(folder: str) -> bool:
        if os.path.exists(os.path.join(folder, "zarr.json")):
            stores.append(folder)
        return stores[-1:] == [folder]

    for folder in walk_folders(root, skip=skip):
        yield from _look_through(folder, source, readers, patterns)
    for store in stores:
        below = printable(os.path.relpath(store, root).replace(os.sep, "/"))
        yield NotLookedAt(store, below, source, "store, to be named itself")


def _look_through(
    folder: Folder, source: str, readers: PluginReaders, patterns: PathPatterns
) -> Iterator[FoundInput | NotLookedAt]:
    headers = {name[: -len(".hea")]: name for name in folder.files if name.lower().endswith(".hea")}
    segments = _segments_in(folder.path, headers)
    signals: set[str] | None = None
    for name in folder.files:
        if name in segments or (name[-4:] in _SIGNAL_FILES and name[:-4] in headers):
            continue
        file, relative = os.path.join(folder.real, name), printable(folder.prefix + name)
        if not patterns.takes(relative):
            continue
        kind, named, reason = _kind_in_folder(os.path.join(folder.path, name), name, headers)
        if reason or (kind in BARE and not named):
            # what the headers name is theirs, whatever it is called; they are read only where there is such a file
            signals = _named_in(folder.path, headers) if signals is None else signals
            if name in signals:
                continue
        if readers.readers:
            kind = readers.weigh(os.path.join(folder.path, name), kind, named=named, reason=reason)
        if kind:
            yield FoundInput(file, relative, source, kind, named)
        elif reason:
            yield NotLookedAt(file, relative, source, reason)


def _named_in(folder: str, headers: Mapping[str, str]) -> set[str]:
    """The first word of every line of a folder's headers: the names of their signal files."""
    words: set[str] = set()
    for name in headers.values():
        lines = _read_header(os.path.join(folder, name)).splitlines()
        words.update(line.split(maxsplit=1)[0] for line in lines if line.strip())
    return words


def _read_header(file: str) -> str:
    try:
        with open_regular(file) as opened:
            return opened.read(HEADER_BYTES).decode("latin-1")
    except (EcgError, OSError):  # which its reader says, with a reject
        return ""


def _segments_in(folder: str, headers: Mapping[str, str]) -> set[str]:
    """Headers of segments beside the whole's: X_0001.hea and X_layout.hea beside X.hea, as MIMIC has them."""
    parts: dict[str, list[str]] = {}
    for stem, name in headers.items():
        whole, _, part = stem.rpartition("_")
        if (part.isdigit() or part == "layout") and whole in headers:
            parts.setdefault(whole, []).append(name)
    several = (whole for whole in parts if is_multi_segment(_read_header(os.path.join(folder, headers[whole]))))
    return {name for whole in several for name in parts[whole]}


def _kind_in_folder(path: str, name: str, headers: Mapping[str, str]) -> tuple[str, bool, str]:
    """What reads a file, whether it is a table that names leads, and what it is if nothing reads it.

    All three are empty for a file beside a header of its name: it is the record's.
    """
    if name.startswith("."):
        return "", False, HIDDEN
    if name == "DICOMDIR":
        return "", False, "DICOM directory"
    suffix = os.path.splitext(name)[1].lower()
    if suffix == ".hea":
        return "wfdb", False, ""
    if headers and any(name[:at] in headers for at in range(len(name)) if name[at] == ".") and suffix not in _OWN:
        return "", False, ""
    stated = KINDS.get(suffix, "")
    kind = kind_of(path)
    if kind.reader in _SURE:
        return kind.reader, False, ""
    if kind.reader == "table" and stated in ("", "table"):
        named = names_leads(Path(path))
        if not named and lists_records(Path(path)):
            return "", False, "table of labels or patients"
        if named or suffix in _TEXT_IN_FOLDERS or name.lower().endswith((".csv.gz", ".tsv.gz")):
            return "table", named, ""
        return "", False, "text"
    if stated and (stated != "table" or suffix in _TEXT_IN_FOLDERS) and not _is_another(kind.words):
        return stated, False, ""  # whose reader says what is wrong with it
    return "", False, kind.short


_OWN = (".edf", ".bdf", ".dcm", ".dicom", ".ima", ".csv", ".tsv", ".npy")
"""Suffixes of recordings in their own right, beside a header of the same name, too."""


def _is_another(words: str) -> bool:
    """Whether a file's bytes say for certain that it is of a kind that is not read."""
    return bool(words) and not words.startswith((UNKNOWN, "an empty", "nothing but", "a file that cannot"))


def _single(given: Path, readers: PluginReaders) -> FoundInput:
    """A recording named by its file, or by its name without a suffix."""
    given = header_named(given) or given
    if not given.exists():
        raise InputError(
            f"{given}: does not exist; expected a store, a folder of recordings, a tarball, or a recording"
        )
    path = given.parent.resolve() / given.name  # a link's own name is the recording's, not its target's
    kind = _kind_of_single(given)
    if readers.readers and kind != "wfdb":
        kind = readers.weigh(given, kind, named=kind == "table" and names_leads(given), reason="named by its path")
    return FoundInput(os.fspath(path), printable(path.name), printable(path.parent.name), kind)


def _kind_of_single(given: Path) -> str:
    stated = KINDS.get(given.suffix.lower(), "")
    if stated == "wfdb":
        return stated
    kind = kind_of(given)
    if kind.reader in _SURE:
        return kind.reader
    if kind.reader == "table":
        return stated or "table"
    return OTHER if not stated or _is_another(kind.words) else stated
