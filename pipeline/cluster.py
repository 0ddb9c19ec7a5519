"""Where the work is done: on dask workers that are started for it, or on a cluster that runs already."""

import json
import logging
import os
import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ecg import __version__
from ecg.errors import ClusterError

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


@contextmanager
def open_client(cluster: Cluster, folder: Path, n_jobs: int, say: Say = say_nothing) -> Iterator[Any]:
    """A dask client whose workers can import this program and see `folder`.

    Raises
    ------
    ClusterError
        If there is no scheduler, no worker, or one that cannot work for this build.
    """
    if cluster.dashboard and find_spec("bokeh") is None:
        raise ClusterError("--dashboard: the package bokeh is not installed; pip install bokeh, or leave it out")
    remote = cluster.is_remote
    opening = _remote_client(cluster, folder) if remote else local_client(min(cluster.workers, n_jobs))
    with opening as client:
        if cluster.dashboard:
            say(f"dashboard: {client.dashboard_link or 'the scheduler has none'}")
        yield client


@contextmanager
def local_client(workers: int) -> Iterator[Any]:
    """A dask client with `workers` fresh processes on this machine, one thread each.

    They import this program afresh (spawn), so that no lock or thread is copied half-way. A worker that is killed is
    started again, and its task is done again by another.
    """
    import dask
    from distributed import Client, LocalCluster

    _quiet()
    with (
        dask.config.set({"distributed.worker.daemon": True, "distributed.logging.distributed": "critical"}),
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
        yield client


def _quiet() -> None:
    """dask's own comings and goings are not the user's; what concerns the build becomes an error of ours."""
    for name in ("distributed", *logging.root.manager.loggerDict):
        if name.partition(".")[0] == "distributed":
            logging.getLogger(name).setLevel(logging.CRITICAL)


@contextmanager
def _remote_client(cluster: Cluster, folder: Path) -> Iterator[Any]:
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


def _check_workers(client: Any, address: str, folder: Path) -> None:  # noqa: ANN401 - a dask client
    """Refuse workers before the first task, not record by record: each must have this program and see the folder."""
    token = folder / f"seen-by-workers.{secrets.token_hex(8)}"
    token.touch()
    try:
        answers = client.run(describe_worker, str(token), on_error="return")
    finally:
        token.unlink()
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
    ours = describe_worker(str(folder))
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
        _SEES: os.path.exists(path),
    }
