"""`bench corpus`: files of the whole corpus's shape, for measuring: 43,101 records, 7.8 GB, in two minutes.

Names, lengths, headers and labels are the simulator's own, each its own. Signals repeat from a pool, since making each
one would take an hour; every record has one sample of its own and the checksum with it, so no two are duplicates.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecg12.ecg.datasets import DATASETS
from ecg12.ecg.errors import InputError
from ecg12.ecg.synthetic.anatomy import draw_patient
from ecg12.ecg.synthetic.corpus import simulate_record
from ecg12.ecg.synthetic.corpus_plan import PlannedRecord, plan_corpus, stream
from ecg12.ecg.synthetic.file_dialect import draw_dialect, format_mat, format_record_header
from ecg12.pipeline.runtime.progress import Progress, silent
from ecg12.pipeline.simulate import SimulateSummary

POOL = {"incart": 2, "ptb": 8}
POOL_OTHERS = 24
WHOLE = sum(dataset.n_records for dataset in DATASETS)


def write_corpus(
    output: Path, n_records: int = WHOLE, *, seed: int = 2020, progress: Progress = silent
) -> SimulateSummary:
    """Write it.

    Raises
    ------
    InputError
        If `output` holds anything already.
    """
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise InputError(f"{output}: is not empty; choose another folder for the simulated corpus")
    plan = plan_corpus(n_records, seed=seed)
    with progress("bench corpus", n_records, "records") as task:
        for dataset in DATASETS:
            mine = [planned for planned in plan if planned.dataset == dataset.name]
            folder = output / dataset.folder
            folder.mkdir(parents=True)
            pool = _pool(mine)
            for number, planned in enumerate(mine):
                signal = _signal_of(planned, number, pool)
                (folder / f"{planned.record_name}.mat").write_bytes(format_mat(signal))
                (folder / f"{planned.record_name}.hea").write_text(_header_of(planned, signal), encoding="utf-8")
                task.advance()
    return SimulateSummary(
        output=output,
        n_records=n_records,
        n_patients=len({(planned.dataset, planned.patient_id) for planned in plan}),
        patients=output,
    )


def _pool(plan: list[PlannedRecord]) -> list[NDArray[np.int16]]:
    """Signals as long as the longest record of a dataset, int16, shape (12, n_samples)."""
    longest = max(planned.n_samples for planned in plan)
    size = POOL.get(plan[0].dataset, POOL_OTHERS)
    originals = [planned for planned in plan if planned.source_index == planned.index]
    return [simulate_record(replace(planned, n_samples=longest)).signal for planned in originals[:size]]


def _signal_of(planned: PlannedRecord, number: int, pool: list[NDArray[np.int16]]) -> NDArray[np.int16]:
    """The beginning of a signal of the pool with one sample changed, at another place each time it is used."""
    turn, chosen = divmod(number, len(pool))
    signal = pool[chosen][:, : planned.n_samples].copy()
    # lead V6 stands alone, so II = I + III still holds
    signal[11, turn] ^= 1
    return signal


def _header_of(planned: PlannedRecord, signal: NDArray[np.int16]) -> str:
    """As `simulate_record` writes it."""
    seed, name = planned.seed, planned.dataset
    patient = draw_patient(stream(seed, name, "anatomy", planned.patient_id))
    dialect = draw_dialect(name, planned.dx_codes, patient, stream(seed, name, "dialect", planned.index))
    return format_record_header(name, planned.record_name, planned.fs, signal, dialect)
