"""The rule that a run decides by, made of what stands in its folder."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecg12.ecg.decisions.output_mapping import OutputMapping
from ecg12.ecg.decisions.reference_rules import AugustRule
from ecg12.ecg.decisions.threshold_rule import ThresholdRule
from ecg12.ecg.errors import ConfigError, RunFolderError
from ecg12.ecg.tasks.named import CHALLENGE_2020
from ecg12.ecg.tasks.task import NUMBER, Task
from ecg12.pipeline.runs.train_config import TrainConfig

THRESHOLDS = "thresholds.json"


def decides_by_thresholds(training: TrainConfig, task: Task) -> bool:
    """Whether a model needs thresholds."""
    return training.decision == "thresholds" and task.kind != NUMBER


def check_fits(
    folder: Path, training: TrainConfig, task: Task, mapping: OutputMapping, columns: tuple[str, ...]
) -> None:
    """Raise RunFolderError where a model's outputs are not of its task: whatever it told would be of something else."""
    is_number = any(part.kind == NUMBER for part in mapping.parts)
    if is_number is not (task.kind == NUMBER):
        raise RunFolderError(f"{folder}: a task of {task.kind} over outputs of another kind; train again")
    if training.task != CHALLENGE_2020 and training.train_classes == "scored" and set(columns) != set(task.columns):
        raise RunFolderError(
            f"{folder}: classes {', '.join(columns[:5])}, … of the model, and {', '.join(task.columns[:5])}, … of task "
            f"{task.name} are not the same; train again"
        )


def make_rule(
    folder: Path,
    training: TrainConfig,
    task: Task,
    mapping: OutputMapping,
    correction: NDArray[np.float64],
    columns: tuple[str, ...],
    thresholds: NDArray[np.float64] | None,
) -> ThresholdRule | AugustRule:
    """The rule that `training` asks for, with the thresholds, where it needs them.

    Raises
    ------
    RunFolderError
        If the parts do not fit each other.
    """
    try:
        if training.decision == "rank":
            return AugustRule(
                mapping=mapping,
                correction=correction,
                combination_strategy=training.combination_strategy,
                scale_by_n_predictions=training.scale_by_rank,
                predict_before_collapse=training.predict_before_collapse,
                classes=columns,
            )
        if task.kind == NUMBER:
            thresholds = np.full(len(columns), np.inf)
        if thresholds is None:
            raise RunFolderError(f"{folder / THRESHOLDS}: missing; expected a run folder made by train")
        return ThresholdRule(
            mapping=mapping,
            correction=correction,
            thresholds=thresholds,
            combination_strategy=training.combination_strategy,
            classes=columns,
            by_class=task.by_class,
        )
    except ConfigError as error:
        raise RunFolderError(f"{folder}: {error}") from error
