"""What comments above a text table state: `# fs: 500 Hz`, `# Sampling rate (Hz) = 500`, `# units: mV (millivolt)`."""

import re

from ecg12.ecg.errors import SignalError

_COMMENT = re.compile(r"[\s\"']*(?:#|%|//)")
_FACT = re.compile(r"[\s\"']*(?:#|%|//)[#%/\s]*([^:=]{1,60}?)\s*(?:[(\[]([^()\[\]]*)[)\]])?\s*[:=]\s*(.*)")
_KEYS = {
    key: fact
    for fact, keys in {
        "fs": (
            "fs|sfreq|sf|sr|freq|frequency|hz|sample rate|sampling rate|sample freq|sampling freq|sample frequency|"
            "sampling frequency|samplerate|samplingrate|samplingfrequency|samples per second|abtastrate"
        ),
        "units": "unit|units|signal unit|signal units|physical unit|physical units|amplitude unit|voltage unit",
    }.items()
    for key in keys.split("|")
}
_RATE = re.compile(
    r"([+-]?[\d.,' ]*\d[.,]?(?:e[+-]?\d+)?)\s*"
    r"(k?hz|k?sps|hertz|kilohertz|samples?\s*(?:/|per)\s*s(?:ec(?:ond)?)?|/\s*s(?:ec)?|1/s|s\^?-1)?",
    re.IGNORECASE,
)
_REMARK = re.compile(r"\s*[(\[][^()\[\]]*[)\]]\s*$")
_UNITS = {"millivolt": "mV", "microvolt": "uV", "volt": "V", "mikrovolt": "uV", "microv": "uV", "milliv": "mV"}


def is_comment(line: str) -> bool:
    """Whether a line begins as comments do."""
    return _COMMENT.match(line) is not None


def fact_in(comment: str) -> tuple[str, str] | None:
    """What a comment states: "fs" or "units", and how it is written; None if it is about something else.

    `# Sampling rate (kHz): 1` gives "1 kHz".
    """
    match = _FACT.fullmatch(comment.rstrip().rstrip("\"'"))
    if match is None:
        return None
    key = _KEYS.get(" ".join(match[1].lower().replace("_", " ").replace("-", " ").split()))
    value = match[3].strip().strip("\"',;\t").strip()
    if key is None:
        return None
    if key == "fs" and match[2] and value[-1:].isdigit():
        value = f"{value} {match[2]}"
    return key, value


def parse_rate(text: str, name: str, option: str = "--fs") -> float:
    """Hz, as a comment states them.

    Parameters
    ----------
    option : by which another rate can be told

    Raises
    ------
    SignalError
        If it is not understood, or might be thousands or decimals.
    """
    match = _RATE.fullmatch(_REMARK.sub("", text).strip())
    number = match[1].replace("'", "").strip() if match else ""
    if re.fullmatch(r"\d{1,3},\d{3}|[1-9]\.\d{3}", number):
        raise SignalError(
            f"{name}: fs {text!r} in a comment may be thousands or decimals; expected a number such as 1000 or 500.0: "
            f"write it so, or tell it with {option}"
        )
    try:
        fs = float(number.replace(",", ".")) * (1000 if match and (match[2] or "").lower().startswith("k") else 1)
    except ValueError:
        fs = 0.0
    if not 0 < fs < 1e9:
        raise SignalError(
            f"{name}: fs {text[:40]!r} in a comment; expected a positive number of Hz: mend it, or tell it with "
            f"{option}"
        )
    return fs


def clean_unit(text: str) -> str:
    """A unit as it stands in a table, without brackets, remarks and an 's': "mV (millivolt)" is mV."""
    text = text.strip().strip("\"'")
    if text[:1] in "([" and text[-1:] in ")]":
        text = text[1:-1]
    text = _REMARK.sub("", text).strip()
    return _UNITS.get(text.lower().rstrip("s"), text)
