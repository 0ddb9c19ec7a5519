"""The guide's table of what each command reads says what the code does."""

import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from ecg12.commands import main as program
from ecg12.commands.shared.options import Place
from ecg12.pipeline.formats.file_kinds import READ
from ecg12.pipeline.recordings.find_recordings import KINDS
from tests.docs.pages import ROOT
from tests.pipeline.formats.files import write_dicom, write_edf, write_table
from tests.records import pulses_uv, write_record

KIND_OF = {
    **{"WFDB": "wfdb", "EDF": "edf", "BDF": "edf", "DICOM": "dicom", "text tables": "table"},
    **{".npy": "npy", ".mat": "mat"},
}
"""Formats as the guide names them → kind of reader."""

WITHOUT_A_ROW = {"bench", "demo"}
"""They read what they have made themselves."""


def rows() -> dict[str, list[str]]:
    """Command → cells of its row in the guide: what it reads, which labels, whether it was tried elsewhere."""
    text = (ROOT / "docs" / "guide.md").read_text(encoding="utf-8").partition("## What each command reads")[2]
    table = [line.strip("| ").split("|") for line in text.splitlines() if line.startswith("| `")]
    return {cells[0].strip().strip("`"): [cell.strip() for cell in (cells + [""] * 3)[1:4]] for cells in table}


def run(*words: object) -> Result:
    return CliRunner().invoke(program.main, [str(word) for word in words], prog_name="python cli.py")


def test_every_command_has_a_row() -> None:
    assert list(rows()) == [name for name in program.main.commands if name not in WITHOUT_A_ROW]


@pytest.mark.parametrize("command", ["predict", "plot"])
def test_formats_are_those_that_have_a_reader(command: str) -> None:
    store, *formats = rows()[command][0].split(", ")
    assert store == "stores"
    assert set(formats) == set(KIND_OF), "name the new format in docs/guide.md, and what reads it in KIND_OF"
    assert {KIND_OF[name] for name in formats} == set(KINDS.values())
    assert all(name in READ.replace("CSV and other text tables", "text tables") for name in formats)


def test_every_format_of_the_table_is_read_by_these_commands(tmp_path: Path) -> None:
    folder, signal = tmp_path / "all", pulses_uv(5000)
    write_record(folder, "wfdb", signal)
    write_edf(folder / "edf.edf", signal)
    write_edf(folder / "bdf.bdf", signal)
    write_dicom(folder / "dicom.dcm", signal)
    write_table(folder / "table.csv", signal, head="# fs: 500\n# units: mV\n")
    np.save(folder / "npy.npy", signal)
    (folder / "mat.mat").write_bytes((folder / "wfdb.mat").read_bytes())
    told = ("--fs", 500, "--units", "uV", "--leads", "standard")
    drawn = run("plot", folder, "--output", tmp_path / "plots", "--dpi", 30, *told)
    assert drawn.exit_code == 0, drawn.output
    names = {path.stem for path in (tmp_path / "plots").iterdir()}
    assert names == {"wfdb", "edf", "bdf", "dicom", "table", "npy", "mat"}
    told = [f"--source-{word[2:]}" if str(word).startswith("--") else word for word in told]
    built = run("build-cache", folder, "--output", tmp_path / "a.zarr", "--workers", 1, *told)
    assert "7 records in" in built.output, built.output
    said = run("build-cache", folder, "--output", tmp_path / "b.zarr", "--workers", 1)
    assert "5 records in" in said.output, said.output
    assert "2 files not looked at: 1 bare .mat array, 1 bare .npy array (mat.mat, npy.npy)" in said.output


def test_places_behind_urls_are_taken_where_the_guide_says() -> None:
    takes = {
        name
        for name, command in program.main.commands.items()
        if any(isinstance(one.type, Place) and one.param_type_name == "argument" for one in command.params)
    }
    reads_stores = {name for name, (reads, *_) in rows().items() if "stores" in reads.split(", ")} - {"plot"}
    assert takes == reads_stores | {"build-cache", "predict", "evaluate"}


def test_commands_tried_elsewhere_are_those_of_that_test() -> None:
    job = (ROOT / "tests" / "elsewhere" / "whole_job.py").read_text(encoding="utf-8")
    tried = {name for name in program.main.commands if re.search(rf'\("{name}", |^def {name}\(', job, re.MULTILINE)}
    assert tried == {name for name, (_, _, elsewhere) in rows().items() if elsewhere == "yes"}
