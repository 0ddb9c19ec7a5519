"""Builds with tables of labels: what the store has of them, and PTB-XL's own table with real and rewritten records."""

import ast
import math
import shutil
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import wfdb

from ecg12.cache.reader import Store
from ecg12.cache.schema import StoreConfig
from ecg12.cache.verify import verify_store
from ecg12.ecg.errors import InputError, StoreError
from ecg12.pipeline.ingest import build_cache as build
from ecg12.pipeline.ingest.build_cache import build_cache
from ecg12.pipeline.ingest.describe_store import describe_record, describe_store
from tests.cache.small_store import contents
from tests.records import pulses_uv, write_record

CONFIG = StoreConfig(chunk_length=4096, fs=500)
TABLE = """record,scp_codes,age,sex,patient_id,fold,qt
A0001,"{'NORM': 80.0, 'SR': 0.0}",61,male,7,1,412
X,"['426783006', 'OWN']",,,7,2,
B,,,,,3,
"""


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    write_record(folder, "A0001", pulses_uv(1000, seed=1), dx="164889003,59118001", age="57", sex="Female")
    write_record(folder, "X", pulses_uv(1100, seed=2), dx="NORM", age=None, sex="M")
    write_record(folder, "Y", pulses_uv(1200, seed=3), dx="", age="50", sex="M")
    (tmp_path / "labels.csv").write_text(TABLE)
    return folder


@pytest.fixture
def table(tmp_path):
    return tmp_path / "labels.csv"


def test_codes_are_united_and_the_table_goes_before_the_header(data, table, tmp_path):
    summary = build_cache([data], tmp_path / "s.zarr", CONFIG, labels=[table])
    store = Store(tmp_path / "s.zarr")
    assert list(store.names) == ["A0001", "X", "Y"]
    assert [store.dx_codes(row) for row in range(3)] == [
        ("164889003", "59118001", "NORM", "SR"), ("426783006", "NORM", "OWN"), ()
    ]  # fmt: skip
    assert store.label_rank()[0].tolist() == [1, 0, 2, 3, 0, 4]
    assert store.optional("label/vocabulary").tolist() == ["snomed-ct"] * 3 + ["scp-ecg", "own", "scp-ecg"]
    assert store.column("record/age").tolist()[0] == 61
    assert math.isnan(store.column("record/age")[1])
    assert store.column("record/sex").tolist() == [1, 1, 1]
    groups = store.column("record/group").tolist()
    assert len(set(groups)) == 3  # ids of patients are a dataset's own
    assert store.optional("record/fold").tolist() == ["1", "2", ""]
    assert store.attributes["label_tables"] == {"records": 2, "records_without_row": 1, "rows_without_record": 1}
    remarks = store.attributes["remarks"]
    assert remarks["label_code"]["such"] == [["OWN", 1, "data/X"]]
    assert remarks["label_age"]["such"] == [["57 → 61", 1, "cpsc/A0001"]]
    assert remarks["label_sex"]["such"] == [["Female → Male", 1, "cpsc/A0001"]]
    assert remarks["label_vocabulary"]["such"] == [["NORM: own", 1, "data/X"]]
    assert summary.labels.without_row == ("data/Y",)
    assert (summary.n_known, summary.tables) == (2, (table,))
    assert verify_store(tmp_path / "s.zarr") == ()


def test_a_store_is_described_with_what_tables_state(data, table, tmp_path):
    build_cache([data], tmp_path / "s.zarr", CONFIG, labels=[table])
    found = describe_store(tmp_path / "s.zarr")
    assert found.vocabularies == {"own": (1, 1), "scp-ecg": (2, 2), "snomed-ct": (3, 2)}
    assert found.stated == {"folds": {"1": 1, "2": 1}}
    (target,) = found.targets
    assert (target.name, target.n_records, target.lowest, target.median) == ("qt", 1, 412, 412)
    facts = describe_record(tmp_path / "s.zarr", "A0001").facts
    assert (facts["fold"], facts["likelihoods"], facts["qt"]) == ("1", "NORM 80 %, SR 0 %", "412")
    assert "qt" not in describe_record(tmp_path / "s.zarr", "Y").facts


def test_the_patients_of_a_table_are_the_groups_of_one_of_patients(data, tmp_path):
    (tmp_path / "labels.csv").write_text("record,patient_id,AF\nX,7.0,1\nY,7,0\n")
    (tmp_path / "patients.csv").write_text("record,patient_id\nX,7\nY,7\n")
    build_cache([data], tmp_path / "a.zarr", CONFIG, labels=[tmp_path / "labels.csv"])
    build_cache([data], tmp_path / "b.zarr", CONFIG, patients=[tmp_path / "patients.csv"])
    first, second = (Store(tmp_path / name).column("record/group").tolist() for name in ("a.zarr", "b.zarr"))
    assert first == second
    assert first[1] == first[2]
    (tmp_path / "patients.csv").write_text("record,patient_id\nX,8\n")
    both = {"labels": [tmp_path / "labels.csv"], "patients": [tmp_path / "patients.csv"]}
    with pytest.raises(InputError, match="record data/X has patient 7, and 8 in a table of patients; expected one"):
        build_cache([data], tmp_path / "c.zarr", CONFIG, **both)
    assert not (tmp_path / "c.zarr").exists()


def test_the_same_table_is_the_same_build_and_another_is_not(data, table, tmp_path):
    path = tmp_path / "s.zarr"
    build_cache([data], path, CONFIG, labels=[table])
    assert build_cache([data], path, CONFIG, labels=[table]).already_complete
    table.write_text(TABLE.replace("80.0", "81.0"))
    for labels in ([table], []):
        with pytest.raises(StoreError, match=r"built from other records, patients or labels .* or --force to replace"):
            build_cache([data], path, CONFIG, labels=labels)
    build_cache([data], path, CONFIG, labels=[table], force=True)
    assert Store(path).optional("label/likelihood")[0].tolist()[3] == 81


def test_an_interrupted_build_goes_on_with_its_table(data, table, tmp_path, monkeypatch):
    whole, path = tmp_path / "whole.zarr", tmp_path / "s.zarr"
    build_cache([data], whole, CONFIG, labels=[table])

    def stop(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(build, "finalise", stop)
        with pytest.raises(KeyboardInterrupt):
            build_cache([data], path, CONFIG, labels=[table])
    with pytest.raises(StoreError, match="holds an unfinished build"):
        build_cache([data], path, CONFIG)
    summary = build_cache([data], path, CONFIG, labels=[table])
    assert summary.n_resumed == 3
    assert contents(path) == contents(whole)


def test_workers_and_a_second_build_give_the_same_bytes(data, table, tmp_path):
    for name, workers in (("a.zarr", 1), ("b.zarr", 2)):
        build_cache([data], tmp_path / name, CONFIG, labels=[table], workers=workers)
    assert contents(tmp_path / "a.zarr") == contents(tmp_path / "b.zarr")


def test_a_build_without_tables_has_nothing_of_them(data, tmp_path):
    build_cache([data], tmp_path / "s.zarr", CONFIG)
    store = Store(tmp_path / "s.zarr")
    assert not {"label_tables", "array_digests"} & store.attributes.keys()
    assert sorted(path.name for path in (tmp_path / "s.zarr").iterdir() if path.is_dir()) == [
        "chunk", "label", "record", "signal"
    ]  # fmt: skip


def test_a_wrong_table_is_refused_before_any_work(data, tmp_path):
    (tmp_path / "labels.csv").write_text("record,AF\nZ,1\n")
    with pytest.raises(InputError, match="names none of the 3 records"):
        build_cache([data], tmp_path / "s.zarr", CONFIG, labels=[tmp_path / "labels.csv"])
    assert not list(tmp_path.glob("s.zarr*"))


def test_labels_of_headers_are_codes_and_a_denied_one_is_an_annotation(data, tmp_path):
    for name, line in (("X", "# Labels: NORM, Old MI"), ("Y", "# Chagas label: False")):
        header = data / f"{name}.hea"
        header.write_text(f"{header.read_text().replace('#Dx: NORM', '')}{line}\n")
    build_cache([data], tmp_path / "s.zarr", CONFIG)
    store = Store(tmp_path / "s.zarr")
    assert [store.dx_codes(row) for row in (1, 2)] == [("NORM", "Old MI"), ()]
    assert store.column("label/annotated").tolist() == [True, True, True]
    assert store.label_rank()[1].tolist() == [0, 0, 1, 2]
    assert "array_digests" not in store.attributes
    assert verify_store(tmp_path / "s.zarr") == ()


# PTB-XL: the same 300 recordings as the Challenge has them and as PTB-XL has, held against pandas.

CHALLENGE = Path("data", "challenge2020", "Training_PTB-XL")
PTBXL = Path("data", "ptbxl", "ptbxl_database.csv")


@pytest.fixture(scope="module")
def statements(shared):
    """PTB-XL's table as its authors' example reads it."""
    frame = pd.read_csv(shared / PTBXL, index_col="ecg_id")
    frame.scp_codes = frame.scp_codes.apply(ast.literal_eval)
    return frame


@pytest.fixture(scope="module")
def challenge(tmp_path_factory, shared):
    path = tmp_path_factory.mktemp("ptbxl") / "challenge.zarr"
    summary = build_cache([shared / CHALLENGE], path, StoreConfig(), labels=[shared / PTBXL])
    return Store(path), summary


def rows_as_stated(store, number_of):
    """Store rows by PTB-XL's number."""
    return {number_of(name): row for row, name in enumerate(store.names)}


def hold_against(store, statements, rows):
    codes, vocabulary = store.column("label/code"), store.optional("label/vocabulary")
    scp = np.flatnonzero(vocabulary == "scp-ecg")
    matrix, likelihood = store.column("label/matrix"), store.optional("label/likelihood")
    names = store.optional("target/name").tolist()
    for number, row in statements.iterrows():
        at = rows[number]
        found = {codes[place]: likelihood[at, place] for place in scp if matrix[at, place]}
        assert found == row.scp_codes
        assert np.array_equal(store.column("record/age")[at], row.age, equal_nan=True)
        assert store.column("record/sex")[at] == 1 - row.sex  # 0 is male there, female here
        assert store.optional("record/fold")[at] == str(row.strat_fold)
        assert store.optional("record/device")[at] == row.device.strip()
        assert store.optional("record/site")[at] == ("" if pd.isna(row.site) else str(int(row.site)))
        assert pd.Timestamp(store.optional("record/date")[at]) == pd.Timestamp(row.recording_date)
        for name in ("height", "weight"):
            value = store.optional("target/value")[at, names.index(name)]
            assert value == row[name] or (pd.isna(value) and pd.isna(row[name]))
        assert ("static_noise" in store.optional("record/quality_note")[at]) == (not pd.isna(row.static_noise))
    groups = store.column("record/group")
    by_patient = statements.groupby("patient_id").groups.values()
    assert all(len({groups[rows[number]] for number in numbers}) == 1 for numbers in by_patient)


@pytest.mark.shared
def test_ptbxls_own_table_gives_the_challenges_records_their_statements(challenge, statements):
    store, summary = challenge
    rows = {number: row for number, row in rows_as_stated(store, lambda name: int(name[2:])).items()}
    hold_against(store, statements, rows)
    assert len(statements) == 300
    assert summary.labels.counts() == {"records": 300, "records_without_row": 6, "rows_without_record": 0}
    assert "label_code" not in store.attributes.get("remarks", {})


@pytest.mark.shared
def test_the_scored_labels_are_those_of_a_store_without_the_table(challenge, shared, tmp_path):
    build_cache([shared / CHALLENGE], tmp_path / "plain.zarr", StoreConfig())
    plain, labelled = Store(tmp_path / "plain.zarr"), challenge[0]
    for path in ("label/scored", "label/scored_code", "record/start", "record/digest", "record/scale"):
        assert np.array_equal(plain.column(path), labelled.column(path))
    kept = np.isin(labelled.column("label/code"), plain.column("label/code"))
    assert labelled.column("label/code")[kept].tolist() == plain.column("label/code").tolist()
    assert np.array_equal(labelled.column("label/matrix")[:, kept], plain.column("label/matrix"))
    assert np.array_equal(labelled.label_rank()[:, kept], plain.label_rank())


@pytest.mark.shared
def test_the_same_recordings_as_ptbxl_has_them_have_the_same_labels(challenge, statements, shared, tmp_path):
    """Rewritten by wfdb: format 16, files by hundreds, no word of diagnoses, age or sex in the headers."""
    for number, row in statements.iterrows():
        record = wfdb.rdrecord(str(shared / CHALLENGE / f"HR{number:05d}"))
        file = tmp_path / "ptb-xl" / row.filename_hr
        file.parent.mkdir(parents=True, exist_ok=True)
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):  # wfdb's own, on writing
            wfdb.wrsamp(
                file.name,
                fs=500,
                units=["mV"] * 12,
                sig_name=record.sig_name,
                p_signal=record.p_signal,
                fmt=["16"] * 12,
                adc_gain=[1000.0] * 12,
                baseline=[0] * 12,
                write_dir=str(file.parent),
            )
    shutil.copy(shared / PTBXL, tmp_path / "ptb-xl")
    build_cache([tmp_path / "ptb-xl"], tmp_path / "s.zarr", StoreConfig(), labels=[tmp_path / "ptb-xl" / PTBXL.name])
    store = Store(tmp_path / "s.zarr")
    assert store.n_records == 300
    rows = rows_as_stated(store, lambda name: int(name.removesuffix("_hr")))
    hold_against(store, statements, rows)
    before = challenge[0]
    row_before = rows_as_stated(before, lambda name: int(name[2:]))
    for number, row in rows.items():
        codes = set(before.dx_codes(row_before[number])) & set(store.column("label/code"))
        assert set(store.dx_codes(row)) == codes
        assert store.column("record/digest")[row] == before.column("record/digest")[row_before[number]]
