"""Networks that carry something from window to window: rows side by side, and records in whatever batches they come."""

import pytest
import torch

from ecg12.ecg.models.build import build_model
from ecg12.ecg.models.config.model import ModelConfig
from ecg12.ecg.models.config.stage import StageConfig
from ecg12.ecg.models.networks import carried_state as carried
from ecg12.ecg.models.networks.carried_state import (
    Carried,
    RecordMemory,
    carries,
    of_counted,
    remembering_stage,
    step_rows,
)

SIZE = {"num_heads": 2, "num_trans_layers": 2, "dim_model": 8, "dim_inner": 12, "dropout": 0.0, "steps_concat": 4}
SMALL = {"window_length": 32, "net_filter_size": (4,), "net_seq_length": (8,), "pred_stage_hidd": 5}
SMALL |= {"pretrain_output_size": 3, "dropout_rate": 0.0}

NETWORKS = {
    "linear": {},
    "lstm head": {"pred_stage_type": "lstm"},
    "mlp": {"eval_transformer": True},
    "probe": {"probe": True},
}


def network_of(name: str, mem_len: int = 6) -> torch.nn.Sequential:
    torch.manual_seed(4)
    stage = StageConfig(pretrain_model="transformerxl", mem_len=mem_len, **SIZE)
    return build_model(ModelConfig(**SMALL, stage=stage, **NETWORKS[name]), 3).eval()


@pytest.fixture
def windows() -> torch.Tensor:
    return torch.randn(6, 12, 32, generator=torch.Generator().manual_seed(1))


def read_on(network, windows, flags=None) -> torch.Tensor:
    """Logits of windows of one record, or of several in one row."""
    state, found = Carried(), []
    for number, window in enumerate(windows):
        reset = torch.tensor([number == 0 if flags is None else flags[number]])
        logits, state = step_rows(network, window[None], state, reset=reset, counted=torch.tensor([True]))
        found.append(logits)
    return torch.cat(found)


@pytest.mark.parametrize("mem_len", [6, 8, 20])  # shorter than a window of 8 tokens, as long, longer
@pytest.mark.parametrize("name", NETWORKS)
def test_a_window_depends_on_its_records_windows_before_and_on_no_other_record(windows, name, mem_len) -> None:
    network = network_of(name, mem_len)
    alone = read_on(network, windows[1:3])
    assert not torch.isclose(alone[1], network(windows[2:3])).all()  # the first window reaches the second
    torch.testing.assert_close(alone[0], network(windows[1:2])[0])
    # windows 0 and 3 are other records' in the same row
    beside = read_on(network, windows[:4], [True, True, False, True])
    torch.testing.assert_close(beside[1:3], alone)
    torch.testing.assert_close(beside[3], network(windows[3:4])[0])


@pytest.mark.parametrize("mem_len", [6, 20])
@pytest.mark.parametrize("batches", [[range(6)], [[5, 1, 3], [2, 0, 4]], [[0], [1, 3], [2, 4, 5]]])
def test_records_go_on_in_whatever_batches_their_windows_come(windows, mem_len: int, batches) -> None:
    """Records 7 (windows 0, 1, 2), 3 (windows 3, 4) and 9 (window 5), in order, mixed in several ways."""
    batches = [list(batch) for batch in batches]
    if batches == [[5, 1, 3], [2, 0, 4]]:
        batches = [[5, 0, 3], [1, 4], [2]]
    record, number = torch.tensor([7, 7, 7, 3, 3, 9]), torch.tensor([0, 1, 2, 0, 1, 0])
    stage = remembering_stage(network_of("linear", mem_len))
    memory, found = RecordMemory(stage), torch.zeros(6, 3, 32)
    with torch.no_grad():
        for batch in batches:
            for places, output in memory.run(windows[batch], record[batch], number[batch], 2):
                assert len(places) <= 2
                found[torch.tensor(batch)[places]] = output
        for rows in ([0, 1, 2], [3, 4], [5]):
            remembered = None
            for row in rows:
                expected, remembered = stage.step(windows[row : row + 1], remembered)
                torch.testing.assert_close(found[row], expected[0])


def test_only_the_latest_records_are_remembered(windows, monkeypatch) -> None:
    stage, one = remembering_stage(network_of("linear")), torch.tensor([0])

    def go_on(record: int) -> torch.Tensor:
        """Its second window, after the first windows of records 5 and 6, each in a batch of its own."""
        memory = RecordMemory(stage)
        list(memory.run(windows[:1], one + 5, one, 8))
        list(memory.run(windows[1:2], one + 6, one, 8))
        return next(iter(memory.run(windows[2:3], one + record, one + 1, 8)))[1]

    expected = [stage.step(windows[2:3], stage.step(windows[n : n + 1], None)[1])[0] for n in (0, 1)]
    torch.testing.assert_close([go_on(5), go_on(6)], expected)
    monkeypatch.setattr(carried, "MOST_RECORDS", 1)
    torch.testing.assert_close(go_on(6), expected[1])
    with pytest.raises(KeyError):
        go_on(5)


def test_who_carries() -> None:
    assert all(carries(network_of(name)) for name in NETWORKS)
    assert carries(build_model(ModelConfig(**SMALL, pred_stage_type="gru"), 3))
    assert not carries(build_model(ModelConfig(**SMALL), 3))
    assert not carries(network_of("linear", mem_len=0))
    assert not carries(torch.nn.Identity())
    for mem_len, expected in ((0, False), (4, True)):
        stage = StageConfig(pretrain_model="transformerxl", mem_len=mem_len, **SIZE)
        config = ModelConfig(**SMALL, stage=stage)
        assert (config.stage_remembers, config.carries, config.has_recurrent_head) == (expected, expected, False)


def test_rows_without_a_window_are_zeros_and_reach_no_other() -> None:
    x, counted = torch.randn(4, 2, 8), torch.tensor([True, False, True, False])
    norm = torch.nn.BatchNorm1d(2).train()
    found = of_counted(norm, x, counted)
    torch.testing.assert_close(found[[0, 2]], torch.nn.BatchNorm1d(2).train()(x[[0, 2]]))
    assert not found[[1, 3]].any()
