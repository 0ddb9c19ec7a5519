"""One HTML file: a heading, what matters most in large figures, sections with a list of them, and nothing from outside.

No script runs in it and nothing is fetched: its own policy forbids both, and its one style sheet is allowed by its
digest. So a report may be mailed, kept beside the run, or opened where there is no network. It has no date in it:
the same input makes the same bytes.
"""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ecg12.cache.storage.atomic import write_text_atomically
from ecg12.ecg.errors import InputError
from ecg12.ecg.version import __version__
from ecg12.pipeline.report.drawing.markup import EMPTY, Content, Markup, each, element, join, slug

STYLE_SHEET = Path(__file__).with_name("page.css")


@dataclass(frozen=True, kw_only=True, slots=True)
class Tile:
    """A figure that is worth standing at the top: `value` in large letters, what it is, and a remark."""

    name: str
    value: str
    remark: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """A part of a page with a heading; titles of one page differ.

    Attributes
    ----------
    lead : a sentence or two below the heading: what is seen here, and how to read it
    """

    title: str
    body: Markup
    lead: Content = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """A report before it is written.

    Attributes
    ----------
    kind : what it is about in a word or two, above the title: "Training run", "Store"
    lead : what was looked at, in a sentence
    tiles : the most important figures
    missing : what could not be shown, and why; a line each
    """

    kind: str
    title: str
    lead: Content
    tiles: Sequence[Tile] = ()
    missing: Sequence[str] = ()
    sections: Sequence[Section]


@dataclass(frozen=True, kw_only=True, slots=True)
class ReportSummary:
    """A report that was written: where, how large, what it shows, and what it could not show."""

    path: Path
    n_bytes: int
    sections: tuple[str, ...]
    missing: tuple[str, ...]


def refuse_existing(path: Path, *, force: bool) -> None:
    """Say that there is something already, before anything is computed.

    Raises
    ------
    InputError
        If so, and `force` is not given; or if `path` is a folder.
    """
    if path.is_dir():
        raise InputError(f"{path}: a folder; expected the name of an HTML file: --output FILE.html")
    if path.exists() and not force:
        raise InputError(f"{path}: is there already; choose another --output, or --force to replace it")


def write_page(path: Path, page: Page) -> ReportSummary:
    """Write a page whole or not at all; folders are made."""
    written = format_page(page)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text_atomically(path, written)
    return ReportSummary(
        path=path,
        n_bytes=len(written.encode()),
        sections=tuple(section.title for section in page.sections),
        missing=tuple(page.missing),
    )


def format_page(page: Page) -> str:
    """The page as the text of an HTML file."""
    body = element(
        "body",
        element("a", "Skip to the report", href="#report", class_="skip"),
        _header(page),
        _contents(page.sections),
        element("main", each(map(_section, page.sections)), id="report", tabindex="-1"),
        _footer(),
    )
    return f"<!DOCTYPE html>\n{element('html', _head(page), body, lang='en')}\n"


def _head(page: Page) -> Markup:
    style = STYLE_SHEET.read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    return element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", name="referrer", content="no-referrer"),
        element("title", f"{page.title} – {page.kind} – ecg12"),
        element("style", Markup(style)),
    )


def _header(page: Page) -> Markup:
    missing = EMPTY
    if page.missing:
        items = each(element("li", line) for line in page.missing)
        missing = element("aside", element("p", "Not shown"), element("ul", items), class_="missing")
    return element(
        "header",
        element("p", page.kind, class_="kind"),
        element("h1", page.title),
        element("p", page.lead, class_="lead"),
        element("dl", each(map(_tile, page.tiles)), class_="tiles") if page.tiles else None,
        missing,
    )


def _tile(tile: Tile) -> Markup:
    remark = element("dd", tile.remark, class_="remark") if tile.remark else None
    return element("div", element("dt", tile.name), element("dd", tile.value, class_="value"), remark)


def _contents(sections: Sequence[Section]) -> Markup:
    links = each(element("li", element("a", section.title, href=f"#{slug(section.title)}")) for section in sections)
    return element("nav", element("ul", links), aria_label="Sections")


def _section(section: Section) -> Markup:
    name = slug(section.title)
    lead = element("p", section.lead, class_="lead") if section.lead is not None else None
    heading = element("h2", section.title, id=f"{name}-heading")
    return element("section", heading, lead, section.body, id=name, aria_labelledby=f"{name}-heading")


def _footer() -> Markup:
    return element(
        "footer",
        element("p", join("Made by ecg12 ", __version__, ". For research, not for diagnosis.")),
    )
