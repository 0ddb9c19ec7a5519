"""Evaluation: the official figures from files, from headers or from a store."""

import csv
import json
from pathlib import Path

import pytest

from ecg.errors import InputError
from ecg.prediction import Prediction, format_prediction
from ecg.snomed import NORMAL_CODE
from pipeline.evaluate import OFFICIAL_COLUMNS, evaluate
from pipeline.predict import predict
from tests.records import write_record


def write_prediction(folder: Path, name: str, codes: dict[str, int]) -> None:
    folder.mkdir(exist_ok=True)
    labels = tuple(codes.values())
    one = Prediction(record_name=name, codes=tuple(codes), labels=labels, scores=tuple(map(float, labels)))
    (folder / f"{name}.csv").write_text(format_prediction(one))


@pytest.mark.shared
def test_equals_the_official_evaluator(shared: Path, tmp_path: Path) -> None:
    """Labels as header files, outputs as Challenge CSVs, against the official evaluator's own results."""
    fixture = json.loads((shared / "fixtures" / "evaluation" / "official_scores.json").read_text())
    for record in fixture["records"]:
        write_record(tmp_path / "labels", record["record"], dx=",".join(record["dx"]), stated_length=5000)
        lines = [f"#{record['record']}"]
        lines += [",".join(map(str, row)) for row in (fixture["codes"], record["labels"], record["scores"])]
        (tmp_path / "out").mkdir(exist_ok=True)
        (tmp_path / "out" / f"{record['record']}.csv").write_text("\n".join(lines) + "\n")
    result = evaluate(tmp_path / "labels", tmp_path / "out", tmp_path / "scores.csv").scores
    expected = fixture["expected"]
    for name in OFFICIAL_COLUMNS.values():
        assert getattr(result, name) == pytest.approx(expected[name], abs=1e-9)
    with (tmp_path / "scores.csv").open() as file:
        (row,) = csv.DictReader(file)
    for title, name in OFFICIAL_COLUMNS.items():
        assert float(row[title]) == pytest.approx(expected[name], abs=1e-9)
    with (tmp_path / "scores-classes.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [r["code"] for r in rows] == expected["classes"]
    assert [float(r["auroc"]) for r in rows] == pytest.approx(expected["auroc_classes"], abs=1e-9)


def test_labels_from_a_store_or_from_its_records(
    simulated: Path, simulated_store: Path, run: Path, tmp_path: Path
) -> None:
    predict([simulated_store], tmp_path / "out", run)
    from_store = evaluate(simulated_store, tmp_path / "out")
    from_headers = evaluate(simulated, tmp_path / "out")
    for name in OFFICIAL_COLUMNS.values():  # the records come in another order, so the last digits may differ
        assert getattr(from_store.scores, name) == pytest.approx(getattr(from_headers.scores, name), abs=1e-12)
    assert from_store.scores.n_positive == from_headers.scores.n_positive
    assert from_store.n_records == from_headers.n_records == 80
    assert from_store.written == ()


def test_a_perfect_and_an_inactive_classifier(tmp_path: Path) -> None:
    dx = {"r1": NORMAL_CODE, "r2": "164889003", "r3": "59118001,284470004", "r4": "", "r5": "164889003"}
    for name, codes in dx.items():
        write_record(tmp_path / "labels", name, dx=codes)
        write_prediction(tmp_path / "right", name, dict.fromkeys(codes.split(","), 1) if codes else {NORMAL_CODE: 0})
        write_prediction(tmp_path / "normal", name, {NORMAL_CODE: 1})
    summary = evaluate(tmp_path / "labels", tmp_path / "right")
    assert summary.scores.challenge_metric == pytest.approx(1.0)
    assert summary.scores.accuracy == 1.0
    assert summary.n_unlabelled == 1
    assert evaluate(tmp_path / "labels", tmp_path / "normal").scores.challenge_metric == pytest.approx(0.0)


def test_missing_things_are_named(tmp_path: Path) -> None:
    write_record(tmp_path / "labels", "r1")
    write_record(tmp_path / "labels", "r2")
    with pytest.raises(InputError, match="out: no such folder; expected one Challenge CSV for each record"):
        evaluate(tmp_path / "labels", tmp_path / "out")
    write_prediction(tmp_path / "out", "r1", {NORMAL_CODE: 1})
    with pytest.raises(InputError, match=r"1 of 2 records have no output file, the first is r2\.csv"):
        evaluate(tmp_path / "labels", tmp_path / "out")
    with pytest.raises(InputError, match="no WFDB record there"):
        evaluate(tmp_path / "out", tmp_path / "out")
