"""What tables of labels gave a store, on its page: vocabularies, likelihoods, folds, sites, notes, numbers."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ecg12.cache.reader import Store
from ecg12.pipeline.report.drawing.page import format_page
from ecg12.pipeline.report.of_store.report import StoreReportConfig, make_store_page
from tests.pipeline.report.page_reader import PageReader

FEW = StoreReportConfig(n_sample=0, n_examples=2)


class Given(Store):
    """A store whose labels are PTB-XL's in form: statements of SCP-ECG with likelihoods, and own names."""

    def __init__(self, path: Path, columns: dict[str, NDArray], *, scored: bool) -> None:
        super().__init__(path)
        self.given, self.is_scored = columns, scored

    def optional(self, path: str) -> NDArray | None:
        return self.given.get(path)

    def column(self, path: str) -> NDArray:
        if path == "label/scored" and not self.is_scored:
            return np.zeros_like(super().column(path))
        return self.given[path] if path in self.given else super().column(path)


@pytest.fixture
def columns(simulated_store: Path) -> dict[str, NDArray]:
    store = Store(simulated_store)
    n, rng = store.n_records, np.random.default_rng(4)
    matrix = (rng.random((n, 4)) < 0.4).astype(np.uint8)
    likelihood = np.where(matrix == 1, rng.choice([0, 50, 100], (n, 4)), np.nan).astype(np.float32)
    likelihood[:, 3] = np.nan
    return {
        "label/code": np.array(["IMI", "NORM", "SR", "ward <b>7</b>"], object),
        "label/vocabulary": np.array(["scp-ecg", "scp-ecg", "scp-ecg", "own"], object),
        "label/matrix": matrix,
        "label/likelihood": likelihood,
        "record/fold": np.array([str(1 + row % 10) for row in range(n)], object),
        "record/site": np.array(["" if row % 4 == 0 else f"site {row % 3}" for row in range(n)], object),
        "record/date": np.array([f"{1990 + row % 3}-05-01T10:00:00" for row in range(n)], object),
        "record/quality_note": np.array(["static noise, V1" if row < 5 else "" for row in range(n)], object),
        "target/name": np.array(["ef"], object),
        "target/value": np.where(np.arange(n) < 10, np.linspace(30, 60, n), np.nan)[:, None],
    }


def page_of(path: Path, columns: dict[str, NDArray], *, scored: bool = False) -> PageReader:
    return PageReader(format_page(make_store_page(Given(path, columns, scored=scored), FEW)))


def test_codes_stand_by_their_vocabulary(simulated_store: Path, columns: dict[str, NDArray]) -> None:
    page = page_of(simulated_store, columns)
    totals = columns["label/matrix"].sum(axis=0)
    header, *rows = page.tables["Codes of SCP-ECG: records"]
    assert {row[0]: int(row[header.index("all")]) for row in rows} == dict(
        zip(("IMI", "NORM", "SR"), map(int, totals[:3]), strict=True)
    )
    assert header[2] == "code"
    assert "inferior myocardial infarction" in {row[1] for row in rows}
    _, own = page.tables["Codes of Own names: records"]
    assert (own[0], int(own[3])) == ("ward <b>7</b>", totals[3])
    assert "Scored classes" not in page.text


def test_likelihoods_are_counted(simulated_store: Path, columns: dict[str, NDArray]) -> None:
    page = page_of(simulated_store, columns)
    header, row = page.tables["How sure the source is of its labels"]
    stated = columns["label/likelihood"][:, :3]
    assert header[-3:] == ["100\u00a0%", "below", "0: not known"]
    assert [int(cell) for cell in row[1:]] == [
        int(columns["label/matrix"][:, :3].sum()),
        int((stated >= 0).sum()),
        *(int((stated == value).sum()) for value in (100, 50, 0)),
    ]


def test_the_most_frequent_codes_are_counted_together_and_drawn(
    simulated_store: Path, columns: dict[str, NDArray]
) -> None:
    page = page_of(simulated_store, columns)
    assert "Classes together" in page.headings
    matrix = columns["label/matrix"].astype(int)
    header, *rows = page.tables["Records with both classes; on the diagonal, with the class"]
    together = {(row[0], name): cell for row in rows for name, cell in zip(header[1:], row[1:], strict=True)}
    assert int(together["IMI", "NORM"]) == (matrix[:, 0] * matrix[:, 1]).sum()


def test_folds_sites_dates_and_notes_are_counted(simulated_store: Path, columns: dict[str, NDArray]) -> None:
    page = page_of(simulated_store, columns)
    n = Store(simulated_store).n_records
    _, *rows, foot = page.tables["Folds and sides: records"]
    assert [row[0] for row in rows] == [str(fold) for fold in range(1, 11)]
    assert [int(row[1]) for row in rows] == [n // 10] * 10
    assert foot[:2] == ["not stated", "0"]
    *_, unknown = page.tables["Sites: records"]
    assert int(unknown[1]) == n // 4
    assert [row[0] for row in page.tables["Dates, 1990-05-01 to 1992-05-01: records"][1:]] == ["1990", "1991", "1992"]
    assert page.tables["The source's notes on quality, 5 records"][1] == ["static noise, V1", "5"]
    assert page.tables["Numbers: records"][1][:3] == ["ef", "10", str(n - 10)]


def test_many_sites_are_cut_and_counted(simulated_store: Path, columns: dict[str, NDArray]) -> None:
    n = Store(simulated_store).n_records
    many = columns | {"record/site": np.array([f"site {row:03d}" for row in range(n)], object)}
    *_, others, unknown = page_of(simulated_store, many).tables["Sites: records"]
    assert others[:2] == ["others", str(n - 20)]
    assert unknown[:2] == ["not stated", "0"]


def test_scored_classes_stay_where_there_are_any(simulated_store: Path, columns: dict[str, NDArray]) -> None:
    given = {path: values for path, values in columns.items() if not path.startswith("label/")}
    vocabulary = np.array(["snomed-ct"] * len(Store(simulated_store).column("label/code")), object)
    page = page_of(simulated_store, given | {"label/vocabulary": vocabulary}, scored=True)
    assert page.tables["Scored classes: records"]
    assert page.tables["Codes of SNOMED CT: records"]


def test_columns_that_say_nothing_have_no_section(simulated_store: Path) -> None:
    n = Store(simulated_store).n_records
    empty = {
        f"record/{name}": np.array([""] * n, object) for name in ("fold", "site", "device", "date", "quality_note")
    }
    page = page_of(simulated_store, empty, scored=True)
    assert "Splits and sites" not in page.headings
    assert "Numbers" not in page.headings
