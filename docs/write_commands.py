"""Writes docs/commands.md, every command's `--help` on one page: `make docs`."""

import sys
from collections.abc import Iterator
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from ecg12.commands import main as program

PAGE = Path(__file__).with_name("commands.md")
WIDTH = 100

INTRODUCTION = """# Every command

What `python cli.py COMMAND --help` says, in the order of use. Made by `make docs`; a test holds it to the program.
"""


def commands_page() -> str:
    """The page as Markdown, the same on every machine and terminal."""
    return "\n".join([INTRODUCTION, *(_section(*found) for found in _walk(program.main, ""))])


def _walk(group: click.Group, prefix: str) -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        yield f"{prefix}{name}", command
        if isinstance(command, click.Group):
            yield from _walk(command, f"{prefix}{name} ")


def _section(name: str, command: click.Command) -> str:
    context = click.Context(
        command,
        info_name=f"python cli.py {name}",
        terminal_width=WIDTH,
        max_content_width=WIDTH,
        help_option_names=["-h", "--help"],
    )
    with context:
        return f"## {name}\n\n```text\n{command.get_help(context)}\n```\n"


if __name__ == "__main__":
    PAGE.write_text(commands_page(), encoding="utf-8")
