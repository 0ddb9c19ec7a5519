"""Recordings that are the same samples under different names, and the groups that they make one."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from ecg12.ecg.signals.quality import LeadFlag


def duplicates_of(
    names: Iterable[str], digests: Iterable[str], lead_flags: Iterable[Sequence[int]] | NDArray[np.uint16]
) -> tuple[tuple[str, ...], ...]:
    """Recordings with the same samples: each tuple names them in order; all-flat ones never count.

    Parameters
    ----------
    names : of the recordings, each once
    digests : of each one's source samples
    lead_flags : each one's quality flags, shape (recording, lead)
    """
    digests = list(digests)
    times = Counter(digests)
    by_digest: dict[str, list[str]] = defaultdict(list)
    # nearly all occur once, and are left alone before anything is sorted
    entries = (entry for entry in zip(names, digests, lead_flags, strict=True) if times[entry[1]] > 1)
    for name, digest, flags in sorted(entries, key=lambda entry: entry[0]):
        if not all(flag & LeadFlag.FLAT for flag in flags):
            by_digest[digest].append(name)
    return tuple(tuple(same) for same in by_digest.values() if len(same) > 1)


def unite_groups(together: Iterable[Collection[str]]) -> dict[str, str]:
    """Group → the one that it becomes, for each group that changes: the first in text order of all it is joined to.

    Parameters
    ----------
    together : groups that are one; what is common to two entries joins them, too
    """
    leader: dict[str, str] = {}

    def find(group: str) -> str:
        while leader.get(group, group) != group:
            group = leader[group]
        return group

    for groups in together:
        first, *others = sorted({find(group) for group in groups})
        for group in others:
            leader[group] = first
    return {group: find(group) for group in leader}
