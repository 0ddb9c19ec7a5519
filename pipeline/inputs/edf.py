"""EDF, EDF+ and BDF files, read by edfio: pure Python on NumPy, with 24-bit BDF, from a path or from memory.

pyedflib, the other maintained reader, is a C extension that refuses files which bend the standard a little.
"""

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from ecg.errors import LeadError, SignalError
from ecg.leads import LEADS, canonical_lead, select_leads
from ecg.recording import Recording, make_recording
from pipeline.inputs.foreign import reading
from pipeline.inputs.told import InputConfig, require_units

_SEX = {"M": "Male", "F": "Female"}


def read_edf(path: Path, told: InputConfig) -> Recording:
    """The standard leads of an EDF or BDF file; other channels are left alone.

    Raises
    ------
    LeadError, SignalError
        If it cannot be read, is cut short or interrupted, or a lead is uncalibrated or sampled unlike the others.
    """
    with reading(path, "an EDF or BDF file"):
        from edfio import read_bdf, read_edf

        content = path.read_bytes()
        _check_length(path, content)
        edf: Any = (read_bdf if content[:1] == b"\xff" else read_edf)(content)
        names = [canonical_lead(signal.label) for signal in edf.signals]
        standard = [lead for lead in LEADS if lead in names]
        if not standard:
            raise LeadError(f"{path.stem}: channels {', '.join(names) or 'none'}; expected some of {', '.join(LEADS)}")
        signals = [edf.signals[row] for row in select_leads(names, standard)]
        rates = {float(signal.sampling_frequency) for signal in signals}
        if len(rates) > 1:
            raise SignalError(f"{path.stem}: leads at {', '.join(f'{fs:g}' for fs in sorted(rates))} Hz; expected one")
        rows = [_to_microvolts(signal, told, path.stem) for signal in signals]
        age, sex = _patient(edf)
        return make_recording(path.stem, np.stack(rows), standard, rates.pop(), age=age, sex=sex)


def _check_length(path: Path, content: bytes) -> None:
    """Refuse what edfio would cut down or join in silence: a file that is short, and one with gaps."""
    if content[:8] not in (b"0       ", b"\xffBIOSEMI") or len(content) < 256:
        raise SignalError(f"{path.stem}: begins unlike an EDF or BDF file; expected one of them by its name")
    if content[192:197] in (b"EDF+D", b"BDF+D"):
        raise SignalError(f"{path.stem}: an interrupted recording ({content[192:197].decode()}); expected one piece")
    header_bytes, n_records, n_signals = (
        int(content[part]) for part in (slice(184, 192), slice(236, 244), slice(252, 256))
    )
    if n_signals < 1 or header_bytes != 256 * (n_signals + 1):
        raise SignalError(f"{path.stem}: {n_signals} channels in a header of {header_bytes} bytes; the file is damaged")
    at = 256 + 216 * n_signals
    per_record = sum(int(content[at + 8 * signal : at + 8 * signal + 8]) for signal in range(n_signals))
    width = 3 if content[:1] == b"\xff" else 2
    expected, found = n_records * per_record * width, max(len(content) - header_bytes, 0)
    if n_records > 0 and found < expected:
        raise SignalError(
            f"{path.stem}: {found:,} bytes of samples; expected {expected:,}: the file is cut short, fetch it again"
        )


def _to_microvolts(signal: Any, told: InputConfig, name: str) -> np.ndarray:  # noqa: ANN401 - EdfSignal or BdfSignal
    where = f"{name} lead {canonical_lead(signal.label)}"
    if signal.physical_min == signal.physical_max or signal.digital_min == signal.digital_max:
        raise SignalError(f"{where}: uncalibrated, its smallest and largest value are the same; expected a range")
    return signal.data * require_units(signal.physical_dimension.strip() or None, told, where)


def _patient(edf: Any) -> tuple[float | None, str | None]:  # noqa: ANN401 - Edf or Bdf
    """Age in years and sex, None where the file does not say: plain EDF has no rule for them."""
    sex = _SEX.get(edf.patient.sex)
    try:
        born, begun = edf.patient.birthdate, edf.recording.startdate
    except (ValueError, OverflowError):  # an anonymised date, or a text of no known form: plain EDF has no rule for it
        return None, sex
    return (float(_years(born, begun)) if born and begun and begun >= born else None), sex


def _years(born: date, day: date) -> int:
    return day.year - born.year - ((day.month, day.day) < (born.month, born.day))
