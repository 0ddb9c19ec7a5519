"""Records known to be faulty: seen by their fault, in headers as the releases have them, not by their name alone."""

import re

import pytest

from ecg12.ecg.datasets import dataset_of
from ecg12.ecg.errors import HeaderError
from ecg12.ecg.faulty_records import FAULTY_BY_NAME, FAULTY_RECORDS
from ecg12.ecg.headers.header import parse_header

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
COMMENTS = "#Age: 60\n#Sex: Male\n#Dx: 426177001,\n#Rx: Unknown\n#Hx: Unknown\n#Sx: Unknown\n"


def header_of(first: str, signal: str, leads: tuple[str, ...] = LEADS) -> str:
    """A header as both releases write it: `first` is its record line."""
    lines = [f"{signal}.mat 16+24 1000/mV 16 0 54 12431 0 {lead}" for lead in leads]
    return "\n".join([first, *lines]) + f"\n{COMMENTS}"


# as they lie in ecg-arrhythmia 1.0.0 and challenge-2021 1.0.3
FAULTY = {
    "JS01052": header_of("JS01052 12 500 500000/mV 16 0 15 31255 0 I", "JS01052", LEADS[1:]),
    "JS23074": header_of("S23074 12 500 5000 JS23074.mat 16+24 1000/mV 16 0 54 12431 0 I", "JS23074", LEADS[1:]),
    "S23074": header_of("S23074 12 500 5000 23-Mar-2021 20:20:47", "JS23074"),
}
MENDED = {
    "JS01052": header_of("JS01052 12 500 5000 23-Mar-2021 20:20:47", "JS01052"),
    "JS23074": header_of("JS23074 12 500 5000", "JS23074"),
    "S23074": header_of("S23074 12 500 5000", "S23074"),  # somebody's own record that happens to be called so
}


@pytest.mark.parametrize("name", FAULTY)
def test_the_published_header_has_the_fault_and_a_mended_one_has_not(name: str) -> None:
    known = FAULTY_BY_NAME[name]
    assert known.is_in_header(FAULTY[name])
    assert known.is_in_header("# a comment before\n\n" + FAULTY[name].replace("\n", "\r\n"))
    assert not known.is_in_header(MENDED[name])
    assert not known.is_in_header("")
    parse_header(MENDED[name])


def test_a_header_of_which_the_line_alone_was_mended_would_be_of_no_dataset() -> None:
    half = header_of("S23074 12 500 5000", "JS23074")
    assert dataset_of(parse_header(half).name, 500.0) is None
    assert FAULTY_BY_NAME["JS23074"].is_in_header(half)


@pytest.mark.parametrize("name", ["JS01052", "JS23074"])
def test_a_header_whose_line_was_lost_is_none(name: str) -> None:
    """Why nothing is guessed of it: the first signal's file, format or length is not there any more."""
    with pytest.raises(HeaderError, match="line 1"):
        parse_header(FAULTY[name])


@pytest.mark.parametrize("known", FAULTY_RECORDS, ids=lambda known: known.name)
def test_each_says_what_is_wrong_and_has_a_sign(known) -> None:
    assert known.reason.startswith(f"{known.name}: known to be faulty in {known.release}: ")
    assert "\n" not in known.reason
    assert known.source
    assert known.line_lost or known.stated_name or known.signal_sha256
    if known.signal_sha256:
        assert re.fullmatch("[0-9a-f]{64}", known.signal_sha256)
        assert not known.is_in_header(MENDED["JS01052"])


def test_names_are_listed_once() -> None:
    assert len(FAULTY_BY_NAME) == len(FAULTY_RECORDS)
