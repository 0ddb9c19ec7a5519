"""What options of the networks may be: the names alone, so that a configuration needs no torch."""

from ecg12.ecg.errors import ConfigError
from ecg12.ecg.plugin_names import EXPECTED, is_plugin_name

MODELS = ("resnet1d", "s4d")

RECURRENT_KINDS = ("rnn", "lstm", "gru")
HEADS = ("linear", *RECURRENT_KINDS)

POOLINGS = ("flatten", "average")

NORMALISATIONS = ("record", "none")

INITIALISATIONS = ("lin", "inv")
"""Of state spaces."""

CONTEXTS = ("lstm", "s4d")
"""What reads the past in contrastive predictive coding."""

MASKS = ("attention", "input", "both")

CLASS_WEIGHTS = ("none", "metric", "balanced")

AUGMENTATIONS = ("gain", "wander", "noise", "shift", "leads")
"""What there is to choose from; a shift in time is first, then the others in this order, then plugins in theirs."""

OWN_LOSS = "layer"
"""The loss of the output layer itself."""


def check_names(names: tuple[str, ...]) -> None:
    """Raise ConfigError if an augmentation is not known, or stands there twice; plugins are known by their form."""
    unknown = [name for name in names if name not in AUGMENTATIONS and not is_plugin_name(name)]
    if unknown or len(set(names)) != len(names):
        raise ConfigError(
            f"augment is {', '.join(names)}; expected each once, from {', '.join(AUGMENTATIONS)}, or {EXPECTED}"
        )
