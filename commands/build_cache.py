"""build-cache: recordings into a store."""

from pathlib import Path
from typing import Any

import click

from ecg12.cache.schema import CODECS, StoreConfig
from ecg12.commands.inspect_store import count_records, echo_labels, echo_rejects, echo_store, some
from ecg12.commands.shared.options import (
    DEFAULT_DATA,
    DEFAULT_STORE,
    LeadList,
    Place,
    bad_checksum_option,
    force_option,
    source_options,
    workers_option,
)
from ecg12.commands.shared.printing import echo_some
from ecg12.commands.shared.progress import Bar
from ecg12.ecg.datasets import PTBXL_TABLE_NAME

BUILD = StoreConfig()
NO_TABLE = Path("none")
"""What `--patients` takes for: no table but those named."""


@click.command("build-cache")
@click.argument("inputs", nargs=-1, type=Place(), metavar="[INPUTS]...")
@click.option(
    "--output", type=Place(), metavar="PATH", default=DEFAULT_STORE, show_default=True, help="The store: path or URL."
)
@click.option("--fs", type=float, default=BUILD.fs, show_default=True, help="Sampling frequency of the store, Hz.")
@click.option("--codec", type=click.Choice(CODECS), default=BUILD.codec, show_default=True, help="Compressor.")
@click.option(
    "--leads",
    type=LeadList(),
    default=BUILD.leads,
    help="Which, in this order: I,II,V5; or 6, 4, 3 or 2 for a set of the Challenge of 2021.  [default: all 12]",
)
@click.option("--highpass", type=float, help="Zero-phase high-pass filter at this frequency, Hz.  [default: none]")
@click.option("--notch", type=float, help="Zero-phase notch filter at this frequency, Hz.  [default: none]")
@click.option("--seed", type=int, default=BUILD.seed, show_default=True, help="Of the records' placement.")
@bad_checksum_option(BUILD.bad_checksum)
@click.option(
    "--patients",
    type=click.Path(path_type=Path, dir_okay=False),
    multiple=True,
    help="CSV with columns record and patient_id, or PTB-XL's own table; may be given several times. "
    "PTB-XL's ptbxl_database.csv in the root of an input folder is taken unasked; `none` leaves it out.",
)
@click.option(
    "--labels",
    type=Place(),
    metavar="TABLE",
    multiple=True,
    help="Table of labels (CSV, TSV or Parquet) such as PTB-XL's ptbxl_database.csv: codes, age, sex, patient, fold, "
    "site, device, date, measurements; may be given several times.",
)
@click.option(
    "--label-columns",
    metavar="ROLE=COL,...",
    multiple=True,
    help="What columns of these tables are, where their names do not tell: record=COL,codes=COL,target=COL1+COL2,"
    "ignore=COL.",
)
@source_options
@click.option("--strict", is_flag=True, help="Stop at the first record that cannot be taken.")
@workers_option
@click.option("--scheduler", metavar="ADDRESS", help="Work on this running dask cluster, tcp://HOST:PORT.")
@click.option(
    "--scheduler-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The same, by the file of `dask scheduler --scheduler-file`.",
)
@click.option("--dashboard", is_flag=True, help="Say where dask's dashboard is; needs the package bokeh.")
@force_option
def build_cache(
    inputs: tuple[Path, ...],
    output: Path,
    workers: int,
    scheduler: str | None,
    scheduler_file: Path | None,
    dashboard: bool,
    force: bool,
    strict: bool,
    **options: Any,
) -> None:
    """Convert recordings into one store.

    INPUTS are folders in any nesting and layout, tarballs, or single recordings, or URLs of such (s3://bucket/data); by
    default data/. WFDB in all its formats, EDF, BDF, DICOM, CSV, .npy and .mat are read, at any sampling frequency. A
    recording that cannot be taken is rejected by name and reason, and the build goes on. An interrupted build is
    finished by the same command.
    """
    from ecg12.pipeline.formats.told_by_user import InputConfig
    from ecg12.pipeline.ingest import build_cache as ingest
    from ecg12.pipeline.ingest.dask_cluster import Cluster
    from ecg12.pipeline.labels.column_names import parse_told
    from ecg12.pipeline.recordings.set_aside import describe_aside

    if scheduler and scheduler_file:
        raise click.UsageError("--scheduler and --scheduler-file both name a cluster; give one of them")
    patients, labels, told = (options.pop(name) for name in ("patients", "labels", "label_columns"))
    if told and not labels:
        raise click.UsageError("--label-columns says what columns of --labels are; give a table")
    find_patients = NO_TABLE not in patients
    patients = tuple(table for table in patients if table != NO_TABLE)
    said = {field: options.pop(f"source_{field}") for field in ("fs", "units", "leads")}
    said |= {field: options.pop(field) for field in ("missing_leads", "readers")}
    include, exclude = options.pop("include"), options.pop("exclude")
    summary = ingest.build_cache(
        inputs or (DEFAULT_DATA,),
        output,
        StoreConfig(**options),
        told=InputConfig(prefix="source-", with_source=True, bad_checksum=options["bad_checksum"], **said),
        include=include,
        exclude=exclude,
        cluster=Cluster(workers=workers, scheduler=scheduler, scheduler_file=scheduler_file, dashboard=dashboard),
        patients=patients,
        find_patients=find_patients,
        labels=labels,
        label_columns=parse_told(told),
        strict=strict,
        force=force,
        progress=Bar,
        say=click.echo,
    )
    store = summary.description
    if summary.already_complete:
        click.echo(f"{output} is complete already: built from these records by these rules.")
        if store.rejects:
            click.echo("If a rejected record's files have been mended, --force builds it again.")
    else:
        click.echo(
            f"{store.n_records:,} records in {summary.seconds:.1f} s ({summary.records_per_second:,.0f} records/s; "
            f"headers {summary.plan_seconds:.1f} s, starting workers {summary.start_seconds:.1f} s)"
            + (f"; {summary.n_resumed:,} of them were done by an earlier run" if summary.n_resumed else "")
        )
    echo_store(store)
    echo_labels(store)
    _echo_tables(summary.labels)
    for table in summary.tables:
        if table.name == PTBXL_TABLE_NAME and table not in labels:
            click.echo(f"{table} has labels and folds, too, which were not taken: --labels takes them")
    if summary.tables:
        click.echo(f"patients of {summary.n_known:,} records: {', '.join(dict.fromkeys(map(str, summary.tables)))}")
    if summary.n_untold:
        click.echo(
            f"{summary.n_untold:,} records of ptb-xl have no known patient: a split may have one on both sides; "
            "--patients names PTB-XL's table, which download brings as ptbxl_database.csv",
            err=True,
        )
    echo_rejects(store.rejects)
    if summary.n_left_out:
        click.echo(f"{summary.n_left_out:,} files left out by --include and --exclude")
    echo_some([f"{pattern}: matches no file" for pattern in summary.unused_patterns])
    echo_some([describe_aside(summary.aside)] * bool(summary.aside))


def _echo_tables(labels: Any) -> None:
    """Print how tables of labels were understood, and what is left over of them and of the records."""
    for table in labels.tables:
        columns = "; ".join(f"{role}: {some(names)}" for role, names in table.columns.items())
        click.echo(f"{table.path}: {table.n_matched:,} of {table.n_rows:,} rows are of these records; {columns}")
        for why in dict.fromkeys(why for _, why in table.unused):
            unused = [column for column, reason in table.unused if reason == why]
            click.echo(f"columns left out ({why}): {some(unused, most=20)}")
        n_strangers = table.n_rows - table.n_matched
        if n_strangers:
            click.echo(f"rows of no record: {n_strangers:,}: {some(table.strangers, n_strangers)}", err=True)
    if labels.tables and labels.without_row:
        left = f"{count_records(len(labels.without_row))} in no table of labels"
        click.echo(f"{left}: {some(labels.without_row)}", err=True)
