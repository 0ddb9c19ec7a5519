"""What native decoders do with damaged bytes, to be called in a helper process."""

import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecg12.ecg.errors import SignalError


def well(path: Path, scale: int = 1) -> NDArray[np.int16]:
    """A file's bytes, shape (2, half of them)."""
    return np.frombuffer(path.read_bytes(), np.uint8).astype(np.int16).reshape(2, -1) * scale


def nothing(path: Path) -> NDArray[np.int16]:
    """No sample."""
    return np.empty((3, 0), np.int16)


def talking(path: Path) -> NDArray[np.int16]:
    """Prints, as libraries do."""
    print("warning: bad frame", flush=True)
    os.write(1, b"more of it\n")
    return well(path)


def aborts(path: Path) -> None:
    """As a failed assertion in C does."""
    os.abort()


def segfaults(path: Path) -> None:
    """As a wild pointer does."""
    os.kill(os.getpid(), signal.SIGSEGV)


def leaves(path: Path) -> None:
    """As a library that takes the process for its own."""
    os._exit(3)


def half(path: Path) -> None:
    """Dies in the middle of an answer: whatever is written to the answers' descriptor."""
    for descriptor in range(3, 30):
        try:
            os.write(descriptor, b'{"dtype": "<i2", "shape": [2, 500], "size": 2000}\n123')
        except OSError:
            continue
    os._exit(0)


def sleeps(path: Path) -> None:
    """Has no end."""
    time.sleep(1000)


def allocates(path: Path) -> None:
    """Takes all memory that it can get."""
    taken = []
    while True:
        taken.append(bytearray(2**24))


def raises(path: Path) -> None:
    """What no reader of ours raises."""
    raise KeyError("frame\n7")


def recurses(path: Path) -> None:
    """Nested for ever."""
    recurses(path)


def refuses(path: Path) -> None:
    """As a reader of ours does."""
    raise SignalError("no frame of it")


def interpreter(path: Path) -> NDArray[np.int64]:
    """Its process, its parent, and whether it would import from the folder that one stands in."""
    return np.array([os.getpid(), os.getppid(), "" in sys.path])
