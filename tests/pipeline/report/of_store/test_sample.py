"""Which records a report looks at, and what it finds there."""

import re
from pathlib import Path

import numpy as np
import pytest

from ecg12.cache.reader import Store
from ecg12.cache.schema import StoreConfig
from ecg12.ecg.signals.heart_rate import compute_heart_rate
from ecg12.ecg.signals.quality import LeadFlag
from ecg12.pipeline.report.of_store.counts import rows_by_dataset
from ecg12.pipeline.report.of_store.labels import describe_labels
from ecg12.pipeline.report.of_store.sample import RATE_S, choose_examples, choose_sample, describe_rates
from tests.cache.small_store import LENGTHS, flip_byte, write_store


def test_a_sample_has_up_to_so_many_of_each_dataset_and_always_the_same(simulated_store: Path) -> None:
    store = Store(simulated_store)
    by = rows_by_dataset(store)
    rows = choose_sample(store, by, 3)
    assert by.count(np.isin(np.arange(store.n_records), rows)) == tuple(min(3, n) for n in by.count())
    assert len(set(rows.tolist())) == len(rows)
    assert (np.diff(store.starts[rows]) > 0).all()
    again = Store(simulated_store)
    assert choose_sample(again, rows_by_dataset(again), 3).tolist() == rows.tolist()
    assert len(choose_sample(store, by, 10_000)) == store.n_records


def test_heart_rates_are_those_of_each_signal(simulated_store: Path) -> None:
    store = Store(simulated_store)
    by = rows_by_dataset(store)
    rows = choose_sample(store, by, 2)
    figures = describe_rates(store, by, rows)
    n_samples = round(RATE_S * store.fs)
    expected = [compute_heart_rate(store.read_record(row)[:, :n_samples], store.fs) for row in rows]
    for place in range(len(by.names)):
        found = [rate for row, rate in zip(rows, expected, strict=True) if by.number[row] == place and rate is not None]
        assert figures.rates[place].n == len(found)
        assert figures.counts[place].sum() == len(found)
        if found:
            assert figures.rates[place].highest == pytest.approx(max(found))


def test_records_longer_than_a_chunk_and_records_without_beats(tmp_path: Path) -> None:
    """B spans two chunks; a sampling frequency of 40 Hz leaves no band in which QRS complexes could be found."""
    signals = write_store(tmp_path / "s.zarr")
    store = Store(tmp_path / "s.zarr")
    by = rows_by_dataset(store)
    figures = describe_rates(store, by, np.arange(len(LENGTHS)))
    rates = {name: compute_heart_rate(signal, store.fs) for name, signal in signals.items()}
    assert figures.rates[1].highest == pytest.approx(max(rate for rate in (rates["B"], rates["C"]) if rate))
    write_store(tmp_path / "t.zarr", config=StoreConfig(fs=40.0, chunk_length=2048, seed=1))
    slow = Store(tmp_path / "t.zarr")
    figures = describe_rates(slow, rows_by_dataset(slow), np.arange(len(LENGTHS)))
    assert figures.n_looked_at == (2, 2)
    assert [rate.n for rate in figures.rates] == [0, 0]


def test_a_damaged_chunk_costs_its_records_and_no_others(tmp_path: Path) -> None:
    write_store(tmp_path / "s.zarr")
    store = Store(tmp_path / "s.zarr")
    by, rows = rows_by_dataset(store), np.arange(len(LENGTHS))
    whole = describe_rates(store, by, rows)
    flip_byte(tmp_path / "s.zarr" / "signal" / "c" / "0" / "0")
    store = Store(tmp_path / "s.zarr")
    figures = describe_rates(store, by, rows)
    assert (whole.damaged, sum(whole.n_looked_at)) == ((), len(LENGTHS))
    (said,) = figures.damaged
    assert re.search(r"s\.zarr/signal .*damaged", said)
    in_it = (store.starts // store.chunk_length == 0).sum()
    assert 0 < sum(figures.n_looked_at) == len(LENGTHS) - in_it


def test_examples_are_of_the_most_frequent_classes_and_the_clearest(tmp_path: Path) -> None:
    write_store(
        tmp_path / "s.zarr",
        {
            "A0001": {"lead_flags": (int(LeadFlag.FLAT), *[0] * 11)},
            "A0002": {"dx_codes": ("426783006", "164889003")},
            "B": {"dx_codes": ("426783006",)},
            "C": {"dx_codes": ("59118001", "164889003")},
        },
    )
    store = Store(tmp_path / "s.zarr")
    by = rows_by_dataset(store)
    examples = choose_examples(store, by, describe_labels(store, by), 12)
    # sinus rhythm: neither the flagged A0001 nor A0002 with its two labels; then the one class left; then dataset cpsc
    assert [(store.names[one.row], one.of) for one in examples] == [
        ("B", "sinus rhythm"),
        ("C", "complete right bundle branch block"),
        ("A0002", "dataset cpsc"),
    ]
    assert len(choose_examples(store, by, describe_labels(store, by), 1)) == 1


def test_examples_come_from_many_datasets(simulated_store: Path) -> None:
    store = Store(simulated_store)
    by = rows_by_dataset(store)
    examples = choose_examples(store, by, describe_labels(store, by), 12)
    assert len(examples) == 12
    assert len({store.datasets[one.row] for one in examples}) >= 4
    scored = {label.name: place for place, label in enumerate(describe_labels(store, by).scored)}
    for one in examples:
        if one.of in scored:
            assert store.column("label/scored")[one.row, scored[one.of]] == 1
