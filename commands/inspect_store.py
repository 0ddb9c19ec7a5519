"""inspect: what is in a store, or what it says of one record."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from ecg12.commands.shared.options import DEFAULT_STORE, stores_argument
from ecg12.commands.shared.printing import echo_rows, echo_table, format_bytes


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
    from ecg12.pipeline.ingest.describe_store import describe_record, describe_store

    if record is not None:
        described = describe_record(stores, record)
        for fact, value in described.facts.items():
            click.echo(f"{fact:<22}{value}")
        texts = [_called(label) for label in described.labels]
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
    # a store of own labels has none of the Challenge's classes to show first
    all_classes = all_classes or not any(entry.scored for entry in summary.classes)
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
    echo_labels(summary)
    _echo_stated(summary)
    n_hidden = 0 if all_classes else sum(not entry.scored for entry in summary.classes)
    if n_hidden:
        click.echo(f"and {n_hidden} classes that are not scored: --all-classes shows them")
    echo_rejects(summary.rejects)


def _called(label: Any) -> str:
    """A label in words, and in short and by its code where these are others."""
    short = [one for one in dict.fromkeys((label.abbreviation, label.code)) if one != label.name]
    return f"{label.name} ({', '.join(short)})" if short else label.name


def _echo_quality(stores: tuple[Path, ...]) -> None:
    from ecg12.pipeline.ingest.describe_quality import describe_quality

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
    from ecg12.pipeline.ingest.describe_store import describe_store

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


def _echo_stated(store: Any) -> None:
    """Print what sources state beside the codes, where they do: vocabularies, folds, sites, devices, measurements."""
    if len(store.vocabularies) > 1:
        texts = [
            f"{name} {n_codes:,} (of {count_records(n_records)})"
            for name, (n_codes, n_records) in store.vocabularies.items()
        ]
        click.echo(f"codes by vocabulary: {', '.join(texts)}")
    for title, counts in store.stated.items():
        texts = [f"{value} {n:,}" for value, n in counts.items()]
        click.echo(f"{title}: {some(texts, most=20)}")
    for target in store.targets:
        spread = f"{target.lowest:g} to {target.highest:g}, median {target.median:g}"
        click.echo(f"measurement {target.name}: {count_records(target.n_records)}, {spread}")


def echo_labels(store: Any) -> None:
    """Print which labels no class table knows, and what else headers state that could not be taken as it stands."""
    unknown = [
        f"{entry.code} ({count_records(entry.n_records)}{'' if entry.concept else ', no SNOMED CT identifier'})"
        for entry in store.classes
        if not entry.known and entry.vocabulary != "scp-ecg"
    ]
    if unknown:
        click.echo(f"codes that no class table knows: {some(unknown, len(unknown), ', --all-classes shows them')}")
    echo_remarks(store.remarks)


def echo_remarks(remarks: Mapping[str, Any], *, err: bool = False) -> None:
    """Print values of headers that were mended or are not understood, a line for each kind."""
    for kind, title in _REMARKS.items():
        if kind in remarks:
            found = remarks[kind]
            such = [f"{value!r} ({count_records(n)}, first: {first})" for value, n, first in found.such]
            click.echo(f"{title}: {count_records(found.n_records)}: {some(such, found.n_values)}", err=err)


_REMARKS = {
    "dx_text": "values of Dx that are no codes, and so no labels",
    "dx_mended": "values of Dx that were read as the codes they had been",
    "age": "ages that are not understood",
    "sex": "sexes that are not understood",
    "label_code": "codes of tables that are of no known vocabulary, taken as own",
    "label_value": "cells of tables that are not understood",
    "label_vocabulary": "codes that another source takes from another vocabulary",
    "label_age": "ages of headers for which tables have another",
    "label_sex": "sexes of headers for which tables have another",
    "reader": "what readers took otherwise than files have it",
}


def count_records(n: int) -> str:
    """So many records, in words."""
    return f"{n:,} record{'' if n == 1 else 's'}"


def some(texts: Sequence[str], n: int | None = None, how: str = "", most: int = 10) -> str:
    """The first of some texts, and how many more there are of `n`."""
    n = len(texts) if n is None else n
    more = f", and {n - most:,} more{how}" if n > most else ""
    return ", ".join(texts[:most]) + more


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
