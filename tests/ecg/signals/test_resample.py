"""Resampling: scipy's resample_poly in double precision is the oracle, to a hundredth of a microvolt."""

import math

import numpy as np
import pytest
import scipy.signal
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from ecg12.ecg.errors import SignalError
from ecg12.ecg.signals import resample as module
from ecg12.ecg.signals.resample import (
    COLUMNS,
    MATRIX_FACTOR,
    MAX_FACTOR,
    MOST_SAMPLES_FROM_ONE,
    TAP_BITS,
    resample,
    resampled_length,
    resampling_ratio,
)

SLOW = 62.4725
"""Hz; exact, it takes a filter of 3.2 million taps, which scipy designs at every call."""

RATES = [
    (500.0, 400.0),
    (257.0, 400.0),
    (1000.0, 400.0),
    (360.0, 400.0),
    (128.0, 400.0),
    (SLOW, 400.0),
    (500.0, 250.0),
    (400.0, 400.0),
]
USUAL_HZ = [62.4725, 100.0, 128.0, 200.0, 240.0, 250.0, 256.0, 257.0, 360.0, 400.0, 500.0, 512.0, 1000.0, 4000.0]


def expected_of(signal: np.ndarray, fs_in: float, fs_out: float) -> np.ndarray:
    up, down = resampling_ratio(fs_in, fs_out)
    return scipy.signal.resample_poly(signal.astype(np.float64), up, down, axis=-1)


def make(kind: str, n_samples: int, fs: float = 500.0) -> np.ndarray:
    """Three leads of a kind: float32, shape (3, n_samples), µV."""
    rng = np.random.default_rng(n_samples)
    time = np.arange(n_samples) / fs
    if kind == "random":
        return rng.integers(-8000, 8001, (3, n_samples)).astype(np.float32)
    if kind == "ECG-like":
        beats = np.exp(-(((time % 0.8) - 0.4) ** 2) / (2 * 0.01**2))
        wander = 200 * np.sin(2 * np.pi * 0.3 * time)
        return np.stack([1200 * beats + wander, -700 * beats, 300 * beats - wander]).round().astype(np.float32)
    if kind == "full scale":
        return rng.choice([-32767, 32767], (3, n_samples)).astype(np.float32)
    assert kind == "offset"
    return (np.array([[30_000], [-7_999], [12_345]]) + rng.integers(-900, 900, (3, n_samples))).astype(np.float32)


class TestAgainstScipy:
    @pytest.mark.parametrize("kind", ["random", "ECG-like", "full scale", "offset"])
    @pytest.mark.parametrize(("fs_in", "fs_out"), RATES)
    def test_to_a_hundredth_of_a_microvolt(self, kind, fs_in, fs_out):
        for n_samples in (2000, 2001, 1777) if fs_in != SLOW else (601,):
            signal = make(kind, n_samples, fs_in)
            resampled = resample(signal, fs_in, fs_out)
            assert resampled.dtype == np.float32
            np.testing.assert_allclose(resampled, expected_of(signal, fs_in, fs_out), rtol=0, atol=0.01)

    @pytest.mark.parametrize(("fs_in", "fs_out"), RATES)
    def test_short_signals(self, fs_in, fs_out):
        for n_samples in range(1, 31) if fs_in != SLOW else (1, 2, 7, 30):
            signal = make("random", n_samples)
            resampled = resample(signal, fs_in, fs_out)
            np.testing.assert_allclose(resampled, expected_of(signal, fs_in, fs_out), rtol=0, atol=0.01)

    @pytest.mark.parametrize("largest", [8000.0, 32767.0, 1e6])
    def test_large_signals_to_the_precision_of_float32(self, largest):
        signal = np.where(make("full scale", 3000) > 0, largest, -largest).astype(np.float32)
        expected = expected_of(signal, 257, 400)
        np.testing.assert_allclose(resample(signal, 257, 400), expected, rtol=1e-7, atol=0.01)

    @pytest.mark.parametrize(("fs_in", "fs_out"), RATES)
    def test_whole_microvolts_round_to_the_same_but_for_ties(self, fs_in, fs_out):
        signal = make("ECG-like", 5000, fs_in)
        difference = np.rint(resample(signal, fs_in, fs_out)) - np.rint(expected_of(signal, fs_in, fs_out))
        assert np.abs(difference).max() <= 1
        assert (difference != 0).mean() < 1e-3


class TestExact:
    """Whole microvolts of 16 bits come out the same on every machine: nothing is rounded before the last step."""

    @pytest.mark.parametrize(("fs_in", "fs_out"), [rate for rate in RATES if rate[0] not in (SLOW, 400.0)])
    @pytest.mark.parametrize("kind", ["full scale", "ECG-like"])
    def test_like_whole_numbers(self, kind, fs_in, fs_out):
        signal = make(kind, 801, fs_in)
        up, down = resampling_ratio(fs_in, fs_out)
        half = 10 * max(up, down)
        window = ("kaiser", 5.0)
        taps = scipy.signal.firwin(2 * half + 1, 1 / max(up, down), window=window) * up * 2.0**TAP_BITS
        # expected: by the definition, in 64-bit integers
        spread = np.zeros((3, 801 * up), np.int64)
        spread[:, ::up] = signal.astype(np.int64)
        whole = np.array([np.convolve(row, np.rint(taps).astype(np.int64)) for row in spread])
        expected = whole[:, half::down][:, : resampled_length(801, fs_in, fs_out)]
        assert np.abs(expected).max() < 2**53
        np.testing.assert_array_equal(resample(signal, fs_in, fs_out), (expected / 2.0**TAP_BITS).astype(np.float32))

    @pytest.mark.parametrize(("fs_in", "fs_out"), [rate for rate in RATES if rate[0] not in (SLOW, 400.0)])
    def test_sums_fit_float64(self, fs_in, fs_out):
        matrices, first, block_in = module._matrices(*resampling_ratio(fs_in, fs_out))
        assert np.abs(matrices).sum(axis=1).max() * 2**15 * 2**TAP_BITS < 2**53
        assert (matrices * 2.0**TAP_BITS == np.rint(matrices * 2.0**TAP_BITS)).all()
        assert matrices.shape[2] == COLUMNS
        assert matrices.shape[1] <= block_in  # or windows of one group would overlap and be copied
        assert first[0] <= 0

    @pytest.mark.parametrize("limit", [1, 2**10, 2**13])
    def test_neither_the_cut_of_products_nor_of_rows_matters(self, limit, monkeypatch):
        signal = make("random", 3000)
        whole = resample(signal, 500, 400)
        monkeypatch.setattr(module, "PRODUCT_LIMIT", limit)
        monkeypatch.setattr(module, "SAMPLES_AT_ONCE", limit)
        np.testing.assert_array_equal(resample(signal, 500, 400), whole)

    def test_no_product_is_large_enough_for_threads(self, monkeypatch):
        """OpenBLAS starts them beyond 2^18 multiplications; they would fight the other workers for cores."""
        sizes = []
        matmul = np.matmul
        monkeypatch.setattr(
            module.np, "matmul", lambda a, b, out: (sizes.append(a[0].size * b.shape[1]), matmul(a, b, out=out))
        )
        resample(make("random", 100_000), 257, 400)
        assert max(sizes) <= 2**18
        assert min(sizes) > 0

    @pytest.mark.parametrize(("fs_in", "fs_out"), [(257.0, 400.0), (1000.0, 400.0), (MATRIX_FACTOR - 1.0, 400.0)])
    def test_the_filter_loop_agrees(self, fs_in, fs_out):
        signal = make("ECG-like", 2000, fs_in)
        up, down = resampling_ratio(fs_in, fs_out)
        looped = module._by_filter_loop(signal, up, down, resampled_length(2000, fs_in, fs_out))
        np.testing.assert_allclose(resample(signal, fs_in, fs_out), looped, rtol=0, atol=0.001)


class TestLength:
    @settings(deadline=None)
    @given(st.integers(0, 600), st.sampled_from(USUAL_HZ[1:]), st.sampled_from(USUAL_HZ[1:]))
    @example(7, 62.4725, 400.0)
    @example(0, 500.0, 400.0)
    def test_what_was_announced_comes_out(self, n_samples, fs_in, fs_out):
        signal = np.zeros((2, n_samples), np.float32)
        assert resample(signal, fs_in, fs_out).shape == (2, resampled_length(n_samples, fs_in, fs_out))

    @settings(deadline=None)
    @given(st.integers(1, 10**7), st.sampled_from(USUAL_HZ), st.sampled_from(USUAL_HZ))
    def test_is_the_ceiling_of_the_exact_quotient(self, n_samples, fs_in, fs_out):
        up, down = resampling_ratio(fs_in, fs_out)
        assume(up <= MOST_SAMPLES_FROM_ONE * down)  # 62.4725 to 4000 Hz is refused
        assert resampled_length(n_samples, fs_in, fs_out) == math.ceil(round(n_samples * up / down, 6))

    @pytest.mark.parametrize(
        ("n_samples", "fs_in", "expected"),
        [(5000, 500, 4000), (462_600, 257, 720_000), (5001, 500, 4001), (1, 1000, 1), (7499, 500, 6000)],
    )
    def test_by_hand(self, n_samples, fs_in, expected):
        assert resampled_length(n_samples, fs_in, 400) == expected

    def test_a_frequency_that_is_no_ecg_s_is_refused_before_anything_is_allocated(self):
        said = r"sampling frequency 0\.01 Hz; expected that of an ECG, at least 7\.8125 Hz to be resampled to 500 Hz"
        for fs, give in ((0.01, resampled_length), (0.01, lambda n, *rates: resample(make("random", n), *rates))):
            with pytest.raises(SignalError, match=said):
                give(5000, fs, 500.0)
        assert resampled_length(5000, 8.0, 500.0) == 312_500


class TestRatio:
    @pytest.mark.parametrize(
        ("fs_in", "fs_out", "expected"),
        [
            (500, 400, (4, 5)),
            (257, 400, (400, 257)),
            (1000, 400, (2, 5)),
            (360, 400, (10, 9)),
            (128, 400, (25, 8)),
            (62.4725, 400, (160_000, 24_989)),
            (400, 62.4725, (24_989, 160_000)),
            (499.9, 400, (4000, 4999)),
            (400, 400, (1, 1)),
            (1e-3, 1e-3, (1, 1)),
        ],
    )
    def test_usual_frequencies_are_exact(self, fs_in, fs_out, expected):
        assert resampling_ratio(fs_in, fs_out) == expected

    @settings(deadline=None)
    @given(st.floats(0.5, 1e5), st.floats(0.5, 1e5))
    @example(360.00123, 400.0)  # exactly 40000000/36000123: a filter of 800 million taps
    @example(400.001, 400.0)
    def test_any_ratio_is_near_and_its_factors_are_bounded(self, fs_in, fs_out):
        up, down = resampling_ratio(fs_in, fs_out)
        assert 1 <= up <= MAX_FACTOR
        assert 1 <= down <= MAX_FACTOR
        assert math.gcd(up, down) == 1
        assert up / down == pytest.approx(fs_out / fs_in, rel=5e-6)

    @settings(deadline=None)
    @given(st.floats(0.5, 1e5), st.floats(0.5, 1e5))
    def test_there_and_back_are_reciprocal(self, fs_in, fs_out):
        assert resampling_ratio(fs_in, fs_out) == resampling_ratio(fs_out, fs_in)[::-1]

    @pytest.mark.parametrize("fs", [0.0, -500.0, np.nan, np.inf])
    def test_an_impossible_frequency_is_an_error(self, fs):
        for fs_in, fs_out in ((fs, 400.0), (400.0, fs)):
            with pytest.raises(SignalError, match=rf"^sampling frequency {fs:g} Hz; expected a positive number$"):
                resampling_ratio(fs_in, fs_out)
        with pytest.raises(SignalError, match="sampling frequency"):
            resample(np.zeros((1, 5), np.float32), fs, 400.0)
        with pytest.raises(SignalError, match="sampling frequency"):
            resampled_length(5, fs, 400.0)

    @pytest.mark.parametrize(("fs_in", "fs_out"), [(1e-7, 400.0), (400.0, 1e-7), (400.0, 1e12), (5e-324, 1e308)])
    def test_frequencies_too_far_apart_are_an_error(self, fs_in, fs_out):
        with pytest.raises(SignalError, match=r" Hz to .* Hz; expected frequencies at most 200,000 times apart$"):
            resampling_ratio(fs_in, fs_out)


class TestShapes:
    @pytest.mark.parametrize(("fs_in", "fs_out"), RATES)
    def test_batched_is_one_by_one_bit_for_bit(self, fs_in, fs_out):
        batch = np.stack([make(kind, 501) for kind in ("random", "full scale", "ECG-like", "offset")])
        together = resample(batch, fs_in, fs_out)
        for signals, resampled in zip(batch, together, strict=True):
            np.testing.assert_array_equal(resample(signals, fs_in, fs_out), resampled)
            for row, alone in zip(signals, resampled, strict=True):
                np.testing.assert_array_equal(resample(row, fs_in, fs_out), alone)

    def test_a_view_of_another_order_comes_out_the_same(self):
        signal = make("random", 700)
        view = np.asfortranarray(signal)
        np.testing.assert_array_equal(resample(view, 500, 400), resample(signal, 500, 400))

    @pytest.mark.parametrize("shape", [(0,), (12, 0), (2, 12, 0), (0, 5), (0, 12, 5)])
    def test_nothing_comes_out_of_nothing(self, shape):
        assert resample(np.zeros(shape, np.float32), 500, 400).shape == (*shape[:-1], shape[-1] * 4 // 5)

    def test_equal_rates_give_the_input_itself(self):
        signal = make("random", 50)
        assert resample(signal, 400, 400.0) is signal

    @pytest.mark.parametrize("kind", ["random", "full scale"])
    def test_the_input_stays_as_it_is(self, kind):
        signal = make(kind, 400)
        before = signal.copy()
        resample(signal, 500, 400)
        np.testing.assert_array_equal(signal, before)


class TestWhatAFilterMustDo:
    @staticmethod
    def sine(hertz: float, fs: float, seconds: float = 8.0) -> np.ndarray:
        return (1000 * np.sin(2 * np.pi * hertz * np.arange(int(fs * seconds)) / fs)).astype(np.float32)[None]

    @staticmethod
    def middle(signal: np.ndarray) -> np.ndarray:
        """Without the first and last eighth, where the edges are heard."""
        n_samples = signal.shape[-1]
        return signal[..., n_samples // 8 : -n_samples // 8]

    @pytest.mark.parametrize(
        ("fs_in", "fs_out", "hertz"), [(500, 400, 240), (1000, 400, 260), (1000, 400, 430), (500, 250, 180)]
    )
    def test_what_lies_above_the_new_nyquist_frequency_is_gone(self, fs_in, fs_out, hertz):
        assert hertz > fs_out / 2
        assert np.abs(self.middle(resample(self.sine(hertz, fs_in), fs_in, fs_out))).max() < 3  # of 1000

    @pytest.mark.parametrize("hertz", [0.5, 1, 10, 40, 50])
    @pytest.mark.parametrize(("fs_in", "fs_out"), [rate for rate in RATES if rate[0] != SLOW])
    def test_the_pass_band_keeps_amplitude_and_time(self, fs_in, fs_out, hertz):
        resampled = resample(self.sine(hertz, fs_in), fs_in, fs_out)
        np.testing.assert_allclose(self.middle(resampled), self.middle(self.sine(hertz, fs_out)), atol=5)  # of 1000

    @pytest.mark.parametrize(("fs_in", "fs_out"), RATES)
    def test_a_constant_keeps_its_level(self, fs_in, fs_out):
        resampled = resample(np.full((1, 3000), 1000, np.float32), fs_in, fs_out)
        np.testing.assert_allclose(self.middle(resampled), 1000, atol=2)

    @pytest.mark.parametrize(("fs_in", "fs_out"), RATES)
    def test_an_impulse_stays_where_it_is(self, fs_in, fs_out):
        """At a sample whose time falls on both grids; the two sides mirror each other."""
        up, down = resampling_ratio(fs_in, fs_out)
        position = down * math.ceil(300 / down)
        signal = np.zeros((1, 2 * position + 1), np.float32)
        signal[0, position] = 1000
        resampled = resample(signal, fs_in, fs_out)[0]
        centre = position // down * up
        assert np.argmax(resampled) == centre
        n_sides = min(centre, len(resampled) - 1 - centre)
        sides = resampled[centre - n_sides : centre + n_sides + 1]
        np.testing.assert_allclose(sides, sides[::-1], atol=1e-3)


@pytest.mark.parametrize(
    ("up", "down"), [(4, 5), (2, 5), (400, 257), (5, 4), (1, 2), (3, 1), (1, 7), (1009, 1013), (160_000, 24_989)]
)
def test_the_filter_is_scipys_to_the_last_bit(up, down):
    largest = max(up, down)
    expected = scipy.signal.firwin(20 * largest + 1, 1.0 / largest, window=("kaiser", 5.0)) * up
    np.testing.assert_array_equal(module._taps.__wrapped__(up, down), expected)


def test_whole_microvolts_may_come_as_int16():
    signal = np.random.default_rng(3).integers(-32767, 32768, (3, 1234)).astype(np.int16)
    for fs_in, fs_out in ((500, 400), (257, 400), (400, 400), (62.4725, 400)):
        found = resample(signal, fs_in, fs_out)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, resample(signal.astype(np.float32), fs_in, fs_out))


@pytest.mark.parametrize(("fs_in", "fs_out"), [(500, 400), (257, 400), (SLOW, 400)])
def test_what_memory_held_before_does_not_matter(monkeypatch, fs_in, fs_out):
    signal = np.random.default_rng(4).integers(-3000, 3000, (3, 1234)).astype(np.int16)
    expected = resample(signal, fs_in, fs_out)
    monkeypatch.setattr(np, "empty", lambda shape, dtype=float, **options: np.full(shape, 7, dtype, **options))
    np.testing.assert_array_equal(resample(signal, fs_in, fs_out), expected)
