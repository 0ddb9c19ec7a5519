"""Bytes that a host sent encoded (`Content-Encoding`), although they were asked for as they are.

Objects in buckets carry the encoding they were uploaded with, and some proxies encode whatever they are asked. It is
undone in memory, for one file at a time and up to the bound of its kind, so that a bomb is small.
"""

import zlib
from typing import Final

_GZIP_OR_ZLIB: Final = 47
_RAW: Final = -15

KNOWN: Final = frozenset({"gzip", "x-gzip", "deflate"})


def decode(data: bytes, most_bytes: int) -> bytes | None:
    """`data` without gzip or deflate around it; None if it has neither, is cut, or becomes longer than `most_bytes`."""
    for form in (_GZIP_OR_ZLIB, _RAW):
        plain = _inflate(data, form, most_bytes)
        if plain is not None:
            return plain
    return None


def _inflate(data: bytes, form: int, most_bytes: int) -> bytes | None:
    plain = bytearray()
    while data:  # gzip may have several members, one after another
        inflater = zlib.decompressobj(form)
        try:
            plain += inflater.decompress(data, most_bytes + 1 - len(plain))
        except zlib.error:
            return None
        if not inflater.eof or len(plain) > most_bytes:
            return None
        data = inflater.unused_data
    return bytes(plain)
