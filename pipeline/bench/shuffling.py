"""How well a shuffle buffer mixes, beside a true permutation: on a table of the whole corpus, without a sample."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecg12.cache.layout import plan_layout
from ecg12.cache.schema import StoreConfig
from ecg12.ecg.labels.snomed import representative
from ecg12.ecg.signals.resample import resampled_length
from ecg12.ecg.signals.window import WindowConfig, plan_windows
from ecg12.ecg.synthetic import plan_corpus
from ecg12.pipeline.loading.epoch_order import choose_windows, order_resident, order_streamed
from ecg12.pipeline.loading.record_batches import choose_stretches, order_records, pack_rows
from ecg12.pipeline.loading.window_batches import BUFFER_CHUNKS, WINDOWS_OF_A_RECORD

BUFFERS = (1, 2, 4, 8, 16, 32)
BATCH = 32
EPOCHS = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class ShuffleRow:
    """One way of shuffling, in figures of what is in a batch.

    Attributes
    ----------
    what : the buffer, in words
    chunks : different chunks in a batch, on average
    apart : share of the store between two neighbours of the epoch's order, median; 0.29 at random
    together : of two windows that lie side by side at rest, how many batches apart they come, median
    label_spread, dataset_spread : standard deviation over batches of how many of a batch's windows have the most
        frequent class, and are of the largest dataset, in terms of a true permutation's
    """

    what: str
    chunks: float
    apart: float
    together: float
    label_spread: float
    dataset_spread: float


@dataclass(frozen=True, kw_only=True, slots=True)
class ShuffleBench:
    """What was measured; `padding` is the share of rows without a window, by number of rows."""

    rows: tuple[ShuffleRow, ...]
    padding: dict[int, float]


def run(*, n_records: int = 43_101, max_windows_per_record: int = 8) -> ShuffleBench:
    """Measure, for a corpus of the six datasets in their proportions, as the store would place it."""
    config = StoreConfig()
    planned = plan_corpus(n_records, seed=2020)
    lengths = np.array([resampled_length(one.n_samples, one.fs, config.fs) for one in planned])
    keys = [(one.dataset, one.record_name) for one in planned]
    start = plan_layout(keys, lengths, chunk_length=config.chunk_length, seed=config.seed).start
    codes = [{representative(code) for code in one.dx_codes} for one in planned]
    frequent = Counter(code for some in codes for code in some).most_common(1)[0][0]
    has_label = np.array([frequent in some for some in codes])
    datasets = [one.dataset for one in planned]
    largest = Counter(datasets).most_common(1)[0][0]
    in_dataset = np.array([dataset == largest for dataset in datasets])
    plan = plan_windows(lengths, WindowConfig())
    column = start[plan.record] + plan.start
    traits = (column, column // config.chunk_length, has_label[plan.record], in_dataset[plan.record])
    per_chunk = config.chunk_length // plan.window_length

    def orders(buffer_chunks: int | None) -> list[NDArray[np.int64]]:
        found = []
        for epoch in range(EPOCHS):
            selected = choose_windows(plan.record, max_windows_per_record, seed=1, epoch=epoch)
            if buffer_chunks is None:
                found.append(order_resident(selected, seed=1, epoch=epoch).windows)
                continue
            found.append(
                order_streamed(
                    selected,
                    traits[1][selected],
                    plan.record[selected],
                    seed=1,
                    epoch=epoch,
                    buffer_windows=buffer_chunks * per_chunk,
                    windows_of_a_record=WINDOWS_OF_A_RECORD,
                ).windows
            )
        return found

    random = _figures(orders(None), traits)
    rows = [_row("true permutation", random, random)]
    rows += [_row(f"buffer of {n} chunks", _figures(orders(n), traits), random) for n in BUFFERS]
    return ShuffleBench(
        rows=tuple(rows), padding={n: _padding(traits[1], plan.record, n_rows=n) for n in (8, 32, 64, 128)}
    )


def _padding(chunk: NDArray[np.int64], record: NDArray[np.int64], *, n_rows: int) -> float:
    """Share of the rows without a window where batches go through whole records."""
    first, n_windows = choose_stretches(record, None, seed=1, epoch=0)
    order = order_records(chunk[first], n_windows, seed=1, epoch=0, n_rows=n_rows, chunks_apart=BUFFER_CHUNKS)
    windows, _ = pack_rows(first[order], n_windows[order], n_rows)
    return float((windows < 0).mean())


def _figures(
    orders: Sequence[NDArray[np.int64]],
    traits: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_], NDArray[np.bool_]],
) -> NDArray[np.float64]:
    """chunks, apart, together, and the spreads as they are; means over the epochs."""
    column, chunk, label, dataset = traits
    figures = []
    for order in orders:
        batches = order[: len(order) // BATCH * BATCH].reshape(-1, BATCH)
        place = np.empty(len(order), np.int64)
        place[np.argsort(column[order], kind="stable")] = np.arange(len(order))
        by_rest = np.argsort(place)  # position in the order of each window, by place at rest
        figures.append(
            [
                np.mean([len(set(batch)) for batch in chunk[batches].tolist()]),
                np.median(np.abs(np.diff(column[order]))) / column.max(),
                np.median(np.abs(np.diff(by_rest))) / BATCH,
                label[batches].sum(axis=1).std(),
                dataset[batches].sum(axis=1).std(),
            ]
        )
    return np.mean(figures, axis=0)


def _row(what: str, figures: NDArray[np.float64], random: NDArray[np.float64]) -> ShuffleRow:
    chunks, apart, together, label, dataset = figures.tolist()
    return ShuffleRow(
        what=what,
        chunks=chunks,
        apart=apart,
        together=together,
        label_spread=label / float(random[3]),
        dataset_spread=dataset / float(random[4]),
    )
