"""What pages tell a reader to type: lines of their `sh` blocks, their `python` blocks, and commands in the text.

A line that ends in a backslash goes on in the next, `&&` stands between two commands, and comments are left out. A
`python` or `toml` block whose first line is a comment with a file's name, such as `# my_net.py`, is that file, to be
saved and not run.
"""

import itertools
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from ecg12.commands import main as program

ROOT = Path(__file__).resolve().parents[2]
GENERATED = ROOT / "docs" / "commands.md"
"""Made from the program itself, so it says nothing to type."""

PAGES = [ROOT / "README.md", *(path for path in sorted((ROOT / "docs").rglob("*.md")) if path != GENERATED)]
LANGUAGES = {"sh", "python", "text", "yaml", "toml", "json", "mermaid"}
"""What a block may say that it is; `text` is what comes out."""

PROGRAM = (("python", "cli.py"), (".venv/bin/python", "cli.py"), ("python", "-m", "ecg12"), ("ecg12",))
"""Ways to call the program."""


def name_of(page: Path) -> str:
    """Its path in the repository."""
    return page.relative_to(ROOT).as_posix()


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to type.

    Attributes
    ----------
    page : its path in the repository
    line : in the page, from 1
    kind : "command", "script" (a whole `sh` block that begins with #!), "python", or "file"
    text : without comments where it is a command; of a file without its first line
    file : its name where it is one
    """

    page: str
    line: int
    kind: str
    text: str
    file: str = ""

    @property
    def variables(self) -> dict[str, str]:
        """Of a command, what its environment has for this one time: PYTHONPATH=my_code ecg12 train …"""
        return dict(word.split("=", 1) for word in itertools.takewhile(_is_variable, shlex.split(self.text)))

    @property
    def words(self) -> list[str]:
        """Of a command, as a shell parts them, behind its variables."""
        return list(itertools.dropwhile(_is_variable, shlex.split(self.text)))

    def __str__(self) -> str:
        return f"{self.page}:{self.line}: {self.text if self.kind == 'command' else f'{self.kind} block'}"


def _is_variable(word: str) -> bool:
    return re.match(r"[A-Z_]\w*=", word) is not None


def steps_of(page: Path) -> list[Step]:
    """Everything to type, in the order of the page."""
    return [step for language, line, text in blocks_of(page) for step in _steps_in(name_of(page), language, line, text)]


def blocks_of(page: Path) -> Iterator[tuple[str, int, str]]:
    """Language, number of the first line inside, and text of each fenced block."""
    begin, language, lines = 0, "", list[str]()
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        if line.lstrip().startswith("```"):
            if begin:
                yield language, begin, "\n".join(lines)
                begin, lines = 0, []
            else:
                begin, language = number + 1, line.strip().removeprefix("```")
        elif begin:
            lines.append(line)
    assert not begin, f"{name_of(page)}:{begin}: a block without an end"


def _steps_in(page: str, language: str, begin: int, text: str) -> Iterator[Step]:
    file = re.match(r"# ([\w/]+\.(?:py|toml))\n", text)
    if language in ("python", "toml") and file:
        yield Step(page, begin, "file", text.partition("\n")[2], file[1])
    elif language == "python":
        yield Step(page, begin, "python", text)
    elif language == "sh" and text.startswith("#!"):
        yield Step(page, begin, "script", text)
    elif language == "sh":
        line, open_ = begin, ""
        for number, part in enumerate(text.splitlines(), begin):
            line = line if open_ else number
            open_ += part
            if open_.endswith("\\"):
                open_ = open_[:-1]
                continue
            bare = shlex.join(shlex.split(open_, comments=True)) if "#" in open_ else open_.strip()
            open_ = ""
            for part in filter(None, re.split(r" && ", bare)):
                yield Step(page, line, "command", part)


def program_words(words: list[str]) -> list[str] | None:
    """What is given to the program in a command that calls it and nothing else, else None."""
    for way in PROGRAM:
        if tuple(words[: len(way)]) == way:
            return words[len(way) :]
    return None


def program_calls(text: str) -> Iterator[list[str]]:
    """What is given to the program wherever a text calls it: behind torchrun, in a container, in a script."""
    for line in text.replace("\\\n", " ").splitlines():
        for call in re.findall(r"(?:cli\.py|(?:^|\s)ecg12 ecg12|-m ecg12) +([^#;&|<>]+)", line):
            yield shlex.split(call)


def spans_of(page: Path) -> Iterator[tuple[str, bool]]:
    """Commands between backticks in the text, without the program's name, and whether that stood before them."""
    text, inside = [], False
    for line in page.read_text(encoding="utf-8").splitlines():
        inside ^= line.lstrip().startswith("```")
        text.append("" if inside else line)
    for span in re.findall(r"(?<!`)`([^`]+)`(?!`)", "\n".join(text).replace("```", "")):
        words = " ".join(span.split())
        named = re.match(r"(?:\.venv/bin/)?python (?:cli\.py|-m ecg12) |ecg12 (?=[a-z])", words)
        if named:
            yield words[named.end() :], True
        elif words.split()[0] in program.main.commands and " " in words:
            yield words, False


def find_command(words: list[str]) -> tuple[click.Command, list[str]]:
    """The command that words begin with, and the words behind it."""
    command: click.Command = program.main
    rest = list(words)
    while isinstance(command, click.Group) and rest and rest[0] in command.commands:
        command = command.commands[rest.pop(0)]
    return command, rest


def parse(words: list[str], *, whole: bool = True) -> None:
    """Let the program read a command without running it.

    Parameters
    ----------
    whole : whether nothing may lack; a command in the text may name an option to speak of it, and no inputs

    Raises
    ------
    click.ClickException
        If there is no such command or option, or a value is refused.
    """
    command, rest = find_command(words)
    if isinstance(command, click.Group):
        if rest and not set(rest) <= {"--help", "--version"}:
            raise click.UsageError(f"no command {rest[0]!r}")
        return
    try:
        with click.Context(program.main, **program.main.context_settings) as door:  # click remembers how help is asked
            command.make_context(command.name, [word for word in rest if word != "--help"], parent=door)
    except click.MissingParameter:
        if whole:
            raise
    except click.BadOptionUsage:  # --residency, to speak of it
        if whole or not rest[-1].startswith("-"):
            raise
        parse([*words[:-1]], whole=False)
