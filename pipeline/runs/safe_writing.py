"""How a run folder is written, so that a kill or a full disk between any two of its files does no harm.

What is known before the first epoch is several small files: they are first written into one, the journal, and then
each by itself; whoever finds the journal finishes that. An epoch is kept by one rename, that of the last state, which
comes first and holds all that the epoch's other files are made of; whoever finds others missing makes them from it.
"""

import errno
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ecg12.cache.storage.atomic import write_text_atomically
from ecg12.ecg.errors import RunFolderError

JOURNAL = ".beginning.json"

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
_SPARE_BYTES = 2**20
"""For tables and texts beside the weights."""


def to_json(values: Any) -> str:  # noqa: ANN401 - any JSON value
    """JSON with one entry a line."""
    return json.dumps(values, indent="\t", ensure_ascii=False) + "\n"


def write_together(folder: Path, texts: Mapping[str, str]) -> None:
    """Write small files so that all of them or none are there once `finish_writing` was called; same ones stay."""
    changed = {name: text for name, text in texts.items() if not _holds(folder / name, text)}
    if changed:
        write_text_atomically(folder / JOURNAL, to_json(changed))
        finish_writing(folder)


def finish_writing(folder: Path) -> None:
    """Finish what a `write_together` that was killed had begun, if there is such.

    Raises
    ------
    RunFolderError
        If its journal is damaged, or names a file elsewhere.
    """
    journal = folder / JOURNAL
    try:
        texts = json.loads(journal.read_text(encoding="utf-8"))
        if any(Path(name).name != name or not isinstance(text, str) for name, text in texts.items()):
            raise ValueError("not names and texts")
    except FileNotFoundError:
        return
    except (ValueError, AttributeError) as error:
        raise RunFolderError(f"{journal}: damaged ({error}); remove it and begin in another --folder") from error
    for name, text in texts.items():
        write_text_atomically(folder / name, text)
    journal.unlink()


def _holds(path: Path, text: str) -> bool:
    try:
        return path.read_bytes() == text.encode()
    except FileNotFoundError:
        return False


def clear_partials(folder: Path) -> None:
    """Remove what killed runs left half-written in a folder that this run has for itself."""
    for path in folder.glob("*.partial"):
        path.unlink(missing_ok=True)


@contextmanager
def saving(folder: Path, what: str) -> Iterator[None]:
    """Say in one line that the disk was in the way, and what to do.

    Raises
    ------
    RunFolderError
        Instead of an OSError.
    """
    try:
        yield
    except OSError as error:
        do = "make room" if error.errno in _NO_ROOM else "mend that"
        raise RunFolderError(
            f"{error.filename or folder}: {what} cannot be written ({error.strerror or error}); {do} and give the same "
            "command again, which goes on with what was saved before"
        ) from error


def check_space(folder: Path, n_bytes: int) -> None:
    """Hold what an epoch leaves against what is free on the disk.

    Raises
    ------
    RunFolderError
        If it does not fit.
    """
    free, needed = shutil.disk_usage(folder).free, n_bytes + _SPARE_BYTES
    if free < needed:
        raise RunFolderError(
            f"{folder}: {free / 1e6:,.1f} MB are free on its disk, and an epoch of this network takes "
            f"{needed / 1e6:,.1f} MB; make room, or choose another --folder"
        )
