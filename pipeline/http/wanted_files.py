"""What is to be transferred and how, what came of it, and what whoever transfers must offer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ecg12.ecg.errors import ConfigError
from ecg12.pipeline.runtime.progress import Task


@dataclass(frozen=True, kw_only=True, slots=True)
class TransferConfig:
    """How hard a transfer tries.

    Attributes
    ----------
    connections : kept alive and used at once, 1 to 256
    connect_timeout_s, read_timeout_s : for a connection, and for the next bytes on it: 1 kB at least of a long file
    tries, tries_before_next_host : without progress, on the last host and while another one is left
    first_wait_s, longest_wait_s : before a new try; doubled each time, times a random 0.5 to 1
    longest_retry_after_s : a server that asks for a longer pause counts as not available
    max_file_bytes : of every file; None = by its kind, see `pipeline.http.size_limits`
    """

    connections: int = 16
    connect_timeout_s: float = 30.0
    read_timeout_s: float = 60.0
    tries: int = 20
    tries_before_next_host: int = 4
    first_wait_s: float = 0.5
    longest_wait_s: float = 30.0
    longest_retry_after_s: float = 300.0
    max_file_bytes: int | None = None

    def __post_init__(self) -> None:
        if self.max_file_bytes is not None and self.max_file_bytes < 1:
            raise ConfigError(f"max_file_bytes is {self.max_file_bytes}; expected 1 at least")
        if not 1 <= self.connections <= 256:
            raise ConfigError(f"connections is {self.connections}; expected 1 to 256")


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """A file to fetch.

    Attributes
    ----------
    path : where it goes
    name : posix path on every host, or a whole address
    algorithm : of the digest, as in hashlib
    accepted : the digests that are right, in hex; empty = none was published, and any is taken
    expected_bytes : for progress only
    most_bytes : a longer file is stopped and not taken; None = there is no bound
    refuse_html : a web page is an error: what a host shows instead of a file that has moved
    patient : try long on the last host; not for a first contact, which tells soon that there is no network
    """

    path: Path
    name: str
    algorithm: str = "sha256"
    accepted: tuple[str, ...] = ()
    expected_bytes: int = 0
    most_bytes: int | None = None
    refuse_html: bool = False
    patient: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Fetched:
    """A file that is in its place; `origin` is the host, or the folder, that it came from."""

    wanted: Wanted
    size: int
    hexdigest: str
    origin: str


class Fetcher(Protocol):
    """Brings files: from hosts, or from a folder on disk."""

    @property
    def notes(self) -> list[str]:
        """What the user should know of how it went."""

    def fetch(
        self,
        wanted: Sequence[Wanted],
        task: Task,
        on_done: Callable[[Fetched], None],
        on_failed: Callable[[Wanted, str], None],
        *,
        most_bytes: int | None = None,
    ) -> None:
        """Bring each file, in any order, and tell each outcome once; all together have at most `most_bytes`."""
