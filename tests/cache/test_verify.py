import re
import shutil

import numpy as np
import pytest
import zarr

from ecg12.cache.reader import Store
from ecg12.cache.verify import require_tables, verify_store
from ecg12.ecg.errors import FormatVersionError, StoreError
from tests.cache.small_store import edit_json, flip_byte, truncate, write_store


def chunk_file(path, chunk):
    return path / "signal" / "c" / "0" / str(chunk)


@pytest.mark.parametrize("workers", [1, 3])
def test_a_whole_store_has_no_problem(path, workers):
    done = []
    assert verify_store(path, workers=workers, advance=done.append) == ()
    assert done == [1] * Store(path).n_chunks


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda file: file.unlink(), "chunk 1: the file is missing"),
        (truncate, "chunk 1: damaged"),
        (flip_byte, "chunk 1: damaged"),
    ],
)
def test_a_damaged_chunk_is_named_and_the_others_are_still_checked(path, damage, message):
    damage(chunk_file(path, 1))
    done = []
    (problem,) = verify_store(path, advance=done.append)
    assert f"{path}/signal {message}" in problem
    assert problem.endswith("; build the store again")  # and not: run verify
    assert len(done) == Store(path).n_chunks


def test_all_damaged_chunks_are_named_in_order(path):
    n_chunks = Store(path).n_chunks
    for chunk in range(n_chunks):
        flip_byte(chunk_file(path, chunk))
    problems = verify_store(path, workers=2)
    assert [re.search(r"chunk (\d+):", problem).group(1) for problem in problems] == list(map(str, range(n_chunks)))


def test_a_chunk_that_zarr_can_read_but_nobody_wrote(path):
    signal = zarr.open_array(path, path="signal", mode="r+")
    signal[3, 100] += 1
    (problem,) = verify_store(path)
    assert re.search(r"signal chunk 0: SHA-256 [0-9a-f]{64}; expected [0-9a-f]{64}: build the store again", problem)


def test_two_chunks_that_changed_places(path):
    first, second = chunk_file(path, 0).read_bytes(), chunk_file(path, 1).read_bytes()
    chunk_file(path, 0).write_bytes(second)
    chunk_file(path, 1).write_bytes(first)
    assert len(verify_store(path)) == 2


@pytest.mark.parametrize("column", ["record/age", "label/matrix", "record/name", "chunk/digest"])
def test_a_damaged_table_is_named(path, column):
    file = next(file for file in (path / column / "c").rglob("*") if file.is_file())
    flip_byte(file, -1)
    (problem,) = verify_store(path)
    assert f"{path}/{column}: cannot be read" in problem


def test_a_lost_table_is_named_and_the_chunks_are_still_read(path):
    shutil.rmtree(path / "record" / "scale")
    flip_byte(chunk_file(path, 0))
    problems = verify_store(path)
    assert ["record/scale" in problems[0], "chunk 0" in problems[1], len(problems)] == [True, True, 2]


@pytest.mark.parametrize(
    ("column", "change"),
    [
        ("record/age", lambda values: values + 1),
        ("record/name", lambda values: values[::-1]),
        ("label/matrix", lambda values: 2 * values),
        ("record/lead_flags", lambda values: values | 4),
    ],
)
def test_a_changed_table_shows_in_the_digest(path, column, change):
    array = zarr.open_array(path, path=column, mode="r+")
    array[...] = change(array[...])
    assert any("tables and attributes have SHA-256" in problem for problem in verify_store(path))


def test_a_changed_chunk_digest_shows_twice(path):
    digests = zarr.open_array(path, path="chunk/digest", mode="r+")
    digests[0] = "0" * 64
    problems = verify_store(path)
    assert "tables and attributes have SHA-256" in problems[0]
    assert "signal chunk 0: SHA-256" in problems[1]


@pytest.mark.parametrize(
    "change",
    [
        lambda attributes: attributes.update(fs=401.0),
        lambda attributes: attributes.update(rejects=[]),
        lambda attributes: attributes["leads"].reverse(),
        lambda attributes: attributes.update(note="mine"),
        lambda attributes: attributes.pop("digest"),
    ],
)
def test_an_edited_attribute_shows(path, change):
    edit_json(path / "zarr.json", lambda metadata: change(metadata["attributes"]))
    (problem,) = verify_store(path)
    assert "tables and attributes have SHA-256" in problem


def test_tables_of_other_lengths_are_named(path):
    def shorten(metadata):
        metadata["shape"] = [3]

    edit_json(path / "record" / "age" / "zarr.json", shorten)
    problems = verify_store(path)
    assert any("record/age: shape (3,) along record; expected (4,)" in problem for problem in problems)


def test_tables_of_another_rank_are_named(path):
    shape = zarr.open_array(path, path="record/offset", mode="r").shape
    shutil.copytree(path / "record" / "age", path / "record" / "offset", dirs_exist_ok=True)
    problems = verify_store(path)
    assert shape == (4, 12)
    assert any("record/offset" in problem for problem in problems)


def test_more_records_in_the_attributes_than_in_the_tables(path):
    edit_json(path / "zarr.json", lambda metadata: metadata["attributes"].update(n_records=5))
    assert any("record/name: shape (4,) along record; expected (5,)" in problem for problem in verify_store(path))


@pytest.mark.parametrize(
    "starts", [[0, 0, 4096, 8192], [-1, 2048, 4096, 8192], [0, 1000, 2048, 10**9]], ids=["overlap", "before", "beyond"]
)
def test_records_that_overlap_or_lie_outside(tmp_path, starts):
    names = ["A0001", "A0002", "B", "C"]
    write_store(tmp_path / "s.zarr", {name: {"start": start} for name, start in zip(names, starts, strict=True)})
    (problem,) = verify_store(tmp_path / "s.zarr")
    assert "record/start: records overlap or lie outside the signal; build the store again" in problem


def test_no_whole_store_to_verify(path):
    edit_json(path / "zarr.json", lambda metadata: metadata["attributes"].update(complete=False))
    with pytest.raises(StoreError, match="the store is incomplete; run build-cache again"):
        verify_store(path)
    edit_json(path / "zarr.json", lambda metadata: metadata["attributes"].update(format_version=0))
    with pytest.raises(FormatVersionError, match="format version 0; this program reads version 1"):
        verify_store(path)
    with pytest.raises(StoreError, match="no store there"):
        verify_store(path / "none")


def test_the_signal_of_a_damaged_store_is_never_all_it_reads(path):
    """A reader that goes on after a problem still gets the chunks that are whole."""
    flip_byte(chunk_file(path, 0))
    assert np.array_equal(Store(path).read_chunk(1), zarr.open_array(path, path="signal", mode="r")[:, 2048:4096])


def test_a_changed_order_of_labels_is_noticed(path):
    zarr.open_array(path, path="label/rank", mode="r+")[0, 0] += 1
    (problem,) = verify_store(path)
    assert re.search(r"label/rank: SHA-256 [0-9a-f]{64}; expected [0-9a-f]{64}: build the store again", problem)


def test_a_lost_order_of_labels_is_noticed(path):
    shutil.rmtree(path / "label" / "rank")
    (problem,) = verify_store(path)
    assert "label/rank: SHA-256" in problem


def test_tables_that_were_not_written_together_are_refused(path):
    require_tables(Store(path))
    scale = zarr.open_array(path, path="record/scale", mode="r+")  # as zarr writes it, with a right crc32c
    scale[:] = scale[:][::-1] * 2
    with pytest.raises(
        StoreError, match=r"s\.zarr: tables and attributes have SHA-256 .*; expected .*: build the store"
    ):
        require_tables(Store(path))


def test_a_table_that_cannot_be_read_is_told_where_it_is_needed(path):
    (path / "record/scale/c/0").unlink()
    require_tables(Store(path))
    with pytest.raises(StoreError, match="record/scale"):
        Store(path).column("record/scale")
