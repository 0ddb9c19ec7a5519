"""The records of a simulated corpus: a plan's records turned into signals, headers and `.mat` bytes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from ecg12.ecg.datasets import TRUE_GAIN_ADU_PER_MV
from ecg12.ecg.synthetic.anatomy import draw_patient
from ecg12.ecg.synthetic.corpus_plan import PlannedRecord, plan_corpus, stream
from ecg12.ecg.synthetic.file_dialect import draw_dialect, format_mat, format_record_header
from ecg12.ecg.synthetic.recording import simulate_signal

INVALID_SAMPLE: Final = -32768
_INVALID_SHARE: Final = {"georgia": 0.03, "incart": 0.15}


@dataclass(frozen=True, kw_only=True, slots=True)
class SimulatedRecord:
    """One record, ready to be written.

    Attributes
    ----------
    dataset : name in `ecg.datasets`, e.g. "ptb-xl"
    record_name : e.g. "HR00001"
    folder : posix folder below the corpus root, e.g. "Training_PTB-XL" or "training/ptb-xl/g1"
    header_text : the `.hea` file
    mat_bytes : the `.mat` file
    dx_codes : SNOMED CT codes of what is in the signal, sorted; the header's Dx may state them as text, repeat
        one or, in 3 % of the records, be empty
    patient_id : the same for all recordings of one patient
    fs : Hz
    signal : int16 array, shape (12, n_samples), microvolts
    """

    dataset: str
    record_name: str
    folder: str
    header_text: str
    mat_bytes: bytes
    dx_codes: tuple[str, ...]
    patient_id: str
    fs: float
    signal: NDArray[np.int16]


def _to_microvolts(signal_mv: NDArray[np.float32]) -> NDArray[np.int16]:
    """Quantise to 1 uV. The limb leads are derived again from whole I and II, so II = I + III to the last bit.

    Beyond +-32.767 mV the converter saturates.
    """
    adu = np.rint(signal_mv * TRUE_GAIN_ADU_PER_MV).astype(np.int32)
    one, two = adu[0], adu[1]
    adu[2] = two - one
    adu[3] = -(one + two) // 2
    adu[4] = (2 * one - two) // 2
    adu[5] = (2 * two - one) // 2
    return adu.clip(-32767, 32767).astype(np.int16)


def _lose_samples(signal: NDArray[np.int16], dataset: str, rng: Generator) -> None:
    """Rarely, in Georgia and INCART, overwrite a short stretch of one lead with WFDB's invalid sample."""
    if rng.random() < _INVALID_SHARE.get(dataset, 0.0):
        lead = int(rng.integers(len(signal)))
        start = int(rng.integers(signal.shape[1] - 100))
        signal[lead, start : start + int(rng.integers(3, 100))] = INVALID_SAMPLE


def simulate_record(planned: PlannedRecord) -> SimulatedRecord:
    """Make one planned record; it depends on nothing but `planned`."""
    seed, name = planned.seed, planned.dataset
    patient = draw_patient(stream(seed, name, "anatomy", planned.patient_id))
    signal = _to_microvolts(
        simulate_signal(
            planned.dx_codes,
            fs=planned.fs,
            n_samples=planned.n_samples,
            rng=stream(seed, name, "signal", planned.source_index),
            patient=patient,
        )
    )
    _lose_samples(signal, name, stream(seed, name, "invalid", planned.source_index))
    dialect = draw_dialect(name, planned.dx_codes, patient, stream(seed, name, "dialect", planned.index))
    return SimulatedRecord(
        dataset=name,
        record_name=planned.record_name,
        folder=planned.folder,
        header_text=format_record_header(name, planned.record_name, planned.fs, signal, dialect),
        mat_bytes=format_mat(signal),
        dx_codes=planned.dx_codes,
        patient_id=planned.patient_id,
        fs=planned.fs,
        signal=signal,
    )


def simulate_corpus(
    n_records: int,
    *,
    seed: int,
    layout: str = "tarball",
    datasets: Sequence[str] | None = None,
    max_duration_s: float | None = None,
) -> Iterator[SimulatedRecord]:
    """The records of `plan_corpus` with the same arguments, one at a time; arguments are checked at once."""
    plan = plan_corpus(n_records, seed=seed, layout=layout, datasets=datasets, max_duration_s=max_duration_s)
    return map(simulate_record, plan)
