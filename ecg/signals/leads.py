"""Names and order of the twelve standard leads, and how to come by them from whatever a record holds.

The six limb leads are two measurements: any two of them give the other four exactly (Einthoven 1912, Goldberger
1942). Chest leads cannot be had from others.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import numpy as np

from ecg12.ecg.errors import ConfigError, LeadError

LEADS: tuple[str, ...] = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
"""The order of the Challenge's files, which is the order of every array here."""

LEAD_SETS: dict[str, tuple[str, ...]] = {
    "12": LEADS,
    "6": LEADS[:6],
    "4": ("I", "II", "III", "V2"),
    "3": ("I", "II", "V2"),
    "2": ("I", "II"),
}
"""The sets of leads that the Challenge of 2021 scored, by their number.

Source: helper_code.py of its official entry (twelve_leads to two_leads).
"""

MISSING_LEADS = ("error", "zero")
"""What to do about a lead that is neither there nor derivable."""

_FRONTAL = {"I": (1, 0), "II": (0, 1), "III": (-1, 1), "aVR": (-0.5, -0.5), "aVL": (1, -0.5), "aVF": (-0.5, 1)}
"""Each limb lead as a sum of I and II."""

_CANONICAL = {lead.lower(): lead for lead in LEADS}
_PREFIX = re.compile(r"^((mdc|lead|ecg|ekg)([ _]+|-))+")
"""A minus after a blank is a sign: "ECG -aVR" is the inverted lead of Cabrera's order, not aVR."""
_REMARK = re.compile(r" *\([^()]*\)$")


@lru_cache(maxsize=256)
def canonical_lead(name: str) -> str:
    """The standard spelling of a lead name: AVR, "ECG Lead aVr", MDC_ECG_LEAD_AVR and "aVR (Goldberger)" are aVR.

    A name that is none of the twelve comes back stripped but otherwise unchanged (vx stays vx).
    """
    text = name.strip()
    return _CANONICAL.get(_REMARK.sub("", _PREFIX.sub("", text.lower())), text)


def select_leads(names: Sequence[str], wanted: Sequence[str] = LEADS) -> list[int]:
    """Row of each wanted lead among `names`, in the wanted order.

    Raises
    ------
    LeadError
        If a wanted lead is missing or there twice, naming it.
    """
    canonical = [canonical_lead(name) for name in names]
    wanted = [canonical_lead(name) for name in wanted]
    missing = [lead for lead in wanted if lead not in canonical]
    if missing:
        raise LeadError(
            f"lead {', '.join(missing)} missing: found {', '.join(canonical) or 'none'}; expected {', '.join(wanted)}"
        )
    for lead in wanted:
        if canonical.count(lead) > 1:
            raise LeadError(f"lead {lead} occurs {canonical.count(lead)} times; expected once")
    return [canonical.index(lead) for lead in wanted]


@dataclass(frozen=True, kw_only=True, slots=True)
class LeadPlan:
    """Where each wanted lead comes from.

    Attributes
    ----------
    sources : for each wanted lead the (row, weight) pairs whose sum it is; none for a lead of zeros
    derived : wanted leads that are calculated from others
    zeroed : wanted leads that are missing
    """

    sources: tuple[tuple[tuple[int, float], ...], ...]
    derived: tuple[str, ...] = ()
    zeroed: tuple[str, ...] = ()


def plan_leads(names: Sequence[str], wanted: Sequence[str] = LEADS, *, missing: str = "error") -> LeadPlan:
    """How to make the wanted leads of those called `names`, in the wanted order.

    A limb lead that is missing is derived from two others, from I and II where they are there.

    Parameters
    ----------
    missing : "error", or "zero" for zeros in the place of what cannot be had

    Raises
    ------
    LeadError
        If a wanted lead cannot be had, or a lead that is needed is there twice, naming it.
    ConfigError
        If `missing` is neither.
    """
    if missing not in MISSING_LEADS:
        raise ConfigError(f"missing leads are {missing!r}; expected {' or '.join(MISSING_LEADS)}")
    canonical = tuple(map(canonical_lead, names))
    return _plan_leads(canonical, tuple(map(canonical_lead, wanted)), missing)


@lru_cache(maxsize=256)
def _plan_leads(names: tuple[str, ...], wanted: tuple[str, ...], missing: str) -> LeadPlan:
    pairs = list(combinations([lead for lead in _FRONTAL if lead in names], 2))
    sources: list[tuple[tuple[int, float], ...]] = []
    derived, absent = [], []
    for lead in wanted:
        if lead in names:
            terms = {lead: 1.0}
        elif lead in _FRONTAL and pairs:
            terms = _derivation(lead, *pairs[0])
            derived.append(lead)
        else:
            terms = {}
            absent.append(lead)
        sources.append(tuple((_row_of(term, names), weight) for term, weight in terms.items()))
    if absent and missing == "error":
        raise LeadError(
            f"lead {', '.join(absent)} missing: found {', '.join(names) or 'none'}; expected {', '.join(wanted)}"
            + (" (limb leads can be derived from two others)" if set(absent) & set(_FRONTAL) else "")
        )
    return LeadPlan(sources=tuple(sources), derived=tuple(derived), zeroed=tuple(absent))


def _derivation(lead: str, first: str, second: str) -> dict[str, float]:
    """Weights of two limb leads whose sum is a third."""
    matrix = np.array([_FRONTAL[first], _FRONTAL[second]], float).T
    weights = np.linalg.solve(matrix, np.array(_FRONTAL[lead], float))
    return {name: float(round(weight, 12)) for name, weight in zip((first, second), weights, strict=True)}


def _row_of(lead: str, names: tuple[str, ...]) -> int:
    if names.count(lead) > 1:
        raise LeadError(f"lead {lead} occurs {names.count(lead)} times; expected once")
    return names.index(lead)
