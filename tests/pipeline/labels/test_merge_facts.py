"""What several tables state of one record."""

import pytest

from ecg12.cache.stated import Stated
from ecg12.ecg.errors import InputError
from ecg12.pipeline.labels.merge_facts import merge_facts, name_difference
from ecg12.pipeline.labels.row_facts import Facts

HERE, THERE = "a.csv line 2", "b.csv line 3"


def merged(first, second):
    return merge_facts((first, HERE), (second, THERE), "ward/A1")


def test_what_one_says_and_the_other_not_is_taken():
    full = Facts(
        codes=("NORM",),
        age=0.0,
        sex="Male",
        patient="7",
        stated=Stated(
            vocabularies={"NORM": "scp-ecg"}, likelihoods={"NORM": 0.0}, targets={"qt": 0.0}, fold="1", annotated=True
        ),
        unread=(("sex", "?"),),
    )
    assert merged(full, Facts()) == merged(Facts(), full) == merged(full, full) == full
    assert merged(full, Facts(unread=(("age", "x"),))).unread == (("sex", "?"), ("age", "x"))


def test_codes_measurements_and_likelihoods_add_up():
    first = Facts(codes=("B", "A"), stated=Stated(likelihoods={"A": 1.0}, targets={"x": 1.0}))
    second = Facts(codes=("C", "A"), stated=Stated(likelihoods={"C": 2.0}, targets={"y": 2.0}, annotated=True))
    both = merged(first, second)
    assert both.codes == ("B", "A", "C")
    assert both.stated == Stated(likelihoods={"A": 1.0, "C": 2.0}, targets={"x": 1.0, "y": 2.0}, annotated=True)


def stated(**values):
    return Facts(stated=Stated(**values))


@pytest.mark.parametrize(
    ("first", "second", "what", "named"),
    [
        (Facts(age=0.0), Facts(age=1.0), "age 1.0, and 0.0", "age"),
        (Facts(sex="Male"), Facts(sex="Female"), "sex Female, and Male", "sex"),
        (Facts(patient="1"), Facts(patient="2"), "patient 2, and 1", "patient"),
        (stated(fold="1"), stated(fold="2"), "fold 2, and 1", "fold"),
        (stated(quality_note="a"), stated(quality_note="b"), "note on quality b, and a", "note on quality"),
        (stated(targets={"x": 0.0}), stated(targets={"x": 1.0}), "measurement of x 1.0, and 0.0", "measurement"),
        (stated(likelihoods={"A": 0.0}), stated(likelihoods={"A": 9.0}), "likelihood of A 9.0, and 0.0", "likelihood"),
    ],
)
def test_two_values_for_one_thing_are_refused(first, second, what, named):
    with pytest.raises(InputError, match=f"{THERE}: record ward/A1 has {what} in {HERE}; expected one"):
        merged(first, second)
    assert name_difference(first, second) == named


def test_a_code_that_two_tables_take_from_two_vocabularies_is_no_contradiction():
    first = Facts(codes=("X",), stated=Stated(vocabularies={"X": "scp-ecg"}))
    assert merged(first, Facts(codes=("X",))).stated.vocabularies == {"X": "scp-ecg"}
