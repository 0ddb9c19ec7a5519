"""Which records train, validate and test: from groups, labels and seed only, never from the order of a listing.

A plain split validates on some groups. A fold, or a dataset that is left out, is tested on: then a share of the
*other* records validates, so that the best epoch and the thresholds are never chosen on what is reported.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecg12.ecg.errors import ConfigError
from ecg12.pipeline.runs.hold_out import HoldOut
from ecg12.pipeline.training.folds import categories_of, deal_groups


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Sides:
    """Who trains, validates and tests; bool arrays, shape (record,).

    A record on no side shares its group with a dataset that is left out.
    """

    train: NDArray[np.bool_]
    valid: NDArray[np.bool_]
    test: NDArray[np.bool_]


def hold_out(
    groups: Sequence[str] | NDArray[np.object_],
    datasets: Sequence[str] | NDArray[np.object_],
    labels: NDArray[np.integer],
    what: HoldOut,
    *,
    seed: int,
    valid_split: float,
) -> Sides:
    """Sides of a cross-validation: a test side, and the rest split into training and validation.

    Folds, and the validation records within the rest, have every class and every dataset in even shares, as far
    as whole groups allow.

    Parameters
    ----------
    groups, datasets : of each record, shape (record,)
    labels : 0/1 array, shape (record, class)
    valid_split : share of the records beside the test side to validate on, 0 to below 1

    Raises
    ------
    ConfigError
        If nothing is to be held out, there is no such dataset, or too few groups are there.
    """
    if not 0 <= valid_split < 1:
        raise ConfigError(f"valid_split is {valid_split}; expected 0 or more and below 1 beside a test side")
    groups = np.asarray(groups, object).astype(str)
    datasets = np.asarray(datasets, object).astype(str)
    if what.folds is not None:
        dealt = deal_groups(groups, categories_of(labels, datasets), [1.0] * what.folds, seed=seed)
        test = dealt == what.fold
        rest = ~test
    else:
        test = _in_dataset(datasets, what.leave_out)
        rest = ~test & ~np.isin(groups, groups[test])
        if not rest.any():
            raise ConfigError(f"without {what.leave_out} no record is left to train on; expected other datasets")
    valid = np.zeros(len(test), bool)
    if valid_split:
        dealt = deal_groups(
            groups[rest], categories_of(labels[rest], datasets[rest]), [1 - valid_split, valid_split], seed=seed
        )
        valid[rest] = dealt == 1
    return Sides(train=rest & ~valid, valid=valid, test=test)


def _in_dataset(datasets: NDArray[Any], name: str | None) -> NDArray[np.bool_]:
    found = datasets == name
    if not name or not found.any():
        there = ", ".join(filter(None, np.unique(datasets)))
        raise ConfigError(f"leave_out is {name!r}; expected what labelled records have: {there}")
    return found


def split_by_group(groups: Sequence[str] | NDArray[np.object_], *, seed: int, valid_split: float) -> NDArray[np.bool_]:
    """Choose validation records, whole groups at a time.

    Groups are taken in the order of SHA-256(seed, group) until `valid_split` of the records are in.

    Parameters
    ----------
    groups : the group of each record, shape (record,)
    valid_split : share of the records to validate on, 0 to 1

    Returns
    -------
    bool array, shape (record,), True where the record validates

    Raises
    ------
    ConfigError
        If `valid_split` is out of range, or leaves nothing to train on or to validate on.
    """
    if not 0 <= valid_split < 1:
        raise ConfigError(f"valid_split is {valid_split}; expected 0 or more and below 1")
    names, member, sizes = np.unique(np.asarray(groups, object).astype(str), return_inverse=True, return_counts=True)
    order = sorted(range(len(names)), key=lambda i: hashlib.sha256(f"{seed}\0{names[i]}".encode()).digest())
    wanted = round(valid_split * len(member))
    # a group joins while it brings the count nearer to what is wanted
    chosen = np.zeros(len(names), bool)
    n_chosen = 0
    for number in order:
        if n_chosen >= wanted:
            break
        if n_chosen + sizes[number] - wanted <= wanted - n_chosen:
            chosen[number] = True
            n_chosen += int(sizes[number])
    valid = chosen[member]
    if valid.all() or (wanted and not valid.any()):
        raise ConfigError(
            f"{len(member)} records in {len(names)} groups cannot be split {1 - valid_split:g} to {valid_split:g}; "
            "expected more groups, or another --valid-split"
        )
    return valid
