"""The built-in tasks against the tables of those who made them."""

import ast
import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ecg12.ecg.errors import ConfigError
from ecg12.ecg.labels.snomed import EQUIVALENTS, NORMAL_INDEX, SCORED_CLASSES, SCORED_CODES, TEXT_LABELS, WEIGHTS
from ecg12.ecg.labels.statements import scp_statements
from ecg12.ecg.tasks.named import CHALLENGE_2020, NAMED_TASKS, named_task, task_text
from ecg12.ecg.tasks.reading import parse_task
from ecg12.ecg.tasks.truth import StoredLabels, read_labels
from ecg12.ecg.tasks.writing import format_task

PTBXL_CLASSES = {
    "ptbxl-all": 71,
    "ptbxl-diagnostic": 44,
    "ptbxl-subdiagnostic": 23,
    "ptbxl-superdiagnostic": 5,
    "ptbxl-form": 19,
    "ptbxl-rhythm": 12,
}
"""Table II of Strodthoff et al., Deep Learning for ECG Analysis: Benchmarks and Insights from PTB-XL (2020)."""


@pytest.mark.parametrize("name", NAMED_TASKS)
def test_every_named_task_says_who_it_is_and_survives_being_written(name: str) -> None:
    task = named_task(name)
    assert task.name == name
    assert task.title
    text = format_task(task)
    again = parse_task(text, where="again")
    assert format_task(again) == text
    assert (again.classes, again.columns, again.by_class) == (task.classes, task.columns, task.by_class)
    assert (again.split, again.number, again.select, again.report) == (
        task.split,
        task.number,
        task.select,
        task.report,
    )


def test_the_challenge_of_2020_is_what_the_program_always_scored() -> None:
    task = named_task(CHALLENGE_2020)
    assert task.codes == SCORED_CLASSES
    assert task.columns == SCORED_CODES
    assert task.by_class.others == dict(EQUIVALENTS)
    assert task.is_by_code
    assert task.metric is not None
    np.testing.assert_array_equal(task.metric.weights, WEIGHTS)
    assert task.metric.normal_index == NORMAL_INDEX


@pytest.mark.shared
def test_the_challenge_of_2021_is_its_organisers(shared: Path) -> None:
    rows = list(csv.DictReader((shared / "data/dx2021/dx_mapping_scored.csv").read_text().splitlines()))
    task = named_task("challenge2021")
    assert list(task.columns) == [row["SNOMEDCTCode"] for row in rows]
    assert len(task.classes) == 26
    # "We score 733534002 and 164909002 as the same diagnosis": four such pairs
    same = [row["Notes"] for row in rows if row["Notes"]]
    for note in same:
        one, other = (word for word in note.replace(".", "").split() if word.isdigit())
        assert task.by_class.class_of(one) == task.by_class.class_of(other)
    assert len(task.by_class.others) == 4
    for row in rows:
        if row["SNOMEDCTCode"] in task.codes:
            assert task.abbreviation_of(row["SNOMEDCTCode"]) in (row["Abbreviation"], "CRBBB", "SVPB")
    header, *lines = (line.split(",") for line in (shared / "data/dx2021/weights.csv").read_text().splitlines())
    assert task.metric is not None
    for line in lines:
        for column, weight in zip(header[1:], line[1:], strict=True):
            place = tuple(task.codes.index(task.by_class.class_of(cell.split("|")[0])) for cell in (line[0], column))
            assert task.metric.weights[place] == float(weight)
    assert task.codes[task.metric.normal_index] == "426783006"


def test_the_new_codes_of_2021_have_names() -> None:
    task = named_task("challenge2021")
    assert task.name_of("733534002") == "complete left bundle branch block"
    assert task.abbreviation_of("365413008") == "PRWP"


@pytest.mark.parametrize("name", PTBXL_CLASSES)
def test_the_tasks_of_ptbxl_have_the_published_classes(name: str) -> None:
    task = named_task(name)
    assert len(task.classes) == PTBXL_CLASSES[name]
    assert task.labelled == "class"
    assert task.select == "auroc"
    assert task.split is not None
    sides = (task.split.train, task.split.valid, task.split.test)
    assert sides == (tuple("12345678"), ("9",), ("10",))


@pytest.mark.shared
def test_the_statements_are_those_of_ptbxl(shared: Path) -> None:
    rows = list(csv.DictReader((shared / "data/ptbxl/scp_statements.csv").read_text().splitlines()))
    assert [row[""] for row in rows] == list(scp_statements())
    for row in rows:
        own = scp_statements()[row[""]]
        assert own.name == row["description"]
        assert [own.diagnostic, own.form, own.rhythm] == [
            row[kind] == "1.0" for kind in ("diagnostic", "form", "rhythm")
        ]
        assert (own.diagnostic_class, own.diagnostic_subclass) == (row["diagnostic_class"], row["diagnostic_subclass"])


def labels_by_benchmark(shared: Path, name: str) -> list[set[str]]:
    """The classes of each shared record as the authors' benchmark aggregates them, from their table of statements."""
    statements = {
        row[""]: row for row in csv.DictReader((shared / "data/ptbxl/scp_statements.csv").read_text().splitlines())
    }
    aggregate: dict[str, Callable[[str], str]] = {
        "ptbxl-all": lambda code: code,
        "ptbxl-diagnostic": lambda code: code if statements[code]["diagnostic"] == "1.0" else "",
        "ptbxl-subdiagnostic": lambda code: statements[code]["diagnostic_subclass"],
        "ptbxl-superdiagnostic": lambda code: statements[code]["diagnostic_class"],
        "ptbxl-form": lambda code: code if statements[code]["form"] == "1.0" else "",
        "ptbxl-rhythm": lambda code: code if statements[code]["rhythm"] == "1.0" else "",
    }
    table = csv.DictReader((shared / "data/ptbxl/ptbxl_database.csv").read_text().splitlines())
    return [{aggregate[name](code) for code in ast.literal_eval(row["scp_codes"])} - {""} for row in table]


@pytest.mark.shared
@pytest.mark.parametrize("name", PTBXL_CLASSES)
def test_records_of_ptbxl_are_what_the_benchmark_makes_of_them(shared: Path, name: str) -> None:
    expected = labels_by_benchmark(shared, name)
    stated = labels_by_benchmark(shared, "ptbxl-all")
    codes = tuple(sorted({code for own in stated for code in own}))
    matrix = np.array([[code in own for code in codes] for own in stated], np.uint8)
    stored = StoredLabels(
        codes=codes,
        vocabulary=("scp-ecg",) * len(codes),
        matrix=matrix,
        likelihood=None,
        annotated=matrix.any(axis=1),
        column=lambda column: None,
    )
    task = named_task(name)
    found = read_labels(task, stored)
    assert found.known is None
    classes = [{task.codes[place] for place in np.flatnonzero(row)} for row in found.matrix]
    assert classes == expected
    np.testing.assert_array_equal(found.labelled, [bool(own) for own in expected])


def test_the_nine_classes_of_cpsc_are_those_of_its_text_labels() -> None:
    task = named_task("cpsc2018")
    assert len(task.classes) == 9
    for one in task.classes:
        assert TEXT_LABELS[one.abbreviation] in {term.code for term in one.codes}


def test_a_name_that_no_task_has() -> None:
    with pytest.raises(ConfigError, match=r"task 'nope' not known; expected challenge2020, .*, or a file NAME\.toml"):
        task_text("nope")
