"""The datasets: their facts, and which record belongs to which."""

import csv
from collections import Counter

import pytest

from ecg12.ecg.datasets import DATASETS, DATASETS_ADDED_2021, KNOWN_DATASETS, dataset_of

BY_NAME = {dataset.name: dataset for dataset in KNOWN_DATASETS}


def test_the_six_as_published():
    facts = {dataset.name: (dataset.folder, dataset.fs, dataset.n_records) for dataset in DATASETS}
    assert facts == {
        "cpsc": ("Training_CPSC", 500.0, 6877),
        "cpsc-extra": ("Training_2", 500.0, 3453),
        "georgia": ("Training_E", 500.0, 10344),
        "incart": ("Training_StPetersburg", 257.0, 74),
        "ptb": ("Training_PTB", 1000.0, 516),
        "ptb-xl": ("Training_PTB-XL", 500.0, 21837),
    }
    assert sum(dataset.n_records for dataset in DATASETS) == 43_101


def test_the_two_of_2021_as_published():
    assert [(one.name, one.fs, one.n_records) for one in DATASETS_ADDED_2021] == [
        ("chapman-shaoxing", 500.0, 10_247),
        ("ningbo", 500.0, 34_905),
    ]
    assert sum(dataset.n_records for dataset in KNOWN_DATASETS) == 88_253
    chapman, ningbo = (one.numbers for one in DATASETS_ADDED_2021)
    assert chapman.stop == ningbo.start
    assert len(ningbo) == 34_905  # none of them was left out


@pytest.mark.shared
def test_the_two_have_as_many_records_as_the_challenges_own_table_counts(shared):
    """No diagnosis of the published tables of 2021 occurs more often than there are records, and one comes near."""
    rows = [
        row
        for part in ("scored", "unscored")
        for row in csv.DictReader((shared / "data" / "dx2021" / f"dx_mapping_{part}.csv").read_text().splitlines())
    ]
    for dataset, column in zip(DATASETS_ADDED_2021, ("Chapman_Shaoxing", "Ningbo"), strict=True):
        most = max(int(row[column]) for row in rows)
        assert dataset.n_records / 4 < most < dataset.n_records


@pytest.mark.parametrize(
    ("first", "last", "fs", "name"),
    [
        ("A0001", "A6877", 500.0, "cpsc"),
        ("Q0001", "Q3581", 500.0, "cpsc-extra"),
        ("E00001", "E10344", 500.0, "georgia"),
        ("I0001", "I0075", 257.0, "incart"),
        ("S0001", "S0549", 1000.0, "ptb"),
        ("HR00001", "HR21837", 500.0, "ptb-xl"),
        ("JS00001", "JS10646", 500.0, "chapman-shaoxing"),
        ("JS10647", "JS45551", 500.0, "ningbo"),
    ],
)
def test_dataset_of_knows_every_form(first, last, fs, name):
    assert dataset_of(first, fs) is dataset_of(last, fs) is BY_NAME[name]


@pytest.mark.parametrize(
    "record_name",
    [
        "",
        "A001",
        "A00001",
        "a0001",
        "A0001.mat",
        "A0001\n",
        " A0001",
        "xA0001",
        "A000x",
        "A-001",
        "A٠٠٠١",  # digits to Python, but none of a record's name
        "E0001",
        "H00001",
        "HR0001",
        "R00001",
        "s0010_re",
        "00001_hr",
        "JS00000",
        "JS45552",
        "JS0001",
        "S23074",  # Ningbo's JS23074, as one header of it is called
    ],
)
def test_dataset_of_knows_no_other_name(record_name):
    assert [dataset_of(record_name, fs) for fs in (257.0, 500.0, 1000.0)] == [None] * 3


@pytest.mark.parametrize(
    ("record_name", "fs"),
    [
        ("A0001", 250.0),
        ("A0001", 257.0),
        ("I0001", 500.0),
        ("S0001", 500.0),
        ("HR00001", 100.0),
        ("JS00001", 1000.0),
        ("A0001", None),
    ],
)
def test_another_frequency_is_another_hospitals_record(record_name, fs):
    assert dataset_of(record_name, fs) is None


@pytest.mark.shared
def test_every_real_record_is_of_the_dataset_whose_folder_it_is_in(shared):
    folders = sorted((shared / "data" / "challenge2020").glob("*/*.hea"))
    found = Counter()
    for path in folders:
        fs = float(path.read_text().split(maxsplit=3)[2].partition("/")[0])
        dataset = dataset_of(path.stem, fs)
        assert dataset is not None, path
        assert dataset.folder == path.parent.name
        found[dataset.name] += 1
    assert found == {"cpsc": 110, "cpsc-extra": 18, "georgia": 49, "ptb": 3, "ptb-xl": 306}
