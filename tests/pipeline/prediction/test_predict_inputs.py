"""Prediction on any kind of input: the same ECG gives the same scores, and what is odd about a recording is said."""

import csv
import json
import os
import tarfile
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from ecg12.cache.schema import StoreConfig
from ecg12.ecg.errors import ConfigError, InputError, SignalError
from ecg12.ecg.labels.snomed import SCORED_CODES
from ecg12.ecg.scores.challenge_csv import Prediction, parse_prediction
from ecg12.ecg.signals.leads import LEADS
from ecg12.ecg.signals.recording import Recording
from ecg12.pipeline.formats.told_by_user import InputConfig
from ecg12.pipeline.formats.wfdb.reading import read_wfdb
from ecg12.pipeline.ingest.build_cache import build_cache
from ecg12.pipeline.pictures.plot import plot
from ecg12.pipeline.prediction import read_ahead
from ecg12.pipeline.prediction.output_files import PredictionFiles, RecordFacts
from ecg12.pipeline.prediction.output_folder import TABLE, TABLE_COLUMNS, WORK
from ecg12.pipeline.prediction.predict import make_predictor, predict
from ecg12.pipeline.recordings.find_recordings import FoundInput
from tests.pipeline.formats.files import write_dicom, write_edf, write_table
from tests.records import pulses_uv, write_record

SIGNAL = pulses_uv(5000, seed=4)


def read(folder: Path) -> dict[str, Prediction]:
    paths = [path for path in folder.rglob("*.csv") if path.name != TABLE]
    return {path.stem: parse_prediction(path.read_text(), strict=True) for path in paths}


def read_table(folder: Path) -> dict[str, list[dict[str, str]]]:
    """Rows of predictions.csv by record."""
    rows: dict[str, list[dict[str, str]]] = {}
    with (folder / TABLE).open(newline="") as file:
        reader = csv.DictReader(file)
        assert tuple(reader.fieldnames or ()) == TABLE_COLUMNS
        for row in reader:
            rows.setdefault(row["record"], []).append(row)
    return rows


def test_one_ecg_in_every_form_gets_the_same_scores(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    write_record(folder, "wfdb", SIGNAL)
    write_edf(folder / "edf.edf", SIGNAL)
    write_edf(folder / "bdf.bdf", SIGNAL[::-1], LEADS[::-1])
    write_dicom(folder / "dicom.dcm", SIGNAL, median_beat=True)
    write_table(folder / "table.csv", SIGNAL, head="# fs: 500\n# units: mV\n")
    np.save(tmp_path / "array.npy", SIGNAL / 1000)
    limb = [0, 1, *range(6, 12)]
    write_edf(folder / "eight.edf", SIGNAL[limb], [LEADS[row] for row in limb])
    summary = predict([folder], tmp_path / "out", run)
    assert (summary.n_records, summary.rejects, summary.doubts, summary.notes) == (6, (), (), ())
    told = InputConfig(fs=500, units="mV", leads=("standard",))
    predict([tmp_path / "array.npy"], tmp_path / "alone", run, told=told)
    predictions = read(tmp_path / "out") | read(tmp_path / "alone")
    for name, prediction in predictions.items():
        # derived leads differ by the rounding that the recorded ones went through
        atol = 0.01 if name == "eight" else 1e-4
        np.testing.assert_allclose(prediction.scores, predictions["wfdb"].scores, atol=atol, err_msg=name)
    assert read_table(tmp_path / "out")["eight"][0]["quality"] == "derived: III aVR aVL aVF"
    assert read_table(tmp_path / "out")["edf"][0]["quality"] == ""


def test_a_tarball_is_predicted_as_its_folder_and_leaves_nothing(simulated: Path, run: Path, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "all.tar.gz", "w:gz") as tar:
        tar.add(simulated / "Training_CPSC", "Training_CPSC")
    predict([simulated / "Training_CPSC"], tmp_path / "folder", run)
    predict([tmp_path / "all.tar.gz"], tmp_path / "tar", run)
    assert read(tmp_path / "folder") == read(tmp_path / "tar")
    assert not [path for path in (tmp_path / "tar").iterdir() if path.suffix != ".csv"]


def test_table_and_json_say_the_same_as_the_files(simulated: Path, run: Path, tmp_path: Path) -> None:
    write_record(tmp_path / "bad", "broken", SIGNAL[:3], leads=("I", "II", "III"))
    json_path = tmp_path / "new" / "all.json"
    summary = predict([simulated / "Training_PTB", tmp_path / "bad"], tmp_path / "out", run, json_path=json_path)
    predictions, table = read(tmp_path / "out"), read_table(tmp_path / "out")
    written = json.loads(json_path.read_text())
    assert written["model"] == str(run)
    assert [one["record"] for one in written["skipped"]] == ["broken"]
    assert written["skipped"][0]["reason"] == summary.rejects[0].reason
    assert {one["record"] for one in written["records"]} == predictions.keys() == table.keys()
    thresholds = make_predictor(run).thresholds
    for one in written["records"]:
        prediction, rows = predictions[one["record"]], table[one["record"]]
        assert tuple(entry["code"] for entry in one["classes"]) == prediction.codes == SCORED_CODES
        assert tuple(row["class"] for row in rows) == prediction.codes
        assert tuple(entry["label"] for entry in one["classes"]) == prediction.labels
        assert tuple(int(row["label"]) for row in rows) == prediction.labels
        np.testing.assert_allclose([entry["score"] for entry in one["classes"]], prediction.scores, atol=1e-7)
        assert [np.float32(row["score"]) for row in rows] == [np.float32(score) for score in prediction.scores]
        assert [float(row["threshold"]) for row in rows] == list(thresholds)
        assert one["fs"] == 1000
        assert one["duration_s"] > 0
    assert not list(tmp_path.rglob("*.partial"))


def test_the_patient_of_a_store_is_the_one_of_its_files(run: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for number, sex in enumerate(("Female", "Male", None)):
        write_record(tmp_path / "in", f"p{number}", pulses_uv(5000, seed=number), age=50 + number, sex=sex)
    build_cache([tmp_path / "in"], tmp_path / "s.zarr", StoreConfig(chunk_length=8192))
    said = []
    for name in ("in", "s.zarr"):
        predict([tmp_path / name], tmp_path / f"of {name}", run, json_path=tmp_path / "all.json")
        records = json.loads((tmp_path / "all.json").read_text())["records"]
        said.append({one["record"]: (one["sex"], one["age"]) for one in records})
    assert said[0] == said[1] == {"p0": ("Female", 50), "p1": ("Male", 51), "p2": (None, 52)}


def test_missing_leads_are_an_error_or_zeros_and_said(run: Path, tmp_path: Path) -> None:
    write_edf(tmp_path / "in" / "three.edf", SIGNAL[[0, 1, 7]], ["I", "II", "V2"])
    write_record(tmp_path / "in", "fine", SIGNAL)
    summary = predict([tmp_path / "in"], tmp_path / "out", run)
    assert summary.n_records == 1
    assert "three: lead V1, V3, V4, V5, V6 missing" in summary.rejects[0].reason
    summary = predict([tmp_path / "in"], tmp_path / "out2", run, told=InputConfig(missing_leads="zero"))
    assert summary.n_records == 2
    quality = read_table(tmp_path / "out2")["three"][0]["quality"]
    assert quality == "derived: III aVR aVL aVF; zeros: V1 V3 V4 V5 V6"


def test_flat_recordings_are_skipped_unless_asked_for(run: Path, tmp_path: Path) -> None:
    write_record(tmp_path / "in", "flat", np.full((12, 5000), 7, np.int16))
    write_record(tmp_path / "in", "fine", SIGNAL)
    build_cache([tmp_path / "in"], tmp_path / "ecg.zarr", StoreConfig())
    for given in (tmp_path / "in", tmp_path / "ecg.zarr"):
        summary = predict([given], tmp_path / f"out-{given.name}", run)
        assert summary.n_records == 1
        assert summary.rejects[0].reason.startswith("flat: no deflection in any lead; there is nothing to tell")
        kept = predict([given], tmp_path / f"kept-{given.name}", run, told=InputConfig(keep_flat=True))
        assert (kept.n_records, kept.rejects) == (2, ())


def test_units_a_thousand_times_off_are_doubted(run: Path, tmp_path: Path) -> None:
    write_table(tmp_path / "in" / "volts.csv", SIGNAL / 1000, head="# fs: 500\n# units: mV\n")
    np.save(tmp_path / "micro.npy", SIGNAL)
    told = InputConfig(fs=500, units="mV", leads=("standard",))
    summary = predict([tmp_path / "in", tmp_path / "micro.npy"], tmp_path / "out", run, told=told)
    assert summary.n_records == 2
    assert {text.split(":")[0] for text in summary.doubts} == {"micro", "volts"}
    assert all("is the unit or gain right?" in text for text in summary.doubts)


def test_every_kind_of_bad_file_is_named_and_the_others_are_predicted(run: Path, tmp_path: Path) -> None:
    """Empty, cut short, without a number, of another shape or unit: a line each, and no traceback."""
    folder = tmp_path / "in"
    write_record(folder, "fine", SIGNAL)
    write_record(folder, "nothing", np.full((12, 5000), -32768, np.int16))
    write_record(folder, "gone", SIGNAL)
    (folder / "gone.mat").unlink()
    write_record(folder, "hollow", SIGNAL)
    (folder / "hollow.mat").write_bytes(b"")
    for name in ("void.hea", "void.csv", "void.edf", "void.dcm", "void.npy"):
        (folder / name).write_bytes(b"")
    write_edf(folder / "stump.edf", SIGNAL)
    (folder / "stump.edf").write_bytes((folder / "stump.edf").read_bytes()[:3000])
    np.save(folder / "nan.npy", np.full((12, 5000), np.nan))
    np.save(folder / "cube.npy", np.zeros((3, 4, 5)))
    np.save(folder / "pickled.npy", np.array([{}], object))
    write_table(folder / "furlongs.csv", SIGNAL, head="# fs: 500\n# units: furlongs\n")
    (folder / "names.csv").write_text("# fs: 500\n# units: mV\nI,II,V1\n")
    told = InputConfig(fs=500, units="mV", leads=("standard",))
    summary = predict([folder], tmp_path / "out", run, told=told, json_path=tmp_path / "all.json")
    reasons = {reject.record: reject.reason for reject in summary.rejects}
    for name, reason in {
        "nothing": "no deflection in any lead",
        "gone": "gone.mat: No such file",
        "hollow": "hollow.mat has 0 bytes; expected 120,024",
        "void.hea": "no record line found",
        "void.csv": "empty; expected a line of lead names",
        "void.edf": "begins unlike an EDF or BDF file",
        "void.dcm": "begins unlike a DICOM file",
        "void.npy": "cannot be read as a NumPy array",
        "stump": "3,000 bytes of header for 12 channels; the file is cut short",
        "nan": "no valid sample in any lead",
        "cube": "of shape (3, 4, 5); expected numbers in two dimensions",
        "pickled": "cannot be read as a NumPy array",
        "names": "no line of samples below the names",
    }.items():
        assert reason in reasons.pop(name), name
    assert not reasons
    assert set(read(tmp_path / "out")) == {"fine", "furlongs"}
    assert summary.notes == ("furlongs: units taken as mV, as told; the file states 'furlongs'",)
    assert len(json.loads((tmp_path / "all.json").read_text())["skipped"]) == 13


def test_a_record_cannot_take_the_tables_name(run: Path, tmp_path: Path) -> None:
    write_record(tmp_path / "in", "predictions", SIGNAL)
    with pytest.raises(InputError, match="a record called predictions, whose file would be the table of all"):
        predict([tmp_path / "in"], tmp_path / "out", run)


def test_precisions_agree_to_the_third_digit(run: Path, simulated: Path, tmp_path: Path) -> None:
    for precision in ("fp32", "bf16", "auto"):
        predict([simulated / "Training_PTB"], tmp_path / precision, run, precision=precision)
    exact = read(tmp_path / "fp32")
    for precision in ("bf16", "auto"):
        for name, one in read(tmp_path / precision).items():
            np.testing.assert_allclose(one.scores, exact[name].scores, atol=0.01)
    with pytest.raises(ConfigError, match="precision is 'int8'; expected auto, fp32, bf16, fp16"):
        predict([simulated], tmp_path / "other", run, precision="int8")


def test_an_interrupted_prediction_leaves_no_table(run: Path, tmp_path: Path) -> None:
    facts = RecordFacts(record="a", source="s", file="a.hea", fs=500, duration_s=10)
    prediction = Prediction(record_name="a", codes=("1",), labels=(1,), scores=(0.5,))

    def interrupted() -> None:
        with PredictionFiles(tmp_path, (0.5,), tmp_path / "all.json") as writer:
            writer.write(prediction, facts)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert {path.name for path in tmp_path.iterdir()} == {"a.csv", WORK}


@pytest.mark.parametrize("n_records", [40, 120])
def test_reading_ahead_is_bounded(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n_records: int) -> None:
    """However many recordings there are, no more are held than some groups' worth."""
    held, most, lock = 0, 0, threading.Lock()

    def read_one(name, found, predictor, told, change):
        nonlocal held, most
        with lock:
            held += 1
            most = max(most, held)
        return RecordFacts(record=name, source="", file="", fs=500, duration_s=1), windows[:1]

    predictor = make_predictor(run)
    windows = predictor.cut_recording(read_wfdb(write_record(tmp_path, "x", SIGNAL)), 0)
    monkeypatch.setattr(read_ahead, "_read", read_one)
    names = [str(number) for number in range(n_records)]
    seen = []
    for group in read_ahead.read_groups(((name, None) for name in names), predictor, InputConfig(), batch_size=4):
        time.sleep(0.005)  # a network that is slower than reading
        seen += [facts.record for facts in group.facts]
        with lock:
            held -= len(group.facts)
    assert seen == names
    # the first, small group aside: groups ahead, one being made, one in use, and recordings ahead
    assert most <= 4 * (read_ahead.GROUPS_AHEAD + 2) + read_ahead.RECORDS_AHEAD + read_ahead.MOST_READERS


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (SignalError("a: refused"), "a: refused"),
        (MemoryError(), "takes more memory than there is; expected a recording that fits"),
        (RecursionError("too deep"), "cannot be used (RecursionError: too deep)"),
        (OSError(5, "Input/output error"), "cannot be used (OSError: [Errno 5] Input/output error)"),
        (ZeroDivisionError(), "cannot be used (ZeroDivisionError: no reason given)"),
    ],
)
def test_whatever_a_record_makes_a_reader_raise_is_said_of_it_and_the_others_are_predicted(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str
) -> None:
    for name in ("a", "b", "c"):
        write_record(tmp_path / "in", name, SIGNAL)
    real = read_ahead.read_complete

    def read_or_fail(found: FoundInput, leads: tuple[str, ...], told: InputConfig, name: str) -> Recording:
        if name == "b":
            raise error
        return real(found, leads, told, name)

    monkeypatch.setattr(read_ahead, "read_complete", read_or_fail)
    summary = predict([tmp_path / "in"], tmp_path / "out", run)
    assert [(reject.record, reject.reason) for reject in summary.rejects] == [("b", reason)]
    assert read(tmp_path / "out").keys() == {"a", "c"}


def test_ctrl_c_in_a_reader_is_no_record_s_fault(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_record(tmp_path / "in", "a", SIGNAL)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(read_ahead, "read_complete", stop)
    with pytest.raises(KeyboardInterrupt):
        predict([tmp_path / "in"], tmp_path / "out", run)
    assert not (tmp_path / "out").exists()


def test_what_is_no_recording_is_counted_and_listed(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    write_record(folder, "fine", SIGNAL)
    (folder / "muse.xml").write_text('<?xml version="1.0"?><RestingECG>')
    (folder / "notes.pdf").write_bytes(b"%PDF-1.7")
    (folder / "broken.csv").write_text("no,names\n1,x\n")
    (tmp_path / "holter.ecg").write_bytes(b"ISHNE1.0" + bytes(100))
    summary = predict([folder, tmp_path / "holter.ecg"], tmp_path / "out", run, json_path=tmp_path / "all.json")
    assert summary.n_records == 1
    assert "holter.ecg: an ISHNE Holter ECG; not read: expected WFDB" in summary.rejects[0].reason
    assert json.loads((tmp_path / "all.json").read_text())["not_looked_at"] == [
        {"file": "broken.csv", "source": "in", "reason": "table without lead names"},
        {"file": "muse.xml", "source": "in", "reason": "XML file (GE MUSE)"},
        {"file": "notes.pdf", "source": "in", "reason": "PDF"},
    ]
    assert [one.relative for one in summary.aside] == ["broken.csv", "muse.xml", "notes.pdf"]


def test_what_is_said_of_a_record_can_be_shown_whatever_names_its_file_has(run: Path, tmp_path: Path) -> None:
    """A terminal obeys what is printed; a lead called ESC [2J clears it, and a line break makes up a line."""
    folder = tmp_path / "in"
    write_record(folder, "fine", SIGNAL)
    write_record(folder, "bell\a", SIGNAL).with_suffix(".mat").unlink()
    write_record(folder, "cut", SIGNAL, mat_name="x\x1b[2J.mat")
    units = write_record(folder, "units", SIGNAL)
    units.write_text(units.read_text().replace("1000/mV", "1000/m\x1bV"))
    write_record(folder, "lead", SIGNAL, leads=[f"{lead}\x9b31m" for lead in LEADS], checksums=[7] * 12)
    for suffix in (".hea", ".mat"):
        file = write_record(tmp_path, "e", SIGNAL, gain="0").with_suffix(suffix)
        file.rename(folder / os.fsdecode(b"caf\xe9" + suffix.encode()))
    (folder / "mis\u202etaken.csv").write_text("I,II\n" + "1,x\x1b[0m\n" * 9)
    write_edf(folder / "edf.edf", SIGNAL)
    whole = (folder / "edf.edf").read_bytes()
    (folder / "esc\x1b.edf").write_bytes(whole[:252] + b"\x1b[2J" + whole[256:])
    expected = {"bell", "cut", "caf", "esc", "lead", "mis", "units"}
    told = InputConfig(fs=500, bad_checksum="flag")
    summary, drawn = predict([folder], tmp_path / "out", run, told=told), plot([str(folder)], tmp_path / "p", told=told)
    for rejects in (summary.rejects, drawn.rejects):
        assert {reject.record.partition("\\")[0] for reject in rejects} == expected
        assert all(text.isprintable() for reject in rejects for text in (reject.record, reject.reason))
        assert any(r"x\x1b[2J.mat" in reject.reason for reject in rejects)
    assert any(r"V6\x9b31m: taken although the samples do not match" in reject.reason for reject in summary.rejects)


def test_the_json_takes_no_place_of_an_input_or_a_prediction(tmp_path: Path) -> None:
    recording = tmp_path / "r.csv"
    recording.write_text("I,II\n1,2\n")
    with pytest.raises(InputError, match=r"r\.csv: is an input; expected another name for the JSON"):
        predict([recording], tmp_path / "out", tmp_path / "no-run", json_path=tmp_path / "x/../r.csv")
    for name in ("r.csv", "predictions.csv"):
        with pytest.raises(InputError, match=r"is named as a prediction in .*; expected a name that ends in \.json"):
            predict([recording], tmp_path / "out", tmp_path / "no-run", json_path=tmp_path / "out" / name)
    assert recording.read_text() == "I,II\n1,2\n"
    assert not (tmp_path / "out").exists()
