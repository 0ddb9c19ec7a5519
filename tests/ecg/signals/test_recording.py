"""Recordings in microvolts: made from anything, completed to the leads that are wanted, described in words."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecg12.ecg.errors import ConfigError, LeadError, SignalError
from ecg12.ecg.signals.leads import LEADS, canonical_lead, plan_leads
from ecg12.ecg.signals.quality import LeadFlag
from ecg12.ecg.signals.recording import describe_quality, doubt_amplitude, make_recording
from tests.records import pulses_uv

LIMB = LEADS[:6]


def frontal(n_samples: int = 200) -> np.ndarray:
    """Six limb leads that obey Einthoven and Goldberger exactly, float64."""
    one, two = np.random.default_rng(1).normal(0, 300, (2, n_samples)).round()
    return np.array([one, two, two - one, -(one + two) / 2, one - two / 2, two - one / 2])


@pytest.mark.parametrize("first", range(6))
@pytest.mark.parametrize("second", range(6))
def test_any_two_limb_leads_give_the_other_four(first: int, second: int) -> None:
    if first == second:
        return
    signal = frontal()
    recording = make_recording("x", signal[[first, second]], [LIMB[first], LIMB[second]], 500)
    whole = recording.complete(LIMB)
    assert whole.leads == LIMB
    np.testing.assert_allclose(whole.signal_uv, signal, atol=2e-3)
    assert set(whole.derived) == set(LIMB) - {LIMB[first], LIMB[second]}
    assert describe_quality(whole).startswith("derived: ")


def test_derived_from_one_and_two_where_they_are_there() -> None:
    signal = frontal()
    signal[2] += 100  # III that is not II - I
    recording = make_recording("x", signal[:3], LIMB[:3], 500).complete(LIMB)
    np.testing.assert_allclose(recording.signal_uv[3:], frontal()[3:], atol=1e-3)
    assert recording.derived == ("aVR", "aVL", "aVF")
    np.testing.assert_array_equal(recording.signal_uv[2], signal[2].astype(np.float32))


def test_chest_leads_are_an_error_or_zeros() -> None:
    recording = make_recording("x", frontal()[:2], ("I", "II"), 500)
    with pytest.raises(LeadError, match=r"^x: lead V1, V2, V3, V4, V5, V6 missing: found I, II; expected I, II, III"):
        recording.complete()
    whole = recording.complete(missing="zero")
    assert whole.zeroed == LEADS[6:]
    assert not whole.signal_uv[6:].any()
    assert describe_quality(whole) == "derived: III aVR aVL aVF; zeros: V1 V2 V3 V4 V5 V6"
    assert not whole.is_flat
    with pytest.raises(ConfigError, match="missing leads are 'guess'; expected error or zero"):
        recording.complete(missing="guess")
    only_chest = make_recording("x", frontal()[:1], ("V1",), 500)
    with pytest.raises(LeadError, match=r"limb leads can be derived from two others"):
        only_chest.complete(("I",))


def test_leads_are_put_in_order_and_others_left_out() -> None:
    signal = pulses_uv(300)
    names = [*reversed(LEADS), "vx"]
    recording = make_recording("x", np.vstack([signal[::-1], signal[:1]]), names, 500)
    np.testing.assert_array_equal(recording.complete().signal_uv, signal)
    whole = recording.complete()
    assert whole.complete() is whole
    assert recording.complete(("V5", "II")).leads == ("V5", "II")
    twice = make_recording("x", signal[:2], ("I", "ECG I"), 500)
    with pytest.raises(LeadError, match="x: lead I occurs 2 times; expected once"):
        twice.complete(("I",))


@given(st.permutations(LEADS), st.sets(st.sampled_from(LEADS), min_size=1))
def test_a_plan_names_every_wanted_lead_once(there: list[str], kept: set[str]) -> None:
    names = [lead for lead in there if lead in kept]
    plan = plan_leads(names, LEADS, missing="zero")
    direct = [lead for lead, sources in zip(LEADS, plan.sources, strict=True) if len(sources) == 1]
    assert sorted((*direct, *plan.derived, *plan.zeroed)) == sorted(LEADS)
    assert set(direct) == kept


def test_missing_samples_are_interpolated_and_flagged() -> None:
    signal = pulses_uv(500)[:3].astype(float)
    holes = signal.copy()
    holes[1, 100:103] = np.nan
    holes[2, 7] = np.inf
    recording = make_recording("x", holes, ("I", "II", "V1"), 500)
    assert np.isfinite(recording.signal_uv).all()
    np.testing.assert_allclose(recording.signal_uv[1, 100:103], np.linspace(*signal[1, [99, 103]], 5)[1:4], rtol=1e-5)
    assert [bool(flags & LeadFlag.INVALID) for flags in recording.lead_flags] == [False, True, True]
    assert describe_quality(recording) == "invalid: II V1"


def test_flat_and_swapped_leads_are_flagged() -> None:
    signal = pulses_uv(500).astype(float)
    signal[6] = 5
    signal[[0, 1]] = signal[[1, 0]]
    recording = make_recording("x", signal, LEADS, 500)
    assert describe_quality(recording) == "einthoven: I II III; flat: V1"
    assert not recording.is_flat
    assert make_recording("x", np.ones((2, 9)), ("I", "II"), 500).is_flat
    assert make_recording("x", np.ones((1, 9)), ("I",), 500).complete(("V1",), missing="zero").is_flat


def test_what_is_no_ecg_is_refused() -> None:
    for signal, leads, fs, message in (
        (np.full((1, 9), np.nan), ("I",), 500, "x: no valid sample in any lead"),
        (np.full((1, 9), 2e9), ("I",), 500, r"x lead I: 2e\+03 V; expected at most 1000 V"),
        (np.ones((2, 9)), ("I",), 500, r"x: signal of shape \(2, 9\); expected at least one sample of each lead"),
        (np.ones((1, 9)), ("I",), 0, "x: sampling frequency 0 Hz; expected 10 to 1e\\+06 Hz"),
    ):
        with pytest.raises(SignalError, match=message):
            make_recording("x", signal, leads, fs)


def test_amplitudes_a_thousand_times_off_are_doubted() -> None:
    for scale in (0, 47, 130, 1720):
        assert not doubt_amplitude(scale)
    for scale in (0.13, 130_000):
        assert "is the unit or gain right?" in doubt_amplitude(scale)


def test_amplitude_is_of_the_leads_that_were_recorded() -> None:
    recording = make_recording("x", frontal()[:2], ("I", "II"), 500)
    assert recording.amplitude_uv == pytest.approx(np.median(frontal()[:2].std(axis=1)), rel=1e-5)
    assert recording.complete(("I", "V1", "V2", "V3"), missing="zero").amplitude_uv == pytest.approx(
        frontal()[0].std(), rel=1e-5
    )
    assert make_recording("x", np.ones((2, 9)), ("I", "II"), 500).amplitude_uv == 0


def test_gain_multiplies_every_sample() -> None:
    recording = make_recording("x", frontal()[:2], ("I", "II"), 500)
    np.testing.assert_allclose(recording.with_gain(4.88).signal_uv, recording.signal_uv * 4.88, rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("MDC_ECG_LEAD_V3", "V3"),
        ("Lead aVR (Goldberger)", "aVR"),
        ("ECG II", "II"),
        ("EKG-V1", "V1"),
        ("ECG -aVR", "ECG -aVR"),  # inverted: another lead
        ("-aVR", "-aVR"),
    ],
)
def test_names_of_other_formats(name: str, expected: str) -> None:
    assert canonical_lead(name) == expected


def test_samples_that_are_given_away_are_not_copied() -> None:
    mine = pulses_uv(50).astype(np.float32)
    mine[0, 3] = np.nan
    assert make_recording("x", mine, LEADS, 500).signal_uv is not mine
    assert np.isnan(mine[0, 3])
    assert make_recording("x", mine, LEADS, 500, keep=True).signal_uv is mine
    assert not np.isnan(mine).any()
