"""Pieces side by side: in order, with errors where they belong, and torch's threads as they were."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from ecg12.cache.reader import Store
from ecg12.ecg.models.build import build_model
from ecg12.ecg.models.config.model import ModelConfig
from ecg12.ecg.models.networks.fused_layers import fuse_for_inference
from ecg12.pipeline.compute.float_precision import Arithmetic
from ecg12.pipeline.compute.window_logits import compute_window_logits
from ecg12.pipeline.runtime.workers import Workers, workers_for
from tests.pipeline.compute.test_window_logits import batches_of

CPU = torch.device("cpu")


@pytest.fixture
def two_threads() -> Iterator[int]:
    """As many threads of torch's, whatever the machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield 2
    torch.set_num_threads(before)


def test_results_come_in_order_and_pieces_are_done_at_a_time(two_threads: int) -> None:
    both = threading.Barrier(two_threads, timeout=20)

    def work(piece: int) -> int:
        both.wait()  # passed by two at a time only
        return 10 * piece

    with Workers() as workers:
        assert list(workers.map(work, range(20))) == list(range(0, 200, 10))


def test_pieces_are_taken_a_few_ahead(two_threads: int) -> None:
    taken = []
    with Workers() as workers:
        results = workers.map(lambda piece: piece, (taken.append(piece) or piece for piece in range(100)))
        assert next(results) == 0
        assert len(taken) <= 2 * two_threads + 2
        results.close()
        assert len(taken) <= 2 * two_threads + 2


def test_an_error_comes_when_it_is_its_pieces_turn(two_threads: int) -> None:
    def work(piece: int) -> int:
        if piece == 3:
            raise ValueError("what it raised")
        return piece

    with Workers() as workers:
        results = workers.map(work, range(10))
        assert [next(results) for _ in range(3)] == [0, 1, 2]
        with pytest.raises(ValueError, match="what it raised"):
            next(results)


def test_torch_has_its_threads_again(two_threads: int) -> None:
    with Workers() as workers:
        assert list(workers.map(lambda _: torch.get_num_threads(), range(4))) == [1] * 4
    assert torch.get_num_threads() == two_threads

    with pytest.raises(KeyboardInterrupt), Workers():
        raise KeyboardInterrupt
    assert torch.get_num_threads() == two_threads


def test_a_gpu_has_none() -> None:
    with workers_for(torch.device("cuda")) as workers:
        assert workers is None


@pytest.mark.parametrize("head", ["linear", "lstm"])
def test_logits_are_those_of_one_piece_after_another(two_threads: int, head: str, simulated_store: Path) -> None:
    torch.manual_seed(0)
    sizes = {"net_filter_size": (16, 24), "net_seq_length": (512, 16), "pred_stage_type": head, "pred_stage_hidd": 5}
    network = build_model(ModelConfig(window_length=512, **sizes), 5).eval()
    fuse_for_inference(network)
    Arithmetic(precision="fp32", kernels="flat").apply(network)
    store, options = Store(simulated_store), {"normalisation": "record", "device": CPU}
    expected = compute_window_logits(network, batches_of(store), **options).sorted()

    with Workers() as workers:
        found = compute_window_logits(network, batches_of(store), **options, workers=workers).sorted()

    assert torch.equal(found.record, expected.record)
    assert torch.equal(found.number, expected.number)
    torch.testing.assert_close(found.logits, expected.logits, rtol=1e-4, atol=1e-5)
