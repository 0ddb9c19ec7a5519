"""fsspec's drivers of remote stores: made once, asked with their quirks, and what their errors mean, in short."""

import errno
import re
from functools import lru_cache
from typing import Any

import fsspec

from ecg12.ecg.errors import RemoteError

CREDENTIALS = re.compile(r"(?<=://)[^/\s@]*:[^/\s@]*@")  # abfs://container@account has none


_QUERY = re.compile(r"\?[^\s'\"]*")


_INSTALL = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "abfs": "adlfs", "az": "adlfs"}


_PASSING_STATUS = (408, 409, 429, 500, 502, 503, 504)


_PASSING_ERRNO = (errno.EBUSY, errno.EAGAIN, getattr(errno, "EREMOTEIO", 121), errno.EPIPE)


_PASSING_NAMES = {"HTTPClientError", "ConnectionError", "ClientConnectionError", "ClientPayloadError"}
"""Classes of botocore and aiohttp for what happened to a connection, by name: neither need be installed."""


def is_passing(error: BaseException) -> bool:
    """Whether an error of a driver may be gone at the next try: the server is busy or failed, or the connection."""
    if isinstance(error, PermissionError):
        return False
    status = _status_of(error)
    if status is not None:
        return status in _PASSING_STATUS
    if isinstance(error, ConnectionError | TimeoutError):
        return True
    if isinstance(error, OSError) and error.errno in _PASSING_ERRNO:
        return True
    return any(kind.__name__ in _PASSING_NAMES for kind in type(error).__mro__)


def _status_of(error: BaseException | None) -> int | None:
    """The HTTP status that an error, or what caused it, tells of."""
    while error is not None:
        response = getattr(error, "response", None)
        metadata = response.get("ResponseMetadata", {}) if isinstance(response, dict) else {}
        for value in (metadata.get("HTTPStatusCode"), getattr(error, "status", None), getattr(error, "code", None)):
            if isinstance(value, int) and 400 <= value < 600:
                return value
        error = error.__cause__
    return None


def in_short(error: BaseException, most: int = 160) -> str:
    """An error's kind and its text on one line, without anything that could be a credential."""
    text = " ".join(harmless(str(error)).split())
    return f"{type(error).__name__}: {text[:most]}{'…' if len(text) > most else ''}" if text else type(error).__name__


def harmless(text: str) -> str:
    """Signed URLs have their signature behind the question mark, others a password before the @."""
    return _QUERY.sub("?…", CREDENTIALS.sub("…@", text))


def read_object(fs: Any, key: str, end: int | None = None) -> bytes:  # noqa: ANN401 - a driver of fsspec
    try:
        return bytes(fs.cat_file(key, start=0, end=end))  # without a start, some drivers ask for the size first
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        return bytes(fs.cat_file(key))  # an empty object has no byte 0


@lru_cache(maxsize=32)
def driver_of(protocol: str) -> Any:  # noqa: ANN401 - a driver of fsspec
    """The driver of a protocol, configured by fsspec's own configuration and environment."""
    try:
        return fsspec.filesystem(protocol, use_listings_cache=False, skip_instance_cache=True)
    except ImportError as error:
        package = _INSTALL.get(protocol)
        raise RemoteError(
            f"{protocol}://: its driver is not installed ({in_short(error)}); "
            + (f"pip install {package}" if package else "install the package that fsspec names for it")
        ) from error
    except ValueError as error:
        raise RemoteError(
            f"{protocol}://: no such protocol ({in_short(error)}); expected one of fsspec's, such as s3:// or gs://"
        ) from error


def forget_drivers() -> None:
    """Let the next question make its driver anew, by what configuration and environment say then."""
    driver_of.cache_clear()
