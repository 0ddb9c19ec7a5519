"""Windows of the same recordings, cut in as many ways as the models of an ensemble want them.

A model alone takes a `Batch`. Models that want the same windows share one; others (another rate, another length,
the reference system's own cutting) each get theirs, side by side in `FeedBatches`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ecg12.pipeline.loading.batch import Batch, join_batches


@dataclass(frozen=True, slots=True, eq=False)
class FeedBatches:
    """One batch for each way of cutting; None where a way has nothing to add.

    Its length is that of the longest.
    """

    batches: tuple[Batch | None, ...]

    def __len__(self) -> int:
        return max(len(batch) if batch is not None else 0 for batch in self.batches)

    def call(self, record: int) -> None:
        """Say that all windows are of record number `record`."""
        for batch in self.batches:
            if batch is not None:
                batch.record.fill_(record)


Windows = Batch | FeedBatches


def call_record(windows: Windows, record: int) -> None:
    """Say that all windows are of record number `record`."""
    if isinstance(windows, FeedBatches):
        windows.call(record)
    else:
        windows.record.fill_(record)


def join_windows(windows: Sequence[Windows]) -> Windows:
    """All of them in one; all must be cut in the same ways."""
    if not isinstance(windows[0], FeedBatches):
        return join_batches([batch for batch in windows if isinstance(batch, Batch)])
    columns = zip(*(feeds.batches for feeds in windows if isinstance(feeds, FeedBatches)), strict=True)
    return FeedBatches(tuple(_join_present(column) for column in columns))


def _join_present(batches: Sequence[Batch | None]) -> Batch | None:
    present = [batch for batch in batches if batch is not None]
    return join_batches(present) if present else None


def piece_of(windows: Windows, number: int, n_pieces: int) -> Windows:
    """One of `n_pieces` stretches that are as equally long as can be."""
    if not isinstance(windows, FeedBatches):
        return _stretch(windows, number, n_pieces)
    pieces = (None if batch is None else _stretch(batch, number, n_pieces) for batch in windows.batches)
    return FeedBatches(tuple(piece if piece is not None and len(piece) else None for piece in pieces))


def _stretch(batch: Batch, number: int, n_pieces: int) -> Batch:
    return batch[number * len(batch) // n_pieces : (number + 1) * len(batch) // n_pieces]


def scale_windows(windows: Windows, gain: float) -> Windows:
    """The windows of recordings with every sample times `gain`, whose typical amplitude is that many times larger."""
    if not isinstance(windows, FeedBatches):
        return replace(windows, signal=windows.signal.float() * gain, scale=windows.scale * gain)
    scaled = (None if batch is None else scale_windows(batch, gain) for batch in windows.batches)
    return FeedBatches(tuple(batch for batch in scaled if not isinstance(batch, FeedBatches)))
