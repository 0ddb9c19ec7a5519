"""What counts as a recording in a folder, what it is called, and what a tarball may hold."""

import io
import os
import tarfile
from pathlib import Path

import numpy as np
import pytest

from ecg12.ecg.errors import InputError
from ecg12.pipeline.formats.told_by_user import InputConfig
from ecg12.pipeline.recordings.find_recordings import find_inputs, is_tarball, name_inputs
from ecg12.pipeline.recordings.set_aside import NotLookedAt, describe_aside
from ecg12.pipeline.recordings.tarballs import unpacked
from tests.pipeline.formats.files import write_dicom, write_edf, write_table
from tests.records import pulses_uv, write_record

SIGNAL = pulses_uv(500)
NOTHING = InputConfig()


def kinds_of(*inputs: Path, told: InputConfig = NOTHING) -> dict[str, str]:
    return {name: found.kind for name, found in name_inputs(find_inputs(inputs, told))}


def test_a_folder_of_everything(tmp_path: Path) -> None:
    write_record(tmp_path / "wfdb" / "g1", "A0001", SIGNAL)
    write_edf(tmp_path / "holter" / "one.EDF", SIGNAL)
    write_edf(tmp_path / "holter" / "two.bdf", SIGNAL)
    write_dicom(tmp_path / "pacs" / "three.dcm", SIGNAL)
    write_dicom(tmp_path / "pacs" / "IM0001", SIGNAL)
    write_table(tmp_path / "four.csv", SIGNAL)
    (tmp_path / "patients.csv").write_text("record,patient_id\nA0001,7\n")
    (tmp_path / "RECORDS").write_text("A0001\n")
    (tmp_path / ".hidden.csv").write_text("I,II\n1,2\n")
    (tmp_path / "pacs" / "DICOMDIR").write_bytes((tmp_path / "pacs" / "IM0001").read_bytes())
    np.save(tmp_path / "weights.npy", np.zeros(3))
    expected = {"A0001": "wfdb", "one": "edf", "two": "edf", "three": "dicom", "IM0001": "dicom", "four": "table"}
    assert kinds_of(tmp_path) == expected
    # told what bare arrays hold, they count
    bare = {"weights": "npy"}
    assert kinds_of(tmp_path, told=InputConfig(fs=500)) == expected | bare


def test_bare_arrays_count_where_there_is_nothing_else(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", SIGNAL)
    assert kinds_of(tmp_path) == {"a": "npy"}
    (tmp_path / "b.mat").write_bytes(b"")
    assert kinds_of(tmp_path) == {"a": "npy", "b": "mat"}


def test_single_recordings_by_whatever_name(tmp_path: Path) -> None:
    write_record(tmp_path, "A0001", SIGNAL)
    for name in ("A0001", "A0001.hea", "A0001.mat"):
        assert kinds_of(tmp_path / name) == {"A0001": "wfdb"}
    assert kinds_of(tmp_path / "A0001", tmp_path) == {"A0001": "wfdb"}  # by two ways, once
    write_dicom(tmp_path / "nameless", SIGNAL)
    write_edf(tmp_path / "x.edf", SIGNAL).rename(tmp_path / "x.rec")
    write_table(tmp_path / "y.asc", SIGNAL)
    assert kinds_of(tmp_path / "nameless", tmp_path / "x.rec", tmp_path / "y.asc") == {
        "nameless": "dicom",
        "x.rec": "edf",
        "y.asc": "table",
    }


def test_same_names_are_told_apart_by_folder_then_by_suffix(tmp_path: Path) -> None:
    for folder in ("p1", "p2"):
        write_record(tmp_path / folder, "ecg", SIGNAL)
    write_edf(tmp_path / "p2" / "ecg.edf", SIGNAL)
    write_edf(tmp_path / "other.edf", SIGNAL)
    assert set(kinds_of(tmp_path)) == {"p1/ecg", "p2/ecg.hea", "p2/ecg.edf", "other"}
    for number in (1, 2):
        write_record(tmp_path / f"in{number}" / "same", "ecg", SIGNAL)
    with pytest.raises(InputError, match=r"a second same/ecg\.hea in the inputs; name one input at a time"):
        kinds_of(tmp_path / "in1", tmp_path / "in2")


def test_links_that_go_in_circles_end(tmp_path: Path) -> None:
    write_record(tmp_path / "data", "A0001", SIGNAL)
    os.symlink(tmp_path / "data", tmp_path / "data" / "again")
    assert kinds_of(tmp_path / "data") == {"A0001": "wfdb"}


def test_nothing_to_find_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no recording there; expected WFDB headers"):
        kinds_of(tmp_path)
    with pytest.raises(InputError, match="nowhere: does not exist; expected a store, a folder of recordings"):
        kinds_of(tmp_path / "nowhere")


@pytest.mark.parametrize("suffix", ["tar", "tar.gz", "tgz", "tar.bz2", "tar.xz"])
def test_tarball(tmp_path: Path, suffix: str) -> None:
    write_record(tmp_path / "in" / "deep" / "down", "A0001", SIGNAL)
    write_edf(tmp_path / "in" / "x.edf", SIGNAL)
    archive, mode = tmp_path / f"all.{suffix}", {"tgz": "gz"}.get(suffix, suffix.removeprefix("tar").removeprefix("."))
    with tarfile.open(archive, f"w:{mode}") as tar:
        tar.add(tmp_path / "in", ".")
    assert is_tarball(archive)
    with unpacked([archive, tmp_path / "in"], tmp_path / "new" / "out") as (folder, unchanged):
        assert unchanged == tmp_path / "in"
        assert kinds_of(folder) == {"A0001": "wfdb", "x": "edf"}
        assert next(iter(find_inputs([folder], NOTHING))).source == "all"
        assert folder.is_relative_to(tmp_path / "new" / "out")
    assert not list((tmp_path / "new" / "out").iterdir())


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, 4 if kind == tarfile.REGTYPE else 0
    return info


@pytest.mark.parametrize(
    ("info", "message"),
    [
        (member("../evil"), r"'\.\./evil': leads out of the tarball's own folder"),
        (member("/tmp/evil-absolute"), "'/tmp/evil-absolute': leads out of"),
        (member("link", tarfile.SYMTYPE, "/etc"), "'link': a link, a device or another special member"),
        (member("hard", tarfile.LNKTYPE, "A0001"), "'hard': a link, a device or another special member"),
        (member("pipe", tarfile.FIFOTYPE), "'pipe': a link, a device or another special member"),
    ],
)
def test_a_tarball_that_reaches_out_is_refused(tmp_path: Path, info: tarfile.TarInfo, message: str) -> None:
    archive = tmp_path / "evil.tar"
    with tarfile.open(archive, "w") as tar:
        tar.addfile(member("fine"), io.BytesIO(b"fine"))
        tar.addfile(info, io.BytesIO(b"evil") if info.size else None)
    (tmp_path / "out").mkdir()
    with pytest.raises(InputError, match=message), unpacked([archive], tmp_path / "out"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["evil.tar", "out"] or not list((tmp_path / "out").iterdir())
    assert not list((tmp_path / "out").iterdir())
    assert not Path("/tmp/evil-absolute").exists()


def test_a_tarball_that_is_cut_short_or_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_record(tmp_path / "in", "A0001", SIGNAL)
    archive = tmp_path / "all.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(tmp_path / "in", ".")
    content = archive.read_bytes()
    archive.write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=r"all\.tar\.gz: not a whole tarball \(.*\); fetch it again"):
        with unpacked([archive], tmp_path):
            pass
    archive.write_bytes(content)
    monkeypatch.setattr("ecg12.pipeline.recordings.tarballs.SPARE_BYTES", 2**60)
    with pytest.raises(InputError, match="does not fit the disk of"), unpacked([archive], tmp_path):
        pass


def test_what_is_no_recording_is_counted_with_what_it_is(tmp_path: Path) -> None:
    write_record(tmp_path / "in", "A0001", SIGNAL)
    (tmp_path / "in" / "A0001.qrs").write_bytes(b"\x01\x02")  # the record's own
    write_record(tmp_path / "in", "s100", SIGNAL)
    header = tmp_path / "in" / "s100.hea"
    (tmp_path / "in" / "s100.mat").rename(tmp_path / "in" / "samples_of_100.mat")
    header.write_text(header.read_text().replace("s100.mat", "samples_of_100.mat"))
    write_table(tmp_path / "in" / "tables" / "named.txt", SIGNAL)
    for name, content in {
        "a.xml": b"<?xml version='1.0'?><RestingECG>",
        "b.pdf": b"%PDF-1.7",
        "README": b"see the paper\n",
        ".DS_Store": b"\0\0\0\1Bud1",
        "._A0001.csv": b"\0\5\26\7",
        "tables/broken.csv": b"no,names\nof,leads\n",
        "tables/numbers.txt": b"1 2 3\n4 5 6\n",
        "bare.mat": b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM",
        "old.zarr/zarr.json": b"{}",
        "old.zarr/c/0": b"chunk",
    }.items():
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    os.mkfifo(tmp_path / "in" / "pipe.csv")
    aside: list[NotLookedAt] = []
    found = find_inputs([tmp_path / "in"], NOTHING, aside)
    assert {one.relative for one in found} == {"A0001.hea", "s100.hea", "tables/named.txt"}
    assert {one.relative: one.reason for one in aside} == {
        "a.xml": "XML file (GE MUSE)",
        "b.pdf": "PDF",
        "README": "text",
        ".DS_Store": "hidden file",
        "._A0001.csv": "hidden file",
        "tables/broken.csv": "table without lead names",
        "tables/numbers.txt": "text",
        "bare.mat": "bare .mat array",
        "old.zarr": "store, to be named itself",
        "pipe.csv": "FIFO",
    }
    assert [one.relative for one in aside] == sorted(one.relative for one in aside)
    assert describe_aside(aside).startswith("10 files not looked at: 2 hidden file, 2 text, 1 ")
    assert describe_aside(aside).endswith(f"(the first are {', '.join(one.relative for one in aside[:3])})")
    # what is named itself is not set aside, nor is what the user tells about
    again: list[NotLookedAt] = []
    found = find_inputs([tmp_path / "in", tmp_path / "in" / "tables" / "numbers.txt"], InputConfig(fs=500), again)
    assert {"tables/broken.csv", "bare.mat", "numbers.txt"} <= {one.relative for one in found}
    assert {one.relative for one in aside} - {one.relative for one in again} == {
        "tables/broken.csv",
        "bare.mat",
        "tables/numbers.txt",
    }


def test_a_folder_without_recordings_says_what_it_holds(tmp_path: Path) -> None:
    for number in range(8):
        (tmp_path / f"{number}.xml").write_bytes(b"<restingecgdata>")
    message = (
        r"no recording there; .* \(8 files not looked at: 8 XML file \(Philips SierraECG\) \(the first are 0\.xml, "
    )
    with pytest.raises(InputError, match=message):
        kinds_of(tmp_path)
    assert describe_aside([]) == ""
