"""inspect: what is in a store, or what it says of one record."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from commands.echo import echo_rows, echo_table, format_bytes
from commands.options import DEFAULT_STORE, stores_argument


@click.command("inspect")
@stores_argument
@click.option("--record", help="Show this record instead: NAME or DATASET/NAME.")
@click.option("--all-classes", is_flag=True, help="Show the classes that are not scored, too.")
@click.option("--quality", is_flag=True, help="Show instead what was wrong with the records, by dataset.")
@click.option("--rejects", is_flag=True, help="Show instead every record that was not taken, and why.")
def inspect_store(
    stores: tuple[Path, ...], record: str | None, all_classes: bool, quality: bool, rejects: bool
) -> None:
    """Show what is in a store, or what it says of one record.

    Several stores are shown as one. By default data/ecg.zarr.
    """
    if (record is not None) + quality + rejects > 1:
        raise click.UsageError("--record, --quality and --rejects each show another thing; give one of them")
    stores = stores or (DEFAULT_STORE,)
    if quality:
        _echo_quality(stores)
        return
    if rejects:
        _echo_rejects_table(stores)
        return
    from pipeline.describe import describe_record, describe_store

    if record is not None:
        described = describe_record(stores, record)
        for fact, value in described.facts.items():
            click.echo(f"{fact:<22}{value}")
        texts = [f"{label.name} ({label.abbreviation}, {label.code})" for label in described.labels]
        click.echo(f"{'labels':<22}{'; '.join(texts) or 'none'}")
        echo_rows(
            described.leads,
            [
                ("lead", "lead"),
                ("lowest mV", "lowest_mv"),
                ("highest mV", "highest_mv"),
                ("offset µV", "offset_uv"),
                ("flags", "flags"),
            ],
        )
        return
    summary = describe_store(stores)
    echo_store(summary)
    click.echo(f"{summary.n_labelled:,} records with labels, in {summary.n_groups:,} groups of one patient or record")
    echo_table(
        ["code", "class", "scored", "records", "name"],
        [
            [entry.code, entry.abbreviation, "yes" if entry.scored else "no", entry.n_records, entry.name]
            for entry in summary.classes
            if entry.scored or all_classes
        ],
    )
    n_hidden = 0 if all_classes else sum(not entry.scored for entry in summary.classes)
    if n_hidden:
        click.echo(f"and {n_hidden} classes that are not scored: --all-classes shows them")
    echo_rejects(summary.rejects)


def _echo_quality(stores: tuple[Path, ...]) -> None:
    from pipeline.describe_quality import describe_quality

    found = describe_quality(stores)
    echo_table(
        ["dataset", "records", "flagged", "rejected", "samples interpolated", "samples clipped"],
        [[name, q.n_records, q.n_flagged, q.n_rejected, q.n_invalid, q.n_clipped] for name, q in found.items()],
    )
    rows = [
        [name, entry.flag, entry.n_records, entry.n_leads, ", ".join(entry.examples)]
        for name, quality in found.items()
        for entry in quality.flags
    ]
    if rows:
        click.echo()
        echo_table(["dataset", "flag", "records", "leads", "such as"], rows)
    click.echo("What the flags mean: cache/FORMAT.md, section 5; those of one record: inspect --record NAME")


def _echo_rejects_table(stores: tuple[Path, ...]) -> None:
    from pipeline.describe import describe_store

    rejects = describe_store(stores).rejects
    rows = [[reject.dataset, reject.record, reject.stage, reject.reason] for reject in rejects]
    if rows:
        echo_table(["dataset", "record", "stage", "reason"], rows)
    click.echo(f"{len(rejects):,} records rejected")


def echo_store(store: Any) -> None:
    """Print what is in a store, by dataset."""
    flagged = sorted({name for flags in store.flags.values() for name, n in flags.items() if n})
    rows: list[list[Any]] = [
        [
            name,
            int(figures["records"]),
            float(figures["hours"]),
            int(figures["rejects"]),
            *(store.flags.get(name, {}).get(flag, 0) for flag in flagged),
        ]
        for name, figures in store.datasets.items()
    ]
    if len(rows) > 1:
        rows.append(["all", *(sum(row[column] for row in rows) for column in range(1, len(rows[0])))])
    echo_table(["dataset", "records", "hours", "rejects", *flagged], rows)
    for same in store.duplicates:
        click.echo(f"same samples: {' = '.join(same)}")
    size = f"{format_bytes(store.n_bytes)} in {store.n_chunks} chunk{'s' if store.n_chunks != 1 else ''}, {store.codec}"
    click.echo(f"{store.path}: {len(store.leads)} leads at {store.fs:g} Hz, {size}")


def echo_rejects(rejects: Sequence[Any], most: int | None = 20) -> None:
    """Print which records were not taken, and why, on standard error."""
    stages = Counter(reject.stage for reject in rejects)
    if rejects:
        counts = ", ".join(f"{n:,} at {stage}" for stage, n in sorted(stages.items()))
        click.echo(f"{len(rejects):,} records rejected: {counts}", err=True)
    for reject in rejects[:most]:
        click.echo(f"rejected {reject.dataset}/{reject.record} ({reject.stage}): {reject.reason}", err=True)
    if most is not None and len(rejects) > most:
        click.echo(f"and {len(rejects) - most:,} more: the store's attribute `rejects` has them all", err=True)
