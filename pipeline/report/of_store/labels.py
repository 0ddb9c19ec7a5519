"""What a store's records are labelled with: how often, in which dataset, and with what else."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecg12.cache.reader import Store
from ecg12.ecg.datasets import DATASETS
from ecg12.ecg.labels.snomed import CLASSES, abbreviation_of, name_of
from ecg12.pipeline.report.of_store.counts import ByDataset, largest_first

MOST_COMPARED = 24
"""Codes that are counted together where no class is scored."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LabelCount:
    """A code or a scored class: `n_records` of each dataset in the order of `LabelFigures.names`.

    `vocabulary` is that of a code, where the store states any.
    """

    code: str
    abbreviation: str
    name: str
    n_records: tuple[int, ...]
    vocabulary: str = ""

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


@dataclass(frozen=True, kw_only=True, slots=True)
class LikelihoodCount:
    """How sure the labels of a vocabulary are: how many state a likelihood, those of 100 %, below it, and not known."""

    vocabulary: str
    n_labels: int
    n_stated: int
    n_certain: int
    n_below: int
    n_unknown: int


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class LabelFigures:
    """The labels of a store.

    Attributes
    ----------
    names : datasets
    n_labelled : records that carry any label
    scored : the scored classes, equivalent codes merged, in the official order
    codes : every code that occurs, the most frequent first
    compared : what is counted together: the scored classes; where none occurs and the store states vocabularies, the
        most frequent codes
    together : int array, shape (compared, compared): records with both; the diagonal: with the class
    labels_each : int array, shape (number of codes,): records with so many codes, from none
    scored_each : the same for scored classes
    published : a check for each of the Challenge's datasets that is there
    vocabularies : those that the store states, the one with most labels first; none of a store of headers alone
    likelihoods : of each vocabulary that has any
    """

    names: tuple[str, ...]
    n_labelled: int
    scored: tuple[LabelCount, ...]
    codes: tuple[LabelCount, ...]
    compared: tuple[LabelCount, ...]
    together: NDArray[np.int64]
    labels_each: NDArray[np.int64]
    scored_each: NDArray[np.int64]
    published: tuple[PublishedCheck, ...]
    vocabularies: tuple[str, ...] = ()
    likelihoods: tuple[LikelihoodCount, ...] = ()

    @property
    def is_scored(self) -> bool:
        """Whether the Challenge's classes are what this store is labelled with."""
        return not self.vocabularies or any(one.total for one in self.scored)


def describe_labels(store: Store, by: ByDataset) -> LabelFigures:
    """Count labels by dataset, and how often scored classes are stated together."""
    matrix, scored = store.column("label/matrix"), store.column("label/scored")
    stated = store.optional("label/vocabulary")
    vocabulary = [""] * matrix.shape[1] if stated is None else list(map(str, stated))
    codes = _count_labels(store.column("label/code"), by.sum(matrix), vocabulary)
    classes = _count_labels(store.column("label/scored_code"), by.sum(scored), [""] * scored.shape[1])
    compared, columns = classes, scored
    if stated is not None and not scored.any():
        chosen = largest_first([one.total for one in codes], MOST_COMPARED)
        compared, columns = tuple(codes[place] for place in chosen), matrix[:, chosen]
    # in float32 the product runs in BLAS, and counts below 2**24 are exact there
    together = columns.T.astype(np.float32) @ columns.astype(np.float32)
    assert store.n_records < 2**24, "counts would be rounded"
    return LabelFigures(
        names=by.names,
        n_labelled=int(store.column("label/annotated").sum()),
        scored=classes,
        codes=tuple(sorted(codes, key=lambda label: (-label.total, label.code))),
        compared=compared,
        together=together.astype(np.int64),
        vocabularies=() if stated is None else _vocabularies(codes),
        likelihoods=_count_likelihoods(store, matrix, vocabulary),
        labels_each=np.bincount(matrix.sum(axis=1, dtype=np.int64), minlength=1),
        scored_each=np.bincount(scored.sum(axis=1, dtype=np.int64), minlength=1),
        published=_check_published(codes, by),
    )


def _vocabularies(codes: Sequence[LabelCount]) -> tuple[str, ...]:
    n_labels: dict[str, int] = {}
    for one in codes:
        n_labels[one.vocabulary] = n_labels.get(one.vocabulary, 0) + one.total
    return tuple(sorted(n_labels, key=lambda name: (-n_labels[name], name)))


def _count_likelihoods(
    store: Store, matrix: NDArray[np.uint8], vocabulary: Sequence[str]
) -> tuple[LikelihoodCount, ...]:
    likelihood = store.optional("label/likelihood")
    if likelihood is None:
        return ()
    found = []
    for name in sorted(set(vocabulary)):
        columns = [place for place, own in enumerate(vocabulary) if own == name]
        stated = likelihood[:, columns][matrix[:, columns] == 1]
        known = stated[~np.isnan(stated)]
        if len(known):
            one = LikelihoodCount(
                vocabulary=name,
                n_labels=len(stated),
                n_stated=len(known),
                n_certain=int((known >= 100).sum()),
                n_below=int(((known > 0) & (known < 100)).sum()),
                n_unknown=int((known == 0).sum()),
            )
            found.append(one)
    return tuple(found)


def _count_labels(codes: NDArray, counts: NDArray[np.int64], vocabulary: Sequence[str]) -> tuple[LabelCount, ...]:
    return tuple(
        LabelCount(
            code=str(code),
            abbreviation=abbreviation_of(str(code)),
            name=name_of(str(code)),
            n_records=tuple(counts[:, column].tolist()),
            vocabulary=vocabulary[column],
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
