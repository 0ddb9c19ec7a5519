"""The report on a store in headless Chromium: on a desk, on a phone, in the dark, on paper, and by keys alone."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from ecg12.pipeline.report.of_store.report import StoreReportConfig, report_store
from tests.browser import PHONE, opened
from tests.cache.small_store import write_store

NAME = '<img src="http://127.0.0.1/x" onerror="alert(1)">'


@pytest.fixture(scope="module")
def report(simulated_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "store.html"
    report_store(simulated_store, path, StoreReportConfig(n_sample=2, n_examples=2))
    return path


def test_nothing_is_asked_for_and_nothing_goes_wrong(browser: Browser, report: Path) -> None:
    with opened(browser, report) as found:
        page = found.page
        assert page.locator("h1").inner_text() == "ecg.zarr"
        assert page.locator("main section").count() == 10
        assert page.locator("figure.ecg svg").count() == 2
        # every drawing has a name for whoever does not see it
        assert page.locator("svg[role=img]").count() == page.locator("svg[role=img] > title:first-child").count() > 8
        assert page.locator("table").count() == page.locator("table > caption").count()
        assert found.requests == [report.as_uri()]
        assert found.complaints == []


def test_a_record_with_a_hostile_name_does_nothing(browser: Browser, tmp_path: Path) -> None:
    write_store(tmp_path / "s.zarr", {NAME: {"dx_codes": (NAME,), "dataset": NAME}}, lengths={NAME: 1000})
    report_store(tmp_path / "s.zarr", tmp_path / "r.html")
    with opened(browser, tmp_path / "r.html") as found:
        assert found.requests == [(tmp_path / "r.html").as_uri()]
        assert found.complaints == []
        assert found.page.locator("img").count() == 0
        assert NAME in found.page.locator("#examples figcaption").inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_has_room(browser: Browser, report: Path, scheme: str) -> None:
    with opened(browser, report, width=PHONE, scheme=scheme) as found:
        assert found.width() == PHONE
        # the paper keeps a size at which traces can be read, and scrolls inside its box
        assert found.page.locator("figure.ecg svg").first.bounding_box()["width"] > PHONE


def test_light_and_dark_differ_and_paper_is_light(browser: Browser, report: Path) -> None:
    with opened(browser, report, scheme="light") as light, opened(browser, report, scheme="dark") as dark:
        for selector, name in [("body", "backgroundColor"), ("body", "color"), ("svg .cell", "fill")]:
            assert light.colour_of(selector, name) != dark.colour_of(selector, name)
        dark.page.emulate_media(media="print")
        assert dark.colour_of("body", "backgroundColor") == "rgb(255, 255, 255)"
        assert not dark.page.locator("nav").is_visible()


def test_keys_reach_the_folded_tables_and_the_wide_ones(browser: Browser, report: Path) -> None:
    with opened(browser, report) as found:
        page, reached = found.page, set()
        for _ in range(40):
            page.keyboard.press("Tab")
            reached.add(page.evaluate("document.activeElement.tagName + '.' + document.activeElement.className"))
        assert {"A.skip", "A.", "SUMMARY.", "DIV.scrolling"} <= reached
        page.locator("#classes summary").first.focus()
        page.keyboard.press("Enter")
        assert page.locator("#classes details table").first.is_visible()
