"""Evaluation from Python by a task: that of the model, or one that is named; its figures and its groups."""

from pathlib import Path

import numpy as np
import pytest

import ecg12
from tests.conftest import TINY


@pytest.fixture(scope="module")
def of_age(simulated_store: Path) -> Path:
    """The folder of a run that tells ages; tests only read it."""
    folder = simulated_store.parent / "of-age"
    ecg12.train(simulated_store, folder, task="age", epochs=1, **TINY)
    return folder


def test_a_model_of_another_task_is_scored_by_it(of_age: Path, simulated_store: Path) -> None:
    """Ages are told by none of the Challenge's classes, and whose is not known is left out."""
    store = ecg12.open_store(simulated_store)
    predictions = ecg12.load_model(of_age).predict(store)
    found = ecg12.evaluate(store, predictions, by=["sex"], n_bootstrap=20)
    assert (found.task, found.n_records + found.n_left_out) == ("age", len(predictions))
    assert list(found.figures) == ["mae", "rmse", "r2", "pearson"]
    ages = dict(zip(store.records.index, store.records["age"], strict=True))
    told = dict(zip(predictions.names, predictions.scores[:, 0], strict=True))
    errors = [abs(told[name] - age) for name, age in ages.items() if 0 <= age <= 130]
    assert found.figures["mae"] == pytest.approx(np.mean(errors), rel=1e-5)
    low, high = found.intervals["mae"]
    assert low < found.figures["mae"] < high
    assert found.classes.empty
    assert list(found.by["sex"].columns) == ["n_records", "n_unlabelled", "mae", "rmse", "r2", "pearson"]
    assert found.by["sex"]["n_records"].sum() == found.n_records
    with pytest.raises(ecg12.errors.InputError, match="predictions of age; expected height, which task tall tells"):
        ecg12.evaluate(store, predictions, task=str(tall(simulated_store.parent)))


def tall(folder: Path) -> Path:
    """A task of another number, which is told from the same column."""
    path = folder / "tall.toml"
    path.write_text('name = "tall"\nkind = "number"\ncolumn = "age"\nclasses = ["height"]\n')
    return path


def test_a_task_is_named(run: Path, simulated_store: Path) -> None:
    store = ecg12.open_store(simulated_store)
    predictions = ecg12.load_model(run).predict(store)
    found = ecg12.evaluate(store, predictions, task="challenge2021", n_bootstrap=0)
    assert found.task == "challenge2021"
    assert list(found.figures)[:-1] == ["auroc", "auprc", "accuracy", "f_measure", "challenge_metric"]
    assert len(found.classes) == 26
    assert ecg12.evaluate(store, predictions, n_bootstrap=0).task == "challenge2020"
