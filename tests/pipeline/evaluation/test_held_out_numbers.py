"""Numbers of held-out records: predicted into one table, scored from it, and reported on."""

from pathlib import Path

import pytest

from ecg12.cache.reader import Store
from ecg12.ecg.errors import InputError
from ecg12.ecg.scores.figures import compute_number_figures
from ecg12.pipeline.evaluation.crossvalidate import TrainOptions, cross_validate
from ecg12.pipeline.report.of_run.report import report_run
from ecg12.pipeline.runs.predicted_folder import NUMBER_COLUMNS, TABLE, open_predicted
from ecg12.pipeline.runs.prediction_folders import PREDICTIONS
from ecg12.pipeline.runs.prediction_table import read_prediction_table
from tests.conftest import TINY
from tests.pipeline.report.page_reader import read_page


def test_numbers_of_a_cross_validation(simulated_store: Path, tmp_path: Path) -> None:
    how = TrainOptions(options={"epochs": 1, "valid_split": 0.25, "seed": 4, "task": "age"}, model_options=TINY)
    folder = cross_validate(simulated_store, tmp_path / "folds", how, folds=2).folder
    assert [path.name for path in (folder / PREDICTIONS).glob("*.csv")] == [TABLE]
    assert [path.name for path in (folder / "fold-0" / PREDICTIONS).glob("*.csv")] == [TABLE]
    header = (folder / PREDICTIONS / TABLE).read_text().partition("\n")[0]
    assert tuple(header.split(",")) == NUMBER_COLUMNS
    store, opened = Store(simulated_store), open_predicted(folder / PREDICTIONS)
    assert opened.numbers is not None
    names = list(opened.numbers)
    found = read_prediction_table(folder / PREDICTIONS / TABLE, names)
    assert [found[name].scores[0] for name in names] == [opened.numbers[name][1] for name in names]
    ages = store.column("record/age")[store.rows_of(names)].astype(float)
    told = [found[name].scores[0] for name in names]
    expected = compute_number_figures(ages, told)["mae"]
    report_run(folder, tmp_path / "report.html", n_examples=0)
    page = read_page(tmp_path / "report.html")
    (figures,) = [rows for caption, rows in page.tables.items() if caption.startswith("Figures of task age")]
    assert figures[1][:2] == ["Mean absolute error, years", f"{expected:.3f}"]
    assert {"By part", "By dataset", "By sex"} <= {caption.partition(";")[0] for caption in page.tables}


def test_a_number_that_is_said_twice_is_refused(tmp_path: Path) -> None:
    rows = ["a,age,age,50,years,", "a,age,age,51,years,"]
    (tmp_path / TABLE).write_text("\n".join([",".join(NUMBER_COLUMNS), *rows]) + "\n")
    with pytest.raises(InputError, match="line 3: a: age a second time"):
        read_prediction_table(tmp_path / TABLE, ["a"])
