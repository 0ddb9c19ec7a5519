"""What headers and tables call units of voltage, in one spelling."""

import re
import unicodedata
from functools import lru_cache

_PREFIXES = {"n": "n", "nano": "n", "u": "u", "\u03bc": "u", "micro": "u", "mikro": "u", "m": "m", "milli": "m", "": ""}
# "mk" and the Cyrillic letters in Russian; "mc" in prescriptions; "\xe6" is the micro sign of DOS read as Latin-1
_PREFIXES |= {"mk": "u", "mc": "u", "\xe6": "u", "\u043c\u043a": "u", "\u043c": "m"}
_UNIT = re.compile(
    rf"(?:mdc_dim_)?(?!_)({'|'.join(sorted(_PREFIXES, key=len, reverse=True))})_?(?:v|vol|volts?|\u0432)\.?"
)


@lru_cache(maxsize=256)
def spell_units(text: str) -> str | None:
    """The one spelling (nV, uV, mV or V) of what writers call a unit of voltage, None for what is none.

    Case and blanks tell nothing: UV, "u V", microV, Microvolts, MDC_DIM_MICRO_VOLT and both Unicode characters for the
    Greek letter are uV, and so are mcV and Russian's mkV. MicroVol is what EDF's eight letters leave. MV is a
    millivolt, for there is no ECG in megavolts. ".V" and "?V" are none: a writer's or a converter's loss of the Greek
    letter, never volts.
    """
    # NFKC makes one letter of the micro sign (U+00B5) and the Greek mu (U+03BC)
    plain = re.sub(r"\s", "", unicodedata.normalize("NFKC", text.rstrip("\0"))).lower()
    match = _UNIT.fullmatch(plain)
    return f"{_PREFIXES[match[1]]}V" if match else None
