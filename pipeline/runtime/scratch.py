"""Where what is unfinished lies in an output folder, so that whatever a killed process left is found and removed.

Each process has a hidden folder of its own with a lock in it, which the system frees when the process ends: what is
locked is somebody's, and what is not is nobody's.
"""

import errno
import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import mkdtemp

from ecg12.cache.storage.half_written import is_gone
from ecg12.ecg.errors import InputError
from ecg12.pipeline.runtime.folder_lock import claimed

LOCK = "lock"
PREFIX = ".unfinished-"
WORK = ".predicting"
"""Of the folder in a folder of predictions, see `pipeline.prediction.output_folder`."""

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)

_OLD_FOLDER = re.compile(r"\.(unpacked|fetched)-\w+")
"""Folders that versions before this one left in the output folder when they were killed."""
_OLD_PARTIAL = re.compile(r".+\.(csv|npz|png|svg|pdf)\.(\d+)\.partial")
"""Files of theirs, with the number of the process."""


@contextmanager
def scratch(output: Path, what: str) -> Iterator[Path]:
    """A folder in `output`, which is made if need be, for as long as the context lasts; those of the dead go.

    Raises
    ------
    OSError
        If it cannot be made.
    """
    output.mkdir(parents=True, exist_ok=True)
    for left in output.glob(f"{PREFIX}*"):
        with claimed(left / LOCK, what) as is_nobodys:
            if is_nobodys:
                remove(left)
    clear_old_litter(output)
    with ExitStack() as stack:
        while True:
            work = Path(mkdtemp(prefix=PREFIX, dir=output))
            if stack.enter_context(claimed(work / LOCK, what)):  # else somebody just took it for a dead one's
                break
        try:
            yield work
        finally:
            remove(work)


def is_scratch(name: str) -> bool:
    """Whether a folder of this name holds what is unfinished, which is nobody's input."""
    return name == WORK or name.startswith(PREFIX)


def is_no_room(error: BaseException) -> bool:
    """Whether it is an error of writing that is no single record's fault, for the next one meets it too."""
    return isinstance(error, OSError) and error.errno in _NO_ROOM


def unwritable(output: Path, error: OSError, advice: str) -> InputError:
    """What to raise where `error` is in the way of writing into `output`."""
    return InputError(f"{error.filename or output}: cannot be written ({error.strerror or error}); mend that{advice}")


def clear_old_litter(output: Path) -> None:
    """Remove what versions before this one left half-written, unpacked or fetched in an output folder."""
    for path in output.iterdir():
        is_folder = path.is_dir() and not path.is_symlink()
        if _OLD_FOLDER.fullmatch(path.name) if is_folder else _is_dead_partial(path.name):
            remove(path)


def _is_dead_partial(name: str) -> bool:
    """Whether a file is half-written by a process that is gone; where that cannot be asked, none is."""
    found = _OLD_PARTIAL.fullmatch(name)
    return found is not None and is_gone(int(found[2]))


def remove(path: Path) -> None:
    """Remove a file, or a folder with all that is in it as far as that can be removed."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
