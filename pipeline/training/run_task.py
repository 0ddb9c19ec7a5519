"""The task of a run: asked for, or carried by the run that its folder holds; and what options it brings along."""

import logging
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecg12.cache.reader import Store
from ecg12.ecg.errors import ConfigError, RunFolderError
from ecg12.ecg.labels.snomed import abbreviation_of, name_of
from ecg12.ecg.tasks.named import CHALLENGE_2020
from ecg12.ecg.tasks.task import LESS_IS_BETTER, LOSS, METRIC, NUMBER, ONE, NumberRange, Task, TaskClass, Term
from ecg12.ecg.tasks.writing import format_task
from ecg12.pipeline.runs import run_folder as files
from ecg12.pipeline.runs.presets import preset_values
from ecg12.pipeline.runs.train_config import TrainConfig
from ecg12.pipeline.tasks.stored_labels import labels_of, stored_labels
from ecg12.pipeline.tasks.task_files import TASK, read_task, task_of_folder
from ecg12.pipeline.training.targets import Targets

logger = logging.getLogger(__name__)

AUTO = "auto"
OWN_CODES = "own-codes"
"""What the task of a store's own codes is called."""


def choose_task(folder: Path, asked: str | None, *, finished: bool = False) -> Task:
    """The task of the run that a folder holds, or the one that is asked for.

    Parameters
    ----------
    asked : name or file of a task; None for the folder's, or the default
    finished : the folder holds a model that is only tested

    Raises
    ------
    ConfigError
        If it cannot be had.
    RunFolderError
        If another is asked for than that of the folder's run.
    """
    begun = finished or (folder / files.LAST_STATE).exists()
    if not begun:
        stated = folder / TASK
        return read_task(asked or (str(stated) if stated.is_file() else CHALLENGE_2020))
    own = task_of_folder(folder)
    if asked is not None:
        other = read_task(asked)
        if other.name != own.name or _fixed(other) != _fixed(own):
            raise RunFolderError(
                f"{folder}: the run was begun with task {own.name}, as its {TASK} says it; {asked} is another: leave "
                "--task out to continue it, or choose another --folder"
            )
    return own


def task_of_codes(store: Store, task: Task, options: Mapping[str, Any], preset: str | None) -> Task:
    """The task, or one of the store's own codes, where all of them are to be learned and the task knows none.

    A network that learns codes of the store (`train_classes` "dset") would be judged by the default task's classes, of
    which no record is one: nothing could be chosen or decided. So its classes are what is asked for.

    Parameters
    ----------
    options, preset : what was asked for; a task by its name is what was meant
    """
    train_classes = options.get("train_classes", preset_values(preset)[0].get("train_classes"))
    if train_classes != "dset" or options.get("task") is not None:
        return task
    stored = stored_labels(store)
    if not stored.codes or set(map(task.by_class.class_of, stored.codes)) & set(task.codes):
        return task
    vocabulary = [stored.vocabulary_of(place) for place in range(len(stored.codes))]
    logger.warning(
        "none of the %d codes of %s is of task %s: each of them is a class of this run",
        len(stored.codes),
        store.path,
        task.name,
    )
    return Task(
        name=OWN_CODES,
        title="the codes of the store that it was trained on",
        vocabularies=tuple(dict.fromkeys(vocabulary)),
        classes=tuple(
            TaskClass(code=code, name=name_of(code), abbreviation=abbreviation_of(code), codes=(Term(of, code),))
            for code, of in zip(stored.codes, vocabulary, strict=True)
        ),
        columns=stored.codes,
    )


def _fixed(task: Task) -> str:
    """A task but for what the training records tell of its numbers."""
    number = task.number and replace(task.number, centre=0.0, scale=1.0)
    return format_task(replace(task, number=number))


def options_of(task: Task) -> dict[str, Any]:
    """Options of `TrainConfig` that a task brings along, where nobody asks for others."""
    values: dict[str, Any] = {}
    if task.name != CHALLENGE_2020:
        values["task"] = task.name
    if task.class_weights != "none":
        values["class_weights"] = task.class_weights
    if task.kind == NUMBER:
        values["output_layer"] = NUMBER
    if task.kind == ONE:
        values |= {"output_layer": "standard_softmax", "decision": "rank", "scale_by_rank": (1.0,)}
    return values


def check_options(task: Task, config: TrainConfig) -> None:
    """Raise ConfigError where options make no sense for a task."""
    if config.select_by not in (AUTO, LOSS, *task.figures):
        raise ConfigError(
            f"select_by is {config.select_by!r}; expected {AUTO}, {LOSS} or a figure of task {task.name}: "
            f"{', '.join(task.figures)}"
        )
    if task.kind == NUMBER and (config.output_layer, config.decision) != (NUMBER, "thresholds"):
        raise ConfigError(
            f"output_layer {config.output_layer}, decision {config.decision}; expected neither: task {task.name} tells "
            "a number, which has an output layer of its own and is not decided"
        )
    if not task.is_by_code and (config.train_classes != "scored" or config.valid_classes != "scored"):
        raise ConfigError(
            f"train_classes {config.train_classes}, valid_classes {config.valid_classes}; expected scored: the classes "
            f"of task {task.name} are more than codes of the store"
        )


def settle_number(task: Task, store: Store, rows: NDArray[np.int64]) -> Task:
    """The task with the centre and scale of its numbers, from the training records where the task states none.

    Raises
    ------
    ConfigError
        If none of these has a number.
    """
    number = task.number
    if number is None or not (math.isnan(number.centre) or math.isnan(number.scale)):
        return task
    values = labels_of(store, task).number
    assert values is not None
    known = values[rows][np.isfinite(values[rows])]
    if not len(known):
        raise ConfigError(f"{store.path}: none of the {len(rows)} records to train on has a number of task {task.name}")
    spread = float(known.std()) or 1.0
    return replace(task, number=_filled(number, float(known.mean()), spread))


def _filled(number: NumberRange, centre: float, scale: float) -> NumberRange:
    return replace(
        number,
        centre=centre if math.isnan(number.centre) else number.centre,
        scale=scale if math.isnan(number.scale) else number.scale,
    )


def select_figure(config: TrainConfig, targets: Targets, valid: NDArray[np.int64]) -> str:
    """The figure by which the best epoch is chosen.

    The challenge metric is 0 whatever a network says where no validation record has one of its classes; then the epoch
    would be the first. The area under the curve of what classes there are is taken instead, or where there are none the
    loss, which is said.
    """
    task = targets.task
    figure = task.select if config.select_by == AUTO else config.select_by
    if figure == METRIC and len(valid) and not targets.truth[valid, : len(task.classes)].any():
        any_other = bool(targets.truth[valid].any())
        logger.warning(
            "none of the %d validation records has a class of task %s, so its metric says nothing: the best epoch is "
            "chosen by the %s",
            len(valid),
            task.name,
            "macro AUROC" if any_other else "loss",
        )
        return "auroc" if any_other else LOSS
    return figure


def score_of(figure: str, row: Mapping[str, Any]) -> float:
    """What an epoch is worth by a figure; the more, the better."""
    value = float(row[figure])
    return -value if figure in LESS_IS_BETTER else value
