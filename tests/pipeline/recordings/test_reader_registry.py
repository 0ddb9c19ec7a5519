"""Every kind of file gives back the samples that were written into it, and says what it lacks or what is wrong."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from ecg12.ecg.errors import ConfigError, EcgError, LeadError, SignalError
from ecg12.ecg.signals.leads import LEADS
from ecg12.ecg.signals.quality import LeadFlag
from ecg12.ecg.signals.recording import Recording
from ecg12.pipeline.formats.bare_arrays import read_mat, read_npy
from ecg12.pipeline.formats.dicom.reading import read_dicom
from ecg12.pipeline.formats.edf.reading import read_edf
from ecg12.pipeline.formats.text_tables.reading import names_leads, read_table
from ecg12.pipeline.formats.told_by_user import InputConfig
from ecg12.pipeline.formats.wfdb.reading import read_wfdb
from ecg12.pipeline.recordings.find_recordings import find_inputs
from ecg12.pipeline.recordings.reader_registry import read_complete
from tests.pipeline.formats.files import write_dicom, write_edf, write_table
from tests.records import mat_bytes, pulses_uv, write_record

SIGNAL = pulses_uv(1500, seed=3)
NOTHING = InputConfig()
ALL = InputConfig(fs=500, units="mV", leads=("standard",))
BACKWARDS = tuple(reversed(LEADS))


def check(recording: Recording, signal=SIGNAL, *, leads=LEADS, fs: float = 500, atol: float = 1e-3) -> None:
    assert (recording.leads, recording.fs) == (leads, fs)
    assert recording.signal_uv.dtype == np.float32
    np.testing.assert_allclose(recording.signal_uv, signal, atol=atol)


def test_wfdb(tmp_path: Path) -> None:
    check(read_wfdb(write_record(tmp_path, "ecg", SIGNAL)), atol=0)


def test_wfdb_needs_only_its_standard_leads_calibrated(tmp_path: Path) -> None:
    header = write_record(tmp_path, "ecg", SIGNAL[:3], leads=("II", "resp", "I"))
    header.write_text(
        header.read_text().replace("1000/mV 16 0", "0/mV 16 0", 2).replace("0/mV 16 0", "1000/mV 16 0", 1)
    )
    assert " 0/mV" in header.read_text()
    check(read_wfdb(header), SIGNAL[[2, 0]], leads=("I", "II"))


@pytest.mark.parametrize("form", ["record ecg, signal {number}", "", "Ch{number}"])
def test_wfdb_whose_header_names_no_lead_wants_to_be_told(tmp_path: Path, form: str) -> None:
    """`record x, signal 0` is what wrsamp writes where nobody names the signals."""
    header = write_record(tmp_path, "ecg", SIGNAL)
    lines = header.read_text().splitlines()
    lines[1:13] = [
        f"{line.rsplit(maxsplit=1)[0]} {form.format(number=number)}" for number, line in enumerate(lines[1:13])
    ]
    header.write_text("\n".join(lines) + "\n")
    (found,) = find_inputs([header], NOTHING)
    for told in (NOTHING, InputConfig(missing_leads="zero")):
        with pytest.raises(LeadError, match="expected "):
            read_complete(found, LEADS, told, "ecg")
    recording = read_wfdb(header, InputConfig(leads=("standard",)))
    check(recording, atol=0)
    assert [note.partition(";")[0] for note in recording.notes] == ["leads taken as told"] * bool(form)
    with pytest.raises(LeadError, match="ecg: 12 signals; expected 2, as --leads names"):
        read_wfdb(header, InputConfig(leads=("I", "II")))


def test_wfdb_by_the_lead_names_of_other_kinds_of_file(tmp_path: Path) -> None:
    header = write_record(tmp_path, "ecg", SIGNAL, leads=[f"Ableitung {lead}" for lead in LEADS])
    check(read_wfdb(header), atol=0)
    check(read_wfdb(header, InputConfig(leads=BACKWARDS)), atol=0)  # a file's own names count


def test_wfdb_without_a_frequency_wants_to_be_told(tmp_path: Path) -> None:
    header = write_record(tmp_path, "ecg", SIGNAL)
    record_line, *rest = header.read_text().splitlines()
    header.write_text("\n".join([" ".join(record_line.split()[:2]), *rest]) + "\n")
    with pytest.raises(SignalError, match="ecg: states no sampling frequency; tell it with --fs"):
        read_wfdb(header)
    check(read_wfdb(header, InputConfig(fs=250)), fs=250, atol=0)


def test_told_units_are_taken_where_a_wfdb_header_has_none_and_never_undo_its_gain(tmp_path: Path) -> None:
    header = write_record(tmp_path, "ecg", SIGNAL)
    assert "1000/mV" in header.read_text()
    recording = read_wfdb(header, InputConfig(units="uV"))
    check(recording, atol=0)
    assert recording.notes == (
        "units taken as mV, as the header's gain has them; --units is for files without such a gain",
    )
    assert read_wfdb(header, InputConfig(units="mV")).notes == ()
    header.write_text(header.read_text().replace("1000/mV", "1/adu"))
    recording = read_wfdb(header, InputConfig(units="uV"))
    check(recording, atol=0)
    assert recording.notes == ("units taken as uV, as told; the header states 'adu'",)
    with pytest.raises(SignalError, match="units 'adu' not understood"):
        read_wfdb(header)


def write_segments(folder: Path) -> Path:
    """A record in two segments of 700 and 500 samples with a gap of 300 between them."""
    first, second = write_record(folder, "w_0001", SIGNAL[:, :700]), write_record(folder, "w_0002", SIGNAL[:, 1000:])
    assert first.exists()
    assert second.exists()
    header = folder / "w.hea"
    header.write_text("w/3 12 500 1500\nw_0001 700\n~ 300\nw_0002 500\n# Age: 50\n")
    return header


def test_wfdb_in_several_segments(tmp_path: Path) -> None:
    recording = read_wfdb(write_segments(tmp_path))
    expected = SIGNAL.astype(float)
    for row in expected:
        row[700:1000] = np.interp(np.arange(700, 1000), [699, 1000], row[[699, 1000]])
    check(recording, expected, atol=0.01)
    assert (recording.lead_flags & LeadFlag.INVALID).all()
    (found,) = find_inputs([tmp_path], NOTHING)
    assert found.path.name == "w.hea"
    (tmp_path / "w_0002.mat").unlink()
    with pytest.raises(SignalError, match=r"w_0002: signal file w_0002\.mat: No such file"):
        read_wfdb(tmp_path / "w.hea")


@pytest.mark.parametrize("sign", [",", ";", "\t"])
def test_table_that_says_all(tmp_path: Path, sign: str) -> None:
    path = write_table(tmp_path / "ecg.csv", SIGNAL[::-1], BACKWARDS, head="# fs: 500\n# units: mV\n\n", sign=sign)
    check(read_table(path, NOTHING), SIGNAL[::-1], leads=BACKWARDS)
    assert names_leads(path)


def test_table_with_decimal_commas(tmp_path: Path) -> None:
    path = write_table(tmp_path / "ecg.csv", SIGNAL, sign=";")
    path.write_text(path.read_text().replace(".", ","))
    check(read_table(path, ALL))


def test_table_with_units_in_its_names_and_a_column_of_time(tmp_path: Path) -> None:
    time = np.arange(1500) * 2000  # written in thousandths: milliseconds
    path = write_table(tmp_path / "ecg.csv", np.vstack([time, SIGNAL]), ["time (ms)", *(f"{n} [mV]" for n in LEADS)])
    check(read_table(path, NOTHING))


def test_table_as_rdsamp_writes_it(tmp_path: Path) -> None:
    path = write_table(tmp_path / "ecg.csv", np.vstack([np.arange(1500) * 2, SIGNAL]), ["'Elapsed time'", *LEADS])
    first, rest = path.read_text().split("\n", 1)
    path.write_text(f"{first}\n'seconds',{','.join(['mV'] * 12)}\n{rest}")
    check(read_table(path, NOTHING))


def test_table_without_names_wants_to_be_told(tmp_path: Path) -> None:
    path = write_table(tmp_path / "ecg.csv", SIGNAL)
    path.write_text(path.read_text().split("\n", 1)[1])
    assert not names_leads(path)
    check(read_table(path, ALL))
    for told, message in (
        (NOTHING, "does not name its 12 leads; tell them with --leads"),
        (InputConfig(leads=("I", "II")), "12 columns; expected 2, for leads I, II"),
        (InputConfig(leads=("standard",)), "states no sampling frequency; tell it with --fs"),
        (InputConfig(leads=("standard",), fs=500), "lead I: states no units; tell them with --units mV, uV or V"),
    ):
        with pytest.raises(SignalError, match=f"ecg.*{message}"):
            read_table(path, told)


def test_empty_cells_are_missing_samples(tmp_path: Path) -> None:
    path = write_table(tmp_path / "ecg.csv", SIGNAL[:2], ("I", "II"))
    lines = path.read_text().split("\n")
    lines[11] = ",nan"
    path.write_text("\n".join(lines))
    recording = read_table(path, ALL)
    expected = SIGNAL[:2].astype(float)
    expected[:, 10] = expected[:, [9, 11]].mean(axis=1)
    check(recording, expected, leads=("I", "II"))
    assert (recording.lead_flags & LeadFlag.INVALID).all()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty; expected a line of lead names"),
        ("I,II\n", "no line of samples below the names"),
        ("I,II\n1,2\n1\n", "line 3: 1 cells; expected 2"),
        ("I,II\n1,2\n1,two\n", "line 3: 'two' in column 2; expected a number"),
        ("vx,vy\n1,2\n3,4\n", "columns vx, vy; expected some of I, II"),
        ("I,II,V1\n1,2\n3,4\n", "3 names above 2 columns"),
        ("I,I\n1,2\n3,4\n", "lead I occurs 2 times"),
        ("I (furlongs)\n1\n2\n", "lead I: units 'furlongs' not understood"),
        ("# fs: fast\nI\n1\n2\n", "fs 'fast' in a comment; expected a positive number of Hz"),
        ("time (s),I\n0,1\n0.1,2\n0.2,2\n0.3,4\n5,3\n", "times are not evenly spaced"),
        ("I,II\nnan,\n,\n", "no valid sample in any lead"),
        ("I,II\n1e30,2\n1,2\n", "lead I: 1e.27 V; expected at most 1000 V"),
    ],
)
def test_table_says_what_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "ecg.csv"
    path.write_text(text)
    told = InputConfig(fs=500) if "furlongs" in text else InputConfig(fs=500, units="mV")
    told = InputConfig(units="mV") if "time" in text or "fast" in text else told
    with pytest.raises(SignalError, match=message):
        read_table(path, told).complete(("I",))


@pytest.mark.parametrize("turned", [False, True])
def test_npy(tmp_path: Path, turned: bool) -> None:
    np.save(tmp_path / "ecg.npy", SIGNAL.T / 1000 if turned else SIGNAL / 1000)
    check(read_npy(tmp_path / "ecg.npy", ALL))
    with pytest.raises(SignalError, match="ecg: does not name its 12 leads"):
        read_npy(tmp_path / "ecg.npy", NOTHING)


def test_npy_says_what_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "ecg.npy"
    for array, message in (
        (np.zeros(5), r"float64 of shape \(5,\); expected numbers in two dimensions"),
        (np.array([["a"]]), "expected numbers in two dimensions"),
        (np.zeros((5, 7)), "5 columns; expected 12"),
    ):
        np.save(path, array)
        with pytest.raises(SignalError, match=message):
            read_npy(path, ALL)
    np.save(path, SIGNAL)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(SignalError, match=r"ecg\.npy: 35,990 bytes of samples; expected 36,000"):
        read_npy(path, ALL)
    np.save(path, np.array([{}]), allow_pickle=True)
    with pytest.raises(SignalError, match="cannot be read as a NumPy array"):
        read_npy(path, ALL)


def test_mat_without_a_header(tmp_path: Path) -> None:
    path = tmp_path / "ecg.mat"
    told = InputConfig(fs=500, units="uV", leads=("standard",))
    path.write_bytes(mat_bytes(SIGNAL))
    check(read_mat(path, told))
    savemat(path, {"signal": SIGNAL.T, "fs": "500"})
    check(read_mat(path, told))
    savemat(path, {"a": SIGNAL, "b": SIGNAL})
    with pytest.raises(SignalError, match=r"ecg\.mat: holds a, b; expected one table of samples, or `val`"):
        read_mat(path, told)


def test_told_is_checked() -> None:
    for values, message in (
        ({"fs": 0}, "fs is 0; expected a positive number"),
        ({"units": "kg"}, "units 'kg' not understood; expected mV, uV or V"),
        ({"leads": ("x", "y")}, "leads are x, y; expected some of I, II"),
        ({"missing_leads": "guess"}, "missing_leads is 'guess'; expected error or zero"),
    ):
        with pytest.raises(ConfigError, match=re.escape(message)):
            InputConfig(**values)
    told = InputConfig(fs=500, units="mV", leads=("I", "II"))
    assert InputConfig.from_dict(told.to_dict()) == told


def refusal_of(work: Callable[[], object]) -> str | None:
    """The text of the EcgError that some work raises, None if it raises nothing; anything else comes out."""
    try:
        work()
    except EcgError as error:
        return str(error)
    return None


@pytest.mark.parametrize("kind", ["edf", "bdf", "dcm", "csv", "npy", "mat", "hea"])
def test_damaged_files_are_named_and_nothing_else_is_raised(tmp_path: Path, kind: str) -> None:
    """Bytes flipped, cut out and put in, at places that a seed tells: an EcgError or a recording, no third thing."""
    write = {
        "edf": lambda path: write_edf(path, SIGNAL[:, :500]),
        "bdf": lambda path: write_edf(path, SIGNAL[:, :500]),
        "dcm": lambda path: write_dicom(path, SIGNAL[:, :500]),
        "csv": lambda path: write_table(path, SIGNAL[:, :50], head="# fs: 500\n# units: mV\n"),
        "npy": lambda path: np.save(path, SIGNAL[:, :500]),
        "mat": lambda path: savemat(path, {"val": SIGNAL[:, :500]}, do_compression=True),
        "hea": lambda path: write_record(tmp_path, "ecg", SIGNAL[:, :500]),
    }
    read = {"edf": read_edf, "bdf": read_edf, "dcm": read_dicom, "csv": read_table, "npy": read_npy, "mat": read_mat}
    path = tmp_path / f"ecg.{kind}"
    write[kind](path)
    content, random = path.read_bytes(), np.random.default_rng(0)
    n_refused = 0
    for _ in range(150):
        damaged = bytearray(content)
        where = int(random.integers(min(len(content), 4000) if random.random() < 0.8 else len(content)))
        way = random.integers(3)
        if way == 0:
            damaged[where : where + int(random.integers(1, 9))] = random.bytes(int(random.integers(1, 9)))
        elif way == 1:
            del damaged[where : where + int(random.integers(1, 3000))]
        else:
            damaged[where] ^= 1 << int(random.integers(8))
        path.write_bytes(damaged)
        refusal = refusal_of(lambda: read_wfdb(path) if kind == "hea" else read[kind](path, ALL))
        assert refusal is None or "\n" not in refusal
        n_refused += refusal is not None
    assert n_refused > 10
