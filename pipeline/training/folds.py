"""Records dealt to folds: whole groups, every class and dataset spread evenly, the same for ever.

Iterative stratification: the category with the fewest records left is dealt first, because a common one can
still be evened out later and a rare one cannot. What is dealt are groups, not records, so a fold may be off by
what its last group held too much. Nothing depends on the order of records: groups are visited in the order of
SHA-256(seed, group).

Source: Sechidis, Tsoumakas and Vlahavas, On the Stratification of Multi-label Data, ECML PKDD 2011; there with
records where groups are here.
"""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ecg12.ecg.errors import ConfigError


def deal_groups(
    groups: Sequence[str] | NDArray[np.object_], categories: ArrayLike, shares: Sequence[float], *, seed: int
) -> NDArray[np.int64]:
    """Deal records to parts of the given sizes, whole groups at a time, each category evenly.

    Parameters
    ----------
    groups : the group of each record, shape (record,)
    categories : 0/1 array, shape (record, category): what is to be even, see `categories_of`
    shares : size of each part relative to the others, positive

    Returns
    -------
    int64 array, shape (record,): the part of each record

    Raises
    ------
    ConfigError
        If there are fewer groups than parts, or a part would be empty.
    """
    names, member = np.unique(np.asarray(groups, object).astype(str), return_inverse=True)
    order = sorted(range(len(names)), key=lambda i: hashlib.sha256(f"{seed}\0{names[i]}".encode()).digest())
    place = np.empty(len(names), np.int64)
    place[order] = np.arange(len(names))
    counts = _count(place[member], np.asarray(categories, bool), len(names))
    part = _deal(counts, np.asarray(shares, np.float64))
    if len(names) < len(shares) or len(np.unique(part)) < len(shares):
        raise ConfigError(
            f"{len(member)} records in {len(names)} groups cannot be dealt to {len(shares)} parts; expected at least "
            "one group of fitting size for each: take fewer folds"
        )
    return part[place[member]]


def categories_of(labels: ArrayLike, datasets: Sequence[str] | NDArray[np.object_]) -> NDArray[np.bool_]:
    """What folds are to have in equal shares: each class, and each dataset.

    Parameters
    ----------
    labels : 0/1 array, shape (record, class)
    datasets : shape (record,)

    Returns
    -------
    bool array, shape (record, class + dataset), datasets by name
    """
    _, of_record = np.unique(np.asarray(datasets, object).astype(str), return_inverse=True)
    in_dataset = of_record[:, None] == np.arange(of_record.max(initial=-1) + 1)
    return np.hstack([np.asarray(labels, bool), in_dataset])


def _count(group: NDArray[np.int64], categories: NDArray[np.bool_], n_groups: int) -> NDArray[np.int64]:
    """Records of each group in each category, and in the last column all of them."""
    whole = np.ones((len(group), 1), bool)
    counts = np.zeros((n_groups, categories.shape[1] + 1), np.int64)
    np.add.at(counts, group, np.hstack([categories, whole]).astype(np.int64))
    return counts


def _deal(counts: NDArray[np.int64], shares: NDArray[np.float64]) -> NDArray[np.int64]:
    """The part of each group; `counts`: (group, category), the last category holding every record."""
    wanted = np.outer(shares / shares.sum(), counts.sum(axis=0))  # (part, category)
    part = np.full(len(counts), -1, np.int64)
    left = counts.sum(axis=0)
    while left.any():
        category = int(np.argmin(np.where(left > 0, left, np.iinfo(np.int64).max)))
        waiting = np.flatnonzero((part < 0) & (counts[:, category] > 0))
        # the largest first, for the small ones even out what these leave; equal ones in the order of their hashes
        size, whole = counts[waiting, category], counts[waiting, -1]
        for group in waiting[np.lexsort((waiting, -whole, -size))]:
            part[group] = chosen = _neediest(wanted, category)
            wanted[chosen] -= counts[group]
        left = left - counts[waiting].sum(axis=0)
    return part


def _neediest(wanted: NDArray[np.float64], category: int) -> int:
    """The part that lacks most of a category; of equal ones the one that lacks most records, then the first."""
    need = np.round(wanted[:, category], 6)  # so that sums in another order do not choose
    tied = np.flatnonzero(need == need.max())
    return int(tied[np.argmax(np.round(wanted[tied, -1], 6))])
