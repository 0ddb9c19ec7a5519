"""Text that is at its place whole or not at all."""

import os
from contextlib import suppress

from ecg12.cache.storage.half_written import clear_dead, partial_of
from ecg12.cache.storage.location import Location, RemotePath


def write_text_atomically(path: Location, text: str) -> None:
    """Write `text` beside `path`, flush it to the disk, then rename it into place; an object is put there whole.

    What a process that was killed left of the same file goes.
    """
    _write_text(path, text, flush=True)


def _write_text(path: Location, text: str, *, flush: bool) -> None:
    if isinstance(path, RemotePath):
        path.write_text(text)
        return
    partial = partial_of(path)
    if flush:  # the journal of a build is cleared as a whole once it is finished
        clear_dead(path)
    try:
        with partial.open("w", encoding="utf-8", newline="") as file:  # the same bytes on every system
            file.write(text)
            file.flush()
            if flush:
                os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:  # a full disk names no file, and wants the space back
        error.filename = error.filename or str(path)
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise
