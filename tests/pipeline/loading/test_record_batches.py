"""Records in rows: every window once and in order, resets where a record begins, hardly any padding."""

import json

import numpy as np
import pytest
import torch

from ecg12.cache.reader import Store
from ecg12.ecg.models.build import build_model
from ecg12.ecg.models.config.model import ModelConfig
from ecg12.ecg.signals.window import WindowConfig
from ecg12.pipeline.compute.window_logits import compute_window_logits, to_input
from ecg12.pipeline.loading.epoch_order import permutation
from ecg12.pipeline.loading.record_batches import RecordBatches, choose_stretches, order_records, pack_rows
from ecg12.pipeline.loading.window_batches import WindowBatches

CPU = torch.device("cpu")
WINDOWS = WindowConfig(window_length=512)
RESIDENCIES = ("stream", "memory", "device")


@pytest.fixture(scope="module")
def store(simulated_store) -> Store:
    return Store(simulated_store)


def rows_of(store: Store, **options) -> RecordBatches:
    return RecordBatches(store, np.arange(30), WINDOWS, **{"batch_size": 8, "seed": 3, "buffer_chunks": 1} | options)


def windows_of(batches) -> list[tuple[int, int]]:
    return [
        (record, number)
        for batch in batches
        for record, number in zip(batch.record.tolist(), batch.number.tolist(), strict=True)
        if record >= 0
    ]


@pytest.mark.parametrize("residency", RESIDENCIES)
@pytest.mark.parametrize("seed", [None, 3])
def test_rows_go_through_records_in_order(store: Store, residency: str, seed: int | None) -> None:
    batches = rows_of(store, residency=residency, seed=seed)
    shuffled = WindowBatches(store, np.arange(30), WINDOWS, batch_size=8, residency="memory")
    signals = {
        (int(record), int(number)): signal
        for batch in shuffled
        for record, number, signal in zip(batch.record, batch.number, batch.signal, strict=True)
    }
    before = [(-1, -1)] * 8
    seen, n_batches = [], 0
    for batch in batches:
        assert len(batch) == 8
        n_batches += 1
        for row in range(8):
            record, number = int(batch.record[row]), int(batch.number[row])
            assert bool(batch.counted[row]) == (record >= 0)
            if record < 0:
                assert batch.reset[row]
                assert not batch.signal[row].any()
            else:
                assert bool(batch.reset[row]) == (number == 0)
                assert number == 0 or before[row] == (record, number - 1)
                assert torch.equal(batch.signal[row], signals[record, number])
                seen.append((record, number))
            before[row] = (record, number)
    assert n_batches == len(batches)
    assert sorted(seen) == sorted(signals)
    assert batches.n_windows == len(seen)


def test_a_recurrent_head_gives_what_it_gives_record_by_record(store: Store) -> None:
    torch.manual_seed(2)
    config = ModelConfig(
        window_length=512, net_filter_size=(4,), net_seq_length=(16,), pred_stage_type="lstm", pred_stage_hidd=5
    )
    network = build_model(config, 3).eval()
    whole = WindowBatches(store, np.arange(30), WINDOWS, batch_size=64)
    expected = compute_window_logits(network, whole, normalisation="record", device=CPU).sorted()
    logits = {}
    state = None
    with torch.inference_mode():
        for batch in rows_of(store, residency="memory"):
            features = network[:-1](to_input(batch, CPU, "record"))
            out, state = network[-1].step(features, state, batch.reset)
            assert torch.isfinite(out).all()
            for record, number, values in zip(batch.record.tolist(), batch.number.tolist(), out, strict=True):
                logits[record, number] = values
    keys = zip(expected.record.tolist(), expected.number.tolist(), strict=True)
    torch.testing.assert_close(torch.stack([logits[key] for key in keys]), expected.logits, atol=1e-5, rtol=1e-5)


def test_ranks_have_their_own_rows(store: Store) -> None:
    ranks = [rows_of(store, rank=rank, world_size=2, batch_size=4) for rank in range(2)]
    assert len(ranks[0]) == len(ranks[1])
    both = windows_of(ranks[0]) + windows_of(ranks[1])
    assert sorted(both) == sorted(windows_of(rows_of(store)))


def test_of_a_long_record_a_stretch_is_taken(store: Store) -> None:
    batches = rows_of(store, max_windows_per_record=2)
    first = set()
    for epoch in range(8):
        batches.set_epoch(epoch)
        windows = windows_of(batches)
        for record in range(30):
            numbers = [number for of, number in windows if of == record]
            assert len(numbers) <= 2
            assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
            first.add((record, numbers[0]))
        resets = sum(int(batch.reset[batch.counted].sum()) for batch in batches)
        assert resets == 30
    assert len(first) > 40


@pytest.mark.parametrize("residency", RESIDENCIES)
def test_a_resumed_loader_gives_what_was_left(store: Store, residency: str) -> None:
    whole = rows_of(store, residency=residency)
    whole.set_epoch(2)
    expected = list(whole)
    stopped = rows_of(store, residency=residency)
    stopped.set_epoch(2)
    iterator = iter(stopped)
    for _ in range(3):
        next(iterator)
    resumed = rows_of(store, residency=residency)
    resumed.load_state_dict(json.loads(json.dumps(stopped.state_dict())))
    for one, other in zip(resumed, expected[3:], strict=True):
        assert torch.equal(one.signal, other.signal)
        assert torch.equal(one.reset, other.reset)


def corpus_counts(seed: int) -> np.ndarray:
    """Windows of ten seconds of the six datasets' 43,101 records, by their published numbers and lengths."""
    rng = np.random.default_rng(seed)
    cpsc = np.maximum(np.exp(rng.normal(np.log(12), 0.45, 6877 + 3453)).clip(6, 144) / 10.24, 1).astype(int)
    ptb = rng.integers(3, 13, 516)
    return np.concatenate([cpsc, np.full(74, 176), ptb, np.ones(21837 + 10344, int)])


@pytest.mark.parametrize("n_rows", [8, 32, 64])
@pytest.mark.parametrize("epoch", range(3))
def test_less_than_five_percent_of_the_rows_are_padding(n_rows: int, epoch: int) -> None:
    counts = corpus_counts(1)
    placed = permutation(len(counts), 1, 1)
    begin = np.empty(len(counts), np.int64)
    begin[placed] = np.cumsum(counts[placed]) - counts[placed]
    order = order_records(begin // 64, counts, seed=1, epoch=epoch, n_rows=n_rows, chunks_apart=8)
    assert sorted(order.tolist()) == list(range(len(counts)))
    first = np.cumsum(counts) - counts
    windows, reset = pack_rows(first[order], counts[order], n_rows)
    assert sorted(windows[windows >= 0].tolist()) == list(range(counts.sum()))
    assert int(reset[windows >= 0].sum()) == len(counts)
    assert (windows < 0).mean() < 0.05


def test_few_chunks_are_needed_at_a_time() -> None:
    counts = np.ones(6400, int)
    order = order_records(np.arange(6400) // 64, counts, seed=1, epoch=0, n_rows=32, chunks_apart=8)
    needed = [len(set((order[first : first + 512] // 64).tolist())) for first in range(0, 6400, 512)]
    assert max(needed) <= 20
    assert len(set((order[:32] // 64).tolist())) >= 3  # and yet a batch mixes them


def test_stretches_begin_anywhere_they_fit() -> None:
    record = np.repeat([0, 1, 2], [1, 10, 3])
    begins = set()
    for epoch in range(100):
        first, n = choose_stretches(record, 4, seed=1, epoch=epoch)
        assert n.tolist() == [1, 4, 3]
        assert first[[0, 2]].tolist() == [0, 11]
        begins.add(int(first[1]) - 1)
    assert begins == set(range(7))
    first, n = choose_stretches(record, None, seed=1, epoch=0)
    assert (first.tolist(), n.tolist()) == ([0, 1, 11], [1, 10, 3])
    assert choose_stretches(record, 4, seed=None, epoch=5)[0].tolist() == [0, 1, 11]


def test_nothing_to_pack() -> None:
    nothing = np.zeros(0, np.int64)
    assert pack_rows(nothing, nothing, 4)[0].shape == (0, 4)
    assert order_records(nothing, nothing, seed=1, epoch=0, n_rows=4, chunks_apart=8).tolist() == []
