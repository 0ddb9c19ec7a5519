"""Names and order of the twelve standard leads, and the selection of them from whatever a record holds."""

import re
from collections.abc import Sequence
from functools import lru_cache

from ecg.errors import LeadError

LEADS: tuple[str, ...] = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
"""The order of the Challenge's files, which is the order of every array here."""

_CANONICAL = {lead.lower(): lead for lead in LEADS}
_PREFIX = re.compile(r"^((lead|ecg|ekg)[ _-]+)+")


@lru_cache(maxsize=256)
def canonical_lead(name: str) -> str:
    """The standard spelling of a lead name: AVR, avr and "ECG Lead aVr" are all aVR.

    A name that is none of the twelve comes back stripped but otherwise unchanged (vx stays vx).
    """
    text = name.strip()
    return _CANONICAL.get(_PREFIX.sub("", text.lower()), text)


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
