"""Windows through a network in any order and company: the same logits, each with its record and number."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ecg12.cache.reader import Store
from ecg12.ecg.models.build import build_model
from ecg12.ecg.models.config.model import ModelConfig
from ecg12.ecg.signals.window import WindowConfig
from ecg12.pipeline.compute.window_logits import compute_window_logits
from ecg12.pipeline.loading.window_batches import WindowBatches

CPU = torch.device("cpu")
WINDOWS = WindowConfig(window_length=512)


def network_with(head):
    torch.manual_seed(2)
    config = ModelConfig(
        window_length=512, net_filter_size=(4,), net_seq_length=(16,), pred_stage_type=head, pred_stage_hidd=5
    )
    return build_model(config, 3).eval()


def batches_of(store, **options):
    return WindowBatches(store, np.arange(20), WINDOWS, **{"batch_size": 16} | options)


@pytest.mark.parametrize("head", ["linear", "lstm", "gru", "rnn"])
def test_order_and_company_do_not_matter(simulated_store, head):
    store, network = Store(simulated_store), network_with(head)
    in_order = compute_window_logits(network, batches_of(store), normalisation="record", device=CPU).sorted()
    shuffled = compute_window_logits(
        network, batches_of(store, seed=4, batch_size=7), normalisation="record", device=CPU
    ).sorted()
    assert torch.equal(in_order.record, shuffled.record)
    assert torch.equal(in_order.number, shuffled.number)
    torch.testing.assert_close(in_order.logits, shuffled.logits, atol=1e-5, rtol=1e-5)
    assert int(in_order.number.max()) > 0


def test_sorting_puts_records_together(simulated_store):
    store = Store(simulated_store)
    found = compute_window_logits(
        network_with("linear"), batches_of(store, seed=4), normalisation="record", device=CPU
    ).sorted()
    keys = list(zip(found.record.tolist(), found.number.tolist(), strict=True))
    assert keys == sorted(keys)


def test_a_recurrent_head_remembers_the_window_before(simulated_store):
    store, network = Store(simulated_store), network_with("lstm")
    (batch,) = batches_of(store, batch_size=10_000)
    alone = replace(batch, record=torch.arange(len(batch)))
    together = compute_window_logits(network, [batch], normalisation="record", device=CPU).logits
    apart = compute_window_logits(network, [alone], normalisation="record", device=CPU)
    order = np.lexsort((batch.number.numpy(), batch.record.numpy()))
    first = batch.number.numpy()[order] == 0
    torch.testing.assert_close(together[first], apart.logits[order][first])
    assert not torch.isclose(together[~first], apart.logits[order][~first]).all()


def test_fewer_samples_than_the_store_has_can_be_taken(simulated_store):
    store = Store(simulated_store)
    lengths = store.lengths[:20] - 100
    batches = batches_of(store, lengths=lengths)
    assert len(batches.plan) == len(batches.plan.record)
    for row in range(20):
        windows = batches.plan.record == row
        assert (batches.plan.start[windows] + batches.plan.valid[windows]).max() <= lengths[row]


class Noting(torch.nn.Module):
    """Says nothing of windows, and keeps how many came at once."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.sizes.append(len(x))
        return x[:, :2, 0]


@pytest.mark.parametrize(
    ("n_windows", "sizes"),
    [(1, [1]), (16, [16]), (17, [17]), (31, [16, 15]), (40, [20, 20]), (65, [17, 16, 16, 16])],
)
def test_no_few_windows_are_left_to_go_alone(simulated_store, n_windows, sizes):
    (batch,) = batches_of(Store(simulated_store), batch_size=10_000)
    network = Noting()
    compute_window_logits(
        network, [batch.take(torch.arange(n_windows) % len(batch))], normalisation="record", device=CPU
    )
    assert network.sizes == sizes
