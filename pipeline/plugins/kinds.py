"""The places of the program that plugins may take, and what each is called."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PluginKind:
    """A place that code from outside may take.

    Attributes
    ----------
    word : what one is called in messages
    group : of entry points
    option : of the command line that names one
    """

    word: str
    group: str
    option: str


MODEL = PluginKind("model", "ecg12.models", "--model")
AUGMENTATION = PluginKind("augmentation", "ecg12.augmentations", "--augment")
LOSS = PluginKind("loss", "ecg12.losses", "--loss")
OUTPUT_LAYER = PluginKind("output layer", "ecg12.output_layers", "--output-layer")
READER = PluginKind("reader", "ecg12.readers", "--reader")

KINDS = (MODEL, AUGMENTATION, LOSS, OUTPUT_LAYER, READER)
