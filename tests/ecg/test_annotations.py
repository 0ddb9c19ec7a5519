"""Comments: every spelling of the keys, what counts as not stated, codes in order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecg.annotations import OLDER_THAN_89, Annotations, parse_annotations
from ecg.header import parse_header
from ecg.snomed import TEXT_LABELS


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


@pytest.mark.parametrize(
    ("value", "age"),
    [("74", 74.0), ("0", 0.0), ("0.5", 0.5), ("74.", 74.0), ("300", OLDER_THAN_89)],
)
def test_age(value, age):
    assert parse_annotations([f"Age: {value}"]).age == age


@pytest.mark.parametrize(
    "value", ["", "NaN", "nan", "-1", "-5.5", "Unknown", "n/a", "inf", "9" * 400, "1_0", "74 years", "forty"]
)
def test_an_unreadable_age_is_not_made_up(value):
    assert parse_annotations([f"Age: {value}"]).age is None


def test_the_first_readable_value_counts():
    annotations = parse_annotations(["Age: NaN", "Age: 30", "Age: 40", "Sex: ?", "Sex: F", "Rx: Unknown", "Rx: x"])
    assert (annotations.age, annotations.sex, annotations.rx) == (30.0, "Female", "x")


@pytest.mark.parametrize(
    ("value", "sex"),
    [
        *((word, "Female") for word in ("Female", "female", "FEMALE", "F", "f")),
        *((word, "Male") for word in ("Male", "male", "M", "m")),
        *((word, None) for word in ("", "Unknown", "NaN", "X", "Mal")),
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
    assert parse_annotations(parse_header(text).comments) == Annotations(age=81.0, sex="Female")


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
