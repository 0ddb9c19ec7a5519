"""Judging without training: the training's figures, other rules, logits from the file, folders of either system."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ecg12.cache.reader import Store
from ecg12.ecg.errors import ConfigError, RunFolderError, StoreError
from ecg12.ecg.labels.snomed import SCORED_CLASSES, SCORED_CODES
from ecg12.ecg.scores.challenge_metric import compute_challenge_metric, merge_equivalents
from ecg12.pipeline.evaluation.finished_run import only_test
from ecg12.pipeline.prediction.reference_model import ReferencePredictor
from ecg12.pipeline.runs import run_folder as files
from ecg12.pipeline.runs.reference_folder import load_reference_folder
from ecg12.pipeline.runs.run_folder import load_model
from ecg12.pipeline.training.logits_file import read_logits
from ecg12.pipeline.training.train import train
from tests.conftest import TINY
from tests.pipeline.reference_folders import write_april, write_august

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def finished(simulated_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run by the reference's rule with its logits; tests only read it."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    options = {"epochs": 2, "seed": 5, "save_logits": True, "lr": 0.01}
    model = TINY | {"window_length": 1024}  # several windows of each record
    train(simulated_store, folder=folder, preset="reference", options=options, model_options=model)
    return folder


@pytest.fixture
def copy(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "copy"))


def best_row(folder: Path) -> dict[str, float]:
    return files.read_history(folder / "history.csv")[files.load_checkpoint(folder / "model.pth")["epoch"]]


def test_the_figures_are_those_of_the_best_epoch(finished: Path, simulated_store: Path, copy: Path) -> None:
    from_file = only_test(simulated_store, folder=finished)
    (copy / "logits.csv").unlink()
    computed = only_test(simulated_store, folder=copy)
    assert from_file.from_logits
    assert not computed.from_logits
    assert from_file.n_records == len(files.read_ids(finished / "valid_ids.txt"))
    expected = best_row(finished)
    for name, value in from_file.figures.items():
        assert value == pytest.approx(expected[name], rel=1e-5, nan_ok=True), name
        assert computed.figures[name] == pytest.approx(expected[name], rel=1e-5, nan_ok=True), name


def test_our_own_rule_gives_the_figures_of_the_training(run: Path, simulated_store: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(run, tmp_path / "copy"))
    summary = only_test(simulated_store, folder=folder, options={"save_logits": True})
    assert (folder / "logits.csv").exists()
    for name, value in summary.figures.items():
        assert value == pytest.approx(best_row(run)[name], rel=1e-5), name
    assert only_test(simulated_store, folder=folder).from_logits


def test_other_rules_are_tried_on_the_logits(copy: Path, simulated_store: Path) -> None:
    before = only_test(simulated_store, folder=copy).figures
    pooled = only_test(simulated_store, folder=copy, options={"combination_strategy": "max"}).figures
    assert pooled["valid_loss"] == before["valid_loss"]
    assert pooled["auroc"] != before["auroc"]
    one = only_test(simulated_store, folder=copy, options={"scale_by_rank": (0.0,)}).figures
    assert (one["auroc"], one["challenge_metric"] == before["challenge_metric"]) == (before["auroc"], False)
    fitted = only_test(simulated_store, folder=copy, options={"decision": "thresholds"}).figures
    assert fitted["challenge_metric"] > before["challenge_metric"]
    plain = only_test(simulated_store, folder=copy, options={"correction_factor": "train"}).figures
    assert plain["f_measure"] != before["f_measure"] or plain["accuracy"] != before["accuracy"]
    assert json.loads((copy / "config.json").read_text())["train"]["decision"] == "rank"  # nothing is kept of it


@pytest.mark.parametrize(
    "options",
    [
        {"combination_strategy": "last"},
        {"predict_before_collapse": True},
        {"predict_before_collapse": True, "combination_strategy": "max", "scale_by_rank": (10.0, 3.0, 0.5)},
    ],
)
def test_a_rule_that_is_tried_is_the_rule(options: dict, finished: Path, simulated_store: Path) -> None:
    """Against the rule by itself, on the logits as they stand in the file."""
    store, trained = Store(simulated_store), load_model(finished)
    found = read_logits(finished / "logits.csv", store, 24)
    names = {"scale_by_rank": "scale_by_n_predictions"}
    rule = replace(trained.rule, **{names.get(name, name): value for name, value in options.items()})
    decided = rule.decide(trained.output_layer.compute_scores(found.logits).double().numpy(), found.record.numpy())
    binary, _ = merge_equivalents(SCORED_CODES, decided.labels, decided.scores)
    expected = compute_challenge_metric(store.column("label/scored")[decided.record], binary)
    figures = only_test(simulated_store, folder=finished, options=options).figures
    assert figures["challenge_metric"] == pytest.approx(expected)
    assert figures["geom_mean"] == pytest.approx(np.sqrt(figures["f_beta"] * figures["g_beta"]))


def test_a_folder_of_the_reference_system_is_judged(simulated_store: Path, tmp_path: Path) -> None:
    folder = write_august(tmp_path / "run")
    store = Store(simulated_store)
    files.write_ids(folder / "train_ids.txt", list(store.ids[:60]))
    files.write_ids(folder / "valid_ids.txt", list(store.ids[60:]))
    found = only_test(simulated_store, folder=folder)
    rows = np.array([row for row in range(60, 80) if store.column("label/annotated")[row]])
    predictor = ReferencePredictor(load_reference_folder(folder))
    decided = predictor.predict(predictor.cut_windows(store, rows, 64), CPU)
    binary = np.zeros((len(rows), 24), np.uint8)
    for place, code in enumerate(SCORED_CODES[:3]):
        binary[:, SCORED_CLASSES.index(code)] = decided.labels[:, place]
    expected = compute_challenge_metric(store.column("label/scored")[rows], binary)
    assert found.figures["challenge_metric"] == pytest.approx(expected)
    # without ids there is a split, of everything if so asked
    (folder / "train_ids.txt").unlink()
    (folder / "valid_ids.txt").unlink()
    everything = only_test(simulated_store, folder=folder, options={"valid_split": 1.0})
    assert everything.n_records == int(store.column("label/annotated").sum())
    assert only_test(simulated_store, folder=folder, preset="reference").n_records < everything.n_records


def test_april_has_one_rule(simulated_store: Path, tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="of the April generation of the reference system, whose rule is fixed"):
        only_test(simulated_store, folder=write_april(tmp_path / "run"))


def test_options_of_a_training_are_refused(finished: Path, simulated_store: Path) -> None:
    with pytest.raises(ConfigError, match="epochs, lr: nothing is trained with only_test; leave it out"):
        only_test(simulated_store, folder=finished, options={"lr": 0.1, "epochs": 3})


def test_nothing_to_judge_on(copy: Path, simulated_store: Path) -> None:
    (copy / "valid_ids.txt").write_text("")
    with pytest.raises(ConfigError, match=r"no record to judge on; expected some: name them in valid_ids\.txt"):
        only_test(simulated_store, folder=copy)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not understood"),
        ("ids,subids,0\nA0001,0,1\n", "1 rows of 1 outputs; expected ids,subids and 24 finite outputs"),
        ("ids,subids,0\nA0001,x,1\n", "not understood .*invalid literal"),
        ("ids,subids," + ",".join(map(str, range(24))) + "\nA0001,0" + ",nan" * 24 + "\n", "1 rows of 24 outputs"),
        ("ids,subids," + ",".join(map(str, range(24))) + "\nNOBODY,0" + ",1" * 24 + "\n", "no record called 'NOBODY'"),
    ],
)
def test_damaged_logits_are_named(copy: Path, simulated_store: Path, text: str, message: str) -> None:
    (copy / "logits.csv").write_text(text)
    with pytest.raises(RunFolderError, match=rf"logits\.csv: .*{message}"):
        only_test(simulated_store, folder=copy)


def test_logits_of_other_records_are_refused(copy: Path, simulated_store: Path) -> None:
    lines = (copy / "logits.csv").read_text().splitlines()
    last = lines[-1].split(",")[0]
    kept = [line for line in lines if line.split(",")[0] != last]
    (copy / "logits.csv").write_text("\n".join(kept))
    with pytest.raises(RunFolderError, match=rf"{last} is only in one of the two: remove the file"):
        only_test(simulated_store, folder=copy)


def test_logits_survive_the_file(copy: Path, simulated_store: Path) -> None:
    store = Store(simulated_store)
    found = read_logits(copy / "logits.csv", store, 24)
    lines = (copy / "logits.csv").read_text().splitlines()[1:]
    assert len(found.logits) == len(lines)
    assert found.logits.dtype == torch.float32
    keys = list(zip(found.record.tolist(), found.number.tolist(), strict=True))
    assert keys == sorted(keys)


def test_ids_that_the_store_lacks_are_named(copy: Path, simulated_store: Path) -> None:
    (copy / "valid_ids.txt").write_text("nobody")
    with pytest.raises(StoreError, match="no record called 'nobody'"):
        only_test(simulated_store, folder=copy)
