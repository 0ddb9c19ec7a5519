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

from ecg12.cache.reader import Store
from ecg12.cache.schema import SEX_OF_CODE, Reject
from ecg12.ecg.decisions.reference_rules import Decided
from ecg12.ecg.scores.challenge_csv import Prediction
from ecg12.ecg.signals.recording import Recording, describe_lead_flags, doubt_amplitude
from ecg12.pipeline.compute.window_feeds import Windows, call_record, scale_windows
from ecg12.pipeline.formats.told_by_user import InputConfig
from ecg12.pipeline.prediction.interface import Predictor
from ecg12.pipeline.prediction.output_files import RecordFacts
from ecg12.pipeline.prediction.read_ahead import MOST_READERS, Group, read_groups
from ecg12.pipeline.recordings.find_recordings import FoundInput
from ecg12.pipeline.runtime.prefetch import prefetch, run_ahead
from ecg12.pipeline.runtime.record_fence import FENCED, raise_if_of_all, reason_of
from ecg12.pipeline.runtime.workers import Workers

BATCH_WINDOWS = 64
STORED_BATCH_WINDOWS = 128
"""More than a chunk has of ten seconds each, so that they are one batch."""

GROUP_SAMPLES = {"cpu": 200_000, "cuda": 8_000_000}
"""Records of a store are predicted in groups of chunks with so many samples of them: a second's work, which is what the
bar and Ctrl-C have to wait for."""

FEW_WORKERS = 4

Predicted = tuple[Prediction, RecordFacts]
Found = tuple[list[Predicted], list[Reject]]
"""Of a group of records: what was predicted, and what could not be."""

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
) -> Iterator[Found]:
    """Predictions of some of a store's records, in the order in which they lie there, a few chunks' worth at a time.

    The predictor's network must be on `device`; `gain` is what samples are multiplied by, and `workers` help on a CPU.
    """

    def cut(group: NDArray[np.integer]) -> list[Windows]:
        windows = list(predictor.cut_windows(store, group, STORED_BATCH_WINDOWS))
        return windows if gain == 1 else [scale_windows(one, gain) for one in windows]

    def try_to_cut(group: NDArray[np.integer]) -> tuple[NDArray[np.integer], list[Windows] | None]:
        try:
            return group, cut(group)
        except FENCED as error:
            raise_if_of_all(error)
            return group, None

    def predict(windows: Sequence[Windows]) -> Found:
        decided = predictor.predict(windows, device, workers)
        return _sort_out(decided, [_facts_of(store, int(row)) for row in decided.record], predictor)

    def predict_one(row: int) -> Found:
        return predict(cut(np.array([row])))

    def predict_group(group: NDArray[np.integer], windows: list[Windows] | None) -> Found:
        try:
            if windows is not None:
                return predict(windows)
        except FENCED as error:
            raise_if_of_all(error)
        # one of them is at fault: each by itself
        return _each((partial(predict_one, row), _facts_of(store, row)) for row in group.tolist())

    groups = group_by_chunks(store, rows, GROUP_SAMPLES[device.type])
    made = run_ahead(map(try_to_cut, groups), ahead=1)
    with closing(_in_turn(lambda given: predict_group(*given), made, workers)) as found:
        yield from found


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
    named: Iterable[tuple[str, FoundInput | Recording]],
    predictor: Predictor,
    told: InputConfig,
    device: torch.device,
    *,
    change: Callable[[Recording], Recording] | None = None,
    workers: Workers | None = None,
) -> Iterator[Found]:
    """Predictions of recordings in files or in memory, group by group, with those of each group that could not be read.

    Parameters
    ----------
    named : recordings by what they are called
    change : what to do to each before it is cut into windows
    """

    def predict(windows: Iterable[Windows], facts: Sequence[RecordFacts]) -> Found:
        return _sort_out(predictor.predict(windows, device, workers), facts, predictor)

    def predict_alone(windows: Windows, facts: RecordFacts) -> Found:
        call_record(windows, 0)
        return predict(Group([facts], [windows]).split(BATCH_WINDOWS), [facts])

    def predict_group(group: Group) -> Found:
        found: Found = [], []
        if group.facts:
            try:
                found = predict(group.split(BATCH_WINDOWS), group.facts)
            except FENCED as error:
                raise_if_of_all(error)
                pairs = zip(group.batches, group.facts, strict=True)
                found = _each((partial(predict_alone, *pair), pair[1]) for pair in pairs)
        return found[0], [*group.rejects, *found[1]]

    # a few cores predict less than one thread reads
    readers = 1 if workers is not None and workers.n_workers <= FEW_WORKERS else MOST_READERS
    groups = read_groups(named, predictor, told, batch_size=BATCH_WINDOWS, readers=readers, change=change)
    with closing(_in_turn(predict_group, groups, workers)) as found:
        yield from found


def _in_turn(use: Callable[[G], R], groups: Iterable[G], workers: Workers | None) -> Generator[R, None, None]:
    threads = 1 if workers is None else 2
    return prefetch((partial(use, group) for group in groups), threads=threads, ahead=2)


def _facts_of(store: Store, row: int) -> RecordFacts:
    flags = describe_lead_flags(store.leads, store.column("record/lead_flags")[row])
    age = float(store.column("record/age")[row])
    doubt = doubt_amplitude(float(store.column("record/scale")[row]))
    return RecordFacts(
        record=str(store.ids[row]),
        source=str(store.path),
        file=f"{store.datasets[row]}/{store.names[row]}",
        fs=float(store.column("record/fs_source")[row]),
        duration_s=round(float(store.lengths[row]) / store.fs, 3),
        age=None if np.isnan(age) else age,
        sex=SEX_OF_CODE[int(store.column("record/sex")[row])],
        quality="; ".join(text for text in (flags, doubt) if text),
    )


def _sort_out(decided: Decided, facts: Sequence[RecordFacts], predictor: Predictor) -> Found:
    """A prediction for each record that was decided, in the order of `facts`; those without numbers are rejects."""
    predicted: list[Predicted] = []
    rejects: list[Reject] = []
    for one, labels, scores in zip(facts, decided.labels, decided.scores, strict=True):
        if not np.isfinite(scores).all():
            n_bad = int((~np.isfinite(scores)).sum())
            reason = f"the model's scores of {n_bad} of {len(scores)} classes are no numbers; look at the samples"
            rejects.append(Reject(dataset=one.source, record=one.record, stage="predict", reason=reason))
            continue
        prediction = Prediction(
            record_name=one.record,
            codes=predictor.classes,
            labels=tuple(map(int, labels)),
            scores=tuple(map(float, scores)),
        )
        predicted.append((prediction, one))
    return predicted, rejects


def _each(jobs: Iterable[tuple[Callable[[], Found], RecordFacts]]) -> Found:
    """What each record's own job gives; a reject where it fails."""
    predicted: list[Predicted] = []
    rejects: list[Reject] = []
    for do, facts in jobs:
        try:
            found = do()
        except FENCED as error:
            raise_if_of_all(error)
            found = [], [Reject(dataset=facts.source, record=facts.record, stage="predict", reason=reason_of(error))]
        predicted.extend(found[0])
        rejects.extend(found[1])
    return predicted, rejects
