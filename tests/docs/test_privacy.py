"""docs/privacy.md says what of a patient is left behind, and what is kept where: both are looked for in the bytes."""

import json
from collections.abc import Iterator
from pathlib import Path

import edfio
import pydicom
import pytest
import zarr
from click.testing import CliRunner

from ecg12.commands import main as program
from ecg12.pipeline.recordings.patient_groups import patient_group
from tests.docs.pages import ROOT, program_words, steps_of
from tests.docs.running import TINY_NET
from tests.pipeline.formats.files import write_dicom, write_edf, write_table
from tests.records import pulses_uv, write_record

LEFT = ("Zyxander", "4711-08-15", "24/12/1999", "24-DEC-1999", "19991224")
"""A name, a number and a day that stand wherever a file has room for such; nothing may be left of them."""

KEPT = "angina of Zyxwife"
"""What stands in Dx is kept, for somebody may have to mend it."""

GIVEN_AWAY = {"model.pth", "config.json", "classes.json", "thresholds.json", "out_layer.txt", "correction_factor.txt"}


def run(*words: object) -> None:
    result = CliRunner().invoke(program.main, [str(word) for word in words], prog_name="python cli.py")
    assert result.exit_code == 0, result.output


def write_all(folder: Path) -> None:
    """Twelve WFDB records to train on, and one of other kinds each, with all that hospitals write into them."""
    for number in range(12):
        dx = KEPT if number == 7 else ("426783006", "164889003")[number % 2]
        header = write_record(folder / "ward", f"ward-{number}", pulses_uv(2000, seed=number), dx=dx, age="61")
        first, *rest = header.read_text().splitlines()
        said = ["#Name: Zyxander", "#Patient ID: 4711-08-15", "#Rx: by Dr Zyxander", "# seen on 24/12/1999"]
        header.write_text("\n".join([f"{first} 10:11:12 24/12/1999", *rest, *said]) + "\n")
    rows = [f"ward-{number},4711-08-15-{number // 2}" for number in range(12)]
    (folder / "patients.csv").write_text("\n".join(["record,patient_id,name", *(f"{row},Zyxander" for row in rows)]))
    others = folder / "others"
    patient = edfio.Patient(code="4711-08-15", name="Zyxander", sex="F", additional=("24-DEC-1999",))
    write_edf(others / "edf.edf", pulses_uv(2000, seed=20), patient=patient)
    write_dicom(others / "dicom.dcm", pulses_uv(2000, seed=21))
    dataset = pydicom.dcmread(others / "dicom.dcm")
    dataset.PatientName, dataset.PatientID, dataset.StudyDate = "Zyxander", "4711-08-15", "19991224"
    dataset.InstitutionName, dataset.ReferringPhysicianName = "Zyxander", "Zyxander"
    dataset.save_as(others / "dicom.dcm")
    head = "# patient: Zyxander\n# id: 4711-08-15\n# fs: 500\n# units: mV\n"
    write_table(others / "table.csv", pulses_uv(2000, seed=22), head=head)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which everything was done with such records."""
    folder = tmp_path_factory.mktemp("privacy")
    write_all(folder / "in")
    ward, others, out = folder / "in" / "ward", folder / "in" / "others", folder / "out"
    store, model = out / "ecg.zarr", out / "run"
    run("build-cache", ward, "--output", store, "--patients", folder / "in" / "patients.csv", "--workers", 1)
    train = f"--epochs 1 --max-windows-per-record 1 --precision fp32 {TINY_NET}".split()
    run("train", store, "--folder", model, *train)
    explain = "--explain top --explain-steps 1 --explain-format svg".split()
    predict = ("--model", model, "--precision", "fp32", "--output")
    run("predict", ward, others, *predict, out / "predictions", "--json", out / "all.json")
    run("predict", others / "edf.edf", *predict, out / "explained", *explain)
    run("plot", ward, others, "--format", "svg", "--output", out / "plots")
    run("report", model, "--examples", 1)
    run("report", store)
    return folder


def texts_of(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """Every file below a folder, and the texts in a store, which are compressed."""
    for path in folder.rglob("*"):
        if path.is_file():
            yield path, path.read_bytes()
    for path in folder.glob("*.zarr"):
        root = zarr.open_group(path, mode="r")
        for name, array in root.members(max_depth=None):
            if isinstance(array, zarr.Array) and array.dtype.kind in "TUO":
                yield path / name, "\n".join(map(str, array[:])).encode()


def test_names_numbers_and_days_of_patients_are_nowhere(work: Path) -> None:
    read = [body for _, body in texts_of(work / "in")]
    assert all(any(word.encode() in body for body in read) for word in LEFT)
    looked_at = 0
    for path, body in texts_of(work / "out"):
        looked_at += 1
        assert [word for word in LEFT if word.encode() in body] == [], path
    assert looked_at > 60


def test_what_the_page_says_is_kept_is_there(work: Path) -> None:
    root = zarr.open_group(work / "out" / "ecg.zarr", mode="r")
    assert "ward-3" in root["record/name"][:]
    assert root["record/age"][0] == 61
    assert KEPT in json.dumps(root.attrs["remarks"])
    row = list(root["record/name"][:]).index("ward-3")
    assert root["record/group"][row] == patient_group("ward", "4711-08-15-1")  # who knows the ids can hash them, too
    model = work / "out" / "run"
    assert "ward-" in (model / "train_ids.txt").read_text() + (model / "valid_ids.txt").read_text()
    assert str(work / "out" / "ecg.zarr") in (model / "environment.json").read_text()
    told = {one["record"]: one for one in json.loads((work / "out" / "all.json").read_text())["records"]}
    assert (told["dicom"]["age"], told["dicom"]["sex"], told["edf"]["sex"]) == (45, "Female", "Female")
    assert "age" not in (work / "out" / "predictions" / "predictions.csv").read_text().partition("\n")[0]


def test_a_model_that_is_given_away_names_no_record_and_no_place(work: Path) -> None:
    commands = [step.words for step in steps_of(ROOT / "docs" / "privacy.md") if step.kind == "command"]
    copied = next(words[1:-1] for words in commands if words[0] == "cp")
    assert {Path(name).name for name in copied} == GIVEN_AWAY
    assert any(program_words(words) for words in commands), "the page predicts with what is left"
    model = work / "out" / "run"
    assert {path.name for path in model.iterdir()} > GIVEN_AWAY
    for name in GIVEN_AWAY:
        body = (model / name).read_bytes()
        assert b"ward-" not in body, name
        assert str(work).encode() not in body, name
