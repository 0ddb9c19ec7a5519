"""Keeping freed memory for the next record, or the next batch, instead of handing it back to the system.

Converting a record makes some two megabytes of arrays and drops them again. The C library would return them to the
system each time, and taking them anew, page by page, costs a ten-second record 0.4 to 0.6 ms: as much as everything
else that is done to it. A network's features are hundreds of megabytes, of which the same is true.
"""

import ctypes
import platform
from functools import cache

KEPT_BYTES = 64 * 2**20
"""Free memory that stays with the process; so much more than it needs may a worker hold."""

KEPT_BESIDE_NETWORKS = 2**30
"""The same of a process that runs networks."""

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -3, -4, -8  # of glibc's malloc.h
_LARGEST_MMAP_THRESHOLD = 32 * 2**20  # glibc takes no more


@cache
def keep_freed_memory() -> bool:
    """Ask the C library, once a process, to keep up to `KEPT_BYTES`; whether it is one that can be asked."""
    return _ask({_M_MMAP_THRESHOLD: _LARGEST_MMAP_THRESHOLD, _M_TRIM_THRESHOLD: KEPT_BYTES})


@cache
def keep_features() -> bool:
    """As `keep_freed_memory`, where networks run: up to `KEPT_BESIDE_NETWORKS`, of arrays of any size.

    It helps most where `share_heap` was called before.
    """
    keep_freed_memory()  # so that it does not take back what is asked here
    return _ask({_M_MMAP_MAX: 0, _M_TRIM_THRESHOLD: KEPT_BESIDE_NETWORKS})


def share_heap() -> bool:
    """Ask the C library to serve all threads from one heap; before any begins, for what one has it keeps.

    Heaps of threads are made of pieces of 64 MiB, each of which goes back to the system when it is free, whatever is
    asked of `keep_freed_memory`; and what one thread has freed, no other can have. Threads here ask for little but
    large arrays, so that they do not wait for each other.
    """
    return _ask({_M_ARENA_MAX: 1})


def _ask(options: dict[int, int]) -> bool:
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return all(mallopt(option, value) == 1 for option, value in options.items())
