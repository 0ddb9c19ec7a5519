"""verify: whether stores are as they were written."""

import time
from pathlib import Path

import click

from ecg12.commands.shared.options import DEFAULT_STORE, stores_argument, workers_option
from ecg12.commands.shared.progress import Bar


@click.command()
@stores_argument
@workers_option
def verify(stores: tuple[Path, ...], workers: int) -> None:
    """Prove a store: recompute the digest of every chunk and of the tables.

    Several stores are proven one by one; then, that they can be read as one. By default data/ecg.zarr.
    """
    from ecg12.cache.reader import Store
    from ecg12.cache.several_stores import open_stores
    from ecg12.cache.verify import verify_stores

    begun = time.perf_counter()
    stores = stores or (DEFAULT_STORE,)
    opened = [Store(store) for store in stores]
    with Bar("verify", sum(store.n_chunks for store in opened), "chunks") as bar:
        problems = verify_stores(stores, workers=workers, advance=bar.advance)
    for problem in problems:
        click.echo(problem, err=True)
    if problems:
        raise click.ClickException(f"{', '.join(map(str, stores))}: {len(problems)} problem(s) found")
    n_seconds = f" ({time.perf_counter() - begun:.1f} s)"
    for store in opened:
        click.echo(
            f"{store.path}: {store.n_records:,} records, {store.n_chunks} chunks and the tables are as written"
            + (n_seconds if store is opened[-1] else "")
        )
    if len(opened) > 1:
        click.echo(f"{open_stores(stores).n_records:,} records in {len(opened)} stores that can be read as one")
