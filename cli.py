"""The door: options become one configuration, one call into the pipeline, and a summary in words."""

import logging
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
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
NO_TABLE = Path("none")
"""What `--patients` takes for: no table but those named."""

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


class FloatList(NumberList):
    """The same with fractions."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[Any, ...]:
        if isinstance(value, tuple):
            return value
        try:
            return tuple(float(part) for part in value.replace(",", " ").split())
        except ValueError:
            self.fail(f"{value!r} is not a list of numbers such as 30,1,0.9", param, ctx)


class FoldNumber(click.ParamType):
    """A whole number, or all."""

    name = "n|all"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        if value == "all" or isinstance(value, int):
            return value
        try:
            return int(value)
        except ValueError:
            self.fail(f"{value!r} is neither a number of a fold nor all", param, ctx)


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


class Place(click.Path):
    """A path of this machine, or the URL of a place elsewhere, such as s3://bucket/ecg.zarr."""

    name = "path or url"

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """A `pathlib.Path`, or for a URL a `cache.location.RemotePath`."""
        from cache.location import is_url, locate

        if isinstance(value, str):
            return locate(value) if is_url(value) else super().convert(value, param, ctx)
        return value


class NamesOrNone(NameList):
    """The same; the word none stands for none of them."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        names = super().convert(value, param, ctx)
        return () if names == ("none",) else names


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


store_argument = click.argument("store", type=Place(), default=DEFAULT_STORE, metavar="[STORE]")
stores_argument = click.argument("stores", nargs=-1, type=Place(), metavar="[STORE]...")
force_option = click.option("--force", is_flag=True, help="Replace what is there, once the new is whole.")


def told_options(command: Any) -> Any:
    """The options about recordings whose files do not say all: fs, units, leads and missing_leads."""
    options = [
        click.option("--fs", type=float, help="Sampling frequency, Hz, of files that do not state one."),
        click.option("--units", help="V, mV or uV: of files that do not state theirs."),
        click.option(
            "--leads",
            type=NameList(),
            help="Names of the columns of files that do not name them: I,II,V5; standard for the twelve.",
        ),
        click.option(
            "--missing-leads",
            type=click.Choice(["error", "zero"]),
            default="error",
            show_default=True,
            help="What to do about a lead that is neither there nor follows from other limb leads.",
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


cuda_option = click.option("--cuda", is_flag=True, help="Run on the GPU; an error if there is none.")
workers_option = click.option(
    "--workers",
    type=click.IntRange(min=1),
    default=available_cores,
    show_default="all cores",
    help="Processes that work at once.",
)


class PlainWarnings(logging.Filter):
    """Shows warnings of Python without the place in the code that they come from, and each of them once."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to show it; `record` loses all but its text."""
        text = re.sub(r"^.*?:\d+: \w+: |\n.*", "", record.getMessage(), flags=re.DOTALL)
        record.msg, record.args, record.name = text, (), "ecg12"
        is_new = text not in self.seen
        self.seen.add(text)
        return is_new


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, message="%(version)s")
def main() -> None:
    """12-lead ECG: WFDB records → one verified zarr store → trained classifiers → Challenge predictions."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    logging.captureWarnings(True)
    logging.getLogger("py.warnings").filters[:] = [PlainWarnings()]


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

    With PTB-XL comes ptbxl_database.csv, its published table of patients, which build-cache finds by itself.

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
    if summary.patients:
        click.echo(f"patients: {summary.patients}")
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
@click.argument("inputs", nargs=-1, type=Place(), metavar="[INPUTS]...")
@click.option(
    "--output", type=Place(), metavar="PATH", default=DEFAULT_STORE, show_default=True, help="The store: path or URL."
)
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
    help="CSV with columns record and patient_id, or PTB-XL's own table; may be given several times. "
    "PTB-XL's ptbxl_database.csv in the root of an input folder is taken unasked; `none` leaves it out.",
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

    INPUTS are folders in any nesting and layout, or single records, or URLs of such (s3://bucket/data); by default
    data/. A record that cannot be
    taken is rejected by name and reason, and the build goes on. An interrupted build is finished by the same
    command.
    """
    from pipeline import ingest
    from pipeline.cluster import Cluster

    if scheduler and scheduler_file:
        raise click.UsageError("--scheduler and --scheduler-file both name a cluster; give one of them")
    patients = options.pop("patients")
    find_patients = NO_TABLE not in patients
    patients = tuple(table for table in patients if table != NO_TABLE)
    summary = ingest.build_cache(
        inputs or (DEFAULT_DATA,),
        output,
        StoreConfig(**options),
        cluster=Cluster(workers=workers, scheduler=scheduler, scheduler_file=scheduler_file, dashboard=dashboard),
        patients=patients,
        find_patients=find_patients,
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
    if summary.tables:
        click.echo(f"patients of {summary.n_known:,} records: {', '.join(map(str, summary.tables))}")
    if summary.n_untold:
        click.echo(
            f"{summary.n_untold:,} records of ptb-xl have no known patient: a split may have one on both sides; "
            "--patients names PTB-XL's table, which download brings as ptbxl_database.csv",
            err=True,
        )
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
        echo_table(
            ["lead", "lowest mV", "highest mV", "offset µV", "flags"],
            [[lead.lead, lead.lowest_mv, lead.highest_mv, lead.offset_uv, lead.flags] for lead in described.leads],
        )
        return
    summary = describe_store(stores)
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


@main.command()
@stores_argument
@workers_option
def verify(stores: tuple[Path, ...], workers: int) -> None:
    """Prove a store: recompute the digest of every chunk and of the tables.

    Several stores are proven one by one; then, that they can be read as one. By default data/ecg.zarr.
    """
    from cache.reader import Store
    from cache.union import open_stores
    from cache.verify import verify_stores

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


TRAIN_OPTIONS: Mapping[str, Sequence[tuple[str, Any, str]]] = {
    "Records": (
        ("valid_split", float, "Share of the records to validate on; with 1 nothing trains."),
        ("folds", int, "Cross-validate: hold out one of so many folds of patients for testing."),
        ("fold", FoldNumber(), "Which, from 0; or all, as without it: one after the other, scored together."),
        ("leave_out", str, "Hold out this dataset for testing; or all, each in turn."),
        ("n_total", int, "Take so many of the records, chosen by a hash of their names."),
        ("train_share", float, "Learn from this share of the training patients only."),
        ("shuffle", bool, "A new order in each epoch."),
        ("max_windows_per_record", int, "Random windows of a long record in each epoch."),
        (
            "residency",
            click.Choice(["auto", "stream", "memory", "device"]),
            "Where windows are while an epoch lasts; auto goes by what fits.",
        ),
        ("check", bool, "Hold each chunk against its checksum when it is first decoded."),
    ),
    "Network": (
        ("model", click.Choice(["resnet1d", "s4d"]), "Convolutions, or state spaces."),
        ("normalisation", click.Choice(["record", "none"]), "Of the amplitude; none feeds mV."),
        ("window_length", int, "Samples in a window."),
        ("net_filter_size", NumberList(), "Filters of each block."),
        ("net_seq_length", NumberList(), "Positions after each block."),
        ("kernel_size", int, "Of the convolutions; odd."),
        ("dropout_rate", float, "Of the blocks."),
        ("squeeze_excitation", bool, "Weigh each block's filters by what the whole window shows."),
        ("patient", bool, "Age and sex as further input."),
        ("pred_stage_type", click.Choice(["linear", "rnn", "lstm", "gru"]), "The head."),
        ("pooling", click.Choice(["flatten", "average"]), "What a linear head does with the positions of a window."),
        ("pred_stage_hidd", int, "Hidden size of a recurrent head."),
        ("pred_stage_n_layer", int, "Layers of a recurrent head."),
        ("s4d_features", int, "s4d: features."),
        ("s4d_layers", int, "s4d: layers."),
        ("s4d_state", int, "s4d: size of each feature's system."),
        ("s4d_stride", int, "s4d: samples in a position."),
        ("s4d_dropout", float, "s4d: dropout."),
        ("pretrain_output_size", int, "Features that a pretrained stage gives."),
        ("eval_transformer", bool, "A small MLP in the place of ResNet and head, above a pretrained stage."),
        ("probe", bool, "Nothing but a linear layer above what a pretrained stage learned."),
        ("finetuning", bool, "Train the pretrained stage, too."),
        ("layer_decay", float, "Learning rate of each of its blocks over that of the block above."),
        ("random_stage", bool, "Leave its weights at random, to measure what pretraining is worth."),
    ),
    "Training": (
        ("epochs", int, "Passes over the training records."),
        ("seed", int, "Of weights, order and split."),
        ("batch_size", int, "Windows in a batch."),
        ("valid_batch_size", int, "The same in validation."),
        ("lr", float, "Highest learning rate."),
        ("optimizer", click.Choice(["adamw", "adam"]), "What moves the weights."),
        ("weight_decay", float, "Of the optimiser."),
        ("schedule", click.Choice(["one_cycle", "steps"]), "How the learning rate goes."),
        ("milestones", NumberList(), "Epochs from which the rate is lower, for --schedule steps."),
        ("lr_factor", float, "By how much."),
        ("augment", NamesOrNone(), "Change windows: some of gain,wander,noise,shift,leads, or none."),
        ("ema", float, "Decay of the weights' moving average, which becomes the model; 0 for none."),
        ("class_weights", click.Choice(["none", "metric"]), "Weights in the sigmoid's loss, by the challenge metric."),
        ("label_smoothing", float, "Of the sigmoid's labels."),
        ("save_last", bool, "The last weights are the model, not the best."),
        ("save_logits", bool, "Write logits.csv of the validation windows with the model."),
    ),
    "Speed": (
        ("precision", click.Choice(["auto", "fp32", "bf16", "fp16"]), "Auto times a few steps when a run begins."),
        ("kernels", click.Choice(["auto", "plain", "flat", "folded"]), "How convolutions run; auto: by the device."),
        ("compile", bool, "Let torch compile the network, which takes a minute or so."),
    ),
    "Classes and decisions": (
        ("output_layer", str, "softmax, sigmoid, challenge_sigmoid, cpsc, or a mapping file."),
        ("train_classes", click.Choice(["scored", "dset"]), "What softmax and sigmoid decide on; dset: all there are."),
        ("valid_classes", click.Choice(["scored", "dset"]), "What is judged and predicted."),
        ("correction_factor", click.Choice(["uniform", "train"]), "Of scores: 1 / frequency, or 1."),
        ("correction_limits", FloatList(), "Smallest and largest of these factors."),
        ("decision", click.Choice(["thresholds", "rank"]), "Fitted thresholds, or the reference system's rule."),
        ("scale_by_rank", FloatList(), "Factors of the largest score, the next, …, and the rest; for --decision rank."),
        ("combination_strategy", click.Choice(["mean", "max", "last"]), "How a record's windows become one."),
        ("predict_before_collapse", bool, "Decide on each window; for --decision rank."),
    ),
}
"""Section of `train --help` → field of `TrainConfig` or `ModelConfig`, its type, and its help. The defaults stand in
the configurations alone, and the help shows those."""


def field_options(sections: Mapping[str, Sequence[tuple[str, Any, str]]]) -> Callable[[Any], Any]:
    """An option for each field; one that is not given is None."""

    def decorate(command: Any) -> Any:
        rows = [row for section in sections.values() for row in section]
        for name, kind, text in reversed(rows):
            flag = f"--{name.replace('_', '-')}"
            flags = f"{flag}/--no-{name.replace('_', '-')}" if kind is bool else flag
            command = click.option(flags, name, type=kind, default=None, help=text)(command)
        return command

    return decorate


class TrainCommand(click.Command):
    """Shows its options in the sections of `TRAIN_OPTIONS`, with the defaults of the configurations."""

    sections = TRAIN_OPTIONS

    def find_defaults(self) -> Mapping[str, Any]:
        """Of every option."""
        from pipeline.train_config import TrainConfig

        config = TrainConfig()
        return {
            name: getattr(config.model if hasattr(config.model, name) else config, name)
            for rows in self.sections.values()
            for name, _, _ in rows
        }

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The options that are no field first."""
        defaults = self.find_defaults()
        fields = {name for rows in self.sections.values() for name, _, _ in rows}
        given = {param.name for param in self.get_params(ctx) if isinstance(param, click.Option)} - fields
        records = {param.name: param.get_help_record(ctx) for param in self.get_params(ctx)}
        with formatter.section("Options"):
            formatter.write_dl([record for name, record in records.items() if record and name in given])
        for title, rows in self.sections.items():
            with formatter.section(title):
                texts = []
                for name, _, _ in rows:
                    flags, text = records[name] or ("", "")
                    texts.append((flags, f"{text}  [default: {_format_default(defaults[name])}]"))
                formatter.write_dl(texts)


def _format_default(value: Any) -> str:
    if value == ():
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ",".join(item if isinstance(item, str) else f"{item:g}" for item in value)
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


PRETRAIN_OPTIONS: Mapping[str, Sequence[tuple[str, Any, str]]] = {
    "Net": (
        (
            "pretrain_model",
            click.Choice(["rnn", "lstm", "gru", "transformer", "transformerxl", "cpc", "mae"], case_sensitive=False),
            "The net, and with it what it is asked.",
        ),
        ("trans_train_type", click.Choice(["flipping", "masking"]), "What a transformer is asked."),
        ("dropout", float, "Of the net."),
        ("window_length", int, "Samples in a window."),
        ("normalisation", click.Choice(["record", "none"]), "Of the amplitude; none feeds mV."),
    ),
    "Records": (
        ("valid_split", float, "Share of the records to validate on."),
        ("n_total", int, "Take so many of the records, chosen by a hash of their names."),
        ("max_windows_per_record", int, "Random windows of a long record in each epoch."),
        ("residency", click.Choice(["auto", "stream", "memory", "device"]), "Where windows are while an epoch lasts."),
        ("check", bool, "Hold each chunk against its checksum when it is first decoded."),
    ),
    "Training": (
        ("epochs", int, "Passes over the training records."),
        ("seed", int, "Of weights, order, split and masks."),
        ("batch_size", int, "Windows in a batch."),
        ("lr", float, "Highest learning rate."),
        ("optimizer", click.Choice(["adam", "adamw"]), "What moves the weights."),
        ("weight_decay", float, "Of the optimiser."),
        ("schedule", click.Choice(["steps", "one_cycle"]), "How the learning rate goes."),
        ("milestones", NumberList(), "Epochs from which the rate is lower, for --schedule steps."),
        ("lr_factor", float, "By how much."),
        ("clip_value", float, "Largest norm of the gradient."),
        ("train_noise_std", float, "Noise added to the input, not to what is wanted."),
        ("precision", click.Choice(["fp32", "bf16", "fp16"]), "Of the arithmetic; fp16 on a GPU only."),
        ("compile", bool, "Let torch compile the net."),
    ),
    "rnn, lstm, gru": (
        ("hidden_size_rnn", int, "Size."),
        ("num_layers", int, "Layers."),
        ("k_steps_ahead", NumberList(), "Samples ahead to predict."),
    ),
    "transformer, transformerxl; in part mae": (
        ("num_heads", int, "Heads of attention; mae, too."),
        ("num_trans_layers", int, "Layers; mae, too."),
        ("dim_model", int, "Features of a token; mae, too."),
        ("dim_inner", int, "Features between a layer's two linear ones; mae, too."),
        ("steps_concat", int, "Samples in a token."),
        ("dropout_attn", float, "Of the attention; slow. The reference system has 0.2."),
        ("mem_len", int, "transformerxl: tokens remembered of the window before."),
        (
            "mask",
            click.Choice(["attention", "input", "both"]),
            "masking and transformerxl: what is hidden; attention alone is the reference system's.",
        ),
        ("num_masked_samples", int, "The same: tokens hidden together."),
        ("perc_masked_samp", float, "The same: share of tokens to hide."),
    ),
    "cpc": (
        ("context", click.Choice(["lstm", "s4d"]), "What reads the past."),
        ("dim_encoder", int, "Features of the convolutions."),
        ("encoder_strides", NumberList(), "Of the convolutions."),
        ("dim_context", int, "Features of the context."),
        ("context_layers", int, "Layers of the context; none: 2 of an LSTM, 4 of s4d."),
        ("state_size", int, "s4d: size of each feature's system."),
        ("cpc_steps", int, "Positions ahead to predict."),
        ("negatives", int, "Latents to tell the true one from."),
    ),
    "mae": (
        ("patch_length", int, "Samples in a patch."),
        ("dim_decoder", int, "Features of the decoder."),
        ("decoder_layers", int, "Layers of the decoder."),
        ("hidden_leads", int, "Leads to hide whole."),
        ("hidden_share", float, "Share of the time to hide."),
        ("hidden_span", int, "Patches hidden together."),
    ),
}
"""The same of `pretrain --help`, for `PretrainConfig` and what it is made of."""


class PretrainCommand(TrainCommand):
    """Shows its options in the sections of `PRETRAIN_OPTIONS`."""

    sections = PRETRAIN_OPTIONS

    def find_defaults(self) -> Mapping[str, Any]:
        """Of every option."""
        from pipeline.pretrain_config import PretrainConfig

        defaults = PretrainConfig().to_flat()
        return {name: tuple(value) if isinstance(value, list) else value for name, value in defaults.items()}


@main.command(cls=PretrainCommand)
@stores_argument
@click.option(
    "--folder",
    type=click.Path(file_okay=False),
    help="The run folder; PATH/ makes a dated one in PATH; one with an unfinished pretraining is continued.  "
    "[default: output_DATE_TIME]",
)
@field_options(PRETRAIN_OPTIONS)
@cuda_option
def pretrain(stores: tuple[Any, ...], folder: str | None, cuda: bool, **options: Any) -> None:
    """Pretrain a net on every record of a store, labelled or not; train --folder takes it from there.

    rnn, lstm and gru predict the signal ahead; transformer gives hidden signal back or tells flipped leads;
    transformerxl remembers a record's windows; cpc (contrastive predictive coding) tells what comes from what does
    not; mae (masked autoencoder) fills in hidden leads and times. Defaults are the reference system's; cpc and mae,
    which it has not, train for 50 epochs with AdamW and one cycle of the learning rate. Ctrl-C stops after the last
    whole epoch; the same command with --folder goes on from there.
    """
    from pipeline import pretrain as pretraining

    summary = pretraining.pretrain(
        stores or (DEFAULT_STORE,),
        folder=None if folder is None else Path(folder),
        dated=folder is not None and folder.endswith("/"),
        options={key: value for key, value in options.items() if value is not None},
        cuda=cuda,
        progress=Bar,
        report=_echo_pretrain_epoch,
    )
    best = summary.history[summary.best_epoch]
    click.echo(
        f"{'stopped' if summary.interrupted else 'done'} after {len(summary.history)} epochs of "
        f"{summary.pretrain_model} ({summary.n_parameters:,} parameters) on {summary.n_train:,} records "
        f"({summary.residency}), validated on {summary.n_valid:,}; best epoch {summary.best_epoch + 1}: "
        f"validation loss {best['valid_loss']:.4f}"
    )
    click.echo(f"run folder: {summary.folder}")
    named = " ".join(map(str, stores or (DEFAULT_STORE,)))
    if summary.interrupted:
        click.echo(f"continue with: python cli.py pretrain {named} --folder {summary.folder}")
        raise SystemExit(130)
    click.echo(f"classify with: python cli.py train {named} --folder {summary.folder}")


def _echo_pretrain_epoch(row: Mapping[str, float]) -> None:
    columns = {
        "train loss": ("train_loss", ".4f"),
        "valid loss": ("valid_loss", ".4f"),
        "lr": ("lr", ".2e"),
        "windows/s": ("windows_per_second", ".1f"),
        "waiting": ("waiting", ".4f"),
        "s": ("seconds", ".1f"),
    }
    if row["epoch"] == 0:
        click.echo("epoch  " + "  ".join(name.rjust(10) for name in columns))
    values = [format(row[key], form).rjust(10) for key, form in columns.values()]
    click.echo(f"{int(row['epoch']) + 1:>5}  " + "  ".join(values))


@main.command(cls=TrainCommand)
@stores_argument
@click.option(
    "--folder",
    type=click.Path(file_okay=False),
    help="The run folder; one with an unfinished run is continued, and FOLDER/ makes a dated one inside.  "
    "[default: output_DATE_TIME]",
)
@click.option(
    "--preset", type=click.Choice(["reference"]), help="All defaults of that system; options given go before them."
)
@click.option(
    "--pretrained",
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder of a pretraining that gives the network its first stage.  [default: FOLDER, if it holds one]",
)
@click.option("--tensorboard", is_flag=True, help="Write event files for TensorBoard into the run folder.")
@click.option("--only-test", is_flag=True, help="Train nothing: judge the folder's model on its validation records.")
@field_options(TRAIN_OPTIONS)
@cuda_option
def train(
    stores: tuple[Path, ...],
    folder: str | None,
    preset: str | None,
    pretrained: Path | None,
    tensorboard: bool,
    only_test: bool,
    cuda: bool,
    **options: Any,
) -> None:
    """Train a classifier on a store's labelled records.

    Several stores are read as one, as if all their records had been built into one. By default data/ecg.zarr.
    Ctrl-C stops after the last whole epoch; the same command with --folder goes on from there. A FOLDER with
    pretrain_config.json and pretrain_model.pth gives the network a pretrained stage, and its records; so does
    --pretrained, where the run is to be in a folder of its own.

    With --folds or --leave-out some patients, or a dataset, are held out, and tested on when all is done; the records
    to validate on, by which the best epoch and the thresholds are chosen, are others.

    torchrun --nproc-per-node N cli.py train … trains one network with N processes, each on its share of every batch.
    """
    from ecg.models.build import ModelConfig
    from pipeline import train as training
    from pipeline.distributed_run import find_ranks

    given = {key: value for key, value in options.items() if value is not None}
    stores = stores or (DEFAULT_STORE,)
    if only_test:
        _only_test(stores, folder, preset, given, cuda)
        return
    model_names = set(ModelConfig.__dataclass_fields__)
    dated = folder is not None and folder.endswith(("/", os.sep))
    if given.keys() & {"folds", "fold", "leave_out"}:
        if tensorboard:
            raise click.UsageError("--tensorboard is for one run; leave it out with --folds and --leave-out")
        how = {"preset": preset, "pretrained": pretrained, "cuda": cuda}
        _train_and_test(stores, None if folder is None else Path(folder), dated, given, how)
        return
    summary = training.train(
        stores,
        folder=None if folder is None else Path(folder),
        dated=dated,
        preset=preset,
        options={key: value for key, value in given.items() if key not in model_names},
        model_options={key: value for key, value in given.items() if key in model_names},
        pretrained=pretrained,
        cuda=cuda,
        tensorboard=tensorboard,
        progress=Bar,
        report=_echo_epoch,
    )
    if not find_ranks().writes:
        return
    best = summary.history[summary.best_epoch]
    click.echo(
        f"{'stopped' if summary.interrupted else 'done'} after {len(summary.history)} epochs on {summary.n_train:,} "
        f"records ({summary.residency}), "
        + (
            f"validated on {summary.n_valid:,}; best epoch {summary.best_epoch + 1}: "
            f"challenge metric {best['challenge_metric']:.3f}, macro AUROC {best['auroc']:.3f}"
            if summary.n_valid
            else "validated on none: the last weights are the model, and its thresholds are not fitted"
        )
    )
    click.echo(f"run folder: {summary.folder}")
    if summary.interrupted:
        click.echo(f"continue with: python cli.py train {' '.join(map(str, stores))} --folder {summary.folder}")
        raise SystemExit(130)


def _train_and_test(
    stores: tuple[Path, ...], folder: Path | None, dated: bool, given: dict[str, Any], how: dict[str, Any]
) -> None:
    from ecg.models.build import ModelConfig
    from pipeline import crossvalidate

    if "fold" in given and "folds" not in given:
        raise click.UsageError("--fold is one of --folds K, which is missing")
    folds, fold, leave_out = given.get("folds"), given.pop("fold", crossvalidate.ALL), given.get("leave_out")
    if folds is not None and leave_out is not None:
        raise click.UsageError("--folds and --leave-out hold out different things; give one of them")
    every_part = crossvalidate.ALL in (leave_out, fold if folds is not None else None)
    if folds is not None and not every_part:
        given["fold"] = fold
    names = set(ModelConfig.__dataclass_fields__)
    kept = {key: value for key, value in given.items() if not (every_part and key in ("folds", "leave_out"))}
    options = crossvalidate.TrainOptions(
        options={key: value for key, value in kept.items() if key not in names},
        model_options={key: value for key, value in kept.items() if key in names},
        **how,
    )
    common: dict[str, Any] = {"dated": dated, "progress": Bar, "report": _echo_epoch}
    if every_part:
        summary = crossvalidate.cross_validate(
            stores, folder, options, folds=folds, say=lambda text: click.echo(f"== {text}"), **common
        )
    else:
        summary = crossvalidate.train_and_test(stores, folder, options, **common)
    if summary.interrupted:
        click.echo(f"stopped; the same command with --folder {summary.folder} goes on")
        raise SystemExit(130)
    if summary.evaluation is None:
        return
    click.echo(f"== Held-out records; labels by {summary.decided_by}")
    _echo_scores(summary.evaluation)
    click.echo(f"{sum(summary.seconds.values()):,.0f} s of training in {len(summary.runs)} run(s), validation included")
    click.echo(f"{'folder of the runs' if every_part else 'run folder'}: {summary.folder}")


def _only_test(
    stores: tuple[Path, ...], folder: str | None, preset: str | None, given: dict[str, Any], cuda: bool
) -> None:
    from pipeline import only_test as testing
    from pipeline.run_folder import newest_run_folder

    model = newest_run_folder(Path()) if folder is None else Path(folder)
    summary = testing.only_test(stores, folder=model, preset=preset, options=given, cuda=cuda, progress=Bar)
    source = "its logits.csv" if summary.from_logits else "its network"
    click.echo(f"{model}, judged by {source} on {summary.n_records:,} records")
    echo_table(["figure", "value"], [[name, value] for name, value in summary.figures.items()])


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
@click.argument("inputs", nargs=-1, type=Place(), metavar="[INPUTS]...")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default=Path("predictions"),
    show_default=True,
    help="Folder for one CSV a record.",
)
@click.option(
    "--model",
    "models",
    type=click.Path(path_type=Path),
    multiple=True,
    help="Run folder, or folder of run folders; given several times, they predict as one.  [default: newest output_*]",
)
@click.option(
    "--average",
    type=click.Choice(["logits", "scores"]),
    help="Of several models: logits of each window, or scores of each record.  [default: logits where they fit]",
)
@click.option("--gain-sweep", is_flag=True, help="Predict at × 1/4.88, × 1 and × 4.88, into a folder each.")
@told_options
@click.option("--keep-flat", is_flag=True, help="Predict on recordings without any deflection, too.")
@click.option(
    "--precision",
    type=click.Choice(["fp32", "bf16", "fp16", "auto"]),
    default="fp32",
    show_default=True,
    help="Of the arithmetic; bf16 changes scores in the third digit, and auto takes it where it is much faster.",
)
@click.option(
    "--json",
    "json_path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the same as JSON into this file.",
)
@click.option("--force", is_flag=True, help="Write into a folder that holds predictions already.")
@cuda_option
def predict(
    inputs: tuple[Path, ...],
    output: Path,
    models: tuple[Path, ...],
    average: str | None,
    gain_sweep: bool,
    json_path: Path | None,
    precision: str,
    force: bool,
    cuda: bool,
    **options: Any,
) -> None:
    """Predict, and write one Challenge CSV for each record, and predictions.csv with all of them.

    INPUTS are stores, folders of recordings in any nesting, tarballs, or single recordings; by default the store
    data/ecg.zarr. WFDB in all its formats, EDF, BDF, DICOM, CSV, .npy and .mat are read, at any sampling frequency.
    Exit code 1 if any record could not be read; the others are predicted.
    """
    from pipeline import gain_sweep as sweeping
    from pipeline import predict as prediction
    from pipeline.inputs.told import InputConfig
    from pipeline.run_folder import newest_run_folder

    if gain_sweep and json_path is not None:
        raise click.UsageError("--gain-sweep predicts three times; leave out --json")
    told = InputConfig(**options)
    models = models or (newest_run_folder(Path()),)
    common: dict[str, Any] = {"average": average, "told": told, "precision": precision, "cuda": cuda}
    common |= {"force": force, "progress": Bar}
    inputs = inputs or (DEFAULT_STORE,)
    if gain_sweep:
        sweep = sweeping.sweep_gains(inputs, output, models, **common)
        for summary in sweep.predictions.values():
            _echo_predicted(summary)
        click.echo(f"set them side by side with: python cli.py evaluate LABELS {output}")
        summaries = list(sweep.predictions.values())
    else:
        summary = prediction.predict(inputs, output, models, json_path=json_path, **common)
        _echo_predicted(summary)
        summaries = [summary]
    # what cannot be read cannot be read at any gain
    _echo_few([f"doubtful {text}" for text in summaries[len(summaries) // 2].doubts])
    _echo_few([f"skipped {reject.record}: {reject.reason}" for reject in summaries[0].rejects])
    if summaries[0].rejects:
        raise click.ClickException(f"{len(summaries[0].rejects)} record(s) could not be read and have no prediction")


def _echo_predicted(summary: Any) -> None:
    click.echo(f"{summary.n_records:,} predictions in {summary.output}, by {summary.model}")


def _echo_few(texts: Sequence[str], most: int = 50) -> None:
    for text in texts[:most]:
        click.echo(text, err=True)
    if len(texts) > most:
        click.echo(f"… and {len(texts) - most:,} more such", err=True)


@main.command()
@click.argument("labels", type=Place(), metavar="LABELS")
@click.argument("outputs", type=click.Path(path_type=Path))
@click.argument("scores", type=click.Path(path_type=Path, dir_okay=False), required=False)
@click.option(
    "--also",
    type=Place(),
    metavar="PATH",
    multiple=True,
    help="More labels: another store, read as one with LABELS, or a folder; may be given several times.",
)
@click.option(
    "--json", "json_path", type=click.Path(path_type=Path, dir_okay=False), help="Write everything here, too."
)
@click.option("--bootstrap", "n_bootstrap", type=int, help="Replicates for the 95 % intervals; 0 leaves them out.")
@click.option("--seed", type=int, help="Of the replicates.")
@click.option("--bins", "n_bins", type=int, help="Of equal width, for calibration.")
def evaluate(
    labels: Path, outputs: Path, scores: Path | None, also: tuple[Path, ...], json_path: Path | None, **options: Any
) -> None:
    """Score predictions as the official evaluator does.

    LABELS is a folder of WFDB headers or a store. OUTPUTS is a folder with a Challenge CSV for each record, whoever
    wrote them; or what `predict --gain-sweep` wrote; or the folder of a training that held records out for testing
    (`train --folds`, `train --leave-out`), whose records alone count. SCORES.csv takes the official figures; beside
    it SCORES-classes.csv and SCORES-datasets.csv have those of each class and dataset.
    """
    from pipeline import evaluate as evaluation

    config = evaluation.EvaluateConfig(**{name: value for name, value in options.items() if value is not None})
    summary = evaluation.evaluate((labels, *also), outputs, scores, config=config, json_path=json_path, progress=Bar)
    _echo_scores(summary)


def _echo_scores(summary: Any) -> None:
    from ecg.snomed import SCORED_CLASSES, abbreviation_of, name_of
    from pipeline.evaluate import OFFICIAL_COLUMNS

    scores, intervals = summary.scores, summary.intervals
    figures = ("auroc", "auprc", "f_measure", "f_beta", "g_beta")
    drawn = ["AUROC from", "to"] if intervals else []
    echo_table(
        ["class", "positives", "AUROC", *drawn, "AUPRC", "F", "F2", "G2", "ECE", "name"],
        [
            [
                abbreviation_of(code),
                scores.n_positive[number],
                scores.auroc_classes[number],
                *(intervals.classes["auroc"][number] if intervals else ()),
                *(getattr(scores, f"{name}_classes")[number] for name in figures[1:]),
                summary.calibration_classes[number],
                name_of(code),
            ]
            for number, code in enumerate(SCORED_CLASSES)
        ],
    )
    click.echo()
    echo_table(
        ["figure", "value", *(["from", "to"] if intervals else [])],
        [
            [title, getattr(scores, name), *(intervals.macro[name] if intervals else ())]
            for title, name in OFFICIAL_COLUMNS.items()
        ],
    )
    click.echo(
        f"{summary.n_records:,} records, {summary.n_unlabelled:,} of them without a scored label; expected calibration "
        f"error {_cell(summary.calibration)} in {summary.n_bins} bins of equal width, mean over classes with positives"
    )
    if intervals:
        click.echo(
            f"from, to: {100 * intervals.level:g} % intervals by {intervals.n_replicates:,} replicates of the Bayesian "
            f"bootstrap over {intervals.n_units:,} {summary.units}"
        )
    for title, parts in (("dataset", summary.datasets), ("held out", summary.held_out)):
        if len(parts) > 1:
            click.echo()
            _echo_parts(title, parts, summary.mean_of_parts(parts))
    if summary.gains:
        click.echo()
        _echo_gains(summary.gains)
    for path in summary.written:
        click.echo(f"written: {path}")


def _echo_parts(title: str, parts: Sequence[Any], mean: Mapping[str, float]) -> None:
    from pipeline.evaluate import OFFICIAL_COLUMNS

    echo_table(
        [title, "records", "unlabelled", *OFFICIAL_COLUMNS],
        [
            [
                part.name,
                part.n_records,
                part.n_unlabelled,
                *(getattr(part.scores, name) for name in OFFICIAL_COLUMNS.values()),
            ]
            for part in parts
        ]
        + [
            [
                "sum; means",
                sum(part.n_records for part in parts),
                sum(part.n_unlabelled for part in parts),
                *mean.values(),
            ]
        ],
    )


def _echo_gains(gains: Sequence[Any]) -> None:
    from pipeline.evaluate import OFFICIAL_COLUMNS

    echo_table(
        ["gain", "labels changed", "largest change of a score", *OFFICIAL_COLUMNS],
        [
            [
                f"× {gain.gain:.4g}",
                gain.n_labels_changed,
                gain.largest_change,
                *(getattr(gain.part.scores, name) for name in OFFICIAL_COLUMNS.values()),
            ]
            for gain in gains
        ],
    )


@main.command()
@click.argument("records", nargs=-1, metavar="RECORD...")
@click.option("--from", "place", type=click.Path(path_type=Path), help="The store, folder or tarball that they are in.")
@click.option(
    "--output", type=click.Path(path_type=Path), default=Path("plots"), show_default=True, help="Folder for pictures."
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["png", "svg", "pdf"]),
    default="png",
    show_default=True,
    help="Of a picture.",
)
@click.option("--dpi", type=float, default=150, show_default=True, help="Of a png; every format is true to scale.")
@click.option(
    "--layout",
    type=click.Choice(["auto", "3x4", "6x2", "12x1"]),
    default="auto",
    show_default=True,
    help="Rows and columns; 3x4 has a rhythm strip below, and is taken where all twelve leads are there.",
)
@click.option("--rhythm", default="II", show_default=True, help="Lead of the rhythm strip.")
@click.option("--speed", type=float, default=25, show_default=True, help="12.5, 25 or 50 mm/s.")
@click.option("--gain", type=float, help="2.5, 5, 10 or 20 mm/mV.  [default: 10, or less where the sheet has no room]")
@click.option("--start", "start_s", type=float, default=0, show_default=True, help="Begin here, seconds.")
@click.option(
    "--predictions", type=click.Path(path_type=Path), help="Folder that predict wrote: put its scores on the paper."
)
@told_options
@click.option("--force", is_flag=True, help="Replace pictures that are there.")
def plot(
    records: tuple[str, ...],
    place: Path | None,
    output: Path,
    form: str,
    dpi: float,
    predictions: Path | None,
    force: bool,
    **options: Any,
) -> None:
    """Draw recordings on ECG paper, true to scale: a picture each.

    RECORDs are paths of recordings of any kind, of folders or tarballs; with --from, names of recordings in that
    store, folder or tarball, none for all. Exit code 1 if any could not be drawn; the others are.
    """
    from ecg.paper import PaperConfig
    from pipeline import plot as plotting
    from pipeline.inputs.told import InputConfig

    told = InputConfig(**{name: options.pop(name) for name in ("fs", "units", "leads", "missing_leads")})
    if not records and place is None:
        raise click.UsageError("name a RECORD, or the store or folder they are in with --from")
    summary = plotting.plot(
        records,
        output,
        place=place,
        config=PaperConfig(**options),
        told=told,
        predictions=predictions,
        form=form,
        dpi=dpi,
        force=force,
        progress=Bar,
    )
    for path in summary.written[:20]:
        click.echo(path)
    if len(summary.written) > 20:
        click.echo(f"… and {len(summary.written) - 20:,} more")
    _echo_few([f"skipped {reject.record}: {reject.reason}" for reject in summary.rejects])
    if summary.rejects:
        raise click.ClickException(f"{len(summary.rejects)} recording(s) could not be drawn")


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


@bench.command("remote")
@click.option(
    "--records", "n_records", type=click.IntRange(min=600), default=4000, show_default=True, help="In the store."
)
@click.option("--connections", type=click.IntRange(min=1), default=4, show_default=True, help="Requests at once.")
@click.option("--delay-ms", type=float, default=50.0, show_default=True, help="Before the server answers, ms.")
@click.option("--folder", type=click.Path(path_type=Path), help="Keep the simulated store here for the next run.")
@click.option("--rounds", type=click.IntRange(min=1), default=5, show_default=True, help="Of all ways in turn.")
def bench_remote(n_records: int, connections: int, delay_ms: float, folder: Path | None, rounds: int) -> None:
    """Batches from a store behind S3, against the same store on this machine, and against the server alone.

    The server is moto's, on this machine, and answers after a delay.
    """
    from pipeline.bench import remote as benchmark

    result = benchmark.run(
        n_records=n_records,
        connections=connections,
        delay_s=delay_ms / 1000,
        folder=folder,
        rounds=rounds,
        progress=Bar,
    )
    local = result.row(benchmark.LOCAL)
    echo_table(
        ["what", "windows/s", "median", "× local", "median"],
        [
            [row.what, int(row.best), int(row.median), row.best / local.best, row.median / local.median]
            for row in result.rows
        ],
    )
    click.echo(
        f"{result.n_chunks} chunks, {format_bytes(result.n_bytes)}; {connections} requests at once, {delay_ms:g} ms "
        f"each; opened in {result.open_s:.2f} s, first batch after {result.first_batch_s:.2f} s more"
    )


@bench.command("predict")
@click.option(
    "--records", "n_records", type=click.IntRange(min=8), default=256, show_default=True, help="Simulated, of 10 s."
)
@click.option("--rounds", type=click.IntRange(min=1), default=3, show_default=True, help="Of all ways in turn.")
@click.option("--model", type=click.Path(path_type=Path), help="Run folder.  [default: an untrained one of full size]")
@click.option("--folder", type=click.Path(path_type=Path), help="Keep the simulated records here for the next run.")
def bench_predict(n_records: int, rounds: int, model: Path | None, folder: Path | None) -> None:
    """Predicting batches that are read ahead, against one recording at a time, and against the network alone."""
    from pipeline.bench import predict as benchmark

    result = benchmark.run(n_records=n_records, rounds=rounds, model=model, folder=folder, progress=Bar)
    baseline = result.row(benchmark.BASELINE, "fp32")
    alone = {precision: result.row(benchmark.NETWORK, precision) for precision in ("fp32", "bf16")}
    echo_table(
        ["what", "precision", "records/s", "median", "× baseline", "× the network", "cpu ms/record"],
        [
            [
                row.what,
                row.precision,
                row.best,
                row.median,
                row.best / baseline.best,
                row.best / alone[row.precision].best,
                row.processor_ms,
            ]
            for row in result.rows
        ],
    )
    click.echo(
        f"bf16 changes scores by {result.largest_change:.4f} at most, and {result.n_changed:,} of {result.n_labels:,} "
        f"labels{'' if result.trained else ' (of an untrained network, all of whose scores are near its thresholds)'}"
    )
    click.echo(f"one recording from cold start to CSV: {', '.join(f'{s:.2f}' for s in result.cold_start_s)} s")


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


BENCH_TRAIN_OPTIONS = {title: tuple(row for row in rows if row[0] != "epochs") for title, rows in TRAIN_OPTIONS.items()}


@bench.command("train")
@stores_argument
@click.option("--pairs", type=click.IntRange(min=1), default=5, show_default=True, help="Of both configurations.")
@click.option("--steps", type=click.IntRange(min=1), default=1, show_default=True, help="On each side of a pair.")
@click.option("--epochs", type=click.IntRange(min=0), default=0, show_default=True, help="Train both; 0 does not.")
@click.option(
    "--figure",
    type=click.Choice(["challenge_metric", "auroc", "auprc", "f_measure"]),
    default="auroc",
    show_default=True,
    help="Of the validation records.",
)
@click.option("--target", type=float, default=0.7, show_default=True, help="To be reached.")
@field_options(BENCH_TRAIN_OPTIONS)
@cuda_option
def bench_train(stores: tuple[Path, ...], **options: Any) -> None:
    """The default training beside the reference configuration's, in one run: windows/s, and seconds to a score.

    The options of `train` change the default configuration; those about records and the network's size change both.
    """
    from ecg.models.build import ModelConfig
    from pipeline.bench import train as benchmark

    own = {name: options.pop(name) for name in ("pairs", "steps", "epochs", "figure", "target", "cuda")}
    given = {key: value for key, value in options.items() if value is not None}
    model_names = set(ModelConfig.__dataclass_fields__)
    result = benchmark.run(
        stores or (DEFAULT_STORE,),
        options={key: value for key, value in given.items() if key not in model_names},
        model_options={key: value for key, value in given.items() if key in model_names},
        progress=Bar,
        **own,
    )
    echo_table(
        ["configuration", "arithmetic", "windows/s", "ratio", "processor, ms a window", "ratio"],
        [
            [row.name, row.arithmetic, row.windows_per_second, row.ratio, row.processor_ms, row.processor_ratio]
            for row in result.steps
        ],
    )
    if result.scores:
        click.echo("")
        echo_table(
            [
                "configuration",
                "epochs",
                "s",
                "processor s",
                f"best {own['figure']}",
                "at",
                f"epochs to {own['target']}",
                "s to it",
            ],
            [
                [
                    *(row.name, row.epochs, row.seconds, row.processor_seconds, row.best, row.best_epoch),
                    *("–" if value is None else value for value in (row.epochs_to, row.seconds_to)),
                ]
                for row in result.scores
            ],
        )


@bench.command("pretrain")
@click.option("--nets", type=NameList(), help="Some of them, such as masking,cpc-s4d.  [default: all]")
@click.option("--precisions", "ways", type=NameList(), default="fp32,bf16", show_default=True, help="To measure in.")
@click.option("--batch-size", type=click.IntRange(min=1), default=32, show_default=True, help="Windows in a batch.")
@click.option("--window-length", type=int, default=4096, show_default=True, help="Samples in a window.")
@click.option("--rounds", type=click.IntRange(min=1), default=3, show_default=True, help="Of all ways in turn.")
@click.option("--memory/--no-memory", default=True, show_default=True, help="Measure the peak of each, too.")
def bench_pretrain(nets: tuple[str, ...] | None, **options: Any) -> None:
    """Steps of pretraining each net, against the reference system's step written straightforwardly.

    The nets are rnn, lstm, gru, flipping, masking, transformerxl, cpc-lstm, cpc-s4d and mae; the last three have no
    counterpart there. All are in their default sizes.
    """
    from pipeline.bench import pretrain as benchmark

    result = benchmark.run(nets=nets or tuple(benchmark.NETS), progress=Bar, **options)
    echo_table(
        ["net", "way", "parameters", "windows/s", "× reference", "× its processor time", "peak MB"],
        [
            [
                row.net,
                row.way,
                "" if row.n_parameters is None else f"{row.n_parameters:,}",
                row.rate,
                _or_nothing(result.ratio(row)),
                _or_nothing(result.ratio(row, "processor_s")),
                "" if row.peak_bytes is None else f"{row.peak_bytes / 1e6:,.0f}",
            ]
            for row in result.rows
        ],
    )


def _or_nothing(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


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
