"""Verification reads every metadata file: whatever is changed in one, or added to the store, is named."""

import json
import os
import shutil

import pytest
import zarr

from ecg12.cache.optional_columns import RANK
from ecg12.cache.reader import Store
from ecg12.cache.schema import COLUMNS, StoreConfig
from ecg12.cache.verify import verify_store
from ecg12.ecg.errors import StoreError
from tests.cache.small_store import contents, edit_json, write_store
from tests.cache.test_format import GOLDEN


def metadata_files(path):
    return sorted(file.relative_to(path).as_posix() for file in path.rglob("zarr.json"))


def problems_of(path):
    """What verification says, or why there is nothing to verify."""
    try:
        return verify_store(path)
    except StoreError as error:
        return (str(error),)


def leaves(value, at=()):
    """The place of every plain value in JSON, and of every empty list and object."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    places = [place for key, item in inner for place in leaves(item, (*at, key))]
    return places or [at]


def change_at(values, place):
    *way, last = place
    for key in way:
        values = values[key]
    old = values[last]
    values[last] = {bool: lambda: not old, int: lambda: old + 1, float: lambda: old + 1, str: lambda: f"{old}x"}.get(
        type(old), lambda: ["more"] if isinstance(old, list) else {"more": 1} if isinstance(old, dict) else "set"
    )()


def test_every_value_of_a_metadata_file_is_covered(tmp_path):
    """One after another, each value changed by a little, in files of every kind."""
    path = tmp_path / "s.zarr"
    write_store(path, lengths={"A0001": 1000, "C": 900})
    assert verify_store(path) == ()
    n_changes = 0
    kinds = ("", "label/", "signal/", "record/sex/", "record/name/", "label/annotated/")
    for name in (f"{kind}zarr.json" for kind in kinds):
        original = (path / name).read_text()
        places = leaves(json.loads(original))
        if name == "zarr.json":  # its attributes have a digest, which other tests change
            places = [place for place in places if place[0] != "attributes"]
        for place in places:
            edit_json(path / name, lambda values, place=place: change_at(values, place))
            assert problems_of(path), f"{name}: {place}"
            n_changes += 1
        (path / name).write_text(original)
    assert n_changes > 60
    assert verify_store(path) == ()


@pytest.mark.parametrize("name", ["zarr.json", "record/zarr.json", "record/age/zarr.json", "signal/zarr.json"])
def test_what_is_added_to_metadata_is_named(path, name):
    edit_json(path / name, lambda values: values.update(consolidated_metadata={"kind": "inline"}))
    assert any(f"{name}: consolidated_metadata" in problem for problem in problems_of(path))


@pytest.mark.parametrize("name", ["record", "label", "chunk", "signal", "record/age", "chunk/digest"])
def test_an_attribute_of_a_group_or_an_array_that_was_added_is_named(path, name):
    """As zarr itself adds one."""
    zarr.open(path, path=name, mode="r+").attrs["note"] = "mine"
    (problem,) = verify_store(path)
    assert problem.startswith(f"{path}/{name}/zarr.json: attributes {{")
    assert "'note': 'mine'" in problem
    assert "build the store again" in problem


def test_changed_units_are_named(path):
    edit_json(path / "signal" / "zarr.json", lambda values: values["attributes"].update(units="mV"))
    (problem,) = verify_store(path)
    assert "signal/zarr.json: attributes" in problem
    assert "'units': 'mV'}; expected {" in problem


def test_a_group_without_metadata_is_named(path):
    (path / "label" / "zarr.json").unlink()
    (problem,) = verify_store(path)
    assert f"{path}/label/zarr.json: cannot be read (" in problem
    (path / "label" / "zarr.json").write_text("[" * 10_000)
    (problem,) = verify_store(path)
    assert "label/zarr.json: cannot be read (nested too deep" in problem


@pytest.mark.parametrize(
    "name",
    ["signal/c/0/3", "signal/c/0/0.123.partial", "signal/c/1/0", "record/age/c/1", "notes.txt", "record/.zattrs"],
)
def test_a_file_that_belongs_to_nothing_is_named(path, name):
    (path / name).parent.mkdir(parents=True, exist_ok=True)
    (path / name).write_bytes(b"x")
    (problem,) = verify_store(path)
    named = name.replace("c/1/0", "c/1")
    assert problem == (f"{path}/{named}: not of the format, so nothing proves it; remove it, or build the store again")


def test_an_array_that_the_format_does_not_know_is_named_once(path):
    root = zarr.open_group(path, mode="r+")
    root.create_array("record/hr", shape=4, chunks=1, dtype="int16")[...] = [1, 2, 3, 4]
    root.create_group("mine/deep")
    assert [problem.partition(": ")[0] for problem in verify_store(path)] == [f"{path}/mine", f"{path}/record/hr"]


def test_whatever_else_lies_there_is_named(path):
    os.mkfifo(path / "fifo")
    (path / "record" / "empty").mkdir()
    (path / "elsewhere").symlink_to(path.parent)
    said = [problem.partition(": ")[0] for problem in verify_store(path)]
    assert said == [f"{path}/elsewhere", f"{path}/fifo", f"{path}/record/empty"]


@pytest.mark.parametrize("codec", ["lz4", "zstd", "pcodec"])
def test_stores_of_every_codec_are_as_the_format_says(tmp_path, codec):
    if codec == "pcodec":
        pytest.importorskip("pcodec")
    write_store(tmp_path / "s.zarr", config=StoreConfig(chunk_length=2048, seed=1, codec=codec))
    assert verify_store(tmp_path / "s.zarr") == ()


def test_a_store_of_the_first_writer_is_proven_as_far(tmp_path):
    shutil.copytree(GOLDEN, tmp_path / "s.zarr")
    assert verify_store(tmp_path / "s.zarr") == ()
    edit_json(tmp_path / "s.zarr" / "record" / "scale" / "zarr.json", lambda values: values["attributes"].pop("units"))
    (problem,) = verify_store(tmp_path / "s.zarr")
    assert "record/scale/zarr.json: attributes" in problem


def test_an_empty_store_is_whole(tmp_path):
    write_store(tmp_path / "s.zarr", lengths={"A0001": 1000})
    assert verify_store(tmp_path / "s.zarr") == ()
    assert {column.path for column in (*COLUMNS, RANK)} <= {
        name.removesuffix("/zarr.json") for name in metadata_files(tmp_path / "s.zarr")
    }


def test_a_remote_store_is_proven_the_same_way(whole_store, in_memory):
    for name, data in contents(whole_store).items():
        (in_memory / "s.zarr" / name).write_bytes(data)
    assert verify_store(in_memory / "s.zarr") == ()
    (in_memory / "s.zarr" / "signal" / "c" / "0" / "9").write_bytes(b"x")
    group = in_memory / "s.zarr" / "record" / "zarr.json"
    group.write_text(group.read_text().replace("{}", '{"note": 1}'))
    problems = verify_store(in_memory / "s.zarr")
    assert ["record/zarr.json: attributes" in problems[0], "signal/c/0/9" in problems[1], len(problems)] == [
        True,
        True,
        2,
    ]


def test_a_signal_of_absurd_size_is_said_in_a_line(path):
    edit_json(path / "signal" / "zarr.json", lambda values: values.update(shape=[12, 2048 * 10**9]))
    done = []
    problems = verify_store(path, advance=done.append)
    assert any("signal: 999,999,997 of its files missing" in problem for problem in problems)
    assert any("chunk/digest: shape (3,) along chunk; expected (1000000000,)" in problem for problem in problems)
    assert len(problems) < 8
    assert len(done) == 3
    assert Store(path).n_chunks == 10**9
