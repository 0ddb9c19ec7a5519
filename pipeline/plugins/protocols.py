"""What a plugin of each kind must be; docs/extending.md has a whole one of each.

Nothing has to be imported from here to write one: whatever has these methods will do.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from ecg12.ecg.signals.recording import Recording


class Model(Protocol):
    """A subclass of `torch.nn.Module`, called so to make one; group `ecg12.models`.

    Its forward takes float32 (window, channel, sample) and gives logits (window, output).
    """

    def __call__(self, *, n_channels: int, n_outputs: int, window_length: int, fs: float, **options: Any) -> nn.Module:  # noqa: ANN401
        """An untrained network.

        Parameters
        ----------
        n_channels : the leads, and with --patient four more that tell of age and sex
        n_outputs : of the output layer
        window_length : samples in a window
        fs : their frequency, Hz
        options : its own, as --model-options has them
        """


class Augmentation(Protocol):
    """A function, or a class made without arguments, whose objects are called. Group `ecg12.augmentations`."""

    def __call__(self, signal: Tensor, /, *, fs: float, generator: torch.Generator) -> Tensor:
        """Changed windows of the same shape; what is given may be changed in place.

        Parameters
        ----------
        signal : float32 (window, lead, sample), zero where nothing was recorded, and so it is again afterwards
        fs : Hz
        generator : on the signal's device; what is drawn from it alone is the same when a run is gone on with
        """


class Loss(Protocol):
    """A function; or a class, whose objects are called. Group `ecg12.losses`.

    The class is made without arguments, or with `codes` where it asks for that: the SNOMED CT code of each output.
    """

    def __call__(self, logits: Tensor, labels: Tensor, /) -> Tensor:
        """A scalar, such as a mean over windows; both are float32 (window, output), labels 0 or 1."""


class OutputLayer(Protocol):
    """A class that is made with the number of outputs; each output decides for itself. Group `ecg12.output_layers`."""

    def __init__(self, n_outputs: int) -> None: ...

    def compute_loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """A scalar; both are float32 (window, output), labels 0 or 1."""

    def compute_scores(self, logits: Tensor) -> Tensor:
        """Scores between 0 and 1 of the same shape, in operations that torch.export can follow."""


class Reader(Protocol):
    """A class that is made without arguments; two threads may call its methods at once. Group `ecg12.readers`."""

    name: str
    """What the format is called, in messages."""

    def sniff(self, head: bytes, name: str) -> bool:
        """Whether it reads a file with these first bytes (4096, or all of a shorter one) and this name."""

    def read(self, path: Path) -> Recording:
        """The recording, such as `ecg12.ecg.signals.recording.make_recording` makes it of samples in µV."""


Codes = Sequence[str | None]
"""Of outputs, as a loss may ask for them: None where an output is no single class."""
