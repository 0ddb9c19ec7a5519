"""What is asked of the system for the whole process, before a command says anything or brings threads into it."""

import sys
from io import TextIOWrapper
from pathlib import Path


def begin_process() -> None:
    """One heap for all threads, see `pipeline.runtime.allocator`."""
    from ecg12.pipeline.runtime.allocator import share_heap

    share_heap()


def show_what_can_be_shown() -> None:
    """Let output in an encoding without our signs (cp1252 where Windows writes to a file) have question marks."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="replace")


def called_as() -> str:
    """The program's name as it was called, so that a command that is suggested can be copied.

    `ecg12` where it is installed, `python -m ecg12`, or `python cli.py` with the path to a checkout's door.
    """
    if sys.modules["__main__"].__package__ == "ecg12":
        return "python -m ecg12"
    called = Path(sys.argv[0])
    return f"python {called}" if called.suffix == ".py" else called.stem
