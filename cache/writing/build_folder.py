"""Where a store is built beside its place, and who may work there."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ecg12.cache.storage.location import Location, RemotePath
from ecg12.cache.storage.lock import hold, is_still_at, locked
from ecg12.cache.writing import remote_build
from ecg12.cache.writing.writer import logger
from ecg12.ecg.errors import EcgError, StoreError

LOCK, TASKS = "lock", "tasks"

PLAN_MARKER = "plan"
"""File of the build folder that holds the plan's digest."""


def build_folder(store: Location) -> Location:
    """The sibling folder that holds an unfinished store and its journal."""
    return store.with_name(f"{store.name}.build")


def work_folder(folder: Location, plan_digest: str) -> Location:
    """Where in the build folder the journal and the store of this plan are."""
    return remote_build.work_folder(folder, plan_digest) if isinstance(folder, RemotePath) else folder


@contextmanager
def build_lock(store: Location) -> Iterator[Location]:
    """Hold the build folder of `store` for this process; the system lets go when the process dies.

    For a remote store see `cache.writing.remote_build.hold_build`.

    Raises
    ------
    StoreError
        If another process is building this store.
    """
    folder = build_folder(store)
    if isinstance(store, RemotePath) and isinstance(folder, RemotePath):
        with remote_build.hold_build(store, folder):
            yield folder
        return
    assert not isinstance(folder, RemotePath)
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as afterwards, hold(folder / LOCK) as ours:
        if not ours:  # held by another build, or by one that ended just now and took its folder along
            raise StoreError(f"{store}: another process is building it; wait for it or stop it")
        try:
            yield folder
        finally:
            if not _leave(folder):
                afterwards.callback(_leave, folder)


def _leave(folder: Path) -> bool:
    """Remove a build's folder if nothing but its locks is left in it; False where the system removes no open file."""
    if not folder.is_dir() or not {LOCK, TASKS}.issuperset(os.listdir(folder)):
        return True
    try:
        for name in (TASKS, LOCK):
            (folder / name).unlink(missing_ok=True)
        folder.rmdir()
    except PermissionError:
        return False
    except OSError:  # another build has come into it by now
        pass
    return True


@contextmanager
def task_lock(folder: Location, plan_digest: str) -> Iterator[None]:
    """Hold off other builds while a task writes; any number of tasks may.

    A build that is killed can leave workers behind, which finish what they were at. The next build waits for them
    (`no_task_at_work`), and a task that begins later finds that it belongs to no build any more. Of a remote build
    nobody waits for them: `folder` is this plan's alone, and what they still write there is what is wanted.

    Raises
    ------
    StoreError
        If `folder` is not, or no longer, that of a build by this plan.
    """
    if isinstance(folder, RemotePath):
        _check_plan(folder, plan_digest)
        yield
        return
    tasks = folder / TASKS
    with ExitStack() as held:
        try:
            file = held.enter_context(tasks.open("a+b"))
            held.enter_context(locked(file, shared=True, wait=True))
            ours = is_still_at(tasks, file) and (folder / PLAN_MARKER).read_text() == plan_digest
        except FileNotFoundError:
            ours = False
        if not ours:
            raise _no_longer_ours(folder)
        yield


def _check_plan(folder: RemotePath, plan_digest: str) -> None:
    try:
        ours = (folder.parent / PLAN_MARKER).read_text() == plan_digest
    except FileNotFoundError:
        ours = False
    if not ours:
        raise _no_longer_ours(folder)


def _no_longer_ours(folder: Location) -> StoreError:
    return StoreError(f"{folder}: no longer the folder of this build; another took its place: run it again")


@contextmanager
def no_task_at_work(folder: Location) -> Iterator[None]:
    """Wait until no worker of an earlier build writes into `folder`, and let none begin."""
    if isinstance(folder, RemotePath):
        yield
        return
    with (folder / TASKS).open("a+b") as file, ExitStack() as held:
        if not held.enter_context(locked(file)):
            logger.warning("%s: waiting for the workers of an earlier build to finish what they are at", folder)
            held.enter_context(locked(file, wait=True))
        yield


@contextmanager
def told_what_to_do(store: Location) -> Iterator[None]:
    """Turn a failure of the disk, most often a full one, into a StoreError that says how to go on."""
    try:
        yield
    except OSError as error:
        if isinstance(error, EcgError):
            raise
        where = f", {error.filename}" if error.filename else ""
        raise StoreError(
            f"{store}: the build cannot go on ({error.strerror or error}{where}); make room or allow writing there, "
            "then give the same command again: what is finished is kept"
        ) from error
