"""What a path that holds no WFDB record holds instead, in words, so that no file is said not to exist."""

import os
import stat
from collections import Counter
from itertools import islice
from pathlib import Path

from ecg.errors import EcgError
from pipeline.folders import walk_folders
from pipeline.inputs.regular import open_regular

_NAMES = {
    ".edf": "an EDF file",
    ".bdf": "a BDF file",
    ".dcm": "a DICOM file",
    ".dicom": "a DICOM file",
    ".ima": "a DICOM file",
    ".csv": "a table",
    ".tsv": "a table",
    ".txt": "a text",
    ".npy": "a NumPy array",
    ".mat": "a .mat file without a WFDB header",
    ".dat": "a signal file without its WFDB header",
    ".xml": "an XML file",
}
_BEGINNINGS = (
    (0, b"PK\x03\x04", "a zip archive"),
    (0, b"\x1f\x8b", "a file compressed by gzip"),
    (0, b"BZh", "a file compressed by bzip2"),
    (0, b"\xfd7zXZ", "a file compressed by xz"),
    (257, b"ustar", "a tarball"),
    (128, b"DICM", "a DICOM file"),
    (0, b"\xffBIOSEMI", "a BDF file"),
    (0, b"0       ", "an EDF file"),
    (0, b"\x93NUMPY", "a NumPy array"),
    (0, b"MATLAB 5.0", "a MATLAB 5 file without a WFDB header"),
    (0, b"MATLAB 7.3", "a MATLAB 7.3 file without a WFDB header"),
    (0, b"\x89HDF", "an HDF5 file"),
    (0, b"ISHNE1.0", "an ISHNE Holter file"),
    (0, b"<?xml", "an XML file"),
)
_TARBALLS = (".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
_READ_AS_IT_LIES = ("an EDF", "a BDF", "a DICOM", "a table", "a text", "a NumPy", "a .mat file", "a MATLAB 5")
FILES_LOOKED_AT = 100_000


def describe_what_is_there(path: Path) -> str:
    """What is at `path` instead of WFDB records, and what to do about it, as the end of a sentence.

    For instance "does not exist; expected …", "a tarball: unpack it first (tar -xf data.tar.gz), …",
    "an EDF file; expected …", "no WFDB record there; expected … (it holds 12 .edf, 1 .csv)". Never raises.
    """
    wanted = "expected a folder of WFDB records, or a record"
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        missing = isinstance(error, FileNotFoundError | NotADirectoryError)
        return f"{'does not exist' if missing else f'cannot be read ({_reason(error)})'}; {wanted}"
    if stat.S_ISDIR(mode):
        return _of_folder(path)
    kind = _of_file(path)
    if kind == "a tarball":
        return f"a tarball: unpack it first (tar -xf {path.name}), and name the folder; predict reads it as it lies"
    hint = "; predict and plot read it as it lies" if kind.startswith(_READ_AS_IT_LIES) else ""
    return f"{kind}; {wanted} (.hea with its signal files){hint}"


def _reason(error: OSError | ValueError) -> str:
    return getattr(error, "strerror", None) or str(error)


def _of_file(path: Path) -> str:
    if path.name.lower().endswith(_TARBALLS):
        return "a tarball"
    try:
        with open_regular(path) as file:
            begin = file.read(512)
    except EcgError as error:  # a FIFO, a device: its kind is what it says before the semicolon
        return str(error).removeprefix(f"{path.name}: ").partition(";")[0]
    except OSError as error:
        return f"cannot be read ({_reason(error)})"
    if not begin:
        return "an empty file"
    found = next((kind for at, magic, kind in _BEGINNINGS if begin[at : at + len(magic)] == magic), None)
    return found or _NAMES.get(path.suffix.lower(), "no WFDB header")


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
