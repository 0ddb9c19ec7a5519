"""Flags, duplicates and rejects of a store."""

from pathlib import Path

import pytest

from ecg12.cache.reader import Store
from ecg12.ecg.signals.quality import LeadFlag
from ecg12.pipeline.ingest.describe_quality import describe_quality
from ecg12.pipeline.report.of_store.counts import rows_by_dataset
from ecg12.pipeline.report.of_store.quality import QualityFigures, describe_oddities
from ecg12.pipeline.report.of_store.quality_sections import MEANINGS
from tests.cache.small_store import write_store


def figures_of(path: Path) -> QualityFigures:
    store = Store(path)
    return describe_oddities(store, rows_by_dataset(store))


@pytest.fixture
def odd(tmp_path: Path) -> QualityFigures:
    """Four records: flags on some leads, two that are the same samples in two datasets, with other labels."""
    flat, clipped = int(LeadFlag.FLAT), int(LeadFlag.CLIPPED)
    write_store(
        tmp_path / "s.zarr",
        {
            "A0001": {"lead_flags": (flat, flat | clipped, *[0] * 10), "n_clipped": 7, "digest": "a" * 64},
            "A0002": {"lead_flags": (int(LeadFlag.UNVERIFIED),) * 12, "n_invalid": 3},
            "B": {"lead_flags": (0, clipped, *[0] * 10), "n_clipped": 5},
            "C": {"digest": "a" * 64, "dx_codes": ("164889003",)},
        },
    )
    return figures_of(tmp_path / "s.zarr")


def test_flags_are_counted_by_dataset_and_by_lead(odd: QualityFigures) -> None:
    assert odd.flags == ("clipped", "flat", "unverified")
    assert odd.by_dataset.tolist() == [[1, 1, 1], [1, 0, 0]]
    assert odd.by_lead[:3].tolist() == [[0, 1, 1], [2, 1, 1], [0, 0, 1]]
    assert odd.n_records == (2, 2)
    assert odd.n_flagged == (1, 1)  # a missing checksum alone is no flag to speak of
    assert odd.n_invalid == (3, 0)
    assert odd.n_clipped == (7, 5)


def test_duplicates_say_whether_datasets_and_labels_differ(odd: QualityFigures) -> None:
    (same,) = odd.duplicates
    assert same.records == ("cpsc/A0001", "ward/C")
    assert same.is_across
    assert same.differs


def test_rejects_are_counted_by_stage(odd: QualityFigures) -> None:
    assert [reject.record for reject in odd.rejects] == ["D"]
    assert odd.reject_counts == {"signal": 1}


def test_flags_are_those_that_inspect_shows(simulated_store: Path) -> None:
    found = describe_quality(simulated_store)
    figures = figures_of(simulated_store)
    for place, name in enumerate(figures.names):
        shown = {count.flag: count.n_records for count in found[name].flags}
        mine = dict(zip(figures.flags, figures.by_dataset[place].tolist(), strict=True))
        assert {flag: n for flag, n in mine.items() if n} == shown


def test_every_flag_is_explained() -> None:
    assert set(MEANINGS) == {(flag.name or "").lower() for flag in LeadFlag}
