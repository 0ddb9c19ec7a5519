"""Models of other tasks than the Challenge's as one file: what it answers, what it says of itself, and its card."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ecg12.ecg.tasks.named import named_task
from ecg12.ecg.tasks.reading import parse_task
from ecg12.ecg.tasks.task import NumberRange
from ecg12.ecg.tasks.writing import format_task
from ecg12.pipeline.export import torch_file
from ecg12.pipeline.export.card import format_card
from ecg12.pipeline.export.export import ExportSummary, export
from ecg12.pipeline.export.provenance import Provenance
from ecg12.pipeline.prediction.predict import predict
from ecg12.pipeline.runs.predicted_folder import open_predicted
from tests.pipeline.export.test_provenance import AGREEMENT, FACTS
from tests.records import pulses_uv, write_record


def facts_of(path: Path) -> dict[str, str]:
    extra = {torch_file.EXTRA: ""}
    torch.export.load(path, extra_files=extra)
    return json.loads(extra[torch_file.EXTRA])


def export_program(run: Path, store: Path, output: Path) -> ExportSummary:
    return export(run, output, stores=[store], recordings=True)


def test_a_number_as_onnx(task_runs: dict[str, Path], simulated_store: Path, tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    summary = export(task_runs["age"], tmp_path / "age.onnx", stores=[simulated_store])
    assert summary.agreement.difference < 1e-6
    assert summary.agreement.n_labels_apart == 0
    session = onnxruntime.InferenceSession(summary.output, providers=["CPUExecutionProvider"])
    facts = session.get_modelmeta().custom_metadata_map
    assert json.loads(facts["classes"]) == [
        {"code": "age", "abbreviation": "age", "name": "age", "threshold": None, "unit": "years"}
    ]
    assert facts["task"] == (task_runs["age"] / "task.toml").read_text()
    signal = pulses_uv(4000, seed=5)
    write_record(tmp_path / "in", "ecg", signal, fs=400)
    predict([tmp_path / "in"], tmp_path / "out", task_runs["age"])
    window = np.full((1, 12, 4096), np.nan, np.float32)
    window[0, :, 48:4048] = signal / 1000
    scores, labels = session.run(None, {"signal": window})
    assert scores[0, 0] == pytest.approx(open_predicted(tmp_path / "out").read("ecg").scores[0], abs=1e-3)
    assert labels.tolist() == [[0]]
    card = summary.card.read_text()
    assert "\n# age.onnx: Age in years from ECGs\n" in card
    assert "gives the age in years of each\nrecording" in card
    assert "| mean absolute error, years |" in card
    assert "of records from 0 to 130 years" in card
    assert not [word for word in ("hallenge metric", "SNOMED", "diagnoses", "hreshold") if word in card]


def test_one_of_many_as_a_program(task_runs: dict[str, Path], simulated_store: Path, tmp_path: Path) -> None:
    summary = export_program(task_runs["sex"], simulated_store, tmp_path / "sex.pt2")
    assert (summary.agreement.difference < 1e-6, summary.agreement.n_labels_apart) == (True, 0)
    facts = facts_of(summary.output)
    assert [one["code"] for one in json.loads(facts["classes"])] == ["female", "male"]
    assert facts["decision"] == "The label of the class with the largest score is 1, that of every other is 0."
    assert parse_task(facts["task"], where="file").codes == ("female", "male")
    card = summary.card.read_text()
    assert "a score and a label for each of\n2 classes" in card
    assert "| male | male | male | – | male |" in card
    assert "Learned from what records state as sex" in card
    assert "every recording is given one of them" in card


def test_an_own_task_travels_with_its_file(task_runs: dict[str, Path], simulated_store: Path, tmp_path: Path) -> None:
    summary = export_program(task_runs["rhythm"], simulated_store, tmp_path / "rhythm.pt2")
    facts = facts_of(summary.output)
    task = parse_task(facts["task"], where="file")
    assert format_task(task) == facts["task"] == (task_runs["rhythm"] / "task.toml").read_text()
    card = summary.card.read_text()
    assert "- Task `rhythm`: Rhythm in three groups; each class for itself" in card
    assert "- Source: Nobody, A journal of rhythms 1 (2020) 1." in card
    assert "| af | AF/AFL | fibrillation, or flutter |" in card
    assert "| snomed-ct:164889003, snomed-ct:164890007 |" in card
    assert "hallenge metric" not in card


def card_of(task: str, **changes: str) -> str:
    return format_card("model.onnx", FACTS | {"task": task} | changes, Provenance(), AGREEMENT)


def test_a_card_tells_likelihood_split_and_records() -> None:
    card = card_of(format_task(named_task("ptbxl-superdiagnostic")))
    assert "- Official split by fold: training 1, 2, 3, 4, 5, 6, 7, 8; validation 9; test 10." in card
    assert "Strodthoff" in card
    assert "any code of scp-ecg" in card or "one of the classes" in card


def test_a_card_of_what_is_left_of_a_vocabulary() -> None:
    card = card_of(format_task(named_task("normal-abnormal")))
    assert "one of the classes, always" in card


def test_held_out_figures_are_the_tasks() -> None:
    held_out = {
        "n_records": 20,
        "scores": {"mae": 9.5, "rmse": 12.25, "r2": 0.25, "n_known": 20},
        "intervals": {"macro": {"mae": [0.0, 11.0]}},
    }
    number = replace(named_task("age"), number=NumberRange(unit="", centre=0.0, scale=1.0))
    known = Provenance(held_out=held_out)
    card = format_card("model.onnx", FACTS | {"task": format_task(number)}, known, AGREEMENT)
    assert "| mean absolute error | 9.500 | 0.000 to 11.000 |" in card
    assert "| R², share of the variance that is told | 0.250 | – |" in card


def test_a_part_of_a_cross_validation_says_what_all_of_it_came_to() -> None:
    part = {"n_records": 10, "scores": {"auroc": 0.75}}
    known = Provenance(held_out={"n_records": 20, "scores": {"auroc": 0.8, "auprc": 0.6}}, held_out_part=part)
    card = format_card("model.onnx", FACTS | {"task": format_task(named_task("sex"))}, known, AGREEMENT)
    assert "| AUROC, macro | 0.750 | – |" in card
    assert "(20) give an AUROC of 0.800 and an AUPRC of 0.600." in card
