"""Tables of labels against records: what is found, what is left over, and every mistake by its name."""

from pathlib import Path

import pandas as pd
import pytest

from ecg12.ecg.errors import ConfigError, InputError
from ecg12.pipeline.labels.read_labels import read_labels
from ecg12.pipeline.labels.record_index import RecordKey

RECORDS = [RecordKey("ward", name, Path(f"/d/ward/{name}.hea")) for name in ("A1", "A2", "A3")]
ONE, TWO, THREE = (("ward", f"A{number}") for number in (1, 2, 3))


def read(tmp_path, *texts, told=None, records=RECORDS):
    paths = []
    for number, text in enumerate(texts):
        paths.append(tmp_path / f"t{number}.csv")
        paths[-1].write_text(text)
    return read_labels(paths, told or {}, records)


def test_codes_in_a_column_with_all_else(tmp_path):
    labels = read(
        tmp_path,
        "record,dx,age,sex,patient_id,split,hospital,manufacturer,date,qt,comment\n"
        "A1,426783006;AF,56,F,15709.0,train,St. X,CS,2/13/2020,412,fine\n"
        'A2,"164889003,4.27E+08",>89,x,,val,,,3/4/2020,n/a,odd\n',
    )
    first, second = labels.facts[ONE], labels.facts[TWO]
    assert (first.codes, first.age, first.sex, first.patient) == (("426783006", "AF"), 56, "Female", "15709")
    assert first.stated.to_dict() == {
        "targets": {"qt": 412.0}, "fold": "train", "site": "St. X", "device": "CS", "date": "2020-02-13"
    }  # fmt: skip
    assert (second.codes, second.age, second.sex, second.patient) == (("164889003",), 300, None, None)
    assert second.unread == (("dx", "4.27E+08"), ("sex", "x"))
    assert second.stated.date == "2020-03-04"
    assert labels.without_row == ("ward/A3",)
    assert labels.counts() == {"records": 2, "records_without_row": 1, "rows_without_record": 0}
    (table,) = labels.tables
    assert table.unused == (("comment", "text"),)
    assert table.columns["target"] == ("qt",)


def test_a_column_for_each_label(tmp_path):
    """As CODE-15's exams.csv has them."""
    records = [RecordKey("code15", str(number), Path(f"/d/{number}.hea")) for number in (1169160, 2873686, 168405)]
    text = (
        "exam_id,age,is_male,nn_predicted_age,1dAVb,RBBB,LBBB,SB,ST,AF,patient_id,death,timey,normal_ecg,trace_file\n"
        "1169160,38,True,40.160484,False,False,False,False,False,False,523632,False,2.098628,True,exams_part13.hdf5\n"
        "2873686,73,False,67.05944,False,True,False,False,False,True,1724173,False,6.657529,False,exams_part13.hdf5\n"
        "168405,67,True,79.62174,,,,,,,51421,,4.282188,,exams_part13.hdf5\n"
    )
    labels = read(tmp_path, text, records=records)
    first, second, third = (labels.facts["code15", record.name] for record in records)
    assert (first.codes, first.sex, first.age, first.stated.annotated) == (("normal_ecg",), "Male", 38, True)
    assert (second.codes, second.sex, second.stated.annotated) == (("RBBB", "AF"), "Female", True)
    assert (third.codes, third.stated.annotated) == ((), False)  # nothing is stated of it
    assert first.stated.targets == {"nn_predicted_age": 40.160484, "timey": 2.098628}
    assert first.stated.vocabularies == {}  # AF and RBBB are own names, though others use them too
    (table,) = labels.tables
    assert table.columns["labels"] == ("1dAVb", "RBBB", "LBBB", "SB", "ST", "AF", "death", "normal_ecg")


def test_a_row_of_zeros_says_that_there_is_none(tmp_path):
    labels = read(tmp_path, "name,AFIB,426783006.0\nA1,0,0\nA2,1,1\nA3,,\n")
    assert [labels.facts[key].stated.annotated for key in (ONE, TWO, THREE)] == [True, False, False]
    assert labels.facts[TWO].codes == ("AFIB", "426783006")
    assert labels.facts[TWO].stated.vocabularies == {"AFIB": "scp-ecg"}


@pytest.mark.parametrize(
    ("text", "scp"),
    [
        ("record,labels\nA1,NORM;SR\nA2,AFIB\n", ["AFIB", "NORM", "SR"]),
        ("record,labels\nA1,NORM;SR\nA2,MI\n", []),  # superclasses, one of which is called as a statement is
        ("record,scp_codes\nA1,NORM;SR\nA2,MI\n", ["NORM", "SR"]),
        ("record,labels\nA1,NORM;426783006\n", ["NORM"]),
        ("record,AFIB,NORM\nA1,1,1\n", ["AFIB", "NORM"]),
        ("record,AF,NORM\nA1,1,1\n", []),
    ],
)
def test_codes_are_scp_ecgs_where_all_that_stand_together_are(tmp_path, text, scp):
    labels = read(tmp_path, text)
    found = {code: name for facts in labels.facts.values() for code, name in facts.stated.vocabularies.items()}
    assert found == dict.fromkeys(scp, "scp-ecg")


def test_zero_and_one_are_no_sexes_but_in_ptbxls_own_table(tmp_path):
    labels = read(tmp_path, "record,sex\nA1,1\nA2,male\n")
    assert (labels.facts[ONE].sex, labels.facts[TWO].sex) == (None, "Male")
    assert labels.facts[ONE].unread == (("sex", "1"),)
    records = [RecordKey("ptb-xl", "HR00001", Path("/d/HR00001.hea"))]
    assert read(tmp_path, "ecg_id,scp_codes,sex\n1,{},1\n", records=records).facts["ptb-xl", "HR00001"].sex == "Female"
    told = {"female": ("sex",)}
    assert read(tmp_path, "record,sex\nA1,1\n", told=told).facts[ONE].sex == "Female"


def test_three_hundred_stands_for_older_than_89(tmp_path):
    labels = read(tmp_path, "record,age\nA1,300.0\nA2,90+\nA3,299\n")
    assert [labels.facts[key].age for key in (ONE, TWO, THREE)] == [300, 300, None]
    assert labels.facts[THREE].unread == (("age", "299"),)


def test_the_column_that_finds_the_most_records_names_them(tmp_path):
    labels = read(tmp_path, "study_id,path,AF\n1,p1/A1.dat,1\n2,p1/A2.dat,0\n3,p1/A9.dat,1\n")
    assert labels.tables[0].columns["record"] == ("path",)
    assert labels.tables[0].strangers == ("p1/A9.dat",)
    assert (labels.tables[0].n_rows, labels.tables[0].n_matched) == (3, 2)


def test_a_column_with_the_dataset_tells_two_records_of_one_name_apart(tmp_path):
    records = [*RECORDS, RecordKey("clinic", "A1", Path("/d/clinic/A1.hea"))]
    text = "dataset,record,AF\nward,A1,1\nclinic,A1,0\n"
    assert read(tmp_path, text, records=records).facts[ONE].codes == ("AF",)
    with pytest.raises(InputError, match=r"t0\.csv line 2: record A1 may be ward/A1 or clinic/A1; expected one: write"):
        read(tmp_path, "record,AF\nA1,1\n", records=records)


def test_a_row_counts_for_both_forms_of_a_recording(tmp_path):
    names = ["records500/00000/00001_hr", "records100/00000/00001_lr", "HR00001"]
    records = [RecordKey("d", name.rpartition("/")[2], Path(f"/d/{name}.hea")) for name in names]
    text = (
        "ecg_id,scp_codes,filename_lr,filename_hr\n1,{'SR': 0.0},records100/00000/00001_lr,records500/00000/00001_hr\n"
    )
    labels = read(tmp_path, text, records=records)
    assert [facts.codes for facts in labels.facts.values()] == [("SR",)] * 3
    assert labels.without_row == ()


def test_several_tables_add_up(tmp_path):
    labels = read(
        tmp_path,
        "record,codes,age\nA1,\"{'NORM': 80.0}\",56\nA2,SR,\n",
        "record;fold;dx;qt\nA1;3;426783006;412,5\nA3;4;;398\n",
    )
    assert labels.facts[ONE].codes == ("NORM", "426783006")
    assert labels.facts[ONE].stated.to_dict() == {
        "vocabularies": {"NORM": "scp-ecg"}, "likelihoods": {"NORM": 80.0}, "targets": {"qt": 412.5}, "fold": "3"
    }  # fmt: skip
    assert labels.without_row == ()


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["age,sex\n5,F\n"], r"t0\.csv: no column names the record: age, sex; expected one such as record, filename"),
        (["record,AF\nB1,1\n"], r"names none of the 3 records, in column record: B1; expected names such as ward/A1"),
        (["record,AF\n"], r"names none of the 3 records, in column record: no row"),
        (["record,AF\nA1,1\nA1,0\n"], r"line 3: record ward/A1 has another list of codes than in line 2; expected one"),
        (["record,age\nA1,1\nA2,3\nA1.hea,2\n"], r"line 4: record ward/A1 has another age than in line 2"),
        (["record,fold\nA1,1\nA1,2\n"], r"another fold than in line 2"),
        (["record,qt\nA1,1.5\nA1,2\n"], r"another measurement than in line 2"),
        (["record,codes\nA1,SR:1\nA1,SR:2\n"], r"another likelihood than in line 2"),
        (["record,age\nA1,1\n", "record,age\nA1,2\n"], r"t1\.csv line 2: record ward/A1 has age 2.0, and 1.0 in .*t0"),
        (["record,fold\nA1,1\n", "record,fold\nA1,2\n"], r"has fold 2, and 1 in .*t0\.csv line 2; expected one"),
        (["record,qt\nA1,1.5\n", "record,qt\nA1,0\nA2,2\n"], r"has measurement of qt 0.0, and 1.5"),
        (["record,codes\nA1,SR:1\n", "record,codes\nA1,SR:2\n"], r"has likelihood of SR 2.0, and 1.0"),
        (["record,patient_id\nA1,1\n", "record,patient_id\nA1,2\n"], r"has patient 2, and 1 in"),
        (["record;qt\nA1;1,234\nA2;2,345\n"], r"may be thousands or have a decimal comma.*--label-columns ignore=qt"),
        (["record,age\nA1\n"], r"t0\.csv line 2: 1 cells; expected 2"),
    ],
)
def test_every_mistake_is_told_by_name(tmp_path, texts, message):
    with pytest.raises(InputError, match=message):
        read(tmp_path, *texts)


def test_a_column_of_sentences_is_not_taken_for_codes(tmp_path):
    lines = "".join(f"B{number},finding number {number}\n" for number in range(1000))
    with pytest.raises(InputError, match=r"column diagnosis: 1,001 different codes.*--label-columns ignore=diagnosis"):
        read(tmp_path, f"record,diagnosis\nA1,x\n{lines}")
    told = {"ignore": ("diagnosis",)}
    assert read(tmp_path, f"record,diagnosis,AF\nA1,x,1\n{lines.replace(chr(10), ',' + chr(10))}", told=told)


def test_a_told_column_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="record=nome, but no table has it; expected one of: record, AF"):
        read(tmp_path, "record,AF\nA1,1\n", told={"record": ("nome",)})


def test_equal_rows_of_one_record_are_one(tmp_path):
    assert read(tmp_path, "record,AF\nA1,1\nA1,1\n").facts[ONE].codes == ("AF",)


def test_a_measurement_with_a_slip_keeps_its_numbers(tmp_path):
    values = [*map(str, range(400, 420)), "x"]
    records = [RecordKey("w", f"A{number}", Path(f"/A{number}.hea")) for number in range(21)]
    text = "record,qt\n" + "".join(f"A{number},{value}\n" for number, value in enumerate(values))
    labels = read(tmp_path, text, records=records)
    assert labels.facts["w", "A3"].stated.targets == {"qt": 403.0}
    assert labels.facts["w", "A20"].unread == (("qt", "x"),)


def test_the_digest_tells_what_a_table_says(tmp_path):
    same = read(tmp_path, "record,AF,comment\nA1,1,a\n"), read(tmp_path, "record,comment,AF\nA1,b,True\n")
    assert same[0].digest() == same[1].digest()
    others = ["record,AF\nA1,0\n", "record,AF\nA2,1\n", "record,AF,qt\nA1,1,3\n", "record,AF\nA1,1\nB9,1\n"]
    assert len({read(tmp_path, text).digest() for text in others} | {same[0].digest()}) == 5


def test_what_pandas_reads_of_a_table_is_what_is_taken(tmp_path):
    """Independently: the same table by pandas."""
    frame = pd.DataFrame(
        {
            "file_name": [f"x/A{number}.csv" for number in (1, 2, 3)],
            "AF": [1, 0, None],
            "qrs": [98.5, None, 1e3],
            "Patient": [7, 8, 9],
            "Gender": ["Female", "M", None],
        }
    )
    for write in (
        lambda path: frame.to_csv(path, index=False),
        lambda path: frame.to_csv(path, sep="\t", encoding="utf-16"),
        lambda path: frame.to_csv(path, sep=";", decimal=","),
        lambda path: frame.to_parquet(path),
    ):
        write(tmp_path / "t")
        labels = read_labels([tmp_path / "t"], {}, RECORDS)
        for key, row in zip((ONE, TWO, THREE), frame.itertuples(), strict=True):
            facts = labels.facts[key]
            assert facts.codes == (("AF",) if row.AF == 1 else ())
            assert facts.stated.annotated == (row.AF == 0)
            assert facts.stated.targets == ({} if pd.isna(row.qrs) else {"qrs": row.qrs})
            assert facts.patient == str(row.Patient)
            assert facts.sex == {"Female": "Female", "M": "Male"}.get(row.Gender)


def records_of(*names):
    return [RecordKey("d", name, Path(f"/d/{name}.hea")) for name in names]


def test_chapmans_diagnostics(tmp_path):
    """As Diagnostics.xlsx of the release of 2020 is when it is saved as CSV."""
    text = (
        "FileName,Rhythm,Beat,PatientAge,Gender,VentricularRate,QRSDuration\n"
        "MUSE_1,AFIB,RBBB TWC,85,MALE,117,114\nMUSE_2,SB,TWC,59,FEMALE,52,92\n"
        "MUSE_3,SA,NONE,20,FEMALE,67,82\nMUSE_4,SR,RBBB,30,MALE,70,130\n"
    )
    labels = read(tmp_path, text, records=records_of("MUSE_1", "MUSE_2", "MUSE_3", "MUSE_4"))
    first, *_, third, _ = labels.facts.values()
    assert (first.codes, first.age, first.sex) == (("AFIB", "RBBB", "TWC"), 85, "Male")
    assert third.codes == ("SA",)
    assert first.stated.targets == {"VentricularRate": 117, "QRSDuration": 114}


def test_shandongs_and_zhengzhous_tables(tmp_path):
    """Codes of the AHA with modifiers, ages of children in days."""
    text = (
        "ECG_ID,AHA_Code,Patient_ID,Age,Sex,N,Date\nA1,22;23,S1,55,M,5000,2020-03-04\n"
        "A2,60+310;50,S2,2905d,'Female',5000,2020-07-16\n"
    )
    first, second = read(tmp_path, text).facts.values()
    assert (first.codes, first.age, first.patient) == (("22", "23"), 55, "S1")
    assert (second.codes, second.sex, second.unread) == (("60", "310", "50"), "Female", ())
    assert second.age == pytest.approx(2905 / 365.25)


def test_mimics_measurements(tmp_path):
    text = (
        "subject_id,study_id,cart_id,ecg_time,report_0,rr_interval,p_onset,qrs_axis\n"
        "10000032,40689238,6848296,2180-07-23 08:44:00,Sinus rhythm,659,40,77\n"
        "10000032,44458630,6848296,2180-07-23 09:54:00,Sinus rhythm,722,29999,76\n"
    )
    first, second = read(tmp_path, text, records=records_of("40689238", "44458630")).facts.values()
    assert (first.patient, first.stated.date) == ("10000032", "2180-07-23T08:44:00")
    assert first.stated.targets == {"rr_interval": 659, "p_onset": 40, "qrs_axis": 77}
    assert second.stated.targets == {"rr_interval": 722, "qrs_axis": 76}  # 29999 was not measured


def test_echonexts_metadata(tmp_path):
    text = (
        "ecg_key,patient_key,split,location_setting,sex,age_at_ecg,qt_corrected,shd_moderate_or_greater_flag\n"
        "A1,P1,train,inpatient,Male,64,430,1\nA2,P2,no_split,outpatient,Female,90,,0\n"
    )
    first, second = read(tmp_path, text).facts.values()
    assert (first.codes, first.age, first.sex, first.patient) == (("shd_moderate_or_greater_flag",), 64, "Male", "P1")
    assert (first.stated.fold, first.stated.targets) == ("train", {"qt_corrected": 430})
    assert (second.codes, second.stated.annotated) == ((), True)


@pytest.mark.parametrize("names", [("HR00001", "HR00012"), ("00001_hr", "00012_hr"), ("00001_lr", "00012_lr")])
def test_tables_about_ptbxl_name_its_records_by_their_numbers(tmp_path, names):
    labels = read(tmp_path, "ecg_id,QT_Int_Global\n1,380\n12,410.5\n13,400\n", records=records_of(*names))
    assert [facts.stated.targets["QT_Int_Global"] for facts in labels.facts.values()] == [380, 410.5]
    assert labels.tables[0].strangers == ("13",)


@pytest.mark.parametrize("name", ["SNOMEDCTCode", "finding", "Result Codes"])
def test_numbers_that_are_concepts_are_codes_whatever_their_column_is_called(tmp_path, name):
    labels = read(tmp_path, f'Recording,{name}\nA1,"426783006,164889003"\nA2,164889003\nA3,\n')
    assert labels.facts[ONE].codes == ("426783006", "164889003")
    assert labels.facts[TWO].stated.targets == {}


def test_names_of_columns_in_camel_case_and_a_bare_id(tmp_path):
    labels = read(tmp_path, "id,PatientID,StudyDate,Label\nA1,7,2020-01-02,mi\n")
    assert (labels.facts[ONE].patient, labels.facts[ONE].stated.date) == ("7", "2020-01-02")
    assert labels.facts[ONE].codes == ("mi",)


def test_a_table_without_names_of_columns_is_told_so(tmp_path):
    """As REFERENCE.csv of the Challenge of 2017 is."""
    with pytest.raises(InputError, match=r"first line has record A1 where .* write a line such as record,label above"):
        read(tmp_path, "A1,N\nA2,A\nA3,~\n")
