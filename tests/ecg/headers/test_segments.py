import re

import pytest

from ecg12.ecg.errors import HeaderError
from ecg12.ecg.headers.segments import is_multi_segment, parse_segments

TEXT = "# of one night\nw/4 12 125 1500 23:00:00\r\nw_layout 0\nw_0001 700\n~ 300\nw_0002 500\n# Age: 50\n"


def test_segments_as_mimic_writes_them():
    assert is_multi_segment(TEXT)
    found = parse_segments(TEXT)
    assert (found.name, found.n_leads, found.fs, found.n_frames, found.has_layout) == ("w", 12, 125, 1500, True)
    assert found.parts == (("w_layout", 0), ("w_0001", 700), ("~", 300), ("w_0002", 500))
    assert found.comments == ("of one night", "Age: 50")
    assert not parse_segments("w/1 12 125\nw_0001 700\n").has_layout


@pytest.mark.parametrize("text", ["", "#w/3", "w 12 500", "sub/w 12 500", "w/3x 12 500", "/3 12 500"])
def test_other_headers(text):
    assert not is_multi_segment(text)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("w/4", "w/5"), "w/5: 4 segments; expected 5, as the record line states"),
        (("w/4", f"w/{10**40}"), "4 segments; expected 1,000,000,000, as the record line states"),
        (("700", "701"), "w/4: segments of 1,501 samples together; the record line states 1,500"),
        (("700", "-1"), "w/4: segment 'w_0001 -1' not understood; expected its record name and number of samples"),
        (("700", "9" * 16), "not understood; expected its record name and number of samples"),
        (("w_0001", "w"), "w/4: segment 'w'; expected the name of another record in the header's own folder"),
        (("w_0001", "../x"), "segment '../x'; expected the name of another record"),
        (("w_0001", "w_0002"), "w/4: a segment that is named twice; expected each once"),
        (("12 125", "0 125"), "number of signals '0' too small"),
        ((TEXT, "w/1 12 125 0"), "w/1: 0 segments; expected 1"),
    ],
)
def test_what_cannot_be_is_refused(change, message):
    with pytest.raises(HeaderError, match=re.escape(message)):
        parse_segments(TEXT.replace(*change))
