"""One try at one file: a request for the bytes that are still missing, and all that a server may answer.

Only bytes of exactly the file that was begun are appended: the request says so (Range with If-Range), and the answer
is held to it. Anything else starts the file anew.
"""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from yarl import URL

from ecg12.ecg.errors import ConfigError
from ecg12.pipeline.http.hosts import is_address, public_url
from ecg12.pipeline.http.part_file import Partial
from ecg12.pipeline.http.responses import (
    RETRIABLE_STATUS,
    WEB_PAGE,
    WHOLE_STATUS,
    Answer,
    FailedTry,
    answer_of,
    can_be_sent,
    check_status,
    is_of_the_same,
    redirected,
    validator_of,
)

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MAX_REDIRECTS = 10
_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)")

_LEAST_BYTES = 1024
"""Of a body in the time that a connection may be silent; a host that only drips keeps nobody waiting for ever."""


class Client:
    """An open session, and the proxy for each host as the environment names it.

    aiohttp can read the environment itself, but does so in a thread for every request, which costs as much as a file.

    Parameters
    ----------
    patience_s : for the head of an answer, and for each `_LEAST_BYTES` of its body
    """

    def __init__(self, session: aiohttp.ClientSession, *, patience_s: float) -> None:
        self.session = session
        self.patience_s = patience_s
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
            self._proxies[place] = None if passed_by else _proxy_address(getproxies().get(parts.scheme), parts.scheme)
        return self._proxies[place]


def _proxy_address(stated: str | None, scheme: str) -> str | None:
    """The address of a proxy as the environment states it: often without http:// before it."""
    if not stated:
        return None
    address = stated if "://" in stated else f"http://{stated}"
    if not is_address(address):
        raise ConfigError(
            f"the proxy for {scheme}, {public_url(address)!r} by {scheme}_proxy: not understood; expected "
            "http://HOST:PORT, or NO_PROXY with the names of hosts to be asked without it"
        )
    return address


async def fetch_rest(
    client: Client,
    url: str,
    partial: Partial,
    advance: Callable[[int], None],
    *,
    refuse_html: bool = False,
    most_bytes: int | None = None,
) -> Answer:
    """Append what is missing of the file at `url` to `partial`.

    Parameters
    ----------
    advance : is told the number of bytes as they arrive, and a negative number where bytes are dropped
    most_bytes : a file that is longer is stopped, and what came of it is dropped

    Raises
    ------
    FailedTry
        If the file is not whole afterwards.
    """
    if partial.size and partial.url != public_url(url):
        _drop(partial, advance)  # begun on another host: its validator means nothing here
    try:
        return await _fetch_rest(client, url, partial, advance, refuse_html, most_bytes)
    except (ssl.SSLCertVerificationError, aiohttp.ClientConnectorCertificateError) as error:
        reason = getattr(error, "certificate_error", error)
        raise FailedTry(
            f"its TLS certificate is not accepted ({getattr(reason, 'verify_message', '') or reason}); "
            "verification is never switched off: name your network's own authority with SSL_CERT_FILE",
            retriable=False,
            host_unusable=True,
        ) from error
    except TimeoutError as error:
        raise FailedTry("no bytes came in time, or hardly any") from error
    except (aiohttp.ClientError, ConnectionError) as error:
        raise FailedTry(_describe(error)) from error


async def _fetch_rest(
    client: Client,
    url: str,
    partial: Partial,
    advance: Callable[[int], None],
    refuse_html: bool,
    most_bytes: int | None,
) -> Answer:
    headers = {}
    resuming = partial.size > 0 and partial.validator is not None and can_be_sent(partial.validator)
    if partial.size and not resuming:
        _drop(partial, advance)
    if resuming:
        headers = {"Range": f"bytes={partial.size}-", "If-Range": partial.validator or ""}
    async with _get(client, url, headers) as response:
        if resuming and 400 <= response.status < 500 and response.status not in RETRIABLE_STATUS:
            _drop(partial, advance)  # 416, or a server that will not have ranges: ask for the whole file
            raise FailedTry(f"status {response.status} for the rest of a file")
        await check_status(response)
        answer = answer_of(response)
        if refuse_html and answer.is_page:
            raise FailedTry(WEB_PAGE, retriable=False, absent=True)
        if response.status == 206 and resuming:
            total = _check_continues(response, partial, advance)
        elif response.status in WHOLE_STATUS or _is_whole(response):
            if partial.size:
                _drop(partial, advance)
            total = response.content_length
        else:
            raise FailedTry(
                f"status {response.status} with a part of the file, although the whole was asked for", retriable=False
            )
        _check_size(total or 0, most_bytes, partial, advance)
        partial.remember(public_url(url), validator_of(response) or partial.validator, total)
        await _take_body(response, client, partial, advance, most_bytes)
    if total is not None and partial.size != total:
        found = partial.size
        if found > total:
            _drop(partial, advance)
        raise FailedTry(f"{found:,} bytes came; expected {total:,}")
    return answer


def _is_whole(response: aiohttp.ClientResponse) -> bool:
    """Whether a part that nobody asked for is all of the file, as caches that keep files in parts may send it."""
    match = _RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
    return response.status == 206 and match is not None and match[1] == "0" and match[3] == str(int(match[2]) + 1)


@asynccontextmanager
async def _get(client: Client, url: str, headers: dict[str, str]) -> AsyncIterator[aiohttp.ClientResponse]:
    for _ in range(_MAX_REDIRECTS + 1):
        async with _head_in_time(client, url, headers) as response:
            location = response.headers.get("Location")
            if response.status not in _REDIRECTS or location is None:
                yield response
                return
        url = redirected(url, location)
    raise FailedTry(f"more than {_MAX_REDIRECTS} redirects", retriable=False)


@asynccontextmanager
async def _head_in_time(client: Client, url: str, headers: dict[str, str]) -> AsyncIterator[aiohttp.ClientResponse]:
    """The answer, if its head is here in time: an interim answer, or a letter, now and then is no sign of life."""
    async with asyncio.timeout(2 * client.patience_s) as clock:  # once for the connection, which has its own limit
        async with client.get(url, headers) as response:
            clock.reschedule(None)
            yield response


async def _take_body(
    response: aiohttp.ClientResponse,
    client: Client,
    partial: Partial,
    advance: Callable[[int], None],
    most_bytes: int | None,
) -> None:
    """Append the body as it arrives; a TimeoutError if it only drips."""
    now, since = asyncio.get_running_loop().time, 0
    async with asyncio.timeout(client.patience_s) as clock:
        async for data in response.content.iter_any():
            _check_size(partial.size + len(data), most_bytes, partial, advance)
            partial.write(data)
            advance(len(data))
            since += len(data)
            if since >= _LEAST_BYTES:
                since = 0
                clock.reschedule(now() + client.patience_s)


def _check_size(size: int, most_bytes: int | None, partial: Partial, advance: Callable[[int], None]) -> None:
    """Stop a file that is, or will be, longer than any of its kind."""
    if most_bytes is not None and size > most_bytes:
        _drop(partial, advance)
        raise FailedTry(
            f"{size:,} bytes or more; expected at most {most_bytes:,} of such a file (--max-file-size lifts the bound)",
            retriable=False,
            absent=True,
        )


def _check_continues(response: aiohttp.ClientResponse, partial: Partial, advance: Callable[[int], None]) -> int | None:
    """The whole length, if the part in `response` begins where `partial` ends and is of the same file."""
    stated = response.headers.get("Content-Range", "")
    match = _RANGE.fullmatch(stated)
    total = int(match[3]) if match and match[3] != "*" else None
    same = is_of_the_same(response, partial.validator)
    if match is None or int(match[1]) != partial.size or not same or total != (partial.total or total):
        begun = partial.size
        _drop(partial, advance)
        raise FailedTry(f"a part that does not continue byte {begun:,} of the same file ({stated or 'no range'})")
    return total or partial.total


def _drop(partial: Partial, advance: Callable[[int], None]) -> None:
    advance(-partial.size)
    partial.start_anew()


def _describe(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"no connection ({error.os_error.strerror or error.os_error})"
    if isinstance(error, aiohttp.ClientPayloadError):
        return "the connection ended before the file did"
    if isinstance(error, aiohttp.ClientResponseError):
        said = " ".join(error.message.partition("\n")[0].rstrip(":").split())
        return f"an answer that is no proper HTTP ({said[:100]})"
    return " ".join(str(error).split()) or type(error).__name__
