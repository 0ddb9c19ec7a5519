"""Records for tests, written as the Challenge's files are: a header and a `.mat`, with right checksums.

Signals are whole numbers made by whole-number arithmetic, so that they are the same on every machine.
"""

import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecg12.ecg.signals.leads import LEADS

MAT_BYTES = 24


def pulses_uv(n_samples: int, *, fs: float = 500, seed: int = 0, amplitude_uv: int = 1000) -> NDArray[np.int16]:
    """Twelve leads of triangular beats, int16, shape (12, n_samples), µV; II = I + III, no lead is flat.

    Different seeds give different beats, rates and noise.
    """
    sample = np.arange(n_samples, dtype=np.int64)
    period = int(fs * (60 + seed % 7 * 5) / 100)
    phase = (sample + 31 * seed) % period
    width = max(int(fs) // 25, 1)  # of half a QRS complex
    qrs = np.maximum(0, width - np.abs(phase - period // 3)) * amplitude_uv // width
    t_wave = np.maximum(0, 4 * width - np.abs(phase - 2 * period // 3)) * (amplitude_uv // 5) // (4 * width)
    ripple = (sample * (2 * seed + 7919)) % 23 - 11
    one = (qrs + t_wave) // 2 + ripple
    two = qrs + t_wave - ripple // 2 + seed % 5
    limb = [one, two, two - one, -(one + two) // 2, (2 * one - two) // 2, (2 * two - one) // 2]
    chest = [(qrs * (lead - 3) + t_wave * lead) // 4 + ripple for lead in range(1, 7)]
    return np.array(limb + chest).astype(np.int16)


def mat_bytes(signal: NDArray[np.integer]) -> bytes:
    """The `.mat` file of a signal of shape (n_leads, n_samples)."""
    head = struct.pack("<5i4s", 30, *signal.shape, 0, 4, b"val\0")
    return head + np.ascontiguousarray(signal.T, "<i2").tobytes()


def checksum_of(samples: NDArray[np.integer]) -> int:
    """Sum of a lead's samples as a signed 16-bit number."""
    return (int(samples.sum(dtype=np.int64)) + 32768) % 65536 - 32768


def write_record(
    folder: Path,
    name: str,
    signal_uv: NDArray[np.integer] | None = None,
    *,
    fs: float | None = 500,
    gain: str = "1000/mV",
    dx: str | None = "426783006",
    age: str | None = "60",
    sex: str | None = "Female",
    leads: Sequence[str] = LEADS,
    fmt: str = "16+24",
    comment: str = "#",
    stated_name: str | None = None,
    stated_length: int | str | None = None,
    checksums: Sequence[int] | None = None,
    mat_name: str | None = None,
) -> Path:
    """Write `name`.hea and `name`.mat into `folder` (made if missing) and give back the header's path.

    Parameters
    ----------
    signal_uv : int16, shape (len(leads), n_samples), written as it is (µV at 1000/mV); beats by default
    fs, dx, age, sex : None leaves them out (without fs the length, too)
    gain, fmt : their fields' texts
    comment : what comment lines begin with, "#" or "# "
    stated_name, stated_length, checksums, mat_name : what the header says, where it is not the truth; a
        length of "" leaves it out
    """
    folder.mkdir(parents=True, exist_ok=True)
    if signal_uv is None:
        signal_uv = pulses_uv(5000, fs=fs or 500)[: len(leads)]
    length = signal_uv.shape[1] if stated_length is None else stated_length
    first = [stated_name or name, str(len(leads)), *([] if fs is None else [f"{fs:g}", str(length)])]
    lines = [" ".join(first).strip()]
    sums = [checksum_of(samples) for samples in signal_uv] if checksums is None else checksums
    for lead, samples, total in zip(leads, signal_uv, sums, strict=True):
        lines.append(f"{mat_name or f'{name}.mat'} {fmt} {gain} 16 0 {samples[0]} {total} 0 {lead}")
    facts = {"Age": age, "Sex": sex, "Dx": dx, "Rx": "Unknown", "Hx": "Unknown", "Sx": "Unknown"}
    lines += [f"{comment}{key}: {value}" for key, value in facts.items() if value is not None]
    header = folder / f"{name}.hea"
    header.write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / f"{name}.mat").write_bytes(mat_bytes(signal_uv))
    return header


def write_corpus(folder: Path) -> None:
    """Seven records of four datasets, `folder`'s own among them, in four folders; I0001 has 5,000 samples."""
    for number in range(1, 5):
        write_record(folder / "cpsc" / "g1", f"A000{number}", pulses_uv(2000 + 300 * number, seed=number))
    write_record(folder / "incart", "I0001", pulses_uv(5000, fs=257, seed=7), fs=257)
    write_record(folder / "georgia", "E00001", pulses_uv(2500, seed=8), stated_name="E00001.mat", dx="")
    write_record(folder / "ward", "X", pulses_uv(1000, seed=9), dx="164889003,OWN")
