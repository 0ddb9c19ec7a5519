"""Dx values as spreadsheets, programs and code systems write them: mended where that is proven, else text."""

import csv
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecg12.ecg.labels.dx_values import NOT_STATED, proven_codes, read_dx
from ecg12.ecg.labels.snomed import CLASSES, is_concept_id

NSR, AF, BIGEMINY, LONG, ZEROS = "426783006", "164889003", "11157007", "67741000119109", "13640000"


def codes_of(value: str) -> tuple[str, ...]:
    return read_dx([value])[0]


def quoted_csv(*cells: str) -> str:
    """A row of a CSV file, every cell between quotes."""
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="").writerow(cells)
    return text.getvalue()


AS_PROGRAMS_WRITE_THEM = [
    str([NSR, AF]),
    str([int(NSR), int(AF)]),
    str([float(NSR), float(AF)]),
    str((NSR, AF)),
    str(np.array([NSR, AF])),
    str(np.array([int(NSR), int(AF)])),
    repr(np.array([NSR, AF], object)),
    str([np.str_(NSR), np.int64(AF)]),
    str([np.float64(NSR), np.float64(AF)]),
    str([NSR.encode(), AF.encode()]),
    quoted_csv(NSR, AF),
    "|".join((NSR, AF)),
    "\t".join((NSR, AF)),
    "/".join((NSR, AF)),
    " + ".join((NSR, AF)),
    f"{NSR};{AF};",
    f"{NSR},{AF},",
    f"{NSR}\u00a0,\u202f{AF}\ufeff",
    f"SNOMED:{NSR}, SNOMED CT {AF}",
    f"http://snomed.info/sct|{NSR},http://snomed.info/id/{AF}",
    f"{NSR} |Sinus rhythm|, {AF} |Atrial fibrillation, paroxysmal (disorder)|",
    f"{NSR} sinus rhythm; Atrial fibrillation (disorder) ({AF})",
    f"{NSR}: NSR, {AF} - AF",
    f"{float(NSR):.8E},{float(AF):.8e}",
    f"{float(NSR)},{float(AF):.2f}",
    f'="{NSR}",="{AF}"',
    f"'{NSR},'{AF}",
    f"{NSR}.,{AF}.",
    f"0{NSR},00{AF}",
    "426.783.006;164.889.003",
    "426783006,0;164889003,00",
    "4,26783006E+08;1,64889003E+08",
    "４２６７８３００６，１６４８８９００３",
    "426783006、164889003",
]


@pytest.mark.parametrize("value", AS_PROGRAMS_WRITE_THEM)
def test_codes_in_other_writing_are_the_codes(value):
    codes, texts, _ = read_dx([value])
    assert codes == (NSR, AF)
    assert texts == ()


@pytest.mark.parametrize("value", ["426.783.006", "426,783,006", "426 783 006", "426'783'006", "426\u00a0783\u00a0006"])
def test_digits_in_groups(value):
    assert codes_of(value) == (NSR,)
    assert codes_of(value[:-1] + "7") != (NSR,)  # the check digit no longer says so


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (f"{float(LONG)}", LONG),
        (f"{float(LONG):.13E}", LONG),
        (f"{float(ZEROS):.3E}", ZEROS),  # the code's own zeros, as R writes them: 1.364e+07
        ("42678300.6E+1", NSR),
        (f"{float(NSR):.8E}".replace("E+", "E+0"), NSR),  # three digits of exponent, as some C libraries write it
    ],
)
def test_a_number_with_all_its_digits_is_exact(value, code):
    assert codes_of(value) == (code,)


@pytest.mark.parametrize(
    "value",
    [
        f"{float(NSR):.2E}",  # a narrow spreadsheet column: 4.27E+08
        f"{float(NSR):g}",  # %g: 4.26783e+08
        f"{float(NSR):.5E}".replace(".", ","),
        "6.77410001191E+13",
        "4.26783007E+08",
        "426783007.0",
        "426783006.5",
        "1E+999999999",
        f"-{NSR}",
        f"{NSR}?",
        f"~{NSR}",
        f"no {NSR}",
        f"x{NSR}",
        f"no sinus rhythm {NSR}",
        str({NSR: 100.0}),  # likelihoods, as in PTB-XL's table
        "x" * 50,
        "a=b",
        "<b>",
        "AF\x07",
    ],
)
def test_what_cannot_be_proven_is_text(value):
    codes, texts, mended = read_dx([value])
    assert codes == mended == ()
    assert len(texts) == 1


@pytest.mark.parametrize("code", ["AFIB", "I48.0", "427.31", "427.0", "8E43", "1AVB", "ward-X", "12", "0012", "20000"])
def test_codes_of_a_hospitals_own_are_as_they_were(code):
    assert read_dx([code]) == ((code,), (), ())


@pytest.mark.parametrize("value", [*sorted(NOT_STATED), "[]", "['']", "nan, ,", "[nan]"])
def test_nothing_stated(value):
    assert read_dx([value]) == ((), (), ())


def test_mended_lines_are_told_as_they_stand():
    lines = [f"{NSR},{AF}", f"{NSR}.0,{AF}", "AF", f"{NSR} {AF}", f"{NSR};"]
    assert read_dx(lines)[2] == (f"{NSR}.0,{AF}",)
    assert read_dx(["Sinus rhythm, 4,27E+08"])[1] == ("Sinus rhythm", "4,27E+08")


def test_words_are_codes_only_if_all_of_them_are_proven():
    assert proven_codes(f"{NSR}, {AF}.0") == (NSR, AF)
    assert proven_codes("Anterior infarction, 30 % LAD") == ()
    assert proven_codes(f"{NSR}, hypertension") == ()
    assert proven_codes("AFIB") == ()


def test_a_list_of_something_else_is_no_diagnosis():
    line = ",".join(f"code{number}" for number in range(1001))
    assert read_dx([line]) == ((), (line,), ())
    assert len(codes_of(line.rpartition(",")[0])) == 1000


@given(st.sampled_from(sorted(CLASSES)), st.sampled_from(["{}.0", "[{}]", "'{}'", "{}|", "SCT:{}", " {} "]))
def test_every_class_survives_every_writing(code, form):
    assert codes_of(form.format(code)) == (code,)


@given(st.integers(2, 16), st.sampled_from(sorted(CLASSES)))
def test_rounding_never_gives_another_class(digits, code):
    assert set(codes_of(f"{float(code):.{digits - 1}E}")) <= {code}


@given(st.text(st.sampled_from("0123456789.,;|[]'\"eE+- /:()naN\u00a0f\u066b"), max_size=40))
def test_any_line_can_be_read(line):
    codes, texts, _ = read_dx([line])
    assert len(set(codes)) == len(codes)
    assert not any(set(code) & set("[]'\"|() ,;") for code in codes)
    assert all(texts)


@given(st.from_regex(r"[1-9][0-9]{3,13}00[0-9]", fullmatch=True))
def test_a_mended_number_is_a_concept(number):
    for value in (f"{number}.0", f"[{number}.]"):
        assert all(map(is_concept_id, codes_of(value)))
