"""The command tasks: the list, one of them as its file has it, and what it finds in a store."""

import re
import tomllib
from pathlib import Path

import pytest

from ecg12.ecg.signals.leads import LEADS
from ecg12.ecg.tasks.named import NAMED_TASKS, named_task
from ecg12.ecg.tasks.reading import parse_task
from ecg12.ecg.tasks.writing import format_task
from tests.commands.test_cli import invoke, kwargs_of


def test_every_named_task_is_listed() -> None:
    shown = invoke("tasks").output.splitlines()
    assert [line.split()[0] for line in shown[1:]] == list(NAMED_TASKS)


@pytest.mark.parametrize("name", NAMED_TASKS)
def test_what_is_shown_is_the_task(name: str, tmp_path: Path) -> None:
    text = invoke("tasks", "show", name).output
    assert tomllib.loads(text)["name"] == name
    assert format_task(parse_task(text, where=name)) == format_task(named_task(name))
    (tmp_path / "own.toml").write_text(text)
    assert invoke("tasks", "show", tmp_path / "own.toml").exit_code == 0


def test_what_a_task_finds_is_said(simulated_store: Path, tmp_path: Path) -> None:
    sex = invoke("tasks", "check", "sex", simulated_store)
    assert sex.exit_code == 0
    assert " of 80 records; the other " in sex.output
    assert {"female", "male"} <= {line.split()[0] for line in sex.output.splitlines() if line}
    age = invoke("tasks", "check", "age", simulated_store).output
    assert " years; half of the records between " in age
    whose = tmp_path / "whose.toml"
    names = ["cpsc", "cpsc-extra", "georgia", "incart", "ptb", "ptb-xl"]
    whose.write_text(f'name = "whose"\nkind = "one-of-many"\ncolumn = "dataset"\nclasses = {names}\n')
    assert "80 of 80 records; all have a label of it" in invoke("tasks", "check", whose, simulated_store).output
    own = tmp_path / "own.toml"
    own.write_text(
        'name = "own"\nvocabulary = "snomed-ct"\n[split]\ncolumn = "dataset"\ntrain = ["cpsc"]\ntest = ["ptb"]\n'
        '[classes.RBBB]\ncodes = ["59118001", "713427006"]\nunknown = ["713426002"]\n[classes.none]\ncodes = ["1"]\n'
    )
    shown = invoke("tasks", "check", own, simulated_store).output
    assert "no side" in shown
    assert "unknown" in shown
    assert "official split (column dataset): " in shown
    assert re.search(r"no record has \d of its codes: .*\b1\b", shown)
    assert "codes of its vocabulary that it does not use: NSR " in shown


def test_a_task_that_finds_nothing_is_an_error(simulated_store: Path) -> None:
    found = invoke("tasks", "check", "ptbxl-form", simulated_store)
    assert found.exit_code == 1
    assert (
        "task ptbxl-form finds nothing here; expected codes of scp-ecg: build the store with --labels" in found.output
    )
    assert "which is not there" in found.output


def test_what_is_no_task_is_named() -> None:
    refused = invoke("tasks", "show", "nope")
    assert refused.exit_code == 1
    assert "Error: task 'nope': no such file; expected challenge2020" in refused.output


@pytest.mark.parametrize(
    ("number", "leads"),
    [("12", LEADS), ("6", LEADS[:6]), ("4", ("I", "II", "III", "V2")), ("3", ("I", "II", "V2")), ("2", ("I", "II"))],
)
def test_the_lead_sets_of_2021_by_their_number(number: str, leads: tuple[str, ...]) -> None:
    args, _ = kwargs_of("pipeline.ingest.build_cache.build_cache", "build-cache", "in", "--leads", number)
    assert args[2].leads == leads


def test_another_number_of_leads_is_named() -> None:
    assert "5 leads are none of the sets 12, 6, 4, 3, 2" in invoke("build-cache", "in", "--leads", "5").output
