"""What the ingest found wrong with the records of a store, by dataset."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ecg12.cache.several_stores import Locations, open_stores
from ecg12.ecg.signals.quality import LeadFlag


@dataclass(frozen=True, kw_only=True, slots=True)
class FlagCount:
    """How many records and leads carry a flag, and the first records that do."""

    flag: str
    n_records: int
    n_leads: int
    examples: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class DatasetQuality:
    """One dataset: its records, those with any flag, and samples interpolated and clipped."""

    n_records: int
    n_flagged: int
    n_rejected: int
    n_invalid: int
    n_clipped: int
    flags: tuple[FlagCount, ...]


def describe_quality(stores: Locations, *, n_examples: int = 3) -> Mapping[str, DatasetQuality]:
    """Count flags by dataset, of a store or of several as one; only those that occur.

    Raises
    ------
    StoreError
        If there is no complete store of this version, or a record is in two of them.
    ConfigError
        If the stores do not go together.
    """
    store = open_stores(stores)
    flags = store.column("record/lead_flags")
    figures = store.attributes["datasets"]
    found = {}
    for dataset in sorted(figures):
        mine = np.flatnonzero(store.datasets == dataset)
        counts = []
        for flag in LeadFlag:
            leads = (flags[mine] & flag.value) != 0
            rows = mine[leads.any(axis=1)]
            if len(rows):
                counts.append(
                    FlagCount(
                        flag=(flag.name or "").lower(),
                        n_records=len(rows),
                        n_leads=int(leads.sum()),
                        examples=tuple(store.names[rows[:n_examples]]),
                    )
                )
        found[dataset] = DatasetQuality(
            n_records=len(mine),
            n_flagged=int((flags[mine] != 0).any(axis=1).sum()),
            n_rejected=int(figures[dataset]["rejects"]),
            n_invalid=int(store.column("record/n_invalid")[mine].sum()),
            n_clipped=int(store.column("record/n_clipped")[mine].sum()),
            flags=tuple(counts),
        )
    return found
