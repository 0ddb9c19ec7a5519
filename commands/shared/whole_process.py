"""What is asked of the system for the whole process, before a command says anything or brings threads into it."""

import sys
from io import TextIOWrapper


def begin_process() -> None:
    """One heap for all threads, see `pipeline.allocator`."""
    from pipeline.allocator import share_heap

    share_heap()


def show_what_can_be_shown() -> None:
    """Let output in an encoding without our signs (cp1252 where Windows writes to a file) have question marks."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="replace")
