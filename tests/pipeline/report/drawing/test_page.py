"""A page: whole, by itself, closed to everything from outside."""

import base64
import errno
import hashlib
import re
from pathlib import Path

import pytest

from ecg12.ecg.errors import InputError
from ecg12.pipeline.report.drawing.markup import element
from ecg12.pipeline.report.drawing.page import Page, Section, Tile, format_page, refuse_existing, write_page
from ecg12.pipeline.report.drawing.tables import make_facts, make_table
from tests.pipeline.report.page_reader import PageReader, read_page

EVIL = '<script>alert("x")</script>'


def make_page() -> Page:
    body = make_table(EVIL, ["name", "n"], [[EVIL, 3], ["b", None]], foot=[["sum", 3]])
    return Page(
        kind="Run",
        title=EVIL,
        lead=EVIL,
        tiles=[Tile(name=EVIL, value="1", remark=EVIL)],
        missing=[EVIL],
        sections=[
            Section(title="One & two", body=body, lead=EVIL),
            Section(title="Three", body=make_facts([(EVIL, 1.5)])),
        ],
    )


def test_a_page_is_well_formed_and_asks_for_nothing(tmp_path: Path) -> None:
    summary = write_page(tmp_path / "new" / "page.html", make_page())
    page = read_page(summary.path)
    assert summary.n_bytes == summary.path.stat().st_size
    assert summary.sections == ("One & two", "Three")
    assert summary.missing == (EVIL,)
    assert page.headings == ["One & two", "Three"]
    assert [path.name for path in summary.path.parent.iterdir()] == ["page.html"]


def test_what_is_put_in_stays_text() -> None:
    text = format_page(make_page())
    assert "<script" not in text
    assert text.count("&lt;script&gt;") == text.count("&lt;/script&gt;") >= 8
    assert PageReader(text).tables[EVIL] == [["name", "n"], [EVIL, "3"], ["b", "–"], ["sum", "3"]]


def test_the_policy_allows_the_style_sheet_alone() -> None:
    text = format_page(make_page())
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]+)"', text)
    (style,) = re.findall(r"<style>(.*)</style>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy == f"default-src &#x27;none&#x27;; style-src &#x27;sha256-{digest}&#x27;; " + (
        "base-uri &#x27;none&#x27;; form-action &#x27;none&#x27;"
    )
    assert "url(" not in style
    assert "@import" not in style


def test_the_same_page_makes_the_same_bytes() -> None:
    assert format_page(make_page()) == format_page(make_page())


def test_landmarks_and_headings_are_there() -> None:
    text = format_page(make_page())
    for part in ("<html lang=", "<header>", "<nav aria-label=", '<main id="report"', "<footer>", 'class="skip"'):
        assert text.count(part) == 1
    assert text.count("<h1>") == 1
    assert '<section id="one-two" aria-labelledby="one-two-heading">' in text


def test_tables_have_captions_and_scopes() -> None:
    table = make_table("c", ["name", "n"], [["a", 1]], is_caption_shown=False)
    assert '<caption class="unseen">c</caption>' in table
    assert '<th scope="col" class="number">n</th>' in table
    assert '<th scope="row">a</th><td class="number">1</td>' in table
    assert 'tabindex="0"' in table


@pytest.mark.parametrize(
    ("value", "shown"), [(1234, "1,234"), (0.5, "0.500"), (float("nan"), "–"), (None, "–"), (True, "True"), ("a", "a")]
)
def test_cells(value: object, shown: str) -> None:
    assert PageReader(make_table("c", ["x", "y"], [["r", value]])).tables["c"][1] == ["r", shown]


def test_a_report_that_is_there_is_not_replaced_unasked(tmp_path: Path) -> None:
    path = tmp_path / "a.html"
    refuse_existing(path, force=False)
    path.write_text("x")
    refuse_existing(path, force=True)
    with pytest.raises(InputError, match=r"a\.html: is there already; choose another --output, or --force"):
        refuse_existing(path, force=False)
    with pytest.raises(InputError, match="a folder; expected the name of an HTML file"):
        refuse_existing(tmp_path, force=True)


def test_nothing_half_is_left_where_writing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.html"
    path.write_text("old")

    def fail(self: Path, target: Path) -> None:
        raise OSError(errno.ENOSPC, "no room")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="no room"):
        write_page(path, make_page())
    assert path.read_text() == "old"


def test_sections_hold_markup() -> None:
    page = Page(kind="k", title="t", lead=None, sections=[Section(title="s", body=element("p", "x"))])
    assert "<p>x</p></section>" in format_page(page)
