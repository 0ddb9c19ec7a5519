"""Ensembles: what several models say together, against each alone."""

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from ecg12.cache.reader import Store
from ecg12.cache.schema import StoreConfig
from ecg12.ecg.decisions.reference_rules import pool_windows
from ecg12.ecg.decisions.threshold_rule import ThresholdRule
from ecg12.ecg.errors import ConfigError, RunFolderError
from ecg12.ecg.labels.snomed import SCORED_CLASSES, SCORED_CODES
from ecg12.ecg.scores.challenge_csv import Prediction, parse_prediction
from ecg12.pipeline.ingest.build_cache import build_cache
from ecg12.pipeline.prediction.ensemble import EnsemblePredictor, find_run_folders, load_ensemble
from ecg12.pipeline.prediction.output_folder import TABLE
from ecg12.pipeline.prediction.own_model import OwnPredictor
from ecg12.pipeline.prediction.predict import predict
from ecg12.pipeline.runs.run_folder import load_model
from ecg12.pipeline.training.train import train
from tests.conftest import TINY
from tests.pipeline.reference_folders import LAYERS_OF_CHOICE, SIGMOID, write_april, write_august

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def other_run(simulated_store: Path) -> Path:
    """A run folder of another seed and other blocks on the same store."""
    folder = simulated_store.parent / "other-run"
    network = TINY | {"net_filter_size": (3, 5)}
    train(simulated_store, folder=folder, options={"epochs": 2, "seed": 8}, model_options=network)
    return folder


@pytest.fixture(scope="module")
def slow_run(simulated: Path) -> Path:
    """A run folder of a model that works at 200 Hz."""
    store, folder = simulated.parent / "slow.zarr", simulated.parent / "slow-run"
    build_cache([simulated / "Training_CPSC"], store, StoreConfig(fs=200))
    train(store, folder=folder, options={"epochs": 1, "valid_split": 0.5}, model_options=TINY)
    return folder


def read(folder: Path) -> dict[str, Prediction]:
    files = (path for path in folder.glob("*.csv") if path.name != TABLE)
    return {path.stem: parse_prediction(path.read_text(), strict=True) for path in files}


def scores_of(folder: Path) -> np.ndarray:
    return np.array([one.scores for _, one in sorted(read(folder).items())])


def labels_of(folder: Path) -> np.ndarray:
    return np.array([one.labels for _, one in sorted(read(folder).items())])


def predict_each(inputs: Path, models: Sequence[Path], output: Path) -> list[np.ndarray]:
    """Scores that each model alone gives."""
    found = []
    for number, model in enumerate(models):
        predict([inputs], output / str(number), model)
        found.append(scores_of(output / str(number)))
    return found


def test_window_logits_are_averaged(simulated_store: Path, run: Path, other_run: Path, tmp_path: Path) -> None:
    predict([simulated_store], tmp_path / "both", [run, other_run])
    store = Store(simulated_store)
    rows = np.arange(store.n_records)
    members = [OwnPredictor(load_model(folder)) for folder in (run, other_run)]
    found = [member.compute_logits(member.cut_windows(store, rows, 64), CPU) for member in members]
    corrections = np.array([load_model(folder).rule.correction for folder in (run, other_run)])
    assert (corrections == 1).all()
    mean = torch.sigmoid((found[0].logits + found[1].logits) / 2).double().numpy()
    record, expected = pool_windows(mean, found[0].record.numpy(), "mean")
    thresholds = np.mean([load_model(folder).rule.thresholds for folder in (run, other_run)], axis=0)
    given = read(tmp_path / "both")
    for row, scores in zip(record, expected, strict=True):
        one = given[str(store.ids[row])]
        by_code = dict(zip(one.codes, one.scores, strict=True))
        np.testing.assert_allclose([by_code[code] for code in SCORED_CLASSES], scores, atol=1e-6)
        labels = dict(zip(one.codes, one.labels, strict=True))
        clear = np.abs(scores - thresholds) > 1e-6
        np.testing.assert_array_equal(
            np.array([labels[code] for code in SCORED_CLASSES])[clear], (scores > thresholds)[clear]
        )


def test_scores_are_averaged_on_request(simulated_store: Path, run: Path, other_run: Path, tmp_path: Path) -> None:
    predict([simulated_store], tmp_path / "both", [run, other_run], average="scores")
    alone = predict_each(simulated_store, [run, other_run], tmp_path)
    np.testing.assert_allclose(scores_of(tmp_path / "both"), np.mean(alone, axis=0), atol=1e-6)
    predict([simulated_store], tmp_path / "logits", [run, other_run], average="logits")
    assert np.abs(scores_of(tmp_path / "logits") - scores_of(tmp_path / "both")).max() > 1e-6


@pytest.mark.parametrize("average", ["logits", "scores"])
def test_a_model_twice_is_itself(simulated: Path, run: Path, tmp_path: Path, average: str) -> None:
    for name, models in (("twice", [run, run]), ("once", [run])):
        predict([simulated / "Training_PTB"], tmp_path / name, models, average=average)
    np.testing.assert_allclose(scores_of(tmp_path / "twice"), scores_of(tmp_path / "once"), atol=1e-6)
    np.testing.assert_array_equal(labels_of(tmp_path / "twice"), labels_of(tmp_path / "once"))


@pytest.mark.parametrize(
    "write", [write_august, write_april, *(partial(write_august, out_layer=text) for text in LAYERS_OF_CHOICE.values())]
)
def test_the_references_folders_twice_are_themselves(simulated: Path, tmp_path: Path, write) -> None:
    folder = write(tmp_path / "model")
    predict([simulated / "Training_CPSC"], tmp_path / "twice", [folder, folder])
    predict([simulated / "Training_CPSC"], tmp_path / "once", folder)
    np.testing.assert_allclose(scores_of(tmp_path / "twice"), scores_of(tmp_path / "once"), rtol=1e-5, atol=1e-7)
    np.testing.assert_array_equal(labels_of(tmp_path / "twice"), labels_of(tmp_path / "once"))


def test_a_folder_of_run_folders_is_an_ensemble(simulated: Path, run: Path, other_run: Path, tmp_path: Path) -> None:
    together = tmp_path / "models"
    together.mkdir()
    (together / "b").symlink_to(run)
    (together / "a").symlink_to(other_run)
    (together / "notes").mkdir()
    assert [folder.name for folder in find_run_folders(together)] == ["a", "b"]
    summary = predict([simulated / "Training_PTB"], tmp_path / "folder", together)
    assert summary.model == str(together)
    predict([simulated / "Training_PTB"], tmp_path / "named", [run, other_run])
    np.testing.assert_allclose(scores_of(tmp_path / "folder"), scores_of(tmp_path / "named"), atol=1e-6)


def test_a_folder_of_run_folders_may_have_thresholds(simulated: Path, run: Path, tmp_path: Path) -> None:
    together = tmp_path / "models"
    together.mkdir()
    for name in "ab":
        (together / name).symlink_to(run)
    (together / "thresholds.json").write_text(json.dumps(dict.fromkeys(SCORED_CLASSES, 0.0)))
    predict([simulated / "Training_PTB"], tmp_path / "out", together)
    assert labels_of(tmp_path / "out").all()
    (together / "thresholds.json").write_text('{"164889003": 0.5}')
    with pytest.raises(ConfigError, match=r"thresholds\.json of the ensemble lacks 270492004"):
        load_ensemble([together])
    (together / "thresholds.json").write_text('["164889003"]')
    with pytest.raises(RunFolderError, match=r"thresholds\.json: .*; expected a threshold for each class"):
        load_ensemble([together])


def test_models_of_two_rates_average_their_scores(
    simulated: Path, simulated_store: Path, run: Path, slow_run: Path, tmp_path: Path
) -> None:
    models = [run, slow_run]
    predict([simulated / "Training_CPSC"], tmp_path / "both", models)
    alone = predict_each(simulated / "Training_CPSC", models, tmp_path)
    # the slow one was trained on few records: of what it never saw it says 0, and has no say here
    knows = np.stack([scores.any(axis=0) for scores in alone])
    expected = np.sum(alone, axis=0) / np.maximum(knows.sum(axis=0), 1)
    assert knows[0].sum() > knows[1].sum() > 2
    np.testing.assert_allclose(scores_of(tmp_path / "both"), expected, atol=1e-6)
    with pytest.raises(
        ConfigError, match=r"logits cannot be averaged: .* at 400 Hz, .* at 200 Hz; leave out --average"
    ):
        load_ensemble(models, average="logits")
    with pytest.raises(ConfigError, match=r"at 400 Hz; the model expects .* at 200 Hz"):
        predict([simulated_store], tmp_path / "store", models)


def test_ours_and_the_references_models_vote(simulated: Path, run: Path, tmp_path: Path) -> None:
    models = [run, write_august(tmp_path / "august"), write_april(tmp_path / "april")]
    predict([simulated / "Training_CPSC"], tmp_path / "all", models)
    ours, august, _ = predict_each(simulated / "Training_CPSC", models, tmp_path)
    together = scores_of(tmp_path / "all")
    place = {code: number for number, code in enumerate(SCORED_CODES)}
    codes = next(iter(read(tmp_path / "all").values())).codes
    column = {code: number for number, code in enumerate(codes)}
    normal = "426783006"  # april knows it, too; august's mapping has the first three scored codes
    assert set(codes) >= set(SCORED_CODES)
    for code in ("426177001", "47665007"):
        np.testing.assert_allclose(together[:, column[code]], ours[:, place[code]], atol=1e-6)
    for code in SIGMOID.split("\n")[2:5]:
        code = code.split(",")[0]
        if code not in ("270492004", "164889003"):  # two that april knows
            expected = (ours[:, place[code]] + august[:, place[code]]) / 2
            np.testing.assert_allclose(together[:, column[code]], expected, rtol=1e-5, atol=1e-6)
    assert np.abs(together[:, column[normal]] - ours[:, place[normal]]).max() > 1e-3
    with pytest.raises(ConfigError, match="logits cannot be averaged"):
        load_ensemble(models, average="logits")


def test_ours_and_the_references_from_a_store(simulated: Path, run: Path, tmp_path: Path) -> None:
    """Two ways of cutting, one after the other; half-microvolt steps are all that is between store and files."""
    store = tmp_path / "ecg.zarr"
    build_cache([simulated / "Training_CPSC"], store, StoreConfig())
    models = [run, write_august(tmp_path / "august")]
    predict([store], tmp_path / "store", models)
    predict([simulated / "Training_CPSC"], tmp_path / "files", models)
    np.testing.assert_allclose(scores_of(tmp_path / "store"), scores_of(tmp_path / "files"), rtol=1e-3, atol=2e-3)


def test_what_members_must_share_for_logits(run: Path, other_run: Path, tmp_path: Path) -> None:
    assert load_ensemble([run, other_run]).average == "logits"
    three, two = write_august(tmp_path / "three"), write_august(tmp_path / "two", "sigmoid\n0->1\n164889003,0,1\n")
    assert isinstance(load_ensemble([three]), type(load_ensemble([two])))
    mixed = load_ensemble([three, two])
    assert isinstance(mixed, EnsemblePredictor)
    assert mixed.rule is None
    with pytest.raises(ConfigError, match=r"the models have other outputs, or decide in other ways: .*AugustRule"):
        load_ensemble([three, two], average="logits")
    with pytest.raises(ConfigError, match="average is 'median'; expected logits or scores"):
        load_ensemble([run, other_run], average="median")


def test_thresholds_of_an_ensemble_are_known(run: Path, other_run: Path) -> None:
    both = load_ensemble([run, other_run])
    rules = [load_model(folder).rule for folder in (run, other_run)]
    assert all(isinstance(rule, ThresholdRule) for rule in rules)
    expected = np.mean([rule.thresholds for rule in rules], axis=0)
    place = {code: number for number, code in enumerate(SCORED_CLASSES)}
    for code, threshold in zip(both.classes, both.thresholds, strict=True):
        if code in place:
            assert threshold == pytest.approx(expected[place[code]])


def test_missing_folders_are_named(tmp_path: Path, run: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunFolderError, match=r"empty: no config\.json in it or in a folder of it; expected a run"):
        load_ensemble([tmp_path / "empty"])
    with pytest.raises(RunFolderError, match="nowhere: no such run folder"):
        load_ensemble([run, tmp_path / "nowhere"])


@pytest.mark.shared
def test_the_published_kind_of_folders_average(shared: Path, tmp_path: Path) -> None:
    """Four real folders of the reference system: alike ones by logits, all together by a vote."""
    folders = shared / "fixtures" / "reference_models"
    records = shared / "data" / "challenge2020"
    some = sorted(records.rglob("A00*.hea"))[:3]
    alike = [folders / "resnet_linear_sigmoid", folders / "resnet_lstm_sigmoid"]
    predict(some, tmp_path / "alike", alike)
    alone = []
    for number, model in enumerate(alike):
        predict(some, tmp_path / str(number), model)
        alone.append(scores_of(tmp_path / str(number)))
    together = scores_of(tmp_path / "alike")
    assert load_ensemble(alike).average == "logits"
    low, high = np.minimum(*alone), np.maximum(*alone)
    assert (together >= low * 0.5 - 1e-6).all()
    assert (together <= high * 1.5 + 1e-6).all()
    predict(some, tmp_path / "all", folders)
    assert len(read(tmp_path / "all")) == 3
