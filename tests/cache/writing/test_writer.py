import errno
import json
import subprocess
import sys

import numpy as np
import pytest
import zarr

from ecg12.cache.reader import Store
from ecg12.cache.schema import COLUMNS, Part, StoreConfig
from ecg12.cache.storage import atomic, lock
from ecg12.cache.storage.atomic import write_text_atomically
from ecg12.cache.verify import verify_store
from ecg12.cache.writing.build_folder import build_folder, build_lock
from ecg12.cache.writing.finalise import move_into_place, settle_replaced
from ecg12.cache.writing.writer import create_store, part_path, write_chunk, write_part
from ecg12.ecg.errors import StoreError
from tests.cache.small_store import CONFIG, LENGTHS, contents, finish_store, record_row, write_store

ZEROS = np.zeros((12, CONFIG.chunk_length), np.int16)


def test_a_new_store_is_empty_and_incomplete(tmp_path):
    create_store(tmp_path / "s.zarr", CONFIG, 3)
    root = zarr.open_group(tmp_path / "s.zarr", mode="r")
    assert root.attrs["complete"] is False
    assert root.attrs["leads"] == list(CONFIG.leads)
    assert root["signal"].shape == (12, 3 * 2048)
    assert not (tmp_path / "s.zarr" / "signal" / "c").exists()


def test_creating_anew_leaves_nothing_of_what_was_there(tmp_path):
    write_store(tmp_path / "s.zarr")
    create_store(tmp_path / "s.zarr", StoreConfig(chunk_length=4096), 1)
    assert set(contents(tmp_path / "s.zarr")) == {"zarr.json", "signal/zarr.json"}


def test_a_chunk_of_zeros_is_written_too(tmp_path):
    create_store(tmp_path / "s.zarr", CONFIG, 2)
    write_chunk(tmp_path / "s.zarr", CONFIG, 1, ZEROS)
    assert (tmp_path / "s.zarr" / "signal" / "c" / "0" / "1").is_file()


def test_a_chunk_may_be_written_again(tmp_path):
    create_store(tmp_path / "s.zarr", CONFIG, 1)
    write_chunk(tmp_path / "s.zarr", CONFIG, 0, ZEROS + 5)
    write_chunk(tmp_path / "s.zarr", CONFIG, 0, ZEROS)
    assert not zarr.open_array(tmp_path / "s.zarr", path="signal", mode="r")[...].any()


@pytest.mark.parametrize("block", [ZEROS[:11], ZEROS[:, :-1], ZEROS.astype(np.int32)])
def test_a_block_of_another_form_is_refused(tmp_path, block):
    create_store(tmp_path / "s.zarr", CONFIG, 1)
    with pytest.raises(StoreError, match=r"s.zarr chunk 0: block of .*; expected int16 \(12, 2048\)"):
        write_chunk(tmp_path / "s.zarr", CONFIG, 0, block)


def test_text_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    target = tmp_path / "text"
    write_text_atomically(target, "old µ")

    def fail(descriptor):
        raise OSError(errno.ENOSPC, "disk full")

    monkeypatch.setattr(atomic.os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        write_text_atomically(target, "new")
    assert target.read_text(encoding="utf-8") == "old µ"


def test_a_part_is_kept_under_its_number(tmp_path):
    part = Part(partition=12, rows=(record_row("A0001"),), rejects=(), chunk_digests={30: "ab"})
    write_part(tmp_path, part)
    assert part_path(tmp_path, 12).name == "part-12.json"
    assert Part.from_json(part_path(tmp_path, 12).read_text(), where="here") == part


def test_every_chunk_that_was_not_written_is_named(tmp_path):
    create_store(tmp_path / "s.zarr", CONFIG, 4)
    with pytest.raises(StoreError, match=r"s\.zarr: chunks 0, 2, 3 were not written; run the build again"):
        finish_store(tmp_path / "s.zarr", [record_row("A0001")], {1: "ab"})
    assert zarr.open_group(tmp_path / "s.zarr", mode="r").attrs["complete"] is False


def test_tables_are_in_the_order_of_dataset_and_name(tmp_path):
    signals = write_store(tmp_path / "s.zarr")
    store = Store(tmp_path / "s.zarr")
    assert list(zip(store.datasets, store.names, strict=True)) == [
        ("cpsc", "A0001"), ("cpsc", "A0002"), ("ward", "B"), ("ward", "C")
    ]  # fmt: skip
    assert store.lengths.tolist() == list(LENGTHS.values())
    for row, name in enumerate(store.names):
        assert np.array_equal(store.read_record(row), signals[name])


def test_labels_become_matrices(tmp_path):
    changes = {
        "A0001": {"dx_codes": ("426783006", "59118001")},
        "A0002": {"dx_codes": ()},
        "B": {"dx_codes": ("67741000119109", "713427006", "59118001")},
        "C": {"dx_codes": ("OWN-CODE",)},
    }
    write_store(tmp_path / "s.zarr", changes)
    store = Store(tmp_path / "s.zarr")
    codes = ["426783006", "59118001", "67741000119109", "713427006", "OWN-CODE"]
    assert store.column("label/code").tolist() == codes
    assert store.column("label/matrix").tolist() == [
        [1, 1, 0, 0, 0], [0, 0, 0, 0, 0], [0, 1, 1, 1, 0], [0, 0, 0, 0, 1]
    ]  # fmt: skip
    assert store.column("label/annotated").tolist() == [True, False, True, True]
    assert store.column("label/scored_code").tolist() == ["426783006", "713427006"]
    assert store.column("label/scored").tolist() == [[1, 1], [0, 0], [0, 1], [0, 0]]


def test_what_is_not_known_has_its_missing_value(tmp_path):
    write_store(tmp_path / "s.zarr", {"A0001": {"age": None, "sex": None}, "A0002": {"sex": "Male", "age": 300.0}})
    store = Store(tmp_path / "s.zarr")
    assert np.isnan(store.column("record/age")[0])
    assert store.column("record/age")[1:].tolist() == [300, 60, 60]
    assert store.column("record/sex").tolist() == [-1, 1, 0, 0]


def test_a_store_without_any_label_is_whole(tmp_path):
    write_store(tmp_path / "s.zarr", {name: {"dx_codes": ()} for name in LENGTHS})
    assert verify_store(tmp_path / "s.zarr") == ()
    assert Store(tmp_path / "s.zarr").column("label/matrix").shape == (4, 0)


def test_every_column_has_its_dtype_dimensions_and_attributes(tmp_path):
    write_store(tmp_path / "s.zarr")
    root = zarr.open_group(tmp_path / "s.zarr", mode="r")
    for column in COLUMNS:
        array = root[column.path]
        assert array.metadata.dimension_names == column.dims
        assert dict(array.attrs) == column.attributes()
        assert array.dtype.name == {"string": "StringDType128"}.get(column.dtype, column.dtype)


def test_attributes_count_records_and_rejects(tmp_path):
    write_store(tmp_path / "s.zarr")
    attributes = Store(tmp_path / "s.zarr").attributes
    assert attributes["n_records"] == 4
    assert attributes["datasets"] == {
        "cpsc": {"records": 2, "rejects": 0, "hours": round(1700 / 400 / 3600, 6)},
        "ward": {"records": 2, "rejects": 1, "hours": round(3900 / 400 / 3600, 6)},
    }
    assert attributes["rejects"] == [{"dataset": "ward", "record": "D", "stage": "signal", "reason": "D: cut short"}]
    assert str(tmp_path) not in json.dumps(attributes)


def test_half_written_files_are_swept(tmp_path):
    write_store(tmp_path / "s.zarr")
    stray = tmp_path / "s.zarr" / "signal" / "c" / "0" / "0.1234.partial"
    stray.write_bytes(b"half")
    store = Store(tmp_path / "s.zarr")
    rows = [
        record_row(name, start=int(start), length=LENGTHS[name])
        for name, start in zip(store.names, store.starts, strict=True)
    ]
    finish_store(tmp_path / "s.zarr", rows, dict(enumerate(store.column("chunk/digest"))))
    assert not stray.exists()
    assert verify_store(tmp_path / "s.zarr") == ()


def test_a_second_build_of_the_same_store_is_refused(tmp_path):
    store = tmp_path / "deep" / "s.zarr"
    with build_lock(store) as folder:
        assert folder == build_folder(store) == tmp_path / "deep" / "s.zarr.build"
        with pytest.raises(StoreError, match=r"s\.zarr: another process is building it; wait for it or stop it"):
            with build_lock(store):
                pass
        (folder / "plan").touch()
    with build_lock(store):
        pass


def test_the_lock_of_a_process_that_died_is_free(tmp_path):
    code = (
        "import os, sys; from pathlib import Path; from ecg12.cache.writing.build_folder import build_lock\n"
        "with build_lock(Path(sys.argv[1])) as folder:\n (folder / 'plan').touch(); os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", code, tmp_path / "s.zarr"], check=False).returncode == 9
    with build_lock(tmp_path / "s.zarr") as folder:
        assert (folder / "plan").exists()


def test_a_lock_whose_folder_was_removed_meanwhile_is_not_taken(tmp_path, monkeypatch):
    """The build that held it may have ended between the opening and the locking of the file."""
    store, take = tmp_path / "s.zarr", lock._lock

    def remove_then_lock(*arguments):
        (build_folder(store) / "lock").unlink()
        return take(*arguments)

    monkeypatch.setattr(lock, "_lock", remove_then_lock)
    with pytest.raises(StoreError, match="another process is building it"):
        with build_lock(store):
            pass


def test_a_lock_leaves_no_empty_folder(tmp_path):
    with build_lock(tmp_path / "s.zarr"):
        pass
    assert list(tmp_path.iterdir()) == []


def aside(store):
    return build_folder(store) / "replaced.zarr"


def test_a_store_comes_into_place_where_none_was(tmp_path):
    (tmp_path / "built").mkdir()
    move_into_place(tmp_path / "built", tmp_path / "s.zarr")
    assert [path.name for path in tmp_path.iterdir()] == ["s.zarr"]


def test_an_older_store_goes_once_the_new_one_stands(tmp_path):
    store = tmp_path / "s.zarr"
    for folder, text in ((store, "old"), (build_folder(store) / "store.zarr", "new"), (tmp_path / "s.zarr.old", "own")):
        folder.mkdir(parents=True)
        (folder / "text").write_text(text)
    move_into_place(build_folder(store) / "store.zarr", store)
    assert (store / "text").read_text() == "new"
    assert not aside(store).exists()
    assert (tmp_path / "s.zarr.old" / "text").read_text() == "own"  # somebody's own copy is not ours to remove


def test_an_older_store_comes_back_if_the_new_one_cannot_be_moved(tmp_path):
    store = tmp_path / "s.zarr"
    write_store(store)
    build_folder(store).mkdir()
    with pytest.raises(FileNotFoundError, match="missing"):
        move_into_place(tmp_path / "missing", store)
    assert verify_store(store) == ()


def test_a_replacement_cut_short_is_settled_by_the_next_build(tmp_path):
    store = tmp_path / "s.zarr"
    aside(store).mkdir(parents=True)
    settle_replaced(store)  # cut short between the two renames: the old one comes back
    assert store.exists()
    assert not aside(store).exists()
    aside(store).mkdir()
    settle_replaced(store)  # cut short after both: the old one goes
    assert store.exists()
    assert not aside(store).exists()
    settle_replaced(store)
    assert store.exists()


def test_the_order_of_labels_is_kept(tmp_path):
    changes = {"B": {"dx_codes": ("59118001", "10370003", "OWN")}, "C": {"dx_codes": ()}}
    write_store(tmp_path / "s.zarr", changes)
    store = Store(tmp_path / "s.zarr")
    codes, rank = list(store.column("label/code")), store.label_rank()
    assert rank.dtype == np.uint8
    row = {name: number for number, name in enumerate(store.names)}
    for code, place in (("59118001", 1), ("10370003", 2), ("OWN", 3), ("426783006", 0)):
        assert rank[row["B"], codes.index(code)] == place
    assert not rank[row["C"]].any()
    assert np.array_equal(rank > 0, store.column("label/matrix") == 1)


def test_places_beyond_the_largest_are_the_largest(tmp_path):
    write_store(tmp_path / "s.zarr", {"B": {"dx_codes": tuple(f"code{number:03}" for number in range(300))}})
    store = Store(tmp_path / "s.zarr")
    rank = store.label_rank()[list(store.names).index("B")]
    assert rank[np.char.startswith(store.column("label/code").astype(str), "code")].tolist() == [
        min(place, 255) for place in range(1, 301)
    ]
