"""What a store says of header values that were not taken as stated."""

from dataclasses import dataclass

import pytest

from ecg12.cache.remarks import MOST_VALUES, Remarked, count_remarks, read_remarks, remarks_of_rows
from ecg12.ecg.errors import StoreError


@dataclass
class Row:
    name: str
    remarks: tuple[tuple[str, str], ...]
    dataset: str = "ward"


def test_values_are_counted_with_the_first_record() -> None:
    rows = [
        Row("a", (("sex", "0"), ("dx_text", "LAD 30"))),
        Row("b", (("dx_text", "4.27E+08"), ("dx_text", "LAD 30"))),
        Row("c", (("dx_text", "4.27E+08"), ("dx_text", "4.27E+08"))),
        Row("d", ()),
        Row("e", (("dx_text", "4.27E+08"),)),
    ]
    assert remarks_of_rows(rows) == {
        "dx_text": {"records": 4, "values": 2, "such": [["4.27E+08", 3, "ward/b"], ["LAD 30", 2, "ward/a"]]},
        "sex": {"records": 1, "values": 1, "such": [["0", 1, "ward/a"]]},
    }
    assert remarks_of_rows([Row("d", ())]) == {}


def test_what_is_not_listed_is_counted() -> None:
    found = count_remarks((f"r{number:03}", [("dx_text", f"words {number:03}")]) for number in range(300))["dx_text"]
    assert (found.n_records, found.n_values, len(found.such)) == (300, 300, MOST_VALUES)
    assert found.such[0] == ("words 000", 1, "r000")


def test_several_stores_say_what_one_would() -> None:
    rows = [Row(f"r{n}", (("dx_text", f"text {n % 3}"), ("age", "?!")), dataset="abc"[n % 2]) for n in range(9)]
    halves = [{"remarks": remarks_of_rows(part)} for part in (rows[:4], rows[4:])]
    whole = {"remarks": remarks_of_rows(sorted(rows, key=lambda row: (row.dataset, row.name)))}
    assert read_remarks([*halves, {}], where="s") == read_remarks([whole], where="s")
    assert read_remarks([{}], where="s") == {}


@pytest.mark.parametrize(
    "value",
    [3, [1], {"dx_text": []}, {"dx_text": {"records": 1, "values": 1, "such": [["x"]]}}, {"age": {"records": 1}}],
)
def test_a_changed_attribute_is_named(value: object) -> None:
    with pytest.raises(StoreError, match=r"s\.zarr: attribute remarks changed .*expected what build-cache wrote"):
        read_remarks([{"remarks": value}], where="s.zarr")


def test_round_trip() -> None:
    one = Remarked(n_records=3, n_values=1, such=(("x", 3, "ward/a"),))
    assert read_remarks([{"remarks": {"age": one.to_dict()}}], where="s") == {"age": one}
