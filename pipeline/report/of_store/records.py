"""Which recordings a store holds: how long, how fast sampled, of whom. From its tables alone, in one pass over each."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecg12.cache.reader import Store
from ecg12.cache.schema import SEX_CODES
from ecg12.ecg.labels.annotations import OLDER_THAN_89
from ecg12.ecg.patient_features import OLDEST
from ecg12.ecg.signals.recording import USUAL_SCALE_UV
from ecg12.pipeline.recordings.patient_groups import record_group
from ecg12.pipeline.report.of_store.counts import Bins, ByDataset, Spread

_TEN = float(np.nextafter(10.0, 11.0))
LENGTH_BINS = Bins(
    edges=(0, 5, 10, _TEN, 15, 20, 30, 60, 120, 600, 1800),
    names=("<5 s", "5–10", "10 s", "10–15", "15–20", "20–30", "30–60", "1–2 min", "2–10", "10–30", "≥30 min"),
)
"""Ten seconds to the sample is a bin of its own, for that is what most electrocardiographs write."""

AGE_EDGES = tuple(range(0, 110, 5))
AGE_BINS = Bins(edges=AGE_EDGES[:-1], names=tuple(f"{age}–{age + 4}" for age in AGE_EDGES[:-1]))
GROUP_SIZES = Bins(edges=(1, 2, 3, 4, 5, 10, 20), names=("1", "2", "3", "4", "5–9", "10–19", "≥20"))


@dataclass(frozen=True, kw_only=True, slots=True)
class DatasetFigures:
    """One dataset.

    Attributes
    ----------
    n_labelled : records that carry any label
    n_known : records whose patient is known by an id
    n_groups : groups of one patient, of equal recordings, or of a record whose patient is unknown
    """

    name: str
    n_records: int
    n_labelled: int
    hours: float
    n_known: int
    n_groups: int
    n_rejected: int


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class RecordFigures:
    """What the tables say of the recordings; mappings and rows are in the order of `datasets`.

    Attributes
    ----------
    datasets : those with records or rejects
    names : those with records, which the rows of arrays are of
    seconds, ages, amplitudes_uv : spreads; an age of "older than 89" counts as 90
    length_counts : int array, shape (dataset, bin of LENGTH_BINS)
    age_counts : int array, shape (sex, dataset, bin of AGE_BINS); sexes as in `SEXES`
    sex_counts : int array, shape (dataset, sex)
    rate_counts : sampling frequency of the originals, Hz → records of each dataset
    n_doubtful, n_still : records of each dataset whose amplitude makes one doubt the unit, and without any deflection
    group_sizes : int array, shape (bin of GROUP_SIZES,): groups with so many records
    """

    datasets: tuple[DatasetFigures, ...]
    names: tuple[str, ...]
    seconds: tuple[Spread, ...]
    length_counts: NDArray[np.int64]
    ages: tuple[Spread, ...]
    age_counts: NDArray[np.int64]
    n_older_than_89: tuple[int, ...]
    sex_counts: NDArray[np.int64]
    rate_counts: Mapping[float, tuple[int, ...]]
    amplitudes_uv: tuple[Spread, ...]
    n_doubtful: tuple[int, ...]
    n_still: tuple[int, ...]
    group_sizes: NDArray[np.int64]


SEXES = ("female", "male", "unknown")
_CODES = (SEX_CODES["Female"], SEX_CODES["Male"], SEX_CODES[None])


def describe_records(store: Store, by: ByDataset) -> RecordFigures:
    """Count records by length, sampling frequency, age, sex, amplitude and group."""
    seconds = store.column("record/n_samples_source") / store.column("record/fs_source")
    ages, sexes = store.column("record/age").astype(np.float64), store.column("record/sex")
    scale = store.column("record/scale").astype(np.float64)
    low, high = USUAL_SCALE_UV
    counted_ages = np.where(ages == OLDER_THAN_89, OLDEST, ages)
    _, sizes = np.unique(store.column("record/group").astype(str), return_counts=True)
    everyone = ByDataset(("all",), np.zeros(len(sizes), np.intp))
    return RecordFigures(
        datasets=_describe_datasets(store, by),
        names=by.names,
        seconds=by.spread(seconds),
        length_counts=by.count_in(LENGTH_BINS, seconds),
        ages=by.spread(counted_ages),
        age_counts=np.stack([by.count_in(AGE_BINS, np.where(sexes == code, counted_ages, np.nan)) for code in _CODES]),
        n_older_than_89=by.count(ages == OLDER_THAN_89),
        sex_counts=np.array([by.count(sexes == code) for code in _CODES]).T,
        rate_counts=_count_rates(store, by),
        amplitudes_uv=by.spread(scale),
        n_doubtful=by.count((scale > 0) & ~((scale >= low) & (scale <= high))),
        n_still=by.count(scale == 0),
        group_sizes=everyone.count_in(GROUP_SIZES, sizes.astype(np.float64))[0],
    )


def _describe_datasets(store: Store, by: ByDataset) -> tuple[DatasetFigures, ...]:
    known = _is_patient_known(store)
    groups = store.column("record/group").astype(str)
    n_labelled = dict(zip(by.names, by.count(store.column("label/annotated")), strict=True))
    n_known = dict(zip(by.names, by.count(known), strict=True))
    n_groups = {name: len(np.unique(groups[by.number == number])) for number, name in enumerate(by.names)}
    return tuple(
        DatasetFigures(
            name=name,
            n_records=int(figures["records"]),
            n_labelled=n_labelled.get(name, 0),
            hours=float(figures["hours"]),
            n_known=n_known.get(name, 0),
            n_groups=n_groups.get(name, 0),
            n_rejected=int(figures["rejects"]),
        )
        for name, figures in store.attributes["datasets"].items()
    )


def _is_patient_known(store: Store) -> NDArray[np.bool_]:
    """Which records are in a group that an id made: no other record's own name gives that group's."""
    own = {record_group(dataset, name) for dataset, name in zip(store.datasets, store.names, strict=True)}
    return np.array([group not in own for group in store.column("record/group")], bool)


def _count_rates(store: Store, by: ByDataset) -> dict[float, tuple[int, ...]]:
    rates = store.column("record/fs_source")
    return {float(rate): by.count(rates == rate) for rate in np.unique(rates)}
