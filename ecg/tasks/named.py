"""The tasks that have a name: files that travel with the program."""

import importlib.resources
from functools import lru_cache

from ecg12.ecg.errors import ConfigError
from ecg12.ecg.tasks.reading import parse_task
from ecg12.ecg.tasks.task import Task

CHALLENGE_2020 = "challenge2020"
"""The default, and what a model without a task was trained for."""

NAMED_TASKS = (
    *(CHALLENGE_2020, "challenge2021", "ptbxl-all", "ptbxl-diagnostic", "ptbxl-subdiagnostic"),
    *("ptbxl-superdiagnostic", "ptbxl-form", "ptbxl-rhythm", "cpsc2018", "normal-abnormal", "sex", "age"),
)


def task_text(name: str) -> str:
    """The TOML text of a task that has a name.

    Raises
    ------
    ConfigError
        If none has.
    """
    if name not in NAMED_TASKS:
        raise ConfigError(f"task {name!r} not known; expected {', '.join(NAMED_TASKS)}, or a file NAME.toml")
    return _beside(f"{name}.toml")


@lru_cache(maxsize=len(NAMED_TASKS))
def named_task(name: str) -> Task:
    """A task by its name; raises as `task_text`."""
    return parse_task(task_text(name), where=f"task {name}", read_beside=_beside)


def _beside(name: str) -> str:
    folder = ("tasks", "files") if name.endswith(".toml") else ("tables",)
    return importlib.resources.files("ecg12.ecg").joinpath(*folder, name).read_text(encoding="utf-8")
