"""Tables that are plain throughout are read in one piece, and give the very numbers that reading by lines gives."""

import numpy as np
import pandas
import pytest

from ecg12.ecg.signals.leads import LEADS
from ecg12.pipeline.files.text_lines import read_lines
from ecg12.pipeline.formats.text_tables import values
from ecg12.pipeline.formats.text_tables.plain_values import read_plain_values
from ecg12.pipeline.formats.text_tables.reading import measure_table, read_table
from ecg12.pipeline.formats.text_tables.table_head import read_head
from ecg12.pipeline.formats.told_by_user import InputConfig
from tests.records import pulses_uv

VALUES = np.vstack([pulses_uv(300).T / 1000, np.random.default_rng(1).normal(0, 1e-3, (50, 12))])


def both_ways(path):
    head = read_head(read_lines(path), path.stem)
    return read_plain_values(path, head), values._read_plain(path, head)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("above", ["", "# fs: 500\n\n# units: mV\n"])
def test_what_pandas_writes_is_the_same_to_the_bit(tmp_path, end, last, above):
    path = tmp_path / "a.csv"
    text = above + pandas.DataFrame(VALUES, columns=list(LEADS)).to_csv(index=False)
    path.write_bytes((text if last else text.rstrip("\n")).replace("\n", end).encode())
    plain, by_lines = both_ways(path)
    assert plain is not None
    assert np.array_equal(plain, by_lines)
    assert np.array_equal(plain, VALUES)


def test_what_numpy_writes_is_the_same_to_the_bit(tmp_path):
    np.savetxt(tmp_path / "a.csv", VALUES, delimiter=",", header=",".join(LEADS))
    plain, by_lines = both_ways(tmp_path / "a.csv")
    assert plain is not None
    assert np.array_equal(plain, by_lines)


@pytest.mark.parametrize(
    "body",
    [
        "1,2,3\n4,,6\n",
        "1,2,3\n# fs: 250\n4,5,6\n",
        "1,2,3\n4,5\n6,7,8,9\n",
        "1,2,3\n4,nan,6\n",
        "1,2,3\n4,5-6,6\n",
        "1,2,3\n4,1e,6\n",
        "1,2,3\n4,--5,6\n",
        "1,2,3\n4,.,6\n",
        "1,2,3\n4, 5,6\n",
        "1,2,3\n4,5,6,\n",
        "1;2;3\n4;5;6\n",
        "1,2,3\n4,5,6\u00b5\n",
        "1,2,3\n4,5,6\r7,8,9\n",
    ],
)
def test_what_is_not_plain_is_left_to_the_lines(tmp_path, body):
    (tmp_path / "a.csv").write_bytes(
        ("I,II,V1\n" + body).replace("I,II,V1", "I;II;V1" if ";" in body else "I,II,V1").encode()
    )
    head = read_head(["I;II;V1\n" if ";" in body else "I,II,V1\n", "1;2;3\n" if ";" in body else "1,2,3\n"], "a")
    assert read_plain_values(tmp_path / "a.csv", head) is None


def test_a_plain_table_is_measured_by_its_lines(tmp_path):
    path = tmp_path / "a.csv"
    pandas.DataFrame(VALUES, columns=list(LEADS)).to_csv(path, index=False)
    assert measure_table(path, InputConfig(fs=250)) == (250, 350)
    assert read_table(path, InputConfig(fs=250, units="mV")).n_samples == 350
    path.write_text("# fs: 100\n" + path.read_text().rstrip("\n"))
    assert measure_table(path, InputConfig()) == (100, 350)
    pandas.DataFrame(VALUES, columns=list(LEADS)).to_csv(path, index_label="time")
    assert measure_table(path, InputConfig(fs=250)) is None
    path.write_text("# fs: 100\n# units: mV\nI,II,V1\n1,2,3\n\n4,5,6\n7,8,9\n")
    assert measure_table(path, InputConfig()) is None
    assert read_table(path, InputConfig()).n_samples == 3
