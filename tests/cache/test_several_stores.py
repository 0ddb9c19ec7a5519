"""Several stores as one: their tables, where their chunks are, and what does not go together."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecg12.cache.chunk_reader import ChunkReader
from ecg12.cache.reader import Store
from ecg12.cache.schema import COLUMNS, StoreConfig, sha256_of_json
from ecg12.cache.several_stores import StoreUnion, check_together, home_of_chunk, members_of, open_stores
from ecg12.cache.verify import verify_stores
from ecg12.cache.writing.tables import table_columns
from ecg12.ecg.errors import ChecksumError, ConfigError, StoreError
from ecg12.pipeline.recordings.patient_groups import merge_groups, merged_patients
from tests.cache.small_store import CONFIG, contents, edit_json, flip_byte, record_row, write_store

FIRST = {"A0001": 1000, "A0004": 700, "B": 3000}
SECOND = {"A0002": 900, "A0003": 1500, "C": 2500, "Y": 5000}
CHANGES = {
    "A0004": {"digest": "same", "group": "q", "dx_codes": ("164889003", "OWN")},
    "C": {"digest": "same", "group": "b", "dx_codes": ()},
    "Y": {"group": "q", "dx_codes": ("59118001", "10370003"), "age": None, "offset": (0,) * 11 + (12000,)},
}


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    folder = tmp_path_factory.mktemp("union")
    for name, lengths in (("first.zarr", FIRST), ("second.zarr", SECOND)):
        write_store(folder / name, CHANGES, lengths=lengths)
    return folder / "first.zarr", folder / "second.zarr"


@pytest.fixture
def union(paths):
    return open_stores(paths)


def test_one_store_is_itself(paths):
    store = open_stores(paths[0])
    assert type(store) is type(open_stores([paths[0]])) is Store
    assert members_of(store) == (store,)
    assert home_of_chunk(store, 1) == (store, 1)
    with pytest.raises(ConfigError, match="no store; expected at least one: make one with build-cache"):
        open_stores([])


def test_rows_are_in_the_order_of_dataset_and_name(union):
    assert list(union.names) == ["A0001", "A0002", "A0003", "A0004", "B", "C", "Y"]
    assert list(union.datasets) == ["cpsc"] * 4 + ["ward"] * 3
    assert list(union.lengths) == [1000, 900, 1500, 700, 3000, 2500, 5000]
    assert union.n_records == 7
    assert repr(union) == "StoreUnion(2 stores, 7 records, 400 Hz)"


def test_every_column_has_every_record(union):
    sizes = {"record": 7, "lead": 12, "chunk": union.n_chunks, "class": 5, "scored_class": 2}
    for column in COLUMNS:
        assert union.column(column.path).shape == tuple(sizes[dim] for dim in column.dims), column.path
    for row, name in enumerate(union.names):
        member, at = next((m, r) for m in union.members for r, other in enumerate(m.names) if other == name)
        for column in COLUMNS:
            if column.dims[0] == "record" and column.path not in ("record/start", "record/group", "label/matrix"):
                np.testing.assert_array_equal(union.column(column.path)[row], member.column(column.path)[at])
        np.testing.assert_array_equal(union.read_record(row), member.read_record(at))
        np.testing.assert_array_equal(union.read_microvolts(row), member.read_microvolts(at))
        assert union.dx_codes(row) == member.dx_codes(at)


def test_the_order_of_labels_is_united(union):
    codes, rank = list(union.column("label/code")), union.label_rank()
    assert np.array_equal(rank > 0, union.column("label/matrix") == 1)
    row = list(union.names).index("Y")
    assert (rank[row, codes.index("59118001")], rank[row, codes.index("10370003")]) == (1, 2)


def test_codes_are_united_and_sorted(union):
    assert list(union.column("label/code")) == ["10370003", "164889003", "426783006", "59118001", "OWN"]
    assert list(union.column("label/matrix")[3]) == [0, 1, 0, 0, 1]
    assert list(union.column("label/matrix")[5]) == [0] * 5


def test_duplicates_and_patients_are_merged_across_stores(union):
    groups = dict(zip(union.names, union.column("record/group"), strict=True))
    # A0004 = C by digest, and Y is of A0004's patient
    assert groups["A0004"] == groups["C"] == groups["Y"] == "b"
    assert groups["A0001"] == "group of A0001"
    assert len(set(groups.values())) == 5


def test_a_merger_that_one_store_wrote_down_holds_in_the_others(tmp_path):
    """p is called a in the first store, because duplicates made them one; the second knows only p."""
    write_store(tmp_path / "one.zarr", {"A0001": {"group": "a"}}, lengths={"A0001": 900})
    write_store(tmp_path / "two.zarr", {"A0002": {"group": "p"}}, lengths={"A0002": 900})
    edit_json(tmp_path / "one.zarr" / "zarr.json", lambda m: m["attributes"].update(merged_groups={"p": "a"}))
    assert list(open_stores([tmp_path / "one.zarr", tmp_path / "two.zarr"]).column("record/group")) == ["a", "a"]


def test_flat_records_of_two_stores_stay_apart(tmp_path):
    flat = {"digest": "0", "lead_flags": (4,) * 12}
    write_store(tmp_path / "one.zarr", {"A0001": flat}, lengths={"A0001": 900})
    write_store(tmp_path / "two.zarr", {"A0002": flat}, lengths={"A0002": 900})
    union = open_stores([tmp_path / "one.zarr", tmp_path / "two.zarr"])
    assert list(union.column("record/group")) == ["group of A0001", "group of A0002"]


def test_counts_and_rejects_are_united(union, paths):
    first, second = (Store(path).attributes for path in paths)
    assert union.attributes["datasets"] == {
        "cpsc": {"records": 4, "rejects": 0, "hours": round(4100 / 400 / 3600, 6)},
        "ward": {"records": 3, "rejects": 2, "hours": round(10500 / 400 / 3600, 6)},
    }
    assert union.attributes["rejects"] == first["rejects"] + second["rejects"]
    assert union.attributes["n_records"] == 7
    assert union.attributes["complete"]


def test_nothing_depends_on_the_order_in_which_stores_are_named(paths):
    one, other = open_stores(paths), open_stores(paths[::-1])
    assert one.attributes == other.attributes
    for column in COLUMNS:
        np.testing.assert_array_equal(one.column(column.path), other.column(column.path))
    digests = sorted(Store(path).attributes["digest"] for path in paths)
    assert one.attributes["digest"] == sha256_of_json({"stores": digests})
    assert [store.attributes["digest"] for store in one.members] == digests
    assert one.attributes["digest"] not in digests


def test_chunks_are_numbered_through_the_members(union):
    reader = ChunkReader(union)
    assert union.n_chunks == sum(member.n_chunks for member in union.members)
    numbers = [(union.members.index(store), there) for store, there in map(union_home(union), range(union.n_chunks))]
    assert numbers == [(m, c) for m, member in enumerate(union.members) for c in range(member.n_chunks)]
    out = np.empty((12, 2048), np.int16)
    for chunk, (member, there) in enumerate(numbers):
        expected = union.members[member].read_chunk(there)
        assert reader.read(chunk, out) is out
        np.testing.assert_array_equal(out, expected)
        np.testing.assert_array_equal(reader.read(chunk), expected)
        np.testing.assert_array_equal(union.read_chunk(chunk), expected)


def union_home(union):
    return lambda chunk: home_of_chunk(union, chunk)


def test_columns_across_two_members(union):
    border = union.members[0].n_chunks * union.chunk_length
    expected = [union.members[0].read_columns(border - 5, border), union.members[1].read_columns(0, 7)]
    np.testing.assert_array_equal(union.read_columns(border - 5, border + 7), np.concatenate(expected, axis=1))


def test_records_by_name(union):
    assert union.index_of("C") == union.index_of("ward/C") == 5
    assert list(union.ids) == list(union.names)
    with pytest.raises(StoreError, match=r"first\.zarr \+ .*second\.zarr: no record called 'D'"):
        union.index_of("D")
    with pytest.raises(StoreError, match="no column 'record/none'"):
        union.column("record/none")


def test_a_name_in_two_datasets_of_two_stores_is_qualified(tmp_path):
    write_store(tmp_path / "one.zarr", lengths={"A0001": 900})
    write_store(tmp_path / "two.zarr", {"A0001": {"dataset": "ward"}}, lengths={"A0001": 900})
    union = open_stores([tmp_path / "one.zarr", tmp_path / "two.zarr"])
    assert list(union.ids) == ["cpsc/A0001", "ward/A0001"]
    assert union.index_of("ward/A0001") == 1


def test_a_record_in_two_stores_is_named(paths, tmp_path):
    write_store(tmp_path / "again.zarr", lengths={"A0003": 900, "Z": 900})
    message = r"record cpsc/A0003 is in .*zarr and in .*zarr; expected each record in one store: leave one of them out"
    with pytest.raises(StoreError, match=message) as caught:
        open_stores([*paths, tmp_path / "again.zarr"])
    assert "second.zarr" in str(caught.value)
    assert "again.zarr" in str(caught.value)
    with pytest.raises(StoreError, match=r"record cpsc/A0001 is in .*first\.zarr and in .*first\.zarr"):
        open_stores([paths[0], paths[0]])


@pytest.mark.parametrize(
    ("config", "difference"),
    [
        ({"fs": 400.0000001}, "sampling frequency 400.0000001"),
        ({"leads": ("I", "II")}, "leads I, II, but I, II, III, aVR"),
        ({"highpass": 0.5}, "high-pass filter 0.5 Hz, but none in"),
        ({"notch": 50}, "notch filter 50 Hz, but none in"),
        ({"chunk_length": 4096}, "chunk length 4,096 samples, but 2,048 samples in"),
    ],
)
def test_stores_that_do_not_go_together(paths, monkeypatch, config, difference):
    """Only what is compared is changed: a store of two leads has other tables, too."""
    other = Store(paths[1])
    other.config = StoreConfig.from_dict(CONFIG.to_dict() | config)
    other.fs, other.leads, other.chunk_length = other.config.fs, other.config.leads, other.config.chunk_length
    with pytest.raises(ConfigError, match=f"second.zarr: {re.escape(difference)}") as caught:
        StoreUnion([Store(paths[0]), other])
    assert f"in {paths[0]}; expected the same to read them as one" in str(caught.value)


def test_other_scored_classes_do_not_go_together(paths, monkeypatch):
    first, other = map(Store, paths)
    monkeypatch.setitem(other._columns, "label/scored_code", np.array(["1"], object))
    with pytest.raises(ConfigError, match="scored classes 1, but 426783006, 713427006 in"):
        check_together([first, other])


def test_codec_and_seed_may_differ(paths, tmp_path):
    write_store(tmp_path / "z.zarr", None, StoreConfig(chunk_length=2048, seed=9, codec="zstd"), {"A0009": 900})
    union = open_stores([*paths, tmp_path / "z.zarr"])
    reader = ChunkReader(union)
    for chunk in range(union.n_chunks):
        np.testing.assert_array_equal(reader.read(chunk), union.read_chunk(chunk))


def test_a_store_here_and_one_behind_a_url_are_one(paths, union, in_memory):
    for name, data in contents(paths[1]).items():
        (in_memory / "second.zarr" / name).write_bytes(data)
    mixed = open_stores([paths[0], in_memory / "second.zarr"])
    assert mixed.attributes == union.attributes
    reader = ChunkReader(mixed)
    assert reader.is_remote
    for chunk in range(union.n_chunks):
        np.testing.assert_array_equal(reader.read(chunk, fetched=reader.fetch(chunk)), union.read_chunk(chunk))
    assert str(mixed.path) == f"{paths[0]} + {in_memory / 'second.zarr'}"
    with pytest.raises(StoreError, match=re.escape(f"is in {paths[1]} and in {in_memory / 'second.zarr'}")):
        open_stores([paths[1], in_memory / "second.zarr"])


def test_damage_is_named_by_the_store_it_is_in(tmp_path):
    paths = [tmp_path / "first.zarr", tmp_path / "second.zarr"]
    for path, lengths in zip(paths, (FIRST, SECOND), strict=True):
        write_store(path, CHANGES, lengths=lengths)
    done = []
    assert verify_stores(paths, advance=done.append) == ()
    n_chunks = [Store(path).n_chunks for path in paths]
    assert len(done) == sum(n_chunks)
    flip_byte(paths[1] / "signal" / "c" / "0" / "1")
    (problem,) = verify_stores(paths, workers=2)
    assert problem.startswith(f"{paths[1]}/signal chunk 1: damaged")
    union = open_stores(paths)
    chunk = next(c for c in range(union.n_chunks) if home_of_chunk(union, c)[0].path == paths[1]) + 1
    with pytest.raises(ChecksumError, match=re.escape(f"{paths[1]}/signal chunk 1: damaged")):
        ChunkReader(union).read(chunk)


class TableStore(Store):
    """The tables of a store and nothing on a disk; where its records are is anything."""

    _places_checked = True

    def __init__(self, name, rows):
        self.path, self.config, self.rows = name, CONFIG, merge_groups(rows)
        self.fs, self.leads, self.chunk_length = CONFIG.fs, CONFIG.leads, CONFIG.chunk_length
        self.n_records, self.n_chunks = len(rows), 3
        figures = {"records": len(rows), "rejects": 0}
        self.attributes = {
            **{"format": "ecg12", "format_version": 1, "complete": True, "fs": 400.0, "leads": list(CONFIG.leads)},
            **{"digest": name, "datasets": {"cpsc": figures, "ward": figures}, "rejects": []},
            "merged_groups": merged_patients(rows),
        }
        digests = {chunk: f"{name} {chunk}" for chunk in range(3)}
        self._columns = tables_of(self.rows, digests)

    def column(self, path):
        return self._columns[path]


def tables_of(rows, digests):
    rows = sorted(rows, key=lambda row: (row.dataset, row.name))
    scored = ("426783006", "713427006")
    return table_columns(rows, digests, scored, dict(zip(scored, scored, strict=True)), n_leads=12)


any_row = st.fixed_dictionaries(
    {
        "digest": st.sampled_from("12345678"),
        "group": st.sampled_from("abcdefghij"),
        "dx_codes": st.lists(st.sampled_from(["426783006", "713427006", "X", "10"]), unique=True).map(tuple),
        "dataset": st.sampled_from(["cpsc", "ward"]),
        "lead_flags": st.sampled_from([(0,) * 12, (4,) * 12]),
        "start": st.integers(0, 6000),
    }
)


@given(st.lists(st.tuples(any_row, st.integers(0, 3)), min_size=4, max_size=14))
def test_records_spread_over_stores_in_any_way_make_the_same_tables(drawn):
    """Against the tables of one store of all, groups included: that is a union-find over everything at once."""
    rows = [record_row(f"R{number}", **changes) for number, (changes, _) in enumerate(drawn)]
    parts = [[row for row, (_, store) in zip(rows, drawn, strict=True) if store == number] for number in range(4)]
    stores = [TableStore(f"store {number}", part) for number, part in enumerate(parts) if part]
    union = StoreUnion(stores[::-1])
    for path, expected in tables_of(merge_groups(rows), {}).items():
        if path not in ("record/start", "chunk/digest"):
            np.testing.assert_array_equal(union.column(path), expected, err_msg=path)
    first = dict(zip((store.path for store in stores), 3 * CONFIG.chunk_length * np.arange(len(stores)), strict=True))
    for row, name in enumerate(union.names):
        store = next(store for store in stores if any(own.name == name for own in store.rows))
        own = next(own for own in store.rows if own.name == name)
        assert union.starts[row] == first[store.path] + own.start
