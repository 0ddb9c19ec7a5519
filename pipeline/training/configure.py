"""From options to a configuration: defaults, a preset, the folder's config.json, what was asked for, in this order.

A run that was begun is gone on with as it was; what may be asked for otherwise changes no number of its past.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ecg12.cache.reader import Store
from ecg12.ecg.decisions.named_mappings import NAMED
from ecg12.ecg.errors import ConfigError, RunFolderError
from ecg12.ecg.models.config.model import ModelConfig
from ecg12.ecg.models.config.option_names import AUGMENTATIONS, MODELS, OWN_LOSS
from ecg12.ecg.plugin_names import pack_options
from ecg12.ecg.tasks.task import Task
from ecg12.pipeline.plugins.choosing import spell_plugin
from ecg12.pipeline.plugins.kinds import AUGMENTATION, LOSS, MODEL, OUTPUT_LAYER
from ecg12.pipeline.runs import run_folder as files
from ecg12.pipeline.runs.checkpoint import CONFIG, read_json
from ecg12.pipeline.runs.presets import preset_values
from ecg12.pipeline.runs.reference_folder import is_reference_config, translate_training
from ecg12.pipeline.runs.train_config import TrainConfig
from ecg12.pipeline.training.pretrained import of_pretraining
from ecg12.pipeline.training.run_task import check_options, options_of

MAY_CHANGE = frozenset({"epochs", "check", "save_logits"})
"""Options that a run may be gone on with otherwise."""

SETTLED = frozenset({"residency", "precision", "kernels"})
"""Options whose "auto" was settled when the run began."""

PROBE_DEFAULTS: Mapping[str, Any] = {"epochs": 60, "lr": 1e-2, "weight_decay": 0.1}
"""Where a linear layer above a frozen stage differs: with these it comes to the end that exact minimisation finds."""

DECIDING = frozenset(
    {"decision", "scale_by_rank", "combination_strategy", "predict_before_collapse"}
    | {"correction_factor", "correction_limits", "valid_classes"}
)
"""Options that change no weights but only what is made of scores: a finished model may be tested with others."""


def configure(
    folder: Path,
    store: Store,
    options: Mapping[str, Any],
    model_options: Mapping[str, Any],
    *,
    task: Task,
    preset: str | None = None,
    only_test: bool = False,
    pretrained: Path | None = None,
) -> TrainConfig:
    """The configuration of a new run, or that of the run in `folder`.

    Parameters
    ----------
    options, model_options : fields of `TrainConfig` and `ModelConfig` that were asked for
    task : what the run is for; its name stands in the configuration
    preset : see `pipeline.runs.presets`
    only_test : the run is not gone on with, but tested
    pretrained : the folder that a new run takes its stage from; None for its own, if that holds one

    Raises
    ------
    ConfigError
        If they make no sense, or the model is not made for the store.
    RunFolderError
        If the folder's run was begun otherwise, or its files do not fit each other.
    """
    options, model_options = spell(options, model_options)
    options.pop("task", None)
    begun = (folder / files.LAST_STATE).exists() or (only_test and (folder / CONFIG).exists())
    if begun:
        preset_options, preset_model = preset_values(preset)
        may_change = MAY_CHANGE | DECIDING if only_test else MAY_CHANGE
        config = _of_run(folder, store, preset_options | options, preset_model | model_options, may_change, only_test)
    else:
        if (folder / files.MODEL).exists() and not only_test:
            raise RunFolderError(f"{folder}: holds a model but no {files.LAST_STATE}; choose another --folder")
        config = _new(folder, store, options, model_options, task, preset, pretrained)
    check_options(task, config)
    _check_fit(store, config)
    return config


def spell(options: Mapping[str, Any], model_options: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What was asked for, plugins by the names that configurations have, and a plugin's own options packed."""
    options, model_options = dict(options), dict(model_options)
    for values, name, kind, own in (
        (model_options, "model", MODEL, MODELS),
        (options, "loss", LOSS, (OWN_LOSS,)),
        (options, "output_layer", OUTPUT_LAYER, NAMED),
    ):
        given = values.get(name)
        if isinstance(given, str) and not (name == "output_layer" and Path(given).exists()):
            values[name] = spell_plugin(kind, given, own)
    if "augment" in options:
        options["augment"] = tuple(spell_plugin(AUGMENTATION, str(one), AUGMENTATIONS) for one in options["augment"])
    if isinstance(model_options.get("model_options"), Mapping):
        model_options["model_options"] = pack_options(model_options["model_options"])
    return options, model_options


def _new(
    folder: Path,
    store: Store,
    options: dict[str, Any],
    model_options: dict[str, Any],
    task: Task,
    preset: str | None,
    pretrained: Path | None,
) -> TrainConfig:
    train_values, model_values = preset_values(preset)
    stored_train, stored_model = _stored_defaults(folder)
    of_stage = of_pretraining(pretrained or folder, store, asked_for=pretrained is not None)
    model = ModelConfig.from_dict(store.signal_form | of_stage | stored_model | model_values | model_options)
    values = options_of(task) | stored_train | train_values | options | {"task": task.name}
    probes = model.probe and not values.get("finetuning", False)
    return TrainConfig.from_dict((dict(PROBE_DEFAULTS) if probes else {}) | values | {"model": model})


def _stored_defaults(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Fields of training and model that a config.json in the folder states, ours or the reference system's."""
    path = folder / CONFIG
    if not path.exists():
        return {}, {}
    values = read_json(path)
    if is_reference_config(values):
        train, model = preset_values("reference")
        stated, stated_model = translate_training(folder, values)
        return train | stated, model | stated_model
    try:
        train, model = dict(values["train"]), dict(values["model"])
        TrainConfig.from_dict(train | {"model": model})
    except (KeyError, TypeError, ValueError) as error:
        raise RunFolderError(f"{path}: gives no defaults ({error}); correct or remove it") from error
    return train, model


def _of_run(
    folder: Path,
    store: Store,
    options: dict[str, Any],
    model_options: dict[str, Any],
    may_change: frozenset[str],
    only_test: bool,
) -> TrainConfig:
    stored = read_json(folder / CONFIG)
    if not isinstance(stored, dict) or not all(isinstance(stored.get(key), dict) for key in ("train", "model")):
        raise RunFolderError(f"{folder / CONFIG}: no configuration of a run in it; expected the JSON that train wrote")
    try:
        config = TrainConfig.from_dict(stored["train"] | {"model": stored["model"]})
    except (KeyError, TypeError, ConfigError) as error:
        raise RunFolderError(f"{folder / CONFIG}: cannot be continued ({error})") from error
    values = config.to_whole_dict()
    # whatever was chosen then is what "auto" means now
    asked = {key: value for key, value in options.items() if key not in SETTLED or value != "auto"}
    asked |= {f"model.{key}": value for key, value in model_options.items()}
    current = values | {f"model.{key}": value for key, value in values["model"].items()}
    unknown = [key for key in asked if key not in current]
    if unknown:
        raise ConfigError(f"unknown option {', '.join(unknown)}; expected {', '.join(current)}")
    changed = [
        f"{key} {current[key]} there, {value} asked for"
        for key, value in asked.items()
        if key not in may_change and current[key] != (list(value) if isinstance(value, tuple) else value)
    ]
    if changed:
        raise RunFolderError(
            f"{folder}: the run was begun otherwise ({'; '.join(changed)}); leave these out to continue it, or "
            "choose another --folder"
        )
    if not only_test and stored.get("store_digest") != store.attributes["digest"]:
        raise RunFolderError(f"{folder}: was trained on another store than {store.path}; continue it with its own")
    return TrainConfig.from_dict(values | {key: options[key] for key in may_change & options.keys()})


def _check_fit(store: Store, config: TrainConfig) -> None:
    if (config.model.fs, config.model.leads) != (store.fs, store.leads):
        raise ConfigError(
            f"{store.path}: {len(store.leads)} leads at {store.fs:g} Hz; the model expects {len(config.model.leads)} "
            f"at {config.model.fs:g} Hz: use a store built for it"
        )
