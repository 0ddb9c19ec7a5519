"""A lock file in a folder that only one process at a time may write into; the system frees it when that process ends.

File systems over a network lock between machines if they are set up to (NFS 4, or 3 with its lock daemon; SMB). One
that has no locks is used without, with a warning.
"""

import errno
import json
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ecg12.cache.storage.lock import hold

logger = logging.getLogger(__name__)

_NO_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}
_TRIES = 3
"""The file may be gone by the time it is locked, taken along by a holder that ended just then."""


@contextmanager
def claimed(path: Path, what: str) -> Iterator[bool]:
    """Hold the lock file at `path`, and say in it who does; give whether it is held. Whoever holds it removes it.

    Parameters
    ----------
    what : the command that holds it

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    with ExitStack() as stack:
        try:
            is_held = any(_try(path, stack) for _ in range(_TRIES))
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            logger.warning("%s: its file system has no locks; let nothing else write there meanwhile", path.parent)
            is_held = True
        if is_held:
            said = {"command": what, "process": os.getpid(), "host": socket.gethostname()}
            path.write_text(json.dumps(said) + "\n", encoding="utf-8")
        yield is_held


def _try(path: Path, stack: ExitStack) -> bool:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        return stack.enter_context(hold(path))
    except FileNotFoundError:  # so is its folder
        return False


def name_holder(path: Path) -> str:
    """Whoever says in a lock file that it is theirs, in words."""
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        return f"{said['command']} (process {said['process']} of {said['host']})"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
