"""What docs/ says of the code's structure is what the code has: pictures, rooms, decisions, every module's name."""

import ast
import re
import xml.etree.ElementTree as ElementTree
from functools import cache
from pathlib import Path

import pytest

from docs import draw_rooms, floors

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "architecture.md"
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("*.md"))
PAGES = [ROOT / "README.md", ROOT / "cache" / "FORMAT.md", *sorted((ROOT / "docs").rglob("*.md"))]
SVG = "{http://www.w3.org/2000/svg}"


@cache
def made() -> dict[Path, str]:
    return draw_rooms.made()


def by_name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", [draw_rooms.ROOMS, draw_rooms.JOURNEY, draw_rooms.PAGE], ids=by_name)
def test_what_is_drawn_is_up_to_date(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == made()[path], "run make docs"


@pytest.mark.parametrize("path", [draw_rooms.ROOMS, draw_rooms.JOURNEY], ids=by_name)
def test_boxes_and_texts_of_a_picture_keep_apart(path: Path) -> None:
    """Texts are taken as 7.5 pixels a letter, which is wide for their size."""
    picture = ElementTree.fromstring(made()[path])
    width, height = float(picture.get("width", 0)), float(picture.get("height", 0))
    assert width <= 900
    boxes = [
        tuple(float(box.get(name, 0)) for name in ("x", "y", "width", "height"))
        for box in picture.iter(f"{SVG}rect")
        if box.get("class") in ("box", "stage")
    ]
    assert len(boxes) >= len(draw_rooms.STAGES)
    for number, (x, y, wide, high) in enumerate(boxes):
        assert x >= 0
        assert y >= 0
        assert x + wide <= width
        assert y + high <= height
        for a, b, c, d in boxes[:number]:
            assert x + wide <= a or a + c <= x or y + high <= b or b + d <= y
    inside = [text for text in picture.iter(f"{SVG}text") if text.get("class") is None]
    assert len(inside) == len(boxes)
    assert all(7.5 * len(text.text or "") <= boxes[0][2] for text in inside)


def test_pictures_are_for_light_and_dark() -> None:
    for path in (draw_rooms.ROOMS, draw_rooms.JOURNEY):
        light, _, dark = made()[path].partition("</style>")[0].partition("prefers-color-scheme: dark")
        filled = set(re.findall(r"^(\.\w+|text) {.*fill: #", light, re.MULTILINE))
        assert filled == set(re.findall(r"^(\.\w+|text) {.*fill: #", dark, re.MULTILINE))


def test_every_arrow_of_the_code_is_a_way_in_the_picture() -> None:
    arrows = draw_rooms.read_arrows()
    drawn = floors.reduce(arrows)
    assert {"pipeline.download", "pipeline.formats", "cache", "commands", "ecg.signals"} <= set(arrows)
    assert "pipeline.formats" in arrows["pipeline.recordings"]
    for room in arrows:
        assert floors.below(room, drawn) == floors.below(room, arrows)
    assert sum(map(len, drawn.values())) < sum(map(len, arrows.values()))


def test_the_journey_is_the_rooms_in_their_order() -> None:
    for room in draw_rooms.STAGES:
        assert (ROOT / "pipeline" / room / "__init__.py").exists(), room


def test_the_page_is_short() -> None:
    assert len(PAGE.read_text(encoding="utf-8").splitlines()) < 120


@pytest.mark.parametrize("page", DECISIONS, ids=by_name)
def test_a_decision_says_when_it_was_true_and_what_would_change_it(page: Path) -> None:
    _, *sections = re.split(r"^## ", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert sections
    for section in sections:
        title, *paragraphs = (" ".join(part.split()) for part in section.strip().split("\n\n"))
        assert len(paragraphs) >= 2, title
        assert re.fullmatch(r"\*True on \d{1,2} [A-Z][a-z]+ 20\d\d\. .+\. Would change it: .+\.\*", paragraphs[-1]), (
            title
        )


@pytest.mark.parametrize("page", DECISIONS, ids=by_name)
def test_a_page_of_decisions_is_named_by_its_rooms(page: Path) -> None:
    introduction = page.read_text(encoding="utf-8").partition("\n## ")[0]
    rooms = [ROOT / name for name in re.findall(r"`([\w/]+)`", introduction) if name != "challenge"]
    assert page.stem in {room.name for room in rooms}
    for room in rooms:
        text = ast.get_docstring(ast.parse((room / "__init__.py").read_text(encoding="utf-8"))) or ""
        assert f"`{by_name(page)}`" in text, room


def test_rooms_name_no_page_that_does_not_name_them() -> None:
    for path in (path for top in draw_rooms.TOP for path in (ROOT / top).rglob("__init__.py")):
        for page in re.findall(r"docs/decisions/\w+\.md", path.read_text(encoding="utf-8")):
            assert f"`{by_name(path.parent)}`" in (ROOT / page).read_text(encoding="utf-8").partition("\n## ")[0], path


@pytest.mark.parametrize("page", PAGES, ids=by_name)
def test_modules_and_files_that_a_page_names_are_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for name in re.findall(r"`((?:ecg|cache|pipeline|commands)(?:\.\w+)+)", text):
        assert is_there(name.split(".")), name
    for name in re.findall(r"`((?:ecg|cache|pipeline|commands|challenge|tests|docs)/[\w./-]+)`", text):
        assert (ROOT / name).exists(), name


def is_there(parts: list[str]) -> bool:
    """Whether it is a folder or module, or a name in one that the code of the last module defines or takes in."""
    for length in range(len(parts), 0, -1):
        folder = ROOT.joinpath(*parts[:length])
        module = folder.with_suffix(".py") if folder.with_suffix(".py").exists() else folder / "__init__.py"
        if module.exists():
            inside = parts[length:]
            return not inside or bool(re.search(rf"^(?:def |class )?{inside[0]}\b", module.read_text("utf-8"), re.M))
    return False
