"""The recurrent head: carried state against the definition, which runs over the whole record at once; the MLP."""

import pytest
import torch
from torch import nn

from ecg12.ecg.errors import ConfigError
from ecg12.ecg.models.networks.heads import LinearHead, Mlp, RecurrentHead
from ecg12.ecg.models.networks.recurrent_nets import recurrent_net

KINDS = ("rnn", "lstm", "gru")
RECORD = torch.tensor([7, 7, 7, 2, 5, 5])
"""Three records of three, one and two windows."""


def make(kind="lstm", n_layers=1):
    torch.manual_seed(3)
    return RecurrentHead(kind, n_filters=4, n_positions=5, n_outputs=3, hidden_size=6, n_layers=n_layers)


def features():
    return torch.randn(len(RECORD), 4, 5, generator=torch.Generator().manual_seed(8))


def by_definition(head, x):
    """Every window of one record from the concatenation of all windows up to it."""
    logits = []
    for number in range(len(x)):
        over_time = torch.cat(list(x[: number + 1]), dim=1).T[None]  # (1, position of the record, filter)
        hidden = head.rnn(over_time)[0] + head.skip_connection(over_time)
        logits.append(head.linear(hidden[:, -x.shape[2] :].reshape(1, -1)))
    return torch.cat(logits)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n_layers", [1, 2, 3])
def test_records_come_out_as_the_definition_says(kind, n_layers):
    head, x = make(kind, n_layers), features()
    expected = torch.cat([by_definition(head, x[RECORD == record]) for record in (7, 2, 5)])
    torch.testing.assert_close(head.over_records(x, RECORD), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_rows_go_on_until_they_are_reset(kind):
    """Two rows side by side; the second begins another record at the second step, the first goes on."""
    head, x = make(kind, 2), features()
    _, state = head.step(x[[0, 3]], None)
    logits, state = head.step(x[[1, 4]], state, torch.tensor([False, True]))
    third, _ = head.step(x[[2, 5]], state, torch.tensor([False, False]))
    long, short = by_definition(head, x[:3]), by_definition(head, x[4:])
    torch.testing.assert_close(logits, torch.stack([long[1], short[0]]))
    torch.testing.assert_close(third, torch.stack([long[2], short[1]]))


def test_every_window_alone_begins_a_record():
    head, x = make(), features()
    torch.testing.assert_close(head(x), torch.cat([by_definition(head, one[None]) for one in x]))


def test_the_state_carries_no_gradient():
    head, x = make(), features().requires_grad_()
    _, state = head.step(x[:1], None)
    logits, _ = head.step(x[1:2], state)
    logits.sum().backward()
    assert not any(part.requires_grad for part in state)
    assert x.grad[0].abs().sum() == 0
    assert x.grad[1].abs().sum() > 0


def test_no_windows_give_no_logits():
    assert make().over_records(torch.zeros(0, 4, 5), torch.zeros(0, dtype=torch.int64)).shape == (0, 3)


def test_it_flattens_position_by_position():
    """With a silent recurrent net and a linear map that copies, outputs are features in (position, filter) order."""
    head = RecurrentHead("gru", n_filters=2, n_positions=3, n_outputs=6, hidden_size=2)
    for values in head.parameters():
        nn.init.zeros_(values)
    nn.init.eye_(head.skip_connection.weight)
    nn.init.eye_(head.linear.weight)
    x = torch.arange(6.0).reshape(1, 2, 3)
    assert head(x).tolist() == [[0.0, 3.0, 1.0, 4.0, 2.0, 5.0]]


@pytest.mark.parametrize(("kind", "gates"), [("rnn", 1), ("lstm", 4), ("gru", 3)])
def test_it_has_the_references_parameter_names(kind, gates):
    shapes = {name: tuple(values.shape) for name, values in make(kind, 2).state_dict().items()}
    assert shapes == {
        "rnn.weight_ih_l0": (6 * gates, 4),
        "rnn.weight_hh_l0": (6 * gates, 6),
        "rnn.bias_ih_l0": (6 * gates,),
        "rnn.bias_hh_l0": (6 * gates,),
        "rnn.weight_ih_l1": (6 * gates, 6),
        "rnn.weight_hh_l1": (6 * gates, 6),
        "rnn.bias_ih_l1": (6 * gates,),
        "rnn.bias_hh_l1": (6 * gates,),
        "skip_connection.weight": (6, 4),
        "skip_connection.bias": (6,),
        "linear.weight": (3, 30),
        "linear.bias": (3,),
    }


def test_its_defaults_are_the_references():
    head = RecurrentHead("lstm", 320, 16, 24)
    assert (head.rnn.hidden_size, head.rnn.num_layers) == (400, 1)


def test_an_unknown_kind_is_refused():
    with pytest.raises(ConfigError, match=r"^recurrent net 'elman'; expected rnn, lstm, gru$"):
        RecurrentHead("elman", 1, 1, 1)


def test_one_layer_has_no_dropout():
    """PyTorch would warn, and warnings are errors here."""
    assert recurrent_net("lstm", 2, 3, 1, dropout=0.2).dropout == 0.0
    assert recurrent_net("lstm", 2, 3, 2, dropout=0.2).dropout == 0.2


class TestMlp:
    def test_it_is_two_rectified_layers_and_a_linear_one(self):
        torch.manual_seed(1)
        mlp, x = Mlp(3, 8, 5), torch.randn(2, 3, 8)
        first = (x.reshape(2, 24) @ mlp.fc1.weight.T + mlp.fc1.bias).clamp(min=0)
        second = (first @ mlp.fc2.weight.T + mlp.fc2.bias).clamp(min=0)
        torch.testing.assert_close(mlp(x), second @ mlp.fc3.weight.T + mlp.fc3.bias)

    def test_it_has_the_references_parameter_names(self):
        shapes = {name: tuple(values.shape) for name, values in Mlp(3, 8, 5).state_dict().items()}
        assert shapes == {
            "fc1.weight": (512, 24),
            "fc1.bias": (512,),
            "fc2.weight": (256, 512),
            "fc2.bias": (256,),
            "fc3.weight": (5, 256),
            "fc3.bias": (5,),
        }


def test_linear_and_recurrent_heads_take_the_same_features():
    x = features()
    assert LinearHead(4, 5, 3)(x).shape == make()(x).shape
