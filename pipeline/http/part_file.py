"""The `.part` file of one transfer: its bytes, their running digest, and what a later request may resume it by.

A note beside the file (`.part.json`: address and validator) lets another process go on with it. Small files have none:
fetching a tenth of a second's worth again is cheaper than writing 86,000 notes.
"""

import contextlib
import hashlib
import itertools
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

RESUME_FROM_BYTES = 1 << 20
"""Files shorter than this are started anew by another process; within one process every file is resumed."""

_BLOCK_BYTES = 1 << 20


def part_path(path: Path) -> Path:
    """Where a file is while it arrives."""
    return path.with_name(f"{path.name}.part")


def bad_path(path: Path) -> Path:
    """Where a file with a wrong digest is kept: the first free of `.bad`, `.bad1`, …; none is overwritten."""
    numbers = itertools.chain([""], itertools.count(1))
    names = (path.with_name(f"{path.name}.bad{number}") for number in numbers)
    return next(name for name in names if not name.exists())


@dataclass(kw_only=True, slots=True)
class Partial:
    """Bytes of `path` that have arrived; `algorithm` as in hashlib.

    Attributes
    ----------
    size : bytes in the `.part` file
    url, validator : where they came from, and the ETag or date that names exactly those bytes; None = no resuming
    total : whole length as the server stated it, or None
    """

    path: Path
    algorithm: str
    size: int = 0
    url: str | None = None
    validator: str | None = None
    total: int | None = None
    _noted: bool = False
    _file: BinaryIO | None = field(default=None, repr=False)
    _digest: "hashlib._Hash | None" = field(default=None, repr=False)

    def open(self) -> None:
        """Take up what an earlier process left with a note; drop what has none."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._digest = hashlib.new(self.algorithm, usedforsecurity=False)
        part = part_path(self.path)
        self._noted = self._note.exists()
        note = self._read_note() if self._noted else None
        if note is None or not part.exists():
            self._file = part.open("wb", buffering=0)
            return
        self._file = part.open("r+b", buffering=0)
        while block := self._file.read(_BLOCK_BYTES):
            self._digest.update(block)
            self.size += len(block)
        self.url, self.validator, self.total = note

    def start_anew(self) -> None:
        """Forget every byte."""
        assert self._file is not None
        self._file.seek(0)
        self._file.truncate()
        self._digest = hashlib.new(self.algorithm, usedforsecurity=False)
        self.size, self.url, self.validator, self.total = 0, None, None, None
        self._drop_note()

    def remember(self, url: str, validator: str | None, total: int | None) -> None:
        """Keep what the bytes to come may be resumed by; on disk, too, if the file is long or of unknown length."""
        if (url, validator, total) == (self.url, self.validator, self.total):
            return
        self.url, self.validator, self.total = url, validator, total
        if validator is not None and (total is None or total >= RESUME_FROM_BYTES):
            note = {"url": url, "validator": validator, "total": total}
            self._note.write_text(json.dumps(note) + "\n", encoding="utf-8")
            self._noted = True

    def write(self, data: bytes) -> None:
        """Append bytes as they arrive."""
        assert self._file is not None
        assert self._digest is not None
        view = memoryview(data)
        while view:  # an unbuffered write may take a part only
            view = view[self._file.write(view) :]
        self._digest.update(data)
        self.size += len(data)

    def read(self) -> bytes:
        """All bytes so far."""
        return part_path(self.path).read_bytes()  # nothing waits in a buffer

    def hexdigest(self) -> str:
        """Of all bytes so far."""
        assert self._digest is not None
        return self._digest.hexdigest()

    def finish(self) -> None:
        """Rename the file into place; what stood there is replaced. An empty file is a file, too."""
        self._let_go()
        part_path(self.path).replace(self.path)
        self._drop_note()

    def keep_as_bad(self) -> Path:
        """Put the bytes aside under the name `.bad`, and be empty again."""
        self._let_go()
        bad = bad_path(self.path)
        part_path(self.path).replace(bad)
        self._drop_note()
        self.size, self.url, self.validator, self.total = 0, None, None, None
        self.open()
        return bad

    def close(self) -> None:
        """Let go of the file; nothing is left of a transfer that brought nothing."""
        was_open = self._file is not None
        self._let_go()
        if was_open and self.size == 0:
            part_path(self.path).unlink(missing_ok=True)

    def _let_go(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    @property
    def _note(self) -> Path:
        return self.path.with_name(f"{self.path.name}.part.json")

    def _drop_note(self) -> None:
        if self._noted:
            self._note.unlink(missing_ok=True)
            self._noted = False

    def _read_note(self) -> tuple[str, str, int | None] | None:
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):  # a torn note: start anew
            note = json.loads(self._note.read_text(encoding="utf-8"))
            total = note["total"]
            return str(note["url"]), str(note["validator"]), None if total is None else int(total)
        return None
