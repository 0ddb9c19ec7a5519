"""The task of a run: what it brings along, what it refuses, and how the best epoch is chosen by it."""

from pathlib import Path

import numpy as np
import pytest

from ecg12.cache.reader import Store
from ecg12.ecg.errors import ConfigError, RunFolderError
from ecg12.ecg.tasks.named import CHALLENGE_2020, named_task
from ecg12.ecg.tasks.reading import parse_task
from ecg12.pipeline.evaluation.evaluate import evaluate
from ecg12.pipeline.prediction.predict import predict
from ecg12.pipeline.runs.run_folder import load_model, read_ids
from ecg12.pipeline.runs.train_config import TrainConfig
from ecg12.pipeline.tasks.task_files import TASK, task_of_folder
from ecg12.pipeline.training.run_task import (
    check_options,
    choose_task,
    options_of,
    score_of,
    select_figure,
    settle_number,
)
from ecg12.pipeline.training.targets import make_targets
from ecg12.pipeline.training.train import train
from tests.conftest import TINY

OWN = """name = "conduction"
vocabulary = "snomed-ct"
[classes]
AF = ["164889003"]
[classes.RBBB]
codes = ["59118001", "713427006"]
unknown = ["713426002"]
"""
NUMBER = parse_task('name = "n"\nkind = "number"\ncolumn = "age"\n[number]\nmost = 130', where="n")


@pytest.fixture(scope="module")
def store(simulated_store: Path) -> Store:
    return Store(simulated_store)


def test_options_that_a_task_brings_along() -> None:
    assert options_of(named_task(CHALLENGE_2020)) == {}
    sex = options_of(named_task("sex"))
    assert (sex["output_layer"], sex["decision"], sex["scale_by_rank"]) == ("standard_softmax", "rank", (1.0,))
    balanced = parse_task('name = "b"\nclass_weights = "balanced"\nclasses = ["A"]', where="b")
    assert options_of(balanced) == {"task": "b", "class_weights": "balanced"}


def test_options_that_make_no_sense_for_a_task() -> None:
    check_options(named_task("sex"), TrainConfig(select_by="accuracy"))
    check_options(named_task("age"), TrainConfig(select_by="rmse", output_layer="number"))
    with pytest.raises(
        ConfigError, match="select_by is 'auroc'; expected auto, valid_loss or a figure of task age: mae"
    ):
        check_options(named_task("age"), TrainConfig(select_by="auroc"))
    check_options(named_task("age"), TrainConfig(output_layer="number"))
    for options in ({"output_layer": "softmax"}, {"output_layer": "number", "decision": "rank"}):
        with pytest.raises(ConfigError, match="expected neither: task age tells a number"):
            check_options(named_task("age"), TrainConfig(**options))
    with pytest.raises(ConfigError, match="expected scored: the classes of task sex are more than codes of the store"):
        check_options(named_task("sex"), TrainConfig(train_classes="dset"))


def test_the_figure_that_chooses(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    targets = make_targets(store, named_task(CHALLENGE_2020), TrainConfig())
    everyone = np.arange(store.n_records)
    assert select_figure(TrainConfig(), targets, everyone) == "challenge_metric"
    assert select_figure(TrainConfig(select_by="valid_loss"), targets, everyone) == "valid_loss"
    assert score_of("valid_loss", {"valid_loss": 0.25}) == -0.25
    assert score_of("auroc", {"auroc": 0.25}) == 0.25
    assert not caplog.records
    without = np.flatnonzero(~targets.truth.any(axis=1))[:3]
    assert select_figure(TrainConfig(), targets, without) == "valid_loss"  # of no class at all an area is defined
    assert f"none of the {len(without)} validation records has a class of task challenge2020" in caplog.text


def test_a_numbers_scale_is_that_of_the_training_records(store: Store) -> None:
    rows = np.arange(0, store.n_records, 2)
    age = store.column("record/age")[rows].astype(np.float64)
    age = age[age <= 130]
    settled = settle_number(NUMBER, store, rows)
    assert settled.number is not None
    assert (settled.number.centre, settled.number.scale) == pytest.approx((age.mean(), age.std()))
    assert settle_number(named_task("age"), store, rows) is named_task("age")
    with pytest.raises(ConfigError, match="none of the 0 records to train on has a number of task n"):
        settle_number(NUMBER, store, rows[:0])


@pytest.fixture(scope="module")
def own(simulated_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of an own task whose classes are not known for every record, with its file beside."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "own.toml").write_text(OWN)
    options = {"epochs": 1, "task": str(folder / "own.toml"), "class_weights": "balanced", "seed": 5}
    train(simulated_store, folder=folder / "run", options=options, model_options=TINY)
    return folder


def test_a_run_carries_its_task(own: Path) -> None:
    (own / "moved.toml").write_text((own / "own.toml").read_text())
    model = load_model(own / "run")
    assert model.task.name == "conduction"
    assert model.rule.classes == ("AF", "RBBB")
    assert '"task": "conduction"' in (own / "run" / "config.json").read_text()
    assert choose_task(own / "run", None).codes == ("AF", "RBBB")
    assert choose_task(own / "run", str(own / "moved.toml")).codes == ("AF", "RBBB")
    (own / "other.toml").write_text(OWN.replace("164889003", "426783006"))
    with pytest.raises(
        RunFolderError, match=r"begun with task conduction, as its task\.toml says it; .*other\.toml is"
    ):
        choose_task(own / "run", str(own / "other.toml"))
    with pytest.raises(RunFolderError, match="begun with task conduction, as its"):
        choose_task(own / "run", "sex")


def test_a_run_goes_on_with_its_task(own: Path, simulated_store: Path) -> None:
    summary = train(simulated_store, folder=own / "run", options={"epochs": 2})
    assert len(summary.history) == 2
    assert (summary.task, summary.figure) == ("conduction", "auroc")
    assert "challenge_metric" not in summary.history[-1]


@pytest.mark.parametrize(
    ("task", "layer"), [("sex", "standard_softmax"), ("age", "number_60.0_20.0"), ("cpsc2018", "sigmoid")]
)
def test_named_tasks_train(simulated_store: Path, tmp_path: Path, task: str, layer: str) -> None:
    summary = train(simulated_store, folder=tmp_path, options={"epochs": 1, "task": task}, model_options=TINY)
    assert summary.figure == named_task(task).select
    assert all(
        np.isfinite(value) for name, value in summary.history[-1].items() if name in named_task(task).figures[:1]
    )
    model = load_model(tmp_path)
    assert model.mapping.layer == layer
    assert model.rule.classes == named_task(task).columns
    assert (tmp_path / TASK).is_file()


def test_the_challenges_own_folder_is_as_it_always_was(run: Path) -> None:
    assert not (run / TASK).exists()
    assert '"task"' not in (run / "config.json").read_text()
    assert load_model(run).task is named_task(CHALLENGE_2020)


def test_official_sides_of_a_task(simulated_store: Path, tmp_path: Path, store: Store) -> None:
    split = (
        '[split]\ncolumn = "dataset"\ntrain = ["cpsc", "georgia", "cpsc-extra"]\nvalid = ["ptb-xl"]\ntest = ["ptb"]\n'
    )
    (tmp_path / "t.toml").write_text(OWN.replace("[classes]", split + "[classes]", 1))
    options = {"epochs": 1, "task": str(tmp_path / "t.toml"), "torn_patients": True}
    summary = train(simulated_store, folder=tmp_path / "run", options=options, model_options=TINY)
    ids = read_ids(tmp_path / "run" / "test_ids.txt")
    assert summary.n_test == len(ids) > 0
    assert summary.split == "by the official split, column dataset"
    assert {store.datasets[store.index_of(name)] for name in ids} == {"ptb"}


def test_predictions_of_a_run_are_scored_by_its_task(own: Path, simulated_store: Path) -> None:
    predict([simulated_store], own / "out", own / "run")
    assert task_of_folder(own / "out").name == "conduction"
    assert evaluate(simulated_store, own / "out").scores.classes == ("AF", "RBBB")
