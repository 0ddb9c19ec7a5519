"""What the outputs of a network stand for: the reference system's out_layer.txt, as text and as numbers.

A network decides on targets. Each has the values 0 to its maximum, of which one may be null: the value that
has no output of its own and gets what the others leave over. Outputs are the other values, target by target,
ascending. A class is one value of one target, or the same of several targets at once.

    sigmoid                      the output layer, see `ecg.decisions.output_parts`
    0->1/0->1                    null->maximum of each target; None where no value is null
    164889003,0,1                code,target,value; several lines with one code mean all of them together
    164890007,1,1                # comments, and blank lines, anywhere from the second line on
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ecg12.ecg.decisions.output_parts import LayerPart, parse_layer
from ecg12.ecg.errors import ConfigError

MOST_OUTPUTS = 10_000
"""There are fewer diagnoses."""


@dataclass(frozen=True, slots=True)
class Target:
    """Something that is decided: its values are 0 to `maximum`, and `null` is the one without an output."""

    null: int | None
    maximum: int

    @property
    def values(self) -> tuple[int, ...]:
        """The values that have an output, ascending."""
        return tuple(value for value in range(self.maximum + 1) if value != self.null)


@dataclass(frozen=True, slots=True)
class Pair:
    """One line of the mapping: `code` is there when `target` has `value`."""

    code: str
    target: int
    value: int


@dataclass(frozen=True, kw_only=True)
class OutputMapping:
    """An output layer, its targets, and the classes read from them.

    Attributes
    ----------
    layer : line 1
    targets : line 2
    pairs : the other lines, in order

    Raises
    ------
    ConfigError
        If the parts do not fit each other.
    """

    layer: str
    targets: tuple[Target, ...]
    pairs: tuple[Pair, ...]

    def __post_init__(self) -> None:
        if sum(target.maximum for target in self.targets) > MOST_OUTPUTS:
            raise ConfigError(f"more than {MOST_OUTPUTS:,} values in all targets; expected one for each of the classes")
        for number, target in enumerate(self.targets):
            if target.maximum < 0 or (target.null is not None and not 0 <= target.null <= target.maximum):
                raise ConfigError(
                    f"target {number} is {_format_target(target)}; expected null->maximum with 0 <= null <= maximum"
                )
            if not target.values:
                raise ConfigError(f"target {number} is {_format_target(target)}, which decides nothing; expected 0->1")
        if not self.pairs:
            raise ConfigError("no classes; expected a line code,target,value for each")
        if not self.targets:
            raise ConfigError("no targets; expected null->maximum of each, as in 0->1/0->1")
        for pair in self.pairs:
            if not 0 <= pair.target < len(self.targets):
                raise ConfigError(
                    f"code {pair.code}: target {pair.target}; expected 0 to {len(self.targets) - 1}, as in the second "
                    "line"
                )
            if not 0 <= pair.value <= self.targets[pair.target].maximum:
                raise ConfigError(
                    f"code {pair.code}: value {pair.value} of target {pair.target}; expected 0 to "
                    f"{self.targets[pair.target].maximum}, as in the second line"
                )
        parse_layer(self.layer, self.n_outputs)

    @property
    def n_outputs(self) -> int:
        """Outputs of the network."""
        return sum(len(target.values) for target in self.targets)

    @cached_property
    def parts(self) -> tuple[LayerPart, ...]:
        """The output layer's parts, in output order."""
        return parse_layer(self.layer, self.n_outputs)

    @cached_property
    def codes(self) -> tuple[str, ...]:
        """Classes, each once, in the order of the lines."""
        return tuple(dict.fromkeys(pair.code for pair in self.pairs))

    @cached_property
    def _pairs_of(self) -> dict[str, tuple[Pair, ...]]:
        pairs: dict[str, list[Pair]] = {}
        for pair in self.pairs:
            pairs.setdefault(pair.code, []).append(pair)
        return {code: tuple(own) for code, own in pairs.items()}

    @cached_property
    def _first(self) -> tuple[int, ...]:
        """First output of each target, and the number of outputs."""
        return tuple(np.cumsum([0, *(len(target.values) for target in self.targets)]).tolist())

    def targets_of(self, dx_codes: Sequence[str]) -> NDArray[np.int64]:
        """Value of each target for a record with these labels; int64, shape (target,).

        Of several labels on one target the last in the header wins; without any, the target is 0.
        """
        values = np.zeros(len(self.targets), np.int64)
        for code in dx_codes:
            for pair in self._pairs_of.get(code, ()):
                values[pair.target] = pair.value
        return values

    def to_outputs(self, values: NDArray[np.integer]) -> NDArray[np.float32]:
        """What the outputs should be: 1 at each target's value, unless that is its null.

        Parameters
        ----------
        values : shape (record, target), see `targets_of`

        Returns
        -------
        float32 array, shape (record, output)
        """
        columns = [values[:, [n]] == np.array(target.values) for n, target in enumerate(self.targets)]
        return np.concatenate(columns, axis=1).astype(np.float32)

    def scores_of(self, outputs: NDArray[np.floating]) -> NDArray[np.float64]:
        """Score of every class: the product over its pairs; a null's is 1 less the target's other values.

        Parameters
        ----------
        outputs : shape (record, output), a score each; may exceed 1

        Returns
        -------
        float64 array, shape (record, code), columns as in `codes`
        """
        values = np.asarray(outputs, np.float64)
        factors = [[self._pair(pair, values) for pair in self._pairs_of[code]] for code in self.codes]
        return np.stack([np.prod(own, axis=0) for own in factors], axis=1)

    def labels_of(self, decided: NDArray[np.integer]) -> NDArray[np.uint8]:
        """Label of every class: whether all its pairs hold; a null holds where no other value of the target does.

        Parameters
        ----------
        decided : 0 or 1, shape (record, output)

        Returns
        -------
        uint8 array, shape (record, code), columns as in `codes`
        """
        values = np.asarray(decided, np.float64)
        holds = [[self._pair(pair, values) > 0 for pair in self._pairs_of[code]] for code in self.codes]
        return np.stack([np.all(own, axis=0) for own in holds], axis=1).astype(np.uint8)

    def _pair(self, pair: Pair, outputs: NDArray[np.float64]) -> NDArray[np.float64]:
        target, first, stop = self.targets[pair.target], self._first[pair.target], self._first[pair.target + 1]
        if pair.value == target.null:
            return 1.0 - outputs[:, first:stop].sum(axis=1)
        return outputs[:, first + target.values.index(pair.value)]


def parse_mapping(text: str, *, where: str = "out_layer.txt") -> OutputMapping:
    """Read an out_layer.txt.

    Raises
    ------
    ConfigError
        Naming the line that is not understood, or what does not fit.
    """
    head, *rest = text.splitlines() or [""]
    lines = [(number, line.partition("#")[0].strip()) for number, line in enumerate(rest, start=2)]
    lines = [(number, line) for number, line in lines if line]
    if not lines:
        raise ConfigError(f"{where}: {len(text.splitlines())} line(s); expected the layer's name and its targets")
    number, second = lines[0]
    targets = tuple(_parse_target(part, f"{where} line {number}") for part in second.split("/"))
    pairs = tuple(_parse_pair(line, f"{where} line {number}") for number, line in lines[1:])
    try:
        return OutputMapping(layer=head.strip(), targets=targets, pairs=pairs)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None


def _parse_target(text: str, where: str) -> Target:
    match = re.fullmatch(r"\s*(None|\d{1,9})\s*->\s*(\d{1,9})\s*", text)
    if match is None:
        raise ConfigError(f"{where}: {text!r}; expected null->maximum for each target, as in 0->1/None->3")
    null, maximum = match.groups()
    return Target(null=None if null == "None" else int(null), maximum=int(maximum))


def _parse_pair(line: str, where: str) -> Pair:
    code, *numbers = (part.strip() for part in line.split(","))
    if not code or len(numbers) != 2 or not all(re.fullmatch("[0-9]{1,9}", number) for number in numbers):
        raise ConfigError(f"{where}: {line!r}; expected code,target,value")
    return Pair(code=code, target=int(numbers[0]), value=int(numbers[1]))


def format_mapping(mapping: OutputMapping) -> str:
    """The text that `parse_mapping` reads back as the same mapping."""
    targets = "/".join(map(_format_target, mapping.targets))
    return "\n".join([mapping.layer, targets, *(f"{p.code},{p.target},{p.value}" for p in mapping.pairs)]) + "\n"


def _format_target(target: Target) -> str:
    return f"{target.null}->{target.maximum}"
