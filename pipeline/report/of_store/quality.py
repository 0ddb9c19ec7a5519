"""What the ingest found odd: flags by dataset and lead, recordings that are there twice, records that were left out."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecg12.cache.reader import Store
from ecg12.cache.schema import Reject
from ecg12.ecg.signals.duplicates import duplicates_of
from ecg12.ecg.signals.quality import LeadFlag
from ecg12.pipeline.report.of_store.counts import ByDataset


@dataclass(frozen=True, kw_only=True, slots=True)
class SameSamples:
    """Recordings that are equal sample for sample.

    Attributes
    ----------
    records : as dataset/name
    is_across : whether they are of several datasets
    differs : whether their labels differ
    """

    records: tuple[str, ...]
    is_across: bool
    differs: bool


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class QualityFigures:
    """The quality of a store's records.

    Attributes
    ----------
    names : datasets
    flags : names of `ecg.signals.quality.LeadFlag`, in its order, of those that occur
    n_records : records of each dataset
    n_flagged : of these, with any flag other than that there was no checksum to hold them against
    by_dataset : int array, shape (dataset, flag): records with such a lead
    by_lead : int array, shape (lead, flag): records whose lead has the flag
    n_invalid, n_clipped : samples of each dataset that were interpolated, and clipped
    duplicates : in text order
    rejects : by dataset, record
    reject_counts : stage → rejects
    """

    names: tuple[str, ...]
    leads: tuple[str, ...]
    flags: tuple[str, ...]
    n_records: tuple[int, ...]
    n_flagged: tuple[int, ...]
    by_dataset: NDArray[np.int64]
    by_lead: NDArray[np.int64]
    n_invalid: tuple[int, ...]
    n_clipped: tuple[int, ...]
    duplicates: tuple[SameSamples, ...]
    rejects: tuple[Reject, ...]
    reject_counts: Mapping[str, int]


def describe_oddities(store: Store, by: ByDataset) -> QualityFigures:
    """Count flags, samples that were changed, equal recordings and rejects."""
    lead_flags = store.column("record/lead_flags")
    # per_flag: (record, lead) for each flag
    per_flag = {flag: (lead_flags & flag.value) != 0 for flag in LeadFlag}
    occurring = [flag for flag, leads in per_flag.items() if leads.any()]
    n_flags = len(occurring)
    by_dataset = np.zeros((len(by.names), n_flags), np.int64)
    by_lead = np.zeros((len(store.leads), n_flags), np.int64)
    for column, flag in enumerate(occurring):
        by_dataset[:, column] = by.count(per_flag[flag].any(axis=1))
        by_lead[:, column] = per_flag[flag].sum(axis=0)
    rejects = tuple(Reject(**reject) for reject in store.attributes["rejects"])
    stages = sorted({reject.stage for reject in rejects})
    return QualityFigures(
        names=by.names,
        leads=store.leads,
        flags=tuple((flag.name or "").lower() for flag in occurring),
        n_records=by.count(),
        n_flagged=by.count(((lead_flags & ~np.uint16(LeadFlag.UNVERIFIED)) != 0).any(axis=1)),
        by_dataset=by_dataset,
        by_lead=by_lead,
        n_invalid=tuple(by.sum(store.column("record/n_invalid")).tolist()),
        n_clipped=tuple(by.sum(store.column("record/n_clipped")).tolist()),
        duplicates=_find_duplicates(store),
        rejects=rejects,
        reject_counts={stage: sum(reject.stage == stage for reject in rejects) for stage in stages},
    )


def _find_duplicates(store: Store) -> tuple[SameSamples, ...]:
    names = [f"{dataset}/{name}" for dataset, name in zip(store.datasets, store.names, strict=True)]
    found = duplicates_of(names, store.column("record/digest"), store.column("record/lead_flags"))
    if not found:
        return ()
    row_of = {name: row for row, name in enumerate(names)}
    matrix, datasets = store.column("label/matrix"), store.datasets
    same = []
    for records in found:
        rows = [row_of[name] for name in records]
        same.append(
            SameSamples(
                records=records,
                is_across=len({datasets[row] for row in rows}) > 1,
                differs=bool((matrix[rows] != matrix[rows[0]]).any()),
            )
        )
    return tuple(sorted(same, key=lambda entry: entry.records))
