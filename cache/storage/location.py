"""Where files are: a folder of this machine, or objects of a remote store behind one of fsspec's URLs.

A local place is `pathlib.Path` itself, so that nothing local goes any way round. A remote one is a `RemotePath`, which
has those of pathlib's names that are used here. This is the only module that hands a URL to fsspec: the driver, the
endpoint and the credentials are fsspec's and the driver's own affair, by their configuration and environment.

An object appears whole or not at all. What may pass (a server that is busy or fails, a lost connection, a time limit)
is tried again a few times, with growing pauses, beyond what the driver itself does; then, and at once where access is
denied, one `RemoteError` names the object.
"""

import errno
import logging
import os
import random
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import dataclass
from fnmatch import fnmatch
from io import BytesIO, TextIOWrapper
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple, NoReturn, TextIO, TypeAlias, TypeVar

from ecg12.cache.storage.drivers import CREDENTIALS, driver_of, harmless, in_short, is_passing, read_object
from ecg12.ecg.errors import RemoteError

logger = logging.getLogger(__name__)

T = TypeVar("T")
R = TypeVar("R")

TRIES = 4
PAUSE_S = 0.5
"""At most, before the second try; then twice as long each time."""

REQUESTS_AT_ONCE = 16
"""Where many objects are wanted: enough to hide the way there and back, few enough for any server."""

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)

_NOT_THERE = (FileNotFoundError, NotADirectoryError, IsADirectoryError)


def is_url(text: str) -> bool:
    """Whether a text names something behind a URL and not a file of this machine."""
    return bool(_URL.fullmatch(text))


def locate(text: str) -> "Location":
    """The place that a text names.

    Raises
    ------
    RemoteError
        If it is a URL that no driver here understands, or one with credentials in it.
    """
    url = _URL.fullmatch(text)
    if url is None or url[1].lower() == "file":
        return Path(text if url is None else url[2])
    return RemotePath(text)


class RemoteStat(NamedTuple):
    """What is known of an object without reading it."""

    st_size: int


@dataclass(frozen=True, order=True, slots=True)
class RemotePath:
    """An object, or what is below a common prefix; it holds a text and travels to other processes as one.

    Raises
    ------
    RemoteError
        Every method that asks the server: if access is denied, or the server could not be had; naming the URL.
    FileNotFoundError
        Where an object is read that is not there.
    """

    url: str

    def __post_init__(self) -> None:
        protocol, rest = _URL.fullmatch(self.url).groups()  # type: ignore[union-attr]
        if CREDENTIALS.search(self.url):
            raise RemoteError(
                f"{harmless(self.url)}: a URL with credentials in it, which would end up in logs; expected none: put "
                "them where the driver looks for them, such as AWS_PROFILE or AWS_ACCESS_KEY_ID"
            )
        parts = [part for part in rest.split("/") if part not in ("", ".")]
        object.__setattr__(self, "url", f"{protocol.lower()}://{'/'.join(parts)}")
        driver_of(self.protocol)

    def __str__(self) -> str:
        return self.url

    def __truediv__(self, below: str) -> "RemotePath":
        return RemotePath(f"{self.url}/{below}")

    @property
    def protocol(self) -> str:
        """What stands before the colon."""
        return self.url.partition("://")[0]

    @property
    def _key(self) -> str:
        """As the driver calls it."""
        return str(driver_of(self.protocol)._strip_protocol(self.url))

    @property
    def name(self) -> str:
        """The last part."""
        return self.url.rpartition("/")[2]

    @property
    def stem(self) -> str:
        """The last part without its suffix."""
        return PurePosixPath(self.name).stem

    @property
    def suffix(self) -> str:
        """Of the last part, with its dot."""
        return PurePosixPath(self.name).suffix

    @property
    def parent(self) -> "RemotePath":
        """All but the last part."""
        return RemotePath(self.url.rpartition("/")[0] + "/")

    def with_name(self, name: str) -> "RemotePath":
        """The same with another last part."""
        return self.parent / name

    def with_suffix(self, suffix: str) -> "RemotePath":
        """The same with another suffix."""
        return self.with_name(f"{self.stem}{suffix}")

    def absolute(self) -> "RemotePath":
        """Itself."""
        return self

    def is_symlink(self) -> bool:
        """There are no links."""
        return False

    def mkdir(self, *, parents: bool = False, exist_ok: bool = False) -> None:
        """Nothing: folders are there as soon as something is in them."""

    def exists(self) -> bool:
        """Whether there is an object of this name, or below it."""
        return self._ask("looked up", lambda fs, key: bool(fs.exists(key)))

    def is_file(self) -> bool:
        """Whether there is an object of this name."""
        return self._ask("looked up", lambda fs, key: bool(fs.isfile(key)))

    def is_dir(self) -> bool:
        """Whether there is anything below it."""
        return self._ask("looked up", lambda fs, key: bool(fs.isdir(key)))

    def size(self) -> int:
        """Bytes of the object."""
        return self._ask("looked up", lambda fs, key: int(fs.size(key)))

    def files(self) -> dict[str, int]:
        """Every object below: posix path from here → bytes, in text order."""
        found = self._ask("listed", lambda fs, key: fs.find(key, detail=True))
        skip = len(self._key.rstrip("/")) + 1
        # some drivers list an object of this very name, too, which is not below
        return {key[skip:]: int(info["size"] or 0) for key, info in sorted(found.items()) if key[skip:]}

    def glob(self, pattern: str) -> Iterator["RemotePath"]:
        """Objects right below whose names match."""
        return (self / name for name in self.files() if "/" not in name and fnmatch(name, pattern))

    def read_bytes(self) -> bytes:
        """The object."""
        return self._ask("read", read_object)

    def read_range(self, start: int, stop: int) -> bytes:
        """Its bytes from `start` to before `stop`."""
        return self._ask("read", lambda fs, key: bytes(fs.cat_file(key, start=start, end=stop)))

    def read_first(self, n_bytes: int) -> bytes:
        """Its first bytes, all of them where it has no more."""
        return self._ask("read", lambda fs, key: read_object(fs, key, n_bytes))[:n_bytes]

    def read_text(self, encoding: str = "utf-8") -> str:
        """The object as text."""
        return self.read_bytes().decode(encoding)

    def open(self, *, newline: str | None = None, encoding: str = "utf-8") -> TextIO:
        """The object as a file of text to read from, fetched whole."""
        return TextIOWrapper(BytesIO(self.read_bytes()), encoding=encoding, newline=newline)

    def stat(self) -> "RemoteStat":
        """Its size, by pathlib's name for it."""
        return RemoteStat(self.size())

    def write_bytes(self, data: bytes) -> None:
        """Put the object there, whole, in the place of one that was there."""
        self._ask("written", lambda fs, key: fs.pipe_file(key, data))

    def write_text(self, text: str, encoding: str = "utf-8") -> None:
        """The same with a text."""
        self.write_bytes(text.encode(encoding))

    def create(self, data: bytes) -> bool:
        """Put the object there if none is; whether that was done.

        Some drivers cannot do it in one step; that is said in the log.
        """
        try:
            self._ask("written", lambda fs, key: fs.pipe_file(key, data, mode="create"))
        except FileExistsError:
            return self.read_bytes() == data  # our own, if the answer to the first of two tries was lost
        except RemoteError as error:
            # so drivers refuse the mode; had such an error another cause, the plain write below would meet it, too
            if not isinstance(error.__cause__, NotImplementedError | TypeError | ValueError):
                raise
            logger.warning("%s: this driver has no exclusive creation; two that start at once would not notice", self)
            if self.is_file():
                return False
            self.write_bytes(data)
        return True

    def copy_to(self, target: "RemotePath") -> None:
        """Copy the object to another name there, without fetching it."""
        self._ask("copied", lambda fs, key: fs.cp_file(key, target._key))

    def unlink(self, *, missing_ok: bool = False) -> None:
        """Remove the object."""
        try:
            self._ask("removed", lambda fs, key: fs.rm_file(key))
        except FileNotFoundError:
            if not missing_ok:
                raise

    def unlink_below(self, names: Iterable[str]) -> None:
        """Remove objects that are there, by their paths from here; the driver may do many with one request."""
        wanted = list(names)
        if not wanted:
            return
        try:
            self._ask("cleared", lambda fs, key: fs.rm([f"{key}/{name}" for name in wanted]))
        except FileNotFoundError:  # some went with a first try
            for name in wanted:
                (self / name).unlink(missing_ok=True)

    def _ask(self, done: str, what: Callable[[Any, str], T]) -> T:
        """Ask the server, several times if need be; `done` is what could not be done."""
        for number in range(TRIES):
            try:
                return what(driver_of(self.protocol), self._key)
            except _NOT_THERE as error:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), self.url) from error
            except (FileExistsError, RemoteError):
                raise
            except Exception as error:  # each driver raises what its libraries do, down to KeyError
                if number == TRIES - 1 or not is_passing(error):
                    self._give_up(done, error, tries=number + 1)
                logger.info("%s: %s; trying again", self, in_short(error))
                # not all at once again, where many workers were told to slow down
                time.sleep(PAUSE_S * 2**number * random.uniform(0.5, 1))
        raise AssertionError

    def _give_up(self, done: str, error: Exception, *, tries: int) -> NoReturn:
        if isinstance(error, PermissionError) or "Credentials" in type(error).__name__:
            raise RemoteError(
                f"{self}: cannot be {done}: access denied ({in_short(error)}); expected credentials that allow it, "
                "where the driver looks for them, such as AWS_PROFILE, or a public place with FSSPEC_S3_ANON=true"
            ) from error
        times = f" after {tries} tries" if tries > 1 else ""
        raise RemoteError(
            f"{self}: cannot be {done}{times} ({in_short(error)}); give the same command again when the server can be "
            "reached"
        ) from error


Location: TypeAlias = Path | RemotePath


def in_parallel(do: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """`do` with each item, several at once; the results in order. After the first error nothing new is begun."""
    failed = threading.Event()

    def one(item: T) -> R:
        if failed.is_set():
            raise CancelledError
        try:
            return do(item)
        except BaseException:
            failed.set()
            raise

    with ThreadPoolExecutor(REQUESTS_AT_ONCE, thread_name_prefix="ecg12-remote") as pool:
        futures = [pool.submit(one, item) for item in items]
    errors = [error for error in (future.exception() for future in futures) if error is not None]
    for error in errors:
        if not isinstance(error, CancelledError):
            raise error
    return [future.result() for future in futures]


def file_sizes(place: Location) -> dict[str, int]:
    """Every file below a place: posix path from there → bytes."""
    if isinstance(place, RemotePath):
        return place.files()
    return {file.relative_to(place).as_posix(): file.stat().st_size for file in place.rglob("*") if file.is_file()}


def remove_tree(place: Location) -> None:
    """Remove everything below a place, and the folder itself where there are folders."""
    if isinstance(place, RemotePath):
        place.unlink_below(place.files())
    else:
        shutil.rmtree(place)
