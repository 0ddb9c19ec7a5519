import hashlib
import json
import struct

import numpy as np
import pytest

from ecg12.cache.checksum import chunk_digest, tables_digest

COLUMNS = [
    ("record/name", np.array(["A0001", "µ"], object)),
    ("record/age", np.array([60, np.nan], np.float32)),
    ("record/offset", np.array([[1, -2], [3, 4]], np.int32)),
    ("label/annotated", np.array([True, False])),
]
ATTRIBUTES = {"fs": 400.0, "leads": ["I", "II"], "digest": "not covered"}


def test_a_chunks_digest_is_of_its_little_endian_samples_lead_by_lead():
    block = np.array([[1, -2, 3], [4, 5, -32767]], np.int16)
    expected = hashlib.sha256(struct.pack("<6h", 1, -2, 3, 4, 5, -32767)).hexdigest()
    assert chunk_digest(block) == expected
    assert chunk_digest(np.asfortranarray(block)) == expected
    assert chunk_digest(block.astype(">i2")) == expected
    assert chunk_digest(block.reshape(3, 2)) == expected  # a chunk's shape is the store's, not the digest's, business


def test_the_tables_digest_is_the_one_the_format_describes():
    attributes = json.dumps({"fs": 400.0, "leads": ["I", "II"]}, separators=(",", ":"))
    expected = hashlib.sha256(
        b"label/annotated bool (2,)\n\x01\x00"
        + b"record/age float32 (2,)\n"
        + struct.pack("<2f", 60, float("nan"))
        + b"record/name string (2,)\nA0001\0"
        + "µ\0".encode()
        + b"record/offset int32 (2, 2)\n"
        + struct.pack("<4i", 1, -2, 3, 4)
        + hashlib.sha256(attributes.encode()).hexdigest().encode()
    ).hexdigest()
    assert tables_digest(COLUMNS, ATTRIBUTES) == expected
    assert tables_digest(COLUMNS[::-1], dict(reversed(ATTRIBUTES.items()))) == expected
    big_endian = [(path, values.astype(values.dtype.newbyteorder(">"))) for path, values in COLUMNS]
    assert tables_digest(big_endian, ATTRIBUTES) == expected


def test_texts_give_the_same_digest_however_numpy_holds_them():
    digests = {
        tables_digest([("record/name", np.array(["A", "BB"], dtype))], {})
        for dtype in (object, str, np.dtypes.StringDType())
    }
    assert len(digests) == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda columns, attributes: columns.pop(),
        lambda columns, attributes: columns.append(("label/code", np.array([], object))),
        lambda columns, attributes: columns.__setitem__(0, ("record/group", columns[0][1])),
        lambda columns, attributes: columns.__setitem__(0, ("record/name", np.array(["A000", "1µ"], object))),
        lambda columns, attributes: columns.__setitem__(1, ("record/age", np.array([60, 61], np.float32))),
        lambda columns, attributes: columns.__setitem__(2, ("record/offset", columns[2][1].astype(np.uint32))),
        lambda columns, attributes: columns.__setitem__(2, ("record/offset", columns[2][1].reshape(4, 1))),
        lambda columns, attributes: columns.__setitem__(2, ("record/offset", columns[2][1].T)),
        lambda columns, attributes: attributes.update(fs=500.0),
        lambda columns, attributes: attributes.update(more=None),
        lambda columns, attributes: attributes.pop("leads"),
    ],
)
def test_any_change_of_tables_or_attributes_shows(change):
    columns, attributes = list(COLUMNS), dict(ATTRIBUTES)
    change(columns, attributes)
    assert tables_digest(columns, attributes) != tables_digest(COLUMNS, ATTRIBUTES)


def test_the_digest_itself_is_not_covered():
    assert tables_digest(COLUMNS, ATTRIBUTES | {"digest": "?"}) == tables_digest(COLUMNS, ATTRIBUTES)
