"""Records as other programs write them, held against wfdb: frames, skew, every format; and files that do not fit."""

import re
import warnings

import numpy as np
import pytest
import wfdb

from ecg12.ecg.errors import ChecksumError, ConfigError, HeaderError, SignalError
from ecg12.ecg.signals.cleaning import to_clean_microvolts
from ecg12.ecg.signals.leads import LEADS
from ecg12.ecg.signals.quality import LeadFlag, checksum_mismatches
from ecg12.pipeline.formats.told_by_user import InputConfig
from ecg12.pipeline.formats.wfdb.files import read_header
from ecg12.pipeline.formats.wfdb.reading import read_wfdb
from ecg12.pipeline.formats.wfdb.records import read_record
from ecg12.pipeline.formats.wfdb.sampling import sampling_of
from tests.records import checksum_of, mat_bytes, pulses_uv, write_record


def write_frames(folder, name, signals, *, fs, n_frames, spf, skew=(), fmt="16", names=LEADS, sums=None):
    """A header and a .dat whose frames hold `spf` samples of each signal one after another, as edf2mit writes them."""
    skew = skew or [0] * len(signals)
    frames = [np.asarray(one).reshape(n_frames, width) for one, width in zip(signals, spf, strict=True)]
    np.concatenate(frames, axis=1).astype("<i2").tofile(folder / f"{name}.dat")
    lines = [f"{name} {len(signals)} {fs} {n_frames}"]
    for one, width, late, lead in zip(signals, spf, skew, names, strict=True):
        form = fmt + (f"x{width}" if width > 1 else "") + (f":{late}" if late else "")
        lines.append(f"{name}.dat {form} 1000/mV 16 0 {one[0]} {checksum_of(np.asarray(one))} 0 {lead}")
    (folder / f"{name}.hea").write_text("\n".join(lines) + "\n")
    return folder / f"{name}.hea"


def by_wfdb(path, **options):
    with warnings.catch_warnings(action="ignore"):
        return wfdb.rdrecord(str(path.with_suffix("")), physical=False, smooth_frames=False, **options)


def test_frames_of_many_samples_are_read_at_the_true_rate(tmp_path):
    signal = pulses_uv(5000)
    path = write_frames(tmp_path, "frames", signal, fs=1, n_frames=10, spf=[500] * 12)
    assert sampling_of(path, read_header(path)) == (500, 5000)
    record = read_record(path)
    assert (record.fs, record.n_samples) == (500, 5000)
    assert np.array_equal(record.signal, signal)
    assert np.array_equal(record.signal, np.array(by_wfdb(path).e_d_signal))
    assert checksum_mismatches(record) == []
    assert np.array_equal(read_wfdb(path).signal_uv, signal)


def test_checksums_are_over_all_samples_of_all_frames(tmp_path):
    path = write_frames(tmp_path, "frames", pulses_uv(5000), fs=1, n_frames=10, spf=[500] * 12)
    data = bytearray((tmp_path / "frames.dat").read_bytes())
    data[2 * 12 * 500 * 3 + 2 * 17] ^= 1  # lead I, frame 3, sample 17 of its 500
    (tmp_path / "frames.dat").write_bytes(data)
    assert checksum_mismatches(read_record(path)) == [0]


def test_a_respiration_of_a_lower_rate_beside_the_leads(tmp_path):
    signal, breath = pulses_uv(4000), np.arange(1000) % 60
    path = write_frames(
        tmp_path, "mixed", [breath, *signal], fs=125, n_frames=1000, spf=[1] + [4] * 12, names=["RESP", *LEADS]
    )
    recording = read_wfdb(path)
    assert (recording.fs, recording.leads) == (500, LEADS)
    assert np.array_equal(recording.signal_uv, signal)
    assert sampling_of(path, read_header(path)) == (500, 4000)
    expected = by_wfdb(path).e_d_signal
    assert np.array_equal(read_record(path).signal, np.array(expected[1:]))
    assert np.array_equal(read_record(path, ["RESP"]).signal[0], expected[0])
    with pytest.raises(SignalError, match="mixed: lead RESP has 1 samples a frame and lead I 4; expected one rate for"):
        read_record(path, None)


def test_leads_of_several_rates_are_refused(tmp_path):
    signal = pulses_uv(1000)
    path = write_frames(tmp_path, "two", [*signal[:6], *signal[6:, ::2]], fs=250, n_frames=500, spf=[2] * 6 + [1] * 6)
    with pytest.raises(SignalError, match="two: lead I has 2 samples a frame and lead V1 1; expected one rate for all"):
        read_wfdb(path)
    with pytest.raises(SignalError, match="two: lead I has 2"):
        sampling_of(path, read_header(path))
    assert np.array_equal(read_record(path, ["I", "II"]).signal, signal[:2])


def test_skew_moves_a_signal_and_leaves_its_end_missing(tmp_path):
    signal = pulses_uv(1000)
    raw = signal.copy()
    raw[6:, 3:], raw[6:, :3] = signal[6:, :-3], 7  # V1 to V6 lie three samples late in the file
    path = write_frames(tmp_path, "skew", raw, fs=500, n_frames=1000, spf=[1] * 12, skew=[0] * 6 + [3] * 6)
    record = read_record(path)
    assert np.array_equal(record.signal[:6], signal[:6])
    assert np.array_equal(record.signal[6:, :-3], signal[6:, :-3])
    assert (record.signal[6:, -3:] == -32768).all()
    assert np.array_equal(record.signal, np.array(by_wfdb(path).e_d_signal))
    assert checksum_mismatches(record) == []  # of the file's samples, those before the first among them
    assert checksum_mismatches(record.select(["V6", "I"])) == []
    _, flags, n_invalid = to_clean_microvolts(record)
    assert n_invalid == 18
    assert [bool(flag & LeadFlag.INVALID) for flag in flags] == [False] * 6 + [True] * 6
    recording = read_wfdb(path)
    assert np.array_equal(recording.signal_uv[6:, -3:], np.repeat(recording.signal_uv[6:, -4:-3], 3, axis=1))


def test_skew_counts_frames(tmp_path):
    """So do both of PhysioNet's readers; wfdb marks only as many samples as frames, and leaves the others as zeros."""
    signal = pulses_uv(400)
    path = write_frames(tmp_path, "both", signal, fs=125, n_frames=100, spf=[4] * 12, skew=[0] * 11 + [2])
    record = read_record(path)
    assert np.array_equal(record.signal[11, :-8], signal[11, 8:])
    assert (record.signal[11, -8:] == -32768).all()
    expected = by_wfdb(path).e_d_signal
    assert np.array_equal(record.signal[:, :-8], np.array(expected)[:, :-8])
    assert checksum_mismatches(record) == []


def test_a_skew_beyond_the_record_is_refused(tmp_path):
    path = write_frames(tmp_path, "far", pulses_uv(400), fs=500, n_frames=400, spf=[1] * 12, skew=[0] * 11 + [400])
    with pytest.raises(HeaderError, match="far lead V6: skew of 400 frames; expected less than the record's 400"):
        read_record(path)


@pytest.mark.parametrize("fmt", ["16", "24", "32", "80", "212", "508", "516", "524"])
def test_every_format_with_frames_as_wfdb_reads_it(tmp_path, fmt):
    signal = pulses_uv(600, amplitude_uv=100)[:8, :].astype(np.int64)
    signal = np.clip(signal, -100, 100)
    spf = 3
    with warnings.catch_warnings(action="ignore"):
        wfdb.wrsamp(
            "x", fs=500 / spf, units=["mV"] * 8, sig_name=list(LEADS[:8]), fmt=[fmt] * 8, adc_gain=[1000.0] * 8,
            baseline=[0] * 8, e_d_signal=list(signal), samps_per_frame=[spf] * 8, write_dir=str(tmp_path),
        )  # fmt: skip
    record = read_record(tmp_path / "x.hea", None)
    assert np.array_equal(record.signal, signal)
    assert record.fs == pytest.approx(500)
    assert checksum_mismatches(record) == []


def test_signals_in_several_files(tmp_path):
    signal = pulses_uv(600)
    one = write_frames(tmp_path, "one", signal[:6], fs=500, n_frames=600, spf=[1] * 6, names=LEADS[:6])
    two = write_frames(tmp_path, "two", signal[6:], fs=500, n_frames=600, spf=[1] * 6, names=LEADS[6:])
    lines = [line for path in (one, two) for line in path.read_text().splitlines()[1:]]
    (tmp_path / "both.hea").write_text("\n".join(["both 12 500 600", *lines]) + "\n")
    record = read_record(tmp_path / "both.hea")
    assert np.array_equal(record.signal, signal)
    lines[1] = lines[1].replace(" 16 ", " 61 ")
    (tmp_path / "both.hea").write_text("\n".join(["both 12 500 600", *lines]) + "\n")
    with pytest.raises(HeaderError, match=r"both: one\.dat in formats 16\+0, 61\+0; expected one format for all"):
        read_record(tmp_path / "both.hea")


def test_what_no_program_writes_is_refused_by_name(tmp_path):
    path = write_record(tmp_path, "X")
    text = path.read_text().replace("X.mat", "X.dat")
    path.write_text(text.replace(" 16+24 ", " 17+24 "))
    with pytest.raises(HeaderError, match="X lead I: format 17; expected one of 8, 16, 61, "):
        read_record(path)
    path.write_text(re.sub(r" 16\+24 1000/mV 16 0 \S+", " 8 1000/mV 16 0 9999999999999999999999999999", text))
    with pytest.raises(HeaderError, match=r"X lead I: initial value 1e\+28; expected a number of 32 bits"):
        read_record(path)


@pytest.mark.parametrize("fs", ["0.01", "1e-9", "9.9", "1000001", "1e300"])
def test_a_rate_that_no_ecg_has_is_refused(tmp_path, fs):
    path = write_record(tmp_path, "X")
    path.write_text(path.read_text().replace("X 12 500 ", f"X 12 {fs} "))
    with pytest.raises(HeaderError, match=r"X: sampling frequency .* Hz; expected 10 to 1e\+06 Hz: correct the header"):
        sampling_of(path, read_header(path))


def test_flac_that_cannot_hold_what_is_stated(tmp_path):
    path = write_record(tmp_path, "X", fmt="516", stated_length=10**9)
    with pytest.raises(SignalError, match=r"X: X\.mat has 120,024 bytes, which cannot hold 1,000,000,000 samples"):
        read_record(path)
    path = write_record(tmp_path, "X", fmt="516", stated_length=10**11)
    with pytest.raises(SignalError, match=r"X: X\.mat has 120,024 bytes; expected more for the 100,000,000,000 sam"):
        sampling_of(path, read_header(path))
    path = write_record(tmp_path, "X", fmt="516")
    with pytest.raises(SignalError, match=r"X: its FLAC signal file X\.mat cannot be decoded \(not a FLAC file"):
        read_record(path)


def test_checksums_of_zero_on_samples_that_are_none_were_never_computed(tmp_path):
    path = write_record(tmp_path, "X", checksums=[0] * 12)
    record = read_record(path)
    assert record.checksum == (None,) * 12
    assert record.notes == (
        "its header has 0 for every checksum, which was never computed: the samples are not verified",
    )
    _, flags, _ = to_clean_microvolts(record)
    assert (flags & LeadFlag.UNVERIFIED).all()
    # one that is stated shows that they were computed
    path = write_record(tmp_path, "Y", checksums=[0] * 11 + [checksum_of(pulses_uv(5000)[11])])
    assert checksum_mismatches(read_record(path)) == list(range(11))
    # zeros that are right are right
    path = write_record(tmp_path, "Z", np.zeros((12, 500), np.int16))
    assert read_record(path).checksum == (0,) * 12
    assert read_record(path).notes == ()


def test_checksums_beyond_16_bits_or_without_a_sign_are_the_same_sums(tmp_path):
    signal = pulses_uv(5000)
    for turns in (65536, -65536, 2**32, 65536 * 10**30):
        path = write_record(tmp_path, "X", signal, checksums=[checksum_of(lead) + turns for lead in signal])
        assert checksum_mismatches(read_record(path)) == []
    path = write_record(tmp_path, "X", signal, checksums=[checksum_of(lead) + 1 for lead in signal])
    assert checksum_mismatches(read_record(path)) == list(range(12))


def test_a_signal_file_in_a_folder_below_or_named_from_above(tmp_path):
    path = write_record(tmp_path, "X", mat_name="sub/X.mat")
    assert np.array_equal(read_record(path).signal, pulses_uv(5000))  # written from above: it lies beside the header
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "X.mat").write_bytes(mat_bytes(pulses_uv(5000)))
    (tmp_path / "X.mat").unlink()
    assert np.array_equal(read_record(path).signal, pulses_uv(5000))
    (tmp_path / "sub" / "X.mat").rename(tmp_path / "sub" / "X.MAT")
    assert np.array_equal(read_record(path).signal, pulses_uv(5000))


def test_a_signal_file_in_other_capitals(tmp_path):
    path = write_record(tmp_path, "X")
    (tmp_path / "X.mat").rename(tmp_path / "x.MAT")
    assert np.array_equal(read_record(path).signal, pulses_uv(5000))
    (tmp_path / "X.MAT").touch()
    if len(list(tmp_path.iterdir())) == 3:
        with pytest.raises(SignalError, match=r"X: X\.mat: not there, but X\.MAT and x\.MAT are; expected one of them"):
            read_record(path)


def test_a_record_line_with_a_folder_or_a_suffix(tmp_path):
    for stated in ("sub/E00001", "sub/E00001.mat", "E00001.hea"):
        path = write_record(tmp_path, "E00001", stated_name=stated, gain="4880/mV")
        record = read_record(path)
        assert (record.name, record.adc_gain[0]) == ("E00001", 1000)


def test_samples_of_another_checksum_are_taken_where_told_and_said(tmp_path):
    path = write_record(tmp_path, "X", checksums=[checksum_of(lead) for lead in pulses_uv(5000)[:11]] + [1])
    with pytest.raises(
        ChecksumError, match=r"X lead V6: the samples do not match .*\(or take it .* --bad-checksum flag"
    ):
        read_wfdb(path)
    recording = read_wfdb(path, InputConfig(bad_checksum="flag"))
    assert recording.notes == ("lead V6: taken although the samples do not match the header's checksum",)
    assert [bool(flag & LeadFlag.CHECKSUM) for flag in recording.lead_flags] == [False] * 11 + [True]
    with pytest.raises(ConfigError, match="bad_checksum is 'no'; expected reject or flag"):
        InputConfig(bad_checksum="no")
    path = write_record(tmp_path, "Y", checksums=[0] * 12)
    assert read_wfdb(path).notes == read_record(path).notes != ()
