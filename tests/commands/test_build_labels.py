"""build-cache --labels and inspect, as they are typed: what they say."""

from pathlib import Path

import pytest
import zarr
from click.testing import CliRunner, Result

from ecg12.commands import main as program
from tests.records import pulses_uv, write_record

TABLE = """record,scp_codes,age,patient_id,strat_fold,qt,comment,AF,sex
A1,"{'NORM': 80.0, 'OWN': 5.0}",61,7,1,412,fine,1,1
A2,['SR'],,7,2,398,odd,0,male
B9,NORM,50,8,10,,so,,
"""


def run(*words: object) -> Result:
    return CliRunner().invoke(program.main, [str(word) for word in words], prog_name="python cli.py")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number, name in enumerate(("A1", "A2", "A3")):
        write_record(tmp_path / "ward", name, pulses_uv(2000, seed=number), fs=400, age="57", dx="426783006")
    (tmp_path / "labels.csv").write_text(TABLE, encoding="utf-8")
    return tmp_path


def build(folder: Path, *words: object) -> Result:
    return run("build-cache", folder / "ward", "--output", folder / "s.zarr", "--workers", 1, *words)


def test_a_build_says_how_a_table_was_understood_and_what_is_left_over(folder: Path) -> None:
    done = build(folder, "--labels", folder / "labels.csv")
    assert done.exit_code == 0, done.output
    said = done.output
    table = folder / "labels.csv"
    assert f"{table}: 2 of 3 rows are of these records; record: record; codes: scp_codes; " in said
    assert "; labels: AF; target: qt" in said
    assert "columns left out (text): comment" in said
    assert "rows of no record: 1: B9" in said
    assert "1 record in no table of labels: ward/A3" in said
    assert f"patients of 2 records: {table}" in said
    assert "of no known vocabulary, taken as own: 1 record: 'AF' (1 record, first: ward/A1), 'OWN' (1 record" in said
    assert "cells of tables that are not understood: 1 record: 'sex: 1' (1 record, first: ward/A1)" in said
    assert "ages of headers for which tables have another: 1 record: '57 → 61'" in said


def test_inspect_shows_what_tables_state(folder: Path) -> None:
    build(folder, "--labels", folder / "labels.csv")
    said = run("inspect", folder / "s.zarr").output
    assert "codes by vocabulary: own 2 (of 1 record), scp-ecg 2 (of 2 records), snomed-ct 1 (of 3 records)" in said
    assert "folds: 1 1, 2 1" in said
    assert "measurement qt: 2 records, 398 to 412, median 405" in said
    one = run("inspect", folder / "s.zarr", "--record", "A1").output
    assert "fold                  1" in one
    assert "likelihoods           NORM 80 %, OWN 5 %" in one
    assert "; OWN" in one
    assert "(OWN" not in one
    plain = run("build-cache", folder / "ward", "--output", folder / "p.zarr", "--workers", 1)
    assert "vocabulary" not in plain.output + run("inspect", folder / "p.zarr").output


def test_columns_can_be_told(folder: Path) -> None:
    told = "ignore=comment+AF,male=sex,target=qt"
    done = build(folder, "--labels", folder / "labels.csv", "--label-columns", told)
    assert "columns left out (as told): comment, AF" in done.output
    assert "male: sex" in done.output
    wrong = build(folder, "--labels", folder / "labels.csv", "--label-columns", "target=QTc")
    assert wrong.exit_code == 1
    assert "label columns: target=QTc, but no table has it; expected one of: record, scp_codes" in wrong.output
    assert build(folder, "--label-columns", "target=QTc").exit_code == 2


def test_a_wrong_table_is_one_line_and_leaves_nothing(folder: Path) -> None:
    (folder / "labels.csv").write_text("record,AF\nA1,1\nA1,0\n", encoding="utf-8")
    done = build(folder, "--labels", folder / "labels.csv")
    assert done.exit_code == 1
    assert "labels.csv line 3: record ward/A1 has another list of codes than in line 2; expected one row" in done.output
    assert "Traceback" not in done.output
    assert not list(folder.glob("s.zarr*"))


def test_ptbxls_table_in_an_input_gives_patients_and_its_labels_are_named(folder: Path) -> None:
    table = folder / "ward" / "ptbxl_database.csv"
    table.write_text("ecg_id,patient_id,scp_codes,filename_hr\n1,7,{'NORM': 1.0},x/A1\n2,7,{},x/A2\n", encoding="utf-8")
    done = build(folder)
    assert f"{table} has labels and folds, too, which were not taken: --labels takes them" in done.output
    taken = build(folder, "--force", "--labels", table)
    assert "which were not taken" not in taken.output
    assert f"patients of 2 records: {table}\n" in taken.output
    assert "scp-ecg 1" in run("inspect", folder / "s.zarr").output


def test_inspect_shows_own_labels_where_there_are_no_others(folder: Path) -> None:
    for header in (folder / "ward").glob("*.hea"):
        header.write_text(header.read_text().replace("# Dx: 426783006", "# Dx: Unknown").replace("#Dx: 426783006", ""))
    (folder / "own.csv").write_text("record,block\nA1,1\nA2,0\nA3,1\n", encoding="utf-8")
    assert build(folder, "--labels", folder / "own.csv").exit_code == 0
    said = run("inspect", folder / "s.zarr").output
    assert [line.split() for line in said.splitlines() if line.startswith("block")] == [
        ["block", "block", "no", "2", "block"]
    ]
    assert "not scored" not in said


@pytest.mark.parametrize(("path", "dim"), [("label/vocabulary", "class"), ("target/value", "record, target")])
def test_a_column_that_is_shorter_than_its_names_is_damage_and_no_traceback(folder: Path, path: str, dim: str) -> None:
    table = "record,scp_codes,qt,pr\nA1,NORM,400,1\nA2,SR,410,2\nA3,SR,420,3\n"
    (folder / "labels.csv").write_text(table, encoding="utf-8")
    build(folder, "--labels", folder / "labels.csv")
    group = zarr.open_group(str(folder / "s.zarr"), mode="r+")
    old = group[path]
    values = old[...][..., :-1]
    del group[path]
    kind = str if values.dtype.kind in "OTU" else values.dtype
    new = group.create_array(
        path,
        shape=values.shape,
        chunks=values.shape,
        dtype=kind,
        compressors=old.compressors,
        dimension_names=old.metadata.dimension_names,
    )
    new[...] = values
    said = run("inspect", folder / "s.zarr", "--record", "A1")
    assert said.exit_code == 1
    assert isinstance(said.exception, SystemExit)
    assert f"s.zarr/{path}: shape {values.shape} along {dim}; expected " in said.output
