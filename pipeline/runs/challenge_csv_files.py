"""Prediction files as they lie on a disk, whoever wrote them: regular files of a sensible size."""

import os
from pathlib import Path

from ecg12.ecg.errors import InputError
from ecg12.ecg.scores.challenge_csv import Prediction, parse_prediction
from ecg12.pipeline.files.regular_files import check_regular, read_regular

LARGEST_BYTES = 16 << 20
"""Of one prediction; a file of 27 classes has half a kilobyte."""

_EXPECTED = "expected a Challenge CSV, as predict writes it"


def what_instead(path: Path) -> str:
    """What is at a path where a regular file is expected; "" for a regular file, "missing" for nothing."""
    try:
        check_regular(path, os.stat(path), error=InputError)
    except (FileNotFoundError, NotADirectoryError):
        return "missing"
    except OSError as error:
        return error.strerror or str(error)
    except InputError as error:
        return str(error).removeprefix(f"{path.name}: ").partition(";")[0]
    return ""


def read_prediction_bytes(path: Path) -> bytes:
    """The content of a prediction file.

    A FIFO or device is not waited for, and a file that cannot be a prediction is not read.

    Raises
    ------
    InputError
        If it is no regular file, too large or cannot be read.
    """
    try:
        return read_regular(path, LARGEST_BYTES, error=InputError)
    except InputError as error:
        raise InputError(f"{path.parent / str(error)}; {_EXPECTED}") from error
    except OSError as error:
        raise InputError(f"{path}: {what_instead(path) or error.strerror or error}; {_EXPECTED}") from error


def read_prediction(path: Path) -> Prediction:
    """A prediction file that has to be as it should: see `ecg.scores.challenge_csv.parse_prediction` with `strict`.

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
        raise InputError(f"{path}: {kind}; {_EXPECTED}, in UTF-8") from error
    return parse_prediction(text, where=str(path), strict=True)
