"""What a file is, told by its first bytes: one of the kinds that are read, or another, in words.

Suffixes lie: hospitals export EDF as .txt and DICOM without any. So bytes that say what they are come first, then the
suffix, and what neither tells is a text table if it is text with numbers.
"""

import os
import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from struct import unpack_from

from ecg12.ecg.errors import EcgError
from ecg12.pipeline.files.regular_files import open_regular
from ecg12.pipeline.files.text_lines import encoding_of

READ = "WFDB, EDF, BDF, DICOM, CSV and other text tables, .npy and .mat"
"""Kinds that are read, in words."""

SNIFFED_BYTES = 4096
UNKNOWN = "binary data of an unknown kind"

_READERS = (
    (128, b"DICM", "dicom"),
    (0, b"\xffBIOSEMI", "edf"),
    (0, b"0       ", "edf"),
    (0, b"\x93NUMPY", "npy"),
    (124, b"\x00\x01IM", "mat"),
    (124, b"\x01\x00MI", "mat"),
)
_OTHERS = (
    (0, b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (512, b"\x89HDF\r\n\x1a\n", "a MATLAB 7.3 file (HDF5): save it with -v7"),
    (0, b"ISHNE1.0", "an ISHNE Holter ECG"),
    (0, b"ANN  1.0", "ISHNE Holter annotations"),
    (16, b"SCPECG", "an SCP-ECG file"),
    (2, b"MFR", "an MFER file"),
    (0, b"GDF ", "a GDF file"),
    (0, b"CFWB", "an ADInstruments file"),
    (0, b"%PDF", "a PDF"),
    (0, b"\x89PNG", "a PNG image"),
    (0, b"\xff\xd8\xff", "a JPEG image"),
    (0, b"GIF8", "a GIF image"),
    (0, b"II*\0", "a TIFF image"),
    (0, b"MM\0*", "a TIFF image"),
    (0, b"RIFF", "a RIFF file (sound or film)"),
    (0, b"PAR1", "a Parquet table"),
    (0, b"ARROW1", "an Arrow table"),
    (0, b"FEA1", "a Feather table"),
    (0, b"SQLite format 3", "an SQLite database"),
    (0, b"\xd0\xcf\x11\xe0", "an old Word or Excel document"),
    (0, b"{\\rtf", "an RTF document"),
    (0, b"BZh", "a file compressed by bzip2: unpack it"),
    (0, b"\xfd7zXZ", "a file compressed by xz: unpack it"),
    (0, b"\x28\xb5\x2f\xfd", "a file compressed by zstd: unpack it"),
    (0, b"7z\xbc\xaf", "a 7z archive: unpack it"),
    (0, b"Rar!", "a RAR archive: unpack it"),
    (257, b"ustar", "a tarball, whose name must end in .tar to be read"),
    (0, b"\x7fELF", "a program"),
    (0, b"MSH|", "an HL7 message"),
)
_ROOTS = {
    "restingecg": "GE MUSE",
    "restingecgdata": "Philips SierraECG",
    "annotatedecg": "HL7 aECG",
    "cardiologyxml": "GE CardioSoft",
    "sapphire": "GE Sapphire",
    "wfdbsampleset": "rdsamp's",
    "ecg": "root ECG, as Mortara's",
}
_ROOT = re.compile(r"<(?:[\w.-]+:)?([A-Za-z_][\w.-]*)[\s>/]")


@dataclass(frozen=True, slots=True)
class Kind:
    """What a file is.

    Attributes
    ----------
    reader : "edf", "dicom", "npy", "mat", "table", or "" for a kind that is not read
    words : of a kind that is not read, such as "an XML file (GE MUSE)"
    """

    reader: str
    words: str = ""

    @property
    def short(self) -> str:
        """`words` without article and advice, to be counted: "XML file (GE MUSE)"."""
        return re.sub(r"^(an?|the) ", "", self.words.partition(":")[0].partition(", whose")[0])


def kind_of(path: str | Path) -> Kind:
    """What a file is by its first bytes; `Kind("")` with words if it cannot be opened; never waits.

    `Kind("table")` is text, of which nothing more is known.
    """
    try:
        with open_regular(path) as file:
            begin = file.read(SNIFFED_BYTES)
    except EcgError as error:
        return Kind("", str(error).partition(": ")[2].partition(";")[0])
    except OSError as error:
        return Kind("", f"a file that cannot be read ({error.strerror})")
    return tell_kind(begin, os.path.basename(os.fspath(path)))


def tell_kind(begin: bytes, name: str) -> Kind:
    """What a file is whose first bytes these are.

    Parameters
    ----------
    begin : `SNIFFED_BYTES` of the file, or all of a shorter one
    """
    if not begin.strip(b"\0"):
        return Kind("", "an empty file" if not begin else "nothing but zero bytes")
    for at, magic, words in _OTHERS:
        if begin[at : at + len(magic)] == magic:
            return Kind("", words)
    for at, magic, reader in _READERS:
        if begin[at : at + len(magic)] == magic:
            return Kind(reader)
    if begin[:2] in (b"\x02\0", b"\x08\0") and begin[4:6].isalpha() and begin[4:6].isupper():
        return Kind("dicom")  # without its preamble
    if begin[:2] == b"PK":
        return Kind("", _tell_zip(begin))
    if begin[:2] == b"\x1f\x8b":
        return _tell_gzip(begin, name)
    if begin[:1] == b"\x80" and begin[1:2] in (b"\2", b"\3", b"\4", b"\5"):
        return Kind("", "a Python pickle")
    if _begins_as_matlab_4(begin):
        return Kind("mat")
    return _tell_text(begin) or Kind("", UNKNOWN)


def _begins_as_matlab_4(begin: bytes) -> bool:
    """Whether a variable's five numbers and its name stand there, which is all that level 4 has for a beginning."""
    for order in "<>" if len(begin) > 21 else "":
        code, rows, columns, imaginary, length = unpack_from(f"{order}5i", begin)
        if 0 <= code < 2000 and code % 100 < 53 and min(rows, columns) > 0 and imaginary in (0, 1) and 1 < length < 65:
            name = begin[20 : 20 + length]
            return name[:-1].replace(b"_", b"").isalnum() and name[-1:] == b"\0"
    return False


def _tell_zip(begin: bytes) -> str:
    for sign, words in (
        (b".npy", "a NumPy .npz archive: save each array with numpy.save"),
        (b"xl/", "an Excel workbook: save it as CSV"),
        (b"word/", "a Word document"),
        (b"[Content_Types].xml", "an Excel or Word document: save it as CSV"),
        (b"opendocument", "an OpenDocument file: save it as CSV"),
        (b"data.pkl", "a PyTorch file"),
    ):
        if sign in begin:
            return words
    return "a zip archive: unpack it"


def _tell_gzip(begin: bytes, name: str) -> Kind:
    """A table where the name says it or what is inside is text; else what it is."""
    try:
        inner = zlib.decompressobj(31).decompress(begin, SNIFFED_BYTES)
    except zlib.error:
        return Kind("", "a damaged file of gzip")
    if inner[257:262] == b"ustar":
        return Kind("", "a tarball, whose name must end in .tar.gz to be read")
    if inner[:2] == b"\x1f\x8b":
        return Kind("", "a file compressed twice by gzip: unpack it")
    kind = tell_kind(inner, name.removesuffix(".gz")) if inner else Kind("")
    return kind if kind.reader == "table" else Kind("", "a file compressed by gzip: unpack it")


def _tell_text(begin: bytes) -> Kind | None:
    """A text's kind; None if it is none."""
    encoding = encoding_of(begin)
    text = begin.decode(encoding if encoding != "utf-8" else "latin-1", "ignore").lstrip("\ufeff \t\r\n")
    if "\0" in text or sum(sign < " " and sign not in "\t\r\n\f\x1a" for sign in text) > 0.01 * len(text):
        return None
    if text[:1] == "<":
        return _tell_markup(text)
    if text[:1] in ("{", "[") and re.match(r"[{\[]\s*[\"\[{\]}\d-]", text) and '"' in text[:200]:
        return Kind("", "a JSON file")
    return Kind("table")


def _tell_markup(text: str) -> Kind | None:
    bare = re.sub(r"<!--.*?-->|<\?.*?\?>|<!DOCTYPE[^\[>]*(\[.*?\])?\s*>", "", text, flags=re.DOTALL | re.IGNORECASE)
    root = _ROOT.search(bare)
    name = root[1].lower() if root else ""
    if name == "html" or text[:14].lower() == "<!doctype html":
        return Kind("", "an HTML page")
    if name == "svg":
        return Kind("", "an SVG image")
    if not root and not text.startswith("<?xml"):
        return None if text.startswith("<?") else Kind("table")
    return Kind("", f"an XML file ({_ROOTS.get(name) or (f'root {root[1][:40]}' if root else 'without a root')})")
