"""The plugins of a run: loaded by what its configuration names, and set against what its folder recorded of them."""

import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecg12.cache.storage.small_file import read_json
from ecg12.ecg.decisions.output_mapping import OutputMapping
from ecg12.ecg.models.config.model import ModelConfig
from ecg12.ecg.models.config.option_names import OWN_LOSS
from ecg12.ecg.models.output_layers import OutputLayer
from ecg12.ecg.models.plugin_parts import MakeNetwork
from ecg12.ecg.plugin_names import is_plugin_name, unpack_options
from ecg12.pipeline.plugins.consent import NOTHING, Consent
from ecg12.pipeline.plugins.forms import as_model, as_output_layer
from ecg12.pipeline.plugins.kinds import AUGMENTATION, LOSS, MODEL, OUTPUT_LAYER, PluginKind
from ecg12.pipeline.plugins.loading import Asked, Plugin, load_plugin
from ecg12.pipeline.runs.train_config import TrainConfig

logger = logging.getLogger(__name__)

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+!-]{0,99}")

ENVIRONMENT, PLUGINS = "environment.json", "plugins"
"""The file that has what a run recorded of its plugins, and under which name."""


@dataclass(frozen=True, slots=True)
class RunPlugins:
    """How the plugins of a run are had.

    Attributes
    ----------
    consent : what the user has named
    folder : the run's, where it has begun
    recorded : what it recorded, by kind and name
    """

    consent: Consent = NOTHING
    folder: Path | None = None
    recorded: Mapping[tuple[str, str], Mapping[str, Any]] | None = None

    def load(self, kind: PluginKind, name: str, file: str) -> Plugin:
        """One of them, with a word of warning if it is not the code that the run recorded.

        Parameters
        ----------
        file : of the folder, which names it

        Raises
        ------
        PluginError
            See `pipeline.plugins.loading.load_plugin`.
        """
        known = (self.recorded or {}).get((kind.word, name), {})
        where = "" if self.folder is None else str(self.folder / file)
        plugin = load_plugin(kind, name, self.consent, Asked(where=where, folder=self.folder, recorded=known))
        changes = _changes(known, plugin.describe())
        if changes:
            logger.warning("%s: %s %s is not what the run was trained with: %s", where, kind.word, name, changes)
        return plugin

    def model(self, config: ModelConfig) -> MakeNetwork | None:
        """The class of the network; None for one of ours."""
        if not config.is_plugin:
            return None
        return as_model(self.load(MODEL, config.model, "config.json"), tuple(unpack_options(config.model_options)))

    def output_layer(self, mapping: OutputMapping) -> OutputLayer | None:
        """A plugin's output layer; None for one of ours."""
        if not mapping.parts[0].is_plugin:
            return None
        return as_output_layer(self.load(OUTPUT_LAYER, mapping.layer, "out_layer.txt"), mapping.n_outputs)

    def describe(self, config: TrainConfig, mapping: OutputMapping) -> list[dict[str, Any]]:
        """What the folder is to record of all plugins of a run."""
        named = [(MODEL, config.model.model), *((AUGMENTATION, name) for name in config.augment)]
        named += [(LOSS, config.loss if config.loss != OWN_LOSS else ""), (OUTPUT_LAYER, mapping.layer)]
        consented = RunPlugins(self.consent)  # a change was warned of when they were loaded
        return [consented.load(kind, name, "").describe() for kind, name in named if is_plugin_name(name)]


def plugins_of(folder: Path, consent: Consent = NOTHING) -> RunPlugins:
    """Those of the run in a folder."""
    return RunPlugins(consent, folder, read_recorded(folder))


def read_recorded(folder: Path) -> dict[tuple[str, str], Mapping[str, Any]]:
    """What a run folder recorded of its plugins, by kind and name; nothing of what makes no sense: it only explains.

    What is not of the form of a name or a version is left out: it would stand in advice on what to install.
    """
    try:
        entries: Any = read_json(folder / ENVIRONMENT)[PLUGINS]
        return {(str(one["kind"]), str(one["name"])): _plain(one) for one in entries}
    except (OSError, ValueError, LookupError, TypeError):
        return {}


def _plain(entry: Mapping[str, Any]) -> dict[str, str | None]:
    values = {name: entry.get(name) for name in ("module", "distribution", "version", "source_sha256")}
    return {
        name: value if isinstance(value, str) and _NAME.fullmatch(value) else None for name, value in values.items()
    }


def _changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """How a plugin differs from what was recorded of it, or ""."""
    if not before:
        return ""
    parts = []
    for name in ("distribution", "version"):
        if before.get(name) != now[name]:
            parts.append(f"{name} {before.get(name)} then, {now[name]} now")
    if before.get("source_sha256") != now["source_sha256"]:
        parts.append(f"the source of {now['module']} has changed")
    return ", ".join(parts)


def names_in(options: Mapping[str, Any], model_options: Mapping[str, Any]) -> Iterable[str]:
    """Whatever may be a plugin's name among options that were asked for."""
    for value in (*options.values(), *model_options.values()):
        if isinstance(value, str):
            yield value
        elif isinstance(value, tuple | list):
            yield from (item for item in value if isinstance(item, str))
