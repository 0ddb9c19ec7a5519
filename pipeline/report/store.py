"""A report on a store, or on several as one: what is in it, how it was labelled, and what is odd.

All but heart rates and examples is counted from the tables, whatever the size of the store. Those two take a sample of
the signals, so that 43,101 records need seconds and a store behind a URL some hundred chunks.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cache.reader import Store
from cache.union import Locations, members_of, open_stores
from ecg.config import Config
from ecg.errors import ChecksumError, ConfigError
from ecg.snomed import name_of
from pipeline.progress import Progress, silent
from pipeline.report.counts import ByDataset, rows_by_dataset
from pipeline.report.ecg_paper import show_recording
from pipeline.report.markup import each
from pipeline.report.page import Page, ReportSummary, Section, Tile, write_page
from pipeline.report.store_label_sections import classes_section, together_section
from pipeline.report.store_labels import LabelFigures, describe_labels
from pipeline.report.store_quality import QualityFigures, describe_oddities
from pipeline.report.store_quality_sections import (
    duplicates_section,
    quality_section,
    rejects_section,
    store_section,
)
from pipeline.report.store_records import RecordFigures, describe_records
from pipeline.report.store_sample import Example, choose_examples, choose_sample, describe_rates
from pipeline.report.store_sections import (
    datasets_section,
    lengths_section,
    patients_section,
    rates_section,
)
from pipeline.stored_recording import read_stored


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
    return write_page(output, make_store_page(open_stores(stores), config or StoreReportConfig(), progress=progress))


def make_store_page(store: Store, config: StoreReportConfig, *, progress: Progress = silent) -> Page:
    """The report before it is written."""
    by = rows_by_dataset(store)
    records, labels, quality = describe_records(store, by), describe_labels(store, by), describe_oddities(store, by)
    missing: list[str] = []
    sections = [datasets_section(records), lengths_section(records), patients_section(records)]
    sections += _try("heart rates", lambda: _rates(store, by, config, progress), missing)
    if labels.n_labelled:
        sections.append(classes_section(labels, by.count()))
        sections += [together_section(labels)] if labels.together.any() else []
    else:
        missing.append("classes: no record carries a label")
    sections.append(quality_section(quality, records))
    sections += [duplicates_section(quality)] if quality.duplicates else []
    sections += [rejects_section(quality)] if quality.rejects else []
    sections += _try("examples", lambda: _examples(store, by, labels, config), missing)
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


def _try(what: str, make: Callable[[], Section | None], missing: list[str]) -> list[Section]:
    """A section that reads signals; a damaged chunk costs the section, not the report, and is said."""
    try:
        section = make()
    except ChecksumError as error:
        missing.append(f"{what}: {error}")
        return []
    if section is None:
        missing.append(f"{what}: none were asked for")
    return [section] if section else []


def _rates(store: Store, by: ByDataset, config: StoreReportConfig, progress: Progress) -> Section | None:
    if not config.n_sample:
        return None
    rows = choose_sample(store, by, config.n_sample)
    return rates_section(describe_rates(store, by, rows, progress))


def _examples(store: Store, by: ByDataset, labels: LabelFigures, config: StoreReportConfig) -> Section | None:
    if not config.n_examples:
        return None
    chosen = choose_examples(store, by, labels.scored, config.n_examples)
    return Section(
        title="Examples",
        lead="One record of each of the most frequent classes, with few other labels and no flags where there is such "
        "a one; otherwise taken at random.",
        body=each(show_recording(read_stored(store, one.row), *_about(store, one)) for one in chosen),
    )


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
        Tile(name="Scored classes", value=f"{occurring} of {len(labels.scored)}"),
        Tile(name="With a flag", value=f"{sum(quality.n_flagged):,}", remark="of quality, on any lead"),
        Tile(name="Duplicates", value=f"{len(quality.duplicates):,}", remark="recordings under several names"),
        Tile(name="Rejected", value=f"{len(quality.rejects):,}"),
    ]
