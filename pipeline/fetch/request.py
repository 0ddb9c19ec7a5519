"""One try at one file: a request for the bytes that are still missing, and all that a server may answer.

Only bytes of exactly the file that was begun are appended: the request says so (Range with If-Range), and the answer
is held to it. Anything else starts the file anew.
"""

import re
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from email.utils import parsedate_to_datetime
from urllib.parse import urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from yarl import URL

from pipeline.fetch.hosts import is_address, public_url
from pipeline.fetch.partial import Partial

_RETRIABLE_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MAX_REDIRECTS = 10


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


class Client:
    """An open session, and the proxy for each host as the environment names it.

    aiohttp can read the environment itself, but does so in a thread for every request, which costs as much as a file.
    """

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.session = session
        self._proxies: dict[str, str | None] = {}

    def get(self, url: str, headers: dict[str, str]) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        """The answer to one request; a redirect is an answer."""
        # as it is: quoting a signed address again would break its signature
        return self.session.get(URL(url, encoded=True), headers=headers, allow_redirects=False, proxy=self._proxy(url))

    def _proxy(self, url: str) -> str | None:
        parts = urlsplit(url)
        place = f"{parts.scheme}://{parts.netloc}"
        if place not in self._proxies:
            passed_by = proxy_bypass(parts.hostname or "")
            self._proxies[place] = None if passed_by else getproxies().get(parts.scheme)
        return self._proxies[place]


async def fetch_rest(
    client: Client,
    url: str,
    partial: Partial,
    advance: Callable[[int], None],
    *,
    refuse_html: bool = False,
) -> None:
    """Append what is missing of the file at `url` to `partial`.

    Parameters
    ----------
    advance : is told the number of bytes as they arrive, and a negative number where bytes are dropped

    Raises
    ------
    FailedTry
        If the file is not whole afterwards.
    """
    if partial.size and partial.url != public_url(url):
        _drop(partial, advance)  # begun on another host: its validator means nothing here
    try:
        await _fetch_rest(client, url, partial, advance, refuse_html)
    except (ssl.SSLCertVerificationError, aiohttp.ClientConnectorCertificateError) as error:
        reason = getattr(error, "certificate_error", error)
        raise FailedTry(
            f"its TLS certificate is not accepted ({getattr(reason, 'verify_message', '') or reason}); "
            "verification is never switched off: name your network's own authority with SSL_CERT_FILE",
            retriable=False,
            host_unusable=True,
        ) from error
    except TimeoutError as error:
        raise FailedTry("no bytes came in time") from error
    except (aiohttp.ClientError, ConnectionError) as error:
        raise FailedTry(_describe(error)) from error


async def _fetch_rest(
    client: Client, url: str, partial: Partial, advance: Callable[[int], None], refuse_html: bool
) -> None:
    headers = {}
    resuming = partial.size > 0 and partial.validator is not None
    if partial.size and not resuming:
        _drop(partial, advance)
    if resuming:
        headers = {"Range": f"bytes={partial.size}-", "If-Range": partial.validator or ""}
    async with _get(client, url, headers) as response:
        if resuming and 400 <= response.status < 500 and response.status not in _RETRIABLE_STATUS:
            _drop(partial, advance)  # 416, or a server that will not have ranges: ask for the whole file
            raise FailedTry(f"status {response.status} for the rest of a file")
        _check_status(response)
        if refuse_html and response.content_type == "text/html":
            raise FailedTry("a web page instead of the file", retriable=False, absent=True)
        if response.status == 206 and resuming:
            total = _check_continues(response, partial, advance)
        elif response.status == 200:
            if partial.size:
                _drop(partial, advance)
            total = response.content_length
        else:
            raise FailedTry(f"status {response.status} without a range in the request", retriable=False)
        partial.remember(public_url(url), _validator_of(response) or partial.validator, total)
        async for data in response.content.iter_any():
            partial.write(data)
            advance(len(data))
    if total is not None and partial.size != total:
        found = partial.size
        if found > total:
            _drop(partial, advance)
        raise FailedTry(f"{found:,} bytes came; expected {total:,}")


@asynccontextmanager
async def _get(client: Client, url: str, headers: dict[str, str]) -> AsyncIterator[aiohttp.ClientResponse]:
    for _ in range(_MAX_REDIRECTS + 1):
        async with client.get(url, headers) as response:
            location = response.headers.get("Location")
            if response.status not in _REDIRECTS or location is None:
                yield response
                return
        url = _redirected(url, location)
    raise FailedTry(f"more than {_MAX_REDIRECTS} redirects", retriable=False)


def _redirected(url: str, location: str) -> str:
    """The next address; one that leaves http(s), or TLS, is refused."""
    try:
        target = urljoin(url, location)
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


def _check_status(response: aiohttp.ClientResponse) -> None:
    if response.status in _RETRIABLE_STATUS:
        after = _parse_retry_after(response.headers.get("Retry-After"))
        raise FailedTry(f"status {response.status} {response.reason}", retry_after_s=after)
    if response.status >= 300:
        raise FailedTry(f"status {response.status} {response.reason}", retriable=False, absent=True)


def _check_continues(response: aiohttp.ClientResponse, partial: Partial, advance: Callable[[int], None]) -> int | None:
    """The whole length, if the part in `response` begins where `partial` ends and is of the same file."""
    stated = response.headers.get("Content-Range", "")
    match = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", stated)
    total = int(match[3]) if match and match[3] != "*" else None
    same = _validator_of(response) in (None, partial.validator)
    if match is None or int(match[1]) != partial.size or not same or total != (partial.total or total):
        begun = partial.size
        _drop(partial, advance)
        raise FailedTry(f"a part that does not continue byte {begun:,} of the same file ({stated or 'no range'})")
    return total or partial.total


def _validator_of(response: aiohttp.ClientResponse) -> str | None:
    """What If-Range may name: a strong ETag, else the date of the last change."""
    etag = response.headers.get("ETag")
    if etag and not etag.startswith("W/"):
        return etag
    return response.headers.get("Last-Modified")


def _parse_retry_after(text: str | None) -> float | None:
    """Seconds or a date; None for anything else. Source: RFC 9110, 10.2.3."""
    if text is None:
        return None
    if re.fullmatch(r"\d{1,9}", text.strip()):
        return float(text)
    try:
        return max(parsedate_to_datetime(text).timestamp() - time.time(), 0.0)
    except (ValueError, OverflowError):
        return None


def _drop(partial: Partial, advance: Callable[[int], None]) -> None:
    advance(-partial.size)
    partial.start_anew()


def _describe(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"no connection ({error.os_error.strerror or error.os_error})"
    if isinstance(error, aiohttp.ClientPayloadError):
        return "the connection ended before the file did"
    return str(error) or type(error).__name__
