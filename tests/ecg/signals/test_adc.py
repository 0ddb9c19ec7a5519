"""Digital to physical and back: exact where it can be, half a microvolt off at most where it cannot."""

from pathlib import Path

import numpy as np
import pytest
import wfdb
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from wfdb.io._signal import DAT_FMTS, INVALID_SAMPLE_VALUE

from ecg12.ecg.datasets import DATASETS, dataset_of
from ecg12.ecg.errors import SignalError
from ecg12.ecg.signals.adc import (
    INVALID_SAMPLE_BY_FORMAT,
    STORE_LIMIT_UV,
    gain_per_mv,
    interpolate_invalid,
    invalid_sample_of,
    to_digital,
    to_microvolts,
    to_physical,
    true_gain,
)

nan = np.nan


def adu(*rows: list[int], dtype=np.int16) -> np.ndarray:
    return np.array(rows, dtype)


def constants(n_leads: int, gain: float, baseline: int = 0) -> tuple[np.ndarray, np.ndarray]:
    return np.full(n_leads, gain), np.full(n_leads, baseline, np.int64)


class TestGainPerMv:
    @pytest.mark.parametrize(
        ("gain", "units", "expected"),
        [
            (1000.0, "mV", 1000.0),
            (1000.0, "mv", 1000.0),
            (1000.0, " MV ", 1000.0),
            (1000.0, None, 1000.0),
            (1000.0, "", 1000.0),
            (4880.0, "mV", 4880.0),
            (1.0, "uV", 1000.0),  # one adu is one microvolt
            (0.2, "uv", 200.0),
            (1.0, "µV", 1000.0),  # micro sign
            (1.0, "μV", 1000.0),  # Greek mu
            (1e6, "V", 1000.0),
            (200_000.0, "v", 200.0),
            (1.0, "microvolts", 1000.0),
            (0.001, "nV", 1000.0),
            (1000.0, "millivolt", 1000.0),
        ],
    )
    def test_adu_per_unit_becomes_adu_per_mv(self, gain, units, expected):
        assert gain_per_mv(gain, units, where="X") == pytest.approx(expected, rel=1e-15)

    def test_one_signal_reads_the_same_whatever_the_unit_of_its_gain(self):
        signal = adu([0, 1500, -2000])
        read = [
            to_physical(signal, np.array([gain_per_mv(gain, units, where="X")]), np.zeros(1, np.int64))
            for gain, units in ((1000.0, "mV"), (1.0, "uV"), (1e6, "V"))
        ]
        for signal_mv in read:
            np.testing.assert_allclose(signal_mv, [[0.0, 1.5, -2.0]], rtol=1e-7)

    @pytest.mark.parametrize("gain", [None, 0.0])
    def test_an_uncalibrated_lead_is_an_error(self, gain):
        with pytest.raises(SignalError, match=r"^A0001 lead V2: uncalibrated, the header states no gain; expected"):
            gain_per_mv(gain, "mV", where="A0001 lead V2")

    @pytest.mark.parametrize(
        ("gain", "units", "found"),
        [(-200.0, "mV", "-200 adu/mV"), (nan, None, "nan adu/mV"), (np.inf, "uV", "inf adu/uV")],
    )
    def test_an_impossible_gain_is_an_error(self, gain, units, found):
        with pytest.raises(SignalError, match=f"^X: gain {found}; expected a positive number$"):
            gain_per_mv(gain, units, where="X")

    @pytest.mark.parametrize("units", ["mmHg", "uV?", "nd", " ", "adu"])
    def test_an_unknown_unit_is_an_error(self, units):
        with pytest.raises(SignalError, match=r"^X: units '.*' not understood; expected mV, uV or V$"):
            gain_per_mv(1000.0, units, where="X")


class TestTrueGain:
    @pytest.mark.parametrize("dataset", DATASETS, ids=lambda dataset: dataset.name)
    def test_a_record_of_the_six_has_1000_whatever_its_header_states(self, dataset):
        gain, corrected = true_gain(dataset, np.array([1000.0, 4880.0, 200.0, 2e6, nan]))
        assert gain.tolist() == [1000.0] * 5
        assert corrected.tolist() == [False, True, True, True, True]

    def test_elsewhere_the_header_is_trusted(self):
        gain, corrected = true_gain(None, np.array([200.0, 4880.0]))
        assert gain.tolist() == [200.0, 4880.0]
        assert not corrected.any()


class TestInvalidSample:
    @pytest.mark.parametrize("fmt", [fmt for fmt in DAT_FMTS if INVALID_SAMPLE_VALUE[fmt] is not None])
    def test_every_format_has_the_value_that_wfdb_knows(self, fmt):
        assert invalid_sample_of(fmt) == INVALID_SAMPLE_BY_FORMAT[fmt] == INVALID_SAMPLE_VALUE[fmt]

    def test_format_8_has_none_so_that_no_sample_of_it_is_taken_for_invalid(self):
        assert INVALID_SAMPLE_VALUE["8"] is None
        samples = adu([-128, 127, -32768, 0], dtype=np.int32)
        signal_uv = to_microvolts(samples, *constants(1, 1000.0), invalid_sample=invalid_sample_of("8"))
        np.testing.assert_array_equal(signal_uv, samples)

    def test_the_table_holds_wfdbs_formats_and_no_others(self):
        assert set(INVALID_SAMPLE_BY_FORMAT) == set(DAT_FMTS)

    def test_an_unknown_format_is_taken_for_a_16_bit_one(self):
        assert invalid_sample_of("17") == -32768


class TestToPhysical:
    def test_signal_less_baseline_over_gain(self):
        signal_mv = to_physical(adu([0, 200, -100], [1024, 1224, 824]), np.array([200.0, 100.0]), np.array([0, 1024]))
        assert signal_mv.tolist() == [[0.0, 1.0, -0.5], [0.0, 2.0, -2.0]]
        assert signal_mv.dtype == np.float32

    def test_microvolts_are_a_thousand_times_that(self):
        signal, parameters = adu([0, 200, -100], [1024, 1224, 824]), (np.array([200.0, 100.0]), np.array([0, 1024]))
        assert to_microvolts(signal, *parameters).tolist() == [[0.0, 1000.0, -500.0], [0.0, 2000.0, -2000.0]]

    def test_every_int16_is_exact_in_microvolts(self):
        signal = np.arange(-32767, 32768, dtype=np.int16)[None]
        np.testing.assert_array_equal(to_microvolts(signal, *constants(1, 1000.0)), signal)

    def test_the_input_stays_as_it_is(self):
        signal = adu([-32768, 5])
        to_physical(signal, *constants(1, 1000.0))
        assert signal.tolist() == [[-32768, 5]]

    def test_the_invalid_sample_becomes_nan_and_no_other(self):
        signal = adu([-32768, -32767, 32767], [0, -2048, -32768])
        np.testing.assert_array_equal(np.isnan(to_physical(signal, *constants(2, 200.0))), signal == -32768)
        invalid = np.isnan(to_physical(signal, *constants(2, 200.0, 7), invalid_sample=-2048))
        np.testing.assert_array_equal(invalid, signal == -2048)

    def test_an_invalid_sample_that_the_samples_type_cannot_hold_is_met_nowhere(self):
        signal = adu([-32768, 0])
        assert not np.isnan(to_physical(signal, *constants(1, 1.0), invalid_sample=-(2**31))).any()

    def test_wide_samples_keep_their_last_bit(self):
        """24-bit converters: the difference of two large numbers is small, and must not be lost in float32."""
        baseline = 2**30 + 1
        signal = adu([baseline + 1, baseline - 3], dtype=np.int32)
        signal_uv = to_microvolts(signal, *constants(1, 1000.0, baseline), invalid_sample=-(2**31))
        assert signal_uv.tolist() == [[1.0, -3.0]]

    @pytest.mark.parametrize("baseline", [2**24 + 1, -(2**24) - 1, 2**23 + 1])
    def test_so_do_wide_baselines(self, baseline):
        signal = adu([1, -1, 32767])
        expected = ((signal.astype(np.int64) - baseline) / 1e6).astype(np.float32)
        np.testing.assert_array_equal(to_physical(signal, *constants(1, 1e6, baseline)), expected)

    @pytest.mark.parametrize("gain", [0.0, -200.0, nan, np.inf])
    @pytest.mark.parametrize("convert", [to_physical, to_microvolts])
    def test_an_impossible_gain_is_an_error_that_names_the_lead(self, convert, gain):
        parameters = (adu([1], [2]), np.array([1000.0, gain]), np.zeros(2, np.int64))
        with pytest.raises(SignalError, match=rf"^lead II: gain {gain:g} adu/mV; expected a positive number$"):
            convert(*parameters, leads=("I", "II"))
        with pytest.raises(SignalError, match=r"^lead 1: gain"):
            convert(*parameters)


class TestToDigital:
    @settings(deadline=None)
    @given(
        arrays(np.float32, st.integers(1, 50), elements=st.floats(-40_000, 40_000, width=32)),
        st.sampled_from([np.float32, np.float64]),
    )
    def test_at_most_half_a_microvolt_is_lost(self, signal_uv, dtype):
        stored, n_clipped = to_digital(signal_uv.astype(dtype))
        assert stored.dtype == np.int16
        within = np.abs(signal_uv) <= STORE_LIMIT_UV
        assert (np.abs(stored - signal_uv.astype(np.float64))[within] <= 0.5).all()
        assert (np.abs(stored.astype(int)) <= STORE_LIMIT_UV).all()
        assert (stored[~within] == np.sign(signal_uv[~within]) * STORE_LIMIT_UV).all()
        assert n_clipped == (np.abs(np.rint(signal_uv)) > STORE_LIMIT_UV).sum()

    @settings(deadline=None)
    @given(
        arrays(np.int16, st.tuples(st.just(2), st.integers(1, 40)), elements=st.integers(-32767, 32767)),
        st.floats(1000, 1e6),
        st.integers(-(2**15), 2**15),
    )
    def test_digital_to_microvolts_to_digital_is_within_half_a_microvolt(self, signal, gain, baseline):
        signal_uv = to_microvolts(signal, *constants(2, gain, baseline))
        stored, n_clipped = to_digital(signal_uv)
        exact = (signal.astype(np.float64) - baseline) * 1000.0 / gain
        kept = np.abs(exact) <= STORE_LIMIT_UV
        assert (np.abs(stored - exact)[kept] <= 0.5 + 0.01).all()  # float32 in between: 0.004 µV at the limit
        assert n_clipped <= (~kept).sum() + (np.abs(exact) > STORE_LIMIT_UV - 0.01).sum()

    def test_every_value_of_the_store_comes_back(self):
        stored = np.arange(-STORE_LIMIT_UV, STORE_LIMIT_UV + 1, dtype=np.int16)[None]
        again, n_clipped = to_digital(to_microvolts(stored, *constants(1, 1000.0)))
        np.testing.assert_array_equal(again, stored)
        assert n_clipped == 0

    def test_beyond_the_limit_is_clipped_and_counted(self):
        stored, n_clipped = to_digital(np.array([32767.4, 32767.6, 40_000.0, -32767.4, -32768.0, -np.inf, np.inf]))
        assert stored.tolist() == [32767, 32767, 32767, -32767, -32767, -32767, 32767]
        assert n_clipped == 5

    def test_any_shape_comes_back(self):
        stored, n_clipped = to_digital(np.ones((2, 3, 4), np.float32))
        assert (stored.shape, n_clipped) == ((2, 3, 4), 0)
        assert to_digital(np.zeros((12, 0), np.float32))[0].shape == (12, 0)

    def test_the_input_stays_as_it_is(self):
        signal_uv = np.array([0.4, 1e6], np.float32)
        to_digital(signal_uv)
        assert signal_uv.tolist() == [np.float32(0.4), 1e6]

    def test_nan_is_an_error(self):
        with pytest.raises(SignalError, match=r"^2 samples are NaN; expected finite microvolts: interpolate first$"):
            to_digital(np.array([[0.0, nan], [nan, 1e9]], np.float32))


class TestInterpolateInvalid:
    @pytest.mark.parametrize(
        ("lead", "expected"),
        [
            ([0, nan, 2], [0, 1, 2]),
            ([0, nan, nan, nan, 8], [0, 2, 4, 6, 8]),
            ([nan, nan, 5, 7], [5, 5, 5, 7]),
            ([5, 7, nan, nan], [5, 7, 7, 7]),
            ([nan, 1, nan, 3, nan], [1, 1, 2, 3, 3]),
            ([nan, 4, nan], [4, 4, 4]),
            ([nan, nan, nan], [0, 0, 0]),
            ([1, 2, 3], [1, 2, 3]),
            ([], []),
        ],
    )
    def test_a_straight_line_within_and_the_nearest_at_the_ends(self, lead, expected):
        signal = np.array([lead], np.float32)
        assert interpolate_invalid(signal) == np.isnan(lead).sum()
        assert signal.tolist() == [expected]

    def test_each_lead_for_itself(self):
        signal = np.array([[1, nan, 3], [nan, nan, nan], [nan, 7, 8]], np.float32)
        assert interpolate_invalid(signal) == 5
        assert signal.tolist() == [[1, 2, 3], [0, 0, 0], [7, 7, 8]]

    def test_a_view_of_another_order_is_changed_in_place_too(self):
        signal = np.array([[0.0, 9.0], [nan, 9.0], [4.0, nan]], np.float32)  # (sample, lead)
        assert interpolate_invalid(signal.T) == 2
        assert signal.tolist() == [[0.0, 9.0], [2.0, 9.0], [4.0, 9.0]]


class TestAgainstWfdb:
    """wfdb's own conversion is the oracle: (sample, lead), float64, NaN where invalid."""

    @staticmethod
    def read(path: Path) -> tuple[np.ndarray, wfdb.Record, wfdb.Record]:
        digital = wfdb.rdrecord(str(path.with_suffix("")), physical=False)
        physical = wfdb.rdrecord(str(path.with_suffix("")))
        return np.ascontiguousarray(digital.d_signal.T), digital, physical

    @pytest.mark.shared
    @pytest.mark.parametrize(
        "record",
        [
            "challenge2020/Training_CPSC/A0001",
            "challenge2020/Training_2/Q0001",
            "challenge2020/Training_PTB/S0001",
            "challenge2020/Training_PTB-XL/HR00001",
            "originals/ptb-xl/00001_hr",
            "originals/ptb/s0010_re",
        ],
    )
    def test_real_records(self, shared, record):
        signal, digital, physical = self.read(shared / "data" / record)
        gain = [gain_per_mv(g, u, where=record) for g, u in zip(digital.adc_gain, digital.units, strict=True)]
        parameters = (np.array(gain), np.array(digital.baseline, np.int64))
        np.testing.assert_allclose(to_physical(signal, *parameters), physical.p_signal.T, rtol=3e-7)
        np.testing.assert_allclose(to_microvolts(signal, *parameters), physical.p_signal.T * 1000.0, rtol=3e-7)

    @pytest.mark.shared
    @pytest.mark.parametrize("name", ["E00009", "E00015", "E00018", "E00793"])
    def test_records_whose_headers_state_wrong_gains(self, shared, tmp_path, name):
        folder = shared / "data" / "challenge2020" / "Training_E"
        # wfdb refuses the ".mat" that these headers write after the record's name
        header = (folder / f"{name}.hea").read_text().replace(f"{name}.mat 12", f"{name} 12")
        (tmp_path / f"{name}.hea").write_text(header)
        (tmp_path / f"{name}.mat").write_bytes((folder / f"{name}.mat").read_bytes())
        signal, digital, physical = self.read(tmp_path / f"{name}.hea")
        stated = np.array(digital.adc_gain)
        assert set(stated) == {4880.0}
        gain, corrected = true_gain(dataset_of(name, digital.fs), stated)
        assert corrected.all()
        signal_mv = to_physical(signal, gain, np.zeros(12, np.int64))
        np.testing.assert_array_equal(signal_mv, (signal / 1000.0).astype(np.float32))
        np.testing.assert_allclose(signal_mv, physical.p_signal.T * 4.88, rtol=3e-7)

    # wfdb's writer of headers calls pandas with an argument that pandas is about to drop
    @pytest.mark.filterwarnings(r"ignore:The inplace keyword in DataFrame.drop:DeprecationWarning:wfdb\.io\._header")
    @pytest.mark.parametrize("fmt", ["16", "24", "32", "80", "212", "508", "516", "524"])
    @pytest.mark.parametrize(("units", "step"), [("mV", 0.005), ("uV", 5.0), ("V", 5e-6)])
    def test_written_records_of_every_format_that_wfdb_writes(self, tmp_path, fmt, units, step):
        """Values in steps of 5 µV with a baseline of 3, one sample invalid, whatever the unit of the gain."""
        rng = np.random.default_rng(int(fmt))
        physical = rng.integers(-100, 100, (64, 2)) * step
        physical[7, 0] = nan
        wfdb.wrsamp(
            "made",
            fs=500,
            units=[units] * 2,
            sig_name=["I", "II"],
            p_signal=physical,
            fmt=[fmt] * 2,
            adc_gain=[1 / step] * 2,
            baseline=[3] * 2,
            write_dir=str(tmp_path),
        )
        signal, digital, read = self.read(tmp_path / "made.hea")
        gain = np.array([gain_per_mv(g, units, where="made") for g in digital.adc_gain])
        signal_mv = to_physical(signal, gain, np.array([3, 3]), invalid_sample=invalid_sample_of(fmt))
        per_mv = {"mV": 1.0, "uV": 1000.0, "V": 0.001}[units]
        np.testing.assert_allclose(signal_mv, read.p_signal.T / per_mv, rtol=1e-6, atol=1e-6)
        np.testing.assert_array_equal(np.argwhere(np.isnan(signal_mv)), [[0, 7]])
