"""What the guide quotes of the program's complaints is what the program says."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, name_of

ROOMS = ("ecg", "cache", "pipeline", "commands")
GUIDE = sorted((ROOT / "docs" / "guide").glob("*.md"))
LEAST = 4
"""Letters of a piece between what varies that are looked for."""


@cache
def said() -> tuple[str, ...]:
    """Every text in the program's code, what is filled in as a NUL."""
    texts = []
    for path in (path for room in ROOMS for path in (ROOT / room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                pieces = (part.value if isinstance(part, ast.Constant) else "\0" for part in node.values)
                texts.append("".join(map(str, pieces)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.append(node.value)
    return tuple(texts)


def complaints_of(page: Path) -> Iterator[str]:
    """What stands in the first column of tables of complaints, between backticks."""
    inside = False
    for line in page.read_text(encoding="utf-8").splitlines():
        inside = line.startswith("| it says |") or (inside and line.startswith("|"))
        if inside and not line.startswith("| it says |"):
            yield from re.findall(r"`([^`]+)`", line.split("|")[1])


def pieces_of(complaint: str) -> list[str]:
    """The words of a complaint that do not vary: without what …, NAME, and a path with a / stand for."""
    return [piece.strip(" :;,'()") for piece in re.split(r"…|\bNAME\b|(?<= )\w+/\w+|\w+/\w+\.\w+", complaint)]


@pytest.mark.parametrize("page", GUIDE, ids=name_of)
def test_complaints_in_the_guide_are_the_programs(page: Path) -> None:
    complaints = list(complaints_of(page))
    assert complaints, f"{name_of(page)}: each page says what to do when it complains"
    for complaint in complaints:
        pieces = [piece for piece in pieces_of(complaint) if len(piece) >= LEAST]
        assert pieces, complaint
        for piece in pieces:
            assert any(piece in text for text in said()), f"{name_of(page)}: {complaint!r}: nothing says {piece!r}"
