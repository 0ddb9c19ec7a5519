"""What the user has named: only that is imported, whatever the files of a run folder ask for.

A run folder is data, and whoever is sent one must be able to open it. So an import path that stands in its files is no
reason to import anything. It is imported where the command names it (--plugin, or the option that asks for it), where
the environment variable ECG12_PLUGINS does, for programs that have no options of ours, or where an installed
distribution registers just that as a plugin.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass

from ecg12.ecg.errors import PluginError
from ecg12.ecg.plugin_names import is_module_name, is_plugin_name

VARIABLE = "ECG12_PLUGINS"
"""Environment variable with modules or import paths, commas or blanks between."""


@dataclass(frozen=True, slots=True)
class Consent:
    """What may be imported.

    Attributes
    ----------
    exact : import paths that were named themselves
    modules : modules all of whose own plugins, and those of modules below them, may be
    """

    exact: frozenset[str] = frozenset()
    modules: frozenset[str] = frozenset()

    def names(self, module: str, attribute: str) -> bool:
        """Whether just this was named."""
        return f"{module}:{attribute}" in self.exact

    def covers(self, module: str) -> bool:
        """Whether a module was named, or one that it lies below."""
        parts = module.split(".")
        return any(".".join(parts[:n]) in self.modules for n in range(1, len(parts) + 1))


def consent_to(plugins: Iterable[str] = (), asked: Iterable[str] = ()) -> Consent:
    """What a call of this program has named.

    Parameters
    ----------
    plugins : modules and import paths, to which the environment's are added
    asked : values of the call's own options, of which those that are import paths count

    Raises
    ------
    PluginError
        If one of `plugins`, or of the variable, is neither.
    """
    exact = {name for name in asked if is_plugin_name(name)}
    modules: set[str] = set()
    given = [(name, "plugin") for name in ([plugins] if isinstance(plugins, str) else plugins)]
    given += [(name, VARIABLE) for name in os.environ.get(VARIABLE, "").replace(",", " ").split()]
    for name, where in given:
        if is_plugin_name(name):
            exact.add(name)
        elif is_module_name(name):
            modules.add(name)
        else:
            raise PluginError(f"{where}: {name!r} is no module; expected package.module, or package.module:Name")
    return Consent(frozenset(exact), frozenset(modules))


NOTHING = Consent()
