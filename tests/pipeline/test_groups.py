import pytest

from ecg.errors import InputError
from pipeline.groups import duplicates_of, merge_groups, patient_group, read_patients, record_group
from tests.cache.small_store import record_row

FLAT, NORMAL = (4,) * 12, (0,) * 12


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
        ("record;patient_id\nA0001;7\n", "columns record;patient_id; expected record"),
        ("record,patient\nA0001,7\n", "columns record, patient; expected"),
        ("record,patient_id\nA0001,7\nA0001,8\n", "line 3: record A0001 has patient 8, and 7 elsewhere; expected one"),
        ("ecg_id,patient_id\none,7\n", "cannot be read as a table of patients .*'one'"),
        ("ecg_id,patient_id\ninf,7\n", "cannot be read as a table of patients"),
        (b"record,patient_id\nM\xfcller,7\n", "cannot be read as a table of patients .*utf-8"),
        ("record,patient_id\nA0001," + "7" * 200_000, "cannot be read as a table of patients .*field"),
    ],
)
def test_a_table_that_is_none(tmp_path, text, message):
    with pytest.raises(InputError, match=rf"patients\.csv.*{message}"):
        read_patients(table(tmp_path, text))


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


def test_duplicates_are_named_in_order_and_flat_records_never_count():
    names, digests = ["b", "a", "c", "d", "e", "f"], ["1", "1", "2", "0", "0", "2"]
    flags = [NORMAL, NORMAL, (4,) * 11 + (0,), FLAT, FLAT, (4,) * 11 + (0,)]
    assert duplicates_of(names, digests, flags) == (("a", "b"), ("c", "f"))


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
