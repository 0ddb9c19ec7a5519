"""Event files: read back by a decoder of the format's own description, which shares no code with the writer."""

import math
import struct
from pathlib import Path

import numpy as np

from ecg12.pipeline.training.event_file import EventFile
from ecg12.pipeline.training.train import train
from tests.conftest import TINY


def crc32c(data: bytes) -> int:
    """Bit by bit, by the polynomial of Castagnoli."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def masked(data: bytes) -> int:
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) % 2**32


def read_records(path: Path) -> list[bytes]:
    data, records = path.read_bytes(), []
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        assert struct.unpack("<I", data[8:12])[0] == masked(data[:8])
        records.append(data[12 : 12 + length])
        assert struct.unpack("<I", data[12 + length : 16 + length])[0] == masked(records[-1])
        data = data[16 + length :]
    return records


def decode(data: bytes) -> list[tuple[int, object]]:
    """(field, value) pairs of a protobuf message; what has a length stays bytes."""

    def varint() -> int:
        nonlocal data
        value = shift = 0
        while True:
            byte, data = data[0], data[1:]
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    found: list[tuple[int, object]] = []
    while data:
        key = varint()
        if key & 7 == 0:
            value: object = varint()
        elif key & 7 == 2:
            length = varint()
            value, data = data[:length], data[length:]
        else:
            form, size = {1: ("<d", 8), 5: ("<f", 4)}[key & 7]
            (value,), data = struct.unpack(form, data[:size]), data[size:]
        found.append((key >> 3, value))
    return found


def read_scalars(path: Path) -> dict[tuple[str, int], float]:
    scalars = {}
    for record in read_records(path)[1:]:
        event = dict(decode(record))
        for _, value in decode(event[5]):
            summary = dict(decode(value))
            scalars[summary[1].decode(), event[2]] = summary[2]
    return scalars


def test_what_is_written_can_be_read(tmp_path: Path) -> None:
    events = EventFile(tmp_path, 1000.25)
    events.add({"epoch": 0, "train_loss": 0.5, "auroc": math.nan, "lr": 1e-3}, 1001.0)
    events.add({"epoch": 299, "train_loss": 0.25, "auroc": 0.75, "lr": 0.0}, 1002.0)
    first = dict(decode(read_records(events.path)[0]))
    assert first == {1: 1000.25, 3: b"brain.Event:2"}
    assert read_scalars(events.path) == {
        ("loss/train", 1): 0.5,
        ("training/learning rate", 1): np.float32(1e-3),
        ("loss/train", 300): 0.25,
        ("score/auroc", 300): 0.75,
        ("training/learning rate", 300): 0.0,
    }


def test_a_training_writes_its_history(simulated_store: Path, tmp_path: Path) -> None:
    options = {"epochs": 2, "n_total": 20}
    summary = train(simulated_store, folder=tmp_path, options=options, model_options=TINY, tensorboard=True)
    (path,) = tmp_path.glob("events.out.tfevents.*")
    scalars = read_scalars(path)
    for row in summary.history:
        assert scalars["loss/train", row["epoch"] + 1] == np.float32(row["train_loss"])
    train(simulated_store, folder=tmp_path, options={"epochs": 3})
    assert len(list(tmp_path.glob("events.out.tfevents.*"))) == 1
