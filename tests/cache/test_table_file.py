"""Tables are as large as what they are tables of, and as their files can fill; nothing is allocated for more."""

import os
import shutil
import tracemalloc

import numpy as np
import pytest
import zarr

from ecg12.cache.compression import table_compressors
from ecg12.cache.reader import Store
from ecg12.cache.schema import COLUMNS
from ecg12.ecg.errors import StoreError
from tests.cache.small_store import edit_json, write_store


def rewrite(path, column, values, **changes):
    """The column as zarr writes it, in whatever chunks."""
    shutil.rmtree(path / column)
    given = {"chunks": values.shape, "dtype": "string" if values.dtype == object else values.dtype}
    array = zarr.create_array(
        path / column,
        shape=values.shape,
        zarr_format=3,
        compressors=table_compressors(),
        config={"write_empty_chunks": True},
        **(given | changes),
    )
    array[...] = values


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 7, 65_536])
def test_a_column_may_lie_in_any_chunks(path, rows):
    expected = {column.path: Store(path).column(column.path) for column in COLUMNS}
    for column in ("record/name", "record/start", "record/offset", "label/annotated"):
        values = expected[column]
        rewrite(path, column, values, chunks=(rows, *values.shape[1:]))
    store = Store(path)
    for column, values in expected.items():
        np.testing.assert_array_equal(store.column(column), values)


def test_a_column_may_lie_in_chunks_of_part_of_a_row(path):
    expected = Store(path).column("record/offset")
    rewrite(path, "record/offset", expected, chunks=(3, 5))
    np.testing.assert_array_equal(Store(path).column("record/offset"), expected)


@pytest.mark.parametrize(
    ("column", "change", "message"),
    [
        ("record/age", {"shape": [10**12]}, r"shape \(1000000000000,\) along record; expected \(4,\)"),
        ("record/name", {"shape": [10**12]}, r"shape \(1000000000000,\) along record; expected \(4,\)"),
        ("record/offset", {"shape": [4, 10**12]}, r"shape \(4, 1000000000000\) along record, lead; expected \(4, 12\)"),
        ("label/code", {"shape": [10**12]}, "chunks; expected at most 65,536"),
        ("label/matrix", {"shape": [4, 10**12]}, "chunks; expected at most 65,536"),
        ("label/matrix", {"shape": [4, 2**61], "chunks": [4, 2**61]}, r"values in \d+ bytes"),
        ("label/code", {"shape": [2**61], "chunks": [2**61]}, r"values in \d+ bytes"),
        ("label/code", {"chunks": [2**61]}, r"texts in \d+ bytes; expected 2305843009213693952"),
        ("record/age", {"chunks": [2**61]}, r"16 bytes; expected 9223372036854775808"),
        ("record/age", {"chunks": [3]}, "1 of its files missing"),
        ("record/age", {"shape": []}, "expected 1 sizes each"),
        ("record/age", {"shape": [4.0]}, "expected 1 sizes each"),
    ],
)
def test_a_column_that_states_more_than_there_is_is_refused(path, column, change, message):
    def edit(metadata):
        metadata["shape"] = change.get("shape", metadata["shape"])
        if "chunks" in change:
            metadata["chunk_grid"]["configuration"]["chunk_shape"] = change["chunks"]

    edit_json(path / column / "zarr.json", edit)
    store = Store(path)
    tracemalloc.start()
    with pytest.raises(StoreError, match=rf"s\.zarr/{column}: .*{message}.*build the store again"):
        store.column(column)
    assert tracemalloc.get_traced_memory()[1] < 2 * 2**20
    tracemalloc.stop()


def test_a_bomb_in_a_table_is_refused_by_what_its_files_can_fill(path):
    """A hundred thousand classes of nothing: 400 MB of zeros in 13 kB, sizes and checksums all right."""
    write_store(path)
    n_records, n_classes = 4, 10**8
    array = zarr.open_array(path, path="label/matrix", mode="r")
    assert array.shape[0] == n_records
    values = np.zeros((n_records, n_classes), np.uint8)
    rewrite(path, "label/matrix", values)
    del values
    with pytest.raises(StoreError, match=r"label/matrix: cannot be read \(400,000,000 values in [\d,]+ bytes\)"):
        Store(path).column("label/matrix")


@pytest.mark.parametrize("where", ["zarr.json", "c/0"])
def test_a_fifo_in_a_tables_place_is_not_waited_for(path, where):
    (path / "record" / "age" / where).unlink()
    os.mkfifo(path / "record" / "age" / where)
    with pytest.raises(StoreError, match=r"record/age: cannot be read \(.*a FIFO; expected a regular file\)"):
        Store(path).column("record/age")


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("record/sex", np.array([0, 7, 1, 1], np.int8), "row 1 is 7; expected -1, 0 or 1"),
        ("record/scale", np.array([1, 2, np.nan, 3], np.float32), "row 2 is nan; expected 0 or more"),
        ("record/scale", np.array([1, 2, 3, -1], np.float32), "row 3 is -1.0; expected 0 or more"),
        ("record/fs_source", np.array([0.0, 2, 3, 4]), "row 0 is 0.0; expected more than 0 Hz"),
        ("record/age", np.array([np.nan, np.inf, 3, 4], np.float32), "row 1 is inf; expected years, or NaN"),
        ("record/n_invalid", np.array([0, 0, -2, 0]), "row 2 is -2; expected 0 or more"),
    ],
)
def test_values_that_no_record_has_are_refused(path, column, values, message):
    zarr.open_array(path, path=column, mode="r+")[...] = values
    with pytest.raises(StoreError, match=rf"s\.zarr/{column}: {message}: build the store again"):
        Store(path).column(column)


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("record/start", [-1, 2048, 4096, 0]),
        ("record/start", [0, 0, 2048, 5096]),
        ("record/start", [0, 1000, 2048, 10**9]),
        ("record/start", [0, 1000, 2048, 2**63 - 1]),
        ("record/length", [1000, 700, 3000, 0]),
        ("record/length", [1000, 700, 3000, -(2**63)]),
        ("record/length", [1000, 700, 3000, 2**63 - 1]),
        ("record/length", [10**12, 700, 3000, 900]),
    ],
)
def test_records_that_overlap_or_lie_outside_are_not_read(path, column, values):
    zarr.open_array(path, path=column, mode="r+")[...] = np.array(values)
    store = Store(path)
    for ask in (lambda: store.starts, lambda: store.lengths, lambda: store.read_record(0)):
        with pytest.raises(StoreError, match=r"record/start: records overlap or lie outside the signal; build the"):
            ask()
