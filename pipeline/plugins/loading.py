"""From a plugin's name to the class or function it stands for, and to what a run records of it."""

import hashlib
import importlib
import os
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

from ecg12.ecg.errors import PluginError
from ecg12.ecg.plugin_names import REGISTERED
from ecg12.pipeline.plugins.consent import VARIABLE, Consent
from ecg12.pipeline.plugins.entry_points import distribution_of, find_registered, registered
from ecg12.pipeline.plugins.kinds import PluginKind

_MOST_PLACES = 6


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Plugin:
    """A plugin that is loaded.

    Attributes
    ----------
    name : as configurations have it
    value : the class or function
    module : in which it is defined
    distribution, version : that the module comes from; None for a module that lies by itself
    digest : SHA-256 of the module's source file; None without one
    """

    kind: PluginKind
    name: str
    value: Any
    module: str
    distribution: str | None
    version: str | None
    digest: str | None

    def describe(self) -> dict[str, Any]:
        """What a run records of it, as JSON values."""
        return {
            "kind": self.kind.word,
            "name": self.name,
            "module": self.module,
            "distribution": self.distribution,
            "version": self.version,
            "source_sha256": self.digest,
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """Who asks for a plugin.

    Attributes
    ----------
    where : the file that names it, or ""
    folder : the run folder, from which nothing is imported; None where there is none yet
    recorded : what the run recorded of it, see `Plugin.describe`; empty where nothing is known
    """

    where: str = ""
    folder: Path | None = None
    recorded: Mapping[str, Any]


NOBODY = Asked(recorded={})


def load_plugin(kind: PluginKind, name: str, consent: Consent, asked: Asked = NOBODY) -> Plugin:
    """Import what a plugin's name stands for.

    Parameters
    ----------
    name : an import path, or `plugin:NAME`
    consent : what the user has named; what is installed as a plugin of this kind needs no more

    Raises
    ------
    PluginError
        If it was not named, is not there, or cannot be imported.
    """
    begin = f"{asked.where}: " if asked.where else ""
    what = f"{begin}{kind.word} {name}"
    if name.startswith(REGISTERED):
        entry = find_registered(kind, name.removeprefix(REGISTERED))
        if entry is None:
            there = ", ".join(one.name for one in registered(kind)) or "none"
            raise PluginError(
                f"{what}: no installed package registers it; looked for among entry points of the group {kind.group} "
                f"(there: {there}){_remedy(asked.recorded, None)}"
            )
        value = _import(what, entry.module, entry.attribute, asked)
        return _describe(kind, name, value, (entry.distribution, entry.version), entry.module)
    module, _, attribute = name.partition(":")
    exact = consent.names(module, attribute) or any(one.path == name for one in registered(kind))
    if not exact and not consent.covers(module):
        raise PluginError(
            f"{what} is code from outside this program, which no file can make it import; if you trust it, add "
            f"--plugin {module} to the command (in Python plugins=[{module!r}], elsewhere {VARIABLE}={module})"
            + _recorded(asked.recorded)
        )
    value = _import(what, module, attribute, asked)
    home = getattr(value, "__module__", None)
    if not exact and not (isinstance(home, str) and consent.covers(home)):
        raise PluginError(
            f"{what} is only imported there, and is {home or 'no class or function'}'s own; expected what {module} "
            f"itself defines: if you trust it, add --plugin {name} to the command"
        )
    return _describe(kind, name, value, None, module)


def _import(what: str, module: str, attribute: str, asked: Asked) -> Any:  # noqa: ANN401 - a class or function
    _refuse_run_folder(what, module, asked.folder)
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise PluginError(f"{what}: {module} itself needs {error.name}, which is not there: install it") from error
        raise PluginError(
            f"{what}: no module {error.name}; looked for in {_places()}{_remedy(asked.recorded, module)}"
        ) from None
    except (Exception, SystemExit) as error:  # other people's module: whatever it does when it is imported
        reason = " ".join(str(error).split())[:300]
        raise PluginError(f"{what}: {module} cannot be imported ({type(error).__name__}: {reason})") from error
    try:
        return reduce(getattr, attribute.split("."), found)
    except AttributeError:
        raise PluginError(
            f"{what}: {module} ({getattr(found, '__file__', None) or 'built in'}) has no {attribute}"
            f"{_recorded(asked.recorded)}; expected the version that has it"
        ) from None


def _refuse_run_folder(what: str, module: str, folder: Path | None) -> None:
    """Refuse a module that lies in the run folder, which Python may find where one stands in it."""
    top = module.partition(".")[0]
    if folder is None or top in sys.modules:
        return
    spec = PathFinder.find_spec(top)
    places = [] if spec is None else [spec.origin, *(spec.submodule_search_locations or ())]
    inside = os.path.realpath(folder)
    for place in places:
        if place and Path(os.path.realpath(place)).is_relative_to(inside):
            raise PluginError(
                f"{what}: {place} lies in the run folder, from which nothing is imported; move it to where you keep "
                "your code, and name that place in PYTHONPATH"
            )


def _places() -> str:
    """Where Python looks for modules, but for its own library."""
    own = {os.path.realpath(sysconfig.get_paths()[name]) for name in ("stdlib", "platstdlib")}
    places = [
        entry or "."
        for entry in sys.path
        if (not entry.endswith(".zip") and not os.path.realpath(entry).startswith(tuple(own))) or "-packages" in entry
    ]
    more = f" and {len(places) - _MOST_PLACES} more" if len(places) > _MOST_PLACES else ""
    return ", ".join(places[:_MOST_PLACES]) + more


def _recorded(recorded: Mapping[str, Any]) -> str:
    if not recorded:
        return ""
    if recorded.get("distribution"):
        return f"; the run recorded {recorded['distribution']} {recorded.get('version')}"
    return f"; the run recorded a module of no package, {recorded['module']}" if recorded.get("module") else ""


def _remedy(recorded: Mapping[str, Any], module: str | None) -> str:
    package = recorded.get("distribution")
    text = _recorded(recorded)
    if package:
        return f"{text}: install that (pip install {package}=={recorded.get('version')})"
    if module is None:
        return f"{text}: install the package that does"
    return f"{text}: name the folder that holds {module.partition('.')[0]} in PYTHONPATH, or install it"


def _describe(kind: PluginKind, name: str, value: Any, package: tuple[str, str] | None, module: str) -> Plugin:  # noqa: ANN401
    home = getattr(value, "__module__", None) or module
    file = getattr(sys.modules.get(home), "__file__", None)
    package = package or distribution_of(home, file)
    digest = None
    if file is not None and os.path.isfile(file):
        digest = hashlib.sha256(Path(file).read_bytes()).hexdigest()
    return Plugin(
        kind=kind,
        name=name,
        value=value,
        module=home,
        distribution=package[0] if package else None,
        version=package[1] if package else None,
        digest=digest,
    )
