"""Pretrained stages: layouts, positions and masks against the definition, and their place in a classifier."""

import json
import math

import pytest
import torch

from ecg12.ecg.errors import ConfigError
from ecg12.ecg.models.build import build_model
from ecg12.ecg.models.config.model import ModelConfig
from ecg12.ecg.models.config.stage import MAX_TOKENS, OPTIONS_OF, StageConfig, count_tokens
from ecg12.ecg.models.networks.heads import Mlp
from ecg12.ecg.models.networks.resnet import ResNet1d
from ecg12.ecg.models.networks.transformer import compute_positions
from ecg12.ecg.models.probe import PooledHead
from ecg12.ecg.models.stages import NEW_LAYERS, build_pretraining_net, build_stage, transfer

SMALL = {"dim_model": 8, "dim_inner": 12, "num_heads": 2, "num_trans_layers": 2, "hidden_size_rnn": 6}
SMALL |= {"k_steps_ahead": (1, 2), "dim_encoder": 6, "encoder_strides": (2, 2), "dim_context": 8, "cpc_steps": 2}
SMALL |= {"patch_length": 4, "dim_decoder": 4, "mem_len": 4}
RECURRENT = ("rnn", "lstm", "gru")
BEYOND = ("transformerxl", "cpc", "mae")


def config(model="transformer", **options):
    return StageConfig(**SMALL | {"pretrain_model": model, "dropout": 0.0} | options)


def stage_of(model="transformer", n_outputs=5, **options):
    torch.manual_seed(4)
    return build_stage(config(model, **options), 12, n_outputs).eval()


@pytest.fixture
def windows():
    return torch.randn(3, 12, 16, generator=torch.Generator().manual_seed(9))


@pytest.mark.parametrize("model", [*RECURRENT, "transformer", *BEYOND])
def test_a_stage_keeps_the_samples_and_changes_the_channels(model, windows):
    assert stage_of(model)(windows).shape == (3, 5, 16)


@pytest.mark.parametrize("model", RECURRENT)
def test_a_recurrent_stage_sees_the_past_only_and_starts_anew_in_each_window(model, windows):
    stage = stage_of(model)
    before = stage(windows)
    windows[:, :, 10:] += 1
    after = stage(windows)
    torch.testing.assert_close(after[:, :, :10], before[:, :, :10])
    assert not torch.isclose(after[:, :, 10:], before[:, :, 10:]).all()
    torch.testing.assert_close(stage(windows[1:2]), after[1:2])


def test_a_recurrent_net_has_leads_times_steps_outputs(windows):
    net = build_pretraining_net(config("gru", k_steps_ahead=(1, 2, 5)), 12, 16)
    assert net(windows[:, :, :-5]).shape == (3, 36, 11)


def test_tokens_are_consecutive_samples_of_all_leads(windows):
    """The first layer's input is, token by token, the samples in order and the leads of each."""
    stage, seen = stage_of(), []
    stage.encoder.register_forward_hook(lambda module, args, output: seen.append(args[0]))
    stage(windows)
    expected = [[windows[0, lead, 4 * token + step] for step in range(4) for lead in range(12)] for token in range(4)]
    torch.testing.assert_close(seen[0][0], torch.tensor(expected))


def test_tokens_are_scaled_by_the_root_of_the_leads_before_positions_are_added(windows):
    stage, seen = stage_of(), []
    stage.transformer_encoder.register_forward_hook(lambda module, args, output: seen.append(args[0]))
    stage(windows)
    tokens = windows.transpose(1, 2).reshape(3, 4, 48)
    torch.testing.assert_close(seen[0], stage.encoder(tokens) * math.sqrt(12) + compute_positions(4, 8))


def test_the_encoder_is_post_norm_with_relu(windows):
    """One layer by hand: attention of each head, sum, norm, two linear layers, sum, norm."""
    stage, seen = stage_of(num_trans_layers=1), []
    stage.transformer_encoder.register_forward_hook(lambda module, args, output: seen.extend([args[0], output]))
    stage(windows)
    given, output = seen
    layer = stage.transformer_encoder.layers[0]
    q, k, v = (given @ layer.self_attn.in_proj_weight.T + layer.self_attn.in_proj_bias).chunk(3, dim=2)
    heads = [
        torch.softmax(q[:, :, part] @ k[:, :, part].transpose(1, 2) / 2, dim=2) @ v[:, :, part]  # 2 = √(8 / 2 heads)
        for part in (slice(0, 4), slice(4, 8))
    ]
    x = layer.norm1(given + layer.self_attn.out_proj(torch.cat(heads, dim=2)))
    expected = layer.norm2(x + layer.linear2(layer.linear1(x).clamp(min=0)))
    torch.testing.assert_close(output, expected)


def test_training_learns_and_drops_out(windows):
    stage = stage_of(dropout=0.5).train()
    first, second = stage(windows), stage(windows)
    assert not torch.isclose(first, second).all()
    first.square().mean().backward()
    assert all(values.grad is not None and values.grad.any() for values in stage.parameters())


def test_positions_are_sines_and_cosines():
    positions = compute_positions(50, 6)
    for token in (0, 1, 49):
        for pair in range(3):
            angle = token / 10_000 ** (2 * pair / 6)
            assert positions[token, 2 * pair].item() == pytest.approx(math.sin(angle), abs=1e-5)
            assert positions[token, 2 * pair + 1].item() == pytest.approx(math.cos(angle), abs=1e-5)
    assert compute_positions(3, 5).shape == (3, 5)


def test_a_mask_hides_tokens(windows):
    """Where no query sees the last token but itself, a change in it reaches nothing else."""
    net = build_pretraining_net(config(trans_train_type="masking"), 12, 16).eval()
    mask = torch.zeros(4, 4, dtype=torch.bool)
    mask[:3, 3] = True
    before = net(windows, mask)
    windows[:, :, 12:] += 1
    after = net(windows, mask)
    assert before.shape == (3, 12, 16)
    added = torch.zeros(4, 4).masked_fill(mask, -torch.inf)
    torch.testing.assert_close(net(windows, added), net(windows, mask))
    torch.testing.assert_close(after[:, :, :12], before[:, :, :12])
    assert not torch.isclose(net(windows), net(windows, mask)).all()


def test_a_flipping_net_gives_four_classes_a_lead(windows):
    net = build_pretraining_net(config(trans_train_type="flipping"), 12, 16).eval()
    by_token = net.decoder(net.encode(windows))  # (window, token, lead)
    expected = torch.einsum("wtl,ct->wlc", by_token, net.decoder_class.weight) + net.decoder_class.bias
    torch.testing.assert_close(net(windows), expected)
    assert net(windows).shape == (3, 12, 4)


def test_parameter_names_are_the_references():
    names = {"encoder.weight": (8, 48), "pos_encoder.pe": (MAX_TOKENS, 1, 8), "decoder.weight": (20, 8)}
    shapes = {name: tuple(values.shape) for name, values in stage_of().state_dict().items()}
    assert names.items() <= shapes.items()
    assert "transformer_encoder.layers.1.self_attn.in_proj_weight" in shapes
    flipping = build_pretraining_net(config(), 12, 16).state_dict()
    assert tuple(flipping["decoder.weight"].shape) == (12, 8)
    assert tuple(flipping["decoder_class.weight"].shape) == (4, 4)
    masking = build_pretraining_net(config(trans_train_type="masking"), 12, 16).state_dict()
    assert tuple(masking["decoder.weight"].shape) == (48, 8)
    assert {name.split(".")[0] for name in stage_of("lstm").state_dict()} == {"rnn", "linear"}


@pytest.mark.parametrize("model", [*RECURRENT, "transformer", *BEYOND])
@pytest.mark.parametrize("objective", ["flipping", "masking"])
def test_a_stage_takes_over_all_but_the_last_layers(model, objective):
    options = config(model, trans_train_type=objective)
    net, stage = build_pretraining_net(options, 12, 16), stage_of(model)
    fresh = {name: values.clone() for name, values in stage.state_dict().items()}
    transfer(net.state_dict(), stage)
    for name, values in stage.state_dict().items():
        new = name.startswith(("linear.", "decoder."))
        assert torch.equal(values, fresh[name] if new else net.state_dict()[name])
    with pytest.raises(RuntimeError, match="Missing key"):
        transfer({}, stage)
    bare = build_stage(options, 12, None)
    transfer(net.state_dict(), bare)
    assert all(torch.equal(values, net.state_dict()[name]) for name, values in bare.state_dict().items())


@pytest.mark.parametrize("model", [*RECURRENT, "transformer", *BEYOND])
def test_without_outputs_a_stage_gives_what_it_learned(model, windows):
    stage = stage_of(model, None)
    found = stage(windows)
    assert found.shape[:2] == (3, stage.n_features)
    torch.testing.assert_close(found, stage.features(windows))
    of_blocks = {id(values) for block in stage.blocks() for values in block.parameters()}
    assert of_blocks <= {id(values) for values in stage.parameters()}
    assert len(of_blocks) >= 4


def test_attention_itself_is_dropped_only_where_that_is_asked_for(windows):
    for share, same in ((0.0, True), (0.5, False)):
        stage = stage_of(dropout_attn=share).train()
        assert torch.equal(stage(windows), stage(windows)) == same


@pytest.mark.parametrize("model", [*RECURRENT, "transformer", *BEYOND])
def test_an_option_of_other_nets_changes_nothing(model):
    """`OPTIONS_OF` says which nets an option means something to; changing any other leaves the weights' shapes."""
    fields = set(StageConfig.__dataclass_fields__) - {"pretrain_model", "dropout"}
    assert set(OPTIONS_OF) == fields
    other = {"trans_train_type": "masking", "context": "lstm", "k_steps_ahead": (1,), "encoder_strides": (4,)}
    before = build_pretraining_net(config(model), 12, 16)
    for name in (name for name, nets in OPTIONS_OF.items() if model not in nets):
        value = other.get(name, 3 if name == "context_layers" else getattr(config(model), name) * 2)
        after = build_pretraining_net(config(model, **{name: value}), 12, 16)
        assert str(after) == str(before), name


@pytest.mark.parametrize("n_samples", [15, 4 * MAX_TOKENS + 4])
def test_windows_that_are_no_whole_number_of_tokens_are_refused(n_samples):
    with pytest.raises(ConfigError, match=f"^window of {n_samples} samples in tokens of 4; expected a whole number"):
        count_tokens(n_samples, 4)
    with pytest.raises(ConfigError, match="expected a whole number of tokens, at most 10,000"):
        stage_of()(torch.zeros(1, 12, n_samples))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"pretrain_model": "bert"},
            "pretrain_model is 'bert'; expected rnn, lstm, gru, transformer, transformerxl, cpc, mae",
        ),
        ({"trans_train_type": "both"}, "trans_train_type is 'both'; expected flipping or masking"),
        ({"hidden_size_rnn": 0}, "hidden_size_rnn is 0; expected at least 1"),
        ({"num_trans_layers": 0}, "num_trans_layers is 0; expected at least 1"),
        ({"k_steps_ahead": ()}, r"k_steps_ahead is \(\); expected numbers of at least 1"),
        ({"k_steps_ahead": (0, 5)}, r"k_steps_ahead is \(0, 5\); expected numbers"),
        ({"dropout": 1.0}, r"dropout is 1\.0; expected 0 or more and below 1"),
        ({"dropout_attn": -0.1}, r"dropout_attn is -0\.1; expected 0 or more and below 1"),
        ({"context": "gru"}, "context is 'gru'; expected lstm or s4d"),
        ({"encoder_strides": ()}, r"encoder_strides is \(\); expected numbers of at least 1"),
        ({"context_layers": 0}, "context_layers is 0; expected at least 1"),
        ({"state_size": 7}, "state_size is 7; expected an even number of at least 2"),
        ({"mem_len": -1}, "mem_len is -1; expected 0 or more"),
    ],
)
def test_options_out_of_range_are_named(options, message):
    with pytest.raises(ConfigError, match=message):
        StageConfig(**options)


def test_heads_must_divide_the_model():
    with pytest.raises(ConfigError, match="dim_model 8 is no multiple of num_heads 3; expected one"):
        build_stage(config(num_heads=3), 12, 5)


def test_defaults_are_the_references():
    stage = build_stage(StageConfig(), 12, 64)
    assert stage.decoder.out_features == 256
    assert stage.encoder.weight.shape == (256, 48)
    assert len(stage.transformer_encoder.layers) == 3
    assert StageConfig().k_steps_ahead == (10, 20, 25, 50, 75, 90, 100)


CLASSIFIER = {"window_length": 64, "net_filter_size": (4,), "net_seq_length": (16,), "pretrain_output_size": 5}


class TestClassifier:
    @pytest.mark.parametrize("model", [None, *RECURRENT, "transformer", *BEYOND])
    @pytest.mark.parametrize("head", ["linear", *RECURRENT])
    def test_every_stage_goes_with_every_head(self, model, head):
        options = ModelConfig(
            **CLASSIFIER,
            stage=config(model) if model else None,
            pred_stage_type=head,
            pred_stage_hidd=6,
            pred_stage_n_layer=2,
        )
        again = ModelConfig.from_dict(json.loads(json.dumps(options.to_dict())))
        assert again == options
        network = build_model(again, 3).eval()
        assert network(torch.zeros(2, 12, 64)).shape == (2, 3)
        resnet = network[-2]
        assert isinstance(resnet, ResNet1d)
        assert resnet.conv1.in_channels == (5 if model else 12)

    def test_the_mlp_takes_the_place_of_resnet_and_head(self):
        network = build_model(ModelConfig(**CLASSIFIER, stage=config(), eval_transformer=True), 3).eval()
        assert [type(module).__name__ for module in network] == ["TransformerStage", "Mlp"]
        assert isinstance(network[1], Mlp)
        assert network[1].fc1.in_features == 5 * 64
        assert network(torch.zeros(2, 12, 64)).shape == (2, 3)

    @pytest.mark.parametrize("model", [*RECURRENT, "transformer", *BEYOND])
    def test_a_probe_takes_the_place_of_everything_above_what_was_learned(self, model):
        options = ModelConfig(**CLASSIFIER, stage=config(model), probe=True)
        network = build_model(ModelConfig.from_dict(options.to_dict()), 3).eval()
        assert network(torch.zeros(2, 12, 64)).shape == (2, 3)
        stage, head = network
        assert isinstance(head, PooledHead)
        assert not [name for name, _ in stage.named_parameters() if name.startswith(NEW_LAYERS)]
        x = torch.randn(2, 12, 64)
        features = stage.features(x)
        pooled = torch.cat([features.mean(dim=2), features.amax(dim=2)], dim=1)
        torch.testing.assert_close(network(x), head.linear(pooled / (1 + 1e-5) ** 0.5))

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"model": "vgg"}, "model is 'vgg'; expected resnet1d or s4d"),
            ({"probe": True}, "probe is set, but there is no pretrained stage; expected one below it"),
            ({"probe": True, "eval_transformer": True, "stage": config()}, "probe and eval_transformer are both set"),
            (
                {"model": "s4d", "stage": config()},
                "model is 's4d' above a pretrained stage; expected resnet1d, or probe",
            ),
            ({"model": "s4d", "pred_stage_type": "lstm"}, "pred_stage_type is 'lstm' with model s4d; expected linear"),
            (
                {"probe": True, "stage": config(), "pred_stage_type": "gru"},
                "pred_stage_type is 'gru' with probe; expected linear",
            ),
            ({"s4d_state": 3}, "n_state is 3; expected an even number"),
            ({"pred_stage_type": "conv"}, "pred_stage_type is 'conv'; expected linear, rnn, lstm, gru"),
            ({"pred_stage_hidd": 0}, "pred_stage_hidd is 0; expected at least 1"),
            ({"pred_stage_n_layer": 0}, "pred_stage_n_layer is 0; expected at least 1"),
            ({"pretrain_output_size": 0}, "pretrain_output_size is 0; expected at least 1"),
            ({"eval_transformer": True}, "eval_transformer is set, but there is no pretrained stage; expected one"),
        ],
    )
    def test_options_out_of_range_are_named(self, options, message):
        with pytest.raises(ConfigError, match=message):
            ModelConfig(**options)
