"""The door to several stores as one, and to the tables of patients: exact kwargs, and what is said."""

from pathlib import Path
from unittest import mock

import pytest

from ecg12.cache.reader import Store
from ecg12.cache.schema import StoreConfig
from ecg12.commands.shared.options import DEFAULT_STORE
from ecg12.commands.shared.progress import Bar
from ecg12.pipeline.ingest.build_cache import build_cache
from tests.cache.small_store import flip_byte
from tests.commands.test_cli import invoke, kwargs_of
from tests.records import pulses_uv, write_record


@pytest.fixture
def stores(tmp_path: Path) -> tuple[Path, Path]:
    """a.zarr with A0001 and A0002; b.zarr with A0003, A0004, which is A0002 again, and E00001, whose gain is wrong."""
    for place, name, seed in (("a", "A0001", 1), ("a", "A0002", 2), ("b", "A0003", 3), ("b", "A0004", 2)):
        write_record(tmp_path / place, name, pulses_uv(1000, seed=seed))
    write_record(tmp_path / "b", "E00001", pulses_uv(1000, seed=4), gain="4880/mV")
    write_record(tmp_path / "b", "A0009").with_suffix(".mat").unlink()
    for place in ("a", "b"):
        build_cache([tmp_path / place], tmp_path / f"{place}.zarr", StoreConfig(chunk_length=2048))
    return tmp_path / "a.zarr", tmp_path / "b.zarr"


@pytest.mark.parametrize(
    ("command", "target"),
    [
        ("inspect", "pipeline.ingest.describe_store.describe_store"),
        ("inspect --quality", "pipeline.ingest.describe_quality.describe_quality"),
        ("inspect --rejects", "pipeline.ingest.describe_store.describe_store"),
        ("train", "pipeline.training.train.train"),
    ],
)
def test_stores_are_handed_on_as_named(command: str, target: str) -> None:
    args, _ = kwargs_of(target, *command.split())
    assert args == ((DEFAULT_STORE,),)
    args, _ = kwargs_of(target, *command.split(), "b.zarr", "a.zarr")
    assert args == ((Path("b.zarr"), Path("a.zarr")),)


def test_a_record_is_looked_up_in_all_stores() -> None:
    args, _ = kwargs_of("pipeline.ingest.describe_store.describe_record", "inspect", "a", "b", "--record", "X")
    assert args == ((Path("a"), Path("b")), "X")


def test_inspect_shows_several_stores_as_one(stores: tuple[Path, Path]) -> None:
    shown = invoke("inspect", *stores)
    assert shown.exit_code == 0
    assert "same samples: cpsc/A0002 = cpsc/A0004" in shown.output
    assert f"{stores[0]} + {stores[1]}: 12 leads at 400 Hz" in shown.output
    assert "5 records with labels, in 4 groups" in shown.output
    assert "rejected cpsc/A0009" in shown.output
    assert "E00001" in invoke("inspect", *stores, "--quality").output
    record = invoke("inspect", *stores, "--record", "A0003")
    assert [line.split()[1] for line in record.output.splitlines() if line.startswith("store")] == [str(stores[1])]


def test_verify_proves_each_and_that_they_can_be_read_as_one(stores: tuple[Path, Path]) -> None:
    proven = invoke("verify", *stores)
    assert proven.exit_code == 0, proven.output
    first, second, together = proven.output.strip().splitlines()[-3:]
    assert first == f"{stores[0]}: 2 records, {Store(stores[0]).n_chunks} chunks and the tables are as written"
    assert second.startswith(f"{stores[1]}: 3 records")
    assert together == "5 records in 2 stores that can be read as one"
    twice = invoke("verify", stores[0], stores[0])
    assert twice.exit_code == 1
    assert "Error: record cpsc/A0001 is in" in twice.output
    flip_byte(stores[1] / "signal" / "c" / "0" / "0")
    broken = invoke("verify", *stores)
    assert broken.exit_code == 1
    assert f"{stores[1]}/signal chunk 0: damaged" in broken.output
    assert f"Error: {stores[0]}, {stores[1]}: 1 problem(s) found" in broken.output


def test_stores_that_do_not_go_together_are_one_line(stores: tuple[Path, Path], tmp_path: Path) -> None:
    build_cache([tmp_path / "b"], tmp_path / "c.zarr", StoreConfig(fs=250, chunk_length=2048))
    for command in ("inspect", "train"):
        refused = invoke(command, stores[0], tmp_path / "c.zarr")
        assert refused.exit_code == 1
        assert (
            f"Error: {tmp_path}/c.zarr: sampling frequency 250 Hz, but 400 Hz in {stores[0]}; expected the same"
            in refused.output
        )


def test_ctrl_c_names_all_stores(stores: tuple[Path, Path], tmp_path: Path) -> None:
    history = [{"challenge_metric": 0.5, "auroc": 0.5}]
    numbers = {"best_epoch": 0, "n_train": 1, "n_valid": 1, "n_test": 0, "figure": "challenge_metric", "split": ""}
    summary = mock.Mock(interrupted=True, folder=tmp_path / "run", history=history, **numbers)
    with mock.patch("ecg12.pipeline.training.train.train", return_value=summary):
        result = invoke("train", *stores, "--folder", tmp_path / "run")
    assert result.exit_code == 130
    assert f"train {stores[0]} {stores[1]} --folder {tmp_path / 'run'}" in result.output


def test_a_build_says_which_table_of_patients_it_used(tmp_path: Path) -> None:
    for number in (1, 2):
        write_record(tmp_path / "data", f"HR{number:05d}", pulses_uv(1000, seed=number))
    table = tmp_path / "data" / "ptbxl_database.csv"
    table.write_text("ecg_id,patient_id\n1,7.0\n2,7.0\n")
    line = ["build-cache", tmp_path / "data", "--workers", 1, "--output"]
    built = invoke(*line, tmp_path / "s.zarr")
    assert f"patients of 2 records: {table}" in built.output
    assert "have no known patient" not in built.output
    off = invoke(*line, tmp_path / "t.zarr", "--patients", "none")
    assert "patients of" not in off.output
    assert (
        "2 records of ptb-xl have no known patient: a split may have one on both sides; --patients names PTB-XL's table"
        in off.output
    )


def test_report_hands_on_stores_and_options() -> None:
    target = "pipeline.report.make_report.make_report"
    args, kwargs = kwargs_of(target, "report", "b.zarr", "a.zarr")
    assert args == ((Path("b.zarr"), Path("a.zarr")), None)
    expected = {
        "stores": (),
        "n_examples": None,
        "n_sample": 50,
        "plugins": (),
        "cuda": False,
        "force": False,
        "progress": Bar,
    }
    assert kwargs == expected
    line = "report a.zarr --output r.html --examples 4 --sample 7 --force"
    args, kwargs = kwargs_of(target, *line.split())
    assert args == ((Path("a.zarr"),), Path("r.html"))
    assert kwargs == expected | {"n_examples": 4, "n_sample": 7, "force": True}


def test_report_writes_one_page_for_several_stores(stores: tuple[Path, Path], tmp_path: Path) -> None:
    page = tmp_path / "a.zarr.html"
    written = invoke("report", *stores, "--sample", 0, "--examples", 1)
    assert written.exit_code == 0, written.output
    assert f"{page}: 10 sections" in written.output
    assert "not shown: heart rates: none were asked for" in written.output
    html = page.read_text()
    assert "cpsc/A0002 = cpsc/A0004" in html
    assert "2 stores as one" in html
    again = invoke("report", *stores)
    assert again.exit_code == 1
    assert f"Error: {page}: is there already; choose another --output, or --force to replace it" in again.output
    assert page.read_text() == html
    assert invoke("report", *stores, "--force", "--sample", 1).exit_code == 0
    assert "Heart rates" in page.read_text()


def test_report_does_not_mix_stores_with_what_is_none(stores: tuple[Path, Path], tmp_path: Path) -> None:
    mixed = invoke("report", stores[0], tmp_path)
    assert mixed.exit_code == 1
    assert f"Error: {tmp_path}: not a store, but {stores[0]} is one" in mixed.output
    told = invoke("report", stores[0], "--store", stores[1])
    assert told.exit_code == 1
    assert "--store is for the report of a run" in told.output
