"""Figures of a training as TensorBoard reads them: `tensorboard --logdir RUNS` shows any number of runs side by side.

The format is a few lines long, so that writing it needs no package; TensorBoard itself is needed to look at it. A file
is a row of records: length (uint64, little-endian), its masked crc32c, the data, its masked crc32c. The data is an
`Event` of TensorFlow's event.proto in protobuf's encoding, of which five fields are used.
"""

import math
import os
import struct
from collections.abc import Mapping
from pathlib import Path

import google_crc32c

_MASK = 0xA282EAD8
"""Source: tensorflow/core/lib/hash/crc32c.h, as in TensorFlow's description of TFRecord."""

GROUPS: Mapping[str, str] = {
    "train_loss": "loss/train",
    "valid_loss": "loss/validation",
    "lr": "training/learning rate",
    "windows_per_second": "training/windows per second",
    "waiting": "training/waiting",
    "seconds": "training/seconds",
}
"""What some columns of the history are called; the others are scores."""


class EventFile:
    """An event file in a run folder; records are appended.

    Parameters
    ----------
    folder : gets a file of its own for each time that a run is begun or gone on with
    time_s : when, in seconds since 1970; part of the name, by which TensorBoard orders the files
    """

    def __init__(self, folder: Path, time_s: float) -> None:
        self.path = folder / f"events.out.tfevents.{int(time_s)}.{os.getpid()}.ecg12"
        self._append(_double(1, time_s) + _bytes(3, b"brain.Event:2"))

    def add(self, row: Mapping[str, float], time_s: float) -> None:
        """Append a row of the history; what is not finite is left out, for it has no place on a curve."""
        values = b"".join(
            _bytes(1, _bytes(1, GROUPS.get(name, f"score/{name}").encode()) + _float(2, value))
            for name, value in row.items()
            if name != "epoch" and math.isfinite(value)
        )
        self._append(_double(1, time_s) + _integer(2, int(row["epoch"]) + 1) + _bytes(5, values))

    def _append(self, data: bytes) -> None:
        length = struct.pack("<Q", len(data))
        with self.path.open("ab") as file:
            file.write(length + _masked_crc(length) + data + _masked_crc(data))


def _masked_crc(data: bytes) -> bytes:
    crc = google_crc32c.value(data)
    return struct.pack("<I", (((crc >> 15) | (crc << 17)) + _MASK) & 0xFFFFFFFF)


def _varint(value: int) -> bytes:
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])


def _integer(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _double(number: int, value: float) -> bytes:
    return _varint(number << 3 | 1) + struct.pack("<d", value)


def _bytes(number: int, value: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _float(number: int, value: float) -> bytes:
    return _varint(number << 3 | 5) + struct.pack("<f", value)
