"""Writing the simulator's corpus to disk, in the Challenge's own files."""

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ecg12.cache.storage.atomic import write_text_atomically
from ecg12.ecg.errors import InputError
from ecg12.ecg.synthetic import plan_corpus, simulate_record
from ecg12.pipeline.runtime.progress import Progress, silent

PATIENTS = "patients.csv"


@dataclass(frozen=True, kw_only=True, slots=True)
class SimulateSummary:
    """What was written: records, and the table of their patients."""

    output: Path
    n_records: int
    n_patients: int
    patients: Path


def simulate(
    output: Path,
    n_records: int,
    *,
    seed: int,
    layout: str = "tarball",
    max_duration_s: float | None = None,
    keep: Callable[[str], bool] = lambda patient_id: True,
    progress: Progress = silent,
) -> SimulateSummary:
    """Write a simulated corpus of all six datasets, and `patients.csv` beside it.

    Parameters
    ----------
    n_records : in the whole corpus
    layout : "tarball" (Training_CPSC/A0001) or "release" (training/cpsc_2018/g1/A0001)
    max_duration_s : cut longer records
    keep : write only the records of patients it is true for

    Raises
    ------
    InputError
        If `output` holds anything already.
    ConfigError
        If the corpus cannot be planned so.
    """
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise InputError(f"{output}: is not empty; choose another folder for the simulated corpus")
    plan = [
        planned
        for planned in plan_corpus(n_records, seed=seed, layout=layout, max_duration_s=max_duration_s)
        if keep(planned.patient_id)
    ]
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["record", "patient_id"])
    output.mkdir(parents=True, exist_ok=True)
    with progress("simulate", len(plan), "records") as task:
        for planned in plan:
            record = simulate_record(planned)
            folder = output / record.folder
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{record.record_name}.mat").write_bytes(record.mat_bytes)
            (folder / f"{record.record_name}.hea").write_text(record.header_text, encoding="utf-8", newline="")
            writer.writerow([record.record_name, record.patient_id])
            task.advance()
    write_text_atomically(output / PATIENTS, table.getvalue())
    return SimulateSummary(
        output=output,
        n_records=len(plan),
        n_patients=len({(planned.dataset, planned.patient_id) for planned in plan}),
        patients=output / PATIENTS,
    )
