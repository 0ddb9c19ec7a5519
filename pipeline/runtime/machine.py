"""What this machine has and how much of it is free: the one place that reads `/proc` or asks for a system's own calls.

Linux says it in `/proc` and in its control groups; psutil says the rest elsewhere.
"""

import os
import platform
import sys
from pathlib import Path

PROC = Path("/proc")
CONTROL_GROUP = Path("/sys/fs/cgroup")


def available_cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def available_bytes(proc: Path = PROC, group: Path = CONTROL_GROUP) -> int:
    """Memory that this process may still take: what the system has free, or its control group if that is less.

    The arguments are where Linux tells both.
    """
    free = _field_bytes(proc / "meminfo", "MemAvailable:")
    if free is None:
        import psutil

        free = int(psutil.virtual_memory().available)
    limit, used = _number(group / "memory.max"), _number(group / "memory.current")
    if limit is not None and used is not None:
        # pages of files are counted as used, but go when they are needed
        reclaimable = _field_bytes(group / "memory.stat", "inactive_file") or 0
        free = min(free, max(limit - used + reclaimable, 0))
    return free


def total_bytes(proc: Path = PROC) -> int:
    """Memory that the system has."""
    total = _field_bytes(proc / "meminfo", "MemTotal:")
    if total is None:
        import psutil

        total = int(psutil.virtual_memory().total)
    return total


def peak_bytes(proc: Path = PROC) -> int | None:
    """The most memory that this process has had at a time; None where the system keeps no account of it."""
    peak = _field_bytes(proc / "self" / "status", "VmHWM:")  # getrusage would count what this one was forked from
    if peak is not None:
        return peak
    if sys.platform == "darwin":
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes there, and nothing is forked
    import psutil

    return getattr(psutil.Process().memory_info(), "peak_wset", None)


def processor_name(proc: Path = PROC) -> str | None:
    """What the processor calls itself; None where the system does not say."""
    try:
        lines = (proc / "cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or None)


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):  # no such file, or "max"
        return None


def _field_bytes(path: Path, name: str) -> int | None:
    """The number after `name` in a table of the kernel's, in bytes; None if there is none."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    for line in lines:
        words = line.split()
        if words and words[0] == name:
            return int(words[1]) * (1024 if words[-1] == "kB" else 1)
    return None
