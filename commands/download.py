"""download: the datasets of a release, or the published run folders."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from ecg12.commands.shared.options import DEFAULT_DATA, ByteCount, NameList, workers_option
from ecg12.commands.shared.printing import echo_rows, echo_some, format_bytes
from ecg12.commands.shared.progress import Bar

_ISSUES = {"first": "of the first issue", "last": "of the last issue", "both": "the same in both issues"}
_COLUMNS: tuple[tuple[str, Any], ...] = (
    ("dataset", "name"),
    ("records", "n_records"),
    ("of", "expected_records"),
    ("files", "n_files"),
    ("size", lambda report: format_bytes(report.disk_bytes)),
    ("of", lambda report: format_bytes(report.expected_disk_bytes)),
    ("fetched", "n_fetched"),
    ("verified", "n_verified"),
    ("repaired", "n_repaired"),
    ("missing", lambda report: len(report.missing)),
)


@click.command()
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=DEFAULT_DATA,
    show_default=True,
    help="Folder for the data.",
)
@click.option(
    "--release",
    type=click.Choice(["challenge-2020", "challenge-2021", "ptb-xl"]),
    help="The six datasets of 2020 (8.4 GB), the eight of 2021 (14 GB), or PTB-XL as its authors publish it (2.8 GB).  "
    "[default: the one that is in the folder, else challenge-2020]",
)
@click.option(
    "--datasets",
    type=NameList(),
    help="Some of them, such as cpsc,georgia; of ptb-xl records500, records100 or both.  [default: all, but for ptb-xl "
    "records500]",
)
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
@click.option(
    "--max-file-size",
    "max_file_bytes",
    type=ByteCount(),
    help="Stop a longer file, such as 500MB or 2GiB.  [default: by kind, 1 MiB for headers, 100 MB for signals]",
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
    max_file_bytes: int | None,
    workers: int,
    **options: Any,
) -> None:
    """Bring the datasets of a release into data/, every file proven by its published digest.

    With PTB-XL comes ptbxl_database.csv, its published table of patients, which build-cache finds by itself. A folder
    holds one release: give another one an --output of its own.

    What is there and right is not fetched again, and an interrupted download goes on where it was: give the same
    command again. With --verify, a finished folder is proven anew. Exit code 1 if anything is missing or wrong.
    """
    from ecg12.pipeline.download import download as downloading
    from ecg12.pipeline.http.wanted_files import TransferConfig

    transfer = TransferConfig(connections=connections, max_file_bytes=max_file_bytes)
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
    echo_rows(summary.reports, _COLUMNS)
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
        echo_listed([f"header checksum: {text}" for text in wrong])
    if summary.patients:
        click.echo(f"patients: {summary.patients}")
    trusted = sum(report.n_trusted for report in summary.reports)
    if trusted:
        click.echo(f"{trusted:,} files were proven by an earlier run and not touched since; --verify reads them again")
    echo_listed(summary.notes)
    echo_listed(summary.problems)
    if summary.interrupted:
        click.echo("interrupted; what has come is kept, and the same command goes on from there")
        raise SystemExit(130)
    if summary.problems:
        raise click.ClickException(f"{summary.output}: not complete: {len(summary.problems)} problem(s)")
    click.echo(f"{summary.output}: complete ({summary.seconds:.1f} s)")


def _download_weights(output: Path, weight_set: str | None, url: str | None, transfer: Any) -> None:
    from ecg12.pipeline.download.published_weights import fetch_weights

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


def echo_listed(texts: Sequence[str]) -> None:
    """Print the first twenty on standard error, and where all of them are."""
    echo_some(texts, most=20, rest=", all of them in download-manifest.json")
