"""Planned records one after another as files of this machine, those behind URLs fetched some ahead."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from ecg12.cache.storage.location import RemotePath
from ecg12.pipeline.runtime.prefetch import prefetch

if TYPE_CHECKING:
    from ecg12.pipeline.ingest.plan import PlannedRecord
from ecg12.pipeline.formats.wfdb.remote_records import fetch_record, laid_down

FETCHING_THREADS = 8


FETCHED_AHEAD = 16
"""Records: 2 MB of ten-second ones, 180 MB of half-hour ones."""


def records_at_hand(records: Sequence["PlannedRecord"]) -> Iterator["PlannedRecord"]:
    """The records one after another, each with a path on this machine that holds until the next is asked for."""
    remote = [record.path for record in records if isinstance(record.path, RemotePath)]
    if not remote:
        yield from records
        return
    jobs = (partial(fetch_record, path) for path in remote)
    with closing(prefetch(jobs, threads=min(FETCHING_THREADS, len(remote)), ahead=FETCHED_AHEAD)) as fetched:
        for record in records:
            if isinstance(record.path, RemotePath):
                with laid_down(record.path, next(fetched)) as local:
                    yield replace(record, path=local)
            else:
                yield record
