"""What a training aims at: the outputs' meaning, the labels of every record as outputs, and what is judged."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecg12.cache.reader import Store
from ecg12.cache.storage.small_file import read_small_text
from ecg12.ecg.decisions.named_mappings import NAMED, named_mapping
from ecg12.ecg.decisions.output_mapping import OutputMapping, Pair, Target, parse_mapping
from ecg12.ecg.decisions.output_parts import LayerPart
from ecg12.ecg.decisions.reference_rules import compute_correction
from ecg12.ecg.errors import ConfigError, EcgError
from ecg12.ecg.plugin_names import is_plugin_name
from ecg12.ecg.tasks.task import NUMBER, Task
from ecg12.ecg.tasks.truth import TaskLabels
from ecg12.pipeline.runs.train_config import TrainConfig
from ecg12.pipeline.tasks.stored_labels import labels_of

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Targets:
    """What a network is to say of a store's records.

    Attributes
    ----------
    task : what it is all for
    mapping : what its outputs stand for
    labels : float32 (row of the store, output), 1 where the output should be, NaN where that is not known
    correction : float64 (output,): factor of each output's score
    columns : codes that predictions have a column for
    classes : what these stand for, each once, the task's own first: what validation judges
    truth : uint8 (row of the store, class)
    labelled : bool (row of the store,): records that the task is about
    known : bool (row of the store, class): where the truth is known; None for all
    number : float64 (row of the store,) of a task that tells a number, else None
    """

    task: Task
    mapping: OutputMapping
    labels: NDArray[np.float32]
    correction: NDArray[np.float64]
    columns: tuple[str, ...]
    classes: tuple[str, ...]
    truth: NDArray[np.uint8]
    labelled: NDArray[np.bool_]
    known: NDArray[np.bool_] | None = None
    number: NDArray[np.float64] | None = None


def make_targets(
    store: Store,
    task: Task,
    config: TrainConfig,
    mapping: OutputMapping | None = None,
    held_out: NDArray[np.integer] | None = None,
) -> Targets:
    """What `config` wants a network to say of the records of `store`; `mapping` is that of a run to go on with.

    `held_out` are rows that are tested on: how often a class occurs in them must not be known before.

    Raises
    ------
    ConfigError
        If the output mapping cannot be had, or has none of the store's labels; or the store lacks the task's column.
    StoreError
        If the order of a record's labels decides, and the store does not have it.
    """
    found = labels_of(store, task)
    if task.kind == NUMBER:
        return _number_targets(store, task, found)
    codes, matrix, rank = _class_table(store, task, found)
    if mapping is None:
        mapping = choose_mapping(config.output_layer, config.train_classes, codes, task)
    if not set(mapping.codes) & set(codes):
        raise ConfigError(
            f"{store.path}: none of its labels is one of the {len(mapping.codes)} classes of output layer "
            f"{config.output_layer}, task {task.name}; expected labels to learn from: name another --task, or build "
            "the store with --labels"
        )
    labels = mapping.to_outputs(target_values(codes, matrix, mapping, rank))
    labelled = found.labelled.copy()
    if held_out is not None:
        labelled[held_out] = False
    # a record without a label says nothing of how often a class occurs
    frequency = labels[labelled].mean(axis=0, dtype=np.float64)
    smallest, largest = config.correction_limits
    columns = prediction_columns(task, config.valid_classes, codes)
    classes = task.by_class.merged(columns)
    return Targets(
        task=task,
        mapping=mapping,
        labels=_hide_unknown(labels, mapping, task, found),
        correction=compute_correction(frequency, config.correction_factor, (smallest, largest)),
        columns=columns,
        classes=classes,
        truth=task.by_class.merge_labels(codes, matrix, classes),
        labelled=found.labelled,
        known=_known_of(found, len(classes)),
    )


def _class_table(
    store: Store, task: Task, found: TaskLabels
) -> tuple[tuple[str, ...], NDArray[np.uint8], Callable[[], NDArray[np.uint8]] | None]:
    """Codes, which records have them, and in which order: the store's own, where classes are codes and no more."""
    if task.is_by_code:
        return tuple(map(str, store.column("label/code"))), store.column("label/matrix"), store.label_rank
    matrix = found.matrix * found.labelled[:, None].astype(np.uint8)
    return task.codes, matrix, None


def _number_targets(store: Store, task: Task, found: TaskLabels) -> Targets:
    assert found.number is not None
    assert task.number is not None
    layer = LayerPart("number", 1, task.number.centre, task.number.scale).name
    mapping = OutputMapping(layer=layer, targets=(Target(null=0, maximum=1),), pairs=(Pair(task.codes[0], 0, 1),))
    return Targets(
        task=task,
        mapping=mapping,
        labels=found.number[:, None].astype(np.float32),
        correction=np.ones(1),
        columns=task.columns,
        classes=task.codes,
        truth=np.zeros((store.n_records, 1), np.uint8),
        labelled=found.labelled,
        number=found.number,
    )


def _hide_unknown(
    labels: NDArray[np.float32], mapping: OutputMapping, task: Task, found: TaskLabels
) -> NDArray[np.float32]:
    """The labels with NaN where a record's class is not known.

    Raises
    ------
    ConfigError
        If outputs do not decide each for itself: what is one of several cannot be known in part.
    """
    if found.known is None:
        return labels
    if mapping.layer != "sigmoid":
        raise ConfigError(
            f"task {task.name}: labels that are not known are for output layer sigmoid, not {mapping.layer}"
        )
    place = {code: number for number, code in enumerate(task.codes)}
    for number, code in enumerate(code_of_outputs(mapping)):
        own = place.get(task.by_class.class_of(code or ""))
        if own is not None:
            labels[~found.known[:, own], number] = np.nan
    return labels


def _known_of(found: TaskLabels, n_classes: int) -> NDArray[np.bool_] | None:
    """Of the task's classes and those beyond, of which everything is known."""
    if found.known is None:
        return None
    beyond = np.ones((len(found.known), n_classes - found.known.shape[1]), bool)
    return np.concatenate([found.known, beyond], axis=1)


def prediction_columns(task: Task, valid_classes: str, codes_of_store: Sequence[str]) -> tuple[str, ...]:
    """The codes that predictions have a column for: the task's ("scored"), or with the store's ("dset")."""
    if valid_classes == "scored":
        return task.columns
    return (*task.columns, *(code for code in codes_of_store if code not in task.columns))


def choose_mapping(output_layer: str, train_classes: str, codes: tuple[str, ...], task: Task) -> OutputMapping:
    """The mapping of that name over the task's classes or those of the store, or the one in a file.

    A plugin's output layer, by name, decides on each of these classes for itself, as sigmoid does.

    Raises
    ------
    ConfigError
        If there is neither.
    """
    if is_plugin_name(output_layer):
        return replace(choose_mapping("sigmoid", train_classes, codes, task), layer=output_layer)
    if output_layer in NAMED:
        unwritable = [code for code in codes if train_classes == "dset" and set(code) & set("#,")]
        if unwritable:
            raise ConfigError(
                f"label {unwritable[0]!r} cannot stand in out_layer.txt; expected codes without # and comma: take "
                "--train-classes scored, or a mapping file"
            )
        return named_mapping(output_layer, task.columns if train_classes == "scored" else codes, task.by_class)
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


def target_values(
    codes: Sequence[str],
    matrix: NDArray[np.uint8],
    mapping: OutputMapping,
    rank: Callable[[], NDArray[np.uint8]] | None,
) -> NDArray[np.int64]:
    """Value of each target for every record, int64 (record, target).

    Of several labels on one target the last in the header wins; without any, the target is 0.

    Parameters
    ----------
    matrix : 0 or 1, shape (record, code)
    rank : gives the place of each code among a record's labels, same shape, where it is needed; None without any order

    Raises
    ------
    ConfigError, StoreError
        If a record has labels of different values on one target, and their order is not known.
    """
    column = {code: number for number, code in enumerate(codes)}
    values = np.zeros((len(matrix), len(mapping.targets)), np.int64)
    for number in range(len(mapping.targets)):
        own = [pair for pair in mapping.pairs if pair.target == number and pair.code in column]
        pairs = [(column[pair.code], pair.value) for pair in own]
        values[:, number] = _last_of(matrix, pairs, rank)
    return values


def _last_of(
    matrix: NDArray[np.uint8], pairs: list[tuple[int, int]], rank: Callable[[], NDArray[np.uint8]] | None
) -> NDArray[np.int64]:
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
        if rank is None:
            raise ConfigError(
                f"{len(conflict)} records have several of the classes that an output layer decides between; expected "
                "one each: take --output-layer sigmoid, or a task that is one-of-many"
            )
        # 0 where it is not stated, so never the largest
        ranks = rank()[np.ix_(conflict, columns)]
        # of a code's several pairs the last counts, as in `OutputMapping.targets_of`
        last = ranks.shape[1] - 1 - ranks[:, ::-1].argmax(axis=1)
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
    if targets.number is not None:
        return
    seen: NDArray[np.bool_] = np.any(targets.labels[rows] > 0, axis=0)
    if not seen.any():
        raise ConfigError(
            f"{store.path}: none of the {len(rows)} records to train on has one of the model's classes; expected "
            "positives: take other records, --train-classes dset, or a mapping file"
        )
    if not seen.all():
        missing = [
            name for name, there in zip(output_names(targets.mapping, targets.task), seen, strict=True) if not there
        ]
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


def output_names(mapping: OutputMapping, task: Task) -> list[str]:
    """What to call each output: the abbreviation of a code that needs it."""
    names = []
    for number, target in enumerate(mapping.targets):
        for value in target.values:
            code = next((p.code for p in mapping.pairs if (p.target, p.value) == (number, value)), None)
            names.append(f"target {number} value {value}" if code is None else task.abbreviation_of(code))
    return names
