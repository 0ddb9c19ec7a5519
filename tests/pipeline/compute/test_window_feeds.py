"""Windows cut in several ways travel together: nothing is lost, doubled or mixed up on the way."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ecg12.ecg.signals.window import WindowConfig, plan_windows
from ecg12.pipeline.compute.window_feeds import FeedBatches, call_record, join_windows, piece_of
from ecg12.pipeline.loading.batch import Batch, cut_record


def windows_of(n: int, value: float, length: int = 8) -> Batch:
    """`n` windows of one lead, all of one value."""
    signal = np.full((1, n * length), value, np.float32)
    return cut_record(
        signal, plan_windows(np.array([n * length]), WindowConfig(window_length=length)), scale=1.0, row=0
    )


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 9)), min_size=1, max_size=4), st.integers(1, 6))
def test_pieces_are_the_whole(sizes: list[tuple[int, int]], n_pieces: int) -> None:
    records = [
        FeedBatches((windows_of(few, number), windows_of(many, -number, length=4)))
        for number, (few, many) in enumerate(sizes)
    ]
    for number, windows in enumerate(records):
        call_record(windows, number)
    joined = join_windows(records)
    pieces = [piece_of(joined, number, n_pieces) for number in range(n_pieces)]
    for feed in (0, 1):
        batches = [piece.batches[feed] for piece in pieces if isinstance(piece, FeedBatches)]
        record = torch.cat([batch.record for batch in batches if batch is not None])
        signal = torch.cat([batch.signal for batch in batches if batch is not None])
        assert record.tolist() == [number for number, pair in enumerate(sizes) for _ in range(pair[feed])]
        sign = 1 if feed == 0 else -1
        assert (signal[:, 0, 0] == sign * record).all()


def test_its_length_is_that_of_the_longest() -> None:
    assert len(FeedBatches((windows_of(2, 1.0), windows_of(5, 1.0)))) == 5
    assert len(FeedBatches((None, windows_of(3, 1.0)))) == 3
    (piece,) = [piece_of(FeedBatches((windows_of(1, 1.0), windows_of(4, 1.0))), 0, 4)]
    assert isinstance(piece, FeedBatches)
    assert piece.batches[0] is None  # one window in four pieces: the first three have none
    assert piece.batches[1] is not None


def test_plain_batches_pass_through() -> None:
    joined = join_windows([windows_of(2, 1.0), windows_of(3, 2.0)])
    assert isinstance(joined, Batch)
    assert len(joined) == 5
    call_record(joined, 7)
    piece = piece_of(joined, 1, 2)
    assert isinstance(piece, Batch)
    assert piece.record.tolist() == [7, 7, 7]
    assert piece.signal[:, 0, 0].tolist() == pytest.approx([2.0, 2.0, 2.0])
