"""One training at a time in a run folder, train and pretrain alike; see `pipeline.runtime.folder_lock`.

Of torchrun's processes, which share one run, rank 0 holds the lock for all.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from ecg12.ecg.errors import RunFolderError
from ecg12.pipeline.compute.ranks import ALONE, Ranks
from ecg12.pipeline.runs.safe_writing import clear_partials, finish_writing
from ecg12.pipeline.runtime.folder_lock import claimed, name_holder

LOCK = ".lock"


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
    path = folder / LOCK
    try:
        with claimed(path, what) as is_held:
            if not is_held:
                raise RunFolderError(
                    f"{folder}: {name_holder(path)} is writing into it; wait for it or stop it, or choose another "
                    "--folder"
                )
            try:
                yield
            finally:
                with suppress(OSError):  # where open files cannot be removed, it stays, a file of no importance
                    path.unlink()
    finally:
        if is_new:
            with suppress(OSError):  # not empty: the run is there
                folder.rmdir()
