"""Every link of a page leads to a file, and to a title in it, and every page is reached from the first."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.pages import GENERATED, PAGES, ROOT, name_of

WITH_LINKS = [*PAGES, GENERATED, ROOT / "cache" / "FORMAT.md"]


def links_of(page: Path) -> Iterator[tuple[str, Path, str]]:
    """Links to places in the repository: as written, the file, and the title that is meant, or an empty text."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    for target in re.findall(r"\]\((?!https?:|mailto:)([^)\s]+)\)", text):
        path, _, title = target.partition("#")
        yield target, (page.parent / path).resolve() if path else page, title


def titles_of(page: Path) -> list[str]:
    """Its titles as a link names them: small letters, hyphens for blanks, and no other signs."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return [re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles]


@pytest.mark.parametrize("page", WITH_LINKS, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    for target, found, title in links_of(page):
        assert found.exists(), f"{name_of(page)}: {target}"
        assert not title or title in titles_of(found), f"{name_of(page)}: {target}"


def test_every_page_is_reached_from_the_readme() -> None:
    reached, new = set[Path](), {ROOT / "README.md"}
    while new:
        reached |= new
        new = {found for page in new for _, found, _ in links_of(page) if found.suffix == ".md"} - reached
    assert [name_of(page) for page in WITH_LINKS if page not in reached] == []
