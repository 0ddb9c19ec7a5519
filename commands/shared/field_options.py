"""Options that are fields of a configuration: stated as tables, and shown in sections with that one's defaults."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import click

Sections = Mapping[str, Sequence[tuple[str, Any, str]]]
"""Title of a section of the help → name of a field, its type, and its help. The defaults stand in the configurations
alone, and the help shows those."""


def field_options(sections: Sections) -> Callable[[Any], Any]:
    """An option for each field; one that is not given is None."""

    def decorate(command: Any) -> Any:
        rows = [row for section in sections.values() for row in section]
        for name, kind, text in reversed(rows):
            flag = f"--{name.replace('_', '-')}"
            flags = f"{flag}/--no-{name.replace('_', '-')}" if kind is bool else flag
            command = click.option(flags, name, type=kind, default=None, help=text)(command)
        return command

    return decorate


class FieldCommand(click.Command, ABC):
    """Shows its options in sections, with the defaults of the configuration whose fields they are."""

    sections: ClassVar[Sections]

    @abstractmethod
    def find_defaults(self) -> Mapping[str, Any]:
        """Of every option in the sections."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The options that are no field first."""
        defaults = self.find_defaults()
        fields = {name for rows in self.sections.values() for name, _, _ in rows}
        given = {param.name for param in self.get_params(ctx) if isinstance(param, click.Option)} - fields
        records = {param.name: param.get_help_record(ctx) for param in self.get_params(ctx)}
        with formatter.section("Options"):
            formatter.write_dl([record for name, record in records.items() if record and name in given])
        for title, rows in self.sections.items():
            with formatter.section(title):
                texts = []
                for name, _, _ in rows:
                    flags, text = records[name] or ("", "")
                    texts.append((flags, f"{text}  [default: {_format_default(defaults[name])}]"))
                formatter.write_dl(texts)


def _format_default(value: Any) -> str:
    if value == ():
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ",".join(item if isinstance(item, str) else f"{item:g}" for item in value)
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
