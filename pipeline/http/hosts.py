"""The hosts that hold the same files, in the order they are tried, and which of them have been given up.

A host is given up for the whole run once several files in a row failed on it, so that a dead host costs minutes and not
86,000 times as much; a single file it does not have is asked of the next one.
"""

import logging
import re
import time
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit, urlunsplit

from ecg12.ecg.errors import ConfigError

logger = logging.getLogger(__name__)

FAILED_FILES_BEFORE_GIVING_UP = 3
"""In a row, for want of a connection or of whole answers."""

ABSENT_FILES_BEFORE_GIVING_UP = 20
"""In a row, that are not there or not right; the last host is asked for every file all the same."""

TRIES_BEFORE_TELLING = 5
PAUSE_TOLD_FROM_S = 10.0


@dataclass(kw_only=True, slots=True)
class Host:
    """One place that holds every file.

    Attributes
    ----------
    url : of the folder; one with `{path}` in it is a pattern
    name : the address without user and password, for messages and the manifest
    not_before : monotonic seconds before which it wants no request
    failed_in_a_row, absent_in_a_row : files since the last good one that it failed to send, and that it does not have
    troubled : whether the user was told that it is slow to answer
    given_up : why, or None while it is in use
    """

    url: str
    name: str = field(init=False)
    not_before: float = 0.0
    failed_in_a_row: int = 0
    absent_in_a_row: int = 0
    troubled: bool = False
    given_up: str | None = None

    def __post_init__(self) -> None:
        self.name = public_url(self.url)

    def url_of(self, path: str) -> str:
        """The address of a file; `path` is posix, relative, not yet quoted. A whole address stays as it is."""
        if path.startswith(("http://", "https://")):
            return path
        quoted = quote(path)
        if "{path}" in self.url:
            return self.url.replace("{path}", quoted)
        return f"{self.url.rstrip('/')}/{quoted}"

    def wait_s(self) -> float:
        """Seconds until it wants to be asked again."""
        return max(self.not_before - time.monotonic(), 0.0)

    def pause(self, seconds: float) -> None:
        """Ask nothing of it for so long."""
        self.not_before = max(self.not_before, time.monotonic() + seconds)


@dataclass(kw_only=True, slots=True)
class Hosts:
    """Hosts in order; `notes` collects what was said about those given up."""

    hosts: list[Host]
    notes: list[str] = field(default_factory=list)

    def usable(self) -> list[Host]:
        """Those not given up."""
        return [host for host in self.hosts if host.given_up is None]

    def is_last(self, host: Host) -> bool:
        """Whether nothing would be left without it."""
        return self.usable() == [host]

    def file_came(self, host: Host) -> None:
        """Forget what failed before."""
        host.failed_in_a_row = host.absent_in_a_row = 0
        host.troubled = False

    def file_failed(self, host: Host, reason: str, *, absent: bool, fatal: bool) -> None:
        """Count a file that `host` could not give; give the host up if it was one too many, or at once if `fatal`."""
        host.failed_in_a_row += not absent
        host.absent_in_a_row += absent
        one_too_many = host.failed_in_a_row >= FAILED_FILES_BEFORE_GIVING_UP or (
            host.absent_in_a_row >= ABSENT_FILES_BEFORE_GIVING_UP and not self.is_last(host)
        )
        if host.given_up is None and (fatal or one_too_many):
            host.given_up = reason
            following = self.usable()
            then = f"going on with {following[0].name}" if following else "no other host is left"
            self.notes.append(f"{host.name}: given up ({reason}); {then}")
            logger.warning(self.notes[-1])

    def try_failed(self, host: Host, reason: str, times: int) -> None:
        """Tell, once, that a host is being waited for."""
        if times >= TRIES_BEFORE_TELLING and not host.troubled:
            host.troubled = True
            logger.warning("%s: %s; trying again for some minutes", host.name, reason)

    def asked_to_wait(self, host: Host, reason: str, seconds: float) -> None:
        """Tell, once, that a host wants a pause that looks as if nothing happened any more."""
        if seconds >= PAUSE_TOLD_FROM_S and not host.troubled:
            host.troubled = True
            logger.warning("%s: %s, and asks to wait %.0f s; waiting for it", host.name, reason, seconds)


def make_hosts(urls: tuple[str, ...]) -> Hosts:
    """Hosts of these addresses, in this order.

    Raises
    ------
    ConfigError
        If an address is not http or https.
    """
    for url in urls:
        if not is_address(url):
            raise ConfigError(
                f"mirror {url!r}: not an address; expected http://… or https://… (files on disk are taken with --from)"
            )
    return Hosts(hosts=[Host(url=url) for url in urls])


def is_address(url: str) -> bool:
    """Whether something can be asked for there: http or https, a host, a port if any in range, no blanks."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and re.search(r"\s", url) is None


def public_url(url: str) -> str:
    """An address without user, password and query: what may be shown and recorded."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
