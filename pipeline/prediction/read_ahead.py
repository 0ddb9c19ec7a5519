"""Recordings read, cut into windows and collected into groups by threads, while the network works on the group before.

Threads read; another collects, so that what waits is a group or two and never depends on how many recordings there
are. A group is of whole recordings: a recurrent head and the mean over windows want all windows of each.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial

from ecg12.cache.schema import Reject
from ecg12.ecg.signals.recording import Recording, describe_quality, doubt_amplitude
from ecg12.pipeline.compute.window_feeds import Windows, call_record, join_windows, piece_of
from ecg12.pipeline.formats.told_by_user import InputConfig
from ecg12.pipeline.prediction.interface import Predictor
from ecg12.pipeline.prediction.output_files import RecordFacts
from ecg12.pipeline.recordings.find_recordings import FoundInput
from ecg12.pipeline.recordings.reader_registry import complete_as_told, read_complete
from ecg12.pipeline.runtime.prefetch import prefetch, run_ahead
from ecg12.pipeline.runtime.printable_names import in_one_line
from ecg12.pipeline.runtime.record_fence import FENCED, reason_of

MOST_READERS = 2
"""Two read 1.2 times as much as one, and cost 1.3 times as much of the processor: they wait for the interpreter."""

RECORDS_AHEAD = 8
"""Recordings that wait to be collected; half an hour of twelve leads is 35 MB."""
GROUPS_AHEAD = 2


@dataclass(slots=True)
class Group:
    """Some recordings, and those that could not be read.

    Attributes
    ----------
    facts : of the recordings, in order
    batches : the windows of each, which call it by its place in `facts`, as the predictor wants them
    rejects : what could not be read, and why
    """

    facts: list[RecordFacts] = field(default_factory=list)
    batches: list[Windows] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)

    @property
    def n_windows(self) -> int:
        """Windows of all its recordings."""
        return sum(map(len, self.batches))

    def split(self, batch_size: int) -> Iterator[Windows]:
        """Its windows in batches of at most so many, as equally long as can be."""
        joined = join_windows(self.batches)
        n_batches = -(-len(joined) // batch_size)
        for number in range(n_batches):
            yield piece_of(joined, number, n_batches)


def read_groups(
    named: Iterable[tuple[str, FoundInput | Recording]],
    predictor: Predictor,
    told: InputConfig,
    *,
    batch_size: int,
    readers: int = MOST_READERS,
    change: Callable[[Recording], Recording] | None = None,
) -> Iterator[Group]:
    """Recordings in groups of at least `batch_size` windows, the first smaller, the last of whatever is left.

    Parameters
    ----------
    named : recordings in files or in memory by what they are called
    readers : threads that read
    change : what to do to each before it is cut
    """
    jobs = (partial(_read, name, found, predictor, told, change) for name, found in named)
    groups = _collect(prefetch(jobs, threads=readers, ahead=RECORDS_AHEAD), batch_size)
    yield from run_ahead(groups, ahead=GROUPS_AHEAD)


def _read(
    name: str,
    found: FoundInput | Recording,
    predictor: Predictor,
    told: InputConfig,
    change: Callable[[Recording], Recording] | None,
) -> tuple[RecordFacts, Windows] | Reject:
    """One recording's windows; a reject if it cannot be read."""
    try:
        if isinstance(found, Recording):
            recording = complete_as_told(found, predictor.leads, told)
        else:
            recording = read_complete(found, predictor.leads, told, name)
        if change is not None:
            recording = change(recording)
        return _facts_of(recording, found), predictor.cut_recording(recording, 0)
    except FENCED as error:
        return Reject(dataset=_source_of(found)[0], record=name, stage="read", reason=reason_of(error))


def _collect(read: Iterable[tuple[RecordFacts, Windows] | Reject], batch_size: int) -> Iterator[Group]:
    # the first group is small, so that the network need not wait long for it
    group, enough = Group(), max(1, batch_size // 4)
    for one in read:
        if isinstance(one, Reject):
            group.rejects.append(one)
            continue
        facts, windows = one
        call_record(windows, len(group.facts))
        group.facts.append(facts)
        group.batches.append(windows)
        if group.n_windows >= enough:
            yield group
            group, enough = Group(), batch_size
    if group.facts or group.rejects:
        yield group


def _source_of(found: FoundInput | Recording) -> tuple[str, str]:
    """The input that a recording was found under, and its path in it; nothing of one that was in memory."""
    return ("", "") if isinstance(found, Recording) else (found.source, found.relative)


def _facts_of(recording: Recording, found: FoundInput | Recording) -> RecordFacts:
    doubt = doubt_amplitude(recording.amplitude_uv)
    source, file = _source_of(found)
    return RecordFacts(
        record=recording.name,
        source=source,
        file=file,
        fs=recording.fs,
        duration_s=round(recording.duration_s, 3),
        age=recording.age,
        sex=recording.sex,
        derived=recording.derived,
        zeroed=recording.zeroed,
        quality=in_one_line("; ".join(text for text in (describe_quality(recording), doubt) if text)),
        notes=tuple(map(in_one_line, recording.notes)),
    )
