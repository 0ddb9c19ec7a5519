"""A pretraining's folder, ours or the reference system's, as the beginning of a classifier."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from ecg12.cache.reader import Store
from ecg12.ecg.errors import ConfigError, RunFolderError
from ecg12.ecg.models.config.model import ModelConfig
from ecg12.ecg.models.stages import transfer
from ecg12.ecg.signals.leads import LEADS
from ecg12.pipeline.runs.checkpoint import read_json
from ecg12.pipeline.runs.reference_folder import PRETRAIN_CONFIG, PRETRAIN_MODEL, load_pretrained_net


def of_pretraining(folder: Path, store: Store, *, asked_for: bool) -> dict[str, Any]:
    """Fields of `ModelConfig` that follow from a pretraining: its stage, and the input that it has learned from.

    Parameters
    ----------
    asked_for : whether there must be one; else its absence gives nothing

    Raises
    ------
    RunFolderError
        If a file of it is missing or damaged, or they do not fit each other.
    ConfigError
        If the store's rate, leads or filters are not those that it has seen.
    """
    if not asked_for and not (folder / PRETRAIN_MODEL).exists():
        return {}
    stated = read_json(folder / PRETRAIN_CONFIG)
    # the reference system says nothing of these: twelve leads in mV, as they are
    leads = stated.get("leads", LEADS) if isinstance(stated, dict) else LEADS
    if not isinstance(leads, list | tuple):
        raise RunFolderError(f"{folder / PRETRAIN_CONFIG}: leads are {leads!r}; expected a list")
    stage, _ = load_pretrained_net(folder, len(leads))
    _check_input(folder, stated, tuple(leads), store)
    return {
        "stage": stage,
        "normalisation": stated.get("normalisation", "none"),
        "window_length": stated.get("seq_length"),
    }


def _check_input(folder: Path, stated: Mapping[str, Any], leads: tuple[str, ...], store: Store) -> None:
    fs = stated.get("sample_freq", store.fs)
    if (fs, leads) != (store.fs, store.leads):
        raise ConfigError(
            f"{store.path}: {', '.join(store.leads)} at {store.fs:g} Hz; the stage in {folder} was pretrained on "
            f"{', '.join(leads)} at {fs} Hz: use a store built for it"
        )
    seen, here = (stated.get("highpass"), stated.get("notch")), (store.config.highpass, store.config.notch)
    if seen != here:
        raise ConfigError(
            f"{store.path}: high-pass and notch filter at {here[0]} and {here[1]} Hz; the stage in {folder} was "
            f"pretrained with {seen[0]} and {seen[1]}: use a store built for it"
        )


def give_stage(folder: Path, network: nn.Sequential, config: ModelConfig) -> None:
    """Put what the pretraining in `folder` learned into a network that `build_model` made.

    Raises
    ------
    RunFolderError
        As `of_pretraining`.
    """
    _, pretrained = load_pretrained_net(folder, len(config.leads))
    transfer(pretrained.state_dict(), network[0])
