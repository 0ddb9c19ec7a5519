"""The configuration of a new pretraining, or that of the one that a folder holds."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ecg12.cache.reader import Store
from ecg12.ecg.errors import ConfigError, RunFolderError
from ecg12.ecg.models.config.objective import MASKING_OPTIONS
from ecg12.ecg.models.config.stage import StageConfig
from ecg12.pipeline.runs.checkpoint import read_json
from ecg12.pipeline.runs.pretrain_config import FILE_NAMES, NETS_OF, OPTIONS, PretrainConfig
from ecg12.pipeline.runs.reference_folder import MODEL, PRETRAIN_CONFIG, PRETRAIN_MODEL

LAST_STATE = "pretrain_last_state.pth"

_MAY_CHANGE = {"epochs", "check"}
"""Options that a pretraining may be gone on with otherwise: they change no number of the epochs before."""


def configure_pretraining(folder: Path, store: Store, options: Mapping[str, Any]) -> PretrainConfig:
    """The configuration of a new pretraining, or that of the one that the folder holds.

    Raises
    ------
    ConfigError
        If an option is unknown, out of range, or of another net.
    RunFolderError
        If the folder's pretraining was begun otherwise or on another store.
    """
    if (folder / LAST_STATE).exists():
        return _of_folder(folder, store, options)
    if (folder / PRETRAIN_CONFIG).exists() and (folder / PRETRAIN_MODEL).exists():
        raise RunFolderError(f"{folder}: holds a {PRETRAIN_CONFIG} but no {LAST_STATE}; choose another --folder")
    if (folder / MODEL).exists():
        raise RunFolderError(f"{folder}: holds a classifier, which no pretraining came before; choose another --folder")
    _refuse_options_of_others(options)
    return PretrainConfig.from_flat(store.signal_form | dict(options))


def _refuse_options_of_others(options: Mapping[str, Any]) -> None:
    """What would do nothing to the net that is asked for is a mistake."""
    model = options.get("pretrain_model", StageConfig().pretrain_model)
    for name in options:
        nets = NETS_OF.get(name)
        if nets is not None and model not in nets:
            raise ConfigError(f"{name} means nothing to pretrain_model {model}; it is an option of {_list(nets)}")
        if name in MASKING_OPTIONS and model == "transformer" and options.get("trans_train_type") != "masking":
            raise ConfigError(f"{name} means nothing to trans_train_type flipping; it is an option of masking")


def _list(names: frozenset[str]) -> str:
    *before, last = sorted(names)
    return f"{', '.join(before)} and {last}" if before else last


def _of_folder(folder: Path, store: Store, options: Mapping[str, Any]) -> PretrainConfig:
    path = folder / PRETRAIN_CONFIG
    stored = read_json(path)
    if not isinstance(stored, dict):
        raise RunFolderError(f"{path}: no configuration of a run in it; expected the JSON that pretrain wrote")
    stored = dict(stored)
    digest = stored.pop("store_digest", None)
    try:
        config = PretrainConfig.from_flat(stored)
        # options that were not known when it was begun would have had their defaults
        current = config.to_file()
        asked = {FILE_NAMES.get(name, name): value for name, value in options.items()}
        unknown = [name for name in asked if name not in current]
        if unknown:
            raise ConfigError(f"unknown option {', '.join(unknown)}; expected {', '.join(OPTIONS)}")
    except (TypeError, ConfigError) as error:
        raise RunFolderError(f"{path}: cannot be continued ({error})") from error
    changed = [
        f"{name} {current[name]} there, {value} asked for"
        for name, value in asked.items()
        # whatever was chosen then is what "auto" means now
        if name not in _MAY_CHANGE and not _is_auto(name, value) and not _same(current[name], value)
    ]
    if changed:
        raise RunFolderError(
            f"{folder}: the pretraining was begun otherwise ({'; '.join(changed)}); leave these out to continue it, "
            "or choose another --folder"
        )
    if digest != store.attributes["digest"]:
        raise RunFolderError(f"{folder}: was pretrained on another store than {store.path}; continue it with its own")
    return PretrainConfig.from_flat(current | {name: asked[name] for name in _MAY_CHANGE & asked.keys()})


def _is_auto(name: str, value: Any) -> bool:  # noqa: ANN401 - any JSON value
    return name in {"residency", "precision"} and value == "auto"


def _same(stored: Any, asked: Any) -> bool:  # noqa: ANN401 - any JSON value
    return stored == (list(asked) if isinstance(asked, tuple) else asked)
