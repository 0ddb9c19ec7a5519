import hashlib

import numpy as np
import pytest
from scipy.signal import resample_poly

from ecg12.cache.schema import StoreConfig
from ecg12.ecg.errors import ChecksumError, HeaderError, LeadError, SignalError, StoreError
from ecg12.ecg.signals.cleaning import check_checksum, clean_samples, to_clean_microvolts
from ecg12.ecg.signals.filters import filter_zero_phase
from ecg12.ecg.signals.leads import LEADS
from ecg12.ecg.signals.quality import LeadFlag, compute_scale
from ecg12.pipeline.formats.wfdb.records import read_record
from ecg12.pipeline.ingest.convert import convert_record, source_digest
from ecg12.pipeline.ingest.plan import PlannedRecord, plan_records
from tests.records import MAT_BYTES, pulses_uv, write_record

CONFIG = StoreConfig()


def converted(path, config=CONFIG, **changes):
    (planned,) = plan_records([path], config).records
    if changes:
        values = {name: getattr(planned, name) for name in PlannedRecord.__slots__}
        planned = PlannedRecord(**(values | changes))
    return convert_record(planned, 77, config)


def flags_of(row):
    return [LeadFlag(flags) for flags in row.lead_flags]


def test_a_record_becomes_whole_microvolts_and_a_row(tmp_path):
    signal_uv = pulses_uv(5000)
    stored, row = converted(write_record(tmp_path, "A0001", signal_uv, dx="426783006,426783006,59118001", sex="F"))
    expected = resample_poly(signal_uv.astype(float), 4, 5, axis=1)
    assert stored.dtype == np.int16
    assert np.abs(stored - expected).max() <= 0.51
    assert (row.dataset, row.name, row.start, row.length) == ("cpsc", "A0001", 77, 4000)
    assert (row.fs_source, row.n_samples_source, row.age, row.sex) == (500, 5000, 60, "Female")
    assert row.dx_codes == ("426783006", "59118001")
    assert (row.n_invalid, row.n_clipped, row.lead_flags, row.offset) == (0, 0, (0,) * 12, (0,) * 12)
    assert row.scale == float(compute_scale(stored))


def test_the_digest_is_of_the_mat_file_without_its_header(tmp_path):
    path = write_record(tmp_path, "A0001")
    body = path.with_suffix(".mat").read_bytes()[MAT_BYTES:]
    assert converted(path)[1].digest == hashlib.sha256(body).hexdigest()
    assert source_digest(read_record(path)) == hashlib.sha256(body).hexdigest()


def test_the_digest_knows_neither_gain_nor_frequency(tmp_path):
    rows = [
        converted(write_record(tmp_path / str(fs), name, pulses_uv(5000), fs=fs, gain=gain))[1]
        for name, fs, gain in [("A0001", 500, "1000/mV"), ("W1", 250, "200/mV")]
    ]
    assert rows[0].digest == rows[1].digest


@pytest.mark.parametrize("fs", [400, 257, 1000, 62.4725])
def test_any_frequency_is_resampled_to_the_planned_length(tmp_path, fs):
    signal_uv = pulses_uv(3001, fs=fs)
    stored, row = converted(write_record(tmp_path, "W1", signal_uv, fs=fs))
    assert stored.shape == (12, row.length)
    if fs == 400:
        assert np.array_equal(stored, signal_uv)


def test_leads_of_the_store_alone_are_kept(tmp_path):
    config = StoreConfig(leads=("V5", "II"), fs=500)
    stored, row = converted(write_record(tmp_path, "A0001"), config)
    assert np.array_equal(stored, pulses_uv(5000)[[10, 1]])
    assert len(row.lead_flags) == len(row.offset) == 2


def test_filters_run_after_resampling_if_they_are_asked_for(tmp_path):
    path = write_record(tmp_path, "A0001", pulses_uv(5000) + np.int16(700))
    plain, _ = converted(path)
    config = StoreConfig(highpass=0.5, notch=50)
    stored, row = converted(path, config)
    expected = filter_zero_phase(resample_poly(pulses_uv(5000) + 700.0, 4, 5, axis=1), 400.0, highpass=0.5, notch=50)
    assert np.abs(stored - expected).max() <= 0.52
    assert np.abs(stored.mean(axis=1)).max() < 20 < plain.mean(axis=1).min()
    assert row.scale == float(compute_scale(stored))


def test_a_wrong_gain_of_the_six_is_corrected_and_flagged(tmp_path):
    right, _ = converted(write_record(tmp_path / "a", "E00001"))
    stored, row = converted(write_record(tmp_path / "b", "E00001", gain="4880/mV"))
    assert np.array_equal(stored, right)
    assert flags_of(row) == [LeadFlag.GAIN_CORRECTED] * 12


def test_a_gain_elsewhere_is_trusted(tmp_path):
    stored, row = converted(write_record(tmp_path, "W1", pulses_uv(4000, fs=400), fs=400, gain="500(10)/mV"))
    assert np.array_equal(stored, 2 * (pulses_uv(4000, fs=400).astype(int) - 10))
    assert row.lead_flags == (0,) * 12


def test_invalid_samples_are_interpolated_counted_and_flagged(tmp_path):
    signal_uv = pulses_uv(4000, fs=400)
    signal_uv[8, 1000:1011] = -32768
    signal_uv[8, 1000 - 1], signal_uv[8, 1011] = 100, 220
    stored, row = converted(write_record(tmp_path, "W1", signal_uv, fs=400))
    assert stored[8, 999:1012].tolist() == list(range(100, 221, 10))
    assert row.n_invalid == 11
    assert flags_of(row) == [LeadFlag(0)] * 8 + [LeadFlag.INVALID] + [LeadFlag(0)] * 3


def test_an_invalid_lead_becomes_zero_and_flat(tmp_path):
    signal_uv = pulses_uv(500, fs=400)
    signal_uv[11] = -32768
    stored, row = converted(write_record(tmp_path, "W1", signal_uv, fs=400))
    assert not stored[11].any()
    assert flags_of(row)[11] == LeadFlag.INVALID | LeadFlag.FLAT


def test_an_offset_beyond_ten_millivolts_is_taken_off_and_kept(tmp_path):
    signal_uv = pulses_uv(4000, fs=400).astype(int)
    low, high = signal_uv[7].copy(), signal_uv[9].copy()
    signal_uv[7] = low - 15000
    signal_uv[9] = high // 2 + 9000
    stored, row = converted(write_record(tmp_path, "W1", signal_uv.astype(np.int16), fs=400))
    median = round(float(np.median(signal_uv[7])))
    assert row.offset == (0,) * 7 + (median,) + (0,) * 4
    assert np.array_equal(stored[7] + median, signal_uv[7])
    assert np.array_equal(stored[9], signal_uv[9])
    assert flags_of(row)[7] == LeadFlag.OFFSET
    assert flags_of(row)[9] == LeadFlag(0)


def test_an_offset_beyond_int16_still_fits(tmp_path):
    """100 adu/mV: the samples span ±327 mV, and a lead sits at 200 mV."""
    signal = pulses_uv(4000, fs=400) // 10
    signal[7] += 20000
    stored, row = converted(write_record(tmp_path, "W1", signal, fs=400, gain="100/mV"))
    assert np.array_equal(stored[7].astype(int) + row.offset[7], 10 * signal[7].astype(int))
    assert row.offset[7] > 199_000
    assert row.n_clipped == 0


def test_what_lies_beyond_the_range_is_clipped_counted_and_flagged(tmp_path):
    signal_uv = pulses_uv(4000, fs=400)
    signal_uv[6, 10:13] = 20000
    signal_uv[7, 5] = -20000
    stored, row = converted(write_record(tmp_path, "W1", signal_uv, fs=400, gain="500/mV"))
    assert stored[6, 10:13].tolist() == [32767] * 3
    assert stored[7, 5] == -32767
    assert row.n_clipped == 4
    assert [number for number, flags in enumerate(flags_of(row)) if flags & LeadFlag.CLIPPED] == [6, 7]


def test_a_wrong_checksum_is_rejected_or_flagged(tmp_path):
    path = write_record(tmp_path, "A0001", checksums=[1, 2, *(0,) * 10])
    with pytest.raises(
        ChecksumError, match=r"A0001 lead I, II, .*: the samples do not match the header's checksum: .* fetch"
    ):
        converted(path)
    _, row = converted(path, StoreConfig(bad_checksum="flag"))
    assert all(flags & LeadFlag.CHECKSUM for flags in row.lead_flags)
    assert check_checksum(read_record(path), reject=False) == list(range(12))


def test_a_checksum_may_be_unsigned_or_missing(tmp_path):
    sums = [int(samples.sum(dtype=np.int64)) % 65536 for samples in pulses_uv(5000)]
    assert converted(write_record(tmp_path, "A0001", checksums=sums))[1].lead_flags == (0,) * 12
    path = tmp_path / "A0001.hea"
    lines = path.read_text().splitlines()
    lines[12] = " ".join(lines[12].split()[:5])  # V6 without checksum, and so without a name
    path.write_text("\n".join(lines) + "\n")
    _, row = converted(path, StoreConfig(leads=LEADS[:11]))
    assert row.lead_flags == (0,) * 11


def test_a_header_that_changed_since_the_plan(tmp_path):
    path = write_record(tmp_path, "A0001")
    with pytest.raises(
        HeaderError, match="A0001: 5000 samples at 500 Hz; expected 4000 at 250 Hz as planned: the file ch"
    ):
        converted(path, n_samples=4000, fs=250.0)
    with pytest.raises(StoreError, match="A0001: 4000 samples; the plan says 4001"):
        converted(path, length=4001)


def test_eleven_leads(tmp_path):
    with pytest.raises(LeadError, match="A0001: lead V6 missing"):
        converted(write_record(tmp_path, "A0001", pulses_uv(500)[:11], leads=LEADS[:11]))


@pytest.mark.parametrize("gain", ["1e-7/mV", "1e-300/mV", "1000(999999999999999)/mV"])
def test_a_gain_that_makes_lightning_of_an_ecg_is_refused(tmp_path, gain):
    path = write_record(tmp_path, "W1", gain=gain)
    with pytest.raises(
        SignalError, match=r"W1 lead I: .* V at .* adu/mV, baseline .*; expected at most 1000 V: correct the"
    ):
        converted(path)


def test_clean_microvolts_are_what_a_filter_may_see(tmp_path):
    signal_uv = pulses_uv(500)
    signal_uv[0, :3] = -32768
    clean, flags, n_invalid = to_clean_microvolts(read_record(write_record(tmp_path, "A0001", signal_uv)))
    assert clean.dtype == np.float32
    assert np.isfinite(clean).all()
    assert clean[0, :3].tolist() == [signal_uv[0, 3]] * 3
    assert (n_invalid, flags.dtype) == (3, np.uint16)


@pytest.mark.shared
def test_originals_and_challenge_records_are_the_same_ecg(shared):
    """The original PTB record comes through wfdb at its own gain; lead order and 15 leads notwithstanding."""
    path = shared / "data" / "originals" / "ptb" / "s0010_re.hea"
    stored, row = converted(path)
    assert (row.dataset, row.length, row.n_samples_source) == ("ptb", 15360, 38400)
    expected = resample_poly(read_record(path).signal * 0.5, 2, 5, axis=1)
    assert np.abs(stored + np.array(row.offset)[:, None] - expected).max() <= 0.51
    for name in ("00001", "00002"):
        original, first = converted(shared / "data" / "originals" / "ptb-xl" / f"{name}_hr.hea")
        challenge, second = converted(shared / "data" / "challenge2020" / "Training_PTB-XL" / f"HR{name}.hea")
        assert np.array_equal(original, challenge)
        assert first.digest == second.digest


def test_samples_that_are_microvolts_are_taken_as_they_are(tmp_path):
    record = read_record(write_record(tmp_path, "A0001"))
    samples, flags, n_invalid = clean_samples(record)
    assert samples is record.signal
    assert (flags.tolist(), n_invalid) == ([0] * 12, 0)
    as_floats, same_flags, _ = to_clean_microvolts(record)
    assert as_floats.dtype == np.float32
    assert np.array_equal(as_floats, samples)
    assert np.array_equal(flags, same_flags)


@pytest.mark.parametrize("what", ["gain", "baseline", "invalid"])
def test_all_others_become_floats(tmp_path, what):
    signal_uv = pulses_uv(500, fs=400)
    if what == "invalid":
        signal_uv[3, 7] = -32768
    gain = {"gain": "999/mV", "baseline": "1000(1)/mV"}.get(what, "1000/mV")
    record = read_record(write_record(tmp_path, "W1", signal_uv, fs=400, gain=gain))
    samples, flags, n_invalid = clean_samples(record)
    expected, expected_flags, _ = to_clean_microvolts(record)
    assert samples.dtype == np.float32
    assert np.array_equal(samples, expected)
    assert np.array_equal(flags, expected_flags)
    assert n_invalid == (what == "invalid")
