"""Plugins that installed distributions register, and the distributions of modules.

Installing a distribution is consent to its code. The current directory is not installed: where Python has put it on its
path by itself (`python -m`, a script that lies there), nothing is found in it, for a downloaded folder that one stands
in could else register whatever it likes. Where PYTHONPATH names it, the user does.
"""

import logging
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from ecg12.ecg.errors import PluginError
from ecg12.ecg.plugin_names import REGISTERED, is_plugin_name
from ecg12.pipeline.plugins.kinds import PluginKind

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Registered:
    """An entry point.

    Attributes
    ----------
    name : by which it is asked for
    module, attribute : what it stands for; the attribute may have dots
    distribution, version : of what registers it
    """

    name: str
    module: str
    attribute: str
    distribution: str
    version: str

    @property
    def path(self) -> str:
        """As an import path."""
        return f"{self.module}:{self.attribute}"


def registered(kind: PluginKind) -> tuple[Registered, ...]:
    """All plugins of a kind that are installed, by name."""
    found: dict[tuple[str, str, str], Registered] = {}
    for distribution in distributions():
        if kind.group not in (distribution.read_text("entry_points.txt") or ""):
            continue  # nearly all of them, whose metadata need not be read
        own, version = describe_distribution(distribution)
        for entry in distribution.entry_points:
            if entry.group != kind.group:
                continue
            if not is_plugin_name(f"{REGISTERED}{entry.name}"):
                logger.warning(
                    "%s %s registers the %s %r, which is no name for one: left out", own, version, kind.word, entry.name
                )
                continue
            module, _, attribute = entry.value.partition("[")[0].partition(":")
            one = Registered(entry.name, module.strip(), attribute.strip(), own, version)
            found.setdefault((one.name, one.path, _plain(own)), one)  # the first is used
    return tuple(sorted(found.values(), key=lambda one: (one.name, one.distribution)))


def find_registered(kind: PluginKind, name: str) -> Registered | None:
    """The installed plugin of that name.

    Raises
    ------
    PluginError
        If two distributions register one.
    """
    found = [one for one in registered(kind) if one.name == name]
    if len({one.path for one in found}) > 1:
        who = " and ".join(f"{one.distribution} {one.version} ({one.path})" for one in found)
        raise PluginError(
            f"{kind.word} {REGISTERED}{name}: registered by {who}; expected one: uninstall the other, or name "
            "its import path"
        )
    return found[0] if found else None


def distributions() -> Iterator[metadata.Distribution]:
    """Every installed distribution, but what lies in a current directory that nobody named."""
    return iter(metadata.distributions(path=[entry for entry in sys.path if not is_implied(entry)]))


def is_implied(entry: str) -> bool:
    """Whether an entry of Python's path is the current directory, and PYTHONPATH does not name it.

    An empty part of PYTHONPATH, which Python takes for the current directory, is a slip (`$PYTHONPATH:/x`) and no name.
    """
    here = os.path.realpath(os.curdir)
    if os.path.realpath(entry or os.curdir) != here:
        return False
    named = [part for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if part]
    return here not in map(os.path.realpath, named)


def distribution_of(module: str, file: str | None) -> tuple[str, str] | None:
    """Name and version of the distribution that a module comes from; None for a module that lies by itself."""
    top = module.partition(".")[0]
    beside: list[metadata.Distribution] = []
    for one in distributions():
        name, version = describe_distribution(one)
        if _plain(name) == _plain(top) or top in (one.read_text("top_level.txt") or "").split():
            return name, version
        if file is not None and Path(file).is_relative_to(str(one.locate_file(""))):
            beside.append(one)
    for one in beside:
        if any(part.parts[:1] in ((top,), (f"{top}.py",)) for part in one.files or ()):
            return describe_distribution(one)
    return None


def describe_distribution(distribution: metadata.Distribution) -> tuple[str, str]:
    """Name and version; "?" of what an installation that was broken off leaves."""
    try:
        return distribution.metadata["Name"] or "?", distribution.metadata["Version"] or "?"
    except (TypeError, KeyError, OSError):  # without metadata; which, depends on what else looks for distributions
        return "?", "?"


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
