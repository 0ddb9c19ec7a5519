"""Markup: whatever is put in stays text."""

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecg12.pipeline.report.drawing.markup import EMPTY, Markup, element, join, slug, text


class Seen(HTMLParser):
    """Tags, attributes and text of a fragment."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.values: list[str | None] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.values += [value for _, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data


@given(st.text(st.characters(exclude_categories=("Cc", "Cs", "Cn"))))
def test_any_text_comes_back_as_text(written: str) -> None:
    seen = Seen(element("p", written, title=written))
    assert seen.tags == ["p"]
    assert seen.text == written
    assert seen.values == [written]


@pytest.mark.parametrize(
    "written", ["<script>alert(1)</script>", '" onload="x', "</style>", "<!--", "&lt;", "]]>", "'><img src=x>"]
)
def test_what_looks_like_markup_is_none(written: str) -> None:
    seen = Seen(element("td", written, class_=written))
    assert seen.tags == ["td"]
    assert seen.text == written


def test_characters_that_html_forbids_are_replaced() -> None:
    assert text("a\x00b\udc80c") == "a\ufffdb\ufffdc"
    element("p", "a\x00\udc80", title="\x07\udfff").encode()


def test_markup_is_not_escaped_twice() -> None:
    inner = element("b", "1 < 2")
    assert inner == "<b>1 &lt; 2</b>"
    assert element("p", inner, None, 3) == "<p><b>1 &lt; 2</b>3</p>"
    assert join() == EMPTY
    assert isinstance(join("a", inner), Markup)


def test_attributes() -> None:
    assert element("a", "x", href="#y", aria_label="z", class_=None, hidden=True, lang=False) == (
        '<a href="#y" aria-label="z" hidden>x</a>'
    )
    assert element("meta", charset="utf-8") == '<meta charset="utf-8">'


def test_slug() -> None:
    assert slug("Scores & curves (2)") == "scores-curves-2"
    assert slug("äö") == "section"
