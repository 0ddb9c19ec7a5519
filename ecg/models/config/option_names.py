"""What options of the networks may be: the names alone, so that a configuration needs no torch."""

from ecg12.ecg.errors import ConfigError

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

CLASS_WEIGHTS = ("none", "metric")

AUGMENTATIONS = ("gain", "wander", "noise", "shift", "leads")
"""What there is to choose from; a shift in time is done first, then the others in this order."""


def check_names(names: tuple[str, ...]) -> None:
    """Raise ConfigError if an augmentation is not known, or stands there twice."""
    if not set(names) <= set(AUGMENTATIONS) or len(set(names)) != len(names):
        raise ConfigError(f"augment is {', '.join(names)}; expected each once, from {', '.join(AUGMENTATIONS)}")
