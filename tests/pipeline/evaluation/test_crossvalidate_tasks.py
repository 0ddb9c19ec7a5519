"""Folds, left-out values and test sides of any task: own classes, numbers, and a store's own codes."""

import csv
import json
import logging
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ecg12.cache.reader import Store
from ecg12.cache.schema import StoreConfig
from ecg12.ecg.errors import ConfigError, RunFolderError
from ecg12.ecg.scores.challenge_csv import Prediction, parse_prediction, to_scored_matrices
from ecg12.ecg.scores.scores import challenge
from ecg12.ecg.scores.task_thresholds import fit_task_thresholds
from ecg12.pipeline.evaluation.crossvalidate import TrainOptions, cross_validate, plan_parts, train_and_test
from ecg12.pipeline.evaluation.evaluate import evaluate
from ecg12.pipeline.ingest.build_cache import build_cache
from ecg12.pipeline.prediction.ensemble import load_ensemble
from ecg12.pipeline.runs.prediction_folders import read_test_ids
from ecg12.pipeline.tasks.stored_labels import column_of, labels_of
from ecg12.pipeline.tasks.task_files import read_task
from tests.conftest import TINY


def predictions_of(folder: Path, names) -> list[Prediction]:
    return [parse_prediction((folder / "predictions" / f"{name}.csv").read_text(), strict=True) for name in names]


RHYTHM = """
name = "rhythm"
vocabulary = "snomed-ct"
labelled = "class"
[classes]
AF = ["164889003", "164890007"]
SR = ["426783006"]
SLOW = ["426177001", "426627000"]
[split]
column = "dataset"
train = ["ptb-xl", "ptb", "cpsc"]
test = ["georgia", "incart"]
"""
"""An own task over codes of the simulated store, whose official sides are datasets."""


def test_a_run_with_a_test_side_is_tested(simulated_store: Path, tmp_path: Path, caplog) -> None:
    """Its task stands in its folder, and is the one that `evaluate` takes."""
    (tmp_path / "rhythm.toml").write_text(RHYTHM)
    store = Store(simulated_store)
    options = {"epochs": 1, "task": str(tmp_path / "rhythm.toml")}
    with caplog.at_level(logging.WARNING):
        done = train_and_test(simulated_store, tmp_path / "run", TrainOptions(options=options, model_options=TINY))
    summary = done.runs["run"]
    tested = read_test_ids(tmp_path / "run" / "test_ids.txt")
    rows = store.rows_of(tested)
    assert set(store.datasets[rows]) <= {"georgia", "incart"}
    assert summary.n_test == len(tested) > 5
    assert (summary.task, summary.figure) == ("rhythm", "auroc")
    assert "labelled records are on no side and left out" in caplog.text  # cpsc-extra
    assert done.evaluation is not None
    assert done.evaluation.task.name == "rhythm"
    assert done.evaluation.n_records == len(tested)
    assert done.evaluation.scores.classes == ("AF", "SR", "SLOW")
    truth = labels_of(store, done.evaluation.task).matrix[rows]
    assert done.evaluation.scores.n_positive == tuple(truth.sum(axis=0))
    title, line = (tmp_path / "run" / "test_scores.csv").read_text().splitlines()
    assert title.split(",")[0] == "AUROC"
    assert float(line.split(",")[0]) == done.evaluation.scores.auroc
    again = evaluate(simulated_store, tmp_path / "run")
    assert again.scores.to_dict() == done.evaluation.scores.to_dict()


def test_each_value_of_a_column_is_left_out_in_turn(simulated_store: Path, tmp_path: Path) -> None:
    """Of a task's classes each is decided for by thresholds that the task asks for, fitted to the other part."""
    (tmp_path / "rhythm.toml").write_text(RHYTHM)
    options = {"epochs": 1, "valid_split": 0.0, "task": str(tmp_path / "rhythm.toml")}
    how = TrainOptions(options=options, model_options=TINY)
    found = cross_validate(simulated_store, tmp_path / "cv", how, leave_out="sex:all")
    assert list(found.runs) == ["leave-out-sex-female", "leave-out-sex-male"]
    store = Store(simulated_store)
    task = read_task(str(tmp_path / "rhythm.toml"))
    labels, sex = labels_of(store, task), column_of(store, "sex")
    assert sex is not None
    tested = {name: read_test_ids(tmp_path / "cv" / name / "test_ids.txt") for name in found.runs}
    for name, ids_of_part in tested.items():
        of_sex = (sex == name.removeprefix("leave-out-sex-")) & labels.labelled
        assert sorted(ids_of_part) == sorted(store.ids[of_sex])
    assert found.decided_by == "thresholds fitted to the held-out records of the other parts"
    first, second = tested.values()
    _, scores = to_scored_matrices(predictions_of(tmp_path / "cv" / "leave-out-sex-male", second), task.by_class)
    thresholds = fit_task_thresholds(task, labels.matrix[store.rows_of(second)], scores)
    decided, own = to_scored_matrices(predictions_of(tmp_path / "cv", first), task.by_class)
    np.testing.assert_array_equal(decided, own > thresholds)
    stated = json.loads((tmp_path / "cv" / "thresholds.json").read_text())
    assert list(stated) == ["AF", "SR", "SLOW"]
    assert json.loads((tmp_path / "cv" / "crossvalidation.json").read_text())["task"] == "rhythm"
    assert found.evaluation is not None
    assert [part.name for part in found.evaluation.held_out] == list(found.runs)
    together = load_ensemble([tmp_path / "cv"])
    assert [one.name for one in together.names.tasks] == ["rhythm"]
    assert together.thresholds == tuple(stated.values())
    other = TrainOptions(options={**options, "task": "challenge2020"}, model_options=TINY)
    with pytest.raises(RunFolderError, match="holds a cross-validation of task rhythm; asked for is challenge2020"):
        cross_validate(simulated_store, tmp_path / "cv", other, leave_out="sex:all")
    # without --task it is gone on with by its own
    again = TrainOptions(options={"epochs": 1, "valid_split": 0.0}, model_options=TINY)
    resumed = cross_validate(simulated_store, tmp_path / "cv", again, leave_out="sex:all")
    assert resumed.evaluation is not None
    assert resumed.evaluation.scores.to_dict() == found.evaluation.scores.to_dict()


def test_a_number_is_cross_validated(simulated_store: Path, tmp_path: Path) -> None:
    how = TrainOptions(options={"epochs": 1, "valid_split": 0.2, "task": "age"}, model_options=TINY)
    found = cross_validate(simulated_store, tmp_path / "cv", how, folds=2)
    store = Store(simulated_store)
    ages = store.column("record/age").astype(float)
    known = {name: age for name, age in zip(store.ids, ages, strict=True) if 0 <= age <= 130}
    with (tmp_path / "cv" / "predictions" / "predictions.csv").open() as file:
        told = {row["record"]: float(row["value"]) for row in csv.DictReader(file)}
    assert told.keys() == known.keys()
    assert not list((tmp_path / "cv" / "predictions").glob("*[0-9].csv"))  # a number has no Challenge CSV
    assert found.evaluation is not None
    errors = np.array([told[name] - age for name, age in known.items()])
    assert found.evaluation.scores.mae == pytest.approx(np.abs(errors).mean())
    assert [part.name for part in found.evaluation.held_out] == ["fold-0", "fold-1"]
    assert not (tmp_path / "cv" / "thresholds.json").exists()
    assert [run.figure for run in found.runs.values()] == ["mae", "mae"]


def test_parts_of_columns_are_named(simulated_store: Path) -> None:
    store = Store(simulated_store)
    parts = plan_parts(store, None, challenge(), "sex:all")
    assert parts["leave-out-sex-male"] == {"leave_out": "sex:male"}
    with pytest.raises(ConfigError, match="has no column 'site'; expected dataset, site"):
        plan_parts(store, None, challenge(), "site:all")


def test_codes_of_which_the_task_knows_none_are_the_classes(
    tmp_path: Path, simulated: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A store of own codes, learned whole: chosen by AUROC, every class decided, and no accuracy of 1 for nothing."""
    names = {"426783006": "NORM", "164889003": "ARRH", "164890007": "ARRH", "59118001": "COND", "270492004": "COND"}
    for header in simulated.rglob("*.hea"):
        stated = re.findall(r"\d+", header.read_text().partition("Dx")[2].split("\n")[0])
        codes = [names[code] for code in stated if code in names]
        text = re.sub(r"Dx:[^\n]*", f"Dx: {','.join(dict.fromkeys(codes)) or 'OTHER'}", header.read_text())
        copy = tmp_path / "own" / header.relative_to(simulated)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(text)
        for other in header.parent.glob(f"{header.stem}.*"):
            if other != header:
                (copy.parent / other.name).symlink_to(other)
    build_cache([tmp_path / "own"], tmp_path / "own.zarr", StoreConfig())
    how = TrainOptions(options={"epochs": 2, "train_classes": "dset"}, model_options=TINY)
    with caplog.at_level(logging.WARNING):
        done = train_and_test(
            tmp_path / "own.zarr", tmp_path / "run", replace(how, options={**how.options, "leave_out": "georgia"})
        )
    summary = done.runs["run"]
    assert re.search(r"none of the 4 codes of .*own\.zarr is of task challenge2020: each", caplog.text)
    assert (summary.task, summary.figure) == ("own-codes", "auroc")
    assert all(0 < row["auroc"] < 1 for row in summary.history)
    best = max(range(2), key=lambda epoch: summary.history[epoch]["auroc"])
    assert summary.best_epoch == best
    thresholds = json.loads((tmp_path / "run" / "thresholds.json").read_text())
    assert thresholds.keys() == {"ARRH", "COND", "NORM", "OTHER"}
    assert 0.5 not in thresholds.values()
    assert done.evaluation is not None
    assert done.evaluation.scores.classes == ("ARRH", "COND", "NORM", "OTHER")
    assert done.evaluation.scores.accuracy < 1
