"""Holding an exported model against the one it was made of, on whole records.

What it is held against is `predict`'s own way, from cutting windows to deciding: nothing of the portable form is in it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ecg12.cache.reader import Store
from ecg12.cache.schema import SEX_OF_CODE
from ecg12.ecg.decisions.reference_rules import Decided
from ecg12.ecg.errors import InputError, RunFolderError
from ecg12.ecg.signals.recording import Recording
from ecg12.ecg.signals.resample import resampled_length
from ecg12.ecg.synthetic import plan_corpus, simulate_record
from ecg12.pipeline.export.exported_program import Runner
from ecg12.pipeline.formats.told_by_user import InputConfig
from ecg12.pipeline.formats.wfdb.in_memory import read_lines
from ecg12.pipeline.loading.batch import Batch, join_batches
from ecg12.pipeline.prediction.ensemble import Member
from ecg12.pipeline.recordings.find_recordings import FoundInput, find_inputs, name_inputs
from ecg12.pipeline.recordings.reader_registry import read_complete
from ecg12.pipeline.runtime.record_fence import FENCED, name_reason, reason_of

TOLERANCE = 1e-4
"""Largest difference of a score; of one above 1, as corrected scores may be, in parts of it."""

MOST_RECORDS, MOST_WINDOWS = 12, 8
RECORDS_AT_ONCE = 5

CPU = torch.device("cpu")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class CheckRecord:
    """A record to ask both about.

    Attributes
    ----------
    windows : as the predictor cuts them
    is_whole : whether one window holds all of it, so that its amplitude follows from the window
    """

    name: str
    windows: Batch
    is_whole: bool
    age: float | None
    sex: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Agreement:
    """What a check found.

    Attributes
    ----------
    source : where its records are from
    difference : the largest of a score, see `TOLERANCE`
    n_labels : labels compared
    n_labels_apart : those that differ, although the score is no nearer to its threshold than the tolerance
    """

    source: str
    n_records: int
    n_windows: int
    difference: float
    n_labels: int
    n_labels_apart: int


def records_of_store(store: Store, predictor: Member) -> tuple[list[CheckRecord], tuple[str, ...]]:
    """Some of a store's records, evenly spread over its table, none of very many windows, and what was skipped.

    Raises
    ------
    InputError
        If none can be read.
    """
    longest = MOST_WINDOWS * predictor.config.window_length
    rows = np.flatnonzero(store.lengths <= longest)
    rows = rows[np.linspace(0, len(rows) - 1, min(MOST_RECORDS, len(rows))).astype(int)] if len(rows) else rows
    return _take((str(store.ids[row]), partial(_of_row, store, int(row), predictor)) for row in rows)


def _of_row(store: Store, row: int, predictor: Member) -> CheckRecord:
    windows = join_batches(list(predictor.cut_windows(store, np.array([row]), MOST_WINDOWS)))
    age = float(store.column("record/age")[row])
    return CheckRecord(
        name=str(store.ids[row]),
        windows=windows,
        is_whole=int(windows.valid.sum()) == int(store.lengths[row]),
        age=None if np.isnan(age) else age,
        sex=SEX_OF_CODE[int(store.column("record/sex")[row])],
    )


def _take(named: Iterable[tuple[str, Callable[[], CheckRecord]]]) -> tuple[list[CheckRecord], tuple[str, ...]]:
    """The first that can be read, and "NAME: reason" of those before them that cannot."""
    records: list[CheckRecord] = []
    skipped: list[str] = []
    for name, read in named:
        if len(records) == MOST_RECORDS:
            break
        try:
            records.append(read())
        except FENCED as error:
            skipped.append(name_reason(name, reason_of(error)))
    if skipped and not records:
        raise InputError(f"none of the {len(skipped)} records to check on can be read; first: {skipped[0]}")
    return records, tuple(skipped)


def records_of_files(
    paths: Sequence[Path], told: InputConfig, predictor: Member
) -> tuple[list[CheckRecord], tuple[str, ...]]:
    """The first of the recordings at some paths that can be read, and what was skipped.

    Raises
    ------
    InputError
        If none can be read.
    """
    inputs = dict(name_inputs(find_inputs(list(paths), told))).items()
    return _take((name, partial(_of_input, found, name, told, predictor)) for name, found in inputs)


def _of_input(found: FoundInput, name: str, told: InputConfig, predictor: Member) -> CheckRecord:
    return _cut(read_complete(found, predictor.leads, told, name), predictor)


def simulated_records(predictor: Member) -> list[CheckRecord]:
    """Simulated ones, the same every time, some of them longer than a window."""
    planned = plan_corpus(2 * MOST_RECORDS, seed=17, max_duration_s=30)
    # the longest and the first, so that both kinds are among them
    longest = sorted(planned, key=lambda one: -one.n_samples / one.fs)[: MOST_RECORDS // 3]
    others = [one for one in planned if one not in longest][: MOST_RECORDS - len(longest)]
    made = map(simulate_record, [*longest, *others])
    return [_cut(read_lines(one.signal, one.header_text.splitlines()), predictor) for one in made]


def _cut(recording: Recording, predictor: Member) -> CheckRecord:
    windows = predictor.cut_recording(recording, 0)
    length = resampled_length(recording.n_samples, recording.fs, predictor.config.fs)
    return CheckRecord(
        name=recording.name,
        windows=windows,
        is_whole=len(windows) == 1 and int(windows.valid.sum()) == length,
        age=recording.age,
        sex=recording.sex,
    )


def compare(
    run: Runner,
    predictor: Member,
    records: Sequence[CheckRecord],
    *,
    source: str,
    names: Sequence[str],
    recordings: bool,
) -> Agreement:
    """Ask the exported model and the one it was made of about the same records.

    Where a window holds the whole record the exported model is asked twice, with and without the record's amplitude.

    Parameters
    ----------
    run : the exported model
    names : its inputs
    recordings : whether it takes those, else windows

    Raises
    ------
    InputError
        If there is no record.
    """
    if not records:
        raise InputError(f"{source}: no record to check the exported model on; expected some, or leave it out")
    difference, n_labels, n_apart = 0.0, 0, 0
    for inputs, expected, whole in _questions(predictor, records, names, recordings=recordings):
        asked = [(inputs, np.arange(len(whole)))]
        if "scale" in inputs and whole.any():
            without = {name: values[whole] for name, values in inputs.items() if name != "scale"}
            asked.append((without, np.flatnonzero(whole)))
        for question, rows in asked:
            scores, labels = run(question)
            right = expected.scores[rows]
            apart = np.abs(scores - right) / np.maximum(1, np.abs(right))
            # a score that is no number is as wrong as can be
            difference = max(difference, float(np.nan_to_num(apart, nan=np.inf).max()))
            n_labels += labels.size
            n_apart += int(((labels != expected.labels[rows]) & ~_near(right, predictor.thresholds)).sum())
    return Agreement(
        source=source,
        n_records=len(records),
        n_windows=sum(len(record.windows) for record in records),
        difference=difference,
        n_labels=n_labels,
        n_labels_apart=n_apart,
    )


def require_agreement(found: Agreement, output: Path) -> None:
    """Raise RunFolderError if the exported model answers otherwise."""
    if not found.difference <= TOLERANCE or found.n_labels_apart:
        raise RunFolderError(
            f"{output}: the exported model differs from the one in the run folder on {found.source}: scores by up to "
            f"{found.difference:.2g}, {found.n_labels_apart} of {found.n_labels} labels; expected at most "
            f"{TOLERANCE:g}, and no label: nothing was written"
        )


def _near(scores: NDArray[np.float64], thresholds: Sequence[float | None]) -> NDArray[np.bool_]:
    """Where a difference within the tolerance may change a label."""
    at = np.array([np.nan if threshold is None else threshold for threshold in thresholds])
    return np.abs(scores - at) <= TOLERANCE


Question = tuple[dict[str, NDArray[np.float32]], Decided, NDArray[np.bool_]]


def _questions(
    predictor: Member, records: Sequence[CheckRecord], names: Sequence[str], *, recordings: bool
) -> Iterator[Question]:
    """Inputs, the right answers, and which of the inputs hold whole records: a few records at a time."""
    for first in range(0, len(records), RECORDS_AT_ONCE):
        group = records[first : first + RECORDS_AT_ONCE]
        n_windows = [len(record.windows) for record in group]
        times = [1] * len(group) if recordings else n_windows
        windows = [_to_signal(record.windows) for record in group]
        signal = _beside(windows) if recordings else np.concatenate(windows)
        facts = {
            "signal": signal,
            "scale": np.repeat([float(record.windows.scale[0]) / 1000 for record in group], times),
            "age": np.repeat([np.nan if record.age is None else record.age for record in group], times),
            "sex": np.repeat([_code_of(record.sex) for record in group], times),
        }
        inputs = {name: np.ascontiguousarray(facts[name], np.float32) for name in names}
        batch = join_batches([record.windows for record in group])
        number = torch.from_numpy(np.repeat(np.arange(len(group)), n_windows))
        batch = replace(batch, record=number) if recordings else _each_alone(batch)
        yield inputs, predictor.predict([batch], CPU), np.repeat([record.is_whole for record in group], times)


def _to_signal(windows: Batch) -> NDArray[np.float32]:
    """(window, lead, sample) in mV, NaN where nothing was recorded."""
    position = torch.arange(windows.signal.shape[2])
    recorded = (position >= windows.pad[:, None]) & (position < (windows.pad + windows.valid)[:, None])
    return torch.where(recorded[:, None], windows.signal.float() / 1000, torch.nan).numpy()


def _beside(windows: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """(record, window, lead, sample), with windows of NaN where a record has fewer than another."""
    most = max(map(len, windows))
    beside: NDArray[np.float32] = np.full((len(windows), most, *windows[0].shape[1:]), np.nan, np.float32)
    for place, own in zip(beside, windows, strict=True):
        place[: len(own)] = own
    return beside


def _each_alone(batch: Batch) -> Batch:
    """Every window as a record of its own."""
    return replace(batch, record=torch.arange(len(batch)), number=torch.zeros(len(batch), dtype=torch.int64))


def _code_of(sex: str | None) -> float:
    codes: Mapping[str | None, int] = {text: code for code, text in SEX_OF_CODE.items()}
    return float(codes.get(sex, -1))
