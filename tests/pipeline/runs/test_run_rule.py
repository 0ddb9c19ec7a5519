"""A model's outputs held against the task that its folder says."""

from pathlib import Path

import pytest

from ecg12.ecg.decisions.output_mapping import OutputMapping, Pair, Target
from ecg12.ecg.errors import RunFolderError
from ecg12.ecg.tasks.named import named_task
from ecg12.pipeline.runs.run_rule import check_fits
from ecg12.pipeline.runs.train_config import TrainConfig

SIGMOID = OutputMapping(layer="sigmoid", targets=(Target(0, 1),), pairs=(Pair("female", 0, 1),))
NUMBER = OutputMapping(layer="number_60.0_20.0", targets=(Target(0, 1),), pairs=(Pair("age", 0, 1),))


@pytest.mark.parametrize(("task", "mapping"), [("age", SIGMOID), ("sex", NUMBER), ("challenge2020", NUMBER)])
def test_numbers_and_classes_are_not_taken_for_each_other(task: str, mapping: OutputMapping) -> None:
    own = named_task(task)
    with pytest.raises(RunFolderError, match=r"run: a task of .* over outputs of another kind; train again"):
        check_fits(Path("run"), TrainConfig(task=task), own, mapping, own.columns)


def test_classes_of_another_task_are_refused() -> None:
    own = named_task("sex")
    check_fits(Path("run"), TrainConfig(task="sex"), own, SIGMOID, ("female", "male"))
    with pytest.raises(RunFolderError, match=r"run: classes 1, 2, … of the model, and female, male, … of task sex"):
        check_fits(Path("run"), TrainConfig(task="sex"), own, SIGMOID, ("1", "2"))
    check_fits(Path("run"), TrainConfig(task="sex", train_classes="dset"), own, SIGMOID, ("1", "2"))
