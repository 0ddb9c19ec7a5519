"""A hospital's own files and labels, end to end by the commands: a folder and a table in, scores of own classes out."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.commands.test_cli import invoke
from tests.pipeline.formats.files import write_dicom, write_edf, write_table
from tests.records import pulses_uv

N_RECORDS = 24
QUICK = "--epochs 1 --net-filter-size 4,6 --net-seq-length 256,16 --precision fp32 --seed 5".split()
TASK = """
name = "wards"
[classes]
fast = ["FAST"]
broad = ["BROAD", "VERY BROAD"]
[split]
column = "fold"
train = ["1", "2"]
valid = ["3"]
test = ["4"]
"""


def write_csv(path: Path, signal_uv: np.ndarray) -> Path:
    return write_table(path, signal_uv, head="# fs: 500\n# units: mV\n")


WRITERS: dict[str, tuple[Callable[..., Path], str]] = {
    "csv": (write_csv, ".csv"),
    "dicom": (write_dicom, ".dcm"),
    "edf": (write_edf, ".edf"),
}


def write_ward(folder: Path, kind: str) -> Path:
    """Recordings, each two of a patient, and a one-hot table of what they are."""
    write, suffix = WRITERS[kind]
    rows = [["File Name", "Subject ID", "Age", "Gender", "FAST", "BROAD", "Strat Fold", "QT (ms)", "Remark"]]
    for number in range(N_RECORDS):
        write(folder / f"r{number:02d}{suffix}", pulses_uv(2000, seed=number))
        facts = [f"ward/r{number:02d}{suffix}", f"P{number // 2}", 40 + number, "FM"[number % 2]]
        rows.append([*facts, number // 2 % 2, number // 4 % 2, number // 2 % 4 + 1, 380 + number, f"bed {number}"])
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return folder / "labels.csv"


@pytest.mark.parametrize("kind", WRITERS)
def test_labelled_files_of_any_kind_train_and_are_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ward").mkdir()
    write_ward(tmp_path / "ward", kind)
    (tmp_path / "wards.toml").write_text(TASK, encoding="utf-8")

    def run(*words: str) -> str:
        result = invoke(*words)
        assert result.exit_code == 0, result.output
        return result.output

    built = run("build-cache", "ward", "--output", "w.zarr", "--labels", "ward/labels.csv", "--workers", "1")
    assert f"{N_RECORDS} of {N_RECORDS} rows are of these records" in built
    assert "Remark" in built  # what is no label and no measurement is said
    checked = run("tasks", "check", "wards.toml", "w.zarr")
    assert f"{N_RECORDS} of {N_RECORDS} records; all have a label of it" in checked
    assert "official split (column fold): train 12, valid 6, test 6" in checked
    trained = run("train", "w.zarr", "--task", "wards.toml", "--folder", "run", *QUICK)
    assert "validated on 6" in trained
    assert (tmp_path / "run" / "test_scores.csv").is_file()
    predicted = run("predict", "ward", "--model", "run", "--output", "out")
    assert f"{N_RECORDS} predictions" in predicted
    answer = (tmp_path / "out" / "r00.csv").read_text().splitlines()
    assert answer[:2] == ["#r00", "fast,broad"]
    assert "fast" in run("evaluate", "w.zarr", "out", "scores.csv", "--json", "scores.json", "--bootstrap", "10")
    assert json.loads((tmp_path / "scores.json").read_text())["n_records"] == N_RECORDS
    if kind != "csv":
        return
    measured = 'name = "qt"\nkind = "number"\ncolumn = "target:QT (ms)"\n[number]\nunit = "ms"\n'
    (tmp_path / "qt.toml").write_text(measured, encoding="utf-8")
    assert "mean absolute error" in run("train", "w.zarr", "--task", "qt.toml", "--folder", "qt", *QUICK)
