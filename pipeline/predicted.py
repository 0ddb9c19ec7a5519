"""Predictions of a store's records and of files, group by group: while one is in the network, the next is read.

On a CPU two groups are under way at a time, so that cores that are done with the one go on with the other.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from functools import partial
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from cache.reader import Store
from cache.schema import Reject
from ecg.decisions import Decided
from ecg.prediction import Prediction
from ecg.recording import Recording, describe_lead_flags, doubt_amplitude
from pipeline.feeds import Windows, scale_windows
from pipeline.inputs.finding import FoundInput
from pipeline.inputs.told import InputConfig
from pipeline.prediction_files import RecordFacts
from pipeline.predictor import Predictor
from pipeline.prefetch import prefetch, run_ahead
from pipeline.read_ahead import MOST_READERS, Group, read_groups
from pipeline.workers import Workers

BATCH_WINDOWS = 64
STORED_BATCH_WINDOWS = 128
"""More than a chunk has of ten seconds each, so that they are one batch."""

GROUP_SAMPLES = {"cpu": 200_000, "cuda": 8_000_000}
"""Records of a store are predicted in groups of chunks with so many samples of them: a second's work, which is what the
bar and Ctrl-C have to wait for."""

FEW_WORKERS = 4

Predicted = tuple[Prediction, RecordFacts]

G = TypeVar("G")
R = TypeVar("R")


def predict_rows(
    store: Store,
    rows: NDArray[np.integer],
    predictor: Predictor,
    device: torch.device,
    *,
    gain: float = 1.0,
    workers: Workers | None = None,
) -> Iterator[Predicted]:
    """Predictions of some of a store's records, in the order in which they lie there, a few chunks' worth at a time.

    The predictor's network must be on `device`; `gain` is what samples are multiplied by, and `workers` help on a CPU.
    """
    groups = group_by_chunks(store, rows, GROUP_SAMPLES[device.type])
    cut = (list(predictor.cut_windows(store, group, STORED_BATCH_WINDOWS)) for group in groups)

    def predict(windows: Sequence[Windows]) -> list[Predicted]:
        scaled = windows if gain == 1 else [scale_windows(one, gain) for one in windows]
        decided = predictor.predict(scaled, device, workers)
        facts = (_facts_of(store, int(row)) for row in decided.record)
        return list(zip(_to_predictions(decided, store.ids, predictor), facts, strict=True))

    with closing(_in_turn(predict, run_ahead(cut, ahead=1), workers)) as found:
        for predicted in found:
            yield from predicted


def group_by_chunks(store: Store, rows: NDArray[np.integer], size: int) -> list[NDArray[np.integer]]:
    """Records in groups of whole chunks, about `size` samples of them in each.

    So a chunk is decoded for one group alone; but where a record goes on in the next one.
    """
    order = rows[np.argsort(store.starts[rows])]
    chunk = store.starts[order] // store.chunk_length
    samples = np.bincount(chunk, store.lengths[order])
    # a group ends with the chunk after which another multiple of `size` is behind
    number = (np.cumsum(samples) - samples)[chunk] // size
    return [group for group in np.split(order, np.flatnonzero(np.diff(number)) + 1) if len(group)]


def predict_files(
    named: Iterable[tuple[str, FoundInput]],
    predictor: Predictor,
    told: InputConfig,
    device: torch.device,
    *,
    change: Callable[[Recording], Recording] | None = None,
    workers: Workers | None = None,
) -> Iterator[tuple[list[Predicted], Sequence[Reject]]]:
    """Predictions of recordings in files, group by group, with those of each group that could not be read.

    Parameters
    ----------
    named : recordings by what they are called
    change : what to do to each before it is cut into windows
    """

    def predict(group: Group) -> tuple[list[Predicted], Sequence[Reject]]:
        if not group.facts:
            return [], group.rejects
        decided = predictor.predict(group.split(BATCH_WINDOWS), device, workers)
        names = [facts.record for facts in group.facts]
        return list(zip(_to_predictions(decided, names, predictor), group.facts, strict=True)), group.rejects

    # a few cores predict less than one thread reads
    readers = 1 if workers is not None and workers.n_workers <= FEW_WORKERS else MOST_READERS
    groups = read_groups(named, predictor, told, batch_size=BATCH_WINDOWS, readers=readers, change=change)
    with closing(_in_turn(predict, groups, workers)) as found:
        yield from found


def _in_turn(use: Callable[[G], R], groups: Iterable[G], workers: Workers | None) -> Generator[R, None, None]:
    threads = 1 if workers is None else 2
    return prefetch((partial(use, group) for group in groups), threads=threads, ahead=2)


def _facts_of(store: Store, row: int) -> RecordFacts:
    flags = describe_lead_flags(store.leads, store.column("record/lead_flags")[row])
    age, sex = float(store.column("record/age")[row]), str(store.column("record/sex")[row])
    doubt = doubt_amplitude(float(store.column("record/scale")[row]))
    return RecordFacts(
        record=str(store.ids[row]),
        source=str(store.path),
        file=f"{store.datasets[row]}/{store.names[row]}",
        fs=float(store.column("record/fs_source")[row]),
        duration_s=round(float(store.lengths[row]) / store.fs, 3),
        age=None if np.isnan(age) else age,
        sex=sex or None,
        quality="; ".join(text for text in (flags, doubt) if text),
    )


def _to_predictions(
    decided: Decided, names: Sequence[str] | NDArray[np.object_], predictor: Predictor
) -> Iterator[Prediction]:
    """One prediction for each record that was decided; `names` by its row."""
    for row, labels, scores in zip(decided.record, decided.labels, decided.scores, strict=True):
        yield Prediction(
            record_name=str(names[row]),
            codes=predictor.classes,
            labels=tuple(map(int, labels)),
            scores=tuple(map(float, scores)),
        )
