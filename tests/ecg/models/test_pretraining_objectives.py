"""What pretraining asks of a net: each loss by its definition, padding aside, and no batch ever changed."""

import math

import pytest
import torch

from ecg12.ecg.errors import ConfigError
from ecg12.ecg.models.config.objective import ObjectiveConfig
from ecg12.ecg.models.config.stage import PRETRAIN_MODELS, StageConfig
from ecg12.ecg.models.networks.masks import draw_input_mask
from ecg12.ecg.models.pretraining_objectives import (
    Contrast,
    Flipping,
    Masking,
    Reconstruction,
    StepsAhead,
    Windows,
    flip_leads,
    make_objective,
)
from ecg12.ecg.models.stages import build_pretraining_net

SMALL = {"dim_model": 8, "dim_inner": 12, "num_heads": 2, "num_trans_layers": 1, "hidden_size_rnn": 6, "mem_len": 8}
SMALL |= {"dim_encoder": 6, "dim_context": 8, "context_layers": 1, "cpc_steps": 2, "patch_length": 16, "dim_decoder": 4}
SMALL |= {"k_steps_ahead": (3, 10), "dropout": 0.0}
CONFIG = ObjectiveConfig(num_masked_samples=4, perc_masked_samp=0.25, negatives=8)
EVERY = [*PRETRAIN_MODELS, "masking"]


def generator(seed=1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def windows_of(n=3, length=128, padding=0) -> Windows:
    signal = torch.randn(n, 12, length, generator=generator(7))
    recorded = torch.ones(n, length, dtype=torch.bool)
    if padding:
        recorded[:, :padding] = recorded[:, length - padding :] = False
        signal = signal * recorded[:, None]
    return Windows(signal, signal, recorded, torch.ones(n, dtype=torch.bool))


def parts(model: str, **options):
    kind = {"trans_train_type": "masking"} if model == "masking" else {}
    stage = StageConfig(**SMALL | kind | options | {"pretrain_model": "transformer" if model == "masking" else model})
    torch.manual_seed(4)
    net = build_pretraining_net(stage, 12, 128).eval()
    return net, make_objective(stage, CONFIG, n_leads=12, window_length=128)


class Says(torch.nn.Module):
    """A net that says what it is told to, and keeps what it was given."""

    def __init__(self, *answers):
        super().__init__()
        self.answers = answers
        self.given: list = []
        self.n_steps = 2

    def forward(self, *args):
        self.given.append(args)
        return self.answers if len(self.answers) > 1 else self.answers[0]


@pytest.mark.parametrize("model", EVERY)
def test_a_batch_is_left_as_it_is_and_every_parameter_learns(model):
    net, objective = parts(model)
    windows = windows_of(padding=20)
    before = windows.given.clone()
    loss = objective.compute_loss(net, windows, generator())
    loss.mean.backward()
    assert torch.equal(windows.given, before)
    assert loss.mean.item() > 0
    if model == "transformerxl":  # a memory has been seen only by a window after
        objective.compute_loss(net, windows, generator(), loss.memory).mean.backward()
    assert all(values.grad is not None and values.grad.any() for values in net.parameters())


@pytest.mark.parametrize("model", EVERY)
def test_what_is_drawn_follows_from_the_generator(model):
    net, objective = parts(model)
    losses = [objective.compute_loss(net, windows_of(), generator(seed)).mean for seed in (1, 1, 2)]
    assert torch.equal(losses[0], losses[1])
    assert torch.equal(losses[0], losses[2]) == (model in ("rnn", "lstm", "gru"))


@pytest.mark.parametrize("model", EVERY)
def test_a_window_that_does_not_count_adds_nothing(model):
    net, objective = parts(model)
    windows = windows_of(2)
    nobody = Windows(windows.given, windows.wanted, torch.zeros_like(windows.recorded), windows.reset)
    loss = objective.compute_loss(net, nobody, generator())
    assert (loss.total.item(), loss.weight.item(), loss.mean.item()) == (0, 0, 0)


@pytest.mark.parametrize("model", ["lstm", "masking", "transformerxl", "mae"])
def test_what_is_wanted_of_padding_does_not_count(model):
    net, objective = parts(model)
    windows = windows_of(padding=20)
    other = torch.where(windows.recorded[:, None], windows.wanted, 50.0)
    changed = Windows(windows.given, other, windows.recorded, windows.reset)
    losses = [objective.compute_loss(net, one, generator()).mean for one in (windows, changed)]
    assert torch.equal(losses[0], losses[1])


def test_steps_ahead_by_hand():
    windows = windows_of(padding=5)
    said = torch.randn(3, 24, 118, generator=generator())
    net = Says(said)
    loss = StepsAhead((3, 10)).compute_loss(net, windows, generator())
    torch.testing.assert_close(net.given[0][0], windows.given[:, :, :118])
    total, n = 0.0, 0
    for number, step in enumerate((3, 10)):
        for sample in range(118):
            if 5 <= sample < 123 and 5 <= sample + step < 123:
                found = said[:, 12 * number : 12 * number + 12, sample]
                total += (found - windows.wanted[:, :, sample + step]).square().sum().item()
                n += 36
    assert loss.weight.item() == n
    assert loss.total.item() == pytest.approx(total, rel=1e-4)


def test_a_perfect_prediction_costs_nothing():
    windows = windows_of()
    said = torch.cat([windows.wanted[:, :, 3:121], windows.wanted[:, :, 10:128]], dim=1)
    assert StepsAhead((3, 10)).compute_loss(Says(said), windows, generator()).mean.item() == 0


def test_leads_are_flipped_in_sign_and_time():
    signal = torch.randn(1, 4, 6)
    flipped = flip_leads(signal, torch.tensor([[0, 1, 2, 3]]))
    for lead, expected in enumerate([signal[0, 0], -signal[0, 1], signal[0, 2].flip(0), -signal[0, 3].flip(0)]):
        assert torch.equal(flipped[0, lead], expected)


def test_flipping_is_the_cross_entropy_of_what_was_done():
    windows = windows_of(2)
    net = Says(torch.zeros(2, 12, 4))
    loss = Flipping().compute_loss(net, windows, generator(3))
    assert loss.mean.item() == pytest.approx(math.log(4))
    assert loss.weight.item() == 24
    choice = torch.randint(4, (2, 12), generator=generator(3))
    assert torch.equal(net.given[0][0], flip_leads(windows.given, choice))
    sure = Says(torch.nn.functional.one_hot(choice, 4) * 30.0)
    assert Flipping().compute_loss(sure, windows, generator(3)).mean.item() < 1e-6
    assert set(choice.flatten().tolist()) == {0, 1, 2, 3}


@pytest.mark.parametrize("mask", ["attention", "input", "both"])
def test_masking_hides_what_it_says_and_counts_what_it_hides(mask):
    config = ObjectiveConfig(mask=mask, num_masked_samples=4, perc_masked_samp=0.25)
    windows, net = windows_of(), Says(torch.zeros(3, 12, 128))
    loss = Masking(config, 4).compute_loss(net, windows, generator(2))
    given, attention = net.given[0]
    assert (attention is None) == (mask == "input")
    if mask == "attention":
        assert torch.equal(given, windows.given)
        counts = torch.ones(3, 12, 128, dtype=torch.bool)
    else:
        tokens = draw_input_mask(3, 32, config, generator(2))
        counts = tokens.repeat_interleave(4, dim=1)[:, None].expand(-1, 12, -1)
        assert torch.equal(given, torch.where(counts, 0.0, windows.given))
        assert loss.weight.item() == 3 * 12 * 32  # two blocks of four tokens of four samples
    expected = windows.wanted[counts].square()
    torch.testing.assert_close(loss.mean, expected.mean())
    if attention is not None:
        assert attention.shape == (32, 32)


def test_transformer_xl_is_given_its_memory_and_its_rows():
    net, objective = parts("transformerxl")
    assert objective.remembers
    windows = windows_of()
    first = objective.compute_loss(net, windows, generator())
    going_on = Windows(windows.given, windows.wanted, windows.recorded, torch.zeros(3, dtype=torch.bool))
    alone = objective.compute_loss(net, going_on, generator(), None)
    after = objective.compute_loss(net, going_on, generator(), first.memory)
    again = objective.compute_loss(net, windows, generator(), first.memory)
    assert not torch.isclose(after.mean, alone.mean)
    torch.testing.assert_close(again.mean, alone.mean)


def contrast_by_hand(latent, predicted, recorded, negatives, seed):
    """Equation 4 of van den Oord et al., one term after another."""
    n_windows, n_positions, n_features = latent.shape
    draws = generator(seed)
    own = torch.randint(n_positions, (n_windows, negatives // 2), generator=draws)
    others = torch.randint(n_windows * n_positions, (1, negatives - negatives // 2), generator=draws)[0]
    terms = []
    for window in range(n_windows):
        for step in range(1, predicted.shape[1] + 1):
            for position in range(n_positions - step):
                if not (recorded[window, position] and recorded[window, position + step]):
                    continue
                places = [(window, int(place)) for place in own[window]]
                places += [divmod(int(place), n_positions) for place in others]
                places = [place for place in places if recorded[place] and place != (window, position + step)]
                query = predicted[window, step - 1, position] / n_features**0.5
                true = torch.exp(query @ latent[window, position + step])
                terms.append(-torch.log(true / (true + sum(torch.exp(query @ latent[place]) for place in places))))
    return torch.stack(terms)


def test_contrast_by_hand():
    latent = torch.randn(2, 8, 5, generator=generator(1))
    predicted = torch.randn(2, 2, 8, 5, generator=generator(2))
    windows = windows_of(2, 64, padding=10)
    recorded = windows.recorded.unflatten(1, (8, 8)).all(dim=2)
    assert recorded.sum(dim=1).tolist() == [4, 4]
    expected = contrast_by_hand(latent, predicted, recorded, 6, 3)
    loss = Contrast(6).compute_loss(Says(latent, predicted), windows, generator(3))
    assert loss.weight.item() == len(expected) == 2 * (3 + 2)
    torch.testing.assert_close(loss.mean, expected.mean())


def test_reconstruction_counts_hidden_patches_only():
    windows, net = windows_of(2, padding=16), Says(torch.zeros(2, 12, 128))
    objective = Reconstruction(ObjectiveConfig(hidden_span=2), 16)
    loss = objective.compute_loss(net, windows, generator(2))
    mask = objective.draw(2, 12, 8, generator(2))
    hidden = mask.hidden.repeat_interleave(16, dim=2) & windows.recorded[:, None]
    assert torch.equal(net.given[0][1].seen, mask.seen)
    torch.testing.assert_close(loss.mean, windows.wanted[hidden].square().mean())


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        ("lstm", {"k_steps_ahead": (200,)}, "windows of 128 samples and k_steps_ahead up to 200; expected longer"),
        ("transformer", {"steps_concat": 3}, "window of 128 samples in tokens of 3; expected a whole number"),
        ("transformerxl", {"steps_concat": 32}, "4 tokens, 25% of them to be masked 4 at a time: none; expected"),
        ("masking", {"steps_concat": 32}, "4 tokens, 25% of them"),
        ("cpc", {"encoder_strides": (5,)}, "window of 128 samples in positions of 5"),
        ("cpc", {"cpc_steps": 8}, "windows of 8 positions and cpc_steps 8; expected longer windows, or fewer steps"),
        ("mae", {"patch_length": 30}, "window of 128 samples in patches of 30"),
    ],
)
def test_windows_that_do_not_suit_are_refused_before_anything_runs(model, options, message):
    with pytest.raises(ConfigError, match=message):
        parts(model, **options)


def test_mae_with_nothing_to_see_is_refused():
    with pytest.raises(ConfigError, match=r"4 of 3 leads and . of . spans hidden; expected something to hide"):
        make_objective(StageConfig(pretrain_model="mae"), ObjectiveConfig(), n_leads=3, window_length=1024)
