"""How often each finding is drawn, and which code it gets.

The frequencies follow the datasets' published counts only roughly: classes that are rare there (flutter, pacing,
low voltage, ...) are drawn far more often, so that every one of the 24 scored classes is in about one record in
twenty or more and can be learnt from a thousand records. A record has 2.4 labels on average.
"""

from collections.abc import Iterable
from typing import Final

from numpy.random import Generator

from ecg12.ecg.synthetic.clinical_findings import FINDINGS, conflicts, with_implied

# Weight of each rhythm in a dataset. Pacing stays with the patient and is drawn below.
_MIXED_RHYTHMS: Final[dict[tuple[str, ...], float]] = {
    ("SNR",): 28,
    ("SB",): 10,
    ("SB", "SA"): 4,
    ("SA",): 7,
    ("STach",): 12,
    ("AF",): 6,
    ("AF", "Brady"): 3,
    ("AFL",): 7,
    ("AFL", "Brady"): 3,
    ("JE", "Brady"): 4.5,
}
_RHYTHM_WEIGHTS: Final[dict[str, dict[tuple[str, ...], float]]] = {
    "cpsc": {("SNR",): 72, ("AF",): 28},
    "cpsc-extra": _MIXED_RHYTHMS,
    "georgia": _MIXED_RHYTHMS,
    "incart": {("SNR",): 40, ("SB",): 10, ("SA",): 10, ("STach",): 15, ("AF",): 15, ("AF", "Brady"): 10},
    "ptb": {("SNR",): 70, ("SB",): 10, ("STach",): 10, ("AF",): 10},
    "ptb-xl": _MIXED_RHYTHMS | {("SNR",): 44},
}

# Probability of each further finding, drawn in random order and dropped when it cannot join those before it.
_COMMON: Final[dict[str, float]] = {
    "PR": 0.14,
    "IAVB": 0.08,
    "LPR": 0.05,
    "RBBB": 0.08,
    "IRBBB": 0.12,
    "LBBB": 0.09,
    "NSIVCB": 0.11,
    "LAnFB": 0.11,
    "LAD": 0.06,
    "RAD": 0.11,
    "LQRSV": 0.12,
    "QAb": 0.12,
    "PAC": 0.13,
    "PVC": 0.09,
    "LQT": 0.17,
    "TAb": 0.15,
    "TInv": 0.14,
}
_FURTHER: Final[dict[str, dict[str, float]]] = {
    # CPSC was annotated with nine codes: nothing else is put into its signals, so its labels stay complete.
    "cpsc": {"IAVB": 0.11, "RBBB": 0.20, "LBBB": 0.08, "PAC": 0.16, "PVC": 0.12},
    "cpsc-extra": _COMMON,
    "georgia": _COMMON,
    "incart": {"PAC": 0.3, "PVC": 0.5, "NSIVCB": 0.05, "TInv": 0.1},
    "ptb": {"PVC": 0.1, "LQRSV": 0.1, "QAb": 0.3, "TInv": 0.2, "LAD": 0.1},
    "ptb-xl": _COMMON,
}


def _joinable(finding: str, findings: frozenset[str]) -> bool:
    return not conflicts(findings | with_implied((finding,)))


def _draw_further(dataset: str, findings: frozenset[str], rng: Generator, stays: bool) -> frozenset[str]:
    chances = {f: p for f, p in _FURTHER[dataset].items() if FINDINGS[f].stays is stays}
    for finding in rng.permutation(sorted(chances)):
        if rng.random() < chances[str(finding)] and _joinable(str(finding), findings):
            findings |= with_implied((str(finding),))
    return findings


def draw_lasting(dataset: str, rng: Generator) -> frozenset[str]:
    """Findings that all recordings of one patient share (conduction, axis, voltage, scars, pacing)."""
    findings = _draw_further(dataset, frozenset(), rng, stays=True)
    if "PR" in findings and rng.random() < 0.5:
        findings |= {"LAD"}  # apical pacing turns the axis upwards, septal pacing does not
    return findings


def draw_findings(dataset: str, lasting: frozenset[str], rng: Generator) -> frozenset[str]:
    """Findings of one recording: the patient's lasting ones, a rhythm and what else came that day."""
    findings = lasting
    if "PR" not in lasting:
        weights = {
            rhythm: weight
            for rhythm, weight in _RHYTHM_WEIGHTS[dataset].items()
            if not conflicts(lasting | frozenset(rhythm))
        }
        rhythms = sorted(weights)
        total = sum(weights.values())
        chosen = rng.choice(len(rhythms), p=[weights[rhythm] / total for rhythm in rhythms])
        findings |= frozenset(rhythms[int(chosen)])
    return _draw_further(dataset, findings, rng, stays=False)


# Share of the second code among records with a finding that has two, after the counts in the class table.
_SECOND_CODE: Final[dict[str, dict[str, float]]] = {
    "cpsc-extra": {"RBBB": 0.9, "PAC": 0.4, "PVC": 0.1},
    "georgia": {"RBBB": 0.1, "PAC": 0.05, "PVC": 0.9},
    "incart": {"PAC": 0.5},
    "ptb-xl": {"RBBB": 0.6, "PAC": 0.3, "PVC": 0.3},
}


def draw_codes(dataset: str, findings: Iterable[str], rng: Generator) -> tuple[str, ...]:
    """One code for each finding, sorted; where two are equivalent, one of them as usual in the dataset."""
    second = _SECOND_CODE.get(dataset, {})
    codes = []
    for finding in sorted(findings):
        use_second = rng.random() < second.get(finding, 0.0)
        codes.append(FINDINGS[finding].codes[int(use_second)])
    return tuple(sorted(codes))
