"""A plugin of the wrong form is refused before a training begins, in a line that names it and what was expected."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ecg12.cache.reader import Store
from ecg12.ecg.errors import ConfigError, PluginError
from ecg12.ecg.tasks.named import CHALLENGE_2020, named_task
from ecg12.pipeline.plugins.consent import consent_to
from ecg12.pipeline.runs.run_plugins import RunPlugins
from ecg12.pipeline.training.configure import configure
from ecg12.pipeline.training.targets import make_targets
from ecg12.pipeline.training.train_plugins import load_plugins
from tests.pipeline.plugins.examples import forget

CHALLENGE = named_task(CHALLENGE_2020)

SOURCE = """
import torch
from torch import nn
from torch.nn import functional as F


class Net(nn.Module):
    rows, outputs, value = None, 0, 0.0

    def __init__(self, n_channels, n_outputs, window_length, fs):
        super().__init__()
        self.n_outputs = n_outputs
        self.w = nn.Parameter(torch.ones(1))

    def forward(self, x):
        return self.w * torch.full((self.rows or len(x), self.n_outputs + self.outputs), self.value)


class Wide(Net):
    outputs = 2


class Flat(Net):
    def forward(self, x):
        return super().forward(x)[:, 0]


class Fewer(Net):
    rows = 1


class Nan(Net):
    value = float("nan")


class Text(Net):
    def forward(self, x):
        return "logits"


class Raises(Net):
    def forward(self, x):
        raise KeyError("no such lead")


class Bare(nn.Module):
    def __init__(self, n_channels):
        super().__init__()


class Refuses(Net):
    def __init__(self, n_channels, n_outputs, window_length, fs):
        raise ValueError("never")


class Empty(nn.Module):
    def __init__(self, **options):
        super().__init__()


def function(n_channels, n_outputs, window_length, fs):
    return Net(n_channels, n_outputs, window_length, fs)


def same(signal, *, fs, generator):
    return signal


def shorter(signal, *, fs, generator):
    return signal[:, :, 1:]


def nothing(signal, *, fs, generator):
    return None


def not_numbers(signal, *, fs, generator):
    return signal / 0


def plain(signal):
    return signal


def mean(logits, labels):
    return F.binary_cross_entropy_with_logits(logits, labels)


def each(logits, labels):
    return F.binary_cross_entropy_with_logits(logits, labels, reduction="none")


def number(logits, labels):
    return 0.5


def constant(logits, labels):
    return torch.zeros((), requires_grad=True)


def detached(logits, labels):
    return logits.detach().mean()


def nan(logits, labels):
    return logits.mean() * float("nan")


class Layer:
    shift = 0.0

    def __init__(self, n_outputs):
        pass

    def compute_loss(self, logits, labels):
        return mean(logits, labels)

    def compute_scores(self, logits):
        return torch.sigmoid(logits) + self.shift


class Beyond(Layer):
    shift = 1.0


class Column(Layer):
    def compute_scores(self, logits):
        return super().compute_scores(logits)[:, :1]


class NoScores:
    def __init__(self, n_outputs):
        pass

    def compute_loss(self, logits, labels):
        return mean(logits, labels)


class NoNumber(Layer):
    def __init__(self):
        pass
"""


@pytest.fixture(scope="module", autouse=True)
def module(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("forms")
    (folder / "odd_forms.py").write_text(SOURCE)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield
    forget("odd_forms")


def try_it(store: Path, tmp_path: Path, **options: Any) -> None:
    model = {"window_length": 64} | {key: options.pop(key) for key in ("model", "model_options") if key in options}
    config = configure(tmp_path, Store(store), options, model, task=CHALLENGE)
    load_plugins(RunPlugins(consent_to(["odd_forms"])), config, make_targets(Store(store), CHALLENGE, config))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"model": "Wide"},
            r"gives shape \(3, 26\) and type float32; expected logits \(window, output\) with 24 outputs",
        ),
        ({"model": "Flat"}, r"gives shape \(3,\) and type float32; expected logits"),
        ({"model": "Fewer"}, r"gives 1 rows of logits for 3 windows; expected one each"),
        ({"model": "Nan"}, r"gives logits with NaN or infinite values"),
        ({"model": "Text"}, r"gives a str; expected logits"),
        ({"model": "Raises"}, r"raised KeyError: 'no such lead'"),
        ({"model": "Bare"}, r"does not take \(n_channels=…, n_outputs=….*unexpected keyword argument 'n_outputs'"),
        ({"model": "Refuses"}, r"to be built with options none, raised ValueError: never"),
        ({"model": "Empty"}, r"has no parameters; expected a network that can be trained"),
        ({"model": "function"}, r"is a function; expected a subclass of torch.nn.Module \(see docs/extending.md\)"),
        ({"model": "Layer"}, r"is the class Layer; expected a subclass of torch.nn.Module"),
        ({"model": "Gone"}, r"odd_forms \(.*odd_forms.py\) has no Gone; expected the version that has it"),
        (
            {"model": "Net", "model_options": {"width": 3}},
            r"does not take .*width=….*unexpected keyword argument 'width'",
        ),
        ({"augment": "shorter"}, r"gives shape \(3, 12, 63\) .*; expected the windows' own shape, \(3, 12, 64\)"),
        ({"augment": "nothing"}, r"gives a NoneType; expected the windows' own shape"),
        ({"augment": "not_numbers"}, r"gives samples with NaN or infinite"),
        ({"augment": "plain"}, r"does not take \(signal, fs=…, generator=…\)"),
        ({"augment": "Layer"}, r"does not take \(\): missing a required argument: 'n_outputs'"),
        ({"augment": "SOURCE"}, r"has no SOURCE"),
        ({"loss": "each"}, r"gives a loss of shape \(3, 24\) .*; expected a scalar tensor, such as a mean"),
        ({"loss": "number"}, r"gives a loss of a float; expected a scalar tensor"),
        ({"loss": "constant"}, r"gives a loss that does not depend on the logits"),
        ({"loss": "detached"}, r"gives a loss without a gradient"),
        ({"loss": "nan"}, r"gives a loss with NaN or infinite values"),
        ({"loss": "same"}, r"does not take \(logits, labels\)"),
        ({"loss": "torch"}, r"is a module; expected something to be called|is only imported there"),
        ({"output_layer": "Beyond"}, r"gives scores from 1.* to .*; expected 0 to 1"),
        ({"output_layer": "Column"}, r"gives scores of shape \(3, 1\) .*; expected the logits' shape, \(window, 24\)"),
        ({"output_layer": "NoScores"}, r"is the class NoScores; expected a class with compute_loss and compute_scores"),
        ({"output_layer": "NoNumber"}, r"does not take \(n_outputs=…\)"),
    ],
    ids=str,
)
def test_what_is_of_no_use_is_refused(
    options: dict[str, Any], message: str, simulated_store: Path, tmp_path: Path
) -> None:
    named = {key: value if key == "model_options" else f"odd_forms:{value}" for key, value in options.items()}
    if "augment" in named:
        named["augment"] = (named["augment"],)
    (kind,) = (key for key in options if key != "model_options")
    word = {"augment": "augmentation", "output_layer": "output layer"}.get(kind, kind)
    with pytest.raises(PluginError, match=message) as caught:
        try_it(simulated_store, tmp_path, **named)
    assert str(caught.value).startswith(f"{word} odd_forms:{options[kind]}")
    assert "\n" not in str(caught.value)


def test_what_is_right_passes(simulated_store: Path, tmp_path: Path) -> None:
    options = {"augment": ("odd_forms:same", "gain"), "loss": "odd_forms:mean", "output_layer": "odd_forms:Layer"}
    try_it(simulated_store, tmp_path, model="odd_forms:Net", **options)


@pytest.mark.parametrize(
    ("options", "model_options", "message"),
    [
        ({"loss": "mean"}, {}, r"loss is 'mean'; expected layer, or a plugin as package.module:Name or plugin:NAME"),
        (
            {"loss": "a:b", "class_weights": "metric"},
            {},
            "class_weights and label_smoothing are for the output layer's",
        ),
        (
            {"augment": ("gain", "stretch")},
            {},
            "augment is gain, stretch; expected each once, from gain, .* or a plugin",
        ),
        ({"augment": ("a:b", "a:b")}, {}, "augment is a:b, a:b; expected each once"),
        (
            {"output_layer": "tempered"},
            {},
            "output layer 'tempered': no such file; expected softmax, .* or a plugin's name",
        ),
        (
            {},
            {"model_options": {"width": 3}},
            "model_options are for the model of a plugin; resnet1d has options of its",
        ),
        (
            {},
            {"model": "a:b", "model_options": ("width",)},
            "model_options: 'width' not understood; expected KEY=VALUE",
        ),
        ({}, {"model": "a:b", "model_options": {"w": {1}}}, "model_options: w cannot be written as JSON"),
        ({}, {"model": "a:b", "pred_stage_type": "lstm"}, "pred_stage_type is 'lstm' with model a:b; expected linear"),
    ],
    ids=str,
)
def test_options_that_make_no_sense(
    options: dict[str, Any], model_options: dict[str, Any], message: str, simulated_store: Path, tmp_path: Path
) -> None:
    store = Store(simulated_store)
    with pytest.raises(ConfigError, match=message):
        make_targets(store, CHALLENGE, configure(tmp_path, store, options, model_options, task=CHALLENGE))
