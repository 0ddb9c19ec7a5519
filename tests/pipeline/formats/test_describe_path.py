import gzip
import os
import tarfile

import numpy as np
import pytest

from ecg12.ecg.errors import InputError
from ecg12.pipeline.formats.describe_path import describe_what_is_there
from ecg12.pipeline.formats.wfdb.find_headers import find_records
from tests.records import write_record


def test_a_file_that_is_there_is_called_what_it_is(tmp_path):
    write_record(tmp_path, "X")
    with tarfile.open(tmp_path / "data.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "X.hea", "X.hea")
    with tarfile.open(tmp_path / "nameless", "w") as tar:
        tar.add(tmp_path / "X.hea", "X.hea")
    (tmp_path / "X.hea.gz").write_bytes(gzip.compress(b"X 12 500"))
    (tmp_path / "a.edf").write_bytes(b"0       " + b" " * 300)
    (tmp_path / "export").write_bytes(bytes(128) + b"DICM")
    (tmp_path / "b.csv").write_text("I,II\n1,2\n")
    np.save(tmp_path / "c.npy", np.zeros(3))
    np.savez(tmp_path / "c.npz", np.zeros(3))
    (tmp_path / "d.mat").write_bytes(b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM")
    (tmp_path / "e.ecg").write_bytes(b"ISHNE1.0" + bytes(500))
    (tmp_path / "f").touch()
    expected = {
        "none": "does not exist; expected a folder of WFDB records, or a record",
        "X.hea/none": "does not exist; expected",
        "data.tar.gz": "a tarball: unpack it first (tar -xf data.tar.gz), and name the folder; predict reads it",
        "nameless": "a tarball: unpack it first",
        "X.hea.gz": "a file compressed by gzip; expected a folder of WFDB records, or a record (.hea with its",
        "a.edf": "an EDF or BDF file; expected a folder of WFDB records, or a record (.hea with its signal files); p",
        "export": "a DICOM file; expected",
        "b.csv": "a table; expected",
        "c.npy": "a NumPy array; expected",
        "c.npz": "a NumPy .npz archive: save each array with numpy.save; expected",
        "d.mat": "a .mat file without a WFDB header; expected",
        "e.ecg": "an ISHNE Holter ECG; expected",
        "f": "an empty file; expected",
    }
    found = {name: describe_what_is_there(tmp_path / name) for name in expected}
    assert {name: text[: len(expected[name])] for name, text in found.items()} == expected
    for name in expected:
        with pytest.raises(InputError) as caught:
            find_records([tmp_path / name])
        assert str(caught.value) == f"{tmp_path / name}: {found[name]}"


def test_a_folder_without_records_is_told_by_what_it_holds(tmp_path):
    assert describe_what_is_there(tmp_path).endswith("signal files beside (it is empty)")
    for name in ("a.edf", "b.EDF", "deep/c.csv", "d"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert describe_what_is_there(tmp_path).endswith("beside (it holds 2 .edf, 1 without a suffix, 1 .csv)")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="a system without FIFOs")
def test_a_fifo_is_called_one(tmp_path):
    os.mkfifo(tmp_path / "X.hea")
    with pytest.raises(InputError, match=r"X\.hea: a FIFO; expected a folder of WFDB records, or a record"):
        find_records([tmp_path / "X.hea"])


def test_a_record_in_capitals_is_found(tmp_path):
    path = write_record(tmp_path, "X")
    path.rename(tmp_path / "X.HEA")
    (tmp_path / "X.mat").rename(tmp_path / "X.MAT")
    for given in (tmp_path, tmp_path / "X.HEA", tmp_path / "X", tmp_path / "X.MAT"):
        (found,) = find_records([given])
        assert (found.path, found.relative) == (tmp_path / "X.HEA", "X")
