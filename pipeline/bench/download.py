"""`bench download`: many small files from a server that is 20 ms away, and proving them once they are here.

The baselines do the same work in the plainest way: one file after another over one kept-alive connection, hashed,
written and renamed; and `sha256sum` in two processes over the same files. Neither is a strawman: the first is what a
loop with the standard library does, the second what one types by hand.
"""

import contextlib
import hashlib
import http.client
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from ecg12.ecg.errors import DownloadError, InputError
from ecg12.pipeline.bench.loopback import Files, loopback_server
from ecg12.pipeline.bench.row import BenchRow
from ecg12.pipeline.download.download import DownloadConfig, download
from ecg12.pipeline.download.prove_files import prove_files
from ecg12.pipeline.download.sources import RELEASE_LIST, SOURCES
from ecg12.pipeline.http.size_limits import MIB
from ecg12.pipeline.http.wanted_files import TransferConfig
from ecg12.pipeline.runtime.progress import Progress, silent

PROVERS = 2
REPEATS = 3
"""Of the proofs, in turn; the best of each counts, because other work on the machine only ever slows."""


def run(
    *,
    n_files: int,
    delay_s: float,
    connections: int,
    folder: Path | None = None,
    progress: Progress = silent,
) -> list[BenchRow]:
    """Measure; the first row of each kind is its baseline.

    Raises
    ------
    InputError
        If `folder` holds anything.
    DownloadError
        If a file did not come, or is wrong.
    """
    if folder is not None and folder.exists() and any(folder.iterdir()):
        raise InputError(f"{folder}: is not empty; choose another folder for the benchmark")
    if folder is not None:
        folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent if folder else None) as work:
        root = folder or Path(work)
        files = Files()
        with loopback_server(delay_s) as port:
            rows = _fetching(root, files, port, n_files, connections, progress)
        rows += _proving(root / "data", files, n_files, progress)
    return rows


def _fetching(
    root: Path, files: Files, port: int, n_files: int, connections: int, progress: Progress
) -> list[BenchRow]:
    names = [files.name(number) for number in range(n_files)]
    digests = [hashlib.sha256(b"".join(files.parts(number))).hexdigest() for number in range(n_files)]
    listed = "".join(f"{digest}  {name}\n" for digest, name in zip(digests, names, strict=True))
    with progress("one at a time", n_files, "files") as task:
        baseline_s = _timed(lambda: _one_at_a_time(root / "plain", port, names, digests, task.advance))
    output = root / "data"
    output.mkdir(parents=True)
    (output / RELEASE_LIST).write_text(listed, encoding="utf-8")
    table = next(source for source in SOURCES if source.dataset.name == "ptb-xl")
    # no headers are served, so that all files have the size that is stated: records are not counted
    table = replace(table, dataset=replace(table.dataset, n_records=0), size_bytes=files.n_bytes)
    config = DownloadConfig(datasets=("ptb-xl",), mirrors=(f"http://127.0.0.1:{port}",))
    begun = time.perf_counter()
    summary = download(
        output,
        config,
        transfer=TransferConfig(connections=connections, max_file_bytes=MIB),
        progress=progress,
        sources=[table],
    )
    seconds = time.perf_counter() - begun
    if summary.problems:
        raise DownloadError(f"benchmark: {summary.problems[0]}")
    shutil.rmtree(root / "plain")
    n_bytes = n_files * files.n_bytes
    return [
        BenchRow(what="one at a time", seconds=baseline_s, n_files=n_files, n_bytes=n_bytes, ratio=1.0),
        BenchRow(
            what=f"download, {connections} connections",
            seconds=seconds,
            n_files=n_files,
            n_bytes=n_bytes,
            ratio=baseline_s / seconds,
        ),
    ]


def _one_at_a_time(
    folder: Path, port: int, names: Sequence[str], digests: Sequence[str], advance: Callable[[], None]
) -> None:
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port)) as connection:
        for name, digest in zip(names, digests, strict=True):
            connection.request("GET", f"/{name}")
            body = connection.getresponse().read()
            if hashlib.sha256(body).hexdigest() != digest:
                raise DownloadError(f"benchmark: {name} came with wrong bytes")
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_suffix(".part")
            part.write_bytes(body)
            part.replace(path)
            advance()


def _proving(output: Path, files: Files, n_files: int, progress: Progress) -> list[BenchRow]:
    for number in range(n_files):
        (output / files.name(number)).with_suffix(".hea").write_text(files.header_text(number), encoding="utf-8")
    paths = sorted(path for path in (output / "training").rglob("*") if path.is_file())
    n_bytes = sum(path.stat().st_size for path in paths)
    ways: dict[str, Callable[[], None]] = {
        "digests and headers": lambda: _prove(paths, headers=True),
        "digests": lambda: _prove(paths, headers=False),
    }
    baseline = f"sha256sum, xargs -P{PROVERS}"
    if shutil.which("sha256sum") and shutil.which("xargs"):
        ways = {baseline: lambda: _sha256sum(output / "training")} | ways
    best = dict.fromkeys(ways, float("inf"))
    with progress("prove", REPEATS * len(ways), "passes") as task:
        for _ in range(REPEATS):
            for what, way in ways.items():
                best[what] = min(best[what], _timed(way))
                task.advance()
    over = best.get(baseline, float("nan"))
    return [
        BenchRow(what=what, seconds=seconds, n_files=len(paths), n_bytes=n_bytes, ratio=over / seconds)
        for what, seconds in best.items()
    ]


def _prove(paths: Sequence[Path], *, headers: bool) -> None:
    for proof in prove_files(paths, headers=headers, workers=PROVERS):
        if proof.sha256 is None or proof.record:
            raise DownloadError(f"benchmark: {proof.path}: {proof.record or 'is gone'}")


def _sha256sum(folder: Path) -> None:
    command = f"find . -type f -print0 | xargs -0 -n 64 -P{PROVERS} sha256sum"
    subprocess.run(["sh", "-c", command], cwd=folder, check=True, stdout=subprocess.DEVNULL)


def _timed(work: Callable[[], None]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun
