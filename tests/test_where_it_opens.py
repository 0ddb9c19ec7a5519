"""The table "Where it opens" of docs/architecture.md is true: for one more of a kind these files, and no others.

For each kind one member that is there is looked up in the code: a module that names it, in a name or in a text that is
no docstring, would have to be touched for the next one as well.
"""

import ast
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "architecture.md"
MODULES = sorted(path for room in ("ecg", "cache", "pipeline", "commands") for path in (ROOT / room).rglob("*.py"))
MEASURING = "pipeline/bench/"


@dataclass(frozen=True)
class Member:
    """How one member of a kind is named in the code.

    Attributes
    ----------
    name : found anywhere in an identifier, or in a text that is no docstring
    text : in files that are no modules
    but_in : folders in which the same word means something else
    """

    name: str
    text: str = ""
    but_in: tuple[str, ...] = ()


FIGURE_MAE = (
    *("ecg/tasks/", "ecg/scores/", "pipeline/evaluation/result.py", "pipeline/runs/predicted_folder.py"),
    *("pipeline/report/", "pipeline/export/", "commands/train.py"),
)
"""Where mae is the mean absolute error."""

MEMBERS = {
    "file format": Member(r"^dicom$|read_dicom|formats\.dicom"),
    "dataset": Member(r"(?i)^incart$"),
    "task": Member(r"^cpsc2018$"),
    "output mapping": Member(r"challenge_sigmoid"),
    # `s4d` alone is a context of cpc as well; what a name of a plugin is not, configure asks
    "network": Member(r"S4dNet|S4dConfig|s4d_|^MODELS$", but_in=("pipeline/training/configure.py",)),
    "network to pretrain": Member(r"^mae$|MaeNet", but_in=FIGURE_MAE),
    "loss": Member(r"label_smoothing|WeightedSigmoid"),
    "augmentation": Member(r"(?i)wander", but_in=("ecg/synthetic/",)),
    "output layer": Member(r"ConvexSoftmax|^cvx_softmax$"),
    # what the command asks for has its own words
    "command": Member(r"^plot$|commands\.plot", text="plot", but_in=("ecg/drawing/", "pipeline/pictures/")),
    "codec": Member(r"(?i)pcodec", text="pcodec"),
}


def words_of(source: str) -> set[str]:
    """Every identifier, imported module and text of some code but for docstrings, which stand by themselves."""
    tree = ast.parse(source)
    standing = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    words: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in standing:
            words.add(node.value)
        elif isinstance(node, ast.Name):
            words.add(node.id)
        elif isinstance(node, ast.Attribute):
            words.add(node.attr)
        elif isinstance(node, ast.arg | ast.keyword):
            words.add(node.arg or "")
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            words.add(node.name)
        elif isinstance(node, ast.ImportFrom):
            words |= {node.module or "", *(alias.name for alias in node.names)}
        elif isinstance(node, ast.Import):
            words |= {alias.name for alias in node.names}
    return words


@cache
def words_of_module(path: Path) -> frozenset[str]:
    return frozenset(words_of(path.read_text(encoding="utf-8")))


def naming(member: Member) -> set[str]:
    """The modules that name a member, as paths below the repository."""
    found = set()
    for path in MODULES:
        name = path.relative_to(ROOT).as_posix()
        if not name.startswith((MEASURING, *member.but_in)):
            if any(re.search(member.name, word) for word in words_of_module(path)):
                found.add(name)
    return found


def rows_of_the_table() -> dict[str, list[str]]:
    """Kind → the files that the table names."""
    section = PAGE.read_text(encoding="utf-8").partition("## Where it opens")[2].partition("\n## ")[0]
    rows = [line.split("|")[1:-1] for line in section.splitlines() if line.startswith("|")][2:]
    return {kind.strip(): re.findall(r"`([\w./-]+)`", files) for kind, files, _ in rows}


ROWS = rows_of_the_table()


def test_every_kind_has_a_row() -> None:
    assert list(ROWS) == list(MEMBERS)


@pytest.mark.parametrize("kind", MEMBERS)
def test_the_files_of_a_kind_are_those_that_name_its_member(kind: str) -> None:
    files = ROWS[kind]
    assert len(set(files)) == len(files)
    for file in files:
        assert (ROOT / file).exists(), file
    modules = {file for file in files if file.endswith((".py", "/"))}
    folders = tuple(file for file in modules if file.endswith("/"))
    found = naming(MEMBERS[kind])
    assert all(any(name.startswith(folder) for name in found) for folder in folders)
    assert {name for name in found if not (folders and name.startswith(folders))} == modules - set(folders)


@pytest.mark.parametrize("kind", [kind for kind, member in MEMBERS.items() if member.text])
def test_files_that_are_no_modules_name_it_too(kind: str) -> None:
    others = [file for file in ROWS[kind] if not file.endswith((".py", "/"))]
    assert others
    for file in others:
        assert re.search(rf"\b{MEMBERS[kind].text}\b", (ROOT / file).read_text(encoding="utf-8")), file


@pytest.mark.parametrize(
    "source",
    [
        "from ecg12.pipeline.formats.dicom import reading",
        "import ecg12.pipeline.formats.dicom",
        "READERS = {'dicom': 1}",
        "def read_dicom_too(path): ...",
        "if kind.read_dicom: ...",
        "call(read_dicom=True)",
        "raise ValueError(f'{read_dicom}')",
    ],
)
def test_a_new_place_is_found(source: str) -> None:
    assert any(re.search(MEMBERS["file format"].name, word) for word in words_of(source))


def test_what_is_only_told_is_no_place() -> None:
    source = '"""dicom"""\n\n# dicom\nSIZE = 1\n"""dicom"""\n\n\ndef read() -> None:\n    """read_dicom"""\n'
    assert not any(re.search(MEMBERS["file format"].name, word) for word in words_of(source))
