"""Keeping freed memory for the next record instead of handing it back to the system.

Converting a record makes some two megabytes of arrays and drops them again. The C library would return them to the
system each time, and taking them anew, page by page, costs a ten-second record 0.4 to 0.6 ms: as much as everything
else that is done to it.
"""

import ctypes
import platform
from functools import cache

KEPT_BYTES = 64 * 2**20
"""Free memory that stays with the process; so much more than it needs may a worker hold."""

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
_LARGEST_MMAP_THRESHOLD = 32 * 2**20  # glibc takes no more


@cache
def keep_freed_memory() -> bool:
    """Ask the C library, once a process, to keep up to `KEPT_BYTES`; whether it is one that can be asked."""
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return all(
        mallopt(option, value) == 1
        for option, value in ((_M_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD), (_M_TRIM_THRESHOLD, KEPT_BYTES))
    )
