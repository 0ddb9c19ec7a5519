"""Prediction files as they lie on a disk, whoever wrote them: regular files of a sensible size."""

import os
import stat
from pathlib import Path

from ecg.errors import InputError
from ecg.prediction import Prediction, parse_prediction

LARGEST_BYTES = 16 << 20
"""Of one prediction; a file of 27 classes has half a kilobyte."""

_KINDS = ((stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a FIFO"), (stat.S_ISSOCK, "a socket"))
_KINDS += ((stat.S_ISCHR, "a device"), (stat.S_ISBLK, "a device"))


def what_instead(path: Path) -> str:
    """What is at a path where a regular file is expected; "" for a regular file, "missing" for nothing."""
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return "missing"
    except OSError as error:
        return error.strerror or str(error)
    return "" if stat.S_ISREG(mode) else next((name for test, name in _KINDS if test(mode)), "no regular file")


def read_prediction_bytes(path: Path) -> bytes:
    """The content of a prediction file.

    A FIFO or device is not waited for, and a file that cannot be a prediction is not read.

    Raises
    ------
    InputError
        If it is no regular file, too large or cannot be read.
    """
    expected = "expected a Challenge CSV of a few kB, as predict writes it"
    try:
        with open(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb") as file:
            about = os.fstat(file.fileno())
            if not stat.S_ISREG(about.st_mode):
                raise InputError(f"{path}: {what_instead(path)}; {expected}")
            content = file.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise InputError(f"{path}: {what_instead(path) or error.strerror or error}; {expected}") from error
    if len(content) > LARGEST_BYTES:
        raise InputError(f"{path}: more than {LARGEST_BYTES >> 20} MiB; {expected}")
    return content


def read_prediction(path: Path) -> Prediction:
    """A prediction file that has to be as it should: see `ecg.prediction.parse_prediction` with `strict`.

    Raises
    ------
    InputError
        If it cannot be read or is no text.
    PredictionError
        If something is wrong in it, naming the line.
    """
    content = read_prediction_bytes(path)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        kind = "UTF-16 text" if content.startswith((b"\xff\xfe", b"\xfe\xff")) else f"no UTF-8 text ({error.reason})"
        raise InputError(f"{path}: {kind}; expected a Challenge CSV in UTF-8, as predict writes it") from error
    return parse_prediction(text, where=str(path), strict=True)
