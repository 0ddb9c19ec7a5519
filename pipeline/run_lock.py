"""One training at a time in a run folder: train and pretrain alike, of whatever process on this machine.

The lock is the system's, so that it ends with its process however that ends; the file only says whose it is. File
systems over a network lock between machines if they are set up to (NFS 4, or 3 with its lock daemon; SMB); one that has
no locks is used without, with a warning. Of torchrun's processes, which share one run, rank 0 holds it for all.
"""

import errno
import json
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from cache.lock import hold
from ecg.errors import RunFolderError
from pipeline.distributed_run import ALONE, Ranks
from pipeline.saving import clear_partials, finish_writing

logger = logging.getLogger(__name__)

LOCK = ".lock"

_NO_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}
_TRIES = 3
"""The file may be gone by the time it is locked, taken along by a holder that ended just then."""


@contextmanager
def run_lock(folder: Path, what: str, ranks: Ranks = ALONE) -> Iterator[None]:
    """Have a run folder for this run; it is made if need be, and goes again if nothing was written into it.

    So it is known before anything is computed that there is a folder to write into. What a killed run left half-written
    in it is finished or removed.

    Parameters
    ----------
    what : the command, for whoever comes second

    Raises
    ------
    RunFolderError
        If another process has the folder, or it cannot be written; on every rank.
    """
    with ExitStack() as stack:
        problem = ""
        if ranks.writes:
            try:
                stack.enter_context(_held(folder, what))
                finish_writing(folder)
                clear_partials(folder)
            except RunFolderError as error:
                problem = str(error)
            except OSError as error:
                problem = (
                    f"{error.filename or folder}: cannot be written ({error.strerror or error}); expected a folder for "
                    "a run: choose another --folder, or mend that"
                )
        problem = ranks.share(problem)
        if problem:
            raise RunFolderError(problem)
        yield


@contextmanager
def _held(folder: Path, what: str) -> Iterator[None]:
    is_new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / LOCK
    try:
        with ExitStack() as stack:
            try:
                if not any(stack.enter_context(hold(path)) for _ in range(_TRIES)):
                    raise RunFolderError(
                        f"{folder}: {_holder(path)} is writing into it; wait for it or stop it, or choose another "
                        "--folder"
                    )
            except OSError as error:
                if error.errno not in _NO_LOCKS:
                    raise
                logger.warning("%s: its file system has no locks; let no second run write into it", folder)
            path.write_text(json.dumps({"command": what, "process": os.getpid(), "host": socket.gethostname()}) + "\n")
            try:
                yield
            finally:
                with suppress(OSError):  # where open files cannot be removed, it is, or stays, a file of no importance
                    path.unlink()
    finally:
        if is_new:
            with suppress(OSError):  # not empty: the run is there
                folder.rmdir()


def _holder(path: Path) -> str:
    """Whoever wrote into the lock file, in words."""
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        return f"{said['command']} (process {said['process']} of {said['host']})"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
