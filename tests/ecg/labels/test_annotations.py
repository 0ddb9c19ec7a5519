"""Comments: every spelling of the keys, what counts as not stated, codes in order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecg12.ecg.headers.header import parse_header
from ecg12.ecg.labels.annotations import (
    MENDED,
    NO_CODE,
    OLDER_THAN_89,
    UNREAD_AGE,
    UNREAD_SEX,
    Annotations,
    Remark,
    parse_annotations,
)
from ecg12.ecg.labels.snomed import TEXT_LABELS


def dx_codes(value: str) -> tuple[str, ...]:
    return parse_annotations([f"Dx: {value}"]).dx_codes


def test_the_comments_of_a_challenge_header():
    comments = [
        "Age: 74",
        "Sex: Male",
        "Dx: 59118001,426783006",
        "Rx: aspirin",
        "Hx: Unknown",
        "Sx: dizzy: yes",
    ]
    assert parse_annotations(comments) == Annotations(
        dx_codes=("59118001", "426783006"), age=74.0, sex="Male", rx="aspirin", hx=None, sx="dizzy: yes"
    )


def test_nothing_stated_is_nothing_known():
    assert parse_annotations([]) == Annotations()
    assert parse_annotations(["", "free text", "Height: 150", ": 5"]) == Annotations()


@pytest.mark.parametrize("text", ["#Dx: 1,2", "# Dx: 1,2", "#dx:1,2", "#  DX :  1 , 2 ", "## Dx: 1,2"])
def test_keys_are_found_however_they_are_written(text):
    assert parse_annotations(parse_header(f"{text}\nr 1\nr.dat 16").comments).dx_codes == ("1", "2")


@pytest.mark.parametrize("value", ["", " ", "Unknown", "unknown", "NaN", "n/a", ",", "Unknown,"])
def test_no_diagnosis_is_no_code(value):
    assert dx_codes(value) == ()


def test_codes_are_strings_in_order_without_repeats():
    assert dx_codes("251146004,67741000119109,251146004,0012") == ("67741000119109", "251146004", "0012")


def test_several_dx_lines_add_up():
    assert parse_annotations(["Dx: 1,2", "Dx: 2,3"]).dx_codes == ("1", "2", "3")


@pytest.mark.parametrize("value", ["1,2", "1;2", "1, 2", "1 2", "1,,2"])
def test_separators(value):
    assert dx_codes(value) == ("1", "2")


@pytest.mark.parametrize("label", ["AF", "I-AVB", "LBBB", "Normal", "PAC", "PVC", "RBBB", "STD", "STE"])
def test_text_labels_of_the_first_issue_become_codes(label):
    assert dx_codes(label) == (TEXT_LABELS[label],)
    assert dx_codes(f"{label},{TEXT_LABELS[label]}") == (TEXT_LABELS[label],)


def test_a_hospitals_own_codes_are_kept_as_stated():
    assert dx_codes("I48.0,ward-X,af") == ("I48.0", "ward-X", "af")


def test_phrases_are_handed_over_as_text():
    annotations = parse_annotations(["Dx: Sinus rhythm, 426783006, Sinus rhythm, LAD 30"])
    assert annotations.dx_codes == ("426783006",)
    assert annotations.dx_text == ("Sinus rhythm", "LAD 30")


# Header comments in the forms of other databases, with their line ends, as PhysioNet publishes them.
OTHER_DATABASES = {
    "INCART": (
        "#<age>: 65 <sex>: F <diagnoses> Coronary artery disease, arterial hypertension\n# patient 1\n# PVCs, noise\n",
        (65.0, "Female"),
        ("Coronary artery disease", "arterial hypertension", "PVCs", "noise"),
    ),
    "INCART, no diagnoses": (
        "#<age>: 51 <sex>: F \n# patient 4\n# ventricular bigeminy, ventricular couplets\n",
        (51.0, "Female"),
        ("ventricular bigeminy", "ventricular couplets"),
    ),
    "LUDB": (
        "#<age>: 51\n#<sex>: F\n#<diagnoses>:\n#Rhythm: Sinus bradycardia.\n#Electric axis of the heart: normal.\n"
        "#Left ventricular hypertrophy.\n",
        (51.0, "Female"),
        ("Rhythm: Sinus bradycardia", "Electric axis of the heart: normal", "Left ventricular hypertrophy"),
    ),
    "LUDB, record 34": ("#<age>: >89\n#<sex>: F\n#<diagnoses>:\n", (OLDER_THAN_89, "Female"), ()),
    "PTB": (
        "# age: 46\r\n# sex: male\r\n# ECG date: 01/10/1990\r\n# Diagnose:\r\n"
        "# Reason for admission: Healthy control\r\n"
        "# Acute infarction (localization): no\r\n# Former infarction (localization): n/a\r\n"
        "# Additional diagnoses: unknown\r\n# Smoker: no\r\n",
        (46.0, "Male"),
        ("Healthy control",),
    ),
    "European ST-T": (
        "#Age: 62  Sex: M\n#Mixed angina\n#1-vessel disease (RCA)\n#Medications: nitrates, diltiazem\n"
        "#Recorder type: ICR 7200\n",
        (62.0, "Male"),
        ("Mixed angina", "1-vessel disease (RCA)"),
    ),
    "European ST-T, unknown patient": ("#Age: -  Sex: -\n#Effort angina\n", (None, None), ("Effort angina",)),
    "Long-Term ST": (
        "#Age: No data  Sex: No data\n#Comments: \n#  This record shows shifts.\n#Diagnoses: \n"
        "#  Coronary artery disease\n#Treatment:\n#  Medications: None\n#  Balloon Angioplasty: No\n",
        (None, None),
        ("Coronary artery disease",),
    ),
    "MIT-BIH": ("# 69 M 1085 1629 x1\n# Aldomet, Inderal\n", (69.0, "Male"), ()),
    "MIT-BIH normal sinus rhythm": ("# 32 M\n", (32.0, "Male"), ()),
    "BIDMC heart failure": ("#Age: 71  Sex: M  NYHA class: III-IV\n", (71.0, "Male"), ()),
    "STAFF III": ("# Age: 52\n# Sex: F\n", (52.0, "Female"), ()),
    "WCT": (
        "#Age: 46\n#Sex: M\n#Diagnosis report: Non ST segment elevation myocardial infarction (NSTEMI)\n",
        (46.0, "Male"),
        ("Non ST segment elevation myocardial infarction (NSTEMI)",),
    ),
}


@pytest.mark.parametrize("database", OTHER_DATABASES)
def test_headers_of_other_databases(database):
    comments, patient, texts = OTHER_DATABASES[database]
    annotations = parse_annotations(parse_header(f"r 1 500 5000\nr.dat 16 1000/mV 16 0 0 0 0 I\n{comments}").comments)
    assert (annotations.age, annotations.sex) == patient
    assert annotations.dx_text == texts
    assert annotations.dx_codes == ()


@pytest.mark.parametrize(
    "dx", ["#Dx: 164889003,59118001", "# Dx: 164889003,59118001", "#Diagnosis: 164889003, 59118001"]
)
def test_the_form_of_chapman_and_ningbo(dx):
    text = f"JS00001 1 500 5000\nr.dat 16 1000/mV 16 0 0 0 0 I\n#Age: 85\n#Sex: Male\n{dx}\n#Rx: Unknown\n"
    assert parse_annotations(parse_header(text).comments) == Annotations(
        dx_codes=("164889003", "59118001"), age=85.0, sex="Male"
    )


@pytest.mark.parametrize(
    ("lines", "codes"),
    [
        (["Labels: NORM, Old MI"], ("NORM", "Old MI")),
        (["Labels: AFIB/AFL,STTC"], ("AFIB/AFL", "STTC")),
        (["Labels:"], ()),
        (["Labels: "], ()),
        (["Labels: PVC", "Dx: 426783006"], ("426783006", "PVC")),  # the name stands; PVC in a Dx line is CPSC's
        (["Labels: 426783006.0, 164889003"], ("426783006", "164889003")),
        (["labels: CD", "Labels: CD, HYP"], ("CD", "HYP")),
        (["Labels: 1AVB"], ("1AVB",)),
        (["Chagas label: True"], ("Chagas",)),
        (["Chagas label: False"], ()),
    ],
)
def test_labels_as_the_later_challenges_state_them(lines, codes):
    """As helper_code.py of 2024 (`save_labels`) and prepare_code15_data.py of 2025 write them."""
    header = "r 1 500 5000\nr.dat 16 1000/mV 16 0 0 0 0 I\n" + "".join(f"# {line}\n" for line in lines)
    annotations = parse_annotations(parse_header(header).comments)
    assert annotations.dx_codes == codes
    assert annotations.states_none == any("False" in line for line in lines)
    assert annotations.dx_text == ()


def test_what_is_no_label_is_handed_over():
    annotations = parse_annotations([f"Labels: 4.27E+08, {'x' * 81}, NORM", "Chagas label: perhaps", "Lead label: 1"])
    assert annotations.dx_codes == ("NORM",)
    assert annotations.dx_text == ("4.27E+08", "x" * 81)


def test_a_header_of_the_challenge_of_2025_is_read_whole():
    lines = [
        "Exam ID: 1169160",
        "Patient ID: 523632",
        "Age: 38",
        "Sex: Male",
        "Chagas label: False",
        "Source: CODE-15%",
    ]
    assert parse_annotations(lines) == Annotations(age=38.0, sex="Male", states_none=True)


@pytest.mark.parametrize(
    ("value", "age"),
    [("74", 74.0), ("0", 0.0), ("0.5", 0.5), ("74.", 74.0), ("300", OLDER_THAN_89)],
)
def test_age(value, age):
    assert parse_annotations([f"Age: {value}"]).age == age


@pytest.mark.parametrize(
    "value",
    [
        "",
        "NaN",
        "nan",
        "-1",
        "-5.5",
        "Unknown",
        "n/a",
        "inf",
        "9" * 400,
        "1_0",
        "forty",
        "1975",
        "999",
        "60M",
        "89+",
        ">80",
        "74 apples",
    ],
)
def test_an_unreadable_age_is_not_made_up(value):
    assert parse_annotations([f"Age: {value}"]).age is None


@pytest.mark.parametrize(
    ("value", "age"),
    [
        *(
            (value, 60.0)
            for value in ("60Y", "060Y", "60 y", "60 years", "60 Years old", "60yrs.", "60 yo", "'60'", "６０")
        ),
        ("60,5", 60.5),
        ("60.5 years", 60.5),
        ("018M", 1.5),  # DICOM's form; "18M" might be a boy
        ("18 months", 1.5),
        ("26 weeks", 26 * 7 / 365.25),
        ("003D", 3 / 365.25),
        *((value, OLDER_THAN_89) for value in (">89", "> 89", ">90", ">=90", "≥ 90", "90+", "90+ years", "over 89")),
    ],
)
def test_ages_in_other_writing(value, age):
    assert parse_annotations([f"Age: {value}"]).age == pytest.approx(age)
    assert parse_annotations([f"Age: {value}"]).remarks == ()


@pytest.mark.parametrize(
    "comments",
    [
        ["age=61", "sex=F"],
        ["age=61; sex=F"],
        ["Age(years): 61", "Sex (M/F): F"],
        ["Age [yr] = 61", "Gender = female"],
        ["<age> 61", "<sex> F"],
        ["<age> 61 <sex> F"],
        ["Patient's age: 61", "patient sex = w"],
    ],
)
def test_age_and_sex_behind_other_keys_and_signs(comments):
    annotations = parse_annotations(comments)
    assert (annotations.age, annotations.sex, annotations.remarks) == (61.0, "Female", ())


def test_months_are_no_years():
    assert parse_annotations(["Age (months): 6"]).age is None


def test_what_is_not_understood_is_remarked():
    assert parse_annotations(["Age: forty", "Sex: 1", "Dx: 4.27E+08,426783006.0"]).remarks == (
        Remark(NO_CODE, "4.27E+08"),
        Remark(MENDED, "4.27E+08,426783006.0"),
        Remark(UNREAD_AGE, "forty"),
        Remark(UNREAD_SEX, "1"),
    )
    assert parse_annotations(["Age: forty", "Age: 40", "Sex: 1", "Sex: F", "Dx: 426783006"]).remarks == ()
    assert parse_annotations(["Age: -1", "Sex: ?", "Dx: n/a", "Age: No data"]).remarks == ()
    many = parse_annotations([f"Dx: {', '.join(f'phrase {number}' for number in range(50))}"])
    assert (len(many.dx_text), len(many.remarks)) == (50, 20)
    assert parse_annotations([f"Dx: {'word ' * 100}"]).remarks == (Remark(NO_CODE, ("word " * 16)),)


def test_the_first_readable_value_counts():
    annotations = parse_annotations(["Age: NaN", "Age: 30", "Age: 40", "Sex: ?", "Sex: F", "Rx: Unknown", "Rx: x"])
    assert (annotations.age, annotations.sex, annotations.rx) == (30.0, "Female", "x")


@pytest.mark.parametrize(
    ("value", "sex"),
    [
        *((word, "Female") for word in ("Female", "female", "FEMALE", "F", "f")),
        *((word, "Male") for word in ("Male", "male", "M", "m")),
        *((word, "Female") for word in ("weiblich", "W", "Female.", '"F"', "女")),
        *((word, "Male") for word in ("männlich", "masculino", "M ", "男")),
        # 0 and 1 stand for either in one file or another, and H for a Spanish man or a Hungarian's heart rate
        *((word, None) for word in ("", "Unknown", "NaN", "X", "Mal", "0", "1", "2", "H", "F/M")),
    ],
)
def test_sex(value, sex):
    assert parse_annotations([f"Sex: {value}"]).sex == sex


@pytest.mark.parametrize("value", ["Unknown", "Unknows", "", "n/a", "NaN"])
def test_unknown_history_is_none(value):
    annotations = parse_annotations([f"Rx: {value}", f"Hx: {value}", f"Sx: {value}"])
    assert (annotations.rx, annotations.hx, annotations.sx) == (None, None, None)


@given(st.lists(st.text() | st.builds("{}:{}".format, st.sampled_from(["Age", "Sex", "Dx", "Rx"]), st.text())))
def test_any_comments_can_be_read(comments):
    annotations = parse_annotations(comments)
    assert len(set(annotations.dx_codes)) == len(annotations.dx_codes)
    assert all(code.split() == [code] for code in annotations.dx_codes)
    assert annotations.age is None or annotations.age >= 0


@pytest.mark.shared
def test_the_original_ptb_header(shared):
    text = (shared / "data/originals/ptb/s0010_re.hea").read_bytes().decode("ascii")
    texts = ("Myocardial infarction", "Acute infarction (localization): infero-latera", "Diabetes mellitus")
    assert parse_annotations(parse_header(text).comments) == Annotations(
        age=81.0, sex="Female", dx_text=texts, remarks=tuple(Remark(NO_CODE, text) for text in texts)
    )


@pytest.mark.shared
def test_every_challenge_record_has_codes_except_five_of_ptb_xl(shared):
    without = []
    for path in sorted((shared / "data/challenge2020").glob("*/*.hea")):
        annotations = parse_annotations(parse_header(path.read_bytes().decode("ascii")).comments)
        assert all(code.isdecimal() for code in annotations.dx_codes)
        assert annotations.dx_text == ()
        assert annotations.sex in ("Female", "Male")
        if not annotations.dx_codes:
            without.append(path.parent.name)
    assert without == ["Training_PTB-XL"] * 5


@pytest.mark.shared
def test_the_first_issue_of_cpsc_states_its_labels_as_text(shared):
    folder = shared / "data/headers/cpsc_physionetchallenges_march2020"
    headers = [parse_header(path.read_bytes().decode("ascii")) for path in sorted(folder.glob("*.hea"))]
    assert [parse_annotations(header.comments).dx_codes for header in headers] == [
        (TEXT_LABELS["RBBB"],),
        (TEXT_LABELS["Normal"],),
    ]
