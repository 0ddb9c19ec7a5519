"""Digests of decoded bytes: of a chunk, and of all tables and attributes together."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecg12.cache.schema import sha256_of_json

DIGEST_ATTRIBUTE = "digest"
"""Root attribute that holds the tables' own digest; it covers every other root attribute too."""

OPTIONAL_DIGEST_ATTRIBUTE = "optional_digest"
"""Root attribute that covers the tables that a store may lack, so that a reader without them can prove the rest."""


def chunk_digest(block: NDArray[np.int16]) -> str:
    """SHA-256 of a decoded chunk: int16 little-endian, lead by lead."""
    return hashlib.sha256(np.ascontiguousarray(block, "<i2").data).hexdigest()


def tables_digest(columns: Iterable[tuple[str, NDArray]], attributes: Mapping[str, Any]) -> str:
    """SHA-256 over all columns in path order, and the root attributes but for the digest itself.

    A column adds its path, dtype and shape as a line, then its values: numbers as little-endian bytes, texts
    in UTF-8 each followed by a NUL.
    """
    total = hashlib.sha256()
    for path, values in sorted(columns, key=lambda column: column[0]):
        text = values.dtype.kind in "OTU"
        kind = "string" if text else values.dtype.name
        total.update(f"{path} {kind} {values.shape}\n".encode())
        if text:
            total.update("".join(f"{value}\0" for value in values.ravel()).encode())
        else:
            total.update(np.ascontiguousarray(values, values.dtype.newbyteorder("<")).tobytes())
    others = {key: value for key, value in attributes.items() if key != DIGEST_ATTRIBUTE}
    total.update(sha256_of_json(others).encode())
    return total.hexdigest()
