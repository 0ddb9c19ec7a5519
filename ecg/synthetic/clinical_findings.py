"""What the simulator can put into a signal: definitions, codes, and which exclude or imply each other.

A label set is always complete for the signal under it: nothing is simulated whose code is not in the set,
and the border between a finding and its absence is left empty (no PR interval between 190 and 210 ms, say),
so that no label is a matter of taste. Three conventions keep that promise readable:

- What a finding brings along is not coded again: the discordant T wave, the long QT and the wide QRS of a
  bundle branch block, of a ventricular premature beat or of a paced beat.
- Brady (426627000) is a ventricular rate below 60/min in a rhythm other than sinus (slow fibrillation, slow
  flutter, junctional escape); the sinus rhythm of that rate is SB. They never occur together.
- LPR (164947007) is the measured long interval, IAVB (270492004) the block; LPR without IAVB lies just above
  the border (212-232 ms), IAVB well above (245-340 ms) and always carries LPR, too.

Definitions: Surawicz et al. 2009 (AHA/ACCF/HRS recommendations III, conduction), Rautaharju et al. 2009 (IV, ST,
T and QT), Hancock et al. 2009 (V), Thygesen et al. 2018 (fourth universal definition of infarction, Q waves).
Codes and abbreviations: class table of the PhysioNet/CinC Challenge 2020.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import combinations
from typing import Final

from ecg12.ecg.errors import ConfigError


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One simulated finding.

    `codes` are its SNOMED CT codes, equivalents after the first; `definition` is the sign a reader measures,
    `simulated` the range drawn here; `stays` says whether all recordings of a patient share it.
    """

    abbreviation: str
    codes: tuple[str, ...]
    definition: str
    simulated: str
    stays: bool = False


FINDINGS: Final[dict[str, Finding]] = {
    f.abbreviation: f
    for f in (
        Finding(
            abbreviation="SNR",
            codes=("426783006",),
            definition="sinus rhythm: a P wave before every QRS, regular, 60-100/min",
            simulated="61-97/min, RR range below 10 %",
        ),
        Finding(
            abbreviation="SB",
            codes=("426177001",),
            definition="sinus bradycardia: sinus P waves, rate < 60/min",
            simulated="40-56/min",
        ),
        Finding(
            abbreviation="STach",
            codes=("427084000",),
            definition="sinus tachycardia: sinus P waves, rate > 100/min",
            simulated="104-150/min",
        ),
        Finding(
            abbreviation="SA",
            codes=("427393009",),
            definition="sinus arrhythmia: sinus P waves, longest minus shortest RR > 120 ms",
            simulated="respiratory, peak to peak 21-40 % of RR, at 64-84/min, or at 46-53/min together with SB",
        ),
        Finding(
            abbreviation="AF",
            codes=("164889003",),
            definition="atrial fibrillation: irregularly irregular RR, no P waves, f waves of 4-9 Hz",
            simulated="RR coefficient of variation 16-28 %, 66-130/min (with Brady 38-52/min)",
        ),
        Finding(
            abbreviation="AFL",
            codes=("164890007",),
            definition="atrial flutter: saw-tooth F waves of 240-340/min, largest in II, III, aVF",
            simulated="252-318/min, conducted 2:1 to 4:1 (with Brady 5:1 to 7:1)",
        ),
        Finding(
            abbreviation="Brady",
            codes=("426627000",),
            definition="bradycardia of a rhythm other than sinus: ventricular rate < 60/min",
            simulated="36-55/min in AF, AFL or JE",
        ),
        Finding(
            abbreviation="JE",
            codes=("426995002",),
            definition="junctional escape (not scored): regular narrow QRS at 35-60/min without P waves",
            simulated="36-54/min, always with Brady",
        ),
        Finding(
            abbreviation="PR",
            codes=("10370003",),
            definition="pacing rhythm: a spike of about 1 ms before each wide QRS of left bundle branch block form",
            simulated="62-85/min, spikes of 0.5-2.5 mV, QRS 150-185 ms, with or without atrial spikes",
            stays=True,
        ),
        Finding(
            abbreviation="IAVB",
            codes=("270492004",),
            definition="first degree AV block: PR > 200 ms, constant, every P conducted",
            simulated="PR 245-340 ms, always with LPR",
            stays=True,
        ),
        Finding(
            abbreviation="LPR",
            codes=("164947007",),
            definition="prolonged PR interval: PR > 200 ms",
            simulated="PR 212-232 ms alone, 245-340 ms with IAVB; normal is 128-188 ms",
            stays=True,
        ),
        Finding(
            abbreviation="RBBB",
            codes=("59118001", "713427006"),
            definition="right bundle branch block: QRS >= 120 ms, rsR' in V1, wide S in I and V6",
            simulated="QRS 128-158 ms",
            stays=True,
        ),
        Finding(
            abbreviation="IRBBB",
            codes=("713426002",),
            definition="incomplete right bundle branch block: rsr' in V1, QRS 100-119 ms",
            simulated="QRS 100-110 ms",
            stays=True,
        ),
        Finding(
            abbreviation="LBBB",
            codes=("164909002",),
            definition="left bundle branch block: QRS >= 120 ms, broad notched R in I, aVL, V5, V6, rS or QS in V1",
            simulated="QRS 134-166 ms, no septal q",
            stays=True,
        ),
        Finding(
            abbreviation="NSIVCB",
            codes=("698252002",),
            definition="nonspecific intraventricular conduction disorder: QRS > 110 ms, neither bundle's form",
            simulated="QRS 128-152 ms with septal q, notched R and terminal S",
            stays=True,
        ),
        Finding(
            abbreviation="LAnFB",
            codes=("445118002",),
            definition="left anterior fascicular block: axis -45 to -90 degrees, qR in aVL, rS in II, III, aVF, "
            "R peak in aVL >= 45 ms, QRS < 120 ms",
            simulated="axis -50 to -78 degrees, always with LAD",
            stays=True,
        ),
        Finding(
            abbreviation="LAD",
            codes=("39732003",),
            definition="left axis deviation: mean QRS axis -30 to -90 degrees",
            simulated="-36 to -44 degrees alone, further with LAnFB or PR; normal is -12 to 78 degrees",
            stays=True,
        ),
        Finding(
            abbreviation="RAD",
            codes=("47665007",),
            definition="right axis deviation: mean QRS axis 90 to 180 degrees",
            simulated="104-145 degrees",
            stays=True,
        ),
        Finding(
            abbreviation="LQRSV",
            codes=("251146004",),
            definition="low QRS voltage: peak to peak < 0.5 mV in every limb lead and < 1.0 mV in every chest lead",
            simulated="largest limb lead 0.24-0.42 mV, chest 0.5-0.85 mV; normal is > 0.75 and > 1.4 mV",
            stays=True,
        ),
        Finding(
            abbreviation="QAb",
            codes=("164917005",),
            definition="abnormal Q wave: >= 40 ms and >= 1/4 of R, or QS, in two contiguous leads",
            simulated="inferior, lateral or anterior, about 45 ms",
            stays=True,
        ),
        Finding(
            abbreviation="PAC",
            codes=("284470004", "63593006"),
            definition="premature atrial contraction: early beat, P of another form, narrow QRS, no full pause",
            simulated="coupling 55-74 % of RR, 10-28 % of the beats",
        ),
        Finding(
            abbreviation="PVC",
            codes=("427172004", "17338001"),
            definition="premature ventricular contraction: early beat without P, QRS >= 120 ms of another form, "
            "discordant T, compensatory pause",
            simulated="coupling 48-74 % of RR, QRS 140-175 ms, 10-28 % of the beats",
        ),
        Finding(
            abbreviation="LQT",
            codes=("111975006",),
            definition="prolonged QT: QTc (Bazett) >= 450 ms in men, >= 460 ms in women",
            simulated="QTc 480-570 ms; normal is 380-435 ms",
        ),
        Finding(
            abbreviation="TAb",
            codes=("164934002",),
            definition="T wave abnormal, nonspecific: T below 10 % of R, or diphasic, in I, II, V3-V6",
            simulated="flat (a seventh of the usual T at most) or diphasic in every lead",
        ),
        Finding(
            abbreviation="TInv",
            codes=("59931005",),
            definition="T wave inversion: T <= -0.1 mV in two contiguous leads other than aVR, III and V1",
            simulated="anterior, inferior, lateral or all of them, at least 0.13 mV deep",
        ),
    )
}

IMPLIED: Final[dict[str, str]] = {"IAVB": "LPR", "LAnFB": "LAD", "JE": "Brady"}

SINUS: Final = frozenset({"SNR", "SB", "STach", "SA"})
RHYTHMS: Final = SINUS | {"AF", "AFL", "JE", "PR"}
_WIDE: Final = frozenset({"RBBB", "LBBB", "NSIVCB", "PR"})

_EXCLUDES: Final[dict[str, frozenset[str]]] = {
    "Brady": SINUS | {"PR"},
    "LPR": frozenset({"AF", "AFL", "JE", "PR", "STach", "Brady"}),
    "IRBBB": _WIDE | {"QAb"},
    "LAnFB": frozenset({"LBBB", "NSIVCB", "PR", "QAb"}),
    "RAD": frozenset({"LAD", "LBBB", "PR", "QAb"}),
    "LQRSV": _WIDE | {"IRBBB", "LAnFB", "QAb", "TAb", "TInv"},
    "QAb": _WIDE,
    "PAC": frozenset({"AF", "AFL", "JE", "PR", "SA", "STach"}),
    "PVC": frozenset({"AFL", "JE", "PR", "SA", "PAC"}),  # PAC: five seconds may be too short for both
    "LQT": _WIDE | {"AF", "AFL", "STach", "TAb"},
    "TAb": _WIDE | {"AFL", "TInv"},
    "TInv": _WIDE | {"AFL"},
}
_MAY_JOIN: Final = frozenset({frozenset({"SA", "SB"})})


def _excluding_pairs() -> frozenset[frozenset[str]]:
    pairs = {frozenset({a, b}) for a, others in _EXCLUDES.items() for b in others if a != b}
    for group in (RHYTHMS, _WIDE):
        pairs |= {frozenset(pair) for pair in combinations(sorted(group), 2)}
    for finding, implied in IMPLIED.items():
        # What excludes the implied finding excludes the one that implies it.
        pairs |= {frozenset({finding, *(pair - {implied})}) for pair in tuple(pairs) if implied in pair}
    return frozenset(pairs - _MAY_JOIN)


EXCLUDING: Final = _excluding_pairs()
"""Pairs of abbreviations that never occur in one record."""

_BY_CODE: Final = {code: finding.abbreviation for finding in FINDINGS.values() for code in finding.codes}


def with_implied(findings: Iterable[str]) -> frozenset[str]:
    """The findings with those that they imply."""
    given = frozenset(findings)
    return given | {IMPLIED[f] for f in given if f in IMPLIED}


def conflicts(findings: Collection[str]) -> list[tuple[str, str]]:
    """The pairs among `findings` that exclude each other, sorted; empty when they can occur together."""
    return [pair for pair in combinations(sorted(findings), 2) if frozenset(pair) in EXCLUDING]


def findings_of(dx_codes: Iterable[str]) -> frozenset[str]:
    """The findings that SNOMED CT codes stand for, with implied ones and a rhythm where none is given.

    Without a rhythm the beat comes from the sinus node (SNR), under Brady alone from the junction (JE).

    Raises
    ------
    ConfigError
        If a code is none of the simulator's, or two findings exclude each other.
    """
    codes = tuple(dx_codes)
    unknown = sorted({str(code) for code in codes if code not in _BY_CODE})
    if unknown:
        raise ConfigError(
            f"simulator: dx code {', '.join(unknown)} not known; expected codes of {', '.join(FINDINGS)}; leave it out"
        )
    findings = with_implied(_BY_CODE[code] for code in codes)
    if not findings & RHYTHMS:
        findings |= {"JE"} if "Brady" in findings else {"SNR"}
    clash = conflicts(findings)
    if clash:
        raise ConfigError(
            f"simulator: findings {' and '.join(clash[0])} exclude each other; expected at most one of them; "
            "leave one out"
        )
    return findings
