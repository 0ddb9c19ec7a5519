"""The report on a store: its figures where they stand on the page, and what is said where the store lacks something."""

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ecg12.cache.reader import Store
from ecg12.cache.schema import StoreConfig
from ecg12.cache.storage import location
from ecg12.cache.storage.location import RemotePath
from ecg12.ecg.errors import ConfigError, StoreError
from ecg12.pipeline.ingest.build_cache import build_cache
from ecg12.pipeline.report.drawing.page import format_page
from ecg12.pipeline.report.of_store.report import StoreReportConfig, make_store_page, report_store
from tests.cache.small_store import flip_byte, write_store
from tests.pipeline.report.page_reader import PageReader, read_page
from tests.records import pulses_uv, write_record

FEW = StoreReportConfig(n_sample=2, n_examples=2)


@pytest.fixture(scope="module")
def page(simulated_store: Path, tmp_path_factory: pytest.TempPathFactory) -> PageReader:
    """The report on `simulated_store`, read."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    report_store(simulated_store, path, FEW)
    return read_page(path)


def test_every_part_is_there(page: PageReader) -> None:
    expected = ["Datasets", "Lengths and sampling", "Patients", "Heart rates", "Classes", "Classes together"]
    assert page.headings == [*expected, "Quality", "Duplicates", "Examples", "The store"]
    assert not [caption for caption in page.tables if not caption]


def test_tables_hold_the_figures_of_the_store(page: PageReader, simulated_store: Path) -> None:
    store = Store(simulated_store)
    by_dataset = Counter(store.datasets)
    header, *rows, total = page.tables["Datasets"]
    assert {row[0]: int(row[header.index("records")]) for row in rows} == by_dataset
    assert total[header.index("records")] == "80"
    assert total[header.index("groups")] == str(len(set(store.column("record/group"))))
    header, *rows = page.tables["Sex: records"]
    assert sum(int(cell) for row in rows for cell in row[1:]) == 80
    header, *rows = page.tables["Scored classes: records"]
    counts = store.column("label/scored").sum(axis=0)
    assert [int(row[header.index("all")]) for row in rows] == sorted(counts[counts > 0].tolist(), reverse=True)
    assert len(page.tables["Codes as stated: records"]) == 1 + len(store.column("label/code"))
    assert store.attributes["digest"] in page.text


def test_each_example_is_drawn(page: PageReader, simulated_store: Path) -> None:
    names = [caption.partition(": ")[0] for caption in page.figures]
    assert len([name for name in names if name in set(Store(simulated_store).names)]) == 2


def test_the_same_store_makes_the_same_bytes(simulated_store: Path, tmp_path: Path) -> None:
    for name in "ab":
        report_store(simulated_store, tmp_path / f"{name}.html", FEW)
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()
    assert (tmp_path / "a.html").stat().st_size < 500_000


HOSTILE = '<script>alert("1")</script>&amp;'


def test_names_from_a_store_are_text(tmp_path: Path) -> None:
    write_store(
        tmp_path / "s.zarr",
        {
            HOSTILE: {"dataset": f"d{HOSTILE}", "dx_codes": (HOSTILE, "426783006"), "digest": "a" * 64},
            "C": {"digest": "a" * 64},
        },
        lengths={HOSTILE: 1000, "C": 900},
    )
    report_store(tmp_path / "s.zarr", tmp_path / "r.html")
    html = (tmp_path / "r.html").read_text()
    assert "<script" not in html
    page = read_page(tmp_path / "r.html")
    assert f"d{HOSTILE}/{HOSTILE} = ward/C" in page.text
    assert HOSTILE in [row[0] for row in page.tables["Codes as stated: records"]]


def test_a_store_without_labels_ages_or_beats_says_so(tmp_path: Path) -> None:
    bare = {"dx_codes": (), "age": None, "sex": None, "scale": 0.0}
    write_store(tmp_path / "s.zarr", {name: bare for name in ("A0001", "A0002", "B", "C")}, StoreConfig(fs=40.0))
    summary = report_store(tmp_path / "s.zarr", tmp_path / "r.html")
    assert summary.missing == ("classes: no record carries a label",)
    page = read_page(tmp_path / "r.html")
    assert "Classes" not in page.headings
    assert "no record carries a label" in page.text
    assert [row[1:4] for row in page.tables["Age, years"][1:]] == [["0", "2", "–"]] * 2
    assert [row[1:] for row in page.tables["Heart rate, beats a minute"][1:]] == [["2", "0", *"–––––"]] * 2
    assert [caption for caption in page.figures if "dataset" in caption and ": dataset" in caption]


def test_a_hospitals_own_codes_take_the_place_of_scored_classes(tmp_path: Path) -> None:
    write_store(tmp_path / "s.zarr", {name: {"dx_codes": ("OWN",)} for name in ("A0001", "A0002", "B", "C")})
    assert report_store(tmp_path / "s.zarr", tmp_path / "r.html").missing == ()
    page = read_page(tmp_path / "r.html")
    assert "Classes together" not in page.headings
    assert page.tables["Most frequent codes: per cent of each dataset's records"][1] == ["OWN", "100", "100"]
    assert "Scored classes: records" not in page.tables


def test_rejects_are_listed_with_their_reasons(tmp_path: Path) -> None:
    write_record(tmp_path / "in", "A0001").with_suffix(".mat").write_bytes(b"short")
    write_record(tmp_path / "in", "A0002", pulses_uv(1000, seed=1))
    build_cache([tmp_path / "in"], tmp_path / "s.zarr", StoreConfig(chunk_length=2048))
    report_store(tmp_path / "s.zarr", tmp_path / "r.html")
    page = read_page(tmp_path / "r.html")
    assert page.tables["Rejected records"][1][:2] == ["cpsc/A0001", "signal"]


def test_signals_are_left_alone_where_none_are_asked_for(simulated_store: Path, tmp_path: Path) -> None:
    config = StoreReportConfig(n_sample=0, n_examples=0)
    summary = report_store(simulated_store, tmp_path / "r.html", config)
    assert summary.missing == ("heart rates: none were asked for", "examples: none were asked for")
    assert {"Heart rates", "Examples"}.isdisjoint(summary.sections)


@pytest.mark.parametrize("field", ["n_sample", "n_examples"])
def test_fewer_than_none_is_refused(field: str) -> None:
    with pytest.raises(ConfigError, match=f"{field} is -1; expected 0 or more"):
        StoreReportConfig(**{field: -1})


def test_a_damaged_chunk_costs_what_reads_it_and_no_more(tmp_path: Path) -> None:
    write_store(tmp_path / "s.zarr")
    for chunk in (tmp_path / "s.zarr" / "signal" / "c" / "0").iterdir():
        flip_byte(chunk)
    summary = report_store(tmp_path / "s.zarr", tmp_path / "r.html")
    reason = r" of records in a chunk that cannot be read: .*s\.zarr/signal .*damaged.*; and \d+ more chunks"
    assert [re.match(rf"(.*?){reason}$", line)[1] for line in summary.missing] == ["heart rates", "examples"]
    assert "Quality" in summary.sections
    assert {"Heart rates", "Examples"}.isdisjoint(summary.sections)


def test_one_damaged_chunk_leaves_the_others_examples(tmp_path: Path) -> None:
    write_store(tmp_path / "s.zarr")
    whole = PageReader(report_store(tmp_path / "s.zarr", tmp_path / "r.html").path.read_text())
    flip_byte(tmp_path / "s.zarr" / "signal" / "c" / "0" / "0")
    summary = report_store(tmp_path / "s.zarr", tmp_path / "r.html")
    assert len(summary.missing) == 2
    assert {"Heart rates", "Examples"} <= set(summary.sections)
    assert 0 < len(PageReader(summary.path.read_text()).figures) < len(whole.figures)


def test_damaged_tables_are_an_error_and_leave_no_report(tmp_path: Path) -> None:
    write_store(tmp_path / "s.zarr")
    flip_byte(tmp_path / "s.zarr" / "record" / "age" / "c" / "0")
    with pytest.raises(StoreError, match=r"s.zarr/record/age: cannot be read"):
        report_store(tmp_path / "s.zarr", tmp_path / "r.html")
    assert not (tmp_path / "r.html").exists()


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve records of two datasets in one.zarr and two.zarr, and all of them in both.zarr; two are equal."""
    folder = tmp_path_factory.mktemp("apart")
    for number in range(6):
        for prefix, place in (("A000", "one" if number % 2 else "two"), ("E0000", "two" if number % 3 else "one")):
            seed = 0 if (prefix, number) in {("A000", 2), ("E0000", 3)} else 10 * number + len(prefix)
            dx = ("426783006", "164889003", "713427006")[: 1 + number % 3]
            name = f"{prefix}{number + 1}"
            write_record(folder / place, name, pulses_uv(2000, seed=seed), dx=",".join(dx), age=str(20 + 9 * number))
    for name, inputs in {"one": ["one"], "two": ["two"], "both": ["one", "two"]}.items():
        build_cache([folder / one for one in inputs], folder / f"{name}.zarr", StoreConfig(chunk_length=8192))
    return folder


def test_several_stores_are_reported_as_the_one_built_together(apart: Path) -> None:
    """All but the stores' own facts; of so few records the sample is everything."""
    pages = []
    for place in ((apart / "both.zarr",), (apart / "two.zarr", apart / "one.zarr")):
        report_store(place, apart / "r.html")
        pages.append(read_page(apart / "r.html"))
    one, several = pages
    assert one.tables == several.tables
    assert one.figures == several.figures
    assert one.headings[:-1] == several.headings[:-1]
    assert several.headings[-1] == "The stores"
    assert str(apart / "one.zarr") in several.text
    assert one.tables["Recordings with the same samples"][1][0] == "cpsc/A0003 = georgia/E00004"


def test_the_order_in_which_stores_are_named_does_not_matter(apart: Path) -> None:
    paths = [apart / "one.zarr", apart / "two.zarr"]
    for name, order in (("a", paths), ("b", paths[::-1])):
        report_store(order, apart / f"{name}.html")
    assert (apart / "a.html").read_bytes() == (apart / "b.html").read_bytes()


def test_a_store_behind_a_url(tmp_path: Path, in_memory: RemotePath) -> None:
    write_store(tmp_path / "s.zarr")
    for file in (tmp_path / "s.zarr").rglob("*"):
        if file.is_file():
            (in_memory / "s.zarr" / file.relative_to(tmp_path / "s.zarr").as_posix()).write_bytes(file.read_bytes())
    report_store(location.locate("memory://place/s.zarr"), tmp_path / "there.html")
    report_store(tmp_path / "s.zarr", tmp_path / "here.html")
    here, there = ((tmp_path / f"{name}.html").read_text() for name in ("here", "there"))
    assert here.replace(str(tmp_path / "s.zarr"), "memory://place/s.zarr") == there
    read_page(tmp_path / "there.html")


def test_numbers_of_a_page_do_not_wait_for_the_number_of_records(simulated_store: Path) -> None:
    """A page of ten times the records is not ten times as long: lists are cut, and say so."""
    store = Store(simulated_store)
    rejects = [{"dataset": "ward", "record": f"R{number}", "stage": "header", "reason": "bad"} for number in range(900)]
    store.attributes = store.attributes | {"rejects": rejects}
    reader = PageReader(format_page(make_store_page(store, replace(FEW, n_sample=1))))
    assert len(reader.tables["Rejected records"]) == 51
    assert "And 850 more" in reader.text
    assert "900 records could not be taken: 900 at header." in reader.text


def test_shares_of_co_occurrence_are_of_the_rows_class(simulated_store: Path, page: PageReader) -> None:
    scored = Store(simulated_store).column("label/scored").astype(int)
    together = scored.T @ scored
    _, *rows = page.tables["Records with both classes; on the diagonal, with the class"]
    assert len(rows) == int((np.diag(together) > 0).sum())
    assert [int(row[1 + place]) for place, row in enumerate(rows)] == sorted(
        (int(n) for n in np.diag(together) if n), reverse=True
    )
    assert sum(int(cell) for row in rows for cell in row[1:] if cell != "–") == together.sum()
