"""Files are what their bytes say, and what is not read is named as what it is."""

import bz2
import gzip
import io
import json
import lzma
import os
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from ecg12.ecg.errors import SignalError
from ecg12.pipeline.formats.file_kinds import READ, kind_of, tell_kind
from ecg12.pipeline.formats.told_by_user import InputConfig
from ecg12.pipeline.recordings.find_recordings import find_inputs
from ecg12.pipeline.recordings.reader_registry import read_input
from tests.pipeline.formats.files import write_dicom, write_edf, write_table
from tests.records import mat_bytes, pulses_uv

SIGNAL = pulses_uv(500)
MUSE = '<?xml version="1.0" encoding="ISO-8859-1"?>\n<!DOCTYPE RestingECG SYSTEM "restecg.dtd">\n<RestingECG>\n'
PHILIPS = '<?xml version="1.0" encoding="UTF-16"?>\n<restingecgdata xmlns="http://www3.medical.philips.com">\n'
AECG = '<?xml version="1.0"?><!-- made by a <device> --><hl7:AnnotatedECG xmlns:hl7="urn:hl7-org:v3"/>'


def npz() -> bytes:
    file = io.BytesIO()
    np.savez(file, SIGNAL)
    return file.getvalue()


def zipped(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, "content")
    return file.getvalue()


def image(form: str) -> bytes:
    file = io.BytesIO()
    Figure(figsize=(1, 1)).savefig(file, format=form)
    return file.getvalue()


SCP = struct.pack("<HIHHIBB6s", 0x1234, 9000, 0x4321, 0, 136, 20, 20, b"SCPECG")
OTHERS = {
    "XML file (GE MUSE)": MUSE.encode(),
    "XML file (Philips SierraECG)": PHILIPS.encode("utf-16"),
    "XML file (HL7 aECG)": AECG.encode(),
    "XML file (root note)": b"\xef\xbb\xbf<note>hello</note>",
    "HTML page": b"<!DOCTYPE html>\n<html><head>",
    "SVG image": image("svg"),
    "PNG image": image("png"),
    "PDF": image("pdf"),
    "HDF5 file": b"\x89HDF\r\n\x1a\n" + bytes(64),
    "MATLAB 7.3 file (HDF5)": b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + bytes(384) + b"\x89HDF\r\n\x1a\n",
    "NumPy .npz archive": npz(),
    "Excel workbook": zipped("[Content_Types].xml", "xl/workbook.xml"),
    "Word document": zipped("[Content_Types].xml", "word/document.xml"),
    "zip archive": zipped("a.hea", "a.mat"),
    "file compressed by gzip": gzip.compress(bytes(range(256)) * 9),
    "file compressed by bzip2": bz2.compress(b"I,II"),
    "file compressed by xz": lzma.compress(b"I,II"),
    "ISHNE Holter ECG": b"ISHNE1.0" + bytes(600),
    "ISHNE Holter annotations": b"ANN  1.0" + bytes(600),
    "SCP-ECG file": SCP + bytes(200),
    "Parquet table": b"PAR1" + bytes(20),
    "Python pickle": pickle.dumps({"signal": [1, 2]}),
    "JSON file": json.dumps({"signal": [1, 2]}, indent=1).encode(),
    "old Word or Excel document": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500),
    "binary data of an unknown kind": SIGNAL.astype("<i2").tobytes()[7:],
    "empty file": b"",
    "nothing but zero bytes": bytes(1000),
}


@pytest.mark.parametrize("words", OTHERS)
@pytest.mark.parametrize("suffix", ["", ".xml", ".csv"])
def test_kinds_that_are_not_read_are_named(tmp_path: Path, words: str, suffix: str) -> None:
    path = tmp_path / f"ecg{suffix}"
    path.write_bytes(OTHERS[words])
    assert (kind_of(path).reader, kind_of(path).short) == ("", words)
    (found,) = find_inputs([path], InputConfig())
    with pytest.raises(SignalError, match=r"\Aecg") as caught:
        read_input(found, InputConfig(fs=500, units="mV", leads=("standard",)), "ecg")
    assert "\n" not in str(caught.value)
    if found.kind == "other":
        assert words in str(caught.value)
        assert str(caught.value).endswith(f"not read: expected {READ}")


def test_files_are_taken_by_their_bytes_whatever_they_are_called(tmp_path: Path) -> None:
    write_edf(tmp_path / "a.edf", SIGNAL).rename(tmp_path / "a.txt")
    write_edf(tmp_path / "b.bdf", SIGNAL).rename(tmp_path / "b.dat")
    write_dicom(tmp_path / "c.dcm", SIGNAL).rename(tmp_path / "c.bin")
    content = (tmp_path / "c.bin").read_bytes()
    (tmp_path / "d").write_bytes(content[132:])  # as PACS exports it without preamble
    write_table(tmp_path / "e.csv", SIGNAL, head="# fs: 500\n# units: mV\n").rename(tmp_path / "e.dat")
    np.save(tmp_path / "f.npy", SIGNAL)
    (tmp_path / "f.npy").rename(tmp_path / "f.data")
    (tmp_path / "g.bin").write_bytes(mat_bytes(SIGNAL))
    kinds = {"a.txt": "edf", "b.dat": "edf", "c.bin": "dicom", "d": "dicom", "e.dat": "table", "f.data": "npy"}
    kinds["g.bin"] = "mat"
    for name, kind in kinds.items():
        (found,) = find_inputs([tmp_path / name], InputConfig())
        assert found.kind == kind, name
    told = InputConfig(fs=500, units="uV", leads=("standard",))
    assert {one.relative: one.kind for one in find_inputs([tmp_path], told)} == kinds
    for name in ("a.txt", "b.dat", "c.bin", "e.dat", "f.data", "g.bin"):
        (found,) = find_inputs([tmp_path / name], told)
        signal = read_input(found, told if name[0] in "fg" else InputConfig(), name).signal_uv
        np.testing.assert_allclose(signal, SIGNAL, atol=0.01)


def test_what_is_no_regular_file_is_named_and_never_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.csv")
    assert kind_of(tmp_path / "a.csv").words == "a FIFO"
    assert kind_of("/dev/zero").words == "a device"
    with (tmp_path / "b.csv").open("wb") as file:
        file.truncate(2**40)
    assert kind_of(tmp_path / "b.csv").words.startswith("states 1,099,511,627,776 bytes")
    for name in ("a.csv", "b.csv"):
        (found,) = find_inputs([tmp_path / name], InputConfig())
        with pytest.raises(SignalError, match=rf"{name}: (a FIFO|states 1,099)"):
            read_input(found, InputConfig(), "x")


def test_beginnings_that_tell_nothing_raise_nothing() -> None:
    random = np.random.default_rng(2)
    for words, content in OTHERS.items():
        for length in range(min(len(content), 40)):
            assert tell_kind(content[:length], "x").words or tell_kind(content[:length], "x").reader, words
    for _ in range(300):
        kind = tell_kind(random.bytes(int(random.integers(1, 600))), "x")
        assert kind.reader or kind.words
