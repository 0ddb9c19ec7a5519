"""Cross-validation: nobody is tested on what was trained on or fitted to, and an interruption leaves no trace."""

import csv
import json
import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ecg12.cache.reader import Store
from ecg12.ecg.errors import ConfigError, RunFolderError
from ecg12.ecg.labels.snomed import SCORED_CLASSES
from ecg12.ecg.scores.challenge_csv import parse_prediction, to_scored_matrices
from ecg12.ecg.scores.challenge_metric import fit_thresholds
from ecg12.ecg.scores.scores import challenge
from ecg12.pipeline.evaluation import crossvalidate
from ecg12.pipeline.evaluation.crossvalidate import (
    HeldOutSummary,
    TrainOptions,
    cross_validate,
    plan_parts,
    train_and_test,
)
from ecg12.pipeline.evaluation.evaluate import evaluate
from ecg12.pipeline.prediction.ensemble import EnsemblePredictor, load_ensemble
from ecg12.pipeline.runs.prediction_folders import read_test_ids
from ecg12.pipeline.runs.run_folder import read_ids
from ecg12.pipeline.training.train import train
from tests.conftest import TINY
from tests.pipeline.reference_folders import write_august

OPTIONS = TrainOptions(options={"epochs": 1, "valid_split": 0.25, "seed": 4}, model_options=TINY)


@pytest.fixture(scope="module")
def folds(simulated_store: Path) -> HeldOutSummary:
    """Three folds on the simulated store; tests only read them."""
    return cross_validate(simulated_store, simulated_store.parent / "folds", OPTIONS, folds=3)


@pytest.fixture(scope="module")
def left_out(simulated_store: Path) -> HeldOutSummary:
    """Each dataset of the simulated store left out in turn, without validation; tests only read it."""
    how = TrainOptions(options={"epochs": 1, "valid_split": 0.0}, model_options=TINY)
    return cross_validate(simulated_store, simulated_store.parent / "left-out", how)


def ids(folder: Path, name: str) -> set[str]:
    return set(read_ids(folder / name))


def predictions_of(folder: Path, names) -> list:
    return [parse_prediction((folder / "predictions" / f"{name}.csv").read_text(), strict=True) for name in names]


def scored_truth(store: Path) -> dict[str, np.ndarray]:
    opened = Store(store)
    return {str(name): opened.column("label/scored")[row] for row, name in enumerate(opened.ids)}


def test_every_labelled_record_is_held_out_once(folds: HeldOutSummary, simulated_store: Path) -> None:
    store = Store(simulated_store)
    labelled = set(store.ids[store.column("label/annotated").astype(bool)])
    group = dict(zip(store.ids, store.column("record/group"), strict=True))
    tested: list[str] = []
    for name in ("fold-0", "fold-1", "fold-2"):
        sides = [ids(folds.folder / name, f"{side}_ids.txt") for side in ("train", "valid", "test")]
        assert all(sides)
        assert set.union(*sides) == labelled
        of_sides = [{group[record] for record in side} for side in sides]
        assert sum(map(len, of_sides)) == len(set.union(*of_sides))  # no patient on two sides
        tested += sides[2]
    assert sorted(tested) == sorted(labelled)
    assert folds.evaluation is not None
    assert folds.evaluation.n_records == len(labelled)
    assert [part.name for part in folds.evaluation.held_out] == ["fold-0", "fold-1", "fold-2"]


def test_out_of_fold_labels_come_from_the_other_folds(folds: HeldOutSummary, simulated_store: Path) -> None:
    truth = scored_truth(simulated_store)
    parts = {name: read_test_ids(folds.folder / name / "test_ids.txt") for name in folds.runs}
    for name, own in parts.items():
        others = [record for other, records in parts.items() if other != name for record in records]
        _, scores = to_scored_matrices(predictions_of(folds.folder, others))
        thresholds = fit_thresholds(np.array([truth[record] for record in others]), scores)
        labels, own_scores = to_scored_matrices(predictions_of(folds.folder, own))
        np.testing.assert_array_equal(labels, own_scores > thresholds)
        _, before = to_scored_matrices(predictions_of(folds.folder / name, own))
        np.testing.assert_array_equal(own_scores, before)  # scores are what the run itself said
    assert folds.decided_by == "thresholds fitted to the held-out records of the other parts"


def test_scores_of_all_are_written(folds: HeldOutSummary, simulated_store: Path) -> None:
    found = json.loads((folds.folder / "scores.json").read_text())
    assert folds.evaluation is not None
    assert found["scores"]["auroc"] == folds.evaluation.scores.auroc
    assert len(found["scores"]["auroc_classes"]) == 24
    with (folds.folder / "scores-held-out.csv").open() as file:
        assert [row["part"] for row in csv.DictReader(file)] == ["fold-0", "fold-1", "fold-2"]
    assert (folds.folder / "scores-classes.csv").is_file()
    again = evaluate(simulated_store, folds.folder)
    assert again.scores.to_dict() == folds.evaluation.scores.to_dict()
    stated = json.loads((folds.folder / "crossvalidation.json").read_text())
    assert stated["decided_by"] == folds.decided_by
    assert stated["seconds_of_training"] == folds.seconds
    assert all(seconds > 0 for seconds in folds.seconds.values())


def test_the_folds_predict_together_with_thresholds_of_all(folds: HeldOutSummary, simulated_store: Path) -> None:
    model = load_ensemble([folds.folder])
    assert isinstance(model, EnsemblePredictor)
    assert [member.model.folder.name for member in model.members] == ["fold-0", "fold-1", "fold-2"]
    records = [name for part in folds.runs for name in read_test_ids(folds.folder / part / "test_ids.txt")]
    _, scores = to_scored_matrices(predictions_of(folds.folder, records))
    truth = scored_truth(simulated_store)
    expected = fit_thresholds(np.array([truth[record] for record in records]), scores)
    stated = dict(zip(model.classes, model.thresholds, strict=True))
    np.testing.assert_allclose([stated[code] for code in SCORED_CLASSES], expected)


def test_the_same_command_again_trains_and_predicts_nothing(
    folds: HeldOutSummary, simulated_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = {name: (folds.folder / name / "model.pth").stat().st_mtime_ns for name in folds.runs}
    monkeypatch.setattr(
        "ecg12.pipeline.evaluation.held_out_testing._predict", lambda *args, **options: pytest.fail("predicted again")
    )
    again = cross_validate(simulated_store, folds.folder, OPTIONS, folds=3)
    assert {name: (folds.folder / name / "model.pth").stat().st_mtime_ns for name in folds.runs} == weights
    assert again.evaluation is not None
    assert folds.evaluation is not None
    assert again.evaluation.scores.to_dict() == folds.evaluation.scores.to_dict()


def test_an_interrupted_cross_validation_goes_on(folds: HeldOutSummary, simulated_store: Path, tmp_path: Path) -> None:
    """Ctrl-C in the second fold's only epoch; then the command again, and the numbers of one that ran through."""
    two_epochs = TrainOptions(options={**OPTIONS.options, "epochs": 2}, model_options=TINY)

    def interrupt(row) -> None:
        if len(said) == 2 and row["epoch"] == 0:
            raise KeyboardInterrupt

    whole = cross_validate(simulated_store, tmp_path / "whole", two_epochs, folds=2)
    said: list[str] = []
    stopped = cross_validate(simulated_store, tmp_path / "cut", two_epochs, folds=2, report=interrupt, say=said.append)
    assert said == ["fold-0 (1 of 2)", "fold-1 (2 of 2)"]
    assert stopped.interrupted
    assert stopped.evaluation is None
    assert not (tmp_path / "cut" / "scores.csv").exists()
    gone_on = cross_validate(simulated_store, tmp_path / "cut", two_epochs, folds=2)
    assert whole.evaluation is not None
    assert gone_on.evaluation is not None
    assert gone_on.evaluation.scores.to_dict() == whole.evaluation.scores.to_dict()


def test_each_dataset_is_left_out_in_turn(left_out: HeldOutSummary, simulated_store: Path) -> None:
    store = Store(simulated_store)
    dataset = dict(zip(store.ids, store.datasets, strict=True))
    group = dict(zip(store.ids, store.column("record/group"), strict=True))
    assert set(left_out.runs) == {f"leave-out-{name}" for name in set(store.datasets)}
    for name in left_out.runs:
        tested, trained = (ids(left_out.folder / name, f"{side}_ids.txt") for side in ("test", "train"))
        assert {dataset[record] for record in tested} == {name.removeprefix("leave-out-")}
        assert not {group[record] for record in tested} & {group[record] for record in trained}
        assert name.removeprefix("leave-out-") not in {dataset[record] for record in trained}
        assert not ids(left_out.folder / name, "valid_ids.txt")
    assert left_out.evaluation is not None
    by_part = {part.name.removeprefix("leave-out-"): part.scores for part in left_out.evaluation.held_out}
    by_dataset = {part.name: part.scores for part in left_out.evaluation.datasets}
    assert {name: scores.to_dict() for name, scores in by_part.items()} == {
        name: scores.to_dict() for name, scores in by_dataset.items()
    }
    # nobody validated, so that thresholds can only come from the other datasets
    assert left_out.decided_by == "thresholds fitted to the held-out records of the other parts"


def test_a_dataset_alone_is_decided_by_the_runs_own_thresholds(simulated_store: Path, tmp_path: Path) -> None:
    how = TrainOptions(options={**OPTIONS.options, "leave_out": "ptb-xl"}, model_options=TINY)
    done = train_and_test(simulated_store, tmp_path / "run", how)
    thresholds = json.loads((tmp_path / "run" / "thresholds.json").read_text())
    held_out = read_test_ids(tmp_path / "run" / "test_ids.txt")
    for one in predictions_of(tmp_path / "run", held_out):
        by_code = dict(zip(one.codes, zip(one.labels, one.scores, strict=True), strict=True))
        for code in SCORED_CLASSES:
            label, score = by_code[code]
            if abs(score - thresholds[code]) > 1e-6 and score > 0:
                assert label == (score > thresholds[code])
    assert done.evaluation is not None
    assert done.evaluation.n_records == len(held_out)
    assert [part.name for part in done.evaluation.datasets] == ["ptb-xl"]
    assert (tmp_path / "run" / "test_scores.csv").is_file()
    assert evaluate(simulated_store, tmp_path / "run").scores.to_dict() == done.evaluation.scores.to_dict()


def test_a_run_by_rank_keeps_its_rule(simulated_store: Path, tmp_path: Path) -> None:
    how = TrainOptions(options={**OPTIONS.options, "decision": "rank"}, model_options=TINY)
    done = cross_validate(simulated_store, tmp_path / "folds", how, folds=2)
    assert done.decided_by == "the rule of each run's model"
    assert not (tmp_path / "folds" / "thresholds.json").exists()
    for name in done.runs:
        for record in read_test_ids(tmp_path / "folds" / name / "test_ids.txt"):
            one, other = (predictions_of(folder, [record]) for folder in (done.folder, done.folder / name))
            assert one == other


def test_a_single_fold_is_the_one_of_all(folds: HeldOutSummary, simulated_store: Path, tmp_path: Path) -> None:
    how = TrainOptions(options={**OPTIONS.options, "folds": 3, "fold": 1}, model_options=TINY)
    train_and_test(simulated_store, tmp_path / "run", how)
    assert ids(tmp_path / "run", "test_ids.txt") == ids(folds.folder / "fold-1", "test_ids.txt")
    records = read_test_ids(tmp_path / "run" / "test_ids.txt")
    assert predictions_of(tmp_path / "run", records) == predictions_of(folds.folder / "fold-1", records)


def test_more_epochs_are_tested_anew(simulated_store: Path, tmp_path: Path) -> None:
    options = {**OPTIONS.options, "folds": 2, "fold": 0, "valid_split": 0.0}
    first = train_and_test(simulated_store, tmp_path / "run", TrainOptions(options=options, model_options=TINY))
    name = read_test_ids(tmp_path / "run" / "test_ids.txt")[0]
    lost = predictions_of(tmp_path / "run", [name])
    (tmp_path / "run" / "predictions" / f"{name}.csv").unlink()
    train_and_test(simulated_store, tmp_path / "run", TrainOptions(options=options, model_options=TINY))
    assert predictions_of(tmp_path / "run", [name]) == lost  # what is missing is predicted again, too
    more = TrainOptions(options={**options, "epochs": 2}, model_options=TINY)
    second = train_and_test(simulated_store, tmp_path / "run", more)
    assert first.evaluation is not None
    assert second.evaluation is not None
    assert first.evaluation.scores.auroc != second.evaluation.scores.auroc


def test_every_part_starts_from_the_pretrained_stage(
    simulated_store: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What lies in the folder of all is handed to each training; of its records, folds are dealt anew."""
    names = list(Store(simulated_store).ids)
    write_august(tmp_path / "stage", stage="LSTM")
    for folder in ("given", "there"):
        (tmp_path / folder).mkdir()
        for name in ("pretrain_config.json", "pretrain_model.pth"):
            (tmp_path / folder / name).write_bytes((tmp_path / "stage" / name).read_bytes())
        (tmp_path / folder / "pretrain_train_ids.txt").write_text(",".join(names[:40]))
        (tmp_path / folder / "pretrain_valid_ids.txt").write_text(",".join(names[40:]))
    given: list[Path] = []

    def noting(*args, **options):
        given.append(options["pretrained"])
        return train(*args, **options)

    monkeypatch.setattr(crossvalidate, "train", noting)
    network = {"net_filter_size": (2,), "net_seq_length": (64,), "kernel_size": 3, "pretrain_output_size": 2}
    how = TrainOptions(options={"epochs": 1, "n_total": 24, "valid_split": 0.0}, model_options=network)
    with caplog.at_level(logging.WARNING):
        cross_validate(simulated_store, tmp_path / "there", how, folds=2)
    assert given == [tmp_path / "there"] * 2
    tested = [name for part in ("fold-0", "fold-1") for name in ids(tmp_path / "there" / part, "test_ids.txt")]
    assert len(tested) == 24
    n_seen = len(set(tested) & set(names[:40]))
    assert n_seen > 0
    assert f"the stage was pretrained on {n_seen} of the held-out records, without their labels" in caplog.text
    one = replace(how, pretrained=tmp_path / "given", options={**how.options, "folds": 2, "fold": 0})
    train_and_test(simulated_store, tmp_path / "run", one)
    assert given[-1] == tmp_path / "given"


def test_several_processes_cannot_share_a_cross_validation(
    simulated_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("RANK", "1"), ("WORLD_SIZE", "2"), ("LOCAL_RANK", "1")):
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match="2 processes; expected one for a cross-validation: leave out torchrun"):
        cross_validate(simulated_store, tmp_path / "cv", OPTIONS, folds=2)


def test_what_cannot_be_is_named(folds: HeldOutSummary, simulated_store: Path, tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match=r"holds a cross-validation over fold-0, fold-1, fold-2; asked for is one"):
        cross_validate(simulated_store, folds.folder, OPTIONS, folds=4)
    with pytest.raises(ConfigError, match="folds is 1; expected at least 2"):
        cross_validate(simulated_store, tmp_path / "one", OPTIONS, folds=1)
    unknown = TrainOptions(options={**OPTIONS.options, "leave_out": "ward"}, model_options=TINY)
    with pytest.raises(ConfigError, match="leave_out is 'ward'; expected what labelled records have: cpsc, "):
        train_and_test(simulated_store, tmp_path / "run", unknown)
    all_valid = TrainOptions(options={"valid_split": 1.0, "folds": 2, "fold": 0}, model_options=TINY)
    with pytest.raises(ConfigError, match=r"valid_split is 1\.0; expected below 1 where records are held out"):
        train_and_test(simulated_store, tmp_path / "run", all_valid)
    plain = TrainOptions(options={"epochs": 1}, model_options=TINY)
    with pytest.raises(RunFolderError, match=r"test_ids\.txt: missing; expected a run that holds records out"):
        train_and_test(simulated_store, tmp_path / "plain", plain)


def test_id_files_without_a_test_side_are_refused(simulated_store: Path, run: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    for name in ("train_ids.txt", "valid_ids.txt"):
        (tmp_path / "run" / name).write_text((run / name).read_text())
    how = TrainOptions(options={"epochs": 1, "folds": 2, "fold": 0}, model_options=TINY)
    with pytest.raises(RunFolderError, match=r"train_ids\.txt fixes who trains, but test_ids\.txt is missing"):
        train_and_test(simulated_store, tmp_path / "run", how)


def test_one_dataset_cannot_be_left_out(tmp_path: Path, simulated: Path) -> None:
    from ecg12.cache.schema import StoreConfig
    from ecg12.pipeline.ingest.build_cache import build_cache

    build_cache([simulated / "Training_CPSC"], tmp_path / "ecg.zarr", StoreConfig())
    with pytest.raises(ConfigError, match=r"1 dataset with scored labels \(cpsc\); expected at least two"):
        plan_parts(Store(tmp_path / "ecg.zarr"), None, challenge())
