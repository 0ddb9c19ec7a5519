"""Where the work is done: on dask workers that are started for it, or on a cluster that runs already."""

import json
import logging
import secrets
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ecg12.cache.storage.location import Location, RemotePath, locate
from ecg12.ecg.errors import ClusterError, RemoteError
from ecg12.ecg.version import __version__

LOCALHOST = "127.0.0.1"
CONNECT_S = 15.0
"""So long a scheduler may take to answer, and then a first worker to be there."""

Say = Callable[[str], None]


def say_nothing(text: str) -> None:
    """For who does not listen."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cluster:
    """Where to find workers.

    Attributes
    ----------
    workers : processes to start on this machine; with 1 the work is done in this process
    scheduler : address of a running dask scheduler, such as tcp://10.0.0.5:8786, to use its workers instead
    scheduler_file : the same, from the file that `dask scheduler --scheduler-file` wrote
    dashboard : say where dask's dashboard is to be seen
    """

    workers: int = 1
    scheduler: str | None = None
    scheduler_file: Path | None = None
    dashboard: bool = False

    @property
    def is_remote(self) -> bool:
        """Whether the workers are there already."""
        return self.scheduler is not None or self.scheduler_file is not None


def check_reach(cluster: Cluster, places: Sequence[Location]) -> None:
    """Raise ClusterError if a place is in this process's memory and others are to work there."""
    if cluster.workers == 1 and not cluster.is_remote and not cluster.dashboard:
        return
    for place in places:
        if isinstance(place, RemotePath) and place.protocol == "memory":
            raise ClusterError(
                f"{place}: is in the memory of this process, where worker processes do not see it; expected "
                "--workers 1 without --scheduler and --dashboard, or a place that all can reach"
            )


@contextmanager
def open_client(cluster: Cluster, folder: Location, n_jobs: int, say: Say = say_nothing) -> Iterator[Any]:
    """A dask client whose workers can import this program and see `folder`.

    Raises
    ------
    ClusterError
        If there is no scheduler, no worker, or one that cannot work for this build.
    """
    if cluster.dashboard and find_spec("bokeh") is None:
        raise ClusterError("--dashboard: the package bokeh is not installed; pip install bokeh, or leave it out")
    remote = cluster.is_remote
    n_workers, watched = min(cluster.workers, n_jobs), cluster.dashboard
    opening = _remote_client(cluster, folder) if remote else local_client(n_workers, watched=watched)
    with opening as client:
        if cluster.dashboard:
            say(f"dashboard: {client.dashboard_link or 'the scheduler has none'}")
        yield client


@contextmanager
def local_client(workers: int, *, watched: bool = False) -> Iterator[Any]:
    """A dask client with `workers` fresh processes on this machine, one thread each.

    They import this program afresh (spawn), so that no lock or thread is copied half-way. A worker that is killed is
    started again, and its task is done again by another. Only for a dashboard that is `watched` does dask measure
    itself; BLAS has one thread in each, which is dask's own default.
    """
    import dask
    from distributed import Client, LocalCluster

    _quiet()
    with (
        dask.config.set(_OURS if watched else _OURS | _UNWATCHED),
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            dashboard_address=f"{LOCALHOST}:0",  # any free port; dask's own choice warns where it is taken
            host=LOCALHOST,
            memory_limit=0,
        ) as cluster,
        Client(cluster) as client,
    ):
        client.run(_quiet, on_error="ignore")  # a worker whose heartbeat is under way at the end would complain
        yield client


_OURS = {"distributed.worker.daemon": True, "distributed.logging.distributed": "critical"}
_UNWATCHED = {
    "distributed.worker.profile.enabled": False,  # looks at each worker's stack a hundred times a second
    "distributed.admin.tick.interval": "1s",  # of scheduler, nannies and workers: fifty times a second, is one late?
    "distributed.admin.tick.cycle": "60s",
    "distributed.admin.system-monitor.interval": "60s",
    "distributed.admin.system-monitor.disk": False,
    "distributed.admin.system-monitor.gil.enabled": False,
    "distributed.scheduler.active-memory-manager.start": False,  # results are two numbers
}
"""What dask measures about itself took a tenth of a machine whose cores all work."""


def _quiet() -> None:
    """dask's own comings and goings are not the user's; what concerns the build becomes an error of ours."""
    for name in ("distributed", *logging.root.manager.loggerDict):
        if name.partition(".")[0] == "distributed":
            logging.getLogger(name).setLevel(logging.CRITICAL)


@contextmanager
def _remote_client(cluster: Cluster, folder: Location) -> Iterator[Any]:
    from distributed import Client

    address = cluster.scheduler or _address_in(cluster.scheduler_file or Path())
    _quiet()
    try:
        client = Client(address, timeout=CONNECT_S)
    except (OSError, ValueError) as error:
        raise ClusterError(
            f"scheduler {address}: does not answer within {CONNECT_S:g} s ({error}); expected the address of a running "
            "dask scheduler, such as tcp://10.0.0.5:8786: start one with `dask scheduler`"
        ) from error
    with client:
        try:
            client.wait_for_workers(1, timeout=CONNECT_S)
        except TimeoutError as error:
            raise ClusterError(
                f"scheduler {address}: has no worker after {CONNECT_S:g} s; start some with `dask worker {address}`"
            ) from error
        _check_scheduler(client, address)
        _check_workers(client, address, folder)
        yield client


def _address_in(file: Path) -> str:
    """The scheduler's address in a scheduler file."""
    try:
        return str(json.loads(file.read_text(encoding="utf-8"))["address"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ClusterError(
            f"{file}: no scheduler's address there ({type(error).__name__}: {error}); expected the file that "
            "`dask scheduler --scheduler-file` writes"
        ) from error


def _check_scheduler(client: Any, address: str) -> None:  # noqa: ANN401 - a dask client
    """Refuse a scheduler that could not unpack a task: it must have this program, too, although it does no work."""
    ours = describe_worker("")
    try:
        found = client.run_on_scheduler(describe_worker, "")
    except OSError as error:  # dask's own errors of a connection among them
        raise ClusterError(f"scheduler {address}: was lost ({error}); start it and run the build again") from error
    except Exception as error:  # whatever unpickling and importing there ran into
        raise ClusterError(
            f"scheduler {address}: cannot import this program ({type(error).__name__}: {error}); start it in the same "
            "environment as its workers, with the program's folder in PYTHONPATH"
        ) from error
    for what in ("program version", "Python"):
        if found[what] != ours[what]:
            raise ClusterError(
                f"scheduler {address}: {what} {found[what]}; expected {ours[what]} as here: start it in the same "
                "environment"
            )


def _check_workers(client: Any, address: str, folder: Location) -> None:  # noqa: ANN401 - a dask client
    """Refuse workers before the first task, not record by record: each must have this program and see the folder."""
    token = folder / f"seen-by-workers.{secrets.token_hex(8)}"
    token.write_bytes(b"")
    try:
        answers = client.run(describe_worker, str(token), on_error="return")
    finally:
        token.unlink()
    for worker, answer in answers.items():
        if isinstance(answer, RemoteError):
            raise ClusterError(
                f"worker {worker}: {answer}; expected the driver, the endpoint and the credentials there, too"
            ) from answer
    for worker in [worker for worker, answer in answers.items() if isinstance(answer, OSError)]:
        del answers[worker]  # gone in the meantime; the others do its tasks
    for worker, answer in answers.items():
        if isinstance(answer, Exception):  # whatever unpickling and importing there ran into
            raise ClusterError(
                f"worker {worker}: cannot import this program ({type(answer).__name__}: {answer}); start it in the "
                "same environment, with the program's folder in PYTHONPATH"
            ) from answer
    if not answers:
        raise ClusterError(f"scheduler {address}: its workers are gone; start some with `dask worker {address}`")
    ours = describe_worker(str(folder)) | {_SEES: True}
    for worker, answer in answers.items():
        for what, found in answer.items():
            if found != ours[what]:
                raise ClusterError(
                    f"worker {worker}: {what} {found}; expected {ours[what]} as here: start it in the same environment"
                    if what != _SEES
                    else f"worker {worker}: does not see {folder}; expected a file system that all workers share"
                )


_SEES = "sees the build's folder"


def describe_worker(path: str) -> dict[str, object]:
    """What must be the same on every worker."""
    import numpy
    import zarr

    return {
        "program version": __version__,
        "Python": ".".join(map(str, sys.version_info[:2])),
        "numpy": numpy.__version__,
        "zarr": zarr.__version__,
        _SEES: locate(path).exists(),
    }
