"""What predict says of other tasks than the Challenge's: their own classes by their own names, or a number."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from ecg12.cache.reader import Store
from ecg12.commands.predict import predict as command
from ecg12.ecg.errors import ConfigError, InputError
from ecg12.ecg.scores.challenge_csv import Prediction, parse_prediction
from ecg12.ecg.tasks.class_names import ClassNames
from ecg12.ecg.tasks.named import named_task
from ecg12.models import load_model
from ecg12.pipeline.pictures.plot import plot
from ecg12.pipeline.prediction.explain_config import ExplainConfig
from ecg12.pipeline.prediction.gain_sweep import sweep_gains
from ecg12.pipeline.prediction.output_files import PredictionFiles, RecordFacts
from ecg12.pipeline.prediction.predict import make_predictor, predict
from ecg12.pipeline.runs.predicted_folder import NUMBER_COLUMNS, TABLE, TABLE_COLUMNS, open_predicted
from ecg12.recordings import read_recording
from tests.records import pulses_uv, write_record

RHYTHMS = ("sinus", "af", "block")


@pytest.fixture
def record(tmp_path: Path) -> Path:
    return write_record(tmp_path / "in", "ecg", pulses_uv(5000, seed=4))


def table_of(folder: Path) -> list[dict[str, str]]:
    with (folder / TABLE).open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_model_answers_in_its_own_classes_alone(task_runs: dict[str, Path], record: Path, tmp_path: Path) -> None:
    predict([record], tmp_path / "out", task_runs["rhythm"], json_path=tmp_path / "out.json")
    found = parse_prediction((tmp_path / "out" / "ecg.csv").read_text(), strict=True)
    assert found.codes == RHYTHMS
    rows = table_of(tmp_path / "out")
    assert tuple(rows[0]) == TABLE_COLUMNS
    assert [(row["class"], row["name"]) for row in rows] == [
        ("sinus", "any sinus rhythm"),
        ("af", "fibrillation, or flutter"),
        ("block", "block"),
    ]
    (one,) = json.loads((tmp_path / "out.json").read_text())["records"]
    assert [entry["abbreviation"] for entry in one["classes"]] == ["SINUS", "AF/AFL", "block"]
    assert [entry["name"] for entry in one["classes"]] == [row["name"] for row in rows]


def test_one_of_many_has_one_label(task_runs: dict[str, Path], simulated: Path, tmp_path: Path) -> None:
    predict([simulated / "Training_PTB"], tmp_path / "out", task_runs["sex"])
    rows = table_of(tmp_path / "out")
    by_record: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        by_record.setdefault(row["record"], []).append(row)
    for own in by_record.values():
        assert [row["class"] for row in own] == ["female", "male"]
        assert sum(row["label"] == "1" for row in own) == 1
        assert max(own, key=lambda row: float(row["score"]))["label"] == "1"
        assert sum(float(row["score"]) for row in own) == pytest.approx(1, abs=1e-6)


def test_a_number_has_a_unit_and_no_label(task_runs: dict[str, Path], simulated_store: Path, tmp_path: Path) -> None:
    summary = predict([simulated_store], tmp_path / "out", task_runs["age"], json_path=tmp_path / "out.json")
    assert [path.name for path in (tmp_path / "out").glob("*.csv")] == [TABLE]
    rows = table_of(tmp_path / "out")
    assert tuple(rows[0]) == NUMBER_COLUMNS
    assert {row["record"] for row in rows} == set(Store(simulated_store).ids)
    assert {(row["number"], row["name"], row["unit"]) for row in rows} == {("age", "age", "years")}
    values = [float(row["value"]) for row in rows]
    assert 20 < min(values) < max(values) < 100
    assert summary.n_records == len(rows) == 80
    records = json.loads((tmp_path / "out.json").read_text())["records"]
    assert "classes" not in records[0]
    assert [one["numbers"][0]["unit"] for one in records] == ["years"] * 80
    told = {one["record"]: one["numbers"][0]["value"] for one in records}
    np.testing.assert_allclose([told[row["record"]] for row in rows], values, rtol=1e-6)


def test_numbers_are_replaced_by_what_is_predicted_next(
    task_runs: dict[str, Path], record: Path, tmp_path: Path
) -> None:
    predict([record], tmp_path / "out", task_runs["age"])
    with pytest.raises(InputError, match="holds CSV files already"):
        predict([record], tmp_path / "out", task_runs["sex"])
    predict([record], tmp_path / "out", task_runs["sex"], force=True)
    assert tuple(table_of(tmp_path / "out")[0]) == TABLE_COLUMNS
    predict([record], tmp_path / "out", task_runs["age"], force=True)
    assert [path.name for path in (tmp_path / "out").glob("*.csv")] == [TABLE]


def test_the_command_says_it_in_words(task_runs: dict[str, Path], record: Path, tmp_path: Path) -> None:
    said = CliRunner().invoke(
        command, [str(record), "--output", str(tmp_path / "out"), "--model", str(task_runs["age"])]
    )
    (row,) = table_of(tmp_path / "out")
    assert f"ecg: age {float(row['value']):.4g} years\n" in said.output


def test_a_number_at_every_gain(task_runs: dict[str, Path], record: Path, tmp_path: Path) -> None:
    sweep_gains([record], tmp_path / "out", task_runs["age"])
    values = [float(table_of(folder)[0]["value"]) for folder in (tmp_path / "out").iterdir() if folder.is_dir()]
    assert len(values) == 3
    assert max(values) - min(values) < 1e-2  # normalised by amplitude


def test_models_of_the_same_number_predict_as_one(task_runs: dict[str, Path], record: Path, tmp_path: Path) -> None:
    predict([record], tmp_path / "alone", task_runs["age"])
    predict([record], tmp_path / "out", [task_runs["age"], task_runs["age"]])
    alone, together = table_of(tmp_path / "alone"), table_of(tmp_path / "out")
    assert float(together[0]["value"]) == pytest.approx(float(alone[0]["value"]), abs=1e-3)


@pytest.mark.parametrize("other", ["sex", "rhythm"])
def test_a_number_and_classes_have_no_mean(task_runs: dict[str, Path], other: str) -> None:
    with pytest.raises(ConfigError, match=f"models of tasks age, {other} cannot predict as one"):
        make_predictor([task_runs["age"], task_runs[other]])


def test_models_of_other_classes_are_joined_without_the_challenges(
    task_runs: dict[str, Path], record: Path, tmp_path: Path
) -> None:
    predict([record], tmp_path / "out", [task_runs["rhythm"], task_runs["sex"]])
    found = parse_prediction((tmp_path / "out" / "ecg.csv").read_text(), strict=True)
    assert found.codes == (*RHYTHMS, "female", "male")
    assert table_of(tmp_path / "out")[1]["name"] == "fibrillation, or flutter"


def test_with_a_challenge_model_all_its_columns_are_there(
    run: Path, task_runs: dict[str, Path], record: Path, tmp_path: Path
) -> None:
    predict([record], tmp_path / "out", [task_runs["rhythm"], run])
    found = parse_prediction((tmp_path / "out" / "ecg.csv").read_text(), strict=True)
    assert found.codes == (*named_task("challenge2020").columns, *RHYTHMS)


@pytest.mark.parametrize("asked", ["AF/AFL", "af", "Fibrillation, or Flutter"])
def test_a_class_is_explained_by_any_of_its_names(
    task_runs: dict[str, Path], record: Path, tmp_path: Path, asked: str
) -> None:
    wanted = ExplainConfig(classes=(asked,), n_steps=4, form="svg")
    predict([record], tmp_path / "out", task_runs["rhythm"], explain=wanted)
    with np.load(tmp_path / "out" / "explained" / "ecg.npz") as found:
        assert (list(found["classes"]), list(found["abbreviations"])) == (["af"], ["AF/AFL"])
    assert (tmp_path / "out" / "explained" / "ecg.AF_AFL.svg").is_file()


def test_a_class_that_the_task_has_not_is_refused_by_its_names(
    task_runs: dict[str, Path], record: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="no class CRBBB; expected some of SINUS, AF/AFL, block"):
        predict([record], tmp_path / "out", task_runs["rhythm"], explain=ExplainConfig(classes=("CRBBB",)))


def test_a_number_is_explained_without_being_asked_for(
    task_runs: dict[str, Path], record: Path, tmp_path: Path
) -> None:
    summary = predict([record], tmp_path / "out", task_runs["age"], explain=ExplainConfig(n_steps=8, form="svg"))
    assert (summary.n_explained, summary.n_unexplained) == (1, 0)
    with np.load(tmp_path / "out" / "explained" / "ecg.npz") as found:
        value = float(table_of(tmp_path / "out")[0]["value"])
        assert float(found["score"][0]) == pytest.approx(value, abs=1e-2)
        total = float(found["score_without_signal"][0] + found["attribution"].astype(np.float64).sum())
        assert total == pytest.approx(value, abs=float(abs(found["gap"][0])) + 1e-2)
    assert (tmp_path / "out" / "explained" / "ecg.age.svg").is_file()


def test_python_has_the_tasks_names(task_runs: dict[str, Path], record: Path) -> None:
    given = read_recording(record)
    model = load_model(task_runs["rhythm"])
    assert model.class_names == ("any sinus rhythm", "fibrillation, or flutter", "block")
    found = model.predict(given)
    assert (found.classes, found.class_names, found.unit) == (RHYTHMS, model.class_names, None)
    assert tuple(found.to_frame().columns) == TABLE_COLUMNS
    age = load_model(task_runs["age"]).predict(given)
    frame = age.to_frame()
    assert (age.unit, tuple(frame.columns)) == ("years", NUMBER_COLUMNS)
    assert frame["value"].tolist() == age.scores.ravel().tolist()


def test_the_caption_beside_curves_has_the_tasks_names(
    task_runs: dict[str, Path], record: Path, tmp_path: Path
) -> None:
    for name, said in (("rhythm", "any sinus rhythm"), ("age", "years")):
        predict([record], tmp_path / name, task_runs[name])
        opened = open_predicted(tmp_path / name)
        found = opened.read("ecg")
        words = opened.names.format_number(found.codes[0], found.scores[0])
        assert said in (words if name == "age" else " ".join(map(opened.names.name_of, found.codes)))
        summary = plot([str(record)], tmp_path / "pictures" / name, predictions=tmp_path / name, form="svg")
        assert (len(summary.written), summary.rejects) == (1, ())


def test_a_table_of_numbers_that_is_damaged_is_refused(record: Path, tmp_path: Path) -> None:
    (tmp_path / TABLE).write_text(",".join(NUMBER_COLUMNS) + "\necg,age,age,old,years,\n")
    with pytest.raises(InputError, match=r"predictions\.csv: cannot be read .*expected the table that predict writes"):
        plot([str(record)], tmp_path / "pictures", predictions=tmp_path)


def test_a_number_without_a_unit_and_names_with_commas(tmp_path: Path) -> None:
    facts = RecordFacts(record="a,b", source="s", file="a.hea", fs=500, duration_s=10)
    names = ClassNames((named_task("age"),))
    with PredictionFiles(tmp_path / "out", (None,), names=names, table=False) as writer:
        writer.write(Prediction("a,b", ("age",), (0,), (41.25,)), facts)
        writer.finish([])
    assert open_predicted(tmp_path / "out").read("a,b").scores == (41.25,)
