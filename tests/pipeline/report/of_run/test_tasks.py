"""The report of runs of other tasks: their classes and figures, what is told against what is true, and subgroups."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ecg12.cache.reader import Store
from ecg12.ecg.scores.figures import compute_figures, compute_number_figures
from ecg12.ecg.tasks.named import named_task
from ecg12.pipeline.report.drawing.page import ReportSummary
from ecg12.pipeline.report.of_run.confusion_section import describe_confusion, show_confusion
from ecg12.pipeline.report.of_run.number_sections import MOST_POINTS, show_told
from ecg12.pipeline.report.of_run.report import judge, report_run, selected_by
from ecg12.pipeline.report.of_run.run_answers import RunAnswers, find_answers
from ecg12.pipeline.report.of_run.score_sections import show_scores
from ecg12.pipeline.report.of_run.scores import make_scored_sections
from ecg12.pipeline.runs.run_folder import read_history, read_ids
from ecg12.pipeline.runtime.progress import silent
from tests.browser import opened
from tests.pipeline.report.page_reader import PageReader, read_page

OF_THE_CHALLENGE = ("hallenge metric", "Official", "scored class")


@pytest.fixture(scope="module")
def reports(task_runs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, ReportSummary]:
    folder = tmp_path_factory.mktemp("reports")
    return {name: report_run(run, folder / f"{name}.html", n_examples=1) for name, run in task_runs.items()}


@pytest.fixture(scope="module")
def pages(reports: dict[str, ReportSummary]) -> dict[str, PageReader]:
    return {name: read_page(one.path) for name, one in reports.items()}


def table(page: PageReader, start: str) -> list[list[str]]:
    """The one table whose caption begins so."""
    (caption,) = [caption for caption in page.tables if caption.startswith(start)]
    return page.tables[caption]


def test_every_section_of_classes_is_there(reports: dict[str, ReportSummary], pages: dict[str, PageReader]) -> None:
    sections = ["Learning", "Scores", "Classes", "Curves", "Calibration", "Confusion", "Worst errors", "Records"]
    for name in ("sex", "rhythm"):
        assert pages[name].headings == [*sections, "Quality", "Task", "Configuration", "Environment"]
        assert reports[name].missing == ()
        assert not [word for word in OF_THE_CHALLENGE if word in pages[name].text]


def test_every_section_of_a_number_is_there(reports: dict[str, ReportSummary], pages: dict[str, PageReader]) -> None:
    sections = ["Learning", "Scores", "Told and true", "Worst errors", "Records", "Quality"]
    assert pages["age"].headings == [*sections, "Task", "Configuration", "Environment"]
    assert reports["age"].missing == ()
    assert not [word for word in (*OF_THE_CHALLENGE, "labels decided by") if word in pages["age"].text]


@pytest.mark.parametrize("name", ["sex", "rhythm"])
def test_figures_are_the_tasks(
    name: str, task_runs: dict[str, Path], simulated_store: Path, pages: dict[str, PageReader]
) -> None:
    answers = find_answers(task_runs[name], Store(simulated_store), cuda=False, progress=silent)
    figures = compute_figures(answers.task, answers.truth, answers.binary, answers.scores, answers.known)
    rows = {row[0]: row[1] for row in table(pages[name], f"Figures of task {name}")[1:]}
    assert rows["AUROC"] == f"{figures['auroc']:.3f}"
    assert rows["Accuracy"] == f"{figures['accuracy']:.3f}"
    assert "Challenge metric" not in rows
    header, *classes = table(pages[name], f"The classes of task {name}")
    assert [row[-1] for row in classes] == [one.name for one in answers.task.classes]
    positives = [int(row[header.index("positives")]) for row in classes]
    assert positives == answers.truth.sum(axis=0).tolist()


def test_errors_of_a_number_are_counted(
    task_runs: dict[str, Path], simulated_store: Path, pages: dict[str, PageReader]
) -> None:
    store = Store(simulated_store)
    rows = store.rows_of(read_ids(task_runs["age"] / "valid_ids.txt"))
    answers = find_answers(task_runs["age"], store, cuda=False, progress=silent)
    assert answers.number is not None
    np.testing.assert_array_equal(answers.number, store.column("record/age")[answers.rows])
    assert sorted(answers.rows) == sorted(rows)
    figures = compute_number_figures(answers.number, answers.scores[:, 0])
    shown = {row[0]: row[1] for row in table(pages["age"], "Figures of task age")[1:]}
    assert shown["Mean absolute error, years"] == f"{figures['mae']:.3f}"
    *_, all_of_them = table(pages["age"], "Errors by what is true")
    assert all_of_them[:3] == ["all", str(len(rows)), f"{figures['mae']:.3f}"]
    high = table(pages["age"], "Told too high")
    errors = answers.scores[:, 0] - answers.number
    assert float(high[1][4]) == pytest.approx(errors.max(), abs=1e-3)


def test_subgroups_have_their_records_and_figures(
    task_runs: dict[str, Path], simulated_store: Path, pages: dict[str, PageReader]
) -> None:
    store = Store(simulated_store)
    answers = find_answers(task_runs["age"], store, cuda=False, progress=silent)
    assert answers.number is not None
    header, *rows, total = table(pages["age"], "By sex")
    errors = np.abs(answers.scores[:, 0] - answers.number)
    codes = store.column("record/sex")[answers.rows]
    assert sum(int(row[1]) for row in rows) == len(errors) == int(total[1])
    for row in rows:
        own = errors[codes == {"female": 0, "male": 1}.get(row[0], -1)]
        assert int(row[header.index("records")]) == len(own)
        assert row[header.index("Mean absolute error, years")] == f"{own.mean():.3f}"
    decades = [row[0] for row in table(pages["age"], "By age")[1:-1]]
    assert decades == sorted(decades)
    assert {"By dataset", "By sex", "By age"} <= {caption.split(";")[0] for caption in pages["rhythm"].tables}


def test_one_of_many_has_a_plain_confusion(
    task_runs: dict[str, Path], simulated_store: Path, pages: dict[str, PageReader]
) -> None:
    answers = find_answers(task_runs["sex"], Store(simulated_store), cuda=False, progress=silent)
    header, female, male, total = table(pages["sex"], "Records by what they are")
    assert header == ["", "records", "female", "male", "right"]
    counts = answers.truth.T.astype(int) @ answers.binary.astype(int)
    assert [[int(cell) for cell in row[2:4]] for row in (female, male)] == counts.tolist()
    assert int(total[1]) == len(answers.truth)
    assert [caption for caption in pages["sex"].tables if caption.startswith("Wrong answers")]


def test_a_task_is_told(pages: dict[str, PageReader], task_runs: dict[str, Path]) -> None:
    assert "Task rhythm: Rhythm in three groups." in pages["rhythm"].text
    header, *rows = table(pages["rhythm"], "Classes")
    assert rows[1] == ["af", "AF/AFL", "fibrillation, or flutter", "snomed-ct:164889003, snomed-ct:164890007"]
    assert header == ["code", "abbreviation", "name", "records with"]
    header, *rows = table(pages["rhythm"], "Records with each class")
    assert {row[0] for row in rows} == {"SINUS", "AF/AFL", "block"}
    assert selected_by(task_runs["age"], named_task("age")) == "mae"


def test_without_its_store_a_run_shows_its_tasks_figures(task_runs: dict[str, Path], tmp_path: Path) -> None:
    run = Path(shutil.copytree(task_runs["age"], tmp_path / "run"))
    config = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps(config | {"store_digest": "0" * 64}))
    page = read_page(report_run(run, tmp_path / "report.html").path)
    assert page.headings == ["Learning", "Task", "Configuration", "Environment"]
    mae = read_history(run / "history.csv")[0]["mae"]
    assert f"Mean absolute error{mae:.3f}" in page.text.replace(" ", "").replace(
        "Meanabsoluteerror", "Mean absolute error"
    )
    (run / "test_scores.json").write_text(json.dumps({"n_records": 7, "scores": {"mae": 9.5, "r2": None}}))
    page = read_page(report_run(run, tmp_path / "report.html").path)
    header, row = table(page, "Figures of task age")
    assert (header[2], row[:3]) == ("Mean absolute error", ["all", "7", "9.500"])


def make_answers(task: str, n: int = 60) -> RunAnswers:
    generator = np.random.default_rng(3)
    classes = len(named_task(task).classes)
    truth = (generator.random((n, classes)) < 0.3).astype(np.uint8)
    scores = np.clip(generator.random((n, classes)) * 0.6 + 0.3 * truth, 0, 1)
    return RunAnswers(
        population="held-out records",
        decided_by="x",
        rows=np.arange(n) % 80,
        truth=truth,
        binary=(scores > 0.5).astype(np.uint8),
        scores=scores,
        thresholds=(0.5,) * classes,
        task=named_task(task),
    )


def test_what_is_not_known_counts_in_nothing(simulated_store: Path) -> None:
    """The truth behind an unknown label may be anything."""
    answers = make_answers("ptbxl-superdiagnostic")
    known = np.random.default_rng(8).random(answers.truth.shape) < 0.8
    other = np.where(known, answers.truth, 1 - answers.truth).astype(np.uint8)
    store, pages = Store(simulated_store), []
    for truth in (answers.truth, other):
        one = replace(answers, truth=truth, known=known)
        pages.append("".join(str(section.body) for section in make_scored_sections(one, judge(one, store))))
    assert pages[0] == pages[1]


def test_a_task_with_a_metric_of_its_own_has_its_losses_and_others_none(simulated_store: Path) -> None:
    for name, dearest in (("challenge2021", True), ("ptbxl-form", False)):
        answers = make_answers(name)
        page = PageReader(show_confusion(answers))
        assert any(caption.startswith("The dearest") for caption in page.tables) == dearest
        assert ("What the challenge metric loses to each label" in page.figures) == dearest
        assert ("metric" in describe_confusion(answers.task)) == dearest


def test_of_many_sites_the_largest_are_shown(simulated_store: Path) -> None:
    summary = judge(make_answers("sex"), Store(simulated_store))
    sites = [replace(summary.datasets[0], name=f"site {place}", n_records=place) for place in range(1, 31)]
    page = PageReader(show_scores(replace(summary, by={"site": tuple(sites)})))
    _, *rows, _ = table(page, "By site")
    assert [row[0] for row in rows] == [f"site {place}" for place in range(11, 31)]
    assert "The 20 largest of 30 groups." in page.text


def test_without_a_class_there_is_no_confusion() -> None:
    answers = make_answers("sex")
    assert "No record" in PageReader(show_confusion(replace(answers, truth=np.zeros_like(answers.truth)))).text


def test_many_numbers_are_thinned_and_one_is_enough() -> None:
    generator = np.random.default_rng(0)
    for n in (1, 2 * MOST_POINTS):
        number = generator.normal(50, 10, n)
        answers = replace(
            make_answers("age", n), number=number, scores=number[:, None] + generator.normal(0, 3, (n, 1))
        )
        text = str(show_told(answers))
        assert text.count("<circle") == min(n, MOST_POINTS)
        assert "nan" not in text


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_of_tasks_in_a_browser(browser, reports: dict[str, ReportSummary], scheme: str) -> None:
    for name in ("age", "sex"):
        with opened(browser, reports[name].path, scheme=scheme) as page:
            assert page.complaints == []
            assert len(page.requests) == 1
            assert page.width() <= 1280
