"""The plan of windows: the rule by hand, its properties on any lengths, and the cutter that follows it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecg12.ecg.errors import ConfigError, SignalError
from ecg12.ecg.signals.window import WindowConfig, WindowPlan, cut_window, plan_windows

LENGTHS = st.lists(st.integers(1, 400), min_size=1, max_size=12)
CONFIGS = st.builds(WindowConfig, window_length=st.integers(1, 60), min_piece=st.one_of(st.none(), st.integers(0, 90)))


def windows_of(n_samples: int, window_length: int, min_piece: int | None = None) -> list[tuple[int, int, int]]:
    """(start, valid, pad) of each window of one record."""
    plan = plan_windows(np.array([n_samples]), WindowConfig(window_length=window_length, min_piece=min_piece))
    return list(zip(plan.start.tolist(), plan.valid.tolist(), plan.pad.tolist(), strict=True))


def naive_windows(n_samples: int, window_length: int, rest: int) -> list[tuple[int, int, int]]:
    """The rule, window by window."""
    n_windows = n_samples // window_length
    if n_samples % window_length > rest:
        n_windows += 1
    n_windows = max(n_windows, 1)
    start = (n_samples - n_windows * window_length) // 2 if n_windows * window_length < n_samples else 0
    windows = []
    for _ in range(n_windows):
        piece = min(window_length, n_samples - start)
        windows.append((start, piece, (window_length - piece) // 2))
        start += window_length
    return windows


def columns(plan: WindowPlan) -> dict[str, list[int]]:
    return {name: getattr(plan, name).tolist() for name in ("record", "number", "start", "valid", "pad")}


class TestByHand:
    @pytest.mark.parametrize(
        ("n_samples", "expected"),
        [
            (1, [(0, 1, 2047)]),
            (4000, [(0, 4000, 48)]),
            (4001, [(0, 4001, 47)]),  # an odd number of zeros: the larger half is behind
            (4096, [(0, 4096, 0)]),
            (4097, [(0, 4096, 0)]),
            (4098, [(1, 4096, 0)]),
            (5000, [(452, 4096, 0)]),
            (6144, [(1024, 4096, 0)]),  # a rest of half a window gets none
            (6145, [(0, 4096, 0), (4096, 2049, 1023)]),  # a longer one does
            (8192, [(0, 4096, 0), (4096, 4096, 0)]),
            (10_240, [(1024, 4096, 0), (5120, 4096, 0)]),
            (12_000, [(0, 4096, 0), (4096, 4096, 0), (8192, 3808, 144)]),
        ],
    )
    def test_windows_of_4096(self, n_samples, expected):
        assert windows_of(n_samples, 4096) == expected

    @pytest.mark.parametrize(
        ("n_samples", "expected"),
        [
            (6096, [(1000, 4096, 0)]),
            (6097, [(0, 4096, 0), (4096, 2001, 1047)]),
            (1500, [(0, 1500, 1298)]),  # a short record has its window whatever min_piece is
        ],
    )
    def test_min_piece_of_2000_as_the_reference_predicts(self, n_samples, expected):
        assert windows_of(n_samples, 4096, 2000) == expected

    def test_min_piece_of_nothing_leaves_no_sample_out(self):
        assert windows_of(9, 4, 0) == [(0, 4, 0), (4, 4, 0), (8, 1, 1)]

    def test_min_piece_longer_than_a_window_takes_whole_windows_only(self):
        assert windows_of(11, 4, 2000) == [(1, 4, 0), (5, 4, 0)]

    def test_windows_of_one_sample(self):
        assert windows_of(3, 1) == [(0, 1, 0), (1, 1, 0), (2, 1, 0)]

    def test_half_an_hour(self):
        windows = windows_of(720_000, 4096)
        assert len(windows) == 176  # 175 whole ones and a rest of 3,200
        assert windows[-1] == (716_800, 3200, 448)

    def test_several_records_lie_one_after_another(self):
        plan = plan_windows(np.array([5, 3, 11]), WindowConfig(window_length=4))
        assert len(plan) == 5
        assert plan.window_length == 4
        assert columns(plan) == {
            "record": [0, 1, 2, 2, 2],
            "number": [0, 0, 0, 1, 2],
            "start": [0, 0, 0, 4, 8],
            "valid": [4, 3, 4, 4, 3],
            "pad": [0, 0, 0, 0, 0],
        }


class TestProperties:
    @settings(deadline=None)
    @given(LENGTHS, CONFIGS)
    def test_equal_to_the_rule_record_by_record(self, lengths, config):
        plan = plan_windows(np.array(lengths), config)
        expected = [
            (record, number, *window)
            for record, n_samples in enumerate(lengths)
            for number, window in enumerate(naive_windows(n_samples, config.window_length, config.longest_dropped_rest))
        ]
        assert list(zip(*columns(plan).values(), strict=True)) == expected
        assert len(plan) == len(expected)

    @settings(deadline=None)
    @given(st.integers(1, 5000), CONFIGS)
    def test_one_record_is_covered_in_order_but_for_the_allowed_rest(self, n_samples, config):
        length = config.window_length
        windows = windows_of(n_samples, length, config.min_piece)
        assert len(windows) >= 1
        assert all(1 <= valid <= length for _, valid, _ in windows)
        assert all(valid == length for _, valid, _ in windows[:-1])
        ends = [start + valid for start, valid, _ in windows]
        assert [start for start, _, _ in windows[1:]] == ends[:-1]  # no gap, no overlap
        first, last = windows[0][0], n_samples - ends[-1]
        assert first >= 0
        assert 0 <= last - first <= 1  # what is left out is the same at both ends
        left_out = first + last
        assert left_out <= config.longest_dropped_rest
        assert left_out < length
        assert left_out == 0 or len(windows) == n_samples // length

    @settings(deadline=None)
    @given(LENGTHS, CONFIGS)
    def test_zeros_are_the_same_on_both_sides(self, lengths, config):
        plan = plan_windows(np.array(lengths), config)
        behind = plan.window_length - plan.pad - plan.valid
        assert (plan.pad >= 0).all()
        assert set((behind - plan.pad).tolist()) <= {0, 1}

    def test_every_column_is_int64_whatever_the_lengths_type(self):
        for dtype in (np.int16, np.int32, np.uint16, np.int64):
            plan = plan_windows(np.array([30_000, 5], dtype), WindowConfig(window_length=7))
            assert {getattr(plan, name).dtype for name in columns(plan)} == {np.dtype(np.int64)}

    def test_no_record_no_window(self):
        plan = plan_windows(np.array([], np.int64), WindowConfig())
        assert len(plan) == 0
        assert columns(plan) == {"record": [], "number": [], "start": [], "valid": [], "pad": []}

    def test_a_million_records(self):
        lengths = np.random.default_rng(0).integers(1, 60_000, 1_000_000)
        plan = plan_windows(lengths, WindowConfig())
        assert plan.record[-1] == 999_999
        assert (np.diff(plan.record) <= 1).all()
        n_covered = np.bincount(plan.record, plan.valid)
        assert (lengths - n_covered).max() == 2048
        assert (lengths - n_covered).min() == 0


class TestCut:
    @settings(deadline=None)
    @given(st.integers(1, 300), CONFIGS, st.sampled_from([np.int16, np.float32]))
    def test_like_a_naive_cutter(self, n_samples, config, dtype):
        signal = np.arange(1, 3 * n_samples + 1).reshape(3, n_samples).astype(dtype)
        for start, valid, pad in windows_of(n_samples, config.window_length, config.min_piece):
            window = np.full((3, config.window_length), 77, dtype)
            cut_window(signal, start, valid, pad, window)
            for column in range(config.window_length):
                inside = 0 <= column - pad < valid
                expected = signal[:, start + column - pad] if inside else np.zeros(3)
                np.testing.assert_array_equal(window[:, column], expected)

    def test_a_short_record_is_centred_between_zeros(self):
        window = np.full((2, 7), 9, np.int16)
        cut_window(np.array([[1, 2, 3, 4], [5, 6, 7, 8]], np.int16), 0, 4, 1, window)
        assert window.tolist() == [[0, 1, 2, 3, 4, 0, 0], [0, 5, 6, 7, 8, 0, 0]]

    def test_the_signal_stays_as_it_is_and_is_not_shared(self):
        signal = np.ones((1, 8), np.int16)
        window = np.empty((1, 4), np.int16)
        cut_window(signal, 2, 4, 0, window)
        window[:] = 5
        assert (signal == 1).all()


class TestConfig:
    def test_defaults(self):
        config = WindowConfig()
        assert (config.window_length, config.min_piece, config.longest_dropped_rest) == (4096, None, 2048)

    @pytest.mark.parametrize(
        ("window_length", "min_piece", "expected"), [(5, None, 2), (1, None, 0), (4096, 2000, 2000), (10, 0, 0)]
    )
    def test_longest_dropped_rest(self, window_length, min_piece, expected):
        assert WindowConfig(window_length=window_length, min_piece=min_piece).longest_dropped_rest == expected

    @pytest.mark.parametrize("window_length", [0, -4096])
    def test_a_window_holds_at_least_a_sample(self, window_length):
        with pytest.raises(ConfigError, match=rf"^window_length is {window_length}; expected at least 1 sample$"):
            WindowConfig(window_length=window_length)

    def test_min_piece_is_not_negative(self):
        with pytest.raises(ConfigError, match=r"^min_piece is -1; expected 0 samples or more$"):
            WindowConfig(min_piece=-1)


@pytest.mark.parametrize("length", [0, -3])
def test_a_record_without_samples_is_an_error(length):
    with pytest.raises(SignalError, match=rf"^record 2 has {length} samples; expected at least 1$"):
        plan_windows(np.array([5, 9, length, 0]), WindowConfig())
