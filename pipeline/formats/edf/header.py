"""What the header of an EDF, EDF+ or BDF file states, held against the file's size before anything is made of it.

Writers pad with zeros, write decimal commas, leave the number of records at -1, miscount the header, and put Latin-1 or
UTF-8 where the format has ASCII. What can be meant is taken, with a note where it is otherwise than stated.

Source: the EDF and EDF+ specifications, edfplus.info/specs; BDF of BioSemi: the same with samples of three bytes.
"""

import re
from dataclasses import dataclass

from ecg12.ecg.errors import SignalError

_FIELDS = {"label": 16, "transducer": 80, "dimension": 8, "physical_min": 8, "physical_max": 8}
_FIELDS |= {"digital_min": 8, "digital_max": 8, "prefiltering": 80, "n_samples": 8, "reserved": 32}
_CHANNEL_BYTES = sum(_FIELDS.values())
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII)
HEADER_BYTES = 256
NO_SIGNALS = ("EDF Annotations", "BDF Annotations", "Status")
"""Labels of channels that hold no signal."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EdfChannel:
    """A channel as the header has it, numbers still as texts: those of channels that are not read may be anything.

    Attributes
    ----------
    n_samples : in each record
    at : of its first sample among those of a record
    """

    label: str
    dimension: str
    physical: tuple[str, str]
    digital: tuple[str, str]
    n_samples: int
    at: int

    @property
    def is_signal(self) -> bool:
        """Whether it is neither annotations nor triggers."""
        return self.label not in NO_SIGNALS


@dataclass(frozen=True, kw_only=True, slots=True)
class EdfHeader:
    """Where the samples of a file are, and what else its header says.

    Attributes
    ----------
    data_at : byte of the first record
    n_records : that are wholly there
    record_s : seconds of a record, as text: times of records are compared in decimal numbers
    width : bytes of a sample
    kind : "EDF+C", "EDF+D", "BDF+D" or ""
    notes : what was taken otherwise than stated
    """

    patient: str
    recording: str
    kind: str
    data_at: int
    n_records: int
    record_s: str
    width: int
    channels: tuple[EdfChannel, ...]
    notes: tuple[str, ...]

    @property
    def record_samples(self) -> int:
        """Samples of all channels in a record."""
        return sum(channel.n_samples for channel in self.channels)


def parse_edf_header(head: bytes, file_bytes: int, name: str) -> EdfHeader:
    """The header of a file.

    Parameters
    ----------
    head : the file's first bytes, as many as `count_header_bytes` says
    file_bytes : size of the whole file

    Raises
    ------
    SignalError
        If it is no such file, is cut short, or states what cannot be.
    """
    n_channels = _count_channels(head, name)
    if len(head) < HEADER_BYTES + _CHANNEL_BYTES * n_channels:
        raise SignalError(f"{name}: {len(head):,} bytes of header for {n_channels} channels; the file is cut short")
    width = 3 if head[:1] == b"\xff" else 2
    channels = _parse_channels(head, n_channels, name)
    record_bytes = width * sum(channel.n_samples for channel in channels)
    if not record_bytes:
        raise SignalError(f"{name}: records without samples; the file is damaged")
    stated = _whole(head[236:244], "number of records", name)
    notes: list[str] = []
    data_at = _find_data(head, n_channels, stated * record_bytes, file_bytes, name, notes)
    n_records = _count_records(stated, record_bytes, file_bytes - data_at, name, notes)
    return EdfHeader(
        patient=_text(head[8:88]),
        recording=_text(head[88:168]),
        kind=_text(head[192:197]) if head[193:196] == b"DF+" else "",
        data_at=data_at,
        n_records=n_records,
        record_s=_decimal(head[244:252], "duration of a record", name),
        width=width,
        channels=channels,
        notes=tuple(notes),
    )


def count_header_bytes(head: bytes, name: str) -> int:
    """Bytes of a header, told by its first 256.

    Raises
    ------
    SignalError
        If the file does not begin like one of the kinds, or has no channel.
    """
    return HEADER_BYTES + _CHANNEL_BYTES * _count_channels(head, name)


def parse_decimal(text: str) -> str | None:
    """A number as writers have it, with blanks and decimal commas, in the form that Python reads; None if none."""
    plain = text.strip().replace(",", ".").lower()
    return plain if _NUMBER.fullmatch(plain) else None


def _count_channels(head: bytes, name: str) -> int:
    if len(head) < HEADER_BYTES or not (head[:8] == b"\xffBIOSEMI" or _text(head[:8]) == "0"):
        raise SignalError(f"{name}: begins unlike an EDF or BDF file; expected one of them by its name")
    n_channels = _whole(head[252:256], "number of channels", name)
    if n_channels < 1:
        raise SignalError(f"{name}: {n_channels} channels in a header of {_text(head[184:192])} bytes; expected some")
    return n_channels


def _parse_channels(head: bytes, n_channels: int, name: str) -> tuple[EdfChannel, ...]:
    columns: dict[str, list[bytes]] = {}
    at = HEADER_BYTES
    for field, width in _FIELDS.items():
        columns[field] = [head[at + width * n : at + width * (n + 1)] for n in range(n_channels)]
        at += width * n_channels
    channels, at = [], 0
    for n in range(n_channels):
        texts = {field: _text(values[n]) for field, values in columns.items()}
        n_samples = _whole(columns["n_samples"][n], f"samples in a record of {texts['label'] or f'channel {n}'}", name)
        if n_samples < 0:
            raise SignalError(f"{name}: {n_samples} samples in a record; the file is damaged")
        physical, digital = ((texts[f"{kind}_min"], texts[f"{kind}_max"]) for kind in ("physical", "digital"))
        channels.append(
            EdfChannel(
                label=texts["label"],
                dimension=texts["dimension"],
                physical=physical,
                digital=digital,
                n_samples=n_samples,
                at=at,
            )
        )
        at += n_samples
    return tuple(channels)


def _find_data(head: bytes, n_channels: int, data_bytes: int, file_bytes: int, name: str, notes: list[str]) -> int:
    """Byte of the first record: behind the header as its channels make it, unless the file's size tells another."""
    real, text = HEADER_BYTES + _CHANNEL_BYTES * n_channels, _text(head[184:192])
    plain = parse_decimal(text)
    stated = int(float(plain)) if plain and float(plain) < file_bytes else -1
    if stated == real:
        return real
    if data_bytes > 0 and file_bytes - real == data_bytes:
        at = real
    elif data_bytes > 0 and stated > real and file_bytes - stated == data_bytes:
        at = stated
    else:
        raise SignalError(f"{name}: {n_channels} channels in a header of {text or 'no'} bytes; the file is damaged")
    notes.append(
        f"samples taken from byte {at:,} on, as the file's size has it; its header states {text or 'no'} bytes"
    )
    return at


def _count_records(stated: int, record_bytes: int, found: int, name: str, notes: list[str]) -> int:
    """Records that are wholly there; the file's size tells where the writer did not come to state the number."""
    there, rest = divmod(max(found, 0), record_bytes)
    if stated > there or (stated < 1 and not there):
        expected = max(stated, 1) * record_bytes
        raise SignalError(
            f"{name}: {max(found, 0):,} bytes of samples; expected {expected:,}: the file is cut short, fetch it again"
        )
    if stated < 1:
        notes.append(f"{there:,} records, as many as are there; the header states {stated}")
        return there
    left = (there - stated) * record_bytes + rest
    if left:
        notes.append(f"{left:,} bytes behind the {stated:,} records that the header states: left out")
    return stated


def _text(field: bytes) -> str:
    """A field of the header; a zero ends it, as where it was written by a program in C."""
    field = field.split(b"\0", 1)[0].strip() or field.replace(b"\0", b" ").strip()
    try:
        text = field.decode("utf-8")
    except UnicodeDecodeError:
        text = field.decode("latin-1")
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else "?" for sign in text)


def _decimal(field: bytes, what: str, name: str) -> str:
    number = parse_decimal(_text(field))
    if number is None:
        raise SignalError(f"{name}: {_text(field)!r} as the {what}; expected a number")
    return number


def _whole(field: bytes, what: str, name: str) -> int:
    number = float(_decimal(field, what, name))
    if number != number // 1 or abs(number) > 1e8:
        raise SignalError(f"{name}: {_text(field)!r} as the {what}; expected a whole number")
    return int(number)
