"""The simulator: files that other readers accept, labels that are consistent, signs that can be measured.

The measurements below know nothing of how a signal was made: they find beats by their slope and read intervals,
areas and voltages as a reader would, on signals without noise unless said otherwise.
"""

import io
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import scipy.ndimage
import scipy.signal
import wfdb
from hypothesis import given, settings
from hypothesis import strategies as st

from ecg12.ecg.datasets import DATASETS, dataset_of
from ecg12.ecg.errors import ConfigError
from ecg12.ecg.headers.header import parse_header
from ecg12.ecg.labels.annotations import parse_annotations
from ecg12.ecg.signals.leads import LEADS
from ecg12.ecg.synthetic import (
    FINDINGS,
    SimulatedRecord,
    draw_patient,
    findings_of,
    plan_corpus,
    simulate_corpus,
    simulate_record,
    simulate_signal,
)
from ecg12.ecg.synthetic.clinical_findings import EXCLUDING, IMPLIED, RHYTHMS, conflicts
from ecg12.ecg.synthetic.file_dialect import checksum
from ecg12.ecg.synthetic.prevalence import draw_findings, draw_lasting
from ecg12.ecg.synthetic.rhythm import Origin, plan_beats

FS = 500.0
SCORED = [name for name in FINDINGS if name != "JE"]
ROW = {lead: row for row, lead in enumerate(LEADS)}


# ---------------------------------------------------------------- measuring


def simulate(names: str, seed: int, noise: float = 0.0, seconds: float = 10.0) -> np.ndarray:
    codes = [FINDINGS[name].codes[0] for name in names.split("+")]
    rng = np.random.default_rng(seed)
    return simulate_signal(codes, fs=FS, n_samples=int(seconds * FS), rng=rng, noise=noise)


def slope(signal: np.ndarray) -> np.ndarray:
    """Length of the step of the twelve-lead signal from each sample to the next, mV/s."""
    return np.sqrt(np.square(np.diff(signal, axis=1)).sum(axis=0)) * FS


def beat_times(signal: np.ndarray) -> np.ndarray:
    """Samples of largest slope of every beat, at least 0.25 s apart."""
    steep = slope(signal)
    height = 0.25 * np.median(np.sort(steep)[-40:])
    return scipy.signal.find_peaks(steep, height=height, distance=int(0.25 * FS))[0]


def rr_intervals(signal: np.ndarray) -> np.ndarray:
    return np.diff(beat_times(signal)) / FS


def mean_beat(signal: np.ndarray, before: float = 0.45, after: float = 0.65) -> np.ndarray:
    """Median of the beats around their steepest sample, from `before` s, baseline removed."""
    first, last = int(before * FS), int(after * FS)
    beats = [b for b in beat_times(signal) if b - first >= 0 and b + last < signal.shape[1]]
    cut = np.median([signal[:, b - first : b + last] for b in beats], axis=0)
    return cut - np.median(cut, axis=1, keepdims=True)


def qrs_bounds(beat: np.ndarray, before: float = 0.45) -> tuple[int, int]:
    """First and last sample around the steepest one where the slope exceeds 5 % of its peak.

    The end may lie in T where a discordant T follows a wide QRS at once.
    """
    steep = slope(beat)
    centre = int(before * FS)
    window = steep[centre - 75 : centre + 100]
    strong = np.flatnonzero(window > 0.05 * steep[centre - 20 : centre + 20].max())
    # Stop at the first pause of 20 ms, so that P and T are not taken in.
    first = last = int(np.argmin(np.abs(strong - 75)))
    while first > 0 and strong[first] - strong[first - 1] < 10:
        first -= 1
    while last < strong.size - 1 and strong[last + 1] - strong[last] < 10:
        last += 1
    return centre - 75 + int(strong[first]), centre - 75 + int(strong[last])


def qrs(signal: np.ndarray) -> np.ndarray:
    """The QRS of the mean beat, with its level at the onset as zero."""
    beat = mean_beat(signal)
    first, last = qrs_bounds(beat)
    return beat[:, first : last + 1] - beat[:, first : first + 1]


def qrs_ms(signal: np.ndarray) -> float:
    return qrs(signal).shape[1] / FS * 1000


def axis(signal: np.ndarray) -> float:
    area = qrs(signal).sum(axis=1)
    return float(np.rad2deg(np.arctan2(area[ROW["aVF"]] * 2 / np.sqrt(3), area[ROW["I"]])))


def voltages(signal: np.ndarray) -> tuple[float, float]:
    size = np.ptp(qrs(signal), axis=1)
    return float(size[:6].max()), float(size[6:].max())


def t_waves(signal: np.ndarray) -> np.ndarray:
    """T of the mean beat, level after it as zero, shape (12, n)."""
    beat = mean_beat(signal, after=0.55)
    first = int(0.45 * FS) + int(0.13 * FS)
    return beat[:, first:] - beat[:, -10:].mean(axis=1, keepdims=True)


def many(names: str, measure, n: int = 12) -> np.ndarray:
    return np.array([measure(simulate(names, seed)) for seed in range(n)])


# ---------------------------------------------------------------- rhythm


@pytest.mark.parametrize(
    ("names", "low", "high"),
    [("SNR", 60, 100), ("SB", 38, 59), ("STach", 101, 155), ("AF+Brady", 34, 59), ("JE", 34, 59), ("PR", 60, 90)],
)
def test_rate(names: str, low: float, high: float) -> None:
    rates = many(names, lambda s: 60 / rr_intervals(s).mean())
    assert rates.min() > low
    assert rates.max() < high


def test_rr_is_regular_in_sinus_rhythm_swings_in_sinus_arrhythmia_and_is_random_in_fibrillation() -> None:
    def spread(signal: np.ndarray) -> float:
        return float(np.ptp(rr_intervals(signal)))

    def successive(signal: np.ndarray) -> float:
        rr = rr_intervals(signal)
        return float(np.abs(np.diff(rr)).mean() / rr.mean())

    assert many("SNR", spread).max() < 0.10
    assert many("SA", spread).min() > 0.12
    assert many("AF", successive).min() > 0.09
    assert np.median(many("SA", successive)) < np.median(many("AF", successive))


def test_p_wave_precedes_every_sinus_beat_and_none_in_fibrillation_and_junctional_escape() -> None:
    def p_size(signal: np.ndarray) -> float:
        before = mean_beat(signal, before=0.25)[ROW["II"], : int(0.2 * FS)]
        return float(np.ptp(before))

    sinus = many("SB", p_size)
    assert sinus.min() > 0.05
    assert many("JE", p_size).max() < 0.02
    # f waves have no place in the beat: the median over beats is small.
    assert np.median(many("AF", p_size)) < 0.6 * np.median(sinus)


def test_flutter_has_one_strong_rate_of_240_to_340_per_minute() -> None:
    def flutter_share(signal: np.ndarray) -> float:
        power = np.abs(np.fft.rfft(np.diff(signal[ROW["II"]] * np.hanning(signal.shape[1])))) ** 2
        rate = np.fft.rfftfreq(signal.shape[1] - 1, 1 / FS) * 60
        band = (rate > 240) & (rate < 340)
        return float(power[band].max() / np.median(power[(rate > 240) & (rate < 400)]))

    # Conduction of 5:1 to 7:1 leaves F waves alone between the beats.
    assert np.median(many("AFL+Brady", flutter_share)) > 5 * np.median(many("JE", flutter_share))
    assert np.median(many("AFL+Brady", flutter_share)) > 2 * np.median(many("AF+Brady", flutter_share))


def test_pacing_spikes_are_sharper_than_anything_else() -> None:
    def sharpness(signal: np.ndarray) -> float:
        return float(np.abs(np.diff(signal, n=3, axis=1)).max())

    others = [many(names, sharpness, 6).max() for names in ("SNR", "LBBB", "RBBB", "PVC")]
    assert many("PR", sharpness).min() > 2 * max(others)


@pytest.mark.parametrize(("names", "narrow"), [("PAC", True), ("PVC", False)])
def test_premature_beats_come_early_and_keep_or_lose_the_form_of_qrs(names: str, narrow: bool) -> None:
    for seed in range(12):
        signal = simulate(names, seed)
        times = beat_times(signal)
        rr = np.diff(times)
        early = np.flatnonzero(rr < 0.85 * np.median(rr))
        early = early[(times[early + 1] > 100) & (times[early + 1] < signal.shape[1] - 150)]
        assert early.size >= 1
        usual = mean_beat(signal, before=0.12, after=0.12)
        for beat in times[early + 1]:
            # The steepest sample may lie elsewhere in another QRS: take the best alignment.
            alike = max(
                np.corrcoef(usual.ravel(), signal[:, beat + s - 60 : beat + s + 60].ravel())[0, 1]
                for s in range(-30, 31, 2)
            )
            assert bool(alike > 0.9) is narrow


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    duration_s=st.floats(4.5, 30),
    rhythm=st.sampled_from(["SNR", "SB"]),
    kind=st.sampled_from(["PAC", "PVC"]),
)
def test_even_a_short_record_holds_a_premature_beat(seed: int, duration_s: float, rhythm: str, kind: str) -> None:
    rng = np.random.default_rng(seed)
    beats = plan_beats({rhythm, kind}, draw_patient(rng), duration_s, rng)
    premature = beats.onset_s[beats.origin != Origin.NORMAL]
    assert ((premature > 0.15) & (premature < duration_s - 0.5)).any()
    assert np.diff(beats.onset_s).min() > 0.28


# ---------------------------------------------------------------- intervals and conduction


@pytest.mark.parametrize(("names", "low", "high"), [("SB", 115, 198), ("SB+LPR", 200, 242), ("SB+IAVB", 232, 360)])
def test_pr_interval(names: str, low: float, high: float) -> None:
    def pr_ms(signal: np.ndarray) -> float:
        beat = mean_beat(signal, before=0.45)
        onset, _ = qrs_bounds(beat)
        before = np.abs(beat - beat[:, :10].mean(axis=1, keepdims=True))[:, : onset - 5].max(axis=0)
        p_onset = np.flatnonzero(before > 0.08 * before.max())[0]
        return float(onset - p_onset) / FS * 1000

    measured = many(names, pr_ms)
    assert measured.min() > low
    assert measured.max() < high


@pytest.mark.parametrize(
    ("names", "low", "high"),
    [
        ("SNR", 65, 112),
        ("LAnFB", 80, 119),
        ("IRBBB", 90, 119.9),
        ("QAb", 90, 119.9),
        ("RBBB", 120, 170),
        ("LBBB", 130, 400),
        ("NSIVCB", 120, 300),
        ("PR", 140, 400),
    ],
)
def test_qrs_duration(names: str, low: float, high: float) -> None:
    def without_spikes(signal: np.ndarray) -> float:
        return qrs_ms(scipy.ndimage.median_filter(signal, (1, 9)))

    measured = many(names, without_spikes if names == "PR" else qrs_ms)
    assert measured.min() > low
    assert measured.max() < high


def test_block_forms_in_v1_and_v6() -> None:
    for seed in range(12):
        right, partial, left, slow = (qrs(simulate(n, seed)) for n in ("RBBB", "IRBBB", "LBBB", "NSIVCB"))
        for late in (right, partial):
            half = late.shape[1] // 2
            assert late[ROW["V1"], half:].max() > 0.2  # r'
            assert late[ROW["V1"], :half].min() < -0.1  # s before it
        assert right[ROW["V6"], right.shape[1] // 2 :].min() < -0.15  # wide S
        assert left[ROW["V1"]].sum() < 0
        assert left[ROW["V6"], :65].min() > -0.05  # one broad R, no q
        assert (left[ROW["V6"], :80] > 0.5 * left[ROW["V6"]].max()).sum() > 25
        assert slow[ROW["V1"], slow.shape[1] // 2 :].max() < 0.2  # neither r' ...
        assert slow[ROW["I"], :20].min() < -0.02  # ... nor a left block: it starts with the septum


@pytest.mark.parametrize(
    ("names", "low", "high"), [("SNR", -25, 88), ("LAD", -50, -30), ("LAnFB", -88, -45), ("RAD", 92, 165)]
)
def test_mean_axis(names: str, low: float, high: float) -> None:
    measured = many(names, axis, 20)
    assert measured.min() > low
    assert measured.max() < high


def test_left_anterior_block_has_q_in_avl_and_r_in_the_inferior_leads() -> None:
    for seed in range(12):
        beat = qrs(simulate("LAnFB", seed))
        start = beat[:, : beat.shape[1] // 2]
        assert start[ROW["aVL"]].min() < -0.02
        assert min(start[ROW["II"]].max(), start[ROW["III"]].max(), start[ROW["aVF"]].max()) > 0.03
        assert beat[ROW["aVL"]].argmax() / FS >= 0.040


# ---------------------------------------------------------------- voltage, Q, T and QT


def test_low_voltage_is_below_half_and_one_millivolt_and_all_others_are_above() -> None:
    low = many("LQRSV", voltages)
    assert low[:, 0].max() < 0.5
    assert low[:, 1].max() < 1.0
    for names in ("SNR", "RAD", "LAnFB", "QAb"):
        usual = many(names, voltages)
        assert (usual[:, 0].min() > 0.6) or (usual[:, 1].min() > 1.2)


def test_abnormal_q_is_wide_and_deep_in_two_contiguous_leads() -> None:
    contiguous = [("II", "aVF"), ("III", "aVF"), ("I", "aVL"), ("V5", "V6"), *pairwise(LEADS[7:])]

    def q_leads(signal: np.ndarray) -> bool:
        beat = qrs(signal)
        abnormal = set()
        for lead, row in ROW.items():
            x = beat[row]
            begin = np.flatnonzero(np.abs(x) > 0.02)[0]
            positive = np.flatnonzero(x[begin:] > 0)
            end = positive[0] if positive.size else x.size - begin
            depth, height = -x[begin : begin + end].min() if end else 0.0, x.max()
            # From 0.02 mV on: the first few ms of the Q wave are below it.
            if end >= 0.033 * FS and depth > 0.05 and depth >= 0.25 * height:
                abnormal.add(lead)
        return any(a in abnormal and b in abnormal for a, b in contiguous)

    assert many("QAb", q_leads, 20).mean() >= 0.9
    for names in ("SNR", "LAD", "RAD", "LAnFB", "IRBBB"):
        assert many(names, q_leads).mean() <= 0.1


def test_t_is_upright_flat_or_inverted() -> None:
    left = [ROW[lead] for lead in ("I", "II", "V4", "V5", "V6")]
    other = [row for lead, row in ROW.items() if lead not in ("aVR", "III", "V1")]

    def ratio(signal: np.ndarray) -> float:
        """Net T area over QRS height, in the leads where T is upright in health."""
        return float((t_waves(signal)[left].mean(axis=1) / np.ptp(qrs(signal)[left], axis=1)).mean())

    def inverted(signal: np.ndarray) -> float:
        """Depth of the second most negative T."""
        return float(np.sort(t_waves(signal)[other].min(axis=1))[1])

    assert np.median(many("SB+TAb", ratio)) < 0.25 * np.median(many("SB", ratio))
    assert many("SB+TAb", ratio).max() < many("SB", ratio).min()
    assert many("SB+TInv", inverted).max() < -0.1
    assert many("SB", inverted).min() > -0.1


def test_qt_is_long_by_bazett() -> None:
    def qtc_ms(signal: np.ndarray) -> float:
        beat = mean_beat(signal, before=0.45, after=0.75)
        onset, _ = qrs_bounds(beat)
        lead = beat[ROW["V5"]]
        first = int(0.60 * FS)
        peak = first + int(lead[first:].argmax())
        falling = np.diff(lead[peak : peak + 60])
        steepest = peak + int(falling.argmin())
        # The tangent at the steepest point meets the level after T.
        end = steepest + (lead[-20:].mean() - lead[steepest]) / falling.min()
        return float((end - onset) / FS / np.sqrt(rr_intervals(signal).mean()) * 1000)

    assert many("SB", qtc_ms).max() < 455
    assert many("SB+LQT", qtc_ms).min() > 465


# ---------------------------------------------------------------- signal


def test_leads_obey_einthoven_and_goldberger() -> None:
    one, two, three, avr, avl, avf = simulate("SNR", 3, noise=1.0)[:6]
    np.testing.assert_allclose(two, one + three, atol=1e-5)
    np.testing.assert_allclose(avr + avl + avf, 0, atol=1e-5)


def test_noise_is_a_factor_on_the_same_beats() -> None:
    clean, noisy = simulate("SNR", 5), simulate("SNR", 5, noise=1.0)
    assert 0.005 < np.std(noisy - clean) < 0.5
    np.testing.assert_allclose(simulate("SNR", 5, noise=2.0) - clean, 2 * (noisy - clean), atol=1e-4)


def test_noise_and_breathing_tell_nothing_about_the_finding() -> None:
    noise = {names: simulate(names, 6, noise=1.0) - simulate(names, 6) for names in ("SNR", "AF", "PR", "LQRSV")}
    for other in noise.values():
        np.testing.assert_allclose(other, noise["SNR"], atol=1e-5)


def test_a_patient_keeps_axis_and_voltage_between_recordings() -> None:
    patient = draw_patient(np.random.default_rng(1))
    first, second = (
        simulate_signal(["426783006"], fs=FS, n_samples=5000, rng=np.random.default_rng(seed), patient=patient, noise=0)
        for seed in (1, 2)
    )
    assert abs(axis(first) - axis(second)) < 8
    assert np.allclose(voltages(first), voltages(second), rtol=0.15)


@pytest.mark.parametrize(
    ("codes", "fs", "n_samples", "message"),
    [
        (["164873001"], FS, 5000, r"dx code 164873001 not known; expected codes of SNR.*leave it out"),
        (["164889003", "426783006"], FS, 5000, r"findings AF and SNR exclude each other.*leave one out"),
        (["426783006"], 50.0, 5000, r"fs 50\.0 Hz; expected 100 to 4000 Hz; resample"),
        (["426783006"], FS, 1000, r"1000 samples at 500 Hz; expected at least 4\.5 s.*more samples"),
    ],
)
def test_simulate_signal_refuses(codes: list[str], fs: float, n_samples: int, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        simulate_signal(codes, fs=fs, n_samples=n_samples, rng=np.random.default_rng(0))


def test_missing_rhythm_and_implied_findings_are_added() -> None:
    assert findings_of([]) == {"SNR"}
    assert findings_of(["270492004"]) == {"SNR", "IAVB", "LPR"}
    assert findings_of(["426627000"]) == {"JE", "Brady"}
    assert findings_of(["713427006"]) == findings_of(["59118001"])


# ---------------------------------------------------------------- label sets


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32), dataset=st.sampled_from([d.name for d in DATASETS]))
def test_label_sets_are_consistent_and_complete(seed: int, dataset: str) -> None:
    rng = np.random.default_rng(seed)
    findings = draw_findings(dataset, draw_lasting(dataset, rng), rng)
    assert conflicts(findings) == []
    assert all(implied in findings for finding, implied in IMPLIED.items() if finding in findings)
    assert findings & RHYTHMS
    assert findings_of(FINDINGS[f].codes[0] for f in findings) == findings


@pytest.mark.parametrize(
    "pair",
    ["AF SNR", "AF SB", "AF PAC", "LBBB RBBB", "LAD RAD", "SB STach", "IRBBB RBBB", "RAD LAnFB", "AF IAVB"],
)
def test_incompatible_pairs(pair: str) -> None:
    assert frozenset(pair.split()) in EXCLUDING


def test_every_class_is_frequent_enough() -> None:
    for seed in (0, 1):
        sets = [findings_of(p.dx_codes) for p in plan_corpus(1000, seed=seed)]
        count = Counter(finding for findings in sets for finding in findings)
        assert min((count[name], name) for name in SCORED)[0] >= 40
        assert 1.8 < sum(count.values()) / 1000 < 2.6
    assert count.most_common(1)[0][0] == "SNR"


def test_cpsc_holds_its_own_nine_codes_only() -> None:
    sets = [findings_of(p.dx_codes) for p in plan_corpus(300, seed=4, datasets=["cpsc"])]
    assert set().union(*sets) == {"SNR", "AF", "IAVB", "LPR", "RBBB", "LBBB", "PAC", "PVC"}


# ---------------------------------------------------------------- plan


def test_plan_shares_records_like_the_published_corpus() -> None:
    count = Counter(p.dataset for p in plan_corpus(1000, seed=0))
    assert set(count) == {d.name for d in DATASETS}
    assert count["incart"] == 2
    assert count["ptb-xl"] == pytest.approx(507, abs=15)
    assert Counter(p.dataset for p in plan_corpus(6, seed=0)) == Counter([d.name for d in DATASETS])
    assert len(plan_corpus(3, seed=0)) == 3
    assert len(plan_corpus(5, seed=0, datasets=["incart"])) == 5


def test_names_have_the_datasets_form_and_gaps() -> None:
    for dataset in DATASETS:
        n = min(dataset.n_records, 700)
        names = [p.record_name for p in plan_corpus(n, seed=0, datasets=[dataset.name])]
        assert len(set(names)) == n
        assert names == sorted(names)
        assert all(dataset_of(name, dataset.fs) is dataset for name in names)
        assert names[0].endswith("1")
    last = {"incart": "I0075", "ptb": "S0549", "cpsc-extra": "Q3581"}
    for name, record_name in last.items():
        size = next(d.n_records for d in DATASETS if d.name == name)
        names = [p.record_name for p in plan_corpus(size, seed=0, datasets=[name])]
        assert names[-1] == record_name
        assert "I0036" not in names


def test_folders_of_both_layouts() -> None:
    flat = plan_corpus(6, seed=0)
    assert {p.folder for p in flat} == {d.folder for d in DATASETS}
    grouped = plan_corpus(1001, seed=0, layout="release", datasets=["cpsc"])
    assert (grouped[999].folder, grouped[1000].folder) == ("training/cpsc_2018/g1", "training/cpsc_2018/g2")
    assert {p.folder for p in plan_corpus(6, seed=0, layout="release")} == {
        "training/cpsc_2018/g1",
        "training/cpsc_2018_extra/g1",
        "training/georgia/g1",
        "training/ptb/g1",
        "training/ptb-xl/g1",
        "training/st_petersburg_incart/g1",
    }


def test_lengths_follow_each_dataset() -> None:
    seconds: dict[str, list[float]] = {}
    for name, n in (("cpsc", 400), ("cpsc-extra", 400), ("georgia", 400), ("ptb", 40), ("incart", 3), ("ptb-xl", 9)):
        seconds[name] = [p.n_samples / p.fs for p in plan_corpus(n, seed=0, datasets=[name])]
    assert min(seconds["cpsc"]) >= 6
    assert max(seconds["cpsc"]) <= 144
    assert 10 <= np.median(seconds["cpsc"]) <= 15
    assert len(set(seconds["cpsc"])) > 200
    assert min(seconds["cpsc-extra"]) >= 8
    assert 5 <= min(seconds["georgia"]) < 10 == max(seconds["georgia"])
    assert min(seconds["ptb"]) > 32
    assert set(seconds["incart"]) == {1800.0}
    assert set(seconds["ptb-xl"]) == {10.0}
    assert max(p.n_samples / p.fs for p in plan_corpus(200, seed=0, max_duration_s=12)) <= 12


def test_patients_have_several_recordings_with_the_same_lasting_findings() -> None:
    plan = plan_corpus(600, seed=2, datasets=["georgia", "ptb"])
    lasting = {name for name, finding in FINDINGS.items() if finding.stays}
    by_patient: dict[str, list[frozenset[str]]] = {}
    for p in plan:
        by_patient.setdefault(p.patient_id, []).append(findings_of(p.dx_codes) & lasting)
    sizes = Counter(len(v) for v in by_patient.values())
    assert {1, 2, 3, 4} <= set(sizes)
    assert all(len(set(v)) == 1 for v in by_patient.values())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_records": 0}, r"0 records; expected 1 to \d+ from cpsc.*ask for fewer"),
        ({"n_records": 90_000}, r"90000 records; expected 1 to 43101"),
        ({"n_records": 5, "layout": "zip"}, r"layout 'zip'; expected tarball or release"),
        ({"n_records": 5, "datasets": ["mimic"]}, r"datasets mimic; expected some of cpsc.*leave the option out"),
        ({"n_records": 5, "datasets": []}, r"datasets none; expected some of"),
        ({"n_records": 5, "datasets": ["ptb", "ptb"]}, r"datasets ptb, ptb; .*at most once"),
        ({"n_records": 5, "max_duration_s": 2.0}, r"max_duration_s 2; expected at least 5 s.*raise it"),
    ],
)
def test_bad_arguments_are_refused_at_once(arguments: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        simulate_corpus(seed=0, **arguments)


# ---------------------------------------------------------------- records


@pytest.fixture(scope="module")
def corpus() -> list[SimulatedRecord]:
    return list(simulate_corpus(200, seed=7, max_duration_s=10))


def test_same_seed_same_bytes_and_another_seed_others() -> None:
    first, again, other = (list(simulate_corpus(8, seed=s, max_duration_s=6)) for s in (5, 5, 6))
    assert [(r.header_text, r.mat_bytes) for r in first] == [(r.header_text, r.mat_bytes) for r in again]
    assert all(a.mat_bytes != b.mat_bytes for a, b in zip(first, other, strict=True))


def test_a_record_does_not_depend_on_how_many_others_are_made() -> None:
    few = {r.record_name: r for r in simulate_corpus(12, seed=3, max_duration_s=6)}
    plan = {p.record_name: p for p in plan_corpus(300, seed=3, max_duration_s=6)}
    for name, record in few.items():
        alone = simulate_record(plan[name])
        assert (alone.header_text, alone.mat_bytes) == (record.header_text, record.mat_bytes)
        assert (alone.patient_id, alone.dx_codes) == (record.patient_id, record.dx_codes)


def stated_name(record: SimulatedRecord) -> str:
    return record.header_text.split(" ", 1)[0]


def test_mat_and_header_are_read_by_others(tmp_path: Path) -> None:
    seen = set()
    for record in simulate_corpus(60, seed=9, max_duration_s=8):
        val = scipy.io.loadmat(io.BytesIO(record.mat_bytes))["val"]
        np.testing.assert_array_equal(val, record.signal)
        assert record.signal.dtype == np.int16
        if stated_name(record).endswith(".mat") or (record.dataset in seen and len(seen) < 6):
            continue  # wfdb refuses a record name with a dot
        (tmp_path / f"{record.record_name}.hea").write_text(record.header_text)
        (tmp_path / f"{record.record_name}.mat").write_bytes(record.mat_bytes)
        read = wfdb.rdrecord(str(tmp_path / record.record_name), physical=False)
        np.testing.assert_array_equal(read.d_signal.T, record.signal)
        assert [c & 0xFFFF for c in read.checksum] == [c & 0xFFFF for c in read.calc_checksum()]
        assert read.init_value == record.signal[:, 0].tolist()
        assert (read.sig_name, read.fs) == (list(LEADS), record.fs)
        seen.add(record.dataset)
    assert seen == {d.name for d in DATASETS}


def test_first_bytes_are_those_of_the_real_files(corpus: list[SimulatedRecord]) -> None:
    record = next(r for r in corpus if r.signal.shape[1] == 5000)
    # The first 24 bytes of HR00001.mat of the published PTB-XL.
    assert record.mat_bytes[:24].hex() == "1e0000000c00000088130000000000000400000076616c00"


def test_checksum_is_a_signed_sum_of_16_bits() -> None:
    assert checksum(np.array([32767, 1], np.int16)) == -32768
    assert checksum(np.array([-32768, -1], np.int16)) == 32767
    assert checksum(np.array([5, -7], np.int16)) == -2


def test_quantised_leads_obey_einthoven_to_the_bit(corpus: list[SimulatedRecord]) -> None:
    for record in corpus[:60]:
        if (record.signal != -32768).all():
            one, two, three = record.signal[:3].astype(int)
            np.testing.assert_array_equal(two, one + three)


def test_half_hour_records_have_the_published_length() -> None:
    record = next(simulate_corpus(1, seed=1, datasets=["incart"]))
    assert record.signal.shape == (12, 462_600)
    assert record.header_text.splitlines()[0].startswith("I0001 12 257 462600")


def test_headers_say_what_is_in_the_signal_or_nothing(corpus: list[SimulatedRecord]) -> None:
    stated = [parse_annotations(parse_header(record.header_text).comments).dx_codes for record in corpus]
    assert sum(not codes for codes in stated) < len(corpus) // 10
    for record, codes in zip(corpus, stated, strict=True):
        assert not codes or set(codes) == set(record.dx_codes)


def test_two_hundred_records_show_nearly_all_dialects(corpus: list[SimulatedRecord]) -> None:
    text = "".join(r.header_text for r in corpus)
    first = [r.header_text.splitlines()[0] for r in corpus]
    fields = {line for r in corpus for line in r.header_text.splitlines() if line.startswith("#")}
    shown = {
        "1000/mV": " 1000/mV " in text,
        "1000/mv": " 1000/mv " in text,
        "1000.0(0)/mV": " 1000.0(0)/mV " in text,
        "1000.0(0)/mv": " 1000.0(0)/mv " in text,
        "16+24": " 16+24 " in text,
        "16x1+24": " 16x1+24 " in text,
        "dated": any(":" in line for line in first),
        "undated": any(":" not in line for line in first),
        "name.mat": any(line.split()[0].endswith(".mat") for line in first),
        "#Dx": "\n#Dx: " in text,
        "# Dx": "\n# Dx: " in text,
        "no Sx": any("Sx" not in r.header_text for r in corpus),
        "empty Dx": any("Dx: \n" in r.header_text for r in corpus),
        "4880": " 4880/mV " in text,
        "200": " 200/mV " in text,
        "age NaN": any(line.endswith("Age: NaN") for line in fields),
        "age -1": any(line.endswith("Age: -1") for line in fields),
        "age 300": any(line.endswith("Age: 300") for line in fields),
        "male": any(line.endswith(("Sex: male", "Sex: female")) for line in fields),
        "M": any(line.endswith(("Sex: M", "Sex: F")) for line in fields),
        "no sex": any("Sex" not in r.header_text for r in corpus),
        "text label": "Normal" in text,
        "repeated code": any(repeats(r) for r in corpus),
    }
    missing = {name for name, there in shown.items() if not there}
    assert len(missing) <= 2, missing
    plain = sum(" 1000/m" in r.header_text for r in corpus)
    assert plain > 120


def labels(record: SimulatedRecord) -> list[str]:
    line = next(line for line in record.header_text.splitlines() if "Dx" in line)
    return [label for label in line.split(":")[1].strip().split(",") if label]


def repeats(record: SimulatedRecord) -> bool:
    return len(set(labels(record))) < len(labels(record))


def test_rare_gains_and_texts_occur_where_they_should() -> None:
    gains = {"ptb": r" 2000000/mV ", "incart": r"000/mV "}
    for name, gain in gains.items():
        assert any(gain in r.header_text for r in simulate_corpus(20, seed=1, datasets=[name], max_duration_s=5))
    cpsc = list(simulate_corpus(300, seed=1, datasets=["cpsc"], max_duration_s=6))
    texts = {label for r in cpsc for label in labels(r) if not label.isdigit()}
    assert texts == {"AF", "I-AVB", "LBBB", "Normal", "PAC", "RBBB"}


def test_header_states_the_codes_of_the_signal_or_nothing(corpus: list[SimulatedRecord]) -> None:
    code_of = {"AF": "164889003", "I-AVB": "270492004", "LBBB": "164909002", "Normal": "426783006"}
    code_of |= {"PAC": "284470004", "PVC": "427172004", "RBBB": "59118001"}
    unlabelled = 0
    for record in corpus:
        stated = {code_of.get(label, label) for label in labels(record)}
        assert stated in (set(record.dx_codes), set())
        unlabelled += not stated
    assert 0 < unlabelled < 20


def test_some_recordings_are_exact_duplicates_and_some_samples_invalid() -> None:
    plan = plan_corpus(2000, seed=0, datasets=["georgia"], max_duration_s=5)
    copies = [i for i, p in enumerate(plan) if p.source_index != p.index]
    assert 4 <= len(copies) <= 40
    copy, original = simulate_record(plan[copies[0]]), simulate_record(plan[plan[copies[0]].source_index])
    assert copy.mat_bytes == original.mat_bytes
    assert (copy.patient_id, copy.dx_codes) == (original.patient_id, original.dx_codes)
    assert copy.record_name != original.record_name
    invalid = [r for r in map(simulate_record, plan[:150]) if (r.signal == -32768).any()]
    assert 1 <= len(invalid) <= 15


def test_a_record_depends_on_its_plan_only() -> None:
    planned = plan_corpus(1, seed=1, datasets=["ptb-xl"])[0]
    moved = replace(planned, folder="elsewhere")
    assert simulate_record(moved).mat_bytes == simulate_record(planned).mat_bytes
