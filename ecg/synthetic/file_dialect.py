"""Challenge files as text and bytes: the `.mat` body, the header, and the dialects headers were published in.

Every corpus shows what a reader of the real files meets: gains of four eras above the same microvolts, labels
as codes, as text or missing, ages that are no ages. Most records are in their dataset's plain dialect; the
others are rare enough to be exceptions and frequent enough to occur in a corpus of 200 records.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from ecg12.ecg.labels.snomed import TEXT_LABELS
from ecg12.ecg.signals.leads import LEADS
from ecg12.ecg.synthetic.anatomy import Patient


def format_mat(signal: NDArray[np.int16]) -> bytes:
    """MATLAB version 4 file with one matrix `val`, as the Challenge's `.mat` files are.

    Parameters
    ----------
    signal : int16 array, shape (12, n_samples), adu

    Returns
    -------
    bytes: a 24-byte header (type 30 = little-endian int16, 12 rows, n_samples columns, real, name of 4 bytes), then
    little-endian int16 in column order, which is time-major: (n_samples, 12).
    """
    header = struct.pack("<5i", 30, signal.shape[0], signal.shape[1], 0, 4) + b"val\0"
    return header + np.ascontiguousarray(signal.T).astype("<i2").tobytes()


def checksum(samples: NDArray[np.int16]) -> int:
    """Sum of the samples as a signed 16-bit number. Source: WFDB header(5), "checksum"."""
    return (int(samples.sum(dtype=np.int64)) + 0x8000) % 0x10000 - 0x8000


@dataclass(frozen=True, kw_only=True, slots=True)
class Dialect:
    """How one header is written.

    `gain` is the text of the gain field with units, `labels` the text of the Dx field, `age` and `sex` theirs; a
    None leaves the line out. `comment` begins each comment line.
    """

    fmt: str
    gain: str
    comment: str
    dated: bool
    mat_in_name: bool
    age: str
    sex: str | None
    labels: str
    has_sx: bool


_DATES: Final = {
    "cpsc": "12-May-2020 12:33:59",
    "cpsc-extra": "15-May-2020 15:35:30",
    "georgia": "05-May-2020 14:50:55",
    "incart": "15-May-2020 15:42:19",
    "ptb": "15-May-2020 15:22:05",
    "ptb-xl": "04-Jun-2020 15:11:55",
}
_LOWER_CASE_UNITS: Final = frozenset({"incart", "ptb", "ptb-xl"})
_RELEASE_SHARE: Final = 0.14
# Shares of headers from before August 2020; CPSC's of that time state the true gain, and labels as text.
_EARLY_SHARE: Final = {"cpsc": 0.22, "georgia": 0.12, "incart": 0.3, "ptb": 0.3, "ptb-xl": 0.08}
_EARLY_GAIN: Final = {"georgia": "4880/mV", "ptb": "2000000/mV", "ptb-xl": "200/mV"}
# The early text PVC stood for 164884008, which is not simulated, so a simulated PVC stays a code.
_LABEL_TEXT: Final = {code: text for text, code in TEXT_LABELS.items()}
_NO_LABEL_SHARE: Final = 0.03


def _age_text(dataset: str, age: int, rng: Generator) -> str:
    chance = rng.random()
    if chance < 0.03:
        return "NaN"
    if chance < 0.045:
        return "-1"
    # PTB-XL writes 300 for everybody older than 89.
    return "300" if dataset == "ptb-xl" and age > 89 else str(min(age, 104))


def _sex_text(dataset: str, sex: str, early: bool, rng: Generator) -> str | None:
    chance = rng.random()
    if chance < 0.02:
        return None
    if (early and dataset == "ptb") or chance < 0.05:
        return sex.lower()
    if (early and dataset == "incart") or chance < 0.08:
        return sex[0]
    return sex


def _labels_text(dx_codes: Sequence[str], as_text: bool, rng: Generator) -> str:
    """The Dx field. In text a code that has no text (LPR beside I-AVB) stays a code, so nothing is lost."""
    if rng.random() < _NO_LABEL_SHARE:
        return ""
    labels = [_LABEL_TEXT.get(code, code) if as_text else code for code in dx_codes]
    if rng.random() < 0.02:
        labels.append(labels[0])
    return ",".join(labels)


def draw_dialect(dataset: str, dx_codes: Sequence[str], patient: Patient, rng: Generator) -> Dialect:
    """The dialect of one record, drawn with the shares above."""
    era = rng.random()
    early = era < _EARLY_SHARE.get(dataset, 0.0)
    release = era > 1 - _RELEASE_SHARE
    unit = "mv" if dataset in _LOWER_CASE_UNITS else "mV"
    gain = f"1000.0(0)/{unit}" if release else f"1000/{unit}"
    if early and dataset == "incart":
        gain = f"{int(rng.integers(240, 1042)) * 1000}/mV"
    elif early:
        gain = _EARLY_GAIN.get(dataset, gain)
    return Dialect(
        fmt="16x1+24" if release else "16+24",
        gain=gain,
        comment="# " if release else "#",
        dated=not release,
        mat_in_name=dataset == "georgia" and not release and rng.random() < (0.7 if early else 0.03),
        age=_age_text(dataset, patient.age, rng),
        sex=_sex_text(dataset, patient.sex, early, rng),
        labels=_labels_text(dx_codes, early and dataset == "cpsc", rng),
        has_sx=rng.random() < (0.5 if release else 0.9),
    )


def format_record_header(dataset: str, record_name: str, fs: float, signal: NDArray[np.int16], dialect: Dialect) -> str:
    """Header text of one record, ending with a newline; `signal` as in `format_mat`."""
    name = f"{record_name}.mat" if dialect.mat_in_name else record_name
    first = f"{name} {len(LEADS)} {fs:g} {signal.shape[1]}"
    lines = [f"{first} {_DATES[dataset]}" if dialect.dated else first]
    for lead, samples in zip(LEADS, signal, strict=True):
        stated = f"{dialect.fmt} {dialect.gain} 16 0 {samples[0]} {checksum(samples)} 0 {lead}"
        lines.append(f"{record_name}.mat {stated}")
    fields = [("Age", dialect.age), ("Sex", dialect.sex), ("Dx", dialect.labels)]
    fields += [("Rx", "Unknown"), ("Hx", "Unknown"), ("Sx", "Unknown" if dialect.has_sx else None)]
    lines += [f"{dialect.comment}{key}: {value}" for key, value in fields if value is not None]
    return "\n".join(lines) + "\n"
