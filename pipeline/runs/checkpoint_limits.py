"""What a checkpoint's file may be before torch reads it: as large as it says, and no deeper than weights are.

torch.load with `weights_only` calls nothing that is not allowed, but it believes sizes and builds what is described:
a deflated entry grows a thousandfold, and a tuple in a tuple in a tuple, a million deep, as the key of a dictionary
overflows the stack and ends the process. torch.save stores its entries uncompressed, so what is in a file is never
larger than it, and the pickle beside the weights is small: it is read once here, without being executed.
"""

import io
import os
import pickletools
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from ecg12.cache.storage.small_file import describe_kind

MOST_PICKLE_BYTES = 2 * 2**20
"""Of all that is not a tensor's values: some 150 bytes for each tensor."""

MOST_STEPS = 500_000
MOST_NESTED = 100
MOST_VALUES = 5_000_000
"""What is described, written out: a value that is referred to twice counts twice, as it does where it is hashed."""

MOST_LETTERS = 4_000
"""Of a text or a name: torch looks for words in what it says of a bad one, in a time that grows with the square."""

_LEGACY_PICKLES = 5
"""Before zip files, torch.save wrote so many pickles one after another, then the weights."""

_GET, _PUT = ("GET", "BINGET", "LONG_BINGET"), ("PUT", "BINPUT", "LONG_BINPUT")
_FILLING = ("APPEND", "APPENDS", "SETITEM", "SETITEMS", "ADDITEMS", "BUILD")

Size = tuple[int, int]
"""(depth, values) of what is on the stack."""


def check_checkpoint(path: Path) -> None:
    """Look at a checkpoint's outside.

    Raises
    ------
    OSError
        If it is missing, cannot be read, or is no regular file.
    ValueError
        If it holds more than its size, or is described deeper or longer than weights are.
    """
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):
        raise OSError(f"{describe_kind(path)}; expected a regular file")
    with path.open("rb") as file:
        is_zip = file.read(4) == b"PK\x03\x04"
        file.seek(0)
        described = _read_zip(file, status.st_size) if is_zip else [file.read(MOST_PICKLE_BYTES)]
    for data in described:
        stream = io.BytesIO(data)
        for _ in range(1 if is_zip else _LEGACY_PICKLES):
            check_pickle(stream)


def _read_zip(file: BinaryIO, size: int) -> list[bytes]:
    """The pickles in a zip file, none of whose entries is compressed, and which together are no larger than it."""
    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
            if any(entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1 for entry in entries):
                raise ValueError("an entry is compressed or encrypted, as torch.save leaves none")
            if sum(entry.file_size for entry in entries) > size:
                raise ValueError("its entries are larger than the file")
            pickles = [entry for entry in entries if entry.filename.endswith(".pkl")]
            if sum(entry.file_size for entry in pickles) > MOST_PICKLE_BYTES:
                raise ValueError(f"more than {MOST_PICKLE_BYTES:,} bytes beside the weights")
            return [archive.read(entry) for entry in pickles]
    except (zipfile.BadZipFile, NotImplementedError, EOFError) as error:
        raise ValueError(str(error)) from error


def check_pickle(stream: BinaryIO) -> None:
    """Follow a pickle's steps by the sizes of what they would make; raises ValueError as `check_checkpoint` does."""
    stack: list[Size | None] = []  # None is a mark
    memo: dict[int, Size] = {}
    for number, (step, argument, _) in enumerate(pickletools.genops(stream)):
        if number > MOST_STEPS:
            raise ValueError(f"described in more than {MOST_STEPS:,} steps")
        if isinstance(argument, str | bytes) and len(argument) > MOST_LETTERS:
            raise ValueError(f"a text of {len(argument):,} letters, as no weight's name is")
        if step.name == "MARK":
            stack.append(None)
        elif step.name in _PUT or step.name == "MEMOIZE":
            memo[len(memo) if argument is None else int(argument)] = (stack[-1] if stack else None) or (0, 1)
        elif step.name in _GET:
            stack.append(memo.get(int(argument or 0), (0, 1)))
        else:
            taken = list(_take(stack, step.stack_before))
            made = _size_of(taken, filling=step.name in _FILLING)
            if step.stack_after and (made[0] > MOST_NESTED or made[1] > MOST_VALUES):
                raise ValueError(f"nested {made[0]} deep, {made[1]:,} values in all, as no weights are")
            stack += [made] * len(step.stack_after)


def _take(stack: list[Size | None], before: list[pickletools.StackObject]) -> Iterator[Size]:
    """What a step takes off the stack, from the top; down to a mark and what is below it, if it takes a mark."""
    n_single = len(before)
    if pickletools.markobject in before:
        n_single = before.index(pickletools.markobject)
        while stack and (top := stack.pop()) is not None:
            yield top
    for _ in range(n_single):
        if not stack:
            raise ValueError("a pickle that takes more than it made")
        yield stack.pop() or (0, 1)


def _size_of(taken: list[Size], *, filling: bool) -> Size:
    """Of what is made of these; `filling` puts all but the last into that one."""
    if not taken:
        return 0, 1
    inner = taken[:-1] if filling else taken
    depth = 1 + max((depth for depth, _ in inner), default=-1)
    return (max(depth, taken[-1][0]) if filling else depth), 1 + sum(values for _, values in taken)
