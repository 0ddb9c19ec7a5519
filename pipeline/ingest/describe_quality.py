"""What the ingest found wrong with the records of a store, by dataset."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecg12.cache.reader import Store
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
    return {
        dataset: DatasetQuality(
            n_records=len(rows),
            n_flagged=int((flags[rows] != 0).any(axis=1).sum()),
            n_rejected=int(store.attributes["datasets"][dataset]["rejects"]),
            n_invalid=int(store.column("record/n_invalid")[rows].sum()),
            n_clipped=int(store.column("record/n_clipped")[rows].sum()),
            flags=tuple(
                FlagCount(
                    flag=flag,
                    n_records=int(leads.any(axis=1).sum()),
                    n_leads=int(leads.sum()),
                    examples=tuple(store.names[rows[leads.any(axis=1)][:n_examples]]),
                )
                for flag, leads in leads_flagged(flags[rows]).items()
                if leads.any()
            ),
        )
        for dataset, rows in rows_by_dataset(store).items()
    }


def rows_by_dataset(store: Store) -> dict[str, NDArray[np.intp]]:
    """The records of each dataset of a store, those whose records were all rejected among them; names in order."""
    return {dataset: np.flatnonzero(store.datasets == dataset) for dataset in sorted(store.attributes["datasets"])}


def leads_flagged(flags: NDArray[np.uint16]) -> dict[str, NDArray[np.bool_]]:
    """Which leads of which records carry each flag.

    Parameters
    ----------
    flags : of records, shape (record, lead); see `ecg.signals.quality.LeadFlag`

    Returns
    -------
    flag's name → bool array, shape (record, lead)
    """
    return {(flag.name or "").lower(): (flags & flag.value) != 0 for flag in LeadFlag}
