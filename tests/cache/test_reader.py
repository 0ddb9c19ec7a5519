import json
import re
import shutil

import numpy as np
import pytest

from ecg12.cache.reader import Store, read_attributes, read_chunk_of
from ecg12.cache.schema import COLUMNS
from ecg12.cache.writing.build_folder import build_folder
from ecg12.cache.writing.writer import create_store
from ecg12.ecg.errors import ChecksumError, FormatVersionError, StoreError
from tests.cache.small_store import CONFIG, LENGTHS, edit_json, flip_byte, truncate, write_store


def test_a_store_says_what_it_is(path):
    store = Store(path)
    assert repr(store) == f"Store('{path}', 4 records, 400 Hz)"
    assert (store.fs, store.n_records, store.chunk_length) == (400.0, 4, 2048)
    assert store.leads == CONFIG.leads
    assert store.config == CONFIG
    assert store.column("record/name") is store.column("record/name")


def test_records_come_back_as_they_were_written(tmp_path):
    signals = write_store(tmp_path / "s.zarr", {"B": {"offset": (0,) * 6 + (15000,) + (0,) * 5}})
    store = Store(tmp_path / "s.zarr")
    for row, name in enumerate(store.names):
        signal = store.read_record(row)
        assert signal.dtype == np.int16
        assert np.array_equal(signal, signals[name])
        expected = signals[name].astype(float)
        expected[6] += 15000 if name == "B" else 0
        microvolts = store.read_microvolts(row)
        assert microvolts.dtype == np.float32
        assert np.array_equal(microvolts, expected)


def test_chunks_hold_the_records_and_zeros_between(path):
    store = Store(path)
    whole = np.concatenate([store.read_chunk(chunk) for chunk in range(store.n_chunks)], axis=1)
    assert np.array_equal(whole, store.read_columns(0, whole.shape[1]))
    for row in range(store.n_records):
        start, length = store.starts[row], store.lengths[row]
        assert np.array_equal(whole[:, start : start + length], store.read_record(row))
        whole[:, start : start + length] = 0
    assert not whole.any()


def test_codes_of_a_record_are_sorted(tmp_path):
    write_store(tmp_path / "s.zarr", {"B": {"dx_codes": ("713427006", "164889003")}, "C": {"dx_codes": ()}})
    store = Store(tmp_path / "s.zarr")
    assert [store.dx_codes(row) for row in range(4)] == [
        ("426783006",),
        ("426783006",),
        ("164889003", "713427006"),
        (),
    ]


def test_a_record_is_found_by_its_name_or_dataset_and_name(tmp_path):
    write_store(tmp_path / "s.zarr", {"B": {"name": "A0001"}, "C": {"name": "deep/C"}})
    store = Store(tmp_path / "s.zarr")
    assert store.ids.tolist() == ["cpsc/A0001", "A0002", "ward/A0001", "deep/C"]
    assert [store.index_of(name) for name in store.ids] == [0, 1, 2, 3]
    assert store.index_of("cpsc/A0002") == 1
    with pytest.raises(StoreError, match="no record called 'A0003'; expected one: name it as DATASET/NAME"):
        store.index_of("A0003")
    with pytest.raises(StoreError, match="2 records, in cpsc, ward, called 'A0001'; expected one"):
        store.index_of("A0001")


def test_no_store_there(tmp_path):
    with pytest.raises(StoreError, match=r"none\.zarr: no store there; make one with build-cache"):
        Store(tmp_path / "none.zarr")
    build_folder(tmp_path / "none.zarr").mkdir()
    with pytest.raises(StoreError, match="holds an unfinished build: run build-cache again to finish it"):
        Store(tmp_path / "none.zarr")
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="file: a file; expected the folder of a store"):
        Store(tmp_path / "file")


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "[]",
        '"ecg12"',
        "{}",
        '{"attributes": []}',
        '{"attributes": {}}',
        '{"attributes": {"format": "other"}}',
        b"\xff",
    ],
)
def test_not_a_store_of_this_program(tmp_path, text):
    if text is not None:
        (tmp_path / "zarr.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(
        StoreError, match=r"not a store of this program .*; expected a zarr v3 group with attribute format"
    ):
        Store(tmp_path)


def test_version_comes_before_everything_else(path):
    edit_json(path / "zarr.json", lambda metadata: metadata.update(attributes={"format": "ecg12", "format_version": 2}))
    with pytest.raises(
        FormatVersionError, match="format version 2; this program reads version 1: build the store again"
    ):
        Store(path)
    assert issubclass(FormatVersionError, StoreError)


def test_an_incomplete_store_has_attributes_and_nothing_else(tmp_path):
    create_store(tmp_path / "s.zarr", CONFIG, 1)
    assert read_attributes(tmp_path / "s.zarr")["complete"] is False
    with pytest.raises(StoreError, match=r"s\.zarr: the store is incomplete; run build-cache again"):
        Store(tmp_path / "s.zarr")


@pytest.mark.parametrize(
    "change",
    [
        lambda attributes: attributes.pop("build"),
        lambda attributes: attributes.update(build="none"),
        lambda attributes: attributes["build"].update(shards=4),
        lambda attributes: attributes["build"].update(codec="gzip"),
        lambda attributes: attributes.pop("fs"),
        lambda attributes: attributes.update(fs="fast"),
        lambda attributes: attributes.update(leads=None),
        lambda attributes: attributes.update(n_records=[]),
    ],
)
def test_changed_attributes_are_a_store_error(path, change):
    edit_json(path / "zarr.json", lambda metadata: change(metadata["attributes"]))
    with pytest.raises(StoreError, match=r"root attributes changed \(.*\); expected what build-cache wrote"):
        Store(path)


def test_a_signal_without_metadata(path):
    (path / "signal" / "zarr.json").unlink()
    with pytest.raises(StoreError, match=r"s\.zarr/signal: cannot be opened \(.*\); build the store again"):
        Store(path)
    with pytest.raises(ChecksumError, match=r"s\.zarr/signal: cannot be opened"):
        read_chunk_of(path, 0)


@pytest.mark.parametrize(
    "change",
    [
        lambda metadata: metadata.update(shape=[11, metadata["shape"][1]]),
        lambda metadata: metadata.update(shape=[12, metadata["shape"][1] - 1]),
        lambda metadata: metadata["chunk_grid"]["configuration"].update(chunk_shape=[12, 1024]),
    ],
)
def test_a_signal_of_another_form(path, change):
    edit_json(path / "signal" / "zarr.json", change)
    with pytest.raises(StoreError, match=r"s\.zarr/signal: .*; expected int16 in chunks \(12, 2048\)"):
        Store(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda metadata: metadata.pop("codecs"),
        lambda metadata: metadata.update(codecs=[{"name": "no such codec"}]),
        lambda metadata: metadata.update(zarr_format=2),
        lambda metadata: metadata.update(data_type="complex"),
        lambda metadata: metadata.update(data_type="uint16"),
        lambda metadata: metadata.update(shape="wide"),
    ],
)
@pytest.mark.parametrize("array", ["signal", "record/name"])
def test_metadata_that_zarr_does_not_understand(path, array, change):
    edit_json(path / array / "zarr.json", change)
    with pytest.raises(StoreError, match=f"{array}: cannot be (opened|read)"):
        Store(path).column(array)


def chunk_file(path, chunk):
    return path / "signal" / "c" / "0" / str(chunk)


def test_a_missing_chunk_is_not_taken_for_zeros(path):
    chunk_file(path, 1).unlink()
    with pytest.raises(ChecksumError, match=r"s\.zarr/signal chunk 1: the file is missing; run verify"):
        Store(path).read_chunk(1)
    with pytest.raises(ChecksumError, match="chunk 1: the file is missing"):
        read_chunk_of(path, 1)
    Store(path).read_chunk(0)


@pytest.mark.parametrize("damage", [truncate, flip_byte, lambda file: file.write_bytes(b"")])
def test_a_damaged_chunk_is_noticed(path, damage):
    damage(chunk_file(path, 1))
    with pytest.raises(ChecksumError, match=r"s\.zarr/signal chunk 1: damaged \(.*\); run verify"):
        Store(path).read_chunk(1)
    with pytest.raises(ChecksumError, match="chunk 1: damaged"):
        read_chunk_of(path, 1)


def test_every_byte_of_a_chunk_is_guarded(path):
    original = chunk_file(path, 0).read_bytes()
    for position in range(0, len(original), 97):
        flip_byte(chunk_file(path, 0), position)
        with pytest.raises(ChecksumError, match="chunk 0: damaged"):
            Store(path).read_chunk(0)
        chunk_file(path, 0).write_bytes(original)
    Store(path).read_chunk(0)


def test_damage_in_a_long_record_names_its_chunk(path):
    store = Store(path)
    row = store.names.tolist().index("B")
    first = int(store.starts[row]) // CONFIG.chunk_length
    flip_byte(chunk_file(path, first + 1))
    with pytest.raises(ChecksumError, match=f"signal chunk {first + 1}: damaged"):
        store.read_record(row)
    assert LENGTHS["B"] > CONFIG.chunk_length


def test_an_unknown_column_is_refused_with_the_known_ones(path):
    with pytest.raises(StoreError, match=r"no column 'record/names'; expected one of record/name, record/dataset"):
        Store(path).column("record/names")


@pytest.mark.parametrize("column", COLUMNS, ids=lambda column: column.path)
def test_a_lost_or_damaged_table_is_named(path, column):
    file = next(file for file in (path / column.path / "c").rglob("*") if file.is_file())
    flip_byte(file, -1)
    with pytest.raises(StoreError, match=re.escape(f"{path}/{column.path}: cannot be read")):
        Store(path).column(column.path)
    file.unlink()
    with pytest.raises(StoreError, match=re.escape(f"{path}/{column.path}: 1 of its files missing")):
        Store(path).column(column.path)
    shutil.rmtree(path / column.path)
    with pytest.raises(StoreError, match=re.escape(f"{path}/{column.path}: cannot be read")):
        Store(path).column(column.path)


def test_the_attributes_are_plain_json(path):
    assert Store(path).attributes == json.loads((path / "zarr.json").read_text())["attributes"]


def test_rows_of_many_names(path):
    store = Store(path)
    expected = [store.index_of(name) for name in ("C", "A0002", "C", "B")]
    assert store.rows_of(["C", "A0002", "C", "ward/B"]).tolist() == expected
    assert store.rows_of([]).dtype == np.int64
    with pytest.raises(StoreError, match="no record called 'nobody'"):
        store.rows_of(["C", "nobody"])
