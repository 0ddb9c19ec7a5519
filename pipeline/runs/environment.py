"""What a run ran on: versions, hardware, the code's own commit, and the command line."""

import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from ecg12.ecg.version import __version__
from ecg12.pipeline.runtime.machine import processor_name, total_bytes

PACKAGES = ("torch", "numpy", "scipy", "zarr", "numcodecs", "dask", "wfdb")
SOURCE = Path(__file__).resolve().parents[2]


def describe_environment() -> dict[str, Any]:
    """Versions, hardware, commit and command line, as JSON values; None for what cannot be told."""
    return {
        "version": __version__,
        "commit": git_commit(SOURCE),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": processor_name(),
        "processors": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "memory_bytes": total_bytes(),
        "cuda": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "packages": {name: metadata.version(name) for name in PACKAGES},
        "command": sys.argv,
    }


def git_commit(folder: Path) -> str | None:
    """The commit that `folder` is checked out at, with "+" behind it where files were changed; None without git.

    Only a repository of the folder itself counts, not one that it lies in by chance.
    """
    if not (folder / ".git").exists():
        return None
    try:
        commit = _git(folder, "rev-parse", "HEAD")
        changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return None
    return f"{commit}+" if changed else commit


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=20).stdout.strip()
