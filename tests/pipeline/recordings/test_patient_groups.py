import os

import pytest

from ecg12.cache.reader import Store
from ecg12.cache.schema import StoreConfig
from ecg12.ecg.errors import InputError, StoreError
from ecg12.pipeline.ingest.build_cache import build_cache
from ecg12.pipeline.recordings.patient_groups import (
    find_tables,
    merge_groups,
    merged_patients,
    patient_group,
    read_patients,
    record_group,
)
from tests.cache.small_store import record_row
from tests.records import pulses_uv, write_record

FLAT = (4,) * 12


def table(tmp_path, text, name="patients.csv"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_a_plain_table(tmp_path):
    path = table(tmp_path, "patient_id,record,more\n 7 ,A0001,x\n8,A0002,y\n,A0003,\n9,,\n7,A0001,again\n")
    assert read_patients(path) == {"A0001": "7", "A0002": "8"}


def test_ptb_xls_own_table(tmp_path):
    path = table(tmp_path, "\ufeffecg_id,patient_id,age\n1,15709.0,56\n21837,13243,70\n")
    assert read_patients(path) == {"HR00001": "15709", "HR21837": "13243"}


def test_ptb_xls_own_release_names_its_recordings_otherwise(tmp_path):
    text = "ecg_id,patient_id,filename_lr,filename_hr\n"
    text += "1,15709.0,records100/00000/00001_lr,records500/00000/00001_hr\n2,7,,\n"
    assert read_patients(table(tmp_path, text)) == {
        "HR00001": "15709",
        "00001_lr": "15709",
        "00001_hr": "15709",
        "HR00002": "7",
    }


def test_several_tables_are_one(tmp_path):
    first = table(tmp_path, "record,patient_id\nA0001,7\nA0002,8\n", "first.csv")
    second = table(tmp_path, "record,patient_id\nA0002,8\nA0003,9\n", "second.csv")
    assert read_patients(first, second) == {"A0001": "7", "A0002": "8", "A0003": "9"}
    assert read_patients() == {}
    table(tmp_path, "record,patient_id\nA0002,9\n", "second.csv")
    with pytest.raises(
        InputError, match=r"second\.csv line 2: record A0002 has patient 9, and 8 elsewhere; expected one"
    ):
        read_patients(first, second)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "columns none; expected record"),
        ("name,patient_id\nA0001,7\n", r"columns name, patient_id; expected record \(or ecg_id\) and patient_id"),
        ("record|patient_id\nA0001|7\n", r"columns record\|patient_id; expected record"),
        ("record,patient\nA0001,7\n", "columns record, patient; expected"),
        ("record,patient_id\nA0001,7\nA0001,8\n", "line 3: record A0001 has patient 8, and 7 elsewhere; expected one"),
        ("ecg_id,patient_id\none,7\n", "cannot be read as a table of patients .*'one'"),
        ("ecg_id,patient_id\ninf,7\n", "cannot be read as a table of patients"),
        ("record,patient_id\nA0001," + "7" * 200_000, "cannot be read as a table of patients .*field"),
    ],
)
def test_a_table_that_is_none(tmp_path, text, message):
    with pytest.raises(InputError, match=rf"patients\.csv.*{message}"):
        read_patients(table(tmp_path, text))


@pytest.mark.parametrize(
    "form",
    [
        lambda text: ("\ufeff" + text).encode("utf-8"),
        lambda text: text.replace("\n", "\r\n").encode("cp1252"),
        lambda text: text.replace(",", ";").encode("cp1252"),
        lambda text: ("\ufeff" + text.replace(",", "\t")).encode("utf-16-le"),
        lambda text: text.encode("utf-16-le"),
        lambda text: text.replace("record,patient_id", "Record, Patient_ID ").encode(),
    ],
    ids=["UTF-8 with a mark", "CSV", "CSV with semicolons", "Unicode text", "UTF-16 without a mark", "names by hand"],
)
def test_a_table_as_spreadsheets_save_it(tmp_path, form):
    text = "record,patient_id\nA0001,M\xfcller\nA0002,8\n"
    assert read_patients(table(tmp_path, form(text))) == {"A0001": "M\xfcller", "A0002": "8"}


@pytest.mark.parametrize("cell", ["", " ", "nan", "NaN", "NA", "n/a", "#N/A", "null", "None"])
def test_whoever_is_not_known_is_nobody(tmp_path, cell):
    path = table(tmp_path, f"record,patient_id\nA0001,{cell}\nA0002,{cell}\nA0003,7\nA0004\n")
    assert read_patients(path) == {"A0003": "7"}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs FIFOs")
def test_a_fifo_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "fifo.csv")
    with pytest.raises(InputError, match="a FIFO; expected a regular file"):
        read_patients(tmp_path / "fifo.csv")


def test_a_table_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match=r"none\.csv: cannot be read as a table of patients \(.*No such file"):
        read_patients(tmp_path / "none.csv")


@pytest.mark.shared
def test_the_real_table(shared):
    patients = read_patients(shared / "data" / "challenge2020" / "ptbxl_patients.csv")
    assert len(patients) == 306
    assert patients["HR00001"] == "15709"


def test_groups_are_hashes_that_tell_nothing():
    ids = [
        patient_group("ptb-xl", "7"),
        patient_group("ptb", "7"),
        record_group("ptb-xl", "7"),
        record_group("p", "tb7"),
    ]
    assert len(set(ids)) == 4
    assert all(len(group) == 16 and int(group, 16) >= 0 for group in ids)
    # printf 'patient\0ptb-xl\0007' | sha256sum
    assert ids[0] == "0359199f8fc272d7"


def groups_after(*rows):
    return [row.group for row in merge_groups([record_row(name, **changes) for name, changes in rows])]


def test_exact_duplicates_become_one_group():
    assert groups_after(
        ("A1", {"digest": "1", "group": "x"}),
        ("B1", {"digest": "2", "group": "y"}),
        ("B2", {"digest": "1", "group": "c"}),
    ) == ["c", "y", "c"]


def test_a_duplicate_takes_its_whole_patient_along():
    assert groups_after(
        ("A1", {"digest": "1", "group": "p"}),
        ("A2", {"digest": "2", "group": "p"}),
        ("A3", {"digest": "2", "group": "q"}),
        ("A4", {"digest": "3", "group": "q"}),
        ("A5", {"digest": "3", "group": "a"}),
        ("A6", {"digest": "4", "group": "z"}),
    ) == ["a", "a", "a", "a", "a", "z"]


def test_the_merge_does_not_depend_on_the_order_of_rows():
    rows = [(f"A{number}", {"digest": str(number // 2), "group": "pqrstu"[number % 4]}) for number in range(8)]
    forward = dict(zip([name for name, _ in rows], groups_after(*rows), strict=True))
    backward = dict(zip([name for name, _ in rows[::-1]], groups_after(*rows[::-1]), strict=True))
    assert forward == backward


def test_flat_records_stay_apart():
    flat = {"digest": "0", "lead_flags": FLAT}
    assert groups_after(("A1", flat | {"group": "x"}), ("A2", flat | {"group": "y"})) == ["x", "y"]


def test_two_datasets_may_share_a_name():
    rows = [record_row("A1", dataset=dataset, digest="1", group=dataset) for dataset in ("b", "a")]
    assert [row.group for row in merge_groups(rows)] == ["a", "a"]


def test_only_a_patients_merger_is_written_down():
    """A record's own group cannot occur in another store."""
    rows = [
        record_row("A1", digest="1", group=record_group("cpsc", "A1")),
        record_row("A2", digest="1", group="0"),
        record_row("A3", digest="2", group="p"),
        record_row("A4", digest="2", group="q"),
        record_row("A5", digest="3", group="z"),
    ]
    assert merged_patients(rows) == {"q": "p"}
    assert merged_patients(rows[4:]) == {}


def test_the_published_table_is_found_in_the_root_of_an_input(tmp_path):
    (tmp_path / "a" / "below").mkdir(parents=True)
    (tmp_path / "b").mkdir()
    assert find_tables([tmp_path / "a", tmp_path / "b", tmp_path / "none"]) == ()
    for folder in ("a", "a/below"):
        (tmp_path / folder / "ptbxl_database.csv").write_text("ecg_id,patient_id\n1,7\n")
    assert find_tables([tmp_path / "b", tmp_path / "a"]) == (tmp_path / "a" / "ptbxl_database.csv",)


@pytest.fixture
def data(tmp_path):
    """Three recordings of two patients of PTB-XL and one of CPSC; the table beside them, as `download` lays it."""
    for name, seed in (("HR00001", 1), ("HR00002", 2), ("HR00003", 3)):
        write_record(tmp_path / "data" / "training" / "ptb-xl" / "g1", name, pulses_uv(1000, seed=seed))
    write_record(tmp_path / "data" / "training" / "cpsc_2018" / "g1", "A0001", pulses_uv(1000, seed=4))
    (tmp_path / "data" / "ptbxl_database.csv").write_text("ecg_id,patient_id\n1,7.0\n2,7.0\n3,8.0\n")
    return tmp_path / "data"


def test_a_build_uses_the_table_that_lies_beside_the_data(data, tmp_path):
    summary = build_cache([data], tmp_path / "s.zarr", StoreConfig())
    assert summary.tables == (data / "ptbxl_database.csv",)
    assert (summary.n_known, summary.n_untold) == (3, 0)
    groups = Store(tmp_path / "s.zarr").column("record/group")
    assert list(groups) == [
        record_group("cpsc", "A0001"), *[patient_group("ptb-xl", patient) for patient in ("7", "7", "8")]
    ]  # fmt: skip
    again = build_cache([data], tmp_path / "s.zarr", StoreConfig())
    assert (again.already_complete, again.tables, again.n_known) == (True, summary.tables, 3)


def test_a_build_without_the_table_says_whose_patient_it_does_not_know(data, tmp_path):
    summary = build_cache([data], tmp_path / "s.zarr", StoreConfig(), find_patients=False)
    assert (summary.tables, summary.n_known, summary.n_untold) == ((), 0, 3)
    assert len(set(Store(tmp_path / "s.zarr").column("record/group"))) == 4
    with pytest.raises(StoreError, match="built from other records, patients or labels"):
        build_cache([data], tmp_path / "s.zarr", StoreConfig())


def test_a_table_found_and_one_named_are_used_together(data, tmp_path):
    named = table(tmp_path, "record,patient_id\nA0001,1\n")
    summary = build_cache([data], tmp_path / "s.zarr", StoreConfig(), patients=[named])
    assert summary.tables == (named, data / "ptbxl_database.csv")
    assert summary.n_known == 4
    table(tmp_path, "record,patient_id\nHR00001,1\n")
    with pytest.raises(InputError, match=r"ptbxl_database\.csv line 2: record HR00001 has patient 7, and 1 elsewhere"):
        build_cache([data], tmp_path / "t.zarr", StoreConfig(), patients=[named])


def test_a_table_found_that_names_none_of_the_records_is_no_error(data, tmp_path):
    """Whoever names a table means it; one that lies there may be about other records."""
    folder = data / "training" / "cpsc_2018"
    (data / "ptbxl_database.csv").rename(folder / "ptbxl_database.csv")
    summary = build_cache([folder], tmp_path / "s.zarr", StoreConfig())
    assert (len(summary.tables), summary.n_known, summary.n_untold) == (1, 0, 0)
    named = table(tmp_path, "record,patient_id\nB,1\n")
    with pytest.raises(InputError, match="names none of the 1 records"):
        build_cache([folder], tmp_path / "t.zarr", StoreConfig(), patients=[named])
