"""Quality flags, each by a record that shows it and by one that just does not, and the amplitude of a record."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecg12.cache.schema import COLUMNS, RecordRow, StoreConfig
from ecg12.ecg.signals.adc import to_microvolts
from ecg12.ecg.signals.cleaning import to_clean_microvolts
from ecg12.ecg.signals.digital_record import Record
from ecg12.ecg.signals.leads import LEADS
from ecg12.ecg.signals.quality import (
    EINTHOVEN_LIMIT_UV,
    OFFSET_LIMIT_UV,
    RAILED_SAMPLES,
    LeadFlag,
    checksum_mismatches,
    compute_lead_flags,
    compute_scale,
    describe_flags,
)
from ecg12.pipeline.formats.wfdb.records import read_record
from ecg12.pipeline.ingest.convert import convert_record
from ecg12.pipeline.ingest.plan import plan_records
from tests.ecg.memory import make_record, make_signal
from tests.records import write_record

V1 = LEADS.index("V1")


def flags_of(record: Record) -> list[LeadFlag]:
    signal_uv = to_microvolts(
        record.signal, record.adc_gain, record.baseline, invalid_sample=record.invalid_sample, leads=record.leads
    )
    flags = compute_lead_flags(record, signal_uv)
    assert flags.dtype == np.uint16
    return [LeadFlag(int(value)) for value in flags]


def only(flag: LeadFlag, *rows: int) -> list[LeadFlag]:
    """What `flags_of` gives when just these leads have just this flag."""
    return [flag if row in rows else LeadFlag(0) for row in range(12)]


def with_samples(row: int, *values: int, signal: np.ndarray | None = None) -> np.ndarray:
    """A sound signal whose lead `row` begins with `values`."""
    signal = make_signal() if signal is None else signal
    signal[row, : len(values)] = values
    return signal


def test_a_sound_record_has_no_flag():
    assert flags_of(make_record()) == only(LeadFlag(0))


def test_flags_add_up():
    signal = with_samples(V1, -32768)
    signal[V1, 1:] = 4
    record = make_record(signal, checksum=(None,) * 12)
    expected = [LeadFlag.UNVERIFIED] * 12
    expected[V1] |= LeadFlag.INVALID | LeadFlag.FLAT
    assert flags_of(record) == expected


class TestInvalid:
    def test_one_sample_is_enough(self):
        assert flags_of(make_record(with_samples(V1, -32768))) == only(LeadFlag.INVALID, V1)

    def test_near_miss_the_value_next_to_it(self):
        assert flags_of(make_record(with_samples(V1, -32767))) == only(LeadFlag(0))

    def test_the_value_is_the_formats(self):
        signal = with_samples(V1, -2048)
        assert flags_of(make_record(signal)) == only(LeadFlag(0))
        assert flags_of(make_record(signal, invalid_sample=-2048)) == only(LeadFlag.INVALID, V1)


class TestFlat:
    @pytest.mark.parametrize("value", [0, 17, 32767, -32767])
    def test_every_sample_the_same(self, value):
        signal = make_signal()
        signal[V1] = value
        assert flags_of(make_record(signal)) == only(LeadFlag.FLAT, V1)

    def test_near_miss_one_sample_differs(self):
        signal = make_signal()
        signal[V1] = 17
        signal[V1, -1] = 18
        assert flags_of(make_record(signal)) == only(LeadFlag(0))

    def test_invalid_samples_do_not_count(self):
        signal = make_signal()
        signal[V1] = 17
        signal[V1, 3:9] = -32768
        assert flags_of(make_record(signal)) == only(LeadFlag.FLAT | LeadFlag.INVALID, V1)

    def test_a_lead_without_any_valid_sample_is_flat(self):
        signal = make_signal()
        signal[V1] = -32768
        assert flags_of(make_record(signal)) == only(LeadFlag.FLAT | LeadFlag.INVALID, V1)

    def test_a_single_sample_is_flat(self):
        record = make_record(np.zeros((12, 1), np.int16))
        assert flags_of(record) == [LeadFlag.FLAT] * 12


class TestRailed:
    @pytest.mark.parametrize("rail", [32767, -32767])
    def test_as_many_samples_at_the_limit(self, rail):
        signal = with_samples(V1, *[rail] * RAILED_SAMPLES)
        assert flags_of(make_record(signal)) == only(LeadFlag.RAILED, V1)

    def test_both_limits_count_together(self):
        signal = with_samples(V1, *[32767, -32767] * (RAILED_SAMPLES // 2))
        assert flags_of(make_record(signal)) == only(LeadFlag.RAILED, V1)

    def test_near_miss_one_sample_fewer(self):
        signal = with_samples(V1, *[32767] * (RAILED_SAMPLES - 1))
        assert flags_of(make_record(signal)) == only(LeadFlag(0))

    def test_near_miss_the_value_next_to_the_limit(self):
        signal = with_samples(V1, *[32766, -32766] * RAILED_SAMPLES)
        assert flags_of(make_record(signal)) == only(LeadFlag(0))

    def test_invalid_samples_are_not_at_the_limit(self):
        signal = with_samples(V1, 32767, *[-32768] * RAILED_SAMPLES)
        assert flags_of(make_record(signal)) == only(LeadFlag.INVALID, V1)

    def test_a_flat_lead_at_the_limit_is_flat(self):
        signal = make_signal()
        signal[V1] = 32767
        assert flags_of(make_record(signal)) == only(LeadFlag.FLAT, V1)

    @pytest.mark.parametrize(("invalid_sample", "rail"), [(-2048, 2047), (-128, 127), (-8388608, 8388607)])
    def test_the_limit_is_the_formats(self, invalid_sample, rail):
        signal = np.clip(make_signal().astype(np.int32), -100, 100)
        signal[1] = signal[0] + signal[2]
        signal[:3] //= 2
        signal = with_samples(V1, *[-rail] * RAILED_SAMPLES, signal=signal)
        gain = np.full(12, 1e5)
        railed = make_record(signal, invalid_sample=invalid_sample, adc_gain=gain)
        assert flags_of(railed) == only(LeadFlag.RAILED, V1)
        near_miss = make_record(with_samples(V1, 1 - rail, signal=signal), invalid_sample=invalid_sample, adc_gain=gain)
        assert flags_of(near_miss) == only(LeadFlag(0))


class TestEinthoven:
    @staticmethod
    def record(error_uv: float, **fields) -> Record:
        signal = make_signal()
        signal[1] = signal[0] + signal[2] + np.where(np.arange(100) % 2, error_uv, -error_uv).astype(np.int16)
        return make_record(signal, **fields)

    def test_lead_two_is_not_one_and_three(self):
        assert flags_of(self.record(EINTHOVEN_LIMIT_UV + 1)) == only(LeadFlag.EINTHOVEN, 0, 1, 2)

    def test_near_miss_a_mean_of_just_the_limit(self):
        assert flags_of(self.record(EINTHOVEN_LIMIT_UV)) == only(LeadFlag(0))

    def test_the_limit_is_in_microvolts_not_adu(self):
        record = self.record(51, adc_gain=np.full(12, 2000.0))
        assert flags_of(record) == only(LeadFlag(0))
        record = self.record(26, adc_gain=np.full(12, 500.0))
        assert flags_of(record) == only(LeadFlag.EINTHOVEN, 0, 1, 2)

    def test_an_offset_between_the_leads_is_an_error_too(self):
        signal = make_signal()
        signal[2] += 60
        assert flags_of(make_record(signal)) == only(LeadFlag.EINTHOVEN, 0, 1, 2)

    def test_leads_are_found_by_name(self):
        order = (5, 2, 7, 1, 9, 0)
        wrong = self.record(80)
        selected = wrong.select([LEADS[row] for row in order])
        expected = [LeadFlag.EINTHOVEN if row < 3 else LeadFlag(0) for row in order]
        assert flags_of(selected) == expected

    def test_without_the_three_leads_there_is_nothing_to_say(self):
        assert flags_of(self.record(500).select(("I", "II", "V1"))) == [LeadFlag(0)] * 3

    def test_invalid_samples_do_not_count(self):
        signal = make_signal()
        signal[1, :40] += 60  # mean 24 µV over all samples, 60 µV over the valid ones
        assert flags_of(make_record(signal)) == only(LeadFlag(0))
        signal[0, 40:] = -32768
        expected = only(LeadFlag.EINTHOVEN, 0, 1, 2)
        expected[0] |= LeadFlag.INVALID
        assert flags_of(make_record(signal)) == expected

    def test_no_sample_valid_in_all_three_leads(self):
        signal = make_signal()
        signal[0, ::2] = signal[2, 1::2] = -32768
        assert flags_of(make_record(signal)) == only(LeadFlag.INVALID, 0, 2)


class TestGainCorrected:
    def test_the_leads_whose_gain_was_corrected(self):
        stated = np.full(12, 1000.0)
        stated[[0, V1]] = 4880.0
        assert flags_of(make_record(stated_gain=stated)) == only(LeadFlag.GAIN_CORRECTED, 0, V1)

    def test_near_miss_the_same_gain_stated(self):
        assert flags_of(make_record(stated_gain=np.full(12, 1000.0))) == only(LeadFlag(0))


class TestChecksum:
    @staticmethod
    def sums(record: Record) -> list[int]:
        return [int(total) for total in record.signal.astype(np.int64).sum(axis=1)]

    @pytest.mark.parametrize("dtype", [np.int16, np.int32, np.int64])
    @pytest.mark.parametrize("spell", ["signed", "unsigned", "whole sum"])
    def test_signed_and_unsigned_are_the_same(self, dtype, spell):
        signal = np.random.default_rng(1).integers(-32767, 32767, (12, 999)).astype(dtype)
        sums = self.sums(make_record(signal))
        stated = {
            "signed": [(total + 32768) % 65536 - 32768 for total in sums],
            "unsigned": [total % 65536 for total in sums],
            "whole sum": sums,
        }[spell]
        assert checksum_mismatches(make_record(signal, checksum=tuple(stated))) == []

    @pytest.mark.parametrize("dtype", [np.int16, np.int32])
    def test_a_sum_beyond_32_bits(self, dtype):
        signal = np.full((12, 70_000), 32_767, dtype)
        signal[:, 0] = 1
        total = 32_767 * 69_999 + 1
        assert total > 2**31
        assert checksum_mismatches(make_record(signal, checksum=(total % 65536,) * 12)) == []

    @pytest.mark.parametrize("value", [2**31 - 1, -(2**31) + 1, 65_536, -65_537])
    def test_samples_of_more_than_16_bits(self, value):
        signal = np.full((12, 3), value, np.int32)
        assert checksum_mismatches(make_record(signal, checksum=(3 * value % 65536,) * 12)) == []

    def test_one_adu_off_is_found_and_flagged(self):
        record = make_record()
        damaged = record.signal.copy()
        damaged[V1, 50] += 1
        damaged[3, 7] -= 1
        damaged = make_record(damaged, checksum=record.checksum)
        assert checksum_mismatches(damaged) == [3, V1]
        assert flags_of(damaged) == only(LeadFlag.CHECKSUM, 3, V1)

    def test_what_a_sum_cannot_see(self):
        record = make_record()
        damaged = record.signal.copy()
        damaged[V1, 50] += 1
        damaged[V1, 51] -= 1
        assert checksum_mismatches(make_record(damaged, checksum=record.checksum)) == []

    def test_an_absent_one_is_unverified_not_wrong(self):
        record = make_record(checksum=(None, *make_record().checksum[1:]))
        assert checksum_mismatches(record) == []
        assert flags_of(record) == only(LeadFlag.UNVERIFIED, 0)


class TestFlagsOfTheStore:
    """CLIPPED and OFFSET are told from the samples to be stored."""

    @staticmethod
    def convert(folder: Path, lead_adu: np.ndarray, gain: str) -> tuple[np.ndarray, RecordRow]:
        """Lead V1 of a hospital's record through to the store."""
        signal = make_signal(n_samples=len(lead_adu))
        signal[V1] = lead_adu
        write_record(folder, "H1", signal, fs=400, gain=gain)
        (planned,) = plan_records([folder], StoreConfig()).records
        stored, row = convert_record(planned, 0, StoreConfig())
        return stored[V1], row

    @pytest.mark.parametrize(("largest", "expected"), [(3276, LeadFlag(0)), (3277, LeadFlag.CLIPPED)])
    def test_clipped(self, tmp_path, largest, expected):
        lead = np.arange(200, dtype=np.int16)
        lead[50] = largest  # times 10 µV
        stored, row = self.convert(tmp_path, lead, gain="100/mV")
        assert row.lead_flags == tuple(only(expected, V1))
        assert row.n_clipped == (1 if expected else 0)
        assert stored[50] == min(10 * largest, 32767)

    @pytest.mark.parametrize("sign", [1, -1])
    def test_offset(self, tmp_path, sign):
        wave = np.tile(np.array([-300, 0, 300], np.int16), 67)
        near_miss, row = self.convert(tmp_path, sign * OFFSET_LIMIT_UV + wave, gain="1000/mV")
        assert row.lead_flags == tuple(only(LeadFlag(0)))
        assert np.median(near_miss) == sign * OFFSET_LIMIT_UV
        stored, row = self.convert(tmp_path, sign * (OFFSET_LIMIT_UV + 1) + wave, gain="1000/mV")
        assert row.lead_flags == tuple(only(LeadFlag.OFFSET, V1))
        assert row.offset[V1] == sign * (OFFSET_LIMIT_UV + 1)
        np.testing.assert_array_equal(stored, wave)


class TestComputeScale:
    @staticmethod
    def noise(n_samples: int = 1000, seed: int = 0) -> np.ndarray:
        return np.random.default_rng(seed).normal(0, 300, (12, n_samples)).astype(np.float32)

    @staticmethod
    def naive(signal_uv: np.ndarray) -> float:
        centred = signal_uv.astype(np.float64) - np.median(signal_uv.astype(np.float64), axis=1, keepdims=True)
        low = np.percentile(centred, 1, method="lower")
        high = np.percentile(centred, 99, method="higher")
        kept = centred[(centred >= low) & (centred <= high)]
        return float(np.sqrt(np.mean(kept**2)))

    @settings(deadline=None)
    @given(st.integers(0, 1000), st.integers(2, 700), st.integers(1, 12))
    def test_like_its_definition(self, seed, n_samples, n_leads):
        signal_uv = self.noise(n_samples, seed)[:n_leads] + np.arange(n_leads, dtype=np.float32)[:, None] * 500
        scale = compute_scale(signal_uv)
        assert scale.dtype == np.float32
        assert scale == pytest.approx(self.naive(signal_uv), rel=1e-4)

    def test_by_hand(self):
        """Median 5; -5 … 5 less the percentiles' own samples at neither end, which are kept."""
        assert compute_scale(np.arange(11, dtype=np.int16)[None]) == pytest.approx(np.sqrt(10.0))
        long = np.concatenate([[-9000, 9000], np.tile([-2, 2], 200)]).astype(np.float32)
        assert compute_scale(long[None]) == 2.0  # less than one sample in a hundred at either end

    @pytest.mark.parametrize("gain", [0.001, 0.2, 4.88, 1000.0])
    def test_is_proportional_to_the_gain(self, gain):
        signal_uv = self.noise()
        assert compute_scale(signal_uv * np.float32(gain)) == pytest.approx(gain * compute_scale(signal_uv), rel=1e-5)

    def test_is_independent_of_each_leads_offset(self):
        signal_uv = np.rint(self.noise(1001))
        offsets = np.random.default_rng(5).integers(-9000, 9000, (12, 1)).astype(np.float32)
        assert compute_scale(signal_uv + offsets) == compute_scale(signal_uv)

    @pytest.mark.parametrize("spike", [32767, -32767])
    def test_hardly_minds_rare_spikes(self, spike):
        signal_uv = self.noise()
        spiked = signal_uv.copy()
        spiked[:, ::200] = spike  # one sample in two hundred
        assert compute_scale(spiked) == pytest.approx(compute_scale(signal_uv), rel=0.03)

    def test_int16_and_float32_agree(self):
        stored = np.rint(self.noise()).astype(np.int16)
        assert compute_scale(stored) == compute_scale(stored.astype(np.float32))
        at_the_limits = np.tile(np.array([-32767, 32767, 32767], np.int16), (12, 50))
        assert compute_scale(at_the_limits) == compute_scale(at_the_limits.astype(np.float32)) > 0

    @staticmethod
    def by_sorting(signal_uv: np.ndarray) -> np.float32:
        """FORMAT.md's words, in whole half microvolts."""
        centred = np.sort((2 * signal_uv - 2 * np.median(signal_uv, axis=1, keepdims=True)).astype(np.int64), axis=None)
        last = centred.size - 1
        kept = centred[int(0.01 * last) : int(np.ceil(0.99 * last)) + 1]
        return np.float32(np.sqrt(int((kept * kept).sum()) / (4 * kept.size)))

    @settings(deadline=None)
    @given(st.integers(0, 1000), st.integers(1, 700), st.integers(1, 12), st.sampled_from([1, 40, 3000, 32767]))
    def test_counting_is_sorting_to_the_last_bit(self, seed, n_samples, n_leads, largest):
        stored = np.random.default_rng(seed).integers(-largest, largest + 1, (n_leads, n_samples)).astype(np.int16)
        stored[: n_leads // 2] //= 3  # leads of other ranges
        assert compute_scale(stored) == self.by_sorting(stored.astype(np.int64))

    @pytest.mark.parametrize("value", [0, 5, -32767])
    def test_is_zero_for_flat_leads(self, value):
        assert compute_scale(np.full((12, 50), value, np.int16)) == 0
        assert compute_scale(np.full((1, 1), value, np.float32)) == 0

    def test_the_input_stays_as_it_is(self):
        signal_uv = self.noise()
        before = signal_uv.copy()
        compute_scale(signal_uv)
        np.testing.assert_array_equal(signal_uv, before)


class TestNames:
    def test_the_stores_column_names_every_bit_in_order(self):
        (column,) = (column for column in COLUMNS if column.path == "record/lead_flags")
        assert dict(zip(column.flag_meanings.split(), column.flag_masks, strict=True)) == {
            flag.name.lower(): flag.value for flag in LeadFlag if flag < LeadFlag.DERIVED
        }
        assert max(column.flag_masks) <= np.iinfo(column.dtype).max

    def test_every_flag_is_one_bit_of_its_own(self):
        assert [flag.value for flag in LeadFlag] == [1 << bit for bit in range(len(LeadFlag))]

    @pytest.mark.parametrize(
        ("flags", "expected"),
        [
            (0, "none"),
            (1, "invalid"),
            (256 + 64 + 4, "flat, gain_corrected, unverified"),
            (LeadFlag.CLIPPED | LeadFlag.OFFSET, "clipped, offset"),
            (np.uint16(24), "railed, einthoven"),
        ],
    )
    def test_describe_flags(self, flags, expected):
        assert describe_flags(flags) == expected


@pytest.mark.shared
def test_the_real_records_show_nothing_but_corrected_gains(shared):
    flagged = {}
    paths = sorted((shared / "data" / "challenge2020").glob("*/*.hea"))
    for path in paths:
        _, flags, n_invalid = to_clean_microvolts(read_record(path))
        assert n_invalid == 0
        if flags.any():
            flagged[path.stem] = {describe_flags(int(value)) for value in flags}
    assert len(paths) == 486
    assert flagged == {name: {"gain_corrected"} for name in ("E00009", "E00015", "E00018", "E00793")}
