"""Names as they are shown: nothing of them can move a cursor, break a line or fail to be encoded."""

import os

from hypothesis import given
from hypothesis import strategies as st

from ecg12.ecg.errors import SignalError
from ecg12.pipeline.runtime.printable_names import LONGEST_SENTENCE, printable
from ecg12.pipeline.runtime.record_fence import reason_of


def test_odd_letters_are_spelled_out() -> None:
    assert printable("Ä I.hea") == "Ä I.hea"
    assert printable("a\nb\x1b[2J\x00") == r"a\nb\x1b[2J\x00"
    assert printable("\u202egnp.hea \U000e0001") == r"\u202egnp.hea \U000e0001"
    assert printable(os.fsdecode(b"caf\xe9 \xc3\xa9")) == r"caf\xe9 é"
    assert printable("\ud800 \udfff") == r"\ud800 \udfff"  # of JSON, not of a file's name


@given(st.text(st.characters(exclude_categories=())))
def test_whatever_a_record_is_refused_for_can_be_shown(text: str) -> None:
    for error in (SignalError(text), ValueError(text)):
        reason = reason_of(error)
        assert reason.isprintable()
        assert reason.encode().decode() == reason


def test_a_reason_is_as_long_as_one_reads() -> None:
    reason = reason_of(SignalError("x: lead " + "y" * 900_000 + " missing"))
    assert len(reason) == LONGEST_SENTENCE + 1
    assert reason.startswith("x: lead y")
    assert reason.endswith("y missing")
