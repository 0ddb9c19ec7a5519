"""A store from Python is the store: records, tables and labels against zarr itself and the files they came from."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import zarr

import ecg12
from ecg12.cache.reader import Store as Reader
from ecg12.errors import ConfigError, InputError, StoreError, UnknownCodeError
from tests.records import pulses_uv, write_corpus, write_record


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ecg12.Store:
    """Seven records of four datasets, built by the API; one of them with an offset that int16 cannot hold."""
    folder = tmp_path_factory.mktemp("stores")
    write_corpus(folder / "in")
    far = pulses_uv(3000, seed=3).astype(np.int16)
    far[4] += 31_000
    write_record(folder / "in" / "ward", "FAR", far, age=None, sex=None, dx=None)
    (folder / "in" / "ward" / "BAD.hea").write_text("BAD 12\n", encoding="utf-8")
    return ecg12.build_store(folder / "in", str(folder / "ecg.zarr"))


def test_records_are_what_zarr_reads(store: ecg12.Store) -> None:
    """The oracle is the README's own twenty lines, by zarr alone."""
    group = zarr.open_group(store.paths[0], mode="r")
    start, length = group["record/start"][:], group["record/length"][:]
    for row in range(len(store)):
        stored = group["signal"][:, start[row] : start[row] + length[row]]
        recording = store[row]
        np.testing.assert_array_equal(store.read_int16(row), stored)
        expected = (stored.astype(np.float32) + group["record/offset"][row][:, None].astype(np.float32)) / 1000
        np.testing.assert_array_equal(recording.signal, expected.astype(np.float32))
        assert recording.signal.dtype == np.float32
        assert (recording.fs, recording.leads) == (group.attrs["fs"], tuple(group.attrs["leads"]))
        assert recording.name == store.names[row]


def test_a_record_is_had_by_row_name_and_slice(store: ecg12.Store) -> None:
    assert [one.name for one in store] == list(store.names)
    assert store[-1].name == store.names[-1]
    assert [one.name for one in store[1:3]] == list(store.names[1:3])
    assert store.record("A0002").name == store.record("cpsc/A0002").name == "A0002"
    np.testing.assert_array_equal(store.read_int16("A0002"), store.read_int16(store.names.index("A0002")))
    assert sorted(one.name for one in store.stream()) == sorted(store.names)
    assert {one.name for one in store.stream(["A0003", "A0001"])} == {"A0001", "A0003"}
    with pytest.raises(IndexError, match=r"row 99; expected 0 to 7"):
        store[99]
    with pytest.raises(StoreError, match="no record called 'A9'"):
        store.record("A9")


def test_streaming_decodes_each_chunk_once(tmp_path: Path) -> None:
    for number in range(40):
        write_record(tmp_path / "in", f"A{number:04d}", pulses_uv(3000, seed=number))
    ecg12.build_store(tmp_path / "in", tmp_path / "s.zarr")
    from ecg12.cache.schema import StoreConfig
    from ecg12.pipeline.ingest.build_cache import build_cache

    build_cache([tmp_path / "in"], tmp_path / "small.zarr", StoreConfig(chunk_length=8192))
    store = ecg12.open_store(tmp_path / "small.zarr")
    signals = {one.name: one.signal for one in store.stream()}
    assert len(signals) == 40
    assert store._chunks.n_decoded == store._held.n_chunks > 8
    np.testing.assert_array_equal(signals["A0007"], store.record("A0007").signal)


def test_a_lead_far_from_zero_gets_its_offset_back(store: ecg12.Store) -> None:
    recording = store.record("FAR")
    row = store.names.index("FAR")
    assert store.offsets[row, 4] != 0
    assert recording.signal[4].mean() == pytest.approx(31, abs=1)
    assert (recording.age, recording.sex, recording.codes) == (None, None, ())


def test_the_table_has_a_row_a_record(store: ecg12.Store) -> None:
    records = store.records
    assert isinstance(records, pd.DataFrame)
    assert list(records.index) == list(store.names)
    one = records.loc["A0001"]
    assert (one["name"], one["dataset"], one["age"], one["sex"]) == ("A0001", "cpsc", 60.0, "Female")
    assert (one["codes"], one["annotated"]) == (("426783006",), True)
    assert (one["length"], one["fs"], one["fs_source"], one["length_source"]) == (1840, 400.0, 500.0, 2300)
    assert one["duration_s"] == pytest.approx(4.6)
    assert records.loc["I0001", "fs_source"] == 257
    assert not records.loc["FAR", "annotated"]
    assert records.loc["FAR", "codes"] == ()
    assert np.isnan(records.loc["FAR", "age"])
    assert pd.isna(records.loc["FAR", "sex"])
    assert records["group"].nunique() == len(store)
    assert "offset: aVL" in records.loc["FAR", "flags"]
    reader = Reader(Path(store.paths[0]))
    assert list(records["digest"]) == list(reader.column("record/digest"))


def test_what_was_not_taken_in_is_named(store: ecg12.Store) -> None:
    assert list(store.rejects.columns) == ["dataset", "record", "stage", "reason"]
    assert list(store.rejects["record"]) == ["ward/BAD"]


def test_labels_by_set_code_name_and_abbreviation(store: ecg12.Store) -> None:
    scored = store.labels()
    assert scored.shape == (8, 24)
    np.testing.assert_array_equal(scored.to_numpy(), zarr.open_group(store.paths[0], mode="r")["label/scored"][:])
    assert store.labels("all").loc["X"].to_dict() == {"164889003": 1, "426783006": 0, "OWN": 1}
    chosen = store.labels(["AF", "sinus rhythm", "OWN"])
    assert list(chosen.columns) == ["164889003", "426783006", "OWN"]
    assert chosen.loc["X"].tolist() == [1, 0, 1]
    assert chosen.loc["A0001"].tolist() == [0, 1, 0]
    with pytest.raises(UnknownCodeError, match=r"'xyz' not found.*nor does any record have such a code"):
        store.labels(["xyz"])
    with pytest.raises(ConfigError, match="classes are 'most'; expected 'scored' or 'all'"):
        store.labels("most")
    with pytest.raises(ConfigError, match="expected at least one, and each once"):
        store.labels(["AF", "164889003"])


def test_equivalent_codes_are_one_class(tmp_path: Path) -> None:
    write_record(tmp_path / "in", "A", dx="59118001")
    write_record(tmp_path / "in", "B", pulses_uv(3000, seed=1), dx="713427006")
    store = ecg12.build_store(tmp_path / "in", tmp_path / "s.zarr")
    assert store.labels(["RBBB"])["713427006"].tolist() == [1, 1]
    assert store.labels("all").sum().tolist() == [1, 1]


def test_a_split_is_that_of_a_training(simulated_store: Path, run: Path) -> None:
    store = ecg12.open_store(simulated_store)
    train, valid = store.split(seed=5)
    for rows, file in ((train, "train_ids.txt"), (valid, "valid_ids.txt")):
        assert [store.names[row] for row in rows] == (run / file).read_text().strip().split(",")
    groups = store.records["group"].to_numpy()
    assert not set(groups[train]) & set(groups[valid])


def test_several_stores_are_one(store: ecg12.Store, tmp_path: Path) -> None:
    write_record(tmp_path / "more", "B1", pulses_uv(2500, seed=5))
    other = ecg12.build_store([tmp_path / "more"], tmp_path / "more.zarr")
    both = ecg12.open_store([*store.paths, tmp_path / "more.zarr"])
    assert len(both) == len(store) + len(other)
    np.testing.assert_array_equal(both.record("B1").signal, other[0].signal)
    np.testing.assert_array_equal(both.record("FAR").signal, store.record("FAR").signal)
    assert set(both.paths) == {*store.paths, *other.paths}


def test_a_build_that_is_there_is_opened_and_another_is_refused(store: ecg12.Store, tmp_path: Path) -> None:
    source = Path(store.paths[0]).parent / "in"
    assert ecg12.build_store([source], store.paths[0]).names == store.names
    with pytest.raises(StoreError, match=r"built otherwise.*fs 400"):
        ecg12.build_store(source, store.paths[0], fs=500)
    with pytest.raises(ConfigError, match="codec is 'gzip'; expected lz4"):
        ecg12.build_store(source, tmp_path / "x.zarr", codec="gzip")
    with pytest.raises(ConfigError, match="workers is 0; expected at least 1"):
        ecg12.build_store(source, tmp_path / "x.zarr", workers=0)
    (tmp_path / "nothing").mkdir()
    with pytest.raises(InputError):
        ecg12.build_store(tmp_path / "nothing", tmp_path / "x.zarr")
    with pytest.raises(StoreError, match="no store there"):
        ecg12.open_store(tmp_path / "x.zarr")


def test_options_of_a_build_reach_the_store(tmp_path: Path) -> None:
    write_record(tmp_path / "in", "A", pulses_uv(5000, seed=2))
    table = tmp_path / "patients.csv"
    table.write_text("record,patient_id\nA,7\n", encoding="utf-8")
    store = ecg12.build_store(
        tmp_path / "in", tmp_path / "s.zarr", fs=250, leads=["V5", "II"], codec="zstd", highpass=0.5, patients=table
    )
    assert (store.fs, store.leads, store[0].leads) == (250.0, ("V5", "II"), ("V5", "II"))
    assert store[0].signal.shape == (2, 2500)
    assert store._held.config.highpass == 0.5
    assert store._held.config.codec == "zstd"


def test_a_store_behind_a_url(store: ecg12.Store, in_memory) -> None:
    built = ecg12.build_store(Path(store.paths[0]).parent / "in", str(in_memory / "ecg.zarr"))
    assert built.paths == (str(in_memory / "ecg.zarr"),)
    np.testing.assert_array_equal(built.record("FAR").signal, store.record("FAR").signal)


@pytest.mark.parametrize(
    ("records", "text"),
    [
        ([8], "row 8; expected 0 to 7"),
        ([-1], "row -1; expected 0 to 7"),
        ([True], "1 truth values; expected 8, one for each record"),
        (["A0001", "no"], "no record called 'no'"),
        ("A0001", "records are 'A0001'; expected a list"),
        ([0.5], "expected rows .* or names"),
        ([[1]], "expected one list of rows or names"),
    ],
)
def test_records_that_are_not_there_are_refused(store: ecg12.Store, records, text: str) -> None:
    with pytest.raises(StoreError, match=text):
        store.rows(records)


def test_records_are_chosen_in_the_order_given(store: ecg12.Store) -> None:
    assert store.rows([3, 1]).tolist() == [3, 1]
    assert store.rows(store.names[2:4]).tolist() == [2, 3]
    assert store.rows(store.records["dataset"] == "in").tolist() == store.rows(["FAR", "X"]).tolist() == [5, 6]
    assert store.rows(store.records.query("age > 50").index).tolist() == [0, 1, 2, 3, 4, 6, 7]
    assert store.rows().tolist() == list(range(8))
    assert store.rows([]).tolist() == []


def test_labels_of_a_task(simulated_store: Path) -> None:
    store = ecg12.open_store(simulated_store)
    sex = store.labels(task="sex")
    assert list(sex.columns) == ["female", "male"]
    assert sex["female"].eq(1).tolist() == store.records["sex"].eq("Female").tolist()
    age = store.labels(task="age")["age"]
    known = store.records["age"].le(130).to_numpy()
    assert age.notna().tolist() == known.tolist()
    assert age[known].tolist() == store.records["age"][known].tolist()
    scored = store.labels(task="challenge2020")
    annotated = store.records["annotated"].to_numpy()
    assert scored[annotated].astype("uint8").equals(store.labels()[annotated].rename_axis(columns=None))
    assert scored[~annotated].isna().all(axis=None)


def test_labels_of_a_table_reach_the_store(tmp_path: Path) -> None:
    write_record(tmp_path / "in", "A", pulses_uv(5000, seed=2))
    table = tmp_path / "labels.csv"
    table.write_text("file,findings,hr,fold,length\nA.mat,AFIB,61,3,9\n", encoding="utf-8")
    told = {"record": "file", "codes": ["findings"]}
    store = ecg12.build_store(tmp_path / "in", tmp_path / "s.zarr", labels=table, label_columns=told)
    assert store.records["codes"].tolist() == [("426783006", "AFIB")]
    assert store.records[["fold", "hr", "length"]].iloc[0].tolist() == ["3", 61.0, 4000]
    assert "site" not in store.records
    with pytest.raises(ConfigError, match="label columns 'colour'"):
        ecg12.build_store(tmp_path / "in", tmp_path / "x.zarr", labels=table, label_columns={"colour": "hr"})
