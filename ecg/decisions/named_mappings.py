"""Output mappings that have a name: softmax, sigmoid, challenge_sigmoid and cpsc; any other comes from a file.

Codes of one class are one to the network: they share an output, as the official evaluator merges them.
"""

from collections.abc import Callable, Sequence

from ecg12.ecg.decisions.output_mapping import OutputMapping, Pair, Target
from ecg12.ecg.decisions.output_parts import LayerPart, format_layer
from ecg12.ecg.errors import ConfigError
from ecg12.ecg.labels.class_columns import ClassColumns
from ecg12.ecg.labels.snomed import CHALLENGE_COLUMNS, SCORED_CODES, TEXT_LABELS

CPSC_GROUPS: tuple[tuple[str, ...], ...] = (("AF", "I-AVB"), ("RBBB", "LBBB"), ("PAC",), ("PVC",), ("STD",), ("STE",))
"""The eight findings of CPSC 2018 beside the normal rhythm; of those in a group a record has one at most."""

CPSC_ALIASES: dict[str, tuple[str, ...]] = {
    "RBBB": ("713427006",),
    "PAC": ("63593006",),
    "PVC": ("427172004", "17338001"),
}
"""Codes that other datasets use for the same finding (PVC is 164884008 in CPSC's own headers)."""


def softmax_mapping(codes: Sequence[str], by_class: ClassColumns) -> OutputMapping:
    """One target: one class of `codes`, or none of them."""
    value = {kept: number for number, kept in enumerate(_kept(codes, by_class), start=1)}
    return OutputMapping(
        layer="softmax",
        targets=(Target(null=0, maximum=len(value)),),
        pairs=tuple(Pair(code, 0, value[by_class.class_of(code)]) for code in codes),
    )


def sigmoid_mapping(codes: Sequence[str], by_class: ClassColumns) -> OutputMapping:
    """Every class of `codes` for itself."""
    target = {kept: number for number, kept in enumerate(_kept(codes, by_class))}
    return OutputMapping(
        layer="sigmoid",
        targets=(Target(null=0, maximum=1),) * len(target),
        pairs=tuple(Pair(code, target[by_class.class_of(code)], 1) for code in codes),
    )


def standard_softmax_mapping(codes: Sequence[str], by_class: ClassColumns) -> OutputMapping:
    """One target: one class of `codes`, always."""
    value = {kept: number for number, kept in enumerate(_kept(codes, by_class))}
    return OutputMapping(
        layer="standard_softmax",
        targets=(Target(null=None, maximum=len(value) - 1),),
        pairs=tuple(Pair(code, 0, value[by_class.class_of(code)]) for code in codes),
    )


def cpsc_mapping() -> OutputMapping:
    """The nine classes of CPSC 2018; normal where none of the other eight is."""
    pairs = [
        Pair(code, target, value)
        for target, group in enumerate(CPSC_GROUPS)
        for value, label in enumerate(group, start=1)
        for code in (TEXT_LABELS[label], *CPSC_ALIASES.get(label, ()))
    ]
    normal = [Pair(TEXT_LABELS["Normal"], target, 0) for target in range(len(CPSC_GROUPS))]
    return OutputMapping(
        layer=CPSC_LAYER,
        targets=tuple(Target(null=0, maximum=len(group)) for group in CPSC_GROUPS),
        pairs=(*pairs, *normal),
    )


CPSC_LAYER = format_layer((LayerPart("softmax", 2), LayerPart("softmax", 2), LayerPart("sigmoid", 4)))

NAMED: dict[str, Callable[[Sequence[str], ClassColumns], OutputMapping]] = {
    "softmax": softmax_mapping,
    "sigmoid": sigmoid_mapping,
    "standard_softmax": standard_softmax_mapping,
    "challenge_sigmoid": lambda codes, by_class: sigmoid_mapping(SCORED_CODES, CHALLENGE_COLUMNS),
    "cpsc": lambda codes, by_class: cpsc_mapping(),
}


def named_mapping(
    name: str, codes: Sequence[str] = SCORED_CODES, by_class: ClassColumns = CHALLENGE_COLUMNS
) -> OutputMapping:
    """The mapping called `name`; `codes`, by class, are what the softmaxes and sigmoid are made for.

    Raises
    ------
    ConfigError
        If no mapping has that name.
    """
    if name not in NAMED:
        raise ConfigError(f"output mapping {name!r} not known; expected {', '.join(NAMED)}, or a file")
    return NAMED[name](codes, by_class)


def _kept(codes: Sequence[str], by_class: ClassColumns) -> list[str]:
    """What stands for the codes, each once, in their order."""
    return list(dict.fromkeys(map(by_class.class_of, codes)))
