"""Tables as other programs write them, and what is refused."""

import csv
import io
import sys

import pandas as pd
import pytest

from ecg12.ecg.errors import InputError
from ecg12.pipeline.labels.label_table import open_table

FRAME = pd.DataFrame(
    {
        "record": ["A1", "A2", "A3"],
        "scp_codes": [{"NORM": 100.0}, {"SR": 0.0, "NORM": 50.0}, {}],
        "age": [56.0, None, 300.0],
        "report": ['said "so", he', "línea\nzwei", "größe; x\ty"],
        "af": [True, False, True],
    }
)
ROWS = [
    ["A1", "{'NORM': 100.0}", "56.0", 'said "so", he', "True"],
    ["A2", "{'SR': 0.0, 'NORM': 50.0}", "", "línea\nzwei", "False"],
    ["A3", "{}", "300.0", "größe; x\ty", "True"],
]


def rows_of(path):
    return [cells for _, cells in open_table(path).rows()]


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_what_pandas_writes_is_read(tmp_path, separator, encoding, ends):
    FRAME.to_csv(tmp_path / "t.csv", sep=separator, encoding=encoding, index=False, lineterminator=ends)
    table = open_table(tmp_path / "t.csv")
    assert table.columns == tuple(FRAME.columns)
    assert table.separator == separator
    assert [cells for _, cells in table.rows()] == ROWS
    assert [line for line, _ in table.rows()] == [2, 3, 5]  # a second time; a cell of two lines


@pytest.mark.parametrize("quoting", [csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])
def test_quoted_cells_are_read(tmp_path, quoting):
    FRAME.to_csv(tmp_path / "t.csv", index=False, quoting=quoting)
    assert rows_of(tmp_path / "t.csv") == ROWS


def test_an_index_without_a_name_and_empty_lines_do_no_harm(tmp_path):
    FRAME.to_csv(tmp_path / "t.csv")
    assert open_table(tmp_path / "t.csv").columns[0] == "column 1"
    (tmp_path / "u.csv").write_text("\nrecord,age\n\nA1,5,,\n , \n")
    assert rows_of(tmp_path / "u.csv") == [["A1", "5"]]
    (tmp_path / "v.csv").write_text("record\nA1\n")
    assert rows_of(tmp_path / "v.csv") == [["A1"]]


def test_old_macs_line_ends_are_read(tmp_path):
    (tmp_path / "t.csv").write_bytes(b"record,age\rA1,5\rA2,6\r")
    assert rows_of(tmp_path / "t.csv") == [["A1", "5"], ["A2", "6"]]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", r"empty; expected a table of labels"),
        (b"record,age\nA1\n", r"line 2: 1 cells; expected 2, as the first line has"),
        (b"record,age\nA1,5\nA2,5,6\n", r"line 3: 3 cells; expected 2"),
        (b"record,age,age\nA1,5,6\n", r"two columns are called 'age'"),
        (b"record,age\nA1,\0\n", r"line 2: a NUL"),
        (b'record,age\nA1,"5\nA2,6\n', r"line 2: cannot be read \(unexpected end of data\)"),
        (b'record,age\nA1,"5"6\n', r"line 2: cannot be read"),
        (b"record,age\nA1," + b"5" * 200_000 + b"\n", r"line 2: cannot be read \(field larger than field limit"),
        (b"\xff\xfer\0e\0c\0\0\xd8", r"cannot be read as a table of labels"),
        (b"\x1f\x8bxxxx", r"compressed by gzip"),
        (b"PK\x03\x04xxx", r"a spreadsheet or an archive; save the table as CSV"),
    ],
)
def test_what_is_no_table_is_refused_by_name_and_line(tmp_path, data, message):
    (tmp_path / "t.csv").write_bytes(data)
    with pytest.raises(InputError, match=rf"t\.csv.*{message}"):
        rows_of(tmp_path / "t.csv")


def test_a_folder_or_nothing_is_refused(tmp_path):
    for path in (tmp_path, tmp_path / "none.csv"):
        with pytest.raises(InputError, match="cannot be read as a table of labels"):
            open_table(path)


def test_what_pandas_writes_as_parquet_is_read(tmp_path):
    pytest.importorskip("pyarrow")
    frame = FRAME.assign(
        when=pd.to_datetime(["1984-11-09 09:17:34", None, "2001-01-02 00:00:00"]),
        codes=[["NORM", "SR"], [], None],
        n=[1, 2, 3],
    )
    frame.to_parquet(tmp_path / "t.parquet")
    table = open_table(tmp_path / "t.parquet")
    assert table.columns == tuple(frame.columns)
    rows = [cells for _, cells in table.rows()]
    assert rows == [cells for _, cells in table.rows()]
    assert rows[0] == [
        "A1", '{"NORM": 100.0}', "56.0", 'said "so", he', "True", "1984-11-09 09:17:34", '["NORM", "SR"]', "1"
    ]  # fmt: skip
    assert rows[1][1:3] == ['{"NORM": 50.0, "SR": 0.0}', ""]
    assert rows[2][5:] == ["2001-01-02 00:00:00", "", "3"]


def test_a_map_and_categories_of_arrow_are_read(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    codes = pyarrow.array([[("NORM", 100.0)], None], pyarrow.map_(pyarrow.string(), pyarrow.float64()))
    names = pyarrow.array(["A1", "A2"]).dictionary_encode()
    parquet.write_table(pyarrow.table({"record": names, "codes": codes}), tmp_path / "t.parquet")
    assert rows_of(tmp_path / "t.parquet") == [["A1", '{"NORM": 100.0}'], ["A2", ""]]


def test_damaged_parquet_is_refused_by_name(tmp_path):
    pytest.importorskip("pyarrow")
    FRAME.drop(columns="scp_codes").to_parquet(tmp_path / "t.parquet")
    whole = (tmp_path / "t.parquet").read_bytes()
    (tmp_path / "t.parquet").write_bytes(whole[:-20])
    with pytest.raises(InputError, match=r"t\.parquet: cannot be read as a table of labels"):
        open_table(tmp_path / "t.parquet")
    refused = 0
    for place in range(4, len(whole) - 8, 7):
        (tmp_path / "t.parquet").write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        try:
            rows_of(tmp_path / "t.parquet")
        except InputError:
            refused += 1
    assert refused


def test_parquet_without_pyarrow_says_what_to_install(tmp_path, monkeypatch):
    (tmp_path / "t.parquet").write_bytes(b"PAR1xxxxPAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InputError, match=r"needs pyarrow: pip install 'ecg12\[parquet\]', or save the table as CSV"):
        open_table(tmp_path / "t.parquet")


def test_csv_of_any_text_is_read_back_or_refused(tmp_path):
    buffer = io.StringIO()
    csv.writer(buffer, quoting=csv.QUOTE_ALL).writerows([["record", "x"], ["'A'", '"'], ["\u00fc", "a,b"]])
    (tmp_path / "t.csv").write_text(buffer.getvalue(), encoding="utf-8")
    assert rows_of(tmp_path / "t.csv") == [["'A'", '"'], ["\u00fc", "a,b"]]


def test_a_table_of_very_many_columns_is_refused_by_their_number(tmp_path):
    names = [f"label_of_column_{number}" for number in range(9_999)]
    (tmp_path / "t.csv").write_text(f"record,{','.join(names)}\n{'1,' * 9_999}1\n")
    assert len(open_table(tmp_path / "t.csv").columns) == 10_000
    (tmp_path / "t.csv").write_text(f"record,{','.join(names)},x\n")
    with pytest.raises(InputError, match=r"t\.csv: 10,001 columns; expected at most 10,000: leave some out"):
        open_table(tmp_path / "t.csv")
