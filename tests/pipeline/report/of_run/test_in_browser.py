"""The report of a run in a browser: quiet, reachable by keys, in light and dark, on a phone and on paper."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from ecg12.pipeline.report.of_run.report import report_run
from tests.browser import PHONE, Opened, opened


@pytest.fixture(scope="module")
def report(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return report_run(run, tmp_path_factory.mktemp("browser") / "run & 1.html", n_examples=1).path


@pytest.fixture(scope="module")
def desk(browser: Browser, report: Path) -> Iterator[Opened]:
    """The report on a wide screen, in light."""
    with opened(browser, report) as found:
        yield found


@pytest.fixture(scope="module")
def dark(browser: Browser, report: Path) -> Iterator[Opened]:
    """The same in the dark."""
    with opened(browser, report, scheme="dark") as found:
        yield found


def test_nothing_is_fetched_and_nothing_complained_of(desk: Opened, report: Path) -> None:
    assert desk.requests == [report.as_uri()]
    assert desk.complaints == []


def test_a_browser_finds_every_section(desk: Opened) -> None:
    titles = desk.page.locator("nav a").all_inner_texts()
    assert len(titles) == 11
    assert desk.page.locator("main section h2").all_inner_texts() == titles
    for link in desk.page.locator("nav a").all():
        assert desk.page.locator(link.get_attribute("href") or "").count() == 1


def test_charts_have_a_name_and_a_description(desk: Opened) -> None:
    counts = desk.page.eval_on_selector_all(
        "svg[role=img]", "all => all.map(one => [...one.children].filter(c => /^(title|desc)$/.test(c.tagName)).length)"
    )
    assert len(counts) > 30
    assert set(counts) == {2}
    assert desk.page.get_by_role("img", name="Learning rate").count() == 1
    assert desk.page.get_by_role("table", name="Official figures").count() == 1
    assert [desk.page.locator(name).count() for name in ("header", "nav", "main", "footer")] == [1, 1, 1, 1]


def test_charts_are_as_wide_as_their_frames_and_text_is_legible(desk: Opened) -> None:
    sizes = desk.page.eval_on_selector_all(
        "figure.chart > svg", "all => all.map(one => one.getBoundingClientRect().width / one.viewBox.baseVal.width)"
    )
    assert min(sizes) > 0.6
    assert max(sizes) < 1.3


def test_keys_reach_and_open_what_is_folded(browser: Browser, report: Path) -> None:
    with opened(browser, report) as found:
        page = found.page
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the report"
        assert page.evaluate("document.activeElement.getBoundingClientRect().top") >= 0  # shown once it has the focus
        page.keyboard.press("Enter")
        reached = None
        for _ in range(40):
            page.keyboard.press("Tab")
            reached = page.evaluate("document.activeElement.tagName")
            if reached == "SUMMARY":
                break
        assert reached == "SUMMARY"
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
        assert not page.evaluate("document.activeElement.parentElement.open")
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.parentElement.open")
        every = page.locator("summary").count()
        assert every == page.eval_on_selector_all("summary", "all => all.filter(one => one.tabIndex === 0).length")
        assert found.complaints == []


def test_dark_is_dark_and_light_is_light(desk: Opened, dark: Opened) -> None:
    for selector, name in (
        ("body", "backgroundColor"),
        ("body", "color"),
        ("figure", "backgroundColor"),
        ("svg .s0.line", "stroke"),
        ("svg text", "fill"),
        (".ecg svg", "backgroundColor"),
        (".ecg .trace", "stroke"),
    ):
        assert desk.colour_of(selector, name) != dark.colour_of(selector, name), selector
    assert _brightness(dark.colour_of("body", "backgroundColor")) < 60
    assert _brightness(dark.colour_of("body")) > 200
    assert _brightness(desk.colour_of("body", "backgroundColor")) > 230
    assert _brightness(desk.colour_of("body")) < 60


@pytest.mark.parametrize("selector", ["p.lead", "td", "caption", "nav a", "summary", ".legend li", "figcaption", "dt"])
def test_letters_stand_out(desk: Opened, dark: Opened, selector: str) -> None:
    """Contrast of at least 4.5 to 1, as WCAG 2.2 AA wants."""
    for found in (desk, dark):
        letters = found.colour_of(selector)
        for below in (found.colour_of("body", "backgroundColor"), found.colour_of("figure", "backgroundColor")):
            assert _contrast(letters, below) >= 4.5


def test_nothing_sticks_out_on_a_phone(browser: Browser, report: Path) -> None:
    with opened(browser, report, width=PHONE) as phone:
        assert phone.width() == PHONE
        assert phone.complaints == []
        widest = phone.page.eval_on_selector_all(
            "figure, .card, .tiles, h1", "all => Math.max(...all.map(one => one.getBoundingClientRect().right))"
        )
        assert widest <= PHONE


def test_on_paper_there_is_what_paper_can_show(dark: Opened) -> None:
    page = dark.page
    page.emulate_media(media="print")
    try:
        assert not page.locator("nav").is_visible()
        assert not page.locator("summary").first.is_visible()
        assert page.locator("#curves svg").first.is_visible()
        assert _brightness(dark.colour_of("body", "backgroundColor")) == 255
        assert _brightness(dark.colour_of("body")) == 0
        assert page.pdf(format="A4").startswith(b"%PDF")
    finally:
        page.emulate_media(media="screen")


def _brightness(colour: str) -> float:
    """Of a computed colour `rgb(…)`, 0 to 255."""
    return sum(_channels(colour)) / 3


def _channels(colour: str) -> list[float]:
    return [float(part) for part in colour.partition("(")[2].rstrip(")").split(",")[:3]]


def _contrast(one: str, other: str) -> float:
    """As WCAG 2.2 defines it."""
    lights = sorted((_luminance(colour) for colour in (one, other)), reverse=True)
    return (lights[0] + 0.05) / (lights[1] + 0.05)


def _luminance(colour: str) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in _channels(colour))]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
