"""The elements of a DICOM file that an ECG needs, found without copying and within bounds that no file can move.

Everything else is stepped over, whatever it is. pydicom makes an object of each element and inflates whole streams: a
few megabytes of empty items cost it gigabytes. Here a length is held against the bytes that are there, sequences nest
so deep and no deeper, and a deflated file may grow only so far.

Source: DICOM PS3.5 sections 7.1 (elements), 7.3 (byte order), 7.5 (sequences), A.5 (deflate); PS3.10 section 7.1.
"""

import math
import struct
import zlib
from dataclasses import dataclass, field

from ecg12.ecg.errors import SignalError

DEEPEST = 16
"""Levels of sequences; a waveform file needs four."""

MOST_ELEMENTS = 500_000
INFLATED, INFLATED_BYTES = 10, 16 * 2**20
"""A deflated file may grow to so many times its size, or to so many bytes: ECGs shrink to a half or a fifth."""

_FIRST_GROUPS = 0x20
"""A data set begins with a group up to here; 00 54 is group 5400 with its low byte first, not 0054."""

_LONGEST_FIRST = 1024
"""Bytes of a data set's first element, which names a character set or a class."""

WAVEFORM_DATA = 0x54001010
_SYNTAX, _IMPLICIT, _DEFLATED, _BIG = 0x00020010, "1.2.840.10008.1.2", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2"
_LONG = {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
_SHORT = {b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FL", b"FD", b"IS", b"LO", b"LT", b"PN", b"SH", b"SL"}
_SHORT |= {b"SS", b"ST", b"TM", b"UI", b"UL", b"US"}
_ITEM, _ITEM_END, _SEQUENCE_END, _UNDEFINED = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD, 0xFFFFFFFF


@dataclass(slots=True)
class Item:
    """A data set, or an item of a sequence: its wanted elements.

    Attributes
    ----------
    name : of the file, for messages
    big : whether numbers have their high byte first
    words : whether the samples are words of two bytes (OW), which a big-endian file turns round
    values : tag → bytes as they are in the file
    sequences : tag → items
    """

    name: str
    big: bool = False
    words: bool = False
    values: dict[int, memoryview] = field(default_factory=dict)
    sequences: dict[int, list["Item"]] = field(default_factory=dict)

    def text(self, tag: int) -> str:
        """A text without its padding, "" where there is none."""
        content = bytes(self.values.get(tag, b"")[:1024])
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError:
            text = content.decode("latin-1")
        return "".join(sign if sign.isprintable() else "?" for sign in text.strip("\0 \t\r\n"))

    def number(self, tag: int) -> float | None:
        """A decimal string; None where there is none, or it is empty."""
        text = self.text(tag).split("\\")[0].strip()
        if not text:
            return None
        try:
            number = float(text.replace(",", ".").replace("_", "x"))
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            tag_text = f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
            raise SignalError(f"{self.name}: element {tag_text} is {text[:40]!r}; expected a number")
        return number

    def whole(self, tag: int) -> int | None:
        """A binary number without a sign, of as many bytes as it has; None where there is none."""
        value = self.values.get(tag, b"")
        return int.from_bytes(value, "big" if self.big else "little") if 1 <= len(value) <= 8 else None

    def first(self, tag: int) -> "Item":
        """The first item of a sequence, an empty one where there is none."""
        return (self.sequences.get(tag) or [Item(self.name)])[0]


@dataclass(frozen=True, slots=True)
class _Form:
    big: bool = False
    implicit: bool = False


_LITTLE_IMPLICIT = _Form(implicit=True)


def parse_dicom(content: bytes, wanted: frozenset[int], sequences: frozenset[int], name: str) -> Item:
    """The wanted elements of a file, whose preamble and meta information may be missing, and its syntax be misstated.

    Parameters
    ----------
    wanted : tags whose values are kept
    sequences : tags of sequences that are gone into

    Raises
    ------
    SignalError
        If it is no DICOM file, is cut short, nests too deep or inflates too far.
    """
    data = memoryview(content)
    data = data[132:] if data[128:132] == b"DICM" else data[4:] if data[:4] == b"DICM" else data
    at, syntax = _skip_meta(data, name)
    data = data[at:]
    if syntax == _DEFLATED:
        data = memoryview(_inflate(data, len(content), name))
    stated = _Form(syntax == _BIG, syntax == _IMPLICIT)
    form = _first_form(data, stated) or (_item_form(data, 0, stated) if at or content[128:132] == b"DICM" else None)
    if form is None:
        raise SignalError(f"{name}: begins unlike a DICOM file; expected one by its name")
    walk = _Walk(data, wanted, sequences, name)
    return walk.item(0, len(data), form, 0)[0]


def begins_like_dicom(head: bytes) -> bool:
    """Whether a file's first bytes are a preamble, or else an element."""
    return head[128:132] == b"DICM" or head[:4] == b"DICM" or _first_form(memoryview(head), _Form()) is not None


def _skip_meta(data: memoryview, name: str) -> tuple[int, str]:
    """Where the meta information (group 2, always explicit and little-endian) ends, and the syntax that it states."""
    at, syntax = 0, ""
    while data[at : at + 2] == b"\x02\x00" and len(data) >= at + 8:
        tag, begin, length, _ = _element(data, at, _Form(), name)
        if length > len(data) - begin:
            raise SignalError(f"{name}: meta information of {length:,} bytes; the file is cut short or damaged")
        at = begin + length
        if tag == _SYNTAX:
            syntax = bytes(data[begin:at][:64]).decode("latin-1").strip("\0 ")
    return at, syntax


def _inflate(data: memoryview, file_bytes: int, name: str) -> bytes:
    limit = max(INFLATED * file_bytes, INFLATED_BYTES)
    for window in (-zlib.MAX_WBITS, zlib.MAX_WBITS):  # the standard's bare stream; some write zlib's header before it
        inflater = zlib.decompressobj(window)
        try:
            inflated = inflater.decompress(data, limit)
        except zlib.error:
            continue
        if inflater.eof:
            return inflated
        if len(inflated) >= limit:
            raise SignalError(
                f"{name}: deflated, grows to more than {limit:,} bytes; expected at most {INFLATED} times"
            )
        break
    raise SignalError(f"{name}: deflated, cannot be inflated; the file is cut short or damaged")


def _first_form(data: memoryview, stated: _Form) -> _Form | None:
    """How the first element is written, whatever is stated; None if it is no element."""
    if len(data) < 8:
        return None
    little, big = (int.from_bytes(data[:2], order) for order in ("little", "big"))
    if not 0 < min(little, big) <= 0xFF:
        return None
    form = _item_form(data, 0, _Form(big < little and big <= _FIRST_GROUPS, stated.implicit))
    if form.implicit and int.from_bytes(data[4:8], "big" if form.big else "little") > _LONGEST_FIRST:
        return None
    return form


def _item_form(data: memoryview, at: int, form: _Form) -> _Form:
    """Whether an item's elements state their kind of value: some gateways leave it out in sequences, or only there."""
    kind = bytes(data[at + 4 : at + 6])
    return form if len(kind) < 2 else _Form(form.big, kind not in _SHORT and kind not in _LONG)


def _element(data: memoryview, at: int, form: _Form, name: str) -> tuple[int, int, int, bytes]:
    """Tag, where the value begins, its length, and its kind (b"" where it is not stated)."""
    order = ">" if form.big else "<"
    try:
        group, number, length = struct.unpack_from(f"{order}HHI", data, at)
        tag = group << 16 | number
        if form.implicit or group == 0xFFFE:
            return tag, at + 8, length, b""
        kind = bytes(data[at + 4 : at + 6])
        if kind in _SHORT:
            return tag, at + 8, struct.unpack_from(f"{order}H", data, at + 6)[0], kind
        if kind in _LONG:
            return tag, at + 12, struct.unpack_from(f"{order}I", data, at + 8)[0], kind
    except struct.error:
        raise SignalError(f"{name}: ends within an element; the file is cut short or damaged") from None
    raise SignalError(f"{name}: element ({group:04X},{number:04X}) is of no known kind; the file is damaged")


@dataclass(slots=True)
class _Walk:
    """A way through the elements of a file."""

    data: memoryview
    wanted: frozenset[int]
    into: frozenset[int]
    name: str
    n_elements: int = 0

    def item(self, at: int, end: int, form: _Form, depth: int, *, delimited: bool = False) -> tuple[Item, int]:
        """A data set up to `end`, or to its delimiter, and where it ends."""
        if depth > DEEPEST:
            raise SignalError(f"{self.name}: sequences nested deeper than {DEEPEST}; expected an ECG")
        item = Item(self.name, form.big)
        while at < end:
            if not depth and self._is_filled(at):
                break
            tag, begin, length, kind = self._next(at, end, form)
            if tag == _ITEM_END and delimited:
                return item, begin
            at = self._value(item, tag, begin, length, kind, end, form, depth)
        if delimited:
            raise SignalError(f"{self.name}: an item of a sequence has no end; the file is cut short or damaged")
        return item, at

    def _is_filled(self, at: int) -> bool:
        """Whether nothing but zeros follows: archives fill a file up to their blocks."""
        return self.data[at : at + 4] == bytes(min(4, len(self.data) - at)) and not any(self.data[at:])

    def _next(self, at: int, end: int, form: _Form) -> tuple[int, int, int, bytes]:
        self.n_elements += 1
        if self.n_elements > MOST_ELEMENTS:
            raise SignalError(f"{self.name}: more than {MOST_ELEMENTS:,} elements; expected an ECG")
        tag, begin, length, kind = _element(self.data, at, form, self.name)
        if begin > end or (length != _UNDEFINED and length > end - begin):
            where = f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
            raise SignalError(
                f"{self.name}: element {where} of {length:,} bytes, where {max(end - begin, 0):,} are left; "
                "the file is cut short or damaged"
            )
        return tag, begin, length, kind

    def _value(
        self, item: Item, tag: int, begin: int, length: int, kind: bytes, end: int, form: _Form, depth: int
    ) -> int:
        """Keep an element's value if it is wanted; returns where it ends."""
        if length == _UNDEFINED or tag in self.into:
            stop = end if length == _UNDEFINED else begin + length
            within = _LITTLE_IMPLICIT if kind == b"UN" else form  # PS3.5 6.2.2: what was implicit stays so
            items, at = self._items(begin, stop, within, depth, keep=tag in self.into, open_ended=length == _UNDEFINED)
            if tag in self.into:
                item.sequences[tag] = items
            elif tag in self.wanted:  # pixels in fragments: that they are there is enough
                item.values[tag] = self.data[begin:begin]
            return at if length == _UNDEFINED else stop
        if tag in self.wanted:
            item.values[tag] = self.data[begin : begin + length]
            item.words |= tag == WAVEFORM_DATA and kind in (b"OW", b"")
        return begin + length

    def _items(
        self, at: int, end: int, form: _Form, depth: int, *, keep: bool, open_ended: bool
    ) -> tuple[list[Item], int]:
        items: list[Item] = []
        while at < end:
            tag, begin, length, _ = self._next(at, end, form)
            if tag == _SEQUENCE_END:
                return items, begin
            if tag != _ITEM:
                raise SignalError(f"{self.name}: a sequence with something else than items; the file is damaged")
            if length == _UNDEFINED or keep:
                stop = end if length == _UNDEFINED else begin + length
                within = _item_form(self.data, begin, form) if stop - begin >= 8 else form
                item, at = self.item(begin, stop, within, depth + 1, delimited=length == _UNDEFINED)
                if keep:
                    items.append(item)
            else:
                at = begin + length
        if open_ended:
            raise SignalError(f"{self.name}: a sequence has no end; the file is cut short or damaged")
        return items, at
