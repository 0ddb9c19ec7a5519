"""Lengths, ages, sexes, rates and groups of a store, held against loops over its records."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from ecg12.cache.reader import Store
from ecg12.pipeline.recordings.patient_groups import patient_group, record_group
from ecg12.pipeline.report.of_store.counts import rows_by_dataset
from ecg12.pipeline.report.of_store.records import AGE_BINS, LENGTH_BINS, RecordFigures, describe_records
from tests.cache.small_store import write_store


def figures_of(path: Path) -> RecordFigures:
    store = Store(path)
    return describe_records(store, rows_by_dataset(store))


def test_each_dataset_has_the_figures_of_a_loop(simulated_store: Path) -> None:
    store = Store(simulated_store)
    figures = figures_of(simulated_store)
    labelled, groups = store.column("label/annotated"), store.column("record/group")
    for one in figures.datasets:
        rows = [row for row, dataset in enumerate(store.datasets) if dataset == one.name]
        assert one.n_records == len(rows)
        assert one.n_labelled == sum(bool(labelled[row]) for row in rows)
        assert one.n_groups == len({groups[row] for row in rows})
        assert one.n_known == len(rows)  # the simulator's table has everyone
        assert one.hours == pytest.approx(sum(store.lengths[row] for row in rows) / store.fs / 3600, abs=1e-5)
    sizes = Counter(Counter(groups).values())
    assert figures.group_sizes[0] == sizes[1]
    assert figures.group_sizes.sum() == len(set(groups))


def test_a_record_whose_patient_is_unknown_is_told_from_one_of_a_patient(tmp_path: Path) -> None:
    """A0002 is alone; C is the same recording, whose group it therefore has; the others are of one patient."""
    alone, patient = record_group("cpsc", "A0002"), patient_group("ward", "7")
    groups = {"A0001": patient, "A0002": alone, "B": patient, "C": alone}
    write_store(tmp_path / "s.zarr", {name: {"group": group} for name, group in groups.items()})
    figures = figures_of(tmp_path / "s.zarr")
    assert [one.n_known for one in figures.datasets] == [1, 1]
    assert [one.n_groups for one in figures.datasets] == [2, 2]
    assert figures.group_sizes.tolist()[:2] == [0, 2]


def test_lengths_rates_and_sexes_have_the_figures_of_a_loop(simulated_store: Path) -> None:
    store = Store(simulated_store)
    figures = figures_of(simulated_store)
    rates, sexes = store.column("record/fs_source"), store.column("record/sex")
    seconds = store.column("record/n_samples_source") / rates
    for place, name in enumerate(figures.names):
        rows = np.array([row for row, dataset in enumerate(store.datasets) if dataset == name])
        assert figures.seconds[place].middle == pytest.approx(np.median(seconds[rows]))
        assert figures.length_counts[place].sum() == len(rows)
        assert figures.length_counts[place, LENGTH_BINS.names.index("10 s")] == sum(seconds[rows] == 10)
        assert figures.sex_counts[place].tolist() == [sum(sexes[rows] == code) for code in (0, 1, -1)]
        assert {rate: counts[place] for rate, counts in figures.rate_counts.items() if counts[place]} == Counter(
            rates[rows]
        )
    assert set(figures.rate_counts) == {257.0, 500.0, 1000.0}


def test_ages_by_sex_with_the_oldest_and_the_unknown(tmp_path: Path) -> None:
    write_store(
        tmp_path / "s.zarr",
        {
            "A0001": {"age": 300.0, "sex": "Female"},
            "A0002": {"age": None, "sex": "Male"},
            "B": {"age": 34.0, "sex": None},
            "C": {"age": 35.0, "sex": "Male"},
        },
    )
    figures = figures_of(tmp_path / "s.zarr")
    assert figures.names == ("cpsc", "ward")
    counted = {
        (sex, figures.names[dataset], AGE_BINS.names[place]): int(figures.age_counts[sex, dataset, place])
        for sex, dataset, place in np.argwhere(figures.age_counts).tolist()
    }
    assert counted == {(0, "cpsc", "90–94"): 1, (2, "ward", "30–34"): 1, (1, "ward", "35–39"): 1}
    assert figures.n_older_than_89 == (1, 0)
    assert [spread.n for spread in figures.ages] == [1, 2]
    assert figures.ages[0].highest == 90
    assert figures.sex_counts.tolist() == [[1, 1, 0], [0, 1, 1]]


def test_amplitudes_that_make_one_doubt_the_unit(tmp_path: Path) -> None:
    scales = {"A0001": 0.13, "A0002": 0.0, "B": 130_000.0, "C": 130.0}
    write_store(tmp_path / "s.zarr", {name: {"scale": scale} for name, scale in scales.items()})
    figures = figures_of(tmp_path / "s.zarr")
    assert figures.n_doubtful == (1, 1)
    assert figures.n_still == (1, 0)


@pytest.mark.parametrize(
    ("seconds", "name"),
    [(4.998, "<5 s"), (5, "5–10"), (9.998, "5–10"), (10, "10 s"), (10.002, "10–15"), (1800, "≥30 min")],
)
def test_ten_seconds_are_a_bin_of_their_own(seconds: float, name: str) -> None:
    place = np.searchsorted(LENGTH_BINS.edges, seconds, side="right") - 1
    assert LENGTH_BINS.names[place] == name
