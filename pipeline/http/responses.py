"""What a host's answer says beside its bytes: failure or not, when to come back, where to go, which file it is of.

Hosts differ here more than anywhere: S3 explains a failure in XML, nginx and Apache in a web page, proxies leave out
reasons and clocks are wrong. Nothing of it decides whether bytes are right; that is for the digest.
"""

import asyncio
import contextlib
import re
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final
from urllib.parse import quote, urljoin, urlsplit

import aiohttp

from ecg12.pipeline.http.hosts import is_address, public_url

RETRIABLE_STATUS: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
WHOLE_STATUS: Final = frozenset({200, 203, 204})
"""A whole file: as it is, as a proxy passes it on, an empty one."""

WEB_PAGE: Final = "a web page instead of the file"

_PAGES: Final = frozenset({"text/html", "application/xhtml+xml"})
_EXPLANATION_BYTES: Final = 4096
_EXPLANATION_S: Final = 5.0


class FailedTry(Exception):
    """A try that failed; never seen by users as it is.

    Attributes
    ----------
    retriable : whether the same request may go better
    retry_after_s : the pause that the server asked for
    absent : whether it says something of this file only: it is not there, or not the right one
    host_unusable : whether no other file can be expected from this host either
    """

    def __init__(
        self,
        reason: str,
        *,
        retriable: bool = True,
        retry_after_s: float | None = None,
        absent: bool = False,
        host_unusable: bool = False,
    ) -> None:
        super().__init__(reason)
        self.retriable = retriable
        self.retry_after_s = retry_after_s
        self.absent = absent
        self.host_unusable = host_unusable


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What a host said of the bytes that it sent.

    Attributes
    ----------
    framed : whether the answer itself tells its end; if not, a dropped connection looks like one
    encoding : of the bytes, such as "gzip", although none was asked for; "" = none
    is_page : whether they are a web page
    """

    framed: bool = True
    encoding: str = ""
    is_page: bool = False


def answer_of(response: aiohttp.ClientResponse) -> Answer:
    """The answer, by its headers."""
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    chunked = "chunked" in response.headers.get("Transfer-Encoding", "").lower()
    return Answer(
        framed=chunked or response.content_length is not None or response.status == 204,
        encoding="" if encoding == "identity" else encoding,
        is_page=response.headers.get("Content-Type", "").partition(";")[0].strip().lower() in _PAGES,
    )


async def check_status(response: aiohttp.ClientResponse) -> None:
    """Raise the FailedTry that an answer without the file is."""
    if response.status < 300:
        return
    said = await describe_status(response)
    if response.status in RETRIABLE_STATUS:
        after = parse_retry_after(response.headers.get("Retry-After"), response.headers.get("Date"))
        raise FailedTry(said, retry_after_s=after)
    raise FailedTry(said, retriable=False, absent=True)


async def describe_status(response: aiohttp.ClientResponse) -> str:
    """Status and reason, and S3's own word for it where there is one, such as NoSuchKey or SlowDown."""
    reason = response.reason or (HTTPStatus(response.status).phrase if response.status in _KNOWN else "")
    said = f"status {response.status} {reason}".rstrip()
    if "xml" not in response.headers.get("Content-Type", "").lower():
        return said
    body = b""
    with contextlib.suppress(aiohttp.ClientError, TimeoutError):
        async with asyncio.timeout(_EXPLANATION_S):
            body = await response.content.read(_EXPLANATION_BYTES)
    code = re.search(rb"<Code>(\w{1,60})</Code>", body)
    return f"{said} ({code[1].decode()})" if code else said


_KNOWN: Final = frozenset(int(status) for status in HTTPStatus)


def parse_retry_after(text: str | None, date: str | None = None) -> float | None:
    """Seconds, or a date by the server's own clock if it tells it (`date`); None for anything else.

    Source: RFC 9110, 10.2.3.
    """
    if text is None:
        return None
    if re.fullmatch(r"\d{1,9}", text.strip()):
        return float(text)
    when = _seconds_of(text)
    if when is None:
        return None
    now = _seconds_of(date) if date else None
    return max(when - (time.time() if now is None else now), 0.0)


def _seconds_of(text: str) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None


def redirected(url: str, location: str) -> str:
    """The next address; one that leaves http(s), or TLS, is refused."""
    try:
        target = urljoin(url, quote(location.strip(), safe="!#$%&'()*+,/:;=?@[]~", errors="surrogateescape"))
    except ValueError as error:
        raise FailedTry(f"a redirect to {location!r}, which is no address", retriable=False) from error
    scheme = urlsplit(target).scheme
    if scheme not in ("http", "https"):
        raise FailedTry(f"a redirect to {scheme}: is refused; expected http or https", retriable=False)
    if not is_address(target):
        raise FailedTry(f"a redirect to {location!r}, which is no address", retriable=False)
    if scheme == "http" and urlsplit(url).scheme == "https":
        raise FailedTry(f"a redirect from https to {public_url(target)} is refused", retriable=False)
    return target


def validator_of(response: aiohttp.ClientResponse) -> str | None:
    """What If-Range may name: a strong ETag, else the date of the last change."""
    etag = response.headers.get("ETag")
    validator = etag if etag and not etag.startswith("W/") else response.headers.get("Last-Modified")
    return validator if validator is not None and can_be_sent(validator) else None


def can_be_sent(validator: str) -> bool:
    """Whether it may stand in a header of ours: hosts send bytes of all kinds, and a note on disk may be anyone's."""
    return re.fullmatch(r"[\x20-\x7e]{1,1000}", validator) is not None


def is_of_the_same(response: aiohttp.ClientResponse, validator: str | None) -> bool:
    """Whether a part is of the file that `validator` names, or does not say."""
    header = "ETag" if validator is not None and validator.startswith('"') else "Last-Modified"
    return response.headers.get(header) in (None, validator)
