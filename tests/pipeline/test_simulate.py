"""The simulated corpus on disk."""

import csv
from pathlib import Path

import pytest
import wfdb

from ecg12.ecg.datasets import DATASETS
from ecg12.ecg.errors import InputError
from ecg12.pipeline.simulate import simulate


def test_all_six_datasets_are_written_with_their_patients(simulated: Path) -> None:
    for dataset in DATASETS:
        assert list((simulated / dataset.folder).glob(f"{dataset.prefix}*.hea")), dataset.name
    with (simulated / "patients.csv").open() as file:
        patients = {row["record"]: row["patient_id"] for row in csv.DictReader(file)}
    assert set(patients) == {path.stem for path in simulated.rglob("*.hea")}
    assert len(set(patients.values())) < len(patients) == 80


def test_wfdb_reads_what_is_written(simulated: Path) -> None:
    path = next((simulated / "Training_PTB").glob("*.hea"))
    record = wfdb.rdrecord(str(path.with_suffix("")), physical=False)
    assert record.d_signal.shape[1] == 12
    sums = record.d_signal.sum(axis=0)
    assert [(int(found) - stated) % 65536 for found, stated in zip(sums, record.checksum, strict=True)] == [0] * 12


def test_same_seed_same_files_in_either_layout(tmp_path: Path) -> None:
    simulate(tmp_path / "a", 12, seed=3, max_duration_s=6)
    simulate(tmp_path / "b", 12, seed=3, max_duration_s=6, layout="release")
    flat = {path.name: path.read_bytes() for path in (tmp_path / "a").rglob("*.*")}
    nested = {path.name: path.read_bytes() for path in (tmp_path / "b").rglob("*.*")}
    assert flat == nested
    assert (tmp_path / "b" / "training" / "ptb-xl" / "g1" / "HR00001.mat").exists()


def test_patients_can_be_left_out(tmp_path: Path) -> None:
    one = simulate(tmp_path / "a", 30, seed=3, max_duration_s=6, keep=lambda patient: hash_even(patient))
    other = simulate(tmp_path / "b", 30, seed=3, max_duration_s=6, keep=lambda patient: not hash_even(patient))
    assert one.n_records + other.n_records == 30
    assert not {p.name for p in one.output.rglob("*.hea")} & {p.name for p in other.output.rglob("*.hea")}


def hash_even(text: str) -> bool:
    return sum(text.encode()) % 2 == 0


def test_nothing_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    with pytest.raises(InputError, match="is not empty; choose another folder"):
        simulate(tmp_path, 6, seed=1)
