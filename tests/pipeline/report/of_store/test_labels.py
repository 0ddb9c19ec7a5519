"""Labels by dataset and together, held against loops over records, and against the published counts."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest

from ecg12.cache.reader import Store
from ecg12.ecg.labels.snomed import CLASSES, representative
from ecg12.pipeline.report.of_store.counts import ByDataset, rows_by_dataset
from ecg12.pipeline.report.of_store.labels import LabelCount, LabelFigures, _check_published, describe_labels
from tests.cache.small_store import write_store


def figures_of(path: Path) -> LabelFigures:
    store = Store(path)
    return describe_labels(store, rows_by_dataset(store))


def test_counts_are_those_of_a_loop_over_the_records(simulated_store: Path) -> None:
    store = Store(simulated_store)
    figures = figures_of(simulated_store)
    codes = [store.dx_codes(row) for row in range(store.n_records)]
    classes = [{representative(code) for code in stated} for stated in codes]
    for place, name in enumerate(figures.names):
        mine = [row for row in range(store.n_records) if store.datasets[row] == name]
        for label in figures.codes:
            assert label.n_records[place] == sum(label.code in codes[row] for row in mine)
        for label in figures.scored:
            assert label.n_records[place] == sum(label.code in classes[row] for row in mine)
    for (a, first), (b, second) in product(enumerate(figures.scored), repeat=2):
        assert figures.together[a, b] == sum({first.code, second.code} <= stated for stated in classes)
    assert figures.labels_each.tolist() == np.bincount([len(stated) for stated in codes]).tolist()
    scored = {label.code for label in figures.scored}
    assert figures.scored_each.tolist() == np.bincount([len(stated & scored) for stated in classes]).tolist()
    assert figures.n_labelled == sum(bool(stated) for stated in codes)
    totals = [label.total for label in figures.codes]
    assert totals == sorted(totals, reverse=True)


def test_a_store_without_labels_has_none(tmp_path: Path) -> None:
    write_store(tmp_path / "s.zarr", {name: {"dx_codes": ()} for name in ("A0001", "A0002", "B", "C")})
    figures = figures_of(tmp_path / "s.zarr")
    assert figures.n_labelled == 0
    assert figures.codes == ()
    assert not figures.together.any()
    assert figures.labels_each.tolist() == figures.scored_each.tolist() == [4]


def published(dataset: str, **changes: int) -> tuple[LabelCount, ...]:
    counts = {code: info.n_records[dataset] for code, info in CLASSES.items()} | changes
    return tuple(
        LabelCount(code=code, abbreviation="", name="", n_records=(count,)) for code, count in counts.items() if count
    )


def test_a_whole_dataset_is_held_against_the_published_counts() -> None:
    by = ByDataset(("ptb",), np.zeros(516, np.intp))
    (check,) = _check_published(published("ptb"), by)
    assert check.is_complete
    assert check.differing == ()
    (check,) = _check_published(published("ptb", **{"164889003": 14, "1": 3}), by)
    assert check.differing == ("1", "164889003")


def test_a_part_of_a_dataset_is_not_compared() -> None:
    (check,) = _check_published((), ByDataset(("ptb",), np.zeros(3, np.intp)))
    assert not check.is_complete
    assert check.differing == ()
    assert _check_published((), ByDataset(("ward",), np.zeros(3, np.intp))) == ()


@pytest.mark.parametrize("n_shared", [0, 2])
def test_equivalent_codes_count_once_in_a_class(tmp_path: Path, n_shared: int) -> None:
    both = {"dx_codes": ("59118001", "713427006")}
    write_store(tmp_path / "s.zarr", {"A0001": both} if n_shared else {})
    figures = figures_of(tmp_path / "s.zarr")
    of_code = {label.code: label.total for label in figures.scored}
    assert of_code["713427006"] == (1 if n_shared else 0)
