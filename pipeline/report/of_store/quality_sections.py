"""Sections of a store's report about what is odd in it, and about the store itself."""

from typing import Any

import numpy as np

from ecg12.cache.checksum import DIGEST_ATTRIBUTE
from ecg12.cache.reader import Store
from ecg12.cache.several_stores import members_of
from ecg12.cache.storage.location import file_sizes
from ecg12.ecg.signals.recording import USUAL_SCALE_UV
from ecg12.pipeline.report.drawing.charts import heat_map
from ecg12.pipeline.report.drawing.markup import Markup, each, element, join
from ecg12.pipeline.report.drawing.page import Section
from ecg12.pipeline.report.drawing.tables import make_facts, make_table
from ecg12.pipeline.report.of_store.quality import QualityFigures
from ecg12.pipeline.report.of_store.records import RecordFigures
from ecg12.pipeline.report.of_store.sections import SPREAD, spread_cells

MOST_LISTED = 50
"""Duplicates, and rejects, that a page lists."""

MEANINGS = {
    "invalid": "samples that were not recorded; interpolated",
    "clipped": "samples beyond ±32.767 mV; clipped",
    "flat": "the lead does not vary",
    "railed": "samples stuck at the limit of the file's format",
    "einthoven": "lead II is not I + III",
    "offset": "the lead's median lies beyond ±10 mV; it is taken off",
    "gain_corrected": "the header states another gain than the true one of its dataset, which is used",
    "checksum": "the samples are not those that the header's checksum was made of",
    "unverified": "the header has no checksum",
    "derived": "the source lacks the lead, which was calculated from two others",
    "absent": "the source lacks the lead, and zeros stand for it",
}
"""What each flag of `ecg.signals.quality.LeadFlag` says, in words."""


def quality_section(quality: QualityFigures, records: RecordFigures) -> Section:
    """Flags by dataset and lead, samples that were changed, amplitudes."""
    return Section(
        title="Quality",
        lead="What the ingest found. No flag removes a record: who reads the store decides.",
        body=join(
            _flags_table(quality),
            _leads_map(quality),
            _samples_table(quality),
            _amplitudes_table(quality, records),
        ),
    )


def duplicates_section(quality: QualityFigures) -> Section:
    """Recordings that are equal sample for sample."""
    n_differing = sum(same.differs for same in quality.duplicates)
    n_across = sum(same.is_across for same in quality.duplicates)
    rows = [
        [
            " = ".join(same.records),
            len(same.records),
            "yes" if same.is_across else "no",
            "yes" if same.differs else "no",
        ]
        # what an annotator would look at first stands first
        for same in sorted(quality.duplicates, key=lambda same: (not same.differs, not same.is_across))
    ]
    return Section(
        title="Duplicates",
        lead=f"{len(rows):,} recordings are there under several names, {n_across:,} of them in several datasets, "
        f"{n_differing:,} with labels that differ. Each counts as one group.",
        body=_listed(
            "Recordings with the same samples", ["records", "names", "several datasets", "labels differ"], rows
        ),
    )


def rejects_section(quality: QualityFigures) -> Section:
    """Records that are not in the store, and why."""
    stages = ", ".join(f"{n:,} at {stage}" for stage, n in quality.reject_counts.items())
    rows = [[f"{reject.dataset}/{reject.record}", reject.stage, reject.reason] for reject in quality.rejects]
    return Section(
        title="Rejected records",
        lead=f"{len(rows):,} records could not be taken: {stages}.",
        body=_listed("Rejected records", ["record", "stage", "reason"], rows),
    )


def store_section(store: Store) -> Section:
    """Where the store is, how it was built, and its digests."""
    members = members_of(store)
    shown = [
        join(element("h3", str(member.path)) if len(members) > 1 else None, _facts_of(member)) for member in members
    ]
    return Section(
        title="The store" if len(members) == 1 else "The stores",
        lead="Stores with the same digest have the same records, labels, flags and signals. verify proves it.",
        body=each(shown),
    )


def _facts_of(store: Store) -> Markup:
    attributes, config = store.attributes, store.config
    n_bytes = sum(file_sizes(store.path).values())
    n_raw = 2 * len(store.leads) * int(store.lengths.sum())
    filters = [
        f"{name} {value:g} Hz" for name, value in (("high-pass", config.highpass), ("notch", config.notch)) if value
    ]
    return make_facts(
        [
            ("Place", str(store.path)),
            ("Format", f"{attributes['format']}, version {attributes['format_version']}"),
            ("Records", store.n_records),
            ("Leads", ", ".join(store.leads)),
            ("Sampling frequency", f"{store.fs:g} Hz"),
            ("Filters", ", ".join(filters) or "none"),
            ("Codec", config.codec),
            ("Chunks", f"{store.n_chunks:,} of {store.chunk_length:,} samples of each lead"),
            ("Size", f"{n_bytes / 1e6:,.1f} MB; the samples alone are {n_raw / 1e6:,.1f} MB in 16 bits"),
            ("Bad checksums", {"reject": "rejected", "flag": "flagged"}[config.bad_checksum]),
            ("Order of records", f"by a hash with seed {config.seed}"),
            ("Digest", attributes[DIGEST_ATTRIBUTE]),
            ("Digest of the build options", attributes["build_digest"]),
        ]
    )


def _flags_table(quality: QualityFigures) -> Markup:
    if not quality.flags:
        return element("p", "No lead of any record carries a flag.")
    rows = [
        [name, n_records, n_flagged, *(n or None for n in counts)]
        for name, n_records, n_flagged, counts in zip(
            quality.names, quality.n_records, quality.n_flagged, quality.by_dataset.tolist(), strict=True
        )
    ]
    names = [flag.replace("_", " ") for flag in quality.flags]
    meanings = [(name, MEANINGS[flag]) for name, flag in zip(names, quality.flags, strict=True)]
    return join(
        make_table("Records with at least one such lead", ["dataset", "records", "with any", *names], rows),
        make_facts(meanings),
        element("p", "“With any” leaves the missing checksum out.") if "unverified" in quality.flags else None,
    )


def _leads_map(quality: QualityFigures) -> Markup | None:
    """Flags that some leads have more often than others; a wrong gain, say, is that of all leads."""
    kept = np.flatnonzero(np.ptp(quality.by_lead, axis=0)) if len(quality.leads) else np.zeros(0, np.intp)
    if not len(kept):
        return None
    counts = quality.by_lead[:, kept].T
    names = [quality.flags[place].replace("_", " ") for place in kept]
    most = [
        f"{name} {quality.leads[int(line.argmax())]} ({line.max():,})" for name, line in zip(names, counts, strict=True)
    ]
    return heat_map(
        "Flags by lead: records",
        names,
        quality.leads,
        counts,
        description=f"Most often: {', '.join(most)}.",
        row_label="",
        column_label="",
        form=",.0f",
        shades=np.sqrt(counts / counts.max()),
        side=36,
    )


def _samples_table(quality: QualityFigures) -> Markup | None:
    if not any(quality.n_invalid) and not any(quality.n_clipped):
        return None
    rows = [
        [name, n_invalid, n_clipped]
        for name, n_invalid, n_clipped in zip(quality.names, quality.n_invalid, quality.n_clipped, strict=True)
    ]
    return make_table("Samples that are not as recorded", ["dataset", "interpolated", "clipped"], rows)


def _amplitudes_table(quality: QualityFigures, records: RecordFigures) -> Markup:
    low, high = USUAL_SCALE_UV
    rows = [
        [name, *spread_cells(spread), n_doubtful, n_still]
        for name, spread, n_doubtful, n_still in zip(
            records.names, records.amplitudes_uv, records.n_doubtful, records.n_still, strict=True
        )
    ]
    return join(
        make_table("Amplitude of records, µV", ["dataset", *SPREAD, "doubtful", "without deflection"], rows),
        element(
            "p",
            f"The amplitude is the root mean square without the extreme hundredth on each side. Doubtful is what lies "
            f"outside {low:g} to {high:,.0f} µV: the unit or the gain may be wrong.",
        ),
    )


def _listed(caption: str, header: list[str], rows: list[list[Any]]) -> Markup:
    """The first `MOST_LISTED` rows, and how many there are."""
    rest = len(rows) - MOST_LISTED
    more = element("p", f"And {rest:,} more: inspect and inspect --rejects list them all.") if rest > 0 else None
    return join(make_table(caption, header, rows[:MOST_LISTED], is_caption_shown=False), more)
