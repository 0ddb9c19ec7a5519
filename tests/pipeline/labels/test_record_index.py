"""Which record a cell means."""

from pathlib import Path

import pytest

from ecg12.pipeline.labels.record_index import RecordIndex, RecordKey

RECORDS = [
    RecordKey("ptb-xl", "HR00001", Path("/d/ptb/HR00001.hea")),
    RecordKey("ward", "00001_hr", Path("/d/ward/records500/00000/00001_hr.hea")),
    RecordKey("ward", "a/1", Path("/d/ward/a/1.hea")),
    RecordKey("ward", "b/1", Path("/d/ward/b/1.hea")),
    RecordKey("clinic", "x", Path("/d/clinic/x.edf")),
    RecordKey("ward", "x", Path("/d/ward/x.hea")),
    RecordKey("clinic", "1.2.840.7", Path("/d/clinic/1.2.840.7.dcm")),
]
INDEX = RecordIndex(RECORDS)


@pytest.mark.parametrize(
    ("cell", "found"),
    [
        ("HR00001", [0]),
        ("HR00001.mat", [0]),
        ("HR00001.hea", [0]),
        ("ptb-xl/HR00001", [0]),
        ("g1/HR00001.mat", [0]),  # of another layout
        ("records500/00000/00001_hr", [1]),
        ("./records500/00000/00001_hr.dat", [1]),
        ("records500\\00000\\00001_hr", [1]),
        ("/somewhere/else/records500/00000/00001_hr", [1]),
        ("00001_hr", [1]),
        ("a/1", [2]),
        ("ward/a/1", [2]),
        ("b/1.hea", [3]),
        ("1", [2, 3]),
        ("c/1", [2, 3]),
        ("x", [4, 5]),
        ("clinic/x", [4]),
        ("ward/x.mat", [5]),
        ("1.2.840.7", [6]),
        ("1.2.840.7.dcm", [6]),
        ("HR00001.0", []),
        ("", []),
        ("HR0000", []),
        ("00001_hr.csv.gz", [1]),
        ("..", []),
        (".hea", []),
    ],
)
def test_the_closest_reading_counts(cell, found):
    assert list(INDEX.find(cell)) == found


def test_a_number_that_a_spreadsheet_made_is_the_number():
    index = RecordIndex([RecordKey("code15", "1169160", Path("1169160.hea"))])
    assert list(index.find("1169160.0")) == [0]
    assert index.full_name(0) == "code15/1169160"
