"""Inputs of a build as folders and files: tarballs unpacked, and what is behind URLs fetched unless it is of WFDB.

WFDB records behind a URL stay there: their headers are read for the plan, and each record is fetched where it is
converted. Readers of other kinds want files, so such an input is fetched whole, as `predict` has it.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import wraps
from pathlib import Path
from tempfile import gettempdir
from typing import Any, Concatenate, ParamSpec, TypeVar

from ecg12.cache.storage.location import Location, RemotePath
from ecg12.ecg.errors import InputError
from ecg12.pipeline.formats.wfdb.find_headers import HEADER_SUFFIXES, is_header
from ecg12.pipeline.formats.wfdb.remote_records import headers_below
from ecg12.pipeline.recordings.find_recordings import is_tarball
from ecg12.pipeline.recordings.remote_recordings import brought
from ecg12.pipeline.recordings.tarballs import unpacked
from ecg12.pipeline.runtime.scratch import scratch

P = ParamSpec("P")
T = TypeVar("T")


def with_inputs_at_hand(
    build: Callable[Concatenate[Sequence[Location], Location, P], T],
) -> Callable[Concatenate[Sequence[Location], Location, P], T]:
    """A build whose first argument, its inputs, are at hand while it works; the second is where its store goes."""

    @wraps(build)
    def build_at_hand(inputs: Sequence[Location], store: Location, *args: P.args, **options: P.kwargs) -> T:
        with inputs_at_hand(inputs, store, **_cluster_of(options)) as given:
            return build(given, store, *args, **options)

    return build_at_hand


def _cluster_of(options: dict[str, Any]) -> dict[str, bool]:
    cluster = options.get("cluster")
    return {"elsewhere": bool(cluster and cluster.is_remote)}


@contextmanager
def inputs_at_hand(
    inputs: Sequence[Location], store: Location, *, elsewhere: bool = False
) -> Iterator[Sequence[Location]]:
    """The inputs with each tarball replaced by a folder of what is in it, and each URL without WFDB records by files.

    Parameters
    ----------
    store : beside which folders are made, so that workers who see it see them; a temporary folder where it is remote
    elsewhere : whether workers of other machines are to read them

    Raises
    ------
    InputError
        If there is nothing at a URL, something does not fit the disk, a tarball is damaged, or no worker would see it.
    RemoteError
        If a server cannot be had.
    """
    wanted = [_must_be_laid_down(given) for given in inputs]
    if not any(wanted):
        yield inputs
        return
    if elsewhere and isinstance(store, RemotePath):
        raise InputError(
            f"{inputs[wanted.index(True)]}: would lie on this machine alone, where the cluster's workers do not see it;"
            " expected --workers instead of --scheduler, or a store on a file system that all share"
        )
    beside = Path(gettempdir()) if isinstance(store, RemotePath) else store.parent
    with ExitStack() as stack:
        work = stack.enter_context(scratch(beside, "build-cache"))
        given: list[Location] = []
        for one, lay_down in zip(inputs, wanted, strict=True):
            if lay_down:
                (fetched,) = stack.enter_context(brought([one], work))
                (one,) = stack.enter_context(unpacked([fetched], work))
            given.append(one)
        yield given


def _must_be_laid_down(given: Location) -> bool:
    if not isinstance(given, RemotePath):
        return is_tarball(given)
    if headers_below(given) or is_header(given.name):
        return False
    if any(given.with_name(f"{given.name}{suffix}").is_file() for suffix in HEADER_SUFFIXES):
        return False
    return given.exists()  # what is not there is said where records are looked for
