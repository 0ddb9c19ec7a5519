"""What a store's records are labelled with: how often, in which dataset, and with what else."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecg12.cache.reader import Store
from ecg12.ecg.datasets import DATASETS
from ecg12.ecg.labels.snomed import CLASSES, abbreviation_of, name_of
from ecg12.pipeline.report.of_store.counts import ByDataset


@dataclass(frozen=True, kw_only=True, slots=True)
class LabelCount:
    """A code or a scored class: `n_records` of each dataset in the order of `LabelFigures.names`."""

    code: str
    abbreviation: str
    name: str
    n_records: tuple[int, ...]

    @property
    def total(self) -> int:
        """Records in all datasets."""
        return sum(self.n_records)


@dataclass(frozen=True, kw_only=True, slots=True)
class PublishedCheck:
    """A dataset of the Challenge beside its published counts.

    Attributes
    ----------
    n_published : records that were published
    differing : codes whose number of records is another than the published one; empty unless all records are there
    """

    dataset: str
    n_records: int
    n_published: int
    differing: tuple[str, ...]

    @property
    def is_complete(self) -> bool:
        """Whether as many records are there as were published."""
        return self.n_records == self.n_published


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class LabelFigures:
    """The labels of a store.

    Attributes
    ----------
    names : datasets
    n_labelled : records that carry any label
    scored : the scored classes, equivalent codes merged, in the official order
    codes : every code that occurs, the most frequent first
    together : int array, shape (scored class, scored class): records with both; the diagonal: with the class
    labels_each : int array, shape (number of codes,): records with so many codes, from none
    scored_each : the same for scored classes
    published : a check for each of the Challenge's datasets that is there
    """

    names: tuple[str, ...]
    n_labelled: int
    scored: tuple[LabelCount, ...]
    codes: tuple[LabelCount, ...]
    together: NDArray[np.int64]
    labels_each: NDArray[np.int64]
    scored_each: NDArray[np.int64]
    published: tuple[PublishedCheck, ...]


def describe_labels(store: Store, by: ByDataset) -> LabelFigures:
    """Count labels by dataset, and how often scored classes are stated together."""
    matrix, scored = store.column("label/matrix"), store.column("label/scored")
    codes = _count_labels(store.column("label/code"), by.sum(matrix))
    # in float32 the product runs in BLAS, and counts below 2**24 are exact there
    together = scored.T.astype(np.float32) @ scored.astype(np.float32)
    assert store.n_records < 2**24, "counts would be rounded"
    return LabelFigures(
        names=by.names,
        n_labelled=int(store.column("label/annotated").sum()),
        scored=_count_labels(store.column("label/scored_code"), by.sum(scored)),
        codes=tuple(sorted(codes, key=lambda label: (-label.total, label.code))),
        together=together.astype(np.int64),
        labels_each=np.bincount(matrix.sum(axis=1, dtype=np.int64), minlength=1),
        scored_each=np.bincount(scored.sum(axis=1, dtype=np.int64), minlength=1),
        published=_check_published(codes, by),
    )


def _count_labels(codes: NDArray, counts: NDArray[np.int64]) -> tuple[LabelCount, ...]:
    return tuple(
        LabelCount(
            code=str(code),
            abbreviation=abbreviation_of(str(code)),
            name=name_of(str(code)),
            n_records=tuple(counts[:, column].tolist()),
        )
        for column, code in enumerate(codes)
    )


def _check_published(codes: tuple[LabelCount, ...], by: ByDataset) -> tuple[PublishedCheck, ...]:
    """Hold the counts of each whole dataset against the class table, code by code."""
    checks = []
    for dataset in DATASETS:
        if dataset.name not in by.names:
            continue
        place, n_records = by.names.index(dataset.name), by.count()[by.names.index(dataset.name)]
        found = {label.code: label.n_records[place] for label in codes}
        published = {code: info.n_records[dataset.name] for code, info in CLASSES.items()}
        differing = [code for code in sorted(found.keys() | published) if found.get(code, 0) != published.get(code, 0)]
        checks.append(
            PublishedCheck(
                dataset=dataset.name,
                n_records=n_records,
                n_published=dataset.n_records,
                differing=tuple(differing) if n_records == dataset.n_records else (),
            )
        )
    return tuple(checks)
