"""Finding recordings on disk: in folders of any nesting, in tarballs, or named one by one.

In a folder a recording is what says itself that it is one: a WFDB header, an EDF, BDF or DICOM file, a table whose
first line names leads. Bare arrays and tables of numbers could be anything; they count where the user tells what they
hold (--fs), or where a folder has nothing else.
"""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ecg.errors import InputError
from pipeline.folders import walk_folders
from pipeline.inputs.tables import names_leads
from pipeline.inputs.told import InputConfig
from pipeline.inputs.wfdb_records import is_multi_segment
from pipeline.wfdb_io import printable

KINDS = {".hea": "wfdb", ".edf": "edf", ".bdf": "edf", ".dcm": "dicom", ".dicom": "dicom", ".ima": "dicom"}
KINDS |= {".csv": "table", ".tsv": "table", ".txt": "table", ".npy": "npy", ".mat": "mat"}
TARBALLS = (".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
BARE = ("table", "npy", "mat")
"""Kinds that may be anything."""

SNIFFED_BYTES = 4096
_MAGIC = ((128, b"DICM", "dicom"), (0, b"\xffBIOSEMI", "edf"), (0, b"0       ", "edf"), (0, b"\x93NUMPY", "npy"))
_TEXT_IN_FOLDERS = (".csv", ".tsv")


@dataclass(frozen=True, slots=True)
class FoundInput:
    """A file with a recording, and the input it was found under.

    Attributes
    ----------
    file : of the recording; of its header where it has one
    relative : posix path below the input, with the file's suffix
    source : name of the input
    kind : which module reads it
    """

    file: str
    relative: str
    source: str
    kind: str

    @property
    def path(self) -> Path:
        """`file`, which is kept as text because a million paths take half a gigabyte more."""
        return Path(self.file)


def is_tarball(path: Path) -> bool:
    """Whether a file's name is that of a tarball."""
    return path.name.lower().endswith(TARBALLS) and path.is_file()


def find_inputs(inputs: Sequence[Path], told: InputConfig) -> list[FoundInput]:
    """Every recording in or below the inputs; a file that is reached by two ways is taken once.

    The order is by path and does not depend on the order of the folder listing.

    Raises
    ------
    InputError
        If an input does not exist, cannot be listed or holds no recording.
    """
    found: dict[str, FoundInput] = {}
    for given in inputs:
        for one in _below(given, told) if given.is_dir() else [_single(given)]:
            # in a folder that is reached directly only links have another real path
            direct = given.is_dir() and not os.path.islink(one.file)
            found.setdefault(one.file if direct else os.path.realpath(one.file), one)
    return sorted(found.values(), key=lambda one: (one.source, one.relative, one.file))


def name_inputs(found: Sequence[FoundInput]) -> Iterator[tuple[str, FoundInput]]:
    """What each recording is called among the others: its file's name, or its path where two share the name.

    Raises
    ------
    InputError
        If two have the same path below two inputs.
    """
    times = Counter(map(_stem, found))
    shared = [one for one in found if times[_stem(one)] > 1] if len(times) < len(found) else []
    paths = Counter(_without_suffix(one) for one in shared)
    whole = Counter(one.relative for one in shared)
    for one in shared:
        if whole[one.relative] > 1:
            raise InputError(f"{one.file}: a second {one.relative} in the inputs; name one input at a time")
    for one in found:
        stem = _stem(one)
        if times[stem] == 1:
            yield stem, one
        else:  # ecg.hea beside ecg.edf: only the suffix tells them apart
            path = _without_suffix(one)
            yield (path if paths[path] == 1 else one.relative), one


def _without_suffix(one: FoundInput) -> str:
    return one.relative[: one.relative.rfind("/") + 1] + _stem(one)


def _stem(one: FoundInput) -> str:
    return _cut_suffix(one.relative[one.relative.rfind("/") + 1 :])


def _cut_suffix(name: str) -> str:
    """A file's name without the suffix, where it is that of a recording."""
    at = name.rfind(".")
    return name[:at] if at > 0 and name[at:].lower() in KINDS else name


def _below(root: Path, told: InputConfig) -> list[FoundInput]:
    found = list(_walk(root.resolve()))
    sure = [one for one in found if one.kind not in BARE or (one.kind == "table" and names_leads(one.path))]
    taken = found if told.fs is not None or not sure else sure
    if not taken:
        raise InputError(
            f"{root}: no recording there; expected WFDB headers (.hea), EDF, BDF, DICOM, CSV, .npy or .mat files"
        )
    return taken


def _walk(root: Path) -> Iterator[FoundInput]:
    """Every file in or below a folder that may be a recording; stores are left out."""
    source = printable(root.name)
    for folder in walk_folders(root, skip=_is_store):
        headed = {name[: -len(".hea")] for name in folder.files if name.endswith(".hea")}
        for name in sorted(set(folder.files) - _segments_in(folder.path, headed)):
            kind = _kind_in_folder(folder.path, name, headed)
            if kind:
                yield FoundInput(os.path.join(folder.real, name), printable(folder.prefix + name), source, kind)


def _is_store(folder: str) -> bool:
    return os.path.exists(os.path.join(folder, "zarr.json"))


def _segments_in(folder: str, headed: set[str]) -> set[str]:
    """Headers of segments beside the whole's: X_0001.hea and X_layout.hea beside X.hea, as MIMIC has them."""
    found = set()
    for name in headed:
        whole, _, part = name.rpartition("_")
        if (part.isdigit() or part == "layout") and whole in headed:
            with open(os.path.join(folder, f"{whole}.hea"), "rb") as file:
                if is_multi_segment(file.read(SNIFFED_BYTES).decode("latin-1")):
                    found.add(f"{name}.hea")
    return found


def _kind_in_folder(folder: str, name: str, headed: set[str]) -> str:
    """What reads a file, or "" for one that is no recording."""
    if name.startswith(".") or name == "DICOMDIR":
        return ""
    root, suffix = os.path.splitext(name)
    if not suffix:
        return "dicom" if _sniff(os.path.join(folder, name)) == "dicom" else ""  # hospitals export them nameless
    kind = KINDS.get(suffix.lower(), "")
    if (kind == "mat" and root in headed) or (kind == "table" and suffix.lower() not in _TEXT_IN_FOLDERS):
        return ""
    return kind


def _single(given: Path) -> FoundInput:
    """A recording named by its file, or by its name without a suffix."""
    header = given.with_suffix(".hea") if given.suffix.lower() in (".mat", ".dat") else Path(f"{given}.hea")
    if given.suffix != ".hea" and header.is_file():
        given = header
    if not given.is_file():
        raise InputError(
            f"{given}: does not exist; expected a store, a folder of recordings, a tarball, or a recording"
        )
    kind = KINDS.get(given.suffix.lower()) or _sniff(os.fspath(given)) or "table"
    path = given.parent.resolve() / given.name  # a link's own name is the recording's, not its target's
    return FoundInput(os.fspath(path), printable(path.name), printable(path.parent.name), kind)


def _sniff(file: str) -> str:
    """What a file's first bytes tell that it is, or ""."""
    try:
        with open(file, "rb") as opened:
            begin = opened.read(256)
    except OSError:
        return ""
    return next((kind for at, magic, kind in _MAGIC if begin[at : at + len(magic)] == magic), "")
