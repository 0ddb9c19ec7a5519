"""What columns are called, by one task or several."""

from dataclasses import replace

import pytest

from ecg12.ecg.errors import ConfigError
from ecg12.ecg.tasks.class_names import ClassNames
from ecg12.ecg.tasks.named import NAMED_TASKS, named_task
from ecg12.ecg.tasks.task import NUMBER, NumberRange


def test_names_come_from_the_first_task_that_has_the_class() -> None:
    names = ClassNames((named_task("cpsc2018"), named_task("challenge2020")))
    rbbb = named_task("cpsc2018").classes[4]
    assert names.abbreviation_of(rbbb.code) == rbbb.abbreviation
    assert names.class_of("59118001") == "713427006"
    assert names.find("crbbb", ["59118001", "713427006"]) == "713427006"
    assert names.find("rbbb", ["59118001"]) == "59118001"
    assert names.find("nonesuch", ["59118001"]) is None
    assert ClassNames().name_of("164889003") == "atrial fibrillation"


@pytest.mark.parametrize("name", NAMED_TASKS)
def test_each_class_is_found_by_all_its_names(name: str) -> None:
    task = named_task(name)
    names = ClassNames((task,))
    assert (names.unit is not None) == (task.kind == NUMBER)
    for one in task.classes:
        assert names.find(one.code.upper(), task.columns) == one.code
        assert names.class_of(names.find(one.abbreviation, task.columns) or "") == one.code
        assert names.name_of(one.code) == one.name
    for code in task.columns:
        assert names.class_of(code) in task.codes


def test_numbers_of_other_units_have_no_mean() -> None:
    age = named_task("age")
    months = replace(age, name="months", number=NumberRange(unit="months"))
    assert ClassNames((age, age)).unit == "years"
    with pytest.raises(ConfigError, match="models of tasks age, months cannot predict as one"):
        ClassNames((age, months))
    assert ClassNames((months,)).format_number("age", 61.0) == "age 61 months"
    assert ClassNames((replace(age, number=NumberRange()),)).format_number("age", 61.25) == "age 61.25"
