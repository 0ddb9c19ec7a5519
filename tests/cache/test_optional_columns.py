"""The columns that a store has only where there is something to say: written, read, united, proven."""

import hashlib
import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
import zarr

from ecg12.cache.checksum import tables_digest
from ecg12.cache.optional_columns import FURTHER_COLUMNS, first_vocabulary, vocabulary_by_form
from ecg12.cache.reader import Store
from ecg12.cache.several_stores import open_stores
from ecg12.cache.stated import Stated
from ecg12.cache.verify import require_tables, verify_store
from ecg12.cache.writing.optional_tables import further_columns
from ecg12.ecg.errors import StoreError
from tests.cache.small_store import contents, edit_json, flip_byte, record_row, write_store

ONE = Stated(
    vocabularies={"NORM": "scp-ecg", "SR": "scp-ecg"},
    likelihoods={"NORM": 80.0, "SR": 0.0},
    targets={"qtc": 412.5},
    fold="3",
    site="0",
    device="CS-12",
    date="1984-11-09T09:17:34",
    quality_note="static_noise: I-V1",
)
TWO = Stated(likelihoods={"NORM": 15.0}, targets={"hr": 60.0, "qtc": 398.0}, annotated=True)
CHANGES = {
    "A0001": {"dx_codes": ("426783006", "NORM", "SR"), "stated": ONE},
    "B": {"dx_codes": ("NORM", "OWN"), "stated": TWO},
    "C": {"dx_codes": (), "stated": Stated(annotated=True)},
}
PATHS = {column.path for column in FURTHER_COLUMNS}


@pytest.fixture(scope="module")
def whole_labelled(tmp_path_factory):
    folder = tmp_path_factory.mktemp("labelled")
    write_store(folder / "s.zarr", CHANGES)
    return folder / "s.zarr"


@pytest.fixture
def labelled(whole_labelled, tmp_path):
    return shutil.copytree(whole_labelled, tmp_path / "s.zarr")


def values_of(store, path):
    return [None if value != value else value for value in store.optional(path).ravel().tolist()]


def test_what_sources_state_comes_back(labelled):
    store = Store(labelled)
    assert store.listed_arrays.keys() == PATHS
    assert store.column("label/code").tolist() == ["426783006", "NORM", "OWN", "SR"]
    assert store.optional("label/vocabulary").tolist() == ["snomed-ct", "scp-ecg", "own", "scp-ecg"]
    none = [None] * 4
    assert values_of(store, "label/likelihood") == [None, 80, None, 0, *none, None, 15, None, None, *none]
    assert store.optional("label/likelihood").dtype == np.float32
    assert store.optional("record/fold").tolist() == ["3", "", "", ""]
    assert store.optional("record/date").tolist()[0] == "1984-11-09T09:17:34"
    assert store.optional("target/name").tolist() == ["hr", "qtc"]
    assert values_of(store, "target/value") == [None, 412.5, None, None, 60, 398, None, None]
    assert store.column("label/annotated").tolist() == [True, True, True, True]
    assert store.label_rank().tolist()[0] == [1, 2, 0, 3]
    assert verify_store(labelled) == ()


def test_a_store_without_them_has_none_and_says_none(path):
    store = Store(path)
    assert not any(store.has(one) for one in PATHS)
    assert [store.optional(one) for one in PATHS] == [None] * len(PATHS)
    assert "array_digests" not in store.attributes
    assert store.optional("record/name") is not None
    with pytest.raises(StoreError, match="no column 'record/colour'"):
        store.optional("record/colour")


def test_only_what_is_stated_is_written():
    rows = [record_row("A0001", stated=Stated(fold="1")), record_row("B", stated=Stated(annotated=True))]
    assert further_columns(rows, ["426783006"]).keys() == {"record/fold"}
    rows = [record_row("B", dx_codes=("OWN", "164889003"), stated=Stated(vocabularies={"OWN": "own"}))]
    assert further_columns(rows, ["164889003", "OWN"]) == {}  # as their forms tell


def test_a_code_is_of_one_vocabulary():
    assert vocabulary_by_form("426783006") == "snomed-ct"
    assert vocabulary_by_form("NORM") == vocabulary_by_form("426783007") == "own"
    assert first_vocabulary("own", "scp-ecg") == first_vocabulary("scp-ecg", "own") == "scp-ecg"
    assert first_vocabulary("icd-10", "own") == "own"  # of a later version
    rows = [record_row("A0001", dx_codes=("NORM",)), record_row("B", dx_codes=("NORM",), stated=ONE)]
    rows[1] = replace(rows[1], stated=Stated(vocabularies={"NORM": "scp-ecg"}))
    for order in (rows, rows[::-1]):
        assert further_columns(order, ["NORM"])["label/vocabulary"].tolist() == ["scp-ecg"]


@pytest.mark.parametrize("path", sorted(PATHS))
def test_a_changed_array_is_named(labelled, path):
    array = zarr.open_array(labelled, path=path, mode="r+")
    array[0] = "9" if array.dtype.kind == "T" else 9
    (problem,) = verify_store(labelled)
    assert problem.startswith(f"{labelled}/{path}: SHA-256 ")
    with pytest.raises(StoreError, match=path):
        require_tables(Store(labelled))


@pytest.mark.parametrize("path", sorted(PATHS))
def test_a_lost_or_damaged_array_is_named(labelled, path):
    flip_byte(next(file for file in (labelled / path / "c").rglob("*") if file.is_file()))
    with pytest.raises(StoreError, match=f"{path}: cannot be read"):
        Store(labelled).optional(path)
    assert any(f"{labelled}/{path}" in problem for problem in verify_store(labelled))
    shutil.rmtree(labelled / path)
    with pytest.raises(StoreError, match=f"{path}: cannot be read"):
        Store(labelled).optional(path)
    assert any(f"{labelled}/{path}" in problem for problem in verify_store(labelled))


@pytest.mark.parametrize("value", [[], {"record/fold": 1}, {"../fold": "a"}, {"fold": "a"}, {"a/b/c": "a"}, "x"])
def test_a_changed_list_of_digests_is_refused(labelled, value):
    edit_json(labelled / "zarr.json", lambda values: values["attributes"].update(array_digests=value))
    with pytest.raises(StoreError, match="attribute array_digests changed; expected a SHA-256 for each path"):
        Store(labelled).has("record/fold")


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("label/likelihood", -1.0, "expected 0 or more, or NaN"),
        ("label/likelihood", np.inf, "expected 0 or more, or NaN"),
        ("target/value", np.inf, "expected a number, or NaN"),
        ("label/vocabulary", "", "expected a name"),
    ],
)
def test_values_that_no_source_states_are_refused(labelled, path, value, message):
    zarr.open_array(labelled, path=path, mode="r+")[0] = value
    with pytest.raises(StoreError, match=f"{path}: row 0 is .*; {message}"):
        Store(labelled).optional(path)


def test_several_stores_give_the_columns_of_the_one_built_together(tmp_path):
    changes = CHANGES | {
        "D": {"dx_codes": ("NORM", "QWAVE"), "stated": Stated(likelihoods={"QWAVE": 50.0}, fold="b")},
        "E": {"dx_codes": ("SR",), "stated": Stated(targets={"pr": 160.0})},
    }
    lengths = {"A0001": 1000, "A0002": 700, "B": 3000, "C": 900, "D": 500, "E": 600}
    for name, members in (("one", "A0001 B E"), ("two", "A0002 C D"), ("both", "A0001 A0002 B C D E")):
        write_store(tmp_path / name, changes, lengths={member: lengths[member] for member in members.split()})
    both, united = Store(tmp_path / "both"), open_stores([tmp_path / "two", tmp_path / "one"])
    for path in PATHS:
        assert united.has(path) == both.has(path) is True
        expected, found = both.optional(path), united.optional(path)
        assert found.dtype == expected.dtype
        assert np.array_equal(found, expected, equal_nan=expected.dtype.kind == "f"), path
    assert united.column("label/annotated").tolist() == both.column("label/annotated").tolist()


def test_members_without_a_column_have_missing_values_in_it(tmp_path, path):
    write_store(tmp_path / "more.zarr", {"Z": {"dx_codes": ("NORM", "SR"), "stated": ONE}}, lengths={"Z": 600})
    united = open_stores([path, tmp_path / "more.zarr"])
    assert united.optional("record/fold").tolist() == ["", "", "", "", "3"]
    assert united.optional("label/vocabulary").tolist() == ["snomed-ct", "scp-ecg", "scp-ecg"]
    write_store(tmp_path / "plain.zarr", lengths={"Q": 600})
    plain = open_stores([path, tmp_path / "plain.zarr"])
    assert [plain.optional(one) for one in PATHS] == [None] * len(PATHS)


def test_a_remote_store_has_them_too(labelled, in_memory):
    for name, data in contents(labelled).items():
        (in_memory / "s.zarr" / name).write_bytes(data)
    assert verify_store(in_memory / "s.zarr") == ()
    assert Store(in_memory / "s.zarr").optional("record/site").tolist() == ["0", "", "", ""]


# What a later version of this program adds.


def add_array(path, name, values, dtype, dims):
    """An array of a later version's, written with zarr alone, and the root's attributes as its writer leaves them."""
    root = zarr.open_group(path, mode="r+")
    example = root["record/name"] if dtype == "string" else root["record/age"]
    root.create_array(
        name,
        shape=values.shape,
        chunks=values.shape,
        dtype=dtype,
        dimension_names=dims,
        compressors=example.compressors,
        attributes={"long_name": "of a later version", "more": [1]},
        config={"write_empty_chunks": True},
    )[...] = values
    attributes = dict(root.attrs)
    attributes["array_digests"] = {**attributes.get("array_digests", {}), name: tables_digest([(name, values)], {})}
    store = Store(path)
    columns = [(column, store.column(column)) for column in must_paths()]
    root.attrs.put({**attributes, "digest": tables_digest(columns, attributes)})


def must_paths():
    from ecg12.cache.schema import COLUMNS

    return [column.path for column in COLUMNS]


@pytest.fixture
def later(labelled):
    add_array(labelled, "beat/peak", np.arange(12, dtype=np.int32).reshape(4, 3), "int32", ("record", "beat"))
    add_array(labelled, "record/ward", np.array(["a", "b", "", "c"], object), "string", ("record",))
    return labelled


def test_arrays_of_a_later_version_are_proven(later):
    assert verify_store(later) == ()
    assert Store(later).optional("record/fold").tolist() == ["3", "", "", ""]


@pytest.mark.parametrize("path", ["beat/peak", "record/ward"])
def test_a_changed_array_of_a_later_version_is_named(later, path):
    array = zarr.open_array(later, path=path, mode="r+")
    array[0] = "9" if array.dtype.kind == "T" else 9
    (problem,) = verify_store(later)
    assert problem.startswith(f"{later}/{path}: SHA-256 ")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda values: values.update(data_type="complex128"), "complex128"),
        (lambda values: values.update(dimension_names=None), "TypeError|NoneType|object of type"),
        (lambda values: values.update(shape=[4, 2**40]), "chunks; expected at most"),
        (lambda values: values.update(codecs=[]), "codecs"),
        (lambda values: values.update(fill_value=1), "fill_value"),
    ],
)
def test_a_changed_form_of_a_later_versions_array_is_named(later, change, message):
    edit_json(later / "beat" / "peak" / "zarr.json", change)
    problems = verify_store(later)
    assert problems
    assert all(f"{later}/beat/peak" in problem for problem in problems)
    assert re.search(message, problems[0])


# The lines with which a reader that knows none of these arrays proved a store: FORMAT.md, section 7, before they were.

EARLIER = """
total = hashlib.sha256()
groups = {"record", "label", "chunk"}
for name in sorted(f"{group}/{array}" for group in groups for array in root[group].array_keys()):
    if name == "label/rank":
        continue
    values = root[name][...]
    text = values.dtype.kind == "T"
    total.update(f"{name} {'string' if text else values.dtype} {values.shape}\\n".encode())
    if text:
        total.update("".join(f"{value}\\0" for value in values).encode())
    else:
        total.update(values.astype(values.dtype.newbyteorder("<")).tobytes())
others = {key: value for key, value in root.attrs.items() if key != "digest"}
canonical = json.dumps(others, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
total.update(hashlib.sha256(canonical.encode()).hexdigest().encode())
if total.hexdigest() != root.attrs["digest"]:
    raise ValueError("the tables or the attributes were changed")
"""


class PassingOver:
    """A group that shows the arrays an earlier reader knows: it was told to pass over all others."""

    def __init__(self, group, known):
        self.group, self.known = group, known
        self.attrs = group.attrs

    def __getitem__(self, path):
        found = self.group[path]
        return PassingOver(found, self.known) if isinstance(found, zarr.Group) else found

    def array_keys(self):
        return [key for key in self.group.array_keys() if f"{self.group.basename}/{key}" in self.known]


def prove_as_earlier(path):
    root = PassingOver(zarr.open_group(path, mode="r"), {*must_paths(), "label/rank"})
    exec(compile(EARLIER, "FORMAT.md", "exec"), {"root": root, "hashlib": hashlib, "json": json})


def test_an_earlier_reader_still_proves_the_tables(labelled, later):
    prove_as_earlier(labelled)
    prove_as_earlier(later)
    zarr.open_array(labelled, path="label/matrix", mode="r+")[0, 0] = 0
    with pytest.raises(ValueError, match="tables or the attributes were changed"):
        prove_as_earlier(labelled)


def test_an_earlier_reader_still_proves_the_ranks(labelled):
    store = Store(labelled)
    assert store.attributes["optional_digest"] == tables_digest([("label/rank", store.label_rank())], {})
