"""Names of output layers: `sigmoid`, `softmax`, `standard_softmax`, `cvx_softmax_N`, `number_CENTRE_SCALE`, and their
concatenation.

`concat:name:length-name:length` puts several side by side, each over so many outputs. A plugin's name (see
`ecg.plugin_names`) is a layer whose outputs each decide for themselves. What the parts compute
stands in `ecg.models.output_layers`, how they decide in `ecg.decisions.reference_rules`.
"""

import math
import re
from dataclasses import dataclass

from ecg12.ecg.errors import ConfigError
from ecg12.ecg.plugin_names import is_plugin_name

KINDS = ("sigmoid", "softmax", "standard_softmax", "cvx_softmax", "number")

SMALLEST_PROBABILITY = 1e-4
"""Of `cvx_softmax`."""


@dataclass(frozen=True, slots=True)
class LayerPart:
    """A run of outputs that belong together.

    Attributes
    ----------
    kind : "sigmoid" (each output for itself), "softmax" (one of them or none), "standard_softmax" (one of them)
        or "cvx_softmax" (one of them, each with a probability of at least `SMALLEST_PROBABILITY`); or "number", each
        output a number; or a plugin's name
    n_outputs : how many
    centre, scale : of a number, which is centre + scale · output
    """

    kind: str
    n_outputs: int
    centre: float = 0.0
    scale: float = 1.0

    @property
    def name(self) -> str:
        """As it is written in a file."""
        if self.kind == "number":
            return f"number_{self.centre!r}_{self.scale!r}"
        return f"{self.kind}_{self.n_outputs}" if self.kind == "cvx_softmax" else self.kind

    @property
    def is_plugin(self) -> bool:
        """Whether what it computes is code from outside this program."""
        return is_plugin_name(self.kind)

    @property
    def decides_each(self) -> bool:
        """Whether each output decides for itself, instead of one of them being chosen."""
        return self.kind in ("sigmoid", "number") or self.is_plugin


def parse_layer(text: str, n_outputs: int) -> tuple[LayerPart, ...]:
    """The parts of an output layer over `n_outputs` outputs, in order.

    Raises
    ------
    ConfigError
        If a name is unknown, a length no number, or the lengths do not add up.
    """
    if not text.startswith("concat:"):
        return (LayerPart(text, n_outputs) if is_plugin_name(text) else _parse_part(text, n_outputs),)
    parts = []
    for piece in text.removeprefix("concat:").split("-"):
        name, _, length = piece.rpartition(":")
        if not (length.isascii() and length.isdigit() and len(length) < 10):
            raise ConfigError(f"output layer {text!r}: {piece!r} not understood; expected name:length between dashes")
        parts.append(_parse_part(name, int(length)))
    total = sum(part.n_outputs for part in parts)
    if total != n_outputs:
        raise ConfigError(f"output layer {text!r} has {total} outputs; expected {n_outputs}, as the targets have")
    return tuple(parts)


def _parse_part(name: str, n_outputs: int) -> LayerPart:
    if name.startswith("number_"):
        return _parse_number(name, n_outputs)
    match = re.fullmatch(r"cvx_softmax_(\d{1,9})", name)
    if match is None:
        if name not in KINDS[:3]:
            raise ConfigError(
                f"output layer {name!r} not known; expected {', '.join(KINDS[:3])}, cvx_softmax_N or "
                "concat:name:length-name:length, or a plugin's name"
            )
        kind = name
    else:
        kind = "cvx_softmax"
        if int(match[1]) != n_outputs:
            raise ConfigError(f"output layer {name!r} over {n_outputs} outputs; expected cvx_softmax_{n_outputs}")
        if n_outputs * SMALLEST_PROBABILITY > 1:
            raise ConfigError(
                f"output layer {name!r}: {n_outputs} probabilities of at least {SMALLEST_PROBABILITY} sum to more "
                f"than 1; expected at most {1 / SMALLEST_PROBABILITY:.0f}"
            )
    if n_outputs < 1:
        raise ConfigError(f"output layer {name!r} over {n_outputs} outputs; expected at least 1")
    return LayerPart(kind, n_outputs)


def _parse_number(name: str, n_outputs: int) -> LayerPart:
    try:
        centre, scale = (float(text) for text in name.removeprefix("number_").split("_"))
        sensible = math.isfinite(centre) and 0 < scale < math.inf and n_outputs > 0
    except ValueError:
        sensible = False
    if not sensible:
        raise ConfigError(
            f"output layer {name!r} over {n_outputs} outputs; expected number_CENTRE_SCALE, scale above 0"
        )
    return LayerPart("number", n_outputs, centre, scale)


def format_layer(parts: tuple[LayerPart, ...]) -> str:
    """The text that `parse_layer` reads back as the same parts."""
    if len(parts) == 1:
        return parts[0].name
    return "concat:" + "-".join(f"{part.name}:{part.n_outputs}" for part in parts)
