"""A report on a store, or on several as one: what is in it, how it was labelled, and what is odd.

All but heart rates and examples is counted from the tables, whatever the size of the store. Those two take a sample of
the signals, so that 43,101 records need seconds and a store behind a URL some hundred chunks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ecg12.cache.reader import Store
from ecg12.cache.several_stores import Locations, members_of, open_stores
from ecg12.cache.verify import require_tables
from ecg12.ecg.config import Config
from ecg12.ecg.errors import ChecksumError, ConfigError
from ecg12.ecg.labels.snomed import name_of
from ecg12.pipeline.recordings.stored_recording import read_stored
from ecg12.pipeline.report.drawing.ecg_paper import show_recording
from ecg12.pipeline.report.drawing.markup import Markup, each
from ecg12.pipeline.report.drawing.page import Page, ReportSummary, Section, Tile, write_page
from ecg12.pipeline.report.of_store.counts import ByDataset, rows_by_dataset
from ecg12.pipeline.report.of_store.given_columns import given_sections
from ecg12.pipeline.report.of_store.label_sections import classes_section, together_section
from ecg12.pipeline.report.of_store.labels import LabelFigures, describe_labels
from ecg12.pipeline.report.of_store.quality import QualityFigures, describe_oddities
from ecg12.pipeline.report.of_store.quality_sections import (
    duplicates_section,
    quality_section,
    rejects_section,
    store_section,
)
from ecg12.pipeline.report.of_store.records import RecordFigures, describe_records
from ecg12.pipeline.report.of_store.sample import Example, choose_examples, choose_sample, describe_rates
from ecg12.pipeline.report.of_store.sections import (
    datasets_section,
    lengths_section,
    patients_section,
    rates_section,
)
from ecg12.pipeline.runtime.progress import Progress, silent


@dataclass(frozen=True, kw_only=True, slots=True)
class StoreReportConfig(Config):
    """How much of the signals a report looks at.

    Attributes
    ----------
    n_sample : records of each dataset whose heart rate is counted; 0 for none
    n_examples : records that are drawn; 0 for none
    """

    n_sample: int = 50
    n_examples: int = 12

    def __post_init__(self) -> None:
        for name in ("n_sample", "n_examples"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} is {getattr(self, name)}; expected 0 or more")


def report_store(
    stores: Locations, output: Path, config: StoreReportConfig | None = None, *, progress: Progress = silent
) -> ReportSummary:
    """Write a report on a store, or on several read as one.

    Parameters
    ----------
    output : the HTML file; what is there is replaced once the new is whole

    Raises
    ------
    StoreError
        If one is no complete store of this version, its tables are damaged, or a record is in two of them.
    ConfigError
        If the stores do not go together.
    """
    store = open_stores(stores)
    require_tables(store)
    return write_page(output, make_store_page(store, config or StoreReportConfig(), progress=progress))


def make_store_page(store: Store, config: StoreReportConfig, *, progress: Progress = silent) -> Page:
    """The report before it is written."""
    by = rows_by_dataset(store)
    records, labels, quality = describe_records(store, by), describe_labels(store, by), describe_oddities(store, by)
    missing: list[str] = []
    sections = [datasets_section(records), lengths_section(records), patients_section(records)]
    sections += _rates(store, by, config, missing, progress)
    if labels.n_labelled:
        sections.append(classes_section(labels, by.count()))
        sections += [together_section(labels)] if labels.together.any() else []
    else:
        missing.append("classes: no record carries a label")
    sections += given_sections(store, by)
    sections.append(quality_section(quality, records))
    sections += [duplicates_section(quality)] if quality.duplicates else []
    sections += [rejects_section(quality)] if quality.rejects else []
    sections += _examples(store, by, labels, config, missing)
    sections.append(store_section(store))
    return Page(
        kind="Store" if len(members_of(store)) == 1 else f"{len(members_of(store))} stores as one",
        title=_title_of(store),
        lead=f"{len(store.leads)} leads at {store.fs:g} Hz.",
        tiles=_tiles(records, labels, quality),
        missing=missing,
        sections=sections,
    )


def _title_of(store: Store) -> str:
    return " + ".join(member.path.name for member in members_of(store))


def _rates(
    store: Store, by: ByDataset, config: StoreReportConfig, missing: list[str], progress: Progress
) -> list[Section]:
    if not config.n_sample:
        missing.append("heart rates: none were asked for")
        return []
    figures = describe_rates(store, by, choose_sample(store, by, config.n_sample), progress)
    _say_damaged("heart rates", figures.damaged, missing)
    return [rates_section(figures)] if sum(figures.n_looked_at) else []


def _examples(
    store: Store, by: ByDataset, labels: LabelFigures, config: StoreReportConfig, missing: list[str]
) -> list[Section]:
    if not config.n_examples:
        missing.append("examples: none were asked for")
        return []
    shown: list[Markup] = []
    damaged: dict[str, None] = {}  # several examples may lie in one chunk
    for one in choose_examples(store, by, labels, config.n_examples):
        try:
            shown.append(show_recording(read_stored(store, one.row), *_about(store, one)))
        except ChecksumError as error:
            damaged[str(error)] = None
    _say_damaged("examples", tuple(damaged), missing)
    lead = (
        "One record of each of the most frequent classes, with few other labels and no flags where there is such a "
        "one; otherwise taken at random."
    )
    return [Section(title="Examples", lead=lead, body=each(shown))] if shown else []


def _say_damaged(what: str, damaged: Sequence[str], missing: list[str]) -> None:
    """A damaged chunk costs what its records would have given, and no more."""
    if damaged:
        others = f"; and {len(damaged) - 1} more chunks" if len(damaged) > 1 else ""
        missing.append(f"{what} of records in a chunk that cannot be read: {damaged[0]}{others}")


def _about(store: Store, example: Example) -> tuple[str, list[tuple[str, str]]]:
    labels = "; ".join(name_of(code) for code in store.dx_codes(example.row))
    return f"{store.ids[example.row]}: {example.of}", [
        ("Dataset", str(store.datasets[example.row])),
        ("Labels", labels or "none"),
    ]


def _tiles(records: RecordFigures, labels: LabelFigures, quality: QualityFigures) -> list[Tile]:
    n_records = sum(one.n_records for one in records.datasets)
    n_known = sum(one.n_known for one in records.datasets)
    hours = sum(one.hours for one in records.datasets)
    occurring = sum(one.total > 0 for one in labels.scored)
    n_datasets = len(records.datasets)
    return [
        Tile(name="Records", value=f"{n_records:,}", remark=f"in {n_datasets} dataset{'s' * (n_datasets != 1)}"),
        Tile(name="Signal", value=f"{hours:,.1f} h"),
        Tile(
            name="Groups",
            value=f"{int(records.group_sizes.sum()):,}",
            remark=f"the patient is known of {n_known:,} records" if n_known else "no patient is known by an id",
        ),
        Tile(name="With labels", value=f"{labels.n_labelled:,}", remark=f"{len(labels.codes)} codes"),
        *([Tile(name="Scored classes", value=f"{occurring} of {len(labels.scored)}")] if labels.is_scored else []),
        Tile(name="With a flag", value=f"{sum(quality.n_flagged):,}", remark="of quality, on any lead"),
        Tile(name="Duplicates", value=f"{len(quality.duplicates):,}", remark="recordings under several names"),
        Tile(name="Rejected", value=f"{len(quality.rejects):,}"),
    ]
