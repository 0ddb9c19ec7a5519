"""What several commands ask for: kinds of values, the default places, and the options that they share."""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from ecg12.cache.schema import CHECKSUM_POLICIES

DEFAULT_DATA = Path("data")
DEFAULT_STORE = Path("data/ecg.zarr")


class NumberList(click.ParamType):
    """Numbers separated by commas or blanks."""

    name = "n,n,…"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        try:
            return tuple(int(part) for part in value.replace(",", " ").split())
        except ValueError:
            self.fail(f"{value!r} is not a list of whole numbers such as 64,128,256", param, ctx)


class FloatList(NumberList):
    """The same with fractions."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[Any, ...]:
        if isinstance(value, tuple):
            return value
        try:
            return tuple(float(part) for part in value.replace(",", " ").split())
        except ValueError:
            self.fail(f"{value!r} is not a list of numbers such as 30,1,0.9", param, ctx)


class FoldNumber(click.ParamType):
    """A whole number, or all."""

    name = "n|all"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        if value == "all" or isinstance(value, int):
            return value
        try:
            return int(value)
        except ValueError:
            self.fail(f"{value!r} is neither a number of a fold nor all", param, ctx)


class ByteCount(click.ParamType):
    """A number of bytes, with k, M, G or T for a thousand, …, and Ki, Mi, Gi or Ti for 1024, …."""

    name = "bytes"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        match = re.fullmatch(r"\s*(\d{1,15}(?:\.\d{1,9})?)\s*([kmgt]?)(i?)b?\s*", value, re.IGNORECASE)
        if match is None or (match[3] and not match[2]):
            self.fail(f"{value!r} is not a number of bytes such as 500MB, 2GiB or 1000000", param, ctx)
        n_bytes = round(float(match[1]) * (1024 if match[3] else 1000) ** " kmgt".index(match[2].lower() or " "))
        if n_bytes < 1:
            self.fail(f"{value!r} is less than one byte", param, ctx)
        return n_bytes


class NameList(click.ParamType):
    """Names separated by commas or blanks."""

    name = "name,name,…"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        return value if isinstance(value, tuple) else tuple(value.replace(",", " ").split())


class LeadList(NameList):
    """Names of leads; a number stands for one of the sets that the Challenge of 2021 scored."""

    name = "name,name,…|number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        from ecg12.ecg.signals.leads import LEAD_SETS

        names = super().convert(value, param, ctx)
        if len(names) != 1 or not names[0].isdigit():
            return names
        if names[0] not in LEAD_SETS:
            self.fail(f"{names[0]} leads are none of the sets {', '.join(LEAD_SETS)}; name them: I,II,V5", param, ctx)
        return LEAD_SETS[names[0]]


class NamesOrNone(NameList):
    """The same; the word none stands for none of them."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        names = super().convert(value, param, ctx)
        return () if names == ("none",) else names


class Place(click.Path):
    """A path of this machine, or the URL of a place elsewhere, such as s3://bucket/ecg.zarr."""

    name = "path or url"

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """A `pathlib.Path`, or for a URL a `cache.storage.location.RemotePath`."""
        from ecg12.cache.storage.location import is_url, locate

        if isinstance(value, str):
            return locate(value) if is_url(value) else super().convert(value, param, ctx)
        return value


class OutputFile(click.Path):
    """A file to be written: once it is whole, it is renamed to this path, so nothing but a file may stand there.

    A rename takes the place of a FIFO or device for good, where whoever may do so gives /dev/stdout, say.
    """

    def __init__(self) -> None:
        super().__init__(path_type=Path, dir_okay=False)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """A `pathlib.Path`."""
        from ecg12.cache.storage.small_file import describe_kind

        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        folder = os.path.dirname(os.path.abspath(path))
        if path.exists() and not path.is_file():
            self.fail(f"{str(path)!r} is {describe_kind(path)}; expected a name for a file", param, ctx)
        if os.name == "posix" and (folder in ("/dev", "/dev/fd") or f"{folder}/".startswith("/proc/")):
            self.fail(f"{str(path)!r} is a name of the system's; expected one for a file", param, ctx)
        above = next((parent for parent in path.parents if os.path.lexists(parent)), None)
        if above is not None and not above.is_dir():
            self.fail(f"{str(path)!r} is below {str(above)!r}, which is no folder", param, ctx)
        return path


def available_cores() -> int:
    """Cores this process may use."""
    from ecg12.pipeline.runtime import machine

    return machine.available_cores()


store_argument = click.argument("store", type=Place(), default=DEFAULT_STORE, metavar="[STORE]")
stores_argument = click.argument("stores", nargs=-1, type=Place(), metavar="[STORE]...")
force_option = click.option("--force", is_flag=True, help="Replace what is there, once the new is whole.")
cuda_option = click.option("--cuda", is_flag=True, help="Run on the GPU; an error if there is none.")
workers_option = click.option(
    "--workers",
    type=click.IntRange(min=1),
    default=available_cores,
    show_default="all cores",
    help="Processes that work at once.",
)


class NameOrPlugin(click.ParamType):
    """One of some names, or a plugin's.

    Parameters
    ----------
    names : this program's own
    kind : which of `pipeline.plugins.kinds`, by its name there
    """

    def __init__(self, names: Sequence[str], kind: str) -> None:
        self.names, self.kind = tuple(names), kind
        self.name = "|".join((*names, "plugin"))

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The name; of an installed plugin with its prefix."""
        from ecg12.ecg.plugin_names import is_plugin_name

        if value in self.names:
            return value
        spelt = _spell_plugin(self.kind, value, self.names)
        if not is_plugin_name(spelt):
            known = ", ".join(self.names)
            self.fail(f"{value!r} is not one of {known}, nor an installed plugin, nor MODULE:NAME", param, ctx)
        return spelt

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """As for a choice."""
        return f"[{'|'.join((*self.names, 'MODULE:NAME'))}]"


class PluginOptions(click.ParamType):
    """Options of a plugin: KEY=VALUE, or a JSON object."""

    name = "key=value,…"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        from ecg12.ecg.errors import ConfigError
        from ecg12.ecg.plugin_names import parse_options

        try:
            return value if isinstance(value, tuple) else parse_options(value)
        except ConfigError as error:
            self.fail(str(error), param, ctx)


def _spell_plugin(kind: str, name: str, own: Sequence[str]) -> str:
    from ecg12.pipeline.plugins import kinds
    from ecg12.pipeline.plugins.choosing import spell_plugin

    return spell_plugin(getattr(kinds, kind), name, own)


plugin_option = click.option(
    "--plugin",
    "plugins",
    multiple=True,
    metavar="MODULE",
    help="A module of yours that the run's files ask for, and that may be imported; may be given several times.",
)


def bad_checksum_option(default: str) -> Any:
    """What to do about samples that are not those a header was written for."""
    return click.option(
        "--bad-checksum",
        type=click.Choice(CHECKSUM_POLICIES),
        default=default,
        show_default=True,
        help="What to do with a record whose samples do not match its header's checksum.",
    )


TOLD = ("fs", "units", "leads", "missing_leads", "bad_checksum", "readers")
"""Names of what `told_options` asks for, as fields of `pipeline.formats.told_by_user.InputConfig`."""


_MISSING_LEADS = click.option(
    "--missing-leads",
    type=click.Choice(["error", "zero"]),
    default="error",
    show_default=True,
    help="What to do about a lead that is neither there nor follows from other limb leads.",
)
_READERS = click.option(
    "--reader",
    "readers",
    multiple=True,
    metavar="MODULE:CLASS",
    help="A class of yours that reads another format of files; may be given several times. Those of installed "
    "packages need not be named.",
)


def told_options(command: Any) -> Any:
    """The options about recordings whose files do not say all, or wrongly: those in `TOLD`."""
    options = [
        click.option("--fs", type=float, help="Sampling frequency, Hz, of files that do not state one."),
        click.option("--units", help="V, mV or uV: instead of what files state."),
        click.option(
            "--leads",
            type=NameList(),
            help="Names of the columns of files that do not name them: I,II,V5; standard for the twelve.",
        ),
        _MISSING_LEADS,
        bad_checksum_option("reject"),
        _READERS,
    ]
    for option in reversed(options):
        command = option(command)
    return command


def source_options(command: Any) -> Any:
    """The same for a command whose --fs and --leads are its store's, and which files below its inputs are meant."""
    options = [
        click.option(
            "--include",
            multiple=True,
            metavar="PATTERN",
            help="Take such files alone: a path below the inputs, a folder or a name, with * for anything; may be "
            "given several times.",
        ),
        click.option("--exclude", multiple=True, metavar="PATTERN", help="Leave such files out."),
        click.option("--source-fs", type=float, help="Sampling frequency, Hz, of files that do not state one."),
        click.option("--source-units", help="V, mV or uV: instead of what files state."),
        click.option(
            "--source-leads",
            type=NameList(),
            help="Names of the columns of files that do not name them: I,II,V5; standard for the twelve.",
        ),
        _MISSING_LEADS,
        _READERS,
    ]
    for option in reversed(options):
        command = option(command)
    return command
