"""The Challenge's interface, as the organisers use it: other programs, elsewhere, with challenge/ on their path."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat

from ecg12.ecg.errors import SignalError
from ecg12.ecg.labels.snomed import SCORED_CODES
from ecg12.ecg.scores.challenge_csv import parse_prediction
from ecg12.pipeline.prediction.predict import predict
from tests.conftest import REPOSITORY, TINY
from tests.records import pulses_uv, write_record

CHALLENGE = REPOSITORY / "challenge"
ORGANISERS = Path(__file__).with_name("organisers_driver.py")


def run_program(cwd: Path, program: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(CHALLENGE), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(program), *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120)


def read(folder: Path) -> dict[str, object]:
    return {path.stem: parse_prediction(path.read_text(), strict=True) for path in folder.glob("*.csv")}


@pytest.fixture
def records(tmp_path: Path) -> Path:
    """Five records in one folder, one of them flat, one of two windows and one whose header states a wrong gain."""
    for number in range(1, 4):
        write_record(tmp_path / "in", f"A000{number}", pulses_uv(3000 * number, seed=number))
    write_record(tmp_path / "in", "Q0400", np.zeros((12, 4000), np.int16))
    write_record(tmp_path / "in", "E00001", pulses_uv(5000, seed=5), gain="4880/mV", stated_name="E00001.mat")
    return tmp_path / "in"


def test_the_organisers_driver_gets_what_predict_gives(run: Path, records: Path, tmp_path: Path) -> None:
    done = run_program(tmp_path, ORGANISERS, run, records, tmp_path / "theirs")
    assert done.returncode == 0, done.stderr
    shutil.copytree(run, tmp_path / "mdl")
    done = run_program(tmp_path, CHALLENGE / "driver.py", "in", "ours")
    assert (done.returncode, done.stdout) == (0, "Done. 5 records.\n"), done.stderr
    theirs, ours = read(tmp_path / "theirs"), read(tmp_path / "ours")
    assert theirs.keys() == ours.keys() == {"A0001", "A0002", "A0003", "Q0400", "E00001"}
    for name, one in theirs.items():
        assert (one.record_name, one.codes) == (name, SCORED_CODES)
        assert one.labels == ours[name].labels
        np.testing.assert_allclose(one.scores, ours[name].scores, atol=1e-5)


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch):
    """The modules of challenge/, imported as the organisers' programs do."""
    monkeypatch.syspath_prepend(CHALLENGE)
    import run_12ECG_classifier
    import train_12ECG_classifier

    return run_12ECG_classifier, train_12ECG_classifier


def test_driver_says_what_is_wrong(
    modules, run: Path, records: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    import driver
    import train_model

    monkeypatch.chdir(tmp_path)
    (records / "A0001.mat").write_bytes(b"short")
    assert driver.main([str(run), "in", "out"]) == 1
    assert "skipped A0001: A0001: A0001.mat has 5 bytes; expected" in capsys.readouterr().err
    assert len(read(tmp_path / "out")) == 4
    assert driver.main(["nowhere", "in", "out"]) == 1
    assert capsys.readouterr().err == "Error: nowhere: no such run folder; run train, or name another with --model\n"
    for name, main in (("driver", driver.main), ("train_model", train_model.main)):
        assert main(["one"]) == 2
        assert capsys.readouterr().err.startswith(f"usage: {name}.py ")
    assert train_model.main(["nowhere", "new"]) == 1
    assert "Error: nowhere: does not exist" in capsys.readouterr().err


def test_the_image_runs_the_driver_where_the_challenge_mounts_its_folders() -> None:
    lines = (REPOSITORY / "Dockerfile").read_text().splitlines()
    assert "WORKDIR /physionet" in lines
    assert lines[-1] == 'CMD ["python", "driver.py", "model", "test_data", "test_outputs"]'
    copied = {line.split()[1] for line in lines if line.startswith("COPY ")}
    ignored = (REPOSITORY / ".dockerignore").read_text().splitlines()
    assert "challenge" in copied
    assert all(f"!{name}" in ignored for name in copied)


def test_missing_leads_are_derived_or_zero_and_bad_samples_are_named(modules, run: Path, capsys) -> None:
    classifier, _ = modules
    signal = pulses_uv(5000, seed=2).astype(float)
    head = ["ward 4 500 5000\n"]
    leads = ("I", "II", "V1", "V2")
    lines = head + [f"ward.mat 16+24 1000/mV 16 0 0 0 0 {lead}\n" for lead in leads]
    model = classifier.load_12ECG_model(run)
    labels, scores, classes = classifier.run_12ECG_classifier(signal[[0, 1, 6, 7]], lines, model)
    assert (len(labels), len(scores), classes) == (27, 27, list(SCORED_CODES))
    assert capsys.readouterr().err == "ward: lead V3, V4, V5, V6 missing, taken as zeros\n"
    with pytest.raises(SignalError, match="ward: samples that are no whole numbers of 32 bits"):
        classifier.run_12ECG_classifier(signal[:4] / 3, lines, model)
    with pytest.raises(SignalError, match=r"ward: samples of shape \(3, 5000\); expected \(4, samples\)"):
        classifier.run_12ECG_classifier(signal[:3], lines, model)


def test_training_copies_the_ready_made_and_adds_one(
    modules, run: Path, records: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    _, training = modules
    shutil.copytree(run, tmp_path / "mdls" / "mdl1")
    (tmp_path / "mdls" / "README").write_text("not a folder")
    monkeypatch.chdir(tmp_path)
    training.train_12ECG_classifier("in", "out", options={"epochs": 1, "valid_batch_size": 8}, model_options={**TINY})
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["mdl1", "mdl_last"]
    told = capsys.readouterr().out
    assert "copied out/mdl1" in told or f"copied {tmp_path / 'out' / 'mdl1'}" in told
    assert "5 records read, 0 rejected" in told
    config = json.loads((tmp_path / "out" / "mdl_last" / "config.json").read_text())["train"]
    assert (config["seed"], config["output_layer"], config["valid_split"]) == (1122, "challenge_sigmoid", 0.0)
    assert config["save_last"] is True
    # a folder of run folders is a model
    predict([records], tmp_path / "predictions", tmp_path / "out", table=False)
    assert set(read(tmp_path / "predictions")) == {"A0001", "A0002", "A0003", "E00001"}


@pytest.mark.shared
@pytest.mark.parametrize(
    "name", ["resnet_linear_sigmoid", "resnet_lstm_sigmoid", "flipping_resnet", "april_lstm_resnet"]
)
def test_models_of_the_reference_system_answer_as_they_did(modules, shared: Path, name: str) -> None:
    classifier, _ = modules
    folder = shared / "fixtures" / "reference_models" / name
    records = json.loads((folder / "expected.json").read_text())["records"]
    model = classifier.load_12ECG_model(folder)
    for record in list(records)[::5]:
        path = shared / "data" / "challenge2020" / record
        data = np.asarray(loadmat(f"{path}.mat")["val"], np.float64)
        header_lines = Path(f"{path}.hea").read_text().splitlines(keepends=True)
        labels, scores, classes = classifier.run_12ECG_classifier(data, header_lines, model)
        assert labels.tolist() == records[record]["labels"], record
        expected = records[record]["scores"]
        by_class = dict(zip(classes, scores, strict=True)) if isinstance(expected, dict) else dict(enumerate(scores))
        expected = expected if isinstance(expected, dict) else dict(enumerate(expected))
        for key, score in expected.items():
            assert by_class[key] == pytest.approx(score, rel=1e-4)
