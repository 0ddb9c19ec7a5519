"""What a path that holds no WFDB record holds instead, in words, so that no file is said not to exist."""

import os
import stat
from collections import Counter
from itertools import islice
from pathlib import Path

from ecg12.ecg.errors import EcgError
from ecg12.pipeline.files.folders import walk_folders
from ecg12.pipeline.formats.file_kinds import Kind, kind_of

_READ = {
    "edf": "an EDF or BDF file",
    "dicom": "a DICOM file",
    "npy": "a NumPy array",
    "mat": "a .mat file without a WFDB header",
    "table": "a text",
}
"""Kinds that predict and plot read."""
_TABLES = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
_TARBALLS = (".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
FILES_LOOKED_AT = 100_000


def describe_what_is_there(path: Path) -> str:
    """What is at `path` instead of WFDB records, and what to do about it, as the end of a sentence.

    For instance "does not exist; expected …", "a tarball: unpack it first (tar -xf data.tar.gz), …",
    "an EDF or BDF file; expected …", "no WFDB record there; expected … (it holds 12 .edf, 1 .csv)". Never raises.
    """
    wanted = "expected a folder of WFDB records, or a record"
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        missing = isinstance(error, FileNotFoundError | NotADirectoryError)
        return f"{'does not exist' if missing else f'cannot be read ({_reason(error)})'}; {wanted}"
    if stat.S_ISDIR(mode):
        return _of_folder(path)
    name, kind = path.name.lower(), kind_of(path)
    if name.endswith(_TARBALLS) or kind.words.startswith("a tarball"):
        hint = "; predict reads it as it lies" if name.endswith(_TARBALLS) else ""
        return f"a tarball: unpack it first (tar -xf {path.name}), and name the folder{hint}"
    words, hint = _in_words(name, kind)
    return f"{words}; {wanted} (.hea with its signal files){hint}"


def _in_words(name: str, kind: Kind) -> tuple[str, str]:
    if kind.reader == "table" and name.endswith(".gz") and not name.endswith(_TABLES):
        return "a file compressed by gzip", ""
    if kind.reader:
        words = "a table" if name.endswith(_TABLES) else _READ[kind.reader]
        return words, "; predict and plot read it as it lies"
    return "a signal file without its WFDB header" if name.endswith(".dat") else kind.words, ""


def _reason(error: OSError | ValueError) -> str:
    return getattr(error, "strerror", None) or str(error)


def _of_folder(path: Path) -> str:
    sentence = "no WFDB record there; expected .hea files with their signal files beside"
    try:
        names = (name for folder in walk_folders(path.resolve()) for name in folder.files if not name.startswith("."))
        suffixes = Counter(
            os.path.splitext(name)[1].lower() or "without a suffix" for name in islice(names, FILES_LOOKED_AT)
        )
    except EcgError:
        return sentence
    if not suffixes:
        return f"{sentence} (it is empty)"
    most = ", ".join(f"{number:,} {suffix}" for suffix, number in suffixes.most_common(3))
    return f"{sentence} (it holds {most}{', …' if len(suffixes) > 3 else ''})"
