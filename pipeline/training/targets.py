"""What a training aims at: the outputs' meaning, the labels of every record as outputs, and what is judged."""

import logging
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecg12.cache.reader import Store
from ecg12.cache.storage.small_file import read_small_text
from ecg12.ecg.decisions.named_mappings import NAMED, named_mapping
from ecg12.ecg.decisions.output_mapping import OutputMapping, parse_mapping
from ecg12.ecg.decisions.reference_rules import compute_correction
from ecg12.ecg.errors import ConfigError, EcgError
from ecg12.ecg.labels.class_columns import merge_labels, merged_classes, prediction_columns
from ecg12.ecg.labels.snomed import SCORED_CODES, abbreviation_of
from ecg12.ecg.plugin_names import is_plugin_name
from ecg12.pipeline.runs.train_config import TrainConfig

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Targets:
    """What a network is to say of a store's records.

    Attributes
    ----------
    mapping : what its outputs stand for
    labels : float32 (row of the store, output), 1 where the output should be
    correction : float64 (output,): factor of each output's score
    columns : codes that predictions have a column for
    classes : what these stand for, each once: what validation judges
    truth : uint8 (row of the store, class)
    """

    mapping: OutputMapping
    labels: NDArray[np.float32]
    correction: NDArray[np.float64]
    columns: tuple[str, ...]
    classes: tuple[str, ...]
    truth: NDArray[np.uint8]


def make_targets(
    store: Store,
    config: TrainConfig,
    mapping: OutputMapping | None = None,
    held_out: NDArray[np.integer] | None = None,
) -> Targets:
    """What `config` wants a network to say of the records of `store`; `mapping` is that of a run to go on with.

    `held_out` are rows that are tested on: how often a class occurs in them must not be known before.

    Raises
    ------
    ConfigError
        If the output mapping cannot be had, or has none of the store's labels.
    StoreError
        If the order of a record's labels decides, and the store does not have it.
    """
    codes = tuple(map(str, store.column("label/code")))
    if mapping is None:
        mapping = choose_mapping(config.output_layer, config.train_classes, codes)
    if not set(mapping.codes) & set(codes):
        raise ConfigError(
            f"{store.path}: none of its labels is one of the {len(mapping.codes)} classes of output layer "
            f"{config.output_layer}; expected labels to learn from: take --train-classes dset, or a mapping file"
        )
    labels = mapping.to_outputs(target_values(store, mapping))
    annotated = store.column("label/annotated").astype(bool)
    if held_out is not None:
        annotated[held_out] = False
    # a record without a label says nothing of how often a class occurs
    frequency = labels[annotated].mean(axis=0, dtype=np.float64)
    smallest, largest = config.correction_limits
    columns = prediction_columns(config.valid_classes, codes)
    classes = merged_classes(columns)
    return Targets(
        mapping=mapping,
        labels=labels,
        correction=compute_correction(frequency, config.correction_factor, (smallest, largest)),
        columns=columns,
        classes=classes,
        truth=merge_labels(codes, store.column("label/matrix"), classes),
    )


def choose_mapping(output_layer: str, train_classes: str, codes: tuple[str, ...]) -> OutputMapping:
    """The mapping of that name over the scored classes or those of the store, or the one in a file.

    A plugin's output layer, by name, decides on each of these classes for itself, as sigmoid does.

    Raises
    ------
    ConfigError
        If there is neither.
    """
    if is_plugin_name(output_layer):
        return replace(choose_mapping("sigmoid", train_classes, codes), layer=output_layer)
    if output_layer in NAMED:
        unwritable = [code for code in codes if train_classes == "dset" and set(code) & set("#,")]
        if unwritable:
            raise ConfigError(
                f"label {unwritable[0]!r} cannot stand in out_layer.txt; expected codes without # and comma: take "
                "--train-classes scored, or a mapping file"
            )
        return named_mapping(output_layer, SCORED_CODES if train_classes == "scored" else codes)
    path = Path(output_layer)
    try:
        return parse_mapping(read_small_text(path), where=str(path))
    except FileNotFoundError:
        raise ConfigError(
            f"output layer {output_layer!r}: no such file; expected {', '.join(NAMED)}, or a file, or a plugin's name"
        ) from None
    except (OSError, ValueError) as error:
        if isinstance(error, EcgError):
            raise
        raise ConfigError(f"output layer {output_layer!r}: cannot be read ({error})") from error


def target_values(store: Store, mapping: OutputMapping) -> NDArray[np.int64]:
    """Value of each target for every record, int64 (row of the store, target).

    Of several labels on one target the last in the header wins; without any, the target is 0.

    Raises
    ------
    StoreError
        If a record has labels of different values on one target, and the store does not keep their order.
    """
    column = {str(code): number for number, code in enumerate(store.column("label/code"))}
    matrix = store.column("label/matrix")
    values = np.zeros((store.n_records, len(mapping.targets)), np.int64)
    for number in range(len(mapping.targets)):
        own = [pair for pair in mapping.pairs if pair.target == number and pair.code in column]
        pairs = [(column[pair.code], pair.value) for pair in own]
        values[:, number] = _last_of(store, matrix, pairs)
    return values


def _last_of(store: Store, matrix: NDArray[np.uint8], pairs: list[tuple[int, int]]) -> NDArray[np.int64]:
    """Value of one target for every record; `pairs` are (column of the label, value)."""
    result = np.zeros(len(matrix), np.int64)
    if not pairs:
        return result
    columns, value = (np.array(part) for part in zip(*pairs, strict=True))
    # stated: (record, pair)
    stated = matrix[:, columns] == 1
    lowest = np.where(stated, value, np.iinfo(np.int64).max).min(axis=1)
    highest = np.where(stated, value, -1).max(axis=1)
    any_stated = highest >= 0
    result[any_stated] = highest[any_stated]
    conflict = np.flatnonzero(any_stated & (lowest < highest))
    if len(conflict):
        # 0 where it is not stated, so never the largest
        rank = store.label_rank()[np.ix_(conflict, columns)]
        # of a code's several pairs the last counts, as in `OutputMapping.targets_of`
        last = rank.shape[1] - 1 - rank[:, ::-1].argmax(axis=1)
        result[conflict] = value[last]
    return result


def warn_of_missing_classes(targets: Targets, rows: NDArray[np.int64], store: Store) -> None:
    """Say which outputs no training record shows.

    Raises
    ------
    ConfigError
        If there are training records, and none shows any.
    """
    if not len(rows):
        return
    seen: NDArray[np.bool_] = np.any(targets.labels[rows], axis=0)
    if not seen.any():
        raise ConfigError(
            f"{store.path}: none of the {len(rows)} records to train on has one of the model's classes; expected "
            "positives: take other records, --train-classes dset, or a mapping file"
        )
    if not seen.all():
        missing = [name for name, there in zip(output_names(targets.mapping), seen, strict=True) if not there]
        logger.warning(
            "no positive among the %d records to train on for %s: such an output learns to stay low",
            len(rows),
            ", ".join(missing),
        )


def code_of_outputs(mapping: OutputMapping) -> list[str | None]:
    """For each output the first code that needs it; None where none does."""
    return [
        next((pair.code for pair in mapping.pairs if (pair.target, pair.value) == (number, value)), None)
        for number, target in enumerate(mapping.targets)
        for value in target.values
    ]


def output_names(mapping: OutputMapping) -> list[str]:
    """What to call each output: the abbreviation of a code that needs it."""
    names = []
    for number, target in enumerate(mapping.targets):
        for value in target.values:
            code = next((p.code for p in mapping.pairs if (p.target, p.value) == (number, value)), None)
            names.append(f"target {number} value {value}" if code is None else abbreviation_of(code))
    return names
