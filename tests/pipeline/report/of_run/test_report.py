"""The report of a run: what it says is what was computed, whatever of the run is there."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from ecg12.cache.reader import Store
from ecg12.ecg.errors import ConfigError, RunFolderError, StoreError
from ecg12.ecg.labels.snomed import SCORED_CLASSES, abbreviation_of
from ecg12.ecg.scores.challenge_metric import compute_challenge_confusion
from ecg12.pipeline.evaluation import finished_run as only_test
from ecg12.pipeline.evaluation.crossvalidate import TrainOptions, cross_validate
from ecg12.pipeline.report.drawing.page import ReportSummary
from ecg12.pipeline.report.of_run import report as reporting
from ecg12.pipeline.report.of_run.report import report_run
from ecg12.pipeline.report.of_run.run_answers import find_answers
from ecg12.pipeline.runs.run_folder import read_history, read_ids
from ecg12.pipeline.runtime.progress import silent
from tests.conftest import TINY
from tests.pipeline.reference_folders import write_april, write_august
from tests.pipeline.report.page_reader import PageReader, read_page

SECTIONS = (
    "Learning", "Scores", "Classes", "Curves", "Calibration", "Confusion", "Worst errors", "Records", "Quality",
    "Configuration", "Environment",
)  # fmt: skip


@pytest.fixture(scope="module")
def written(run: Path, tmp_path_factory: pytest.TempPathFactory) -> ReportSummary:
    return report_run(run, tmp_path_factory.mktemp("report") / "run.html", n_examples=1)


@pytest.fixture(scope="module")
def page(written: ReportSummary) -> PageReader:
    return read_page(written.path)


@pytest.fixture(scope="module")
def folds(simulated_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two folds; tests only read them."""
    how = TrainOptions(options={"epochs": 1, "valid_split": 0.25, "seed": 4}, model_options=TINY)
    return cross_validate(simulated_store, tmp_path_factory.mktemp("cv") / "folds", how, folds=2).folder


@pytest.fixture
def copied(run: Path, tmp_path: Path) -> Path:
    """A run folder that a test may change."""
    return Path(shutil.copytree(run, tmp_path / "run"))


def table(page: PageReader, start: str) -> list[list[str]]:
    """The one table whose caption begins so."""
    (caption,) = [caption for caption in page.tables if caption.startswith(start)]
    return page.tables[caption]


def test_everything_is_there(written: ReportSummary, page: PageReader) -> None:
    assert written.sections == tuple(page.headings) == SECTIONS
    assert written.missing == ()
    assert written.n_bytes == written.path.stat().st_size < 700_000


def test_scores_are_those_of_only_test(run: Path, simulated_store: Path, page: PageReader) -> None:
    figures = only_test.only_test(simulated_store, folder=run).figures
    rows = {row[0]: row[1] for row in table(page, "Official figures")[1:]}
    for title, name in (("Challenge metric", "challenge_metric"), ("AUROC", "auroc"), ("Accuracy", "accuracy")):
        assert rows[title] == f"{figures[name]:.3f}"
    assert f"Judged by {len(read_ids(run / 'valid_ids.txt'))} validation records" in page.text
    assert "flatters" not in page.text
    assert "were chosen" not in page.text
    assert "was chosen by these records" in page.text


def test_every_epoch_is_in_the_table(run: Path, page: PageReader) -> None:
    history = read_history(run / "history.csv")
    rows = page.tables["History"]
    assert [row[0] for row in rows] == ["epoch", "1", "2", "3"]
    column = rows[0].index("valid_loss")
    assert [row[column] for row in rows[1:]] == [f"{row['valid_loss']:,.3f}" for row in history]


def test_classes_count_what_the_labels_say(run: Path, simulated_store: Path, page: PageReader) -> None:
    store = Store(simulated_store)
    answers = find_answers(run, store, cuda=False, progress=silent)
    truth, binary = answers.truth.astype(bool), answers.binary.astype(bool)
    header, *rows = table(page, "The scored classes")
    for number, row in enumerate(rows):
        assert row[0] == abbreviation_of(SCORED_CLASSES[number])
        assert row[header.index("positives")] == str(truth[:, number].sum())
        assert row[header.index("false positives")] == str((~truth & binary)[:, number].sum())
        assert row[header.index("false negatives")] == str((truth & ~binary)[:, number].sum())
        assert answers.thresholds is not None
        assert row[header.index("threshold")] == f"{answers.thresholds[number]:.3f}"
    shown = {name for name in page.tables if name.endswith("what some thresholds give")}
    assert len(shown) == (truth.any(axis=0)).sum()


def test_the_confusion_is_the_challenges_own(run: Path, simulated_store: Path, page: PageReader) -> None:
    answers = find_answers(run, Store(simulated_store), cuda=False, progress=silent)
    matrix = compute_challenge_confusion(answers.truth, answers.binary)
    header, *rows = table(page, "The matrix itself")
    names = [abbreviation_of(code) for code in SCORED_CLASSES]
    for row in rows:
        for name, cell in zip(header[1:], row[1:], strict=True):
            assert cell == f"{matrix[names.index(row[0]), names.index(name)]:,.3f}"
    assert sum(float(cell) for row in rows for cell in row[1:]) == pytest.approx(matrix.sum(), abs=0.2)


def test_records_are_counted_by_side(run: Path, simulated_store: Path, page: PageReader) -> None:
    store = Store(simulated_store)
    sides = [store.rows_of(read_ids(run / f"{side}_ids.txt")) for side in ("train", "valid")]
    header, *rows = table(page, "Records with each scored class")
    assert header[:3] == ["class", "training", "validation"]
    for row in rows:
        column = SCORED_CLASSES.index(row[3])
        assert [int(cell) for cell in row[1:3]] == [store.column("label/scored")[part, column].sum() for part in sides]
    totals = {row[0]: row[1:] for row in table(page, "Records of each dataset")}
    assert totals["all"] == [str(len(part)) for part in sides]
    assert totals["patients"] == [str(len(set(store.column("record/group")[part]))) for part in sides]


def test_the_worst_are_drawn(page: PageReader, simulated_store: Path) -> None:
    drawn = [caption for caption in page.figures if caption.endswith(("but not labelled", "but not decided"))]
    assert len(drawn) == 2
    names = set(map(str, Store(simulated_store).ids))
    assert all(caption.split(" (")[0] in names for caption in drawn)


def test_the_setup_is_told(run: Path, page: PageReader) -> None:
    rows = {row[0]: row[1:] for row in table(page, "Options that differ")[1:]}
    assert rows["epochs"] == ["3", "30"]
    environment = json.loads((run / "environment.json").read_text())
    assert environment["packages"]["torch"] in page.text
    assert environment["store_digest"] in page.text


def test_the_same_run_makes_the_same_bytes(run: Path, written: ReportSummary, tmp_path: Path) -> None:
    again = report_run(run, tmp_path / "again.html", n_examples=1)
    assert again.path.read_bytes() == written.path.read_bytes()


def test_logits_stand_for_the_network(
    copied: Path, simulated_store: Path, written: ReportSummary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    only_test.only_test(simulated_store, folder=copied, options={"save_logits": True})
    monkeypatch.setattr(only_test.OwnPredictor, "compute_logits", None)
    report = report_run(copied, tmp_path / "a.html", n_examples=1)
    assert report.missing == ()
    assert report.path.read_bytes() == written.path.read_bytes()


def test_without_its_store_a_run_tells_what_its_folder_knows(copied: Path, tmp_path: Path) -> None:
    shutil.copytree(copied, tmp_path / "elsewhere" / "run")
    folder = tmp_path / "elsewhere" / "run"
    environment = json.loads((folder / "environment.json").read_text())
    (folder / "environment.json").write_text(json.dumps(environment | {"stores": ["/nowhere/a.zarr"], "command": []}))
    report = report_run(folder, tmp_path / "a.html")
    assert report.sections == ("Learning", "Configuration", "Environment")
    (missing,) = report.missing
    assert "the run was trained on was not found (looked at /nowhere/a.zarr" in missing
    assert missing.endswith("name it with --store")
    page = read_page(report.path)
    assert missing in page.text
    best = max(row["challenge_metric"] for row in read_history(folder / "history.csv"))
    assert f"{best:.3f}" in page.text


def test_a_store_that_is_told_is_taken(copied: Path, simulated_store: Path, tmp_path: Path) -> None:
    (copied / "environment.json").unlink()
    report = report_run(copied, tmp_path / "a.html", stores=[simulated_store], n_examples=0)
    assert report.sections == SECTIONS[:-1]
    assert report.missing == ()
    with pytest.raises(StoreError, match="no store there"):
        report_run(copied, tmp_path / "b.html", stores=[tmp_path / "none.zarr"])
    assert not (tmp_path / "b.html").exists()


def test_what_cannot_be_judged_is_said(copied: Path, tmp_path: Path) -> None:
    (copied / "valid_ids.txt").write_text("")
    report = report_run(copied, tmp_path / "a.html")
    assert report.sections == ("Learning", "Records", "Configuration", "Environment")
    (missing,) = report.missing
    assert "no record to judge on" in missing
    (copied / "model.pth").write_bytes(b"x")
    (missing,) = report_run(copied, tmp_path / "b.html").missing
    assert "model.pth" in missing


def test_a_name_that_looks_like_markup_stays_a_name(
    copied: Path, simulated_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evil = '<script>alert("1")</script>'
    names = {name: f"{evil}{name}" for name in read_ids(copied / "valid_ids.txt")}
    store = Store(simulated_store)
    renamed = np.array([names.get(name, name) for name in store.names], object)
    monkeypatch.setitem(store._columns, "record/name", renamed)
    (copied / "valid_ids.txt").write_text(",".join(names.values()))
    monkeypatch.setattr(reporting, "find_run_store", lambda folder, told: (store, ""))
    report = report_run(copied, tmp_path / "a.html", n_examples=1)
    assert "<script" not in report.path.read_text()
    page = read_page(report.path)
    assert sum(caption.startswith(evil) for caption in page.figures) == 2
    assert all(row[0].startswith(evil) for row in table(page, "False positives")[1:])


def test_a_fold_is_judged_by_what_it_held_out(folds: Path, simulated_store: Path, tmp_path: Path) -> None:
    page = read_page(report_run(folds / "fold-1", tmp_path / "a.html", n_examples=0).path)
    names = read_ids(folds / "fold-1" / "test_ids.txt")
    assert f"Judged by {len(names)} held-out records" in page.text
    header = table(page, "Records with each scored class")[0]
    assert header[:4] == ["class", "training", "validation", "held out"]


def test_predictions_of_another_model_do_not_count(folds: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(folds / "fold-1", tmp_path / "fold-1"))
    (folder / "tested.json").write_text('{"model_digest": "of an older model"}')
    assert "validation records of" in read_page(report_run(folder, tmp_path / "a.html", n_examples=0).path).text


def test_a_cross_validation_has_the_scores_of_its_evaluation(folds: Path, tmp_path: Path) -> None:
    report = report_run(folds, tmp_path / "a.html", n_examples=0)
    assert report.missing == ()
    page = read_page(report.path)
    found = json.loads((folds / "scores.json").read_text())
    rows = {row[0]: row[1:] for row in table(page, "Official figures")[1:]}
    assert rows["Challenge metric"][0] == f"{found['scores']['challenge_metric']:.3f}"
    assert rows["AUROC"][0] == f"{found['scores']['auroc']:.3f}"
    parts = {row[0]: row for row in table(page, "By part")}
    assert [parts[part["name"]][1] for part in found["held_out"]] == [
        str(part["n_records"]) for part in found["held_out"]
    ]
    assert "thresholds fitted to the held-out records of the other parts" in page.text
    assert [row[0] for row in table(page, "The runs")] == ["part", "fold-0", "fold-1"]


def test_a_cross_validation_that_is_not_done_shows_what_is(folds: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(folds, tmp_path / "folds"))
    values = json.loads((folder / "crossvalidation.json").read_text())
    (folder / "crossvalidation.json").write_text(json.dumps({"parts": values["parts"]}))
    (folder / "fold-1" / "tested.json").unlink()
    report = report_run(folder, tmp_path / "a.html", n_examples=0)
    assert "1 of 2 parts are finished; these are theirs." in read_page(report.path).text
    (folder / "fold-0" / "tested.json").unlink()
    (missing,) = report_run(folder, tmp_path / "b.html").missing
    assert "no part of the cross-validation is finished" in missing
    for part in values["parts"]:
        (folder / part / "history.csv").unlink()
    with pytest.raises(RunFolderError, match="no part of this cross-validation has finished an epoch"):
        report_run(folder, tmp_path / "c.html")


def test_recorded_scores_stand_in_for_a_store_that_is_away(
    folds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reporting, "find_run_store", lambda folder, told: (None, "it is away"))
    report = report_run(folds, tmp_path / "a.html")
    found = json.loads((folds / "scores.json").read_text())
    rows = {row[0]: row for row in read_page(report.path).tables["Official figures"]}
    assert rows["all"][-1] == f"{found['scores']['challenge_metric']:.3f}"
    assert {"fold-0", "fold-1"} <= rows.keys()


@pytest.mark.parametrize(("write", "decided_by"), [(write_august, "the model's rule"), (write_april, "its weights")])
def test_a_folder_of_the_reference_system(write, decided_by: str, simulated_store: Path, tmp_path: Path) -> None:
    folder = write(tmp_path / "reference")
    (folder / "history.csv").write_text("epoch,train_loss,lr,challenge_metric\n0,50,0.001,0.1\n1,40,0.001,0.2\n")
    store = Store(simulated_store)
    names = list(store.ids[store.column("record/fs_source") == 500][:12])
    (folder / "train_ids.txt").write_text(",".join(names[8:]))
    (folder / "valid_ids.txt").write_text(",".join(names[:8]))
    report = report_run(folder, tmp_path / "a.html", stores=[simulated_store], n_examples=0)
    page = read_page(report.path)
    assert {"Learning", "Scores", "Confusion", "Configuration"} <= set(report.sections), report.missing
    assert report.missing == ()
    assert "Judged by 8 validation records" in page.text
    assert decided_by in page.text
    assert "--store" in report_run(folder, tmp_path / "b.html").missing[0]


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="neither a run folder nor a store"):
        report_run(tmp_path, tmp_path / "a.html")


def test_a_damaged_history_is_named(copied: Path, tmp_path: Path) -> None:
    (copied / "history.csv").write_text("epoch,train_loss\n0,x\n")
    with pytest.raises(RunFolderError, match=r"history\.csv"):
        report_run(copied, tmp_path / "a.html")
    assert not (tmp_path / "a.html").exists()


def test_a_gpu_that_is_not_there_is_an_error(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(ConfigError, match="cuda"):
        report_run(run, tmp_path / "a.html", cuda=True)
