"""What recorders call the twelve leads, beyond the spellings `ecg.signals.leads` knows: labels in EDF and DICOM files.

A label is taken for a lead only where it can mean nothing else. "ECG 1" is a first channel, not lead I; "V1-V2" and
"-aVR" are other measurements; "C3" is an electrode on the head; none of them is made a lead by guessing.
"""

import re
from collections.abc import Sequence
from functools import lru_cache

from ecg12.ecg.signals.leads import LEADS, canonical_lead

_WORDS = (
    "mdc ecg ekg elec potl lead leads channel einthoven goldberger wilson abl ableitung brustwand brustwandableitung "
)
_WORDS += "extremitätenableitung dérivation derivation derivación derivacion derivação derivazione afleiding avledning"
_BEFORE = re.compile(rf"(?:(?:{'|'.join(sorted(_WORDS.split(), key=len, reverse=True))})(?:-(?=[iv])|[ _.:]*))+")
"""Words before a lead's name, with or without a blank behind them: "ECGII", "Ableitung aVR", "MDC_ECG_ELEC_POTL_V1"."""

_AFTER = re.compile(
    r"[ _]*(?:\([^()]*\)|\[[^\[\]]*\]|[-_ ](?:ref|0|gnd|wct|ct|avg|ecg|ekg|lead|einthoven|goldberger|wilson)|"
    r", *augmented\b.*)$"
)
"""What stands behind it: the reference ("I-Ref", "V1-0"), a remark, DICOM's "aVR, augmented voltage, right"."""

_LEADS = {lead.lower(): lead for lead in LEADS}


@lru_cache(maxsize=1024)
def find_lead(label: str) -> str | None:
    """The standard lead that a label can only mean, None if there is none."""
    lead = canonical_lead(label)
    if lead in LEADS:
        return lead
    text = label.replace("\0", " ").strip().lower()
    while True:
        shorter = _AFTER.sub("", text)
        if shorter == text:
            break
        text = shorter
    text = _BEFORE.sub("", text, count=1) if _BEFORE.match(text) else text
    return _LEADS.get(re.sub(r"[ _]", "", text) if text.startswith(("a", "v")) else text)  # "i i" is not II


def name_leads(labels: Sequence[str]) -> list[str]:
    """The labels, each that means a standard lead replaced by the lead's name.

    Where two could mean the same lead, and only one has its plain name, the other keeps its label.
    """
    plain = [canonical_lead(label) for label in labels]
    taken = set(plain) & set(LEADS)
    found = [None if name in LEADS else find_lead(label) for name, label in zip(plain, labels, strict=True)]
    return [lead if lead is not None and lead not in taken else name for name, lead in zip(plain, found, strict=True)]
