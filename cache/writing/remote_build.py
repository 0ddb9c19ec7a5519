"""What a build of a remote store does otherwise: there are no renames and no locks of a system.

The store is built below STORE.build as locally, under the plan's own digest, so that whoever is left over from another
build writes where nobody reads. When it is whole, the server copies it to its own path: first its metadata with
`complete` false, then everything else, then its metadata. The lock is an object that only one can create; it says whose
it is, because no system takes it away from a dead one.
"""

import json
import logging
import os
import platform
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager

from ecg12.cache.metadata import METADATA
from ecg12.cache.storage.half_written import is_gone
from ecg12.cache.storage.location import RemotePath, in_parallel
from ecg12.cache.storage.small_file import read_json
from ecg12.ecg.errors import StoreError

logger = logging.getLogger(__name__)

ARRIVING = "arriving"
"""Object of the build's folder that is there while a finished store is copied to its own path; it names its folder."""

LOCK = "lock"


def work_folder(folder: RemotePath, plan_digest: str) -> RemotePath:
    """Where the build by this plan has its journal and its store."""
    return folder / plan_digest[:16]


@contextmanager
def hold_build(store: RemotePath, folder: RemotePath) -> Iterator[RemotePath]:
    """Hold the build's folder by an object in it; that of a process of this machine that is gone is taken over.

    Raises
    ------
    StoreError
        If another build holds it, naming the process, since when, and what to do if it is dead.
    """
    lock = folder / LOCK
    ours = json.dumps(_owner()).encode()
    if not lock.create(ours):
        _take_over(store, lock, ours)
    try:
        yield folder
    finally:
        lock.unlink(missing_ok=True)


def _owner() -> dict[str, str | int]:
    return {
        "host": platform.node(),
        "machine": _machine(),
        "process": os.getpid(),
        "since": time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()),
        "token": secrets.token_hex(8),
    }


def _machine() -> str:
    """Tells apart what has the same host name: this start of the system, and its processes' numbers."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return f"{file.read().strip()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""  # not Linux: no lock is ever taken over


def _take_over(store: RemotePath, lock: RemotePath, ours: bytes) -> None:
    try:
        owner = read_json(lock)
        holder = f"process {owner['process']} on {owner['host']} since {owner['since']}"
        gone = _is_gone(owner)
    except FileNotFoundError:
        holder, gone = "a build that ended just now", False
    except (ValueError, KeyError, TypeError, AttributeError):
        holder, gone = "an unknown process", False
    if gone:
        logger.warning("%s: the build by %s is dead; its lock is taken over", store, holder)
        lock.unlink(missing_ok=True)
        if lock.create(ours):
            return
    raise StoreError(
        f"{store}: being built by {holder}; wait for it or stop it. If it is dead, remove {lock} and give the same "
        "command again: what is finished is kept"
    )


def _is_gone(owner: dict[str, str | int]) -> bool:
    """Whether a lock's holder was a process of this machine that has ended."""
    if not _machine() or owner["machine"] != _machine():
        return False
    return is_gone(int(owner["process"]))


def is_arriving(folder: RemotePath) -> bool:
    """Whether a finished store was being copied to its own path when its build was interrupted."""
    return (folder / ARRIVING).is_file()


def arrive(built: RemotePath, store: RemotePath, folder: RemotePath) -> None:
    """Let the server copy a finished store to its own path; an older one there is replaced. Then clear the folder."""
    (folder / ARRIVING).write_text(built.url.removeprefix(f"{folder}/"))
    settle_arrival(store, folder)


def settle_arrival(store: RemotePath, folder: RemotePath) -> None:
    """Go on with copying a finished store to its own path, if that was begun."""
    try:
        built = folder / (folder / ARRIVING).read_text()
    except FileNotFoundError:
        return
    if (built / METADATA).is_file():
        _copy_store(built, store)
        (built / METADATA).unlink()  # first of all, so that what is half removed is never copied again
    clear(folder)
    (folder / ARRIVING).unlink(missing_ok=True)


def _copy_store(built: RemotePath, store: RemotePath) -> None:
    metadata = read_json(built / METADATA)
    metadata["attributes"]["complete"] = False
    (store / METADATA).write_text(json.dumps(metadata))
    wanted = [name for name in built.files() if name != METADATA]
    old = store.files().keys() - {METADATA, *wanted}
    store.unlink_below(sorted(old))
    in_parallel(lambda name: (built / name).copy_to(store / name), wanted)
    (built / METADATA).copy_to(store / METADATA)


def clear(folder: RemotePath) -> None:
    """Remove all of a build's folder but who holds it and what is on its way."""
    folder.unlink_below(sorted(folder.files().keys() - {LOCK, ARRIVING}))
