"""Codes in one cell, as other programs print them."""

import ast
import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecg12.pipeline.labels.code_cells import read_codes, read_column, read_name

NORMAL, AF = "426783006", "164889003"


@pytest.mark.parametrize(
    ("cell", "codes"),
    [
        ("{'NORM': 100.0, 'LVOLT': 0.0, 'SR': 0.0}", {"NORM": 100.0, "LVOLT": 0.0, "SR": 0.0}),
        ('{"NORM": 80, "SR": null}', {"NORM": 80.0, "SR": None}),
        ("{'NORM': True, 'SR': False, 'AFIB': true}", None),
        ("{'NORM': True, 'SR': False}", {"NORM": None}),
        ("{'NORM': nan}", None),
        ('{"NORM": NaN}', {"NORM": None}),
        ("[('NORM', 100.0), ('SR', 0.0)]", {"NORM": 100.0, "SR": 0.0}),
        ("['NORM', 'SR']", {"NORM": None, "SR": None}),
        ("['NORM' 'SR']", {"NORM": None, "SR": None}),
        ("['NORM'\n 'SR']", {"NORM": None, "SR": None}),
        ("array(['NORM', 'SR'], dtype=object)", {"NORM": None, "SR": None}),
        ("[np.str_('NORM'), np.str_('SR')]", {"NORM": None, "SR": None}),
        ("{np.str_('NORM'): np.float64(50.0)}", {"NORM": 50.0}),
        ("{'SR', 'NORM'}", {"NORM": None, "SR": None}),
        ("('NORM', 'SR')", {"NORM": None, "SR": None}),
        ("[NORM, SR]", {"NORM": None, "SR": None}),
        ("[426783006 164889003]", {NORMAL: None, AF: None}),
        ("[426783006, 164889003]", {NORMAL: None, AF: None}),
        ("426783006,164889003", {NORMAL: None, AF: None}),
        ("426783006.0", {NORMAL: None}),
        ("4.26783006E+08", {NORMAL: None}),
        ("426783006 164889003", {NORMAL: None, AF: None}),
        ("426783006 |Sinus rhythm|, 164889003", {NORMAL: None, AF: None}),
        ("NORM;SR", {"NORM": None, "SR": None}),
        ("NORM|SR", {"NORM": None, "SR": None}),
        ("NORM SR", {"NORM": None, "SR": None}),
        ("AFIB/AFLT", {"AFIB/AFLT": None}),
        ("ISC_ SR", {"ISC_": None, "SR": None}),
        ("LAO/LAE, PRC(S)", {"LAO/LAE": None, "PRC(S)": None}),
        ("426783006,AF", {NORMAL: None, "AF": None}),
        ("164889003 AF", {AF: None}),
        ("NORM:100;SR:0", {"NORM": 100.0, "SR": 0.0}),
        ("NORM=80%", {"NORM": 80.0}),
        ("Old MI, AFIB/AFL", {"Old MI": None, "AFIB/AFL": None}),
        ("AF", {"AF": None}),
        ("1dAVb", {"1dAVb": None}),
        ("3", {"3": None}),
        ("427.31", {"427.31": None}),
        ("NORM,NORM", {"NORM": None}),
        ("", {}),
        ("nan", {}),
        ("None", {}),
        ("[]", {}),
        ("{}", {}),
    ],
)
def test_codes_are_read_as_others_write_them(cell, codes):
    found = read_codes(cell)
    if codes is None:
        assert found.codes == {}
        assert found.unread == (cell,)
    else:
        assert found == (codes, ())


@pytest.mark.parametrize(
    "cell",
    [
        "4.27E+08",
        "['NORM', ..., 'SR']",
        "{'NORM': 'likely'}",
        "{'NORM': -1}",
        "{'NORM': 1e999}",
        "[['NORM']]",
        "[" * 5000,
        "{'a': __import__('os')}",
        "x" * 81,
        "[{'code': 'NORM'}]",
        "a" * 70_000,
    ],
)
def test_what_is_no_code_is_handed_back(cell):
    found = read_codes(cell)
    assert found.codes == {}
    assert found.unread


def test_the_good_codes_of_a_cell_are_taken_and_the_others_told():
    assert read_codes("426783006;4.27E+08") == ({NORMAL: None}, ("4.27E+08",))
    assert read_codes("{'NORM': 100.0, 'SR': 'x'}") == ({"NORM": 100.0}, ("SR",))


@pytest.mark.parametrize(("name", "code"), [("AF", "AF"), ("426783006.0", NORMAL), ("{x}", None), ("  NORM ", "NORM")])
def test_a_columns_name_is_a_code(name, code):
    assert read_name(name) == code


NAMES = st.lists(
    st.sampled_from(["NORM", "SR", "Old MI", "AFIB/AFL", NORMAL, AF, "I48.0", "PRC(S)"]), min_size=1, unique=True
)


@given(NAMES, st.integers(0, 100))
def test_what_python_numpy_json_and_pandas_print_is_read_back(names, likelihood):
    plain = dict.fromkeys(names)
    stated = dict.fromkeys(names, float(likelihood))
    for text in (str(names), json.dumps(names), str(np.array(names)), repr(np.array(names, object)), ", ".join(names)):
        assert read_codes(text) == (plain, ()), text
    for text in (str(stated), json.dumps(stated), str(list(stated.items()))):
        assert read_codes(text) == (stated, ()), text
    frame = pd.DataFrame({"codes": [stated]})
    again = pd.read_csv(pd.io.common.StringIO(frame.to_csv(index=False)))["codes"][0]
    assert read_codes(again).codes == ast.literal_eval(again)


@given(st.text(alphabet="[]{}()'\",:;|=.0123456789eE NORMSAFnaT\n\t\\x", max_size=60))
def test_no_cell_is_too_odd(text):
    found = read_codes(text)
    assert all(code and code.isprintable() and len(code) <= 80 for code in found.codes)


@pytest.mark.parametrize(
    ("cell", "codes", "n_unread"),
    [
        ("{1, 'AF'}", {"1": None, "AF": None}, 0),
        ("{1, 'AF', (2,)}", {"1": None, "AF": None}, 1),
        ("frozenset({'b', 'a'})", {"a": None, "b": None}, 0),
        (f"[0x{'f' * 9000}]", {}, 1),
        (f"[{'9' * 5000}]", {}, 1),
        (f"{{'AF': {'9' * 5000}}}", {}, 1),
        ("{1e999: 3, 'AF': 2}", {"AF": 2.0}, 1),
        (f"{'9' * 81}", {}, 1),
        ("[" * 30_000 + "]" * 30_000, {}, 1),
    ],
)
def test_literals_that_are_no_codes_are_unread(cell, codes, n_unread):
    found = read_codes(cell)
    assert (found.codes, len(found.unread)) == (codes, n_unread)


@pytest.mark.parametrize(
    ("cells", "parted"),
    [
        (["RBBB TWC", "TWC", "RBBB", "NONE", "LVH QTIE 1AVB"], True),  # Chapman's column Beat
        (["RBBB TWC", "LVH QTIE", "TWC"], False),
        (["SINUS RHYTHM", "ATRIAL FIBRILLATION", "SINUS"], False),
        (["Old MI", "MI", "Old"], False),
    ],
)
def test_blanks_part_codes_in_capitals_that_stand_alone_elsewhere(cells, parted):
    codes = {code for found in read_column(cells).values() for code in found.codes}
    assert any(" " in code for code in codes) is not parted


def test_ahas_statements_and_their_modifiers_are_parted():
    assert list(read_codes("60+310;22").codes) == ["60", "310", "22"]
    assert list(read_codes("A2+C4").codes) == ["A2", "C4"]
    assert list(read_codes("4+1").codes) == ["4", "1"]
    assert read_codes("4.2E+08").codes == {}
