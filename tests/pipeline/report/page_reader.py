"""Reading a report as a browser would: tables by caption, headings, ids, and whether every element is closed."""

from html.parser import HTMLParser
from pathlib import Path

VOID = {"meta", "br", "hr", "col"}


class PageReader(HTMLParser):
    """What is on a page.

    Attributes
    ----------
    tables : caption → rows of cells, the header first
    headings : of sections, in their order
    figures : captions of figures
    ids, links : `id` and `href` of all elements
    attributes : names of all attributes that occur
    text : all text
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tables: dict[str, list[list[str]]] = {}
        self.headings: list[str] = []
        self.figures: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.attributes: set[str] = set()
        self.text = ""
        self._open: list[str] = []
        self._within: dict[str, str] = {}
        self._rows: list[list[str]] = []
        self.feed(html)
        self.close()
        assert not self._open, f"never closed: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self._open.append(tag)
        self.attributes |= {name for name, _ in attrs}
        self.ids += [value or "" for name, value in attrs if name == "id"]
        self.links += [value or "" for name, value in attrs if name in {"href", "src"}]
        self._within[tag] = ""
        if tag == "table":
            self._rows = []
        if tag == "tr":
            self._rows.append([])

    def handle_endtag(self, tag: str) -> None:
        opened = self._open.pop()
        assert opened == tag, f"</{tag}> closes <{opened}>"
        text = self._within.get(tag, "")
        if tag in {"td", "th"}:
            self._rows[-1].append(text)
        if tag == "table":
            assert self._within["caption"] not in self.tables
            self.tables[self._within["caption"]] = self._rows
        if tag == "h2":
            self.headings.append(text)
        if tag == "figcaption":
            self.figures.append(text)

    def handle_data(self, data: str) -> None:
        self.text += data
        for tag in self._open:
            self._within[tag] += data


def read_page(path: Path) -> PageReader:
    """Read a report, and hold it to what all of them keep: closed elements, each id once, no links but to own parts."""
    html = path.read_text(encoding="utf-8")
    page = PageReader(html)
    assert len(set(page.ids)) == len(page.ids)
    assert all(link.startswith("#") and link[1:] in page.ids for link in page.links)
    assert not {name for name in page.attributes if name.startswith("on") or name == "style"}
    assert "http" not in html.replace("http-equiv", "")
    return page
