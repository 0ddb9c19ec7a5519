"""A record's scores as a function of its windows: what prediction gives, with gradients."""

import numpy as np
import pytest
import torch

from ecg12.ecg.decisions.output_mapping import parse_mapping
from ecg12.ecg.decisions.reference_rules import AugustRule
from ecg12.ecg.decisions.score_terms import terms_of
from ecg12.ecg.models.build import build_model
from ecg12.ecg.models.config.model import ModelConfig
from ecg12.ecg.models.config.stage import StageConfig
from ecg12.ecg.models.networks.carried_state import RecordMemory
from ecg12.ecg.models.output_layers import build_output_layer
from ecg12.ecg.models.portable import record_score
from ecg12.ecg.models.portable.record_score import RecordScore

TINY = {"net_filter_size": (4, 6), "net_seq_length": (64, 16), "window_length": 256, "kernel_size": 5}
CODES = ("270492004", "164889003", "426783006")
LAYERS = {
    "sigmoid": "sigmoid\n0->1/0->1/0->1\n" + "".join(f"{code},{n},1\n" for n, code in enumerate(CODES)),
    "softmax": "softmax\n0->2\n270492004,0,1\n164889003,0,2\n426783006,0,0\n",
    "standard_softmax": "standard_softmax\nNone->1\n270492004,0,0\n164889003,0,1\n",
    "cvx_softmax": "cvx_softmax_2\nNone->1\n270492004,0,0\n164889003,0,1\n",
    "concat": "concat:softmax:2-sigmoid:1\n0->2/0->1\n270492004,0,1\n164889003,0,2\n164889003,1,1\n426783006,1,0\n",
}


def rule_of(layer: str, pooling: str = "mean") -> AugustRule:
    mapping = parse_mapping(LAYERS[layer])
    return AugustRule(
        mapping=mapping, correction=np.linspace(0.5, 2, mapping.n_outputs), combination_strategy=pooling, classes=CODES
    )


def score_of(rule: AugustRule, **options: object) -> tuple[RecordScore, torch.nn.Module]:
    torch.manual_seed(2)
    network = build_model(ModelConfig(**(TINY | options)), rule.mapping.n_outputs).eval()
    terms = [terms for code in CODES if (terms := terms_of(rule, code)) is not None]
    layer = build_output_layer(rule.mapping.parts)
    return RecordScore(network, layer, rule.correction, rule.combination_strategy, terms), network


X = torch.randn(5, 12, 256, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("pooling", ["mean", "max", "last"])
@pytest.mark.parametrize("layer", LAYERS)
def test_scores_are_those_of_the_rule(layer: str, pooling: str) -> None:
    rule = rule_of(layer, pooling)
    score, network = score_of(rule)
    with torch.no_grad():
        scores = build_output_layer(rule.mapping.parts).compute_scores(network(X)).double().numpy()
        ours = score(X).numpy()
    expected = rule.decide(scores, np.zeros(5, np.int64)).scores[0]
    known = [terms_of(rule, code) is not None for code in CODES]
    np.testing.assert_allclose(ours, expected[known], rtol=1e-5)


@pytest.mark.parametrize("kind", ["rnn", "lstm", "gru"])
def test_a_recurrent_head_goes_through_the_record_and_so_do_gradients(kind: str) -> None:
    score, network = score_of(rule_of("sigmoid", "last"), pred_stage_type=kind, pred_stage_hidd=7)
    body, head = network[:-1], network[-1]
    with torch.no_grad():
        expected = torch.sigmoid(head.over_records(body(X), torch.zeros(5, dtype=torch.int64)))[-1]
        np.testing.assert_allclose(score(X), expected * torch.linspace(0.5, 2, 3), rtol=1e-4)
    x = X.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(score(x)[0], x)
    assert float(gradient[-1].abs().max()) > 0
    assert float(gradient[-2].abs().max()) > 0  # what was remembered counts


def test_a_stage_that_remembers_remembers_what_it_did() -> None:
    stage = StageConfig(
        pretrain_model="transformerxl", num_heads=2, num_trans_layers=1, dim_model=8, dim_inner=12, mem_len=16
    )
    score, network = score_of(rule_of("sigmoid"), stage=stage, pretrain_output_size=3)
    memory = RecordMemory(network[0])
    order = torch.arange(5)
    with torch.no_grad():
        logits = torch.cat([network[1:](found) for _, found in memory.run(X, order * 0, order, 8)])
        expected = torch.sigmoid(logits).mean(dim=0) * torch.linspace(0.5, 2, 3)
        np.testing.assert_allclose(score(X), expected, rtol=1e-4)
        free = torch.tensor([1, 2])
        partial = score.with_fixed(X, free)
        np.testing.assert_allclose(partial(X[free]), expected, rtol=1e-4)
    windows = X[free].clone().requires_grad_()
    (gradient,) = torch.autograd.grad(partial(windows)[0], windows)
    assert float(gradient.abs().amax(dim=(1, 2)).min()) > 0


def test_pieces_that_are_calculated_again_have_the_same_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    score, _ = score_of(rule_of("sigmoid"))

    def gradients() -> list[np.ndarray]:
        x = X.clone().requires_grad_()
        found = score(x)
        return [torch.autograd.grad(one, x, retain_graph=True)[0].numpy() for one in found]

    whole = gradients()
    monkeypatch.setattr(record_score, "PIECE_WINDOWS", 2)
    for one, other in zip(whole, gradients(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-7)


def test_some_windows_vary_while_the_others_stay() -> None:
    score, _ = score_of(rule_of("concat", "max"))
    free = torch.tensor([1, 3])
    partial = score.with_fixed(X, free)
    other = X[free] * 2
    whole = X.clone()
    whole[free] = other
    with torch.no_grad():
        np.testing.assert_allclose(partial(X[free]), score(X), rtol=1e-5)
        np.testing.assert_allclose(partial(other), score(whole), rtol=1e-5)
        assert not np.allclose(partial(other), score(X), rtol=1e-3)
    assert score.with_fixed(X, torch.arange(5)) is score


def test_windows_alone() -> None:
    score, _ = score_of(rule_of("sigmoid", "mean"))
    with torch.no_grad():
        alone = score.of_windows(X)
        assert alone.shape == (5, 3)
        np.testing.assert_allclose(alone[2], score(X[2:3]), rtol=1e-5)
        np.testing.assert_allclose(alone.mean(dim=0), score(X), rtol=1e-5)
