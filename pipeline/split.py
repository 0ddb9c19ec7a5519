"""Which records train and which validate: from groups and seed only, never from the order of a listing."""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ecg.errors import ConfigError


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
