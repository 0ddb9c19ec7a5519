"""What takes signals and not only tables: heart rates and examples, from some records that are said to be some.

Whole chunks are the cheapest to read, and each is a fair sample of its store. Chunks are therefore visited in the order
of their digests, which is random and stays the same however stores are named, until every dataset has given its share.
"""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from ecg12.cache.reader import Store
from ecg12.ecg.errors import ChecksumError
from ecg12.ecg.signals.heart_rate import compute_heart_rate
from ecg12.ecg.signals.quality import LeadFlag
from ecg12.pipeline.report.of_store.counts import Bins, ByDataset, Spread, largest_first
from ecg12.pipeline.report.of_store.labels import LabelFigures
from ecg12.pipeline.runtime.prefetch import prefetch
from ecg12.pipeline.runtime.progress import Progress, silent

RATE_BINS = Bins(
    edges=(0, 40, 50, 60, 70, 80, 90, 100, 110, 120, 130, 150),
    names=("<40", *(f"{low}–{low + 9}" for low in range(40, 130, 10)), "130–149", "≥150"),
)
RATE_S = 30.0
"""A heart rate is counted over so many seconds from a recording's beginning, half-hour ones' too."""
READERS = 2
"""Threads that read chunks while heart rates are counted."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class RateFigures:
    """Heart rates of a sample of records.

    Attributes
    ----------
    names : datasets
    n_looked_at : records of each dataset whose signal was read
    rates : how the rates that were found are spread, 1/min
    counts : int array, shape (dataset, bin of RATE_BINS)
    damaged : why chunks could not be read, whose records have not been looked at
    """

    names: tuple[str, ...]
    n_looked_at: tuple[int, ...]
    rates: tuple[Spread, ...]
    counts: NDArray[np.int64]
    damaged: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Example:
    """A record to be shown, and what it is an example of."""

    row: int
    of: str


def choose_sample(store: Store, by: ByDataset, n_each: int) -> NDArray[np.intp]:
    """Rows of up to `n_each` records of each dataset, in the order in which they lie in the signal."""
    order = _random_order(store)
    chosen = [order[by.number[order] == number][:n_each] for number in range(len(by.names))]
    rows = np.concatenate([np.zeros(0, np.intp), *chosen])
    return rows[np.argsort(store.starts[rows], kind="stable")]


def describe_rates(store: Store, by: ByDataset, rows: NDArray[np.intp], progress: Progress = silent) -> RateFigures:
    """Heart rates of these records, over `RATE_S` from their beginning; one in which none is found has none.

    Records of a chunk that is missing or damaged are not looked at.
    """
    rates, looked_at = np.full(store.n_records, np.nan), np.zeros(store.n_records, bool)
    damaged: list[str] = []
    with progress("heart rates", len(rows), "records") as task:
        for row, signal in _read_beginnings(store, rows, damaged):
            looked_at[row] = True
            rate = compute_heart_rate(signal.astype(np.float32), store.fs)
            rates[row] = np.nan if rate is None else rate
            task.advance()
    return RateFigures(
        names=by.names,
        n_looked_at=by.count(looked_at),
        rates=by.spread(rates),
        counts=by.count_in(RATE_BINS, rates),
        damaged=tuple(damaged),
    )


def choose_examples(store: Store, by: ByDataset, labels: LabelFigures, n_most: int) -> list[Example]:
    """Records to show: one of each of the most frequent classes, then of each dataset that none of these is of.

    Classes are the scored ones; where none of them occurs, and the store states vocabularies, the codes.

    Of a class's records those that carry few other labels and no flag go first; among these, a dataset that has given
    few examples so far.
    """
    classes, scored = labels.scored, store.column("label/scored")
    if not labels.is_scored:
        place_of = {str(code): place for place, code in enumerate(store.column("label/code"))}
        classes, scored = labels.codes, store.column("label/matrix")[:, [place_of[one.code] for one in labels.codes]]
    frequent = [number for number in largest_first([one.total for one in classes], n_most) if classes[number].total]
    burden, place = _count_burden(store), _order_by_digest(store)
    shown = np.zeros(len(by.names), np.intp)
    examples: list[Example] = []

    def take(rows: NDArray[np.intp], of: str) -> None:
        best = np.lexsort((place[rows], shown[by.number[rows]], burden[rows]))[0]
        examples.append(Example(row=int(rows[best]), of=of))
        shown[by.number[rows[best]]] += 1

    for number in frequent:
        take(np.flatnonzero(scored[:, number] == 1), classes[number].name)
    for number in np.flatnonzero(shown == 0)[: n_most - len(examples)]:
        take(np.flatnonzero(by.number == number), f"dataset {by.names[number]}")
    return examples


def _random_order(store: Store) -> NDArray[np.intp]:
    """All rows, those of one chunk together, chunks in the order of their digests."""
    digests = store.column("chunk/digest").astype(str)
    rank_of_chunk = np.empty(len(digests), np.intp)
    rank_of_chunk[np.argsort(digests, kind="stable")] = np.arange(len(digests))
    return np.lexsort((store.starts, rank_of_chunk[store.starts // store.chunk_length]))


def _read_beginnings(
    store: Store, rows: NDArray[np.intp], damaged: list[str]
) -> Iterator[tuple[int, NDArray[np.int16]]]:
    """Each row with its first `RATE_S` seconds, shape (lead, sample); chunks are read ahead, each of them once.

    What cannot be read goes to `damaged`.
    """
    chunks = store.starts[rows] // store.chunk_length
    jobs = (partial(_read_from_chunk, store, rows[chunks == chunk], damaged) for chunk in np.unique(chunks))
    with closing(prefetch(jobs, threads=READERS, ahead=2 * READERS)) as read:
        yield from chain.from_iterable(read)


def _read_from_chunk(store: Store, rows: NDArray[np.intp], damaged: list[str]) -> list[tuple[int, NDArray[np.int16]]]:
    """The beginnings of rows that begin in the same chunk."""
    starts = store.starts[rows]
    stops = starts + np.minimum(store.lengths[rows], round(RATE_S * store.fs))
    first = int(starts.min())
    try:
        block = store.read_columns(first, int(stops.max()))
    except ChecksumError as error:
        damaged.append(str(error))
        return []
    # copies, so that a chunk does not stay in memory for the sake of one record
    return [
        (row, block[:, start - first : stop - first].copy())
        for row, start, stop in zip(rows.tolist(), starts.tolist(), stops.tolist(), strict=True)
    ]


def _count_burden(store: Store) -> NDArray[np.int64]:
    """What makes a record a poor example: its labels, and above all any flag."""
    harmless = np.uint16(LeadFlag.UNVERIFIED | LeadFlag.GAIN_CORRECTED)
    is_flagged = ((store.column("record/lead_flags") & ~harmless) != 0).any(axis=1)
    return store.column("label/matrix").sum(axis=1, dtype=np.int64) + 1000 * is_flagged


def _order_by_digest(store: Store) -> NDArray[np.intp]:
    """Each row's place in an order that is random and depends on nothing but the samples."""
    place = np.empty(store.n_records, np.intp)
    place[np.argsort(store.column("record/digest").astype(str), kind="stable")] = np.arange(store.n_records)
    return place
