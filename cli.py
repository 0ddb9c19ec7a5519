"""The door: options become one configuration, one call into the pipeline, and a summary in words."""

import logging
import os
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import click
from tqdm import tqdm

from cache.schema import CHECKSUM_POLICIES, CODECS, StoreConfig
from ecg import __version__
from ecg.errors import EcgError

DEFAULT_DATA = Path("data")
DEFAULT_STORE = Path("data/ecg.zarr")

BUILD = StoreConfig()


class NumberList(click.ParamType):
    """Numbers separated by commas or blanks."""

    name = "n,n,…"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        try:
            return tuple(int(part) for part in value.replace(",", " ").split())
        except ValueError:
            self.fail(f"{value!r} is not a list of whole numbers such as 64,128,256", param, ctx)


PLAIN_BAR = "{desc}: {percentage:.0f}% {n_fmt} of {total_fmt} [{elapsed}, {remaining} left, {rate_fmt}{postfix}]"


class Lines:
    """Takes what tqdm draws over itself and writes each state on a line of its own, for logs."""

    def write(self, text: str) -> None:
        """One state of the bar; its first, empty one is left out."""
        line = text.strip("\r\n ")
        if line and not line.partition(": ")[2].startswith("0% "):
            click.echo(line, err=True)

    def flush(self) -> None:
        """Nothing is held back."""


class NameList(click.ParamType):
    """Names separated by commas or blanks."""

    name = "name,name,…"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        return value if isinstance(value, tuple) else tuple(value.replace(",", " ").split())


class Bar:
    """A progress bar on standard error; one line every ten seconds where that is not a terminal."""

    def __init__(self, label: str, total: int, unit: str) -> None:
        terminal = sys.stderr.isatty()
        self.bar = tqdm(
            total=total,
            desc=label,
            unit="B" if unit == "bytes" else f" {unit}",
            unit_scale=unit == "bytes",
            mininterval=0.2 if terminal else 10,
            maxinterval=10,
            dynamic_ncols=terminal,
            smoothing=0.05,
            file=sys.stderr if terminal else Lines(),
            bar_format=None if terminal else PLAIN_BAR,
        )

    def advance(self, n: int = 1, **figures: float | str) -> None:
        """Move the bar."""
        if figures:
            self.bar.set_postfix(figures, refresh=False)
        self.bar.update(n)

    def expect(self, total: int) -> None:
        """The bar's end is there."""
        self.bar.total = total

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.close()


def available_cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def echo_table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print rows in columns: texts to the left, numbers to the right."""
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [max(len(line[column]) for line in [list(header), *cells]) for column in range(len(header))]
    right = [all(not isinstance(row[column], str) for row in rows) for column in range(len(header))]
    for line in [list(header), *cells]:
        click.echo(
            "  ".join(
                text.rjust(width) if to_right else text.ljust(width)
                for text, width, to_right in zip(line, widths, right, strict=True)
            ).rstrip()
        )


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return "–" if value != value else f"{value:,.3f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def format_bytes(n: float) -> str:
    """A size with its unit."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if n < 1000 or unit == "TB":
            return f"{n:.0f} {unit}" if unit == "B" else f"{n:.1f} {unit}"
        n /= 1000
    raise AssertionError


class Group(click.Group):
    """Commands in pipeline order; an `EcgError` becomes one line and exit code 1."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """As they are defined."""
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; errors of the input in one line, Ctrl-C without a traceback."""
        try:
            return super().invoke(ctx)
        except EcgError as error:
            notes = "".join(f" ({note})" for note in getattr(error, "__notes__", ()))
            raise click.ClickException(f"{error}{notes}") from error
        except BrokenPipeError:
            raise  # click ends quietly when the reader of our output has gone
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            raise click.ClickException(f"{where}{error.strerror or error}") from error


store_argument = click.argument("store", type=click.Path(path_type=Path), default=DEFAULT_STORE)
force_option = click.option("--force", is_flag=True, help="Replace what is there, once the new is whole.")
cuda_option = click.option("--cuda", is_flag=True, help="Run on the GPU; an error if there is none.")
workers_option = click.option(
    "--workers",
    type=click.IntRange(min=1),
    default=available_cores,
    show_default="all cores",
    help="Processes that work at once.",
)


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, message="%(version)s")
def main() -> None:
    """12-lead ECG: WFDB records → one verified zarr store → trained classifiers → Challenge predictions."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    logging.captureWarnings(True)


@main.command()
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=DEFAULT_DATA,
    show_default=True,
    help="Folder for the data.",
)
@click.option("--datasets", type=NameList(), help="Some of them, such as cpsc,georgia.  [default: all six]")
@click.option(
    "--source",
    type=click.Choice(["release", "tarballs"]),
    help="The published release, or the tarballs of 2020.  [default: as it came before, else the release]",
)
@click.option(
    "--mirror",
    "mirrors",
    metavar="URL",
    multiple=True,
    help="Take the files from here; may be given several times, and they are tried in order.",
)
@click.option(
    "--from", "given", type=click.Path(path_type=Path), help="Take a release, tarballs or records that are on disk."
)
@click.option("--verify", is_flag=True, help="Read and prove every file, and the checksums in the records' headers.")
@click.option(
    "--connections", type=click.IntRange(1, 256), default=16, show_default=True, help="Files that come at once."
)
@click.option("--keep-archives", is_flag=True, help="Leave tarballs after they were unpacked.")
@click.option(
    "--weights",
    type=click.Path(path_type=Path, file_okay=False),
    help="Bring the published run folders into this folder, and no data.",
)
@click.option("--set", "weight_set", type=click.Choice(["mdl", "mdls"]), help="With --weights: April's, or August's.")
@click.option("--url", metavar="URL", help="With --weights: a copy that has them as mdl/… and mdls/mdl1/….")
@workers_option
def download(
    output: Path,
    weights: Path | None,
    weight_set: str | None,
    url: str | None,
    connections: int,
    workers: int,
    **options: Any,
) -> None:
    """Bring the six datasets into data/, every file proven by its published digest.

    What is there and right is not fetched again, and an interrupted download goes on where it was: give the same
    command again. With --verify, a finished folder is proven anew. Exit code 1 if anything is missing or wrong.
    """
    from pipeline import download as downloading
    from pipeline.fetch.transfer import TransferConfig

    transfer = TransferConfig(connections=connections)
    given = {name: value for name, value in options.items() if value not in (None, (), False)}
    if weights is None and (weight_set or url):
        raise click.UsageError("--set and --url are about --weights DIR, which is missing")
    if weights is not None:
        if given:
            raise click.UsageError(f"--weights brings no data; leave out {', '.join(sorted(given))}")
        _download_weights(weights, weight_set, url, transfer)
        return
    config = downloading.DownloadConfig(**given)
    summary = downloading.download(output, config, transfer=transfer, workers=workers, progress=Bar)
    _echo_download(summary)


def _echo_download(summary: Any) -> None:
    rows = [_download_row(report) for report in summary.reports]
    echo_table(
        ["dataset", "records", "of", "files", "size", "of", "fetched", "verified", "repaired", "missing"],
        rows,
    )
    for name, archive in summary.archives.items():
        click.echo(f"{name}: tarball with MD5 {archive.md5}, {_ISSUES[archive.issue]}")
    if summary.verify:
        right = sum(report.headers_right for report in summary.reports)
        unstated = sum(report.unstated for report in summary.reports)
        wrong = [text for report in summary.reports for text in report.headers_wrong]
        click.echo(
            f"{right:,} records have the checksums that their headers state, {len(wrong):,} have not"
            + (f"; {unstated:,} leads have none stated" if unstated else "")
        )
        _echo_some([f"header checksum: {text}" for text in wrong])
    trusted = sum(report.n_trusted for report in summary.reports)
    if trusted:
        click.echo(f"{trusted:,} files were proven by an earlier run and not touched since; --verify reads them again")
    _echo_some(summary.notes)
    _echo_some(summary.problems)
    if summary.interrupted:
        click.echo("interrupted; what has come is kept, and the same command goes on from there")
        raise SystemExit(130)
    if summary.problems:
        raise click.ClickException(f"{summary.output}: not complete: {len(summary.problems)} problem(s)")
    click.echo(f"{summary.output}: complete ({summary.seconds:.1f} s)")


def _echo_some(texts: Sequence[str], most: int = 20) -> None:
    for text in texts[:most]:
        click.echo(text, err=True)
    if len(texts) > most:
        click.echo(f"… and {len(texts) - most:,} more, all of them in download-manifest.json", err=True)


_ISSUES = {"first": "of the first issue", "last": "of the last issue", "both": "the same in both issues"}


def _download_row(report: Any) -> list[Any]:
    return [
        report.name,
        report.n_records,
        report.expected_records,
        report.n_files,
        format_bytes(report.disk_bytes),
        format_bytes(report.expected_disk_bytes),
        report.n_fetched,
        report.n_verified,
        report.n_repaired,
        len(report.missing),
    ]


def _download_weights(output: Path, weight_set: str | None, url: str | None, transfer: Any) -> None:
    from pipeline.fetch.weights import fetch_weights

    summary = fetch_weights(output, weight_set=weight_set, url=url, transfer=transfer, progress=Bar)
    for name in summary.came:
        click.echo(f"{output / name}: came; the digests seen are recorded, none are published")
    for name in summary.kept:
        click.echo(f"{output / name}: is as it came")
    if summary.interrupted:
        click.echo("interrupted; the same command goes on")
        raise SystemExit(130)
    for problem in summary.problems:
        click.echo(problem, err=True)
    if summary.problems:
        raise click.ClickException(f"{output}: {len(summary.problems)} run folder(s) could not be had")


@main.command()
@click.argument("output", type=click.Path(path_type=Path))
@click.option("--records", type=click.IntRange(min=1), default=1000, show_default=True, help="How many.")
@click.option("--seed", type=int, default=2020, show_default=True, help="Same seed, same bytes.")
@click.option(
    "--layout",
    type=click.Choice(["tarball", "release"]),
    default="tarball",
    show_default=True,
    help="Folders as in the 2020 tarballs or as in the published release.",
)
@click.option("--max-duration", type=float, help="Cut records longer than this many seconds.")
def simulate(output: Path, records: int, seed: int, layout: str, max_duration: float | None) -> None:
    """Write simulated records of all six datasets into the folder OUTPUT, for trying things out without data."""
    from pipeline import simulate as simulation

    summary = simulation.simulate(output, records, seed=seed, layout=layout, max_duration_s=max_duration, progress=Bar)
    click.echo(
        f"{summary.n_records:,} records of {summary.n_patients:,} patients in {output}; "
        f"build-cache {output} --patients {summary.patients} makes a store of them"
    )


@main.command("build-cache")
@click.argument("inputs", nargs=-1, type=click.Path(path_type=Path))
@click.option("--output", type=click.Path(path_type=Path), default=DEFAULT_STORE, show_default=True, help="The store.")
@click.option("--fs", type=float, default=BUILD.fs, show_default=True, help="Sampling frequency of the store, Hz.")
@click.option("--codec", type=click.Choice(CODECS), default=BUILD.codec, show_default=True, help="Compressor.")
@click.option("--leads", type=NameList(), default=BUILD.leads, help="Which, in this order: I,II,V5.  [default: all 12]")
@click.option("--highpass", type=float, help="Zero-phase high-pass filter at this frequency, Hz.  [default: none]")
@click.option("--notch", type=float, help="Zero-phase notch filter at this frequency, Hz.  [default: none]")
@click.option("--seed", type=int, default=BUILD.seed, show_default=True, help="Of the records' placement.")
@click.option(
    "--bad-checksum",
    type=click.Choice(CHECKSUM_POLICIES),
    default=BUILD.bad_checksum,
    show_default=True,
    help="What to do with a record whose samples do not match its header's checksum.",
)
@click.option(
    "--patients",
    type=click.Path(path_type=Path, dir_okay=False),
    multiple=True,
    help="CSV with columns record and patient_id, or PTB-XL's own table; may be given several times.",
)
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
    """Convert WFDB records into one store.

    INPUTS are folders in any nesting and layout, or single records; by default data/. A record that cannot be
    taken is rejected by name and reason, and the build goes on. An interrupted build is finished by the same
    command.
    """
    from pipeline import ingest
    from pipeline.cluster import Cluster

    if scheduler and scheduler_file:
        raise click.UsageError("--scheduler and --scheduler-file both name a cluster; give one of them")
    patients = options.pop("patients")
    summary = ingest.build_cache(
        inputs or (DEFAULT_DATA,),
        output,
        StoreConfig(**options),
        cluster=Cluster(workers=workers, scheduler=scheduler, scheduler_file=scheduler_file, dashboard=dashboard),
        patients=patients,
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
    _echo_store(store)
    _echo_rejects(store.rejects)


def _echo_store(store: Any) -> None:
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


def _echo_rejects(rejects: Sequence[Any], most: int | None = 20) -> None:
    stages = Counter(reject.stage for reject in rejects)
    if rejects:
        counts = ", ".join(f"{n:,} at {stage}" for stage, n in sorted(stages.items()))
        click.echo(f"{len(rejects):,} records rejected: {counts}", err=True)
    for reject in rejects[:most]:
        click.echo(f"rejected {reject.dataset}/{reject.record} ({reject.stage}): {reject.reason}", err=True)
    if most is not None and len(rejects) > most:
        click.echo(f"and {len(rejects) - most:,} more: the store's attribute `rejects` has them all", err=True)


@main.command("inspect")
@store_argument
@click.option("--record", help="Show this record instead: NAME or DATASET/NAME.")
@click.option("--all-classes", is_flag=True, help="Show the classes that are not scored, too.")
@click.option("--quality", is_flag=True, help="Show instead what was wrong with the records, by dataset.")
@click.option("--rejects", is_flag=True, help="Show instead every record that was not taken, and why.")
def inspect_store(store: Path, record: str | None, all_classes: bool, quality: bool, rejects: bool) -> None:
    """Show what is in a store, or what it says of one record."""
    if (record is not None) + quality + rejects > 1:
        raise click.UsageError("--record, --quality and --rejects each show another thing; give one of them")
    if quality:
        _echo_quality(store)
        return
    if rejects:
        _echo_rejects_table(store)
        return
    from pipeline.describe import describe_record, describe_store

    if record is not None:
        described = describe_record(store, record)
        for fact, value in described.facts.items():
            click.echo(f"{fact:<22}{value}")
        texts = [f"{label.name} ({label.abbreviation}, {label.code})" for label in described.labels]
        click.echo(f"{'labels':<22}{'; '.join(texts) or 'none'}")
        echo_table(
            ["lead", "lowest mV", "highest mV", "offset µV", "flags"],
            [[lead.lead, lead.lowest_mv, lead.highest_mv, lead.offset_uv, lead.flags] for lead in described.leads],
        )
        return
    summary = describe_store(store)
    _echo_store(summary)
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
    _echo_rejects(summary.rejects)


def _echo_quality(path: Path) -> None:
    from pipeline.describe_quality import describe_quality

    found = describe_quality(path)
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


def _echo_rejects_table(path: Path) -> None:
    from pipeline.describe import describe_store

    rejects = describe_store(path).rejects
    rows = [[reject.dataset, reject.record, reject.stage, reject.reason] for reject in rejects]
    if rows:
        echo_table(["dataset", "record", "stage", "reason"], rows)
    click.echo(f"{len(rejects):,} records rejected")


@main.command()
@store_argument
@workers_option
def verify(store: Path, workers: int) -> None:
    """Prove a store: recompute the digest of every chunk and of the tables."""
    from cache.reader import Store
    from cache.verify import verify_store

    begun = time.perf_counter()
    opened = Store(store)
    with Bar("verify", opened.n_chunks, "chunks") as bar:
        problems = verify_store(store, workers=workers, advance=bar.advance)
    for problem in problems:
        click.echo(problem, err=True)
    if problems:
        raise click.ClickException(f"{store}: {len(problems)} problem(s) found")
    click.echo(
        f"{store}: {opened.n_records:,} records, {opened.n_chunks} chunks and the tables are as written "
        f"({time.perf_counter() - begun:.1f} s)"
    )


@main.command()
@store_argument
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="The run folder; one with an unfinished run is continued.  [default: output_DATE_TIME]",
)
@click.option("--epochs", type=int, help="Passes over the training records.")
@click.option("--seed", type=int, help="Of weights, order and split.")
@click.option("--batch-size", type=int, help="Windows in a batch.")
@click.option("--lr", type=float, help="Highest learning rate.")
@click.option("--valid-split", type=float, help="Share of the records to validate on.")
@click.option("--max-windows-per-record", type=int, help="Random windows of a long record in each epoch.")
@click.option(
    "--residency",
    type=click.Choice(["auto", "stream", "memory", "device"]),
    help="Where windows are while an epoch lasts.  [default: auto, by what fits]",
)
@click.option("--check/--no-check", default=None, help="Hold each chunk against its checksum when first decoded.")
@click.option("--normalisation", type=click.Choice(["record", "none"]), help="Of the amplitude; none feeds mV.")
@click.option("--net-filter-size", type=NumberList(), help="Filters of each block.")
@click.option("--net-seq-length", type=NumberList(), help="Positions after each block.")
@click.option("--kernel-size", type=int, help="Of the convolutions; odd.")
@click.option("--dropout-rate", type=float, help="Of the blocks.")
@cuda_option
def train(store: Path, folder: Path | None, cuda: bool, **options: Any) -> None:
    """Train a classifier of the 24 scored classes on a store's labelled records.

    Ctrl-C stops after the last whole epoch; the same command with --folder goes on from there.
    """
    from ecg.models.build import ModelConfig
    from pipeline import train as training

    given = {key: value for key, value in options.items() if value is not None}
    model_names = set(ModelConfig.__dataclass_fields__)
    summary = training.train(
        store,
        folder=folder,
        options={key: value for key, value in given.items() if key not in model_names},
        model_options={key: value for key, value in given.items() if key in model_names},
        cuda=cuda,
        progress=Bar,
        report=_echo_epoch,
    )
    best = summary.history[summary.best_epoch]
    click.echo(
        f"{'stopped' if summary.interrupted else 'done'} after {len(summary.history)} epochs on {summary.n_train:,} "
        f"records ({summary.residency}), validated on {summary.n_valid:,}; best epoch {summary.best_epoch + 1}: "
        f"challenge metric {best['challenge_metric']:.3f}, macro AUROC {best['auroc']:.3f}"
    )
    click.echo(f"run folder: {summary.folder}")
    if summary.interrupted:
        click.echo(f"continue with: python cli.py train {store} --folder {summary.folder}")
        raise SystemExit(130)


def _echo_epoch(row: Mapping[str, float]) -> None:
    columns = {
        "train loss": "train_loss",
        "valid loss": "valid_loss",
        "challenge": "challenge_metric",
        "AUROC": "auroc",
        "AUPRC": "auprc",
        "windows/s": "windows_per_second",
        "waiting": "waiting",
        "s": "seconds",
    }
    if row["epoch"] == 0:
        click.echo("epoch  " + "  ".join(name.rjust(10) for name in columns))
    values = [
        f"{row[key]:.1f}" if key in ("windows_per_second", "seconds") else f"{row[key]:.4f}" for key in columns.values()
    ]
    click.echo(f"{int(row['epoch']) + 1:>5}  " + "  ".join(value.rjust(10) for value in values))


@main.command()
@click.argument("inputs", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default=Path("predictions"),
    show_default=True,
    help="Folder for one CSV a record.",
)
@click.option("--model", type=click.Path(path_type=Path), help="Run folder.  [default: the newest output_*]")
@click.option("--force", is_flag=True, help="Write into a folder that holds predictions already.")
@cuda_option
def predict(inputs: tuple[Path, ...], output: Path, model: Path | None, force: bool, cuda: bool) -> None:
    """Predict, and write one Challenge CSV for each record.

    INPUTS are stores, folders of WFDB records, or single records; by default the store data/ecg.zarr. Exit
    code 1 if any record could not be read; the others are predicted.
    """
    from pipeline import predict as prediction
    from pipeline.run_folder import newest_run_folder

    model = model or newest_run_folder(Path())
    summary = prediction.predict(inputs or (DEFAULT_STORE,), output, model, cuda=cuda, force=force, progress=Bar)
    click.echo(f"{summary.n_records:,} predictions in {output}, by {model}")
    if summary.rejects:
        for reject in summary.rejects:
            click.echo(f"skipped {reject.record}: {reject.reason}", err=True)
        raise click.ClickException(f"{len(summary.rejects)} record(s) could not be read and have no prediction")


@main.command()
@click.argument("labels", type=click.Path(path_type=Path))
@click.argument("outputs", type=click.Path(path_type=Path))
@click.argument("scores", type=click.Path(path_type=Path, dir_okay=False), required=False)
def evaluate(labels: Path, outputs: Path, scores: Path | None) -> None:
    """Score predictions as the official evaluator does.

    LABELS is a folder of WFDB headers or a store, OUTPUTS a folder with a Challenge CSV for each record;
    SCORES.csv takes the official figures, and SCORES-classes.csv beside it those of each class.
    """
    from pipeline import evaluate as evaluation

    summary = evaluation.evaluate(labels, outputs, scores, progress=Bar)
    _echo_scores(summary)


def _echo_scores(summary: Any) -> None:
    from ecg.snomed import SCORED_CLASSES, abbreviation_of, name_of
    from pipeline.evaluate import OFFICIAL_COLUMNS

    scores = summary.scores
    figures = ("auroc", "auprc", "f_measure", "f_beta", "g_beta")
    echo_table(
        ["class", "positives", "AUROC", "AUPRC", "F", "F2", "G2", "name"],
        [
            [
                abbreviation_of(code),
                scores.n_positive[number],
                *(getattr(scores, f"{name}_classes")[number] for name in figures),
                name_of(code),
            ]
            for number, code in enumerate(SCORED_CLASSES)
        ],
    )
    click.echo()
    echo_table(["figure", "value"], [[title, getattr(scores, name)] for title, name in OFFICIAL_COLUMNS.items()])
    click.echo(f"{summary.n_records:,} records, {summary.n_unlabelled:,} of them without a scored label")
    for path in summary.written:
        click.echo(f"written: {path}")


@main.group()
def bench() -> None:
    """Measure how fast this machine does a part of the work, against a baseline in the same run."""


@bench.command("download")
@click.option("--files", type=click.IntRange(min=32), default=5000, show_default=True, help="How many to fetch.")
@click.option("--delay-ms", type=float, default=20.0, show_default=True, help="Before the server answers, ms.")
@click.option("--connections", type=click.IntRange(1, 256), default=16, show_default=True, help="At once.")
@click.option("--folder", type=click.Path(path_type=Path), help="For the files.  [default: a temporary one]")
def bench_download(files: int, delay_ms: float, connections: int, folder: Path | None) -> None:
    """Fetching from a server on this machine, and proving what came, against curl-like and sha256sum baselines."""
    from pipeline.bench import download as benchmark

    rows = benchmark.run(n_files=files, delay_s=delay_ms / 1000, connections=connections, folder=folder, progress=Bar)
    _echo_bench(rows)


@bench.command("corpus")
@click.argument("output", type=click.Path(path_type=Path))
@click.option("--records", type=click.IntRange(min=6), help="Fewer than the whole corpus.  [default: 43,101]")
@click.option("--seed", type=int, default=2020, show_default=True, help="Same seed, same bytes.")
def bench_corpus(output: Path, records: int | None, seed: int) -> None:
    """Write files of the whole corpus's shape into the folder OUTPUT, to measure build-cache on: 7.8 GB.

    Signals repeat from a pool, each record with one sample and a header of its own.
    """
    from pipeline.bench import corpus as benchmark

    summary = benchmark.write_corpus(output, records or benchmark.WHOLE, seed=seed, progress=Bar)
    click.echo(f"{summary.n_records:,} records of {summary.n_patients:,} patients in {output}")


@bench.command("codecs")
@store_argument
@click.option("--chunks", type=click.IntRange(min=1), default=4, show_default=True, help="How many to measure on.")
def bench_codecs(store: Path, chunks: int) -> None:
    """Ways of compressing the signal, on chunks of STORE: size, encoding and decoding, one thread."""
    from pipeline.bench import codec as benchmark

    rows = benchmark.run(store, n_chunks=chunks, progress=Bar)
    echo_table(
        ["codec", "--codec", "times smaller", "encode MB/s", "decode MB/s"],
        [[row.what, row.choice, row.ratio, int(row.encode_mb_s), int(row.decode_mb_s)] for row in rows],
    )


@bench.command("ingest")
@click.argument("inputs", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--records", "n_records", type=click.IntRange(min=20), default=4000, show_default=True, help="Simulated records."
)
@click.option("--folder", type=click.Path(path_type=Path), help="Keep the simulated records here for the next run.")
@click.option(
    "--workers", type=NumberList(), default="1,2", show_default=True, help="Numbers of workers, one after another."
)
@click.option(
    "--baseline-records",
    type=click.IntRange(min=1),
    default=500,
    show_default=True,
    help="Records for the slow baseline, evenly spread.",
)
def bench_ingest(inputs: tuple[Path, ...], **options: Any) -> None:
    """Converting records, against wfdb and scipy under dask, and against reading the bytes alone.

    INPUTS are folders or records; by default simulated records of ten seconds.
    """
    from pipeline.bench import ingest as benchmark

    result = benchmark.run(inputs, progress=Bar, **options)
    echo_table(
        ["what", "workers", "records", "s", "start-up s", "records/s", "× baseline", "× one worker", "cpu ms/record"],
        [
            [
                row.what,
                row.workers,
                row.n_records,
                row.seconds,
                row.start_s,
                int(row.rate),
                row.over_baseline,
                row.over_one,
                1000 * row.processor_s / row.n_records,
            ]
            for row in result.rows
        ],
    )
    whole = result.stages["all"]
    click.echo()
    echo_table(
        ["stage, one process", "ms a record", "share"],
        [[name, 1000 * seconds, f"{100 * seconds / whole:.0f} %"] for name, seconds in result.stages.items()],
    )
    click.echo(
        f"{result.n_records:,} records, {result.seconds_of_signal / result.n_records:.1f} s long on average, "
        f"{format_bytes(result.n_bytes)}; reading all headers took {result.plan_s:.2f} s, and is not in the rates"
        + (f"; wfdb could not read {result.n_unread} of the baseline's" if result.n_unread else "")
    )


@bench.command("loader")
@click.option(
    "--records", "n_records", type=click.IntRange(min=600), default=8000, show_default=True, help="In the store."
)
@click.option("--folder", type=click.Path(path_type=Path), help="Keep the simulated store here for the next run.")
@click.option("--rounds", type=click.IntRange(min=1), default=7, show_default=True, help="Of all ways in turn.")
def bench_loader(n_records: int, folder: Path | None, rounds: int) -> None:
    """Batches from a store, against loading and resampling files, against zarr, and against memory itself."""
    from pipeline.bench import loader as benchmark

    result = benchmark.run(n_records=n_records, folder=folder, rounds=rounds, progress=Bar)
    ceiling, baseline = result.row(benchmark.CEILING), result.row(benchmark.BASELINE)
    echo_table(
        ["what", "gives", "windows/s", "median", "× (d)", "median", "× (b)", "cpu µs/window"],
        [
            [
                row.what,
                row.gives,
                int(row.best),
                int(row.median),
                row.best / ceiling.best,
                row.median / ceiling.median,
                row.best / baseline.best,
                min(row.processor_us),
            ]
            for row in result.rows
        ],
    )
    click.echo(
        f"a chunk: {result.zarr_ms:.2f} ms through zarr, {result.checked_ms:.2f} ms directly with its crc32c, "
        f"{result.unchecked_ms:.2f} ms without"
    )


@bench.command("footprint")
@store_argument
@click.option("--plan", "n_planned", type=int, default=10_000_000, show_default=True, help="Records to plan with.")
def bench_footprint(store: Path, n_planned: int) -> None:
    """Time to the first batch, memory of a streamed epoch of STORE, and what planning an epoch takes."""
    from pipeline.bench import footprint as benchmark

    found = {
        "first batch of stream": benchmark.of_the_first_batch(store),
        "an epoch of stream": benchmark.of_a_streamed_epoch(store),
        f"plan {n_planned:,} records, stream": benchmark.of_a_plan(n_planned, streamed=True),
        f"plan {n_planned:,} records, memory": benchmark.of_a_plan(n_planned, streamed=False),
    }
    echo_table(
        ["what", "seconds", "peak MB", "of that imports, MB"],
        [[what, one.seconds, one.peak_bytes / 1e6, one.begun_bytes / 1e6] for what, one in found.items()],
    )


@bench.command("shuffle")
@click.option("--records", "n_records", type=int, default=43_101, show_default=True, help="In the simulated table.")
def bench_shuffle(n_records: int) -> None:
    """How well shuffle buffers mix, beside a true permutation; and how full rows of records are."""
    from pipeline.bench import shuffling as benchmark

    result = benchmark.run(n_records=n_records)
    echo_table(
        ["order", "chunks/batch", "neighbours apart at rest", "at rest apart, batches", "label", "dataset"],
        [[row.what, row.chunks, row.apart, row.together, row.label_spread, row.dataset_spread] for row in result.rows],
    )
    for n_rows, share in result.padding.items():
        click.echo(f"records in {n_rows} rows, all windows of each: {share:.2%} of the rows are padding")


@bench.command("training")
@store_argument
@click.option("--pairs", type=click.IntRange(min=3), default=9, show_default=True, help="Of loader and one batch.")
@click.option("--small-steps", type=int, default=12, show_default=True, help="Of the small model; 0 leaves it out.")
@click.option("--full-steps", type=int, default=1, show_default=True, help="Of the default model; 0 leaves it out.")
def bench_training(store: Path, pairs: int, small_steps: int, full_steps: int) -> None:
    """Steps of training on batches of STORE, against the same steps on one batch that is there."""
    from pipeline.bench import training as benchmark

    steps = {name: n for name, n in (("small", small_steps), ("full", full_steps)) if n}
    rows = benchmark.run(store, pairs=pairs, steps=steps, progress=Bar)
    echo_table(
        ["model", "residency", "pairs", "windows/s", "ratio", "from", "to", "confidence", "waiting"],
        [
            [r.model, r.residency, r.pairs, r.rate, r.ratio, r.low, r.high, f"{r.confidence:.1%}", f"{r.waiting:.1%}"]
            for r in rows
        ],
    )


def _echo_bench(rows: Sequence[Any]) -> None:
    echo_table(
        ["what", "seconds", "files/s", "MB/s", "times the baseline"],
        [
            [row.what, row.seconds, row.n_files / row.seconds, row.n_bytes / row.seconds / 1e6, row.ratio]
            for row in rows
        ],
    )


@main.command()
@click.option(
    "--output", type=click.Path(path_type=Path), default=Path("demo"), show_default=True, help="Folder for everything."
)
@click.option("--records", type=click.IntRange(min=50), default=1500, show_default=True, help="Simulated records.")
@click.option("--seed", type=int, default=2020, show_default=True, help="Of the simulated corpus.")
@workers_option
@click.option("--force", is_flag=True, help="Replace an earlier demo.")
def demo(output: Path, records: int, seed: int, workers: int, force: bool) -> None:
    """Run the whole job on simulated records: build-cache, verify, train, predict, evaluate.

    Needs no data. The scores say that the parts work together; simulated signals are far easier than real ones.
    """
    from pipeline.demo import run_demo

    summary = run_demo(
        output,
        n_records=records,
        seed=seed,
        workers=workers,
        force=force,
        progress=Bar,
        say=lambda text: click.echo(f"== {text}"),
        report=_echo_epoch,
    )
    click.echo("== What is in the store")
    _echo_store(summary.build.description)
    click.echo("== Scores on held-out patients (simulated signals: they show that the parts work, nothing more)")
    _echo_scores(summary.evaluation)
    click.echo("== What was made")
    paths = {
        "simulated corpus": summary.corpus,
        "held-out records": summary.held_out,
        "store": summary.store,
        "run folder": summary.run,
        "predictions": summary.predictions,
    }
    for label, path in paths.items():
        click.echo(f"{label:<18}{path}")
    steps = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in summary.seconds.items())
    click.echo(f"{sum(summary.seconds.values()):.0f} s in all: {steps}")


if __name__ == "__main__":
    main()
