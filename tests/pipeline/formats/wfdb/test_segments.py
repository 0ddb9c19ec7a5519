"""Records in several segments, of fixed and of variable layout, held against wfdb."""

import warnings

import numpy as np
import pytest
import wfdb

from ecg12.ecg.errors import ChecksumError, HeaderError, SignalError
from ecg12.ecg.signals.leads import LEADS
from ecg12.ecg.signals.quality import LeadFlag
from ecg12.pipeline.formats.told_by_user import InputConfig
from ecg12.pipeline.formats.wfdb.reading import read_wfdb
from tests.pipeline.formats.wfdb.test_signals import write_frames
from tests.records import checksum_of, pulses_uv, write_record

SIGNAL = pulses_uv(1500)


def write_variable(folder):
    """As MIMIC has them: a layout that lists all signals, and segments that have some of them, in other orders."""
    write_record(folder, "w_0001", SIGNAL[[6, 1]][:, :700], leads=["V1", "II"], gain="500/mV")
    write_record(folder, "w_0002", SIGNAL[[1, 0, 6]][:, 1000:], leads=["II", "I", "V1"])
    lines = [f"~ 0 1000/mV 16 0 0 0 0 {lead}" for lead in ("I", "II", "V1")]
    (folder / "w_layout.hea").write_text("\n".join(["w_layout 3 500 0", *lines]) + "\n")
    (folder / "w.hea").write_text("w/4 3 500 1500\nw_layout 0\nw_0001 700\n~ 300\nw_0002 500\n")
    return folder / "w.hea"


def test_variable_layout_as_wfdb_puts_it_together(tmp_path):
    path = write_variable(tmp_path)
    recording = read_wfdb(path)
    assert (recording.leads, recording.fs, recording.n_samples) == (("I", "II", "V1"), 500, 1500)
    with warnings.catch_warnings(action="ignore"):
        expected = wfdb.rdrecord(str(path.with_suffix("")), m2s=True).p_signal.T * 1000
    there = ~np.isnan(expected)
    assert there.sum() == 500 + 2 * 1200
    assert np.allclose(recording.signal_uv[there], expected[there], atol=0.01)
    assert (recording.lead_flags & LeadFlag.INVALID).all()


def test_segments_are_held_against_their_checksums(tmp_path):
    path = write_variable(tmp_path)
    write_record(
        tmp_path, "w_0001", SIGNAL[[6, 1]][:, :700], leads=["V1", "II"], checksums=[1, checksum_of(SIGNAL[1, :700])]
    )
    with pytest.raises(ChecksumError, match="w_0001 lead V1: the samples do not match the header's checksum"):
        read_wfdb(path)
    recording = read_wfdb(path, InputConfig(bad_checksum="flag"))
    assert recording.notes == ("segment w_0001 lead V1: taken although the samples do not match the header's checksum",)


def test_segments_of_frames(tmp_path):
    for name, part in (("w_1", SIGNAL[:, :700]), ("w_2", SIGNAL[:, 700:])):
        write_frames(tmp_path, name, part, fs=5, n_frames=part.shape[1] // 100, spf=[100] * 12)
    (tmp_path / "w.hea").write_text("w/2 12 5 15\nw_1 7\nw_2 8\n")
    recording = read_wfdb(tmp_path / "w.hea")
    assert (recording.fs, recording.leads) == (500, LEADS)
    assert np.array_equal(recording.signal_uv, SIGNAL)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "w_0001 700",
            "w_0001 701",
            r"w: segment w_0001 has 700 samples at 500 Hz; expected 701 at 500 Hz, as the whole",
        ),
        (
            "w_0001 700",
            "w_0001 70000000000",
            r"w_0001: w_0001\.mat has 2,824 bytes; expected .* for 70,000,000,000",
        ),
        (
            "~ 300",
            "~ 300000000000",
            r"w: gaps of 300,000,000,000 samples between segments of 1,200; expected at",
        ),
        ("w_0002", "w_0003", r"w: segment w_0003: w_0003\.hea: cannot be read \(No such file"),
        ("w_layout 0", "w_layout 9", r"w_layout lead I: format 0; expected one of"),
    ],
)
def test_what_the_segments_cannot_hold_is_refused(tmp_path, old, new, message):
    path = write_variable(tmp_path)
    path.write_text(path.read_text().replace(old, new).replace(" 500 1500", " 500"))
    with pytest.raises((HeaderError, SignalError), match=message):
        read_wfdb(path)


def test_a_segment_of_segments_or_another_rate_is_refused(tmp_path):
    path = write_variable(tmp_path)
    (tmp_path / "v.hea").write_text("v/1 3 500 1500\nw 1500\n")
    with pytest.raises(HeaderError, match="v: segment w: w/4 line 1: a record of 4 segments; expected one"):
        read_wfdb(tmp_path / "v.hea")
    second = tmp_path / "w_0002.hea"
    second.write_text(second.read_text().replace(" 500 500\n", " 250 500\n"))
    with pytest.raises(HeaderError, match="w: segment w_0002 has 500 samples at 250 Hz; expected 500 at 500"):
        read_wfdb(path)
