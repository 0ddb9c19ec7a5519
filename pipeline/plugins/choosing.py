"""What a person writes for a plugin, as a configuration has it: the bare name of an installed one gets its prefix."""

from collections.abc import Collection

from ecg12.ecg.plugin_names import REGISTERED, is_plugin_name
from ecg12.pipeline.plugins.entry_points import find_registered, registered
from ecg12.pipeline.plugins.kinds import PluginKind


def spell_plugin(kind: PluginKind, name: str, own: Collection[str]) -> str:
    """`plugin:NAME` for the bare name of an installed plugin; whatever else as it is.

    Parameters
    ----------
    own : this program's own names, which go before any plugin's

    Raises
    ------
    PluginError
        If two distributions register one of that name.
    """
    if name in own or is_plugin_name(name) or find_registered(kind, name) is None:
        return name
    return f"{REGISTERED}{name}"


def installed_names(kind: PluginKind) -> tuple[str, ...]:
    """Names of the installed plugins of a kind."""
    return tuple(dict.fromkeys(one.name for one in registered(kind)))
