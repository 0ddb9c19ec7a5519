"""Refusing a public record that is known to be faulty, with what is known of it; see `ecg.faulty_records`."""

import hashlib
from pathlib import Path

from ecg12.cache.storage.location import Location, RemotePath
from ecg12.ecg.errors import HeaderError, SignalError
from ecg12.ecg.faulty_records import FAULTY_BY_NAME
from ecg12.pipeline.files.regular_files import read_regular

_MOST_BYTES = 1_000_000
"""Of a signal that is held against a digest: the one there is has 120,024."""


def refuse_faulty(path: Location, text: str) -> None:
    """Refuse the header `text` at `path` if it is known by name and has the fault it is known for.

    Raises
    ------
    HeaderError
        With the fault, the release in which it is so, and what to do.
    """
    known = FAULTY_BY_NAME.get(path.stem)
    if known is None:
        return
    if known.is_in_header(text) or (
        known.signal_sha256 is not None and _digest(path, f"{known.name}.mat") == known.signal_sha256
    ):
        raise HeaderError(known.reason)


def _digest(path: Location, name: str) -> str | None:
    """Of the file beside the header; None where none can be read, which whoever reads the record will tell."""
    try:
        if isinstance(path, RemotePath):
            beside = path.parent / name
            data = beside.read_bytes() if beside.stat().st_size <= _MOST_BYTES else b""
        else:
            data = read_regular(Path(path).with_name(name), _MOST_BYTES, error=SignalError)
    except (OSError, SignalError):
        return None
    return hashlib.sha256(data).hexdigest()
