"""A task by its name, from a file, or from the folder of a run that carries one."""

import os
from pathlib import Path

from ecg12.cache.storage.atomic import write_text_atomically
from ecg12.cache.storage.small_file import read_json, read_small_text
from ecg12.ecg.errors import ConfigError, EcgError
from ecg12.ecg.tasks.named import CHALLENGE_2020, NAMED_TASKS, named_task
from ecg12.ecg.tasks.reading import parse_task
from ecg12.ecg.tasks.task import Task
from ecg12.ecg.tasks.writing import format_task

TASK = "task.toml"
"""The task that a run folder carries; without it, it is the Challenge's of 2020."""

_CONFIG = "config.json"


OF_PREDICTIONS = "# The task of these predictions, as predict wrote it."
"""First line of a task that lies beside predictions."""


def read_task(name: str) -> Task:
    """The task that has this name, or the one in the file at this path.

    Raises
    ------
    ConfigError
        If there is neither, or the file is no task, naming what is not understood.
    """
    if name in NAMED_TASKS:
        return named_task(name)
    path = Path(name)
    if not path.is_file():
        what = "a folder" if path.is_dir() else "no such file"
        raise ConfigError(f"task {name!r}: {what}; expected {', '.join(NAMED_TASKS)}, or a TOML file")
    return parse_task(_text_of(path), where=str(path), read_beside=lambda beside: _text_of(path.parent / beside))


def task_of_folder(folder: Path) -> Task:
    """The task that the run in a folder was trained for.

    Raises
    ------
    ConfigError
        If its file is damaged, or missing or another than the run's configuration names.
    """
    path, stated = folder / TASK, _stated_name(folder)
    if not os.path.lexists(path):
        if stated not in (None, CHALLENGE_2020):
            raise ConfigError(f"{path}: missing; expected task {stated}, which {folder / _CONFIG} names: train again")
        return named_task(CHALLENGE_2020)
    task = parse_task(_text_of(path), where=str(path))
    if stated not in (None, task.name):
        raise ConfigError(f"{path}: task {task.name}; expected {stated}, which {folder / _CONFIG} names: train again")
    return task


def _stated_name(folder: Path) -> str | None:
    """What the configuration of a run calls its task; None where there is none, or none that can be read."""
    try:
        values = read_json(folder / _CONFIG)
        return str(values["train"].get("task", CHALLENGE_2020))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # whoever needs the configuration says so
        return None


def carry_task(folder: Path, task: Task) -> None:
    """Leave the task of predictions beside them, so that whoever scores them need not name it."""
    if task.name != CHALLENGE_2020:
        write_text_atomically(folder / TASK, f"{OF_PREDICTIONS}\n{format_task(task)}")


def drop_task(folder: Path) -> None:
    """Remove what `carry_task` left; a task that somebody else laid there stays."""
    try:
        ours = read_small_text(folder / TASK).startswith(OF_PREDICTIONS)
    except (OSError, ValueError):
        return
    if ours:
        (folder / TASK).unlink(missing_ok=True)


def _text_of(path: Path) -> str:
    try:
        return read_small_text(path)
    except (OSError, ValueError) as error:
        if isinstance(error, EcgError):
            raise
        raise ConfigError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from error
